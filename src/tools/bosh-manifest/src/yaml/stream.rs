//! All documents of a text with the tags that applications define (`!name`): for readers of other files than the BOSH
//! CLI's, which reads the first document and no such tags.

use super::YamlError;
use super::document::{Document, NodeId, NodeKind};
use crate::Value;

/// Tags below more names than this are nobody's.
const DEEPEST: usize = 6;

/// A document of several.
#[derive(Clone, Debug, Default)]
pub struct StreamDocument {
    /// Its value. All keys of maps are texts.
    pub value: Value,
    /// Its tags, in the order of the text.
    pub tags: Vec<Tagged>,
}

/// A value with a tag that an application defines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tagged {
    /// The names of the maps' entries that lead to it. What lies in sequences is left out.
    pub path: Vec<String>,
    /// The tag, with its exclamation mark.
    pub tag: String,
}

/// Reads every document of `text`; an empty text has none.
pub fn parse_stream(text: &[u8]) -> Result<Vec<StreamDocument>, YamlError> {
    let documents = Document::parse_all(text)?;
    documents
        .iter()
        .map(|document| {
            // First, since it bounds what aliases can repeat.
            let value = document.value_with_text_keys()?;
            let mut tags = Vec::new();
            if let Some(root) = document.root() {
                collect(document, root, &mut Vec::new(), &mut tags);
            }
            Ok(StreamDocument { value, tags })
        })
        .collect()
}

fn collect(document: &Document, id: NodeId, path: &mut Vec<String>, tags: &mut Vec<Tagged>) {
    let mut node = document.node(id);
    while let NodeKind::Alias { target, .. } = node.kind {
        node = document.node(target);
    }
    if let Some(tag) = node.tag.as_ref().filter(|tag| tag.starts_with('!')) {
        tags.push(Tagged {
            path: path.clone(),
            tag: tag.clone(),
        });
        return;
    }
    if path.len() == DEEPEST {
        return;
    }
    match &node.kind {
        NodeKind::Map(entries) => {
            for (key, value) in entries {
                let NodeKind::Scalar { text, implicit } = &document.node(*key).kind else {
                    continue;
                };
                if *implicit && text == "<<" {
                    merged(document, *value, path, tags);
                } else {
                    path.push(text.clone());
                    collect(document, *value, path, tags);
                    path.pop();
                }
            }
        }
        NodeKind::Seq(_) | NodeKind::Scalar { .. } | NodeKind::Alias { .. } => {}
    }
}

/// What `<<` brings lies where it is brought to.
fn merged(document: &Document, id: NodeId, path: &mut Vec<String>, tags: &mut Vec<Tagged>) {
    if let NodeKind::Seq(items) = &document.node(id).kind {
        for item in items {
            collect(document, *item, path, tags);
        }
    } else {
        collect(document, id, path, tags);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn documents(text: &str) -> Vec<StreamDocument> {
        parse_stream(text.as_bytes()).unwrap()
    }

    #[test]
    fn reads_every_document() {
        for (text, expected) in [
            ("", 0),
            ("# nothing\n", 0),
            ("a: 1", 1),
            ("---\na: 1\n...\n", 1),
            ("a: 1\n---\nb: 2\n", 2),
            ("--- {a: 1}\n--- |\n  text\n", 2),
            ("a: 1\n---\n# nothing\n", 2),
        ] {
            assert_eq!(documents(text).len(), expected, "{text}");
        }
        let both = documents("a: &a 1\n---\nb: |\n  ---\n  x");
        assert_eq!(both[0].value.get("a"), Some(&Value::Int(1)));
        assert_eq!(both[1].value.get("b"), Some(&Value::from("---\nx")));
        assert!(
            parse_stream(b"a: &a 1\n---\nb: *a\n").is_err(),
            "anchors end"
        );
        assert!(parse_stream(b"a: 1\n---\nb: [\n").is_err());
    }

    #[test]
    fn says_where_tags_are() {
        let text = "a: !x 1\nb:\n  c: !y {d: !z 2}\n  e: !!str 3\nf: [!x 1]\ng: &g {h: !w null}\ni: {<<: *g}\n";
        let found: Vec<String> = documents(text)[0]
            .tags
            .iter()
            .map(|tagged| format!("{} {}", tagged.path.join("."), tagged.tag))
            .collect();
        assert_eq!(found, ["a !x", "b.c !y", "g.h !w", "i.h !w"]);
    }
}

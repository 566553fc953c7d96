//! Nodes read into named fields, as Go's decoder fills a struct.

use super::YamlError;
use super::decode::{Decoder, scalar};
use super::document::{Document, NodeId, NodeKind};
use super::resolve::{Tag, short_tag};
use crate::Value;

/// What does not fit its field; the decoder goes on and reports all of it at the end.
#[derive(Debug, Default)]
pub(crate) struct TypeErrors(Vec<String>);

impl TypeErrors {
    /// Fails when there is any.
    pub(crate) fn finish<T>(self, decoded: T) -> Result<T, YamlError> {
        if self.0.is_empty() {
            Ok(decoded)
        } else {
            Err(YamlError::Types(self.0))
        }
    }
}

/// Reads a document whose shape is known.
pub(crate) struct Fields<'d> {
    decoder: Decoder<'d>,
    errors: TypeErrors,
}

impl<'d> Fields<'d> {
    pub(crate) fn new(document: &'d Document) -> Self {
        Self {
            decoder: Decoder::new(document),
            errors: TypeErrors::default(),
        }
    }

    /// What did not fit.
    pub(crate) fn into_errors(self) -> TypeErrors {
        self.errors
    }

    /// The items of a sequence; `go_type` is the list's name in messages. Null is an empty one.
    pub(crate) fn items(&mut self, id: NodeId, go_type: &str) -> Result<Vec<NodeId>, YamlError> {
        let id = self.followed(id)?;
        match &self.decoder.node(id).kind {
            NodeKind::Seq(items) => Ok(items.clone()),
            _ => self.none_or_misfit(id, go_type).map(|()| Vec::new()),
        }
    }

    /// The entries of a mapping by their keys' texts, merged ones among them, in order. Null is an empty one.
    pub(crate) fn entries(
        &mut self,
        id: NodeId,
        go_type: &str,
    ) -> Result<Vec<(String, NodeId)>, YamlError> {
        let mut found = Vec::new();
        self.entries_into(id, go_type, 0, &mut found)?;
        Ok(found)
    }

    fn entries_into(
        &mut self,
        id: NodeId,
        go_type: &str,
        depth: usize,
        found: &mut Vec<(String, NodeId)>,
    ) -> Result<(), YamlError> {
        let id = self.followed(id)?;
        let NodeKind::Map(entries) = &self.decoder.node(id).kind else {
            return self.none_or_misfit(id, go_type);
        };
        for (key, value) in entries {
            if self.decoder.is_merge(*key) {
                // A merge inside of what is merged, and so on: only an alias to itself goes on for ever.
                if depth > 100 {
                    return Err(YamlError::Meaning(
                        "merged maps are nested too deep".to_owned(),
                    ));
                }
                for (id, _) in self.decoder.merged(*value)? {
                    self.entries_into(id, go_type, depth + 1, found)?;
                }
            } else if let Some(key) = self.key(*key)? {
                found.push((key, *value));
            }
        }
        Ok(())
    }

    /// The text of a key; `None`, noted as an error, when it has none.
    fn key(&mut self, id: NodeId) -> Result<Option<String>, YamlError> {
        match self.text(id)? {
            Some(text) => Ok(Some(text)),
            None if self.is_scalar(id)? => Ok(Some(String::new())),
            None => Ok(None),
        }
    }

    /// A string field: any scalar's text; `None` for null.
    pub(crate) fn text(&mut self, id: NodeId) -> Result<Option<String>, YamlError> {
        let id = self.followed(id)?;
        let node = self.decoder.node(id);
        let NodeKind::Scalar { text, implicit } = &node.kind else {
            self.misfit(id, "", "string");
            return Ok(None);
        };
        Ok(match scalar(node.tag.as_deref(), text, *implicit)? {
            (Tag::Null, _) => None,
            (Tag::Str, Value::String(text)) => Some(text),
            _ => Some(text.clone()),
        })
    }

    /// A boolean field; `None` for null.
    pub(crate) fn flag(&mut self, id: NodeId) -> Result<Option<bool>, YamlError> {
        let id = self.followed(id)?;
        let node = self.decoder.node(id);
        if let NodeKind::Scalar { text, implicit } = &node.kind {
            match scalar(node.tag.as_deref(), text, *implicit)? {
                (_, Value::Null) => return Ok(None),
                (_, Value::Bool(flag)) => return Ok(Some(flag)),
                (tag, _) => self.misfit(id, tag.short(), "bool"),
            }
        } else {
            self.misfit(id, "", "bool");
        }
        Ok(None)
    }

    /// A field of any type.
    pub(crate) fn value(&mut self, id: NodeId) -> Result<Value, YamlError> {
        self.decoder.value(id)
    }

    /// Whether Go leaves a pointer field unset for this node: `null`, `~` or nothing, but not `Null`.
    pub(crate) fn is_unset(&mut self, id: NodeId) -> Result<bool, YamlError> {
        let id = self.followed(id)?;
        let node = self.decoder.node(id);
        Ok(match (&node.tag, &node.kind) {
            (Some(tag), _) => short_tag(tag) == "!!null",
            (None, NodeKind::Scalar { text, implicit }) => {
                text == "null" || text == "~" || (text.is_empty() && *implicit)
            }
            _ => false,
        })
    }

    fn is_scalar(&mut self, id: NodeId) -> Result<bool, YamlError> {
        let id = self.followed(id)?;
        Ok(matches!(
            self.decoder.node(id).kind,
            NodeKind::Scalar { .. }
        ))
    }

    /// The node that an alias stands for; an alias can name only a node that is not one.
    fn followed(&mut self, id: NodeId) -> Result<NodeId, YamlError> {
        self.decoder.count()?;
        Ok(match &self.decoder.node(id).kind {
            NodeKind::Alias { target, .. } => *target,
            _ => id,
        })
    }

    /// Null is fine where a list or a map is expected; everything else is not.
    fn none_or_misfit(&mut self, id: NodeId, go_type: &str) -> Result<(), YamlError> {
        let node = self.decoder.node(id);
        let tag = match &node.kind {
            NodeKind::Scalar { text, implicit } => {
                match scalar(node.tag.as_deref(), text, *implicit)? {
                    (Tag::Null, _) => return Ok(()),
                    (tag, _) => tag.short(),
                }
            }
            _ => "",
        };
        self.misfit(id, tag, go_type);
        Ok(())
    }

    fn misfit(&mut self, id: NodeId, resolved: &str, go_type: &str) {
        let node = self.decoder.node(id);
        let (default, text) = match &node.kind {
            NodeKind::Seq(_) => ("!!seq", String::new()),
            NodeKind::Map(_) => ("!!map", String::new()),
            NodeKind::Scalar { text, .. } => (resolved, format!(" `{}`", shortened(text))),
            NodeKind::Alias { .. } => (resolved, String::new()),
        };
        let tag = node
            .tag
            .as_deref()
            .map_or_else(|| default.to_owned(), short_tag);
        let line = node.line + 1;
        self.errors.0.push(format!(
            "line {line}: cannot unmarshal {tag}{text} into {go_type}"
        ));
    }
}

/// Ten bytes at most, as go-yaml quotes what does not fit.
fn shortened(text: &str) -> String {
    if text.len() <= 10 {
        return text.to_owned();
    }
    let mut end = 7;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}...", &text[..end])
}

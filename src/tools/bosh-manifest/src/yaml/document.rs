//! The nodes of a document, before their scalars are given a meaning.

use std::borrow::Cow;
use std::collections::HashMap;

use libyaml_safer::{Event, EventData, Parser, ScalarStyle};

use super::YamlError;
use super::comma_after_tag::refuse_comma_after_tag;

/// Deeper than any manifest; bounds the stack that walking a document takes.
pub(super) const DEPTH_LIMIT: usize = 200;

/// The place of a node in its document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NodeId(usize);

/// One node.
#[derive(Debug)]
pub(super) struct Node {
    /// Counted from 0.
    pub(super) line: u64,
    pub(super) tag: Option<String>,
    pub(super) kind: NodeKind,
}

/// What a node is.
#[derive(Debug)]
pub(super) enum NodeKind {
    /// `implicit`: plain, so that its meaning comes from its text.
    Scalar {
        text: String,
        implicit: bool,
    },
    Seq(Vec<NodeId>),
    Map(Vec<(NodeId, NodeId)>),
    Alias {
        name: String,
        target: NodeId,
    },
}

/// The first document of a text.
#[derive(Debug, Default)]
pub(crate) struct Document {
    nodes: Vec<Node>,
    root: Option<NodeId>,
}

impl Document {
    /// Reads the first document; what follows it is not read, as in the CLI.
    pub(crate) fn parse(text: &[u8]) -> Result<Self, YamlError> {
        Ok(Self::read(text, false)?.pop().unwrap_or_default())
    }

    /// Reads all documents.
    pub(super) fn parse_all(text: &[u8]) -> Result<Vec<Self>, YamlError> {
        Self::read(text, true)
    }

    fn read(text: &[u8], all: bool) -> Result<Vec<Self>, YamlError> {
        let text = std::str::from_utf8(text)
            .map_err(|error| YamlError::not_utf8(text, error.valid_up_to()))?;
        let source = Source::new(text);
        refuse_comma_after_tag(&source.text)?;
        let mut input = source.text.as_bytes();
        let mut parser = Parser::new();
        parser.set_input_string(&mut input);
        let mut builder = Builder {
            parser,
            source: &source,
            document: Self::default(),
            anchors: HashMap::new(),
        };
        builder.parser.parse()?;
        let mut documents = Vec::new();
        while builder.document()? {
            documents.push(std::mem::take(&mut builder.document));
            builder.anchors.clear();
            if !all {
                break;
            }
        }
        Ok(documents)
    }

    pub(crate) fn root(&self) -> Option<NodeId> {
        self.root
    }

    pub(super) fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0]
    }
}

/// A text as the parser needs it: ending with a line break.
struct Source<'t> {
    text: Cow<'t, str>,
    /// When a line break was added: whether there is more than blanks in the line that it ends.
    ended: Option<bool>,
}

impl<'t> Source<'t> {
    fn new(text: &'t str) -> Self {
        if text.ends_with(['\n', '\r']) {
            return Self {
                text: Cow::Borrowed(text),
                ended: None,
            };
        }
        let last_line = text.rsplit(['\n', '\r']).next().unwrap_or_default();
        let ended = Some(!last_line.trim_matches([' ', '\t']).is_empty());
        Self {
            text: Cow::Owned(format!("{text}\n")),
            ended,
        }
    }

    /// Takes the line break that was added off a block scalar that reaches to the end of the text.
    fn without_added_break(&self, value: &mut String, style: ScalarStyle, end: u64) {
        let Some(content_before) = self.ended else {
            return;
        };
        let block = matches!(style, ScalarStyle::Literal | ScalarStyle::Folded);
        let at_end = usize::try_from(end).is_ok_and(|end| end + 1 >= self.text.len());
        if block
            && at_end
            && (content_before || value.ends_with("\n\n") || value == "\n")
            && value.ends_with('\n')
        {
            value.pop();
        }
    }
}

struct Builder<'s, 'r, 'b> {
    parser: Parser<&'r mut &'b [u8]>,
    source: &'s Source<'s>,
    document: Document,
    anchors: HashMap<String, NodeId>,
}

impl Builder<'_, '_, '_> {
    /// Reads the next document; false if there is none.
    fn document(&mut self) -> Result<bool, YamlError> {
        let start = self.parser.parse()?;
        if matches!(start.data, EventData::StreamEnd) {
            return Ok(false);
        }
        let first = self.parser.parse()?;
        self.document.root = Some(self.node(first, 0)?);
        // The end of the document: what breaks between its last node and there is an error too.
        self.parser.parse()?;
        Ok(true)
    }

    fn node(&mut self, event: Event, depth: usize) -> Result<NodeId, YamlError> {
        let (line, end) = (event.start_mark.line, event.end_mark.index);
        if depth > DEPTH_LIMIT {
            return Err(YamlError::TooDeep {
                line: line + 1,
                limit: DEPTH_LIMIT,
            });
        }
        match event.data {
            EventData::Scalar {
                anchor,
                tag,
                mut value,
                plain_implicit,
                style,
                ..
            } => {
                self.source.without_added_break(&mut value, style, end);
                let kind = NodeKind::Scalar {
                    text: value,
                    implicit: plain_implicit,
                };
                Ok(self.push(line, tag, kind, anchor))
            }
            EventData::Alias { anchor } => match self.anchors.get(&anchor) {
                Some(target) => {
                    let kind = NodeKind::Alias {
                        name: anchor,
                        target: *target,
                    };
                    Ok(self.push(line, None, kind, None))
                }
                None => Err(YamlError::Meaning(format!(
                    "unknown anchor '{anchor}' referenced"
                ))),
            },
            EventData::SequenceStart { anchor, tag, .. } => {
                let id = self.push(line, tag, NodeKind::Seq(Vec::new()), anchor);
                let mut items = Vec::new();
                loop {
                    let event = self.parser.parse()?;
                    if matches!(event.data, EventData::SequenceEnd) {
                        break;
                    }
                    items.push(self.node(event, depth + 1)?);
                }
                self.document.nodes[id.0].kind = NodeKind::Seq(items);
                Ok(id)
            }
            EventData::MappingStart { anchor, tag, .. } => {
                let id = self.push(line, tag, NodeKind::Map(Vec::new()), anchor);
                let mut entries = Vec::new();
                loop {
                    let event = self.parser.parse()?;
                    if matches!(event.data, EventData::MappingEnd) {
                        break;
                    }
                    let key = self.node(event, depth + 1)?;
                    let event = self.parser.parse()?;
                    entries.push((key, self.node(event, depth + 1)?));
                }
                self.document.nodes[id.0].kind = NodeKind::Map(entries);
                Ok(id)
            }
            other => Err(YamlError::Meaning(format!(
                "a node is expected, but there is {other:?}"
            ))),
        }
    }

    fn push(
        &mut self,
        line: u64,
        tag: Option<String>,
        kind: NodeKind,
        anchor: Option<String>,
    ) -> NodeId {
        let id = NodeId(self.document.nodes.len());
        self.document.nodes.push(Node {
            line,
            tag: tag.filter(|tag| !tag.is_empty()),
            kind,
        });
        if let Some(anchor) = anchor {
            self.anchors.insert(anchor, id);
        }
        id
    }
}

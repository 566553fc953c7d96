//! From nodes to values: go-yaml's `decode.go`, decoding into an empty interface.

use base64::Engine;

use super::YamlError;
use super::document::{DEPTH_LIMIT, Document, Node, NodeId, NodeKind};
use super::gosyntax::source_text;
use super::resolve::{Tag, is_binary, resolve};
use crate::{Map, Value};

/// Below this many decoded nodes nearly all may come from aliases.
const FREE_ALIASES: u32 = 400_000;
/// From this many on, a tenth.
const FEW_ALIASES: u32 = 4_000_000;

impl Document {
    /// The value of the whole document; null when it is empty.
    pub(crate) fn value(&self) -> Result<Value, YamlError> {
        match self.root() {
            Some(root) => Decoder::new(self).value(root),
            None => Ok(Value::Null),
        }
    }

    /// The same, but keys are the texts that stand there: to readers of later YAML, `y` and `on` are no truth values.
    pub(super) fn value_with_text_keys(&self) -> Result<Value, YamlError> {
        let mut decoder = Decoder::new(self);
        decoder.text_keys = true;
        self.root()
            .map_or(Ok(Value::Null), |root| decoder.value(root))
    }
}

/// A merged mapping: where it is named, and its entries.
pub(super) type Merged<'d> = (NodeId, &'d [(NodeId, NodeId)]);

/// Decodes the nodes of one document, and counts what aliases repeat.
pub(super) struct Decoder<'d> {
    document: &'d Document,
    open_aliases: Vec<NodeId>,
    depth: usize,
    decoded: u32,
    from_aliases: u32,
    text_keys: bool,
}

impl<'d> Decoder<'d> {
    pub(super) fn new(document: &'d Document) -> Self {
        Self {
            document,
            open_aliases: Vec::new(),
            depth: 0,
            decoded: 0,
            from_aliases: 0,
            text_keys: false,
        }
    }

    pub(super) fn node(&self, id: NodeId) -> &'d Node {
        self.document.node(id)
    }

    /// The value of a node.
    pub(super) fn value(&mut self, id: NodeId) -> Result<Value, YamlError> {
        self.count()?;
        let node = self.node(id);
        // Aliases of aliases may nest deeper than the text does.
        if self.depth > DEPTH_LIMIT {
            return Err(YamlError::TooDeep {
                line: node.line + 1,
                limit: DEPTH_LIMIT,
            });
        }
        self.depth += 1;
        let value = self.value_of(id, node);
        self.depth -= 1;
        value
    }

    fn value_of(&mut self, id: NodeId, node: &'d Node) -> Result<Value, YamlError> {
        match &node.kind {
            NodeKind::Scalar { text, implicit } => {
                scalar(node.tag.as_deref(), text, *implicit).map(|(_, value)| value)
            }
            NodeKind::Seq(items) => items
                .iter()
                .map(|item| self.value(*item))
                .collect::<Result<_, _>>()
                .map(Value::Seq),
            NodeKind::Map(entries) => {
                let mut map = Map::new();
                self.entries(entries, &mut map)?;
                Ok(Value::Map(map))
            }
            NodeKind::Alias { name, target } => {
                self.aliased(id, name, |decoder| decoder.value(*target))
            }
        }
    }

    /// Puts the entries of a mapping into `map`, in order; a later one replaces an earlier one, merged or not.
    fn entries(&mut self, entries: &[(NodeId, NodeId)], map: &mut Map) -> Result<(), YamlError> {
        for (key, value) in entries {
            if self.is_merge(*key) {
                for (id, entries) in self.merged(*value)? {
                    self.count()?;
                    self.within(id, |decoder| decoder.entries(entries, map))?;
                }
                continue;
            }
            let key = match &self.node(*key).kind {
                NodeKind::Scalar { text, .. } if self.text_keys => Value::from(text.as_str()),
                _ => self.value(*key)?,
            };
            if matches!(key, Value::Map(_) | Value::Seq(_)) {
                return Err(YamlError::Meaning(format!(
                    "invalid map key: {}",
                    source_text(&key)
                )));
            }
            let value = self.value(*value)?;
            map.insert(key, value);
        }
        Ok(())
    }

    /// Runs `decode` on what an alias stands for.
    pub(super) fn aliased<T>(
        &mut self,
        id: NodeId,
        name: &str,
        decode: impl FnOnce(&mut Self) -> Result<T, YamlError>,
    ) -> Result<T, YamlError> {
        if self.open_aliases.contains(&id) {
            return Err(YamlError::Meaning(format!(
                "anchor '{name}' value contains itself"
            )));
        }
        if self.open_aliases.len() > DEPTH_LIMIT {
            return Err(YamlError::TooDeep {
                line: self.node(id).line + 1,
                limit: DEPTH_LIMIT,
            });
        }
        self.open_aliases.push(id);
        let decoded = decode(self);
        self.open_aliases.pop();
        decoded
    }

    /// Runs `decode` for a merged mapping, which may stand behind an alias.
    pub(super) fn within<T>(
        &mut self,
        id: NodeId,
        decode: impl FnOnce(&mut Self) -> Result<T, YamlError>,
    ) -> Result<T, YamlError> {
        match &self.node(id).kind {
            NodeKind::Alias { name, .. } => self.aliased(id, name, decode),
            _ => decode(self),
        }
    }

    /// Whether a key is `<<`, not quoted.
    pub(super) fn is_merge(&self, key: NodeId) -> bool {
        let node = self.node(key);
        matches!(&node.kind, NodeKind::Scalar { text, implicit } if text == "<<"
            && (*implicit || node.tag.as_deref() == Some("tag:yaml.org,2002:merge")))
    }

    /// The mappings that `<<` names, the weakest first.
    pub(super) fn merged(&self, value: NodeId) -> Result<Vec<Merged<'d>>, YamlError> {
        let wrong = || {
            YamlError::Meaning("map merge requires map or sequence of maps as the value".to_owned())
        };
        let mapping = |id: NodeId| {
            let target = match &self.node(id).kind {
                NodeKind::Alias { target, .. } => *target,
                _ => id,
            };
            match &self.node(target).kind {
                NodeKind::Map(entries) => Ok((id, entries.as_slice())),
                _ => Err(wrong()),
            }
        };
        match &self.node(value).kind {
            NodeKind::Seq(items) => items.iter().rev().map(|item| mapping(*item)).collect(),
            _ => mapping(value).map(|mapping| vec![mapping]),
        }
    }

    /// Refuses documents of which aliases make much more than is written down.
    pub(super) fn count(&mut self) -> Result<(), YamlError> {
        self.decoded = self.decoded.saturating_add(1);
        if !self.open_aliases.is_empty() {
            self.from_aliases = self.from_aliases.saturating_add(1);
        }
        let excessive = self.from_aliases > 100
            && self.decoded > 1000
            && f64::from(self.from_aliases) / f64::from(self.decoded)
                > allowed_alias_ratio(self.decoded);
        if excessive {
            return Err(YamlError::Meaning(
                "document contains excessive aliasing".to_owned(),
            ));
        }
        Ok(())
    }
}

fn allowed_alias_ratio(decoded: u32) -> f64 {
    match decoded {
        0..=FREE_ALIASES => 0.99,
        FEW_ALIASES.. => 0.10,
        _ => {
            0.99 - 0.89
                * (f64::from(decoded - FREE_ALIASES) / f64::from(FEW_ALIASES - FREE_ALIASES))
        }
    }
}

/// The meaning of a scalar.
pub(super) fn scalar(
    tag: Option<&str>,
    text: &str,
    implicit: bool,
) -> Result<(Tag, Value), YamlError> {
    match tag {
        None if !implicit => Ok((Tag::Str, Value::from(text))),
        Some(tag) if is_binary(tag) => {
            decode_binary(text).map(|text| (Tag::Str, Value::from(text)))
        }
        tag => resolve(tag, text),
    }
}

fn decode_binary(text: &str) -> Result<String, YamlError> {
    let encoded: String = text
        .chars()
        .filter(|character| !matches!(character, '\r' | '\n'))
        .collect();
    let bytes = base64::engine::general_purpose::STANDARD
        .decode(encoded)
        .map_err(|_| {
            YamlError::Meaning("!!binary value contains invalid base64 data".to_owned())
        })?;
    String::from_utf8(bytes)
        .map_err(|_| YamlError::Meaning("!!binary value is not text in UTF-8".to_owned()))
}

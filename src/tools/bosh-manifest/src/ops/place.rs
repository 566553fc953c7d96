//! A place in a document by concrete steps, so that it can be found again to change it.

use crate::Value;

/// One step down.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Key(String),
    Item(usize),
}

/// The steps from the document's root.
#[derive(Clone, Debug, Default)]
pub(super) struct Place(Vec<Step>);

impl Place {
    pub(super) fn down(&self, step: Step) -> Self {
        let mut steps = self.0.clone();
        steps.push(step);
        Self(steps)
    }

    pub(super) fn get<'v>(&self, root: &'v Value) -> &'v Value {
        const NOTHING: &Value = &Value::Null;
        self.0.iter().fold(root, |value, step| match (step, value) {
            (Step::Key(key), Value::Map(map)) => {
                map.get(&Value::from(key.as_str())).unwrap_or(NOTHING)
            }
            (Step::Item(index), Value::Seq(items)) => items.get(*index).unwrap_or(NOTHING),
            _ => NOTHING,
        })
    }

    /// Puts `value` there, if what leads there still does.
    pub(super) fn set(&self, root: &mut Value, value: Value) {
        if let Some(there) = self.get_mut(root) {
            *there = value;
        }
    }

    pub(super) fn get_mut<'v>(&self, root: &'v mut Value) -> Option<&'v mut Value> {
        self.0
            .iter()
            .try_fold(root, |value, step| match (step, value) {
                (Step::Key(key), Value::Map(map)) => {
                    Some(map.entry(Value::from(key.as_str())).or_default())
                }
                (Step::Item(index), Value::Seq(items)) => items.get_mut(*index),
                _ => None,
            })
    }
}

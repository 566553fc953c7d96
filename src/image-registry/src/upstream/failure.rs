//! Why another registry did not give what it was asked for.

use std::fmt;

/// What kind of failure it is: each is answered, and tried again, in its own way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It says that there is no such thing.
    Missing,
    /// It wants another login, or none of it will do.
    Refused,
    /// It was asked too often.
    TooMany,
    /// It is silent.
    Silent,
    /// It cannot be reached, or answers that it cannot do it.
    Down,
    /// What it says cannot be so.
    Wrong,
}

/// A failure, with the registry that it is of.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Its kind.
    pub kind: Kind,
    /// What happened, with the registry's name; no secret is in it.
    pub what: String,
    /// When it wants to be asked again, as it said it.
    pub retry_after: Option<String>,
}

impl Failure {
    /// One of a kind.
    pub fn new(kind: Kind, what: impl Into<String>) -> Self {
        Self {
            kind,
            what: what.into(),
            retry_after: None,
        }
    }

    /// The same with what it is about before it.
    pub fn about(mut self, what: &str) -> Self {
        self.what = format!("{what}: {}", self.what);
        self
    }

    /// Whether the next address may do better.
    pub fn is_of_address(&self) -> bool {
        matches!(self.kind, Kind::Silent | Kind::Down | Kind::TooMany)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

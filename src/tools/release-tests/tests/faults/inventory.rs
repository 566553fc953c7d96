//! What an instance has of everything that can leak.

use std::collections::BTreeMap;

/// Numbers by kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inventory(BTreeMap<String, u32>);

impl Inventory {
    /// Of lines `KIND NUMBER`.
    pub fn parse(text: &str) -> Self {
        let line = |line: &str| {
            let (kind, number) = line.split_once(' ')?;
            Some((kind.to_owned(), number.trim().parse().ok()?))
        };
        let numbers: BTreeMap<_, _> = text.lines().filter_map(line).collect();
        assert!(numbers.len() > 10, "no inventory: {text}");
        Self(numbers)
    }

    /// Where this has more than `before`, by kind: before and now. Descriptors come and go with connections, and dockerd removes
    /// the files of network namespaces once a minute; a leak of either shows after many rounds.
    pub fn more_than(&self, before: &Self) -> Vec<(String, u32, u32)> {
        let slack = |kind: &str| {
            let comes_and_goes = kind.starts_with("descriptors") || kind == "files:netns";
            if comes_and_goes { 12 } else { 0 }
        };
        self.0
            .iter()
            .map(|(kind, now)| (kind, before.0.get(kind).copied().unwrap_or_default(), *now))
            .filter(|(kind, before, now)| *now > before + slack(kind))
            .map(|(kind, before, now)| (kind.clone(), before, now))
            .collect()
    }
}

//! Rules of retention, as they are configured: which repositories, and which of their tags stay.

use std::time::Duration;

use bosh_job::{Problem, Problems};
use serde_json::Value;

use super::{glob, span};
use crate::names::{Repository, Tag};

/// A rule. A tag goes only if nothing in it says that it stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// A beginning of names in whole parts, as in grants, or a pattern.
    repositories: String,
    /// How many of the newest tags stay, apart from those that match.
    pub keep_tags: Option<usize>,
    /// Patterns of tags that stay.
    keep_matching: Vec<String>,
    /// What was pushed within this time stays.
    pub older_than: Option<Duration>,
    /// What was pulled or pushed within this time stays.
    pub not_pulled_for: Option<Duration>,
}

impl Rule {
    /// Whether it is for a repository.
    pub fn is_for(&self, repository: &Repository) -> bool {
        let name = repository.as_str();
        if self.repositories.contains(['*', '?']) {
            return glob::matches(&self.repositories, name, Some('/'));
        }
        let prefix = self.repositories.trim_end_matches('/');
        let below = name.strip_prefix(prefix);
        prefix.is_empty() || below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// The pattern by which a tag stays.
    pub fn pattern_of(&self, tag: &Tag) -> Option<&str> {
        let mut patterns = self.keep_matching.iter();
        let found = patterns.find(|pattern| glob::matches(pattern, tag.as_str(), None));
        found.map(String::as_str)
    }
}

/// All rules; the first that is for a repository counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules(Vec<Rule>);

impl Rules {
    /// Reads property `retention`.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn parse(property: &Value) -> Result<Self, Problems> {
        let mut problems = Problems::default();
        let rules = match property {
            Value::Null => &[],
            Value::Array(rules) => &rules[..],
            _ => {
                problems.push(Problem::new("retention", "is no list of rules"));
                &[]
            }
        };
        let rules = rules.iter().enumerate();
        let parsed = rules.map(|(at, rule)| Reader::new(at, &mut problems).rule(rule));
        let parsed: Vec<Option<Rule>> = parsed.collect();
        problems.into_result(Some(Self(parsed.into_iter().flatten().collect())))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The rule that counts for a repository.
    pub fn of(&self, repository: &Repository) -> Option<&Rule> {
        self.0.iter().find(|rule| rule.is_for(repository))
    }
}

/// Reads a rule.
struct Reader<'a> {
    path: String,
    problems: &'a mut Problems,
}

const KEYS: [&str; 5] = [
    "repositories",
    "keep_tags",
    "keep_matching",
    "older_than",
    "not_pulled_for",
];

impl<'a> Reader<'a> {
    fn new(at: usize, problems: &'a mut Problems) -> Self {
        let path = format!("retention[{at}]");
        Self { path, problems }
    }

    fn rule(&mut self, rule: &Value) -> Option<Rule> {
        let Value::Object(entries) = rule else {
            self.problems.push(Problem::new(&self.path, "is no rule"));
            return None;
        };
        for key in entries.keys().filter(|key| !KEYS.contains(&key.as_str())) {
            let known = KEYS.join(", ");
            self.bad(key, "there is no such key", &format!("a rule has {known}"));
        }
        let parsed = Rule {
            repositories: self.repositories(&rule["repositories"]),
            keep_tags: self.keep_tags(&rule["keep_tags"]),
            keep_matching: self.keep_matching(&rule["keep_matching"]),
            older_than: self.span("older_than", &rule["older_than"]),
            not_pulled_for: self.span("not_pulled_for", &rule["not_pulled_for"]),
        };
        let limits = ["keep_tags", "older_than", "not_pulled_for"];
        if limits.iter().all(|key| rule[*key].is_null()) {
            let what = "says nothing of what goes, so that all tags would that do not match";
            let hint = "add keep_tags, older_than or not_pulled_for";
            let problem = Problem::new(&self.path, what);
            self.problems.push(problem.hint(hint));
        }
        Some(parsed)
    }

    fn bad(&mut self, key: &str, what: &str, hint: &str) {
        let property = format!("{}.{key}", self.path);
        self.problems.push(Problem::new(property, what).hint(hint));
    }

    fn repositories(&mut self, value: &Value) -> String {
        let text = value.as_str().unwrap_or_default();
        let is_letter = |letter: char| {
            letter.is_ascii_lowercase() || letter.is_ascii_digit() || "._-/*?".contains(letter)
        };
        if text.is_empty() || !text.chars().all(is_letter) {
            self.bad(
                "repositories",
                "is no beginning of repositories' names, and no pattern of them",
                "write `team/` for all below team, `team/*/web` for a pattern, or `**` for all repositories",
            );
        }
        text.to_owned()
    }

    fn keep_tags(&mut self, value: &Value) -> Option<usize> {
        if value.is_null() {
            return None;
        }
        let number = value.as_u64().filter(|number| *number > 0);
        if number.is_none() {
            self.bad(
                "keep_tags",
                "is no number of tags",
                "write 1 or more; to keep none but those that match, leave it out and write older_than",
            );
        }
        number.and_then(|number| usize::try_from(number).ok())
    }

    fn keep_matching(&mut self, value: &Value) -> Vec<String> {
        let patterns = match value {
            Value::Null => return Vec::new(),
            Value::Array(patterns) => patterns.iter().map(Value::as_str).collect(),
            _ => None,
        };
        let is_good = |pattern: &&str| {
            let plain = pattern.replace(['*', '?'], "x");
            plain.parse::<Tag>().is_ok()
        };
        let patterns: Option<Vec<&str>> = patterns;
        let good = patterns.filter(|patterns| patterns.iter().all(is_good));
        if good.is_none() {
            self.bad(
                "keep_matching",
                "is no list of patterns of tags",
                "write for example [\"v*\", \"latest\"]",
            );
        }
        let good = good.unwrap_or_default();
        good.into_iter().map(str::to_owned).collect()
    }

    fn span(&mut self, key: &str, value: &Value) -> Option<Duration> {
        if value.is_null() {
            return None;
        }
        let span = value.as_str().and_then(span::parse);
        if span.is_none() {
            let hint = "write a whole number and s, m, h, d or w, as in \"30d\"";
            self.bad(key, "is no span of time", hint);
        }
        span
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_first_rule_that_is_for_a_repository_counts_and_others_have_none() {
        let rules = Rules::parse(&json!([
            {"repositories": "team/app", "keep_tags": 1},
            {"repositories": "team/*/web", "keep_tags": 2},
            {"repositories": "team/", "keep_tags": 3},
        ]));
        let rules = rules.unwrap();
        for (repository, count) in [
            ("team/app", Some(1)),
            ("team/app/web", Some(1)),
            ("team/apps", Some(3)),
            ("team/x/web", Some(2)),
            ("team/x/y/web", Some(3)),
            ("team", Some(3)),
            ("teams", None),
            ("other", None),
        ] {
            let repository = repository.parse().unwrap();
            let found = rules.of(&repository).and_then(|rule| rule.keep_tags);
            assert_eq!(found, count, "{repository}");
        }
        assert!(Rules::parse(&Value::Null).unwrap().is_empty());
    }
}

//! `GROUP[/INDEX-OR-ID]`: which instances a command is about.

use crate::hint::Hint;
use crate::state::{InstanceRecord, Record};
use anyhow::{Result, anyhow};

/// The instances that `selector` names; all when there is none.
pub fn select(record: &Record, selector: Option<&str>) -> Result<Vec<InstanceRecord>> {
    let Some(selector) = selector else {
        return Ok(record.instances.clone());
    };
    let (group, which) = match selector.split_once('/') {
        Some((group, which)) => (group, Some(which)),
        None => (selector, None),
    };
    let found: Vec<InstanceRecord> = record
        .instances
        .iter()
        .filter(|instance| instance.group == group)
        .filter(|instance| {
            which.is_none_or(|which| instance.id == which || instance.index.to_string() == which)
        })
        .cloned()
        .collect();
    if found.is_empty() {
        let names: Vec<String> = record.instances.iter().map(InstanceRecord::name).collect();
        return Err(anyhow!("no instance `{selector}` in this deployment"))
            .hint(format!("it has {}", names.join(", ")));
    }
    Ok(found)
}

/// The one instance that `selector` names.
pub fn select_one(record: &Record, selector: Option<&str>) -> Result<InstanceRecord> {
    let mut found = select(record, selector)?;
    match (found.pop(), found.is_empty()) {
        (Some(instance), true) => Ok(instance),
        (None, _) => Err(anyhow!("the deployment has no instances")),
        (Some(last), false) => {
            let names: Vec<String> = found
                .iter()
                .chain([&last])
                .map(InstanceRecord::name)
                .collect();
            Err(anyhow!(
                "{} instances are meant, and the command is about one",
                names.len()
            ))
            .hint(format!("name one of {}", names.join(", ")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::WatchTime;
    use crate::state::{Applied, Desired};

    fn record() -> Record {
        let instance = |group: &str, index, id: &str| InstanceRecord {
            group: group.to_owned(),
            index,
            id: id.to_owned(),
            az: None,
            desired: Desired::Started,
            dirty: false,
            applied: Applied::default(),
            watch: WatchTime::five_minutes(),
        };
        Record {
            instances: vec![
                instance("a", 0, "x"),
                instance("a", 1, "y"),
                instance("b", 0, "z"),
            ],
            ..Record::default()
        }
    }

    fn names(selector: Option<&str>) -> Vec<String> {
        select(&record(), selector)
            .unwrap()
            .iter()
            .map(InstanceRecord::name)
            .collect()
    }

    #[test]
    fn a_group_an_index_or_an_id_selects() {
        assert_eq!(names(None), ["a/0", "a/1", "b/0"]);
        assert_eq!(names(Some("a")), ["a/0", "a/1"]);
        assert_eq!(names(Some("a/1")), ["a/1"]);
        assert_eq!(names(Some("a/x")), ["a/0"]);
        assert!(select(&record(), Some("c")).is_err());
    }

    #[test]
    fn one_is_found_only_when_there_is_no_choice() {
        assert!(select_one(&record(), Some("b")).is_ok());
        assert!(select_one(&record(), Some("a")).is_err());
    }
}

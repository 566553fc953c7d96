//! `GROUP[/INDEX-OR-ID]`: which instances a command is about.

use crate::hint::Hint;
use crate::state::{InstanceRecord, Record};
use anyhow::{Result, anyhow};

/// The instances that `selector` names; all when there is none, but for errands without a machine.
pub fn select(record: &Record, selector: Option<&str>) -> Result<Vec<InstanceRecord>> {
    let Some(selector) = selector else {
        let all = record.instances.iter();
        return Ok(all
            .filter(|instance| !instance.is_idle_errand())
            .cloned()
            .collect());
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

/// The instances that any of the selectors names (director: `errand/instance_matcher.rb`); all when there is none.
pub fn matching(record: &Record, selectors: &[String]) -> Result<Vec<InstanceRecord>> {
    if selectors.is_empty() {
        return Ok(record.instances.clone());
    }
    let mut found: Vec<InstanceRecord> = Vec::new();
    for selector in selectors {
        let selected = match selector.strip_suffix("/first") {
            Some(group) => {
                let mut group = select(record, Some(group))?;
                group.sort_by(|one, other| one.id.cmp(&other.id));
                group.truncate(1);
                group
            }
            None => select(record, Some(selector))?,
        };
        for instance in selected {
            if !found.iter().any(|known| known.id == instance.id) {
                found.push(instance);
            }
        }
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
            errand: false,
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
    fn several_selectors_name_each_instance_once() {
        let names = |selectors: &[&str]| -> Vec<String> {
            let selectors: Vec<String> = selectors.iter().map(|&one| one.to_owned()).collect();
            let found = matching(&record(), &selectors).unwrap();
            found.iter().map(InstanceRecord::name).collect()
        };
        assert_eq!(names(&[]), ["a/0", "a/1", "b/0"]);
        assert_eq!(names(&["a/first", "a", "b/z"]), ["a/0", "a/1", "b/0"]);
        assert_eq!(names(&["a/first"]), ["a/0"]);
        assert!(matching(&record(), &["a".to_owned(), "c".to_owned()]).is_err());
    }

    #[test]
    fn an_errand_without_a_machine_is_meant_only_by_its_name() {
        let mut record = record();
        record.instances[2].errand = true;
        record.instances[2].desired = Desired::Detached;
        assert_eq!(select(&record, None).unwrap().len(), 2);
        assert_eq!(select(&record, Some("b")).unwrap().len(), 1);
    }

    #[test]
    fn one_is_found_only_when_there_is_no_choice() {
        assert!(select_one(&record(), Some("b")).is_ok());
        assert!(select_one(&record(), Some("a")).is_err());
    }
}

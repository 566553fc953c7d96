//! What an `up` that failed or was killed while it recreated a container has left.
//!
//! Compose creates the new container as `<12 digits of the old one's ID>_<name>`, stops and removes the old one, and gives the
//! new one the name (docker/compose, `recreateContainer` and, since 5, `planRecreateContainer`). An `up` that finds the new one
//! under its temporary name takes it for one more container of the service: it may stop and remove the one that serves, and
//! then fails because the name is in use. So before each `up` what is half made is removed, or gets its name if the old one is gone.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use docker_engine::{Container, ContainerSummary, Engine, Filters, Status};
use jiff::Timestamp;

use crate::{
    cancel::Cancel,
    compose::{ONE_OFF_LABEL, PROJECT_LABEL},
};

/// The label of a container that replaces another: that one's ID, or since Compose 2.30 or so a name for it.
const REPLACE_LABEL: &str = "com.docker.compose.replace";
/// How many digits of the old one's ID are in the name.
const DIGITS: usize = 12;
/// Events of the past come at once; after a silence of this length there are no more.
const IDLE_TIMEOUT: Duration = Duration::from_millis(100);
/// SIGHUP, SIGUSR1, SIGUSR2 and SIGWINCH, by which people have a program read its configuration or rotate its log.
const HARMLESS: [&str; 4] = ["1", "10", "12", "28"];

/// A container, as far as it matters here.
#[derive(Clone, Debug, PartialEq, Eq)]
struct One {
    id: String,
    name: String,
    /// The name that it is to get, and the beginning of the ID of the one that it replaces, if it is half made.
    half_made: Option<(String, String)>,
    status: Status,
    created_at: Option<Timestamp>,
    /// When it was started last, if ever.
    started_at: Option<Timestamp>,
}

/// What is done about a container, and the containers of its place.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    Remove(One),
    Rename(One, String),
}

/// Puts a project in order: what is half made and never ran is removed while the container that it was to replace is there, and
/// gets its name otherwise. Nothing that runs is stopped, and no volume is removed. The IDs of the stopped containers that were
/// about to be replaced come back.
pub fn put_in_order(
    engine: &Engine,
    project: &str,
    cancel: &Cancel,
    limit: Duration,
) -> docker_engine::Result<Vec<String>> {
    let filters = Filters::all().label(format!("{PROJECT_LABEL}={project}"));
    let summaries = engine.containers(&filters)?;
    let is_any = summaries.iter().any(|summary| {
        half_made(summary.name(), project, summary.labels.get(REPLACE_LABEL)).is_some()
    });
    if !is_any {
        return Ok(Vec::new());
    }
    let deadline = Instant::now() + limit;
    let mut all = look(engine, project, &summaries)?;
    while is_being_stopped(engine, &all)? && Instant::now() < deadline {
        // The engine goes on with a stop whose caller is gone.
        if cancel.sleep(Duration::from_millis(200)) {
            return Ok(Vec::new());
        }
        all = look(engine, project, &summaries)?;
    }
    let (steps, stopped) = plan(&all);
    for step in steps {
        match step {
            Step::Remove(one) => {
                tracing::warn!(
                    container = one.name,
                    "removing what an update that did not get to its end has left"
                );
                engine.remove_container(&one.id, false)?;
            }
            Step::Rename(one, name) => {
                tracing::warn!(
                    container = one.name,
                    name,
                    "giving a container the name that an update did not get to give it"
                );
                engine.rename_container(&one.id, &name)?;
            }
        }
    }
    Ok(stopped)
}

/// Puts a project in order after an `up` that failed, and starts again what that `up` stopped and did not get to replace.
pub fn restore(
    engine: &Engine,
    project: &str,
    cancel: &Cancel,
    limit: Duration,
) -> docker_engine::Result<()> {
    for id in put_in_order(engine, project, cancel, limit)? {
        tracing::warn!(
            container = id,
            "starting a container again that the update stopped and did not replace"
        );
        engine.start_container(&id)?;
    }
    Ok(())
}

fn look(
    engine: &Engine,
    project: &str,
    summaries: &[ContainerSummary],
) -> docker_engine::Result<Vec<One>> {
    let mut all = Vec::new();
    for summary in summaries {
        match engine.inspect_container(&summary.id) {
            Ok(container) => all.extend(one(&container, project)),
            Err(error) if error.is_not_found() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(all)
}

/// Whether one that runs and is about to be replaced was told to end since the new one was created.
fn is_being_stopped(engine: &Engine, all: &[One]) -> docker_engine::Result<bool> {
    for new in all {
        let Some((name, digits)) = &new.half_made else {
            continue;
        };
        let old = all.iter().find(|one| {
            one.lives()
                && one.half_made.is_none()
                && (one.id.starts_with(digits) || one.name == *name)
        });
        if let Some((old, since)) = old.zip(new.created_at) {
            let filters = Filters::default()
                .with("type", "container")
                .with("container", &old.id)
                .with("event", "kill");
            let mut events = engine.events(&filters, Some(since.as_second()))?;
            while let Some(event) = events.next_within(IDLE_TIMEOUT)? {
                let signal = event.actor.attributes.get("signal").map(String::as_str);
                if !signal.is_some_and(|signal| HARMLESS.contains(&signal)) {
                    return Ok(true);
                }
            }
        }
    }
    Ok(false)
}

/// The final name and the beginning of the old one's ID, if a container carries a temporary name.
fn half_made(name: &str, project: &str, replaces: Option<&String>) -> Option<(String, String)> {
    let (digits, wanted) = name.split_at_checked(DIGITS)?;
    let wanted = wanted.strip_prefix('_').filter(|name| !name.is_empty())?;
    if !is_hexadecimal(digits) {
        return None;
    }
    let replaces = replaces?;
    let below = |name: &str| {
        let rest = name.strip_prefix(project)?;
        rest.strip_prefix(['-', '_']).map(str::to_owned)
    };
    // A service may have a `container_name` of this shape, and then its containers have the label as well.
    let is_temporary = (replaces.starts_with(digits) && is_hexadecimal(replaces))
        || replaces == wanted
        || below(wanted).is_some_and(|name| name.replace('_', "-") == replaces.replace('_', "-"));
    is_temporary.then(|| (wanted.to_owned(), digits.to_owned()))
}

fn is_hexadecimal(text: &str) -> bool {
    text.bytes()
        .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

fn one(container: &Container, project: &str) -> Option<One> {
    let labels = &container.config.labels;
    let is_one_off = labels.get(ONE_OFF_LABEL);
    if is_one_off.is_some_and(|one_off| one_off.eq_ignore_ascii_case("true")) {
        return None;
    }
    let name = container.name();
    let started_at: Option<Timestamp> = container.state.started_at.parse().ok();
    Some(One {
        id: container.id.clone(),
        name: name.to_owned(),
        half_made: half_made(name, project, labels.get(REPLACE_LABEL)),
        status: container.state.status,
        created_at: container.created.parse().ok(),
        // the year 1 is never
        started_at: started_at.filter(|started| started.as_second() > 0),
    })
}

impl One {
    /// Whether something runs in it, if only frozen or about to be started again.
    fn lives(&self) -> bool {
        matches!(
            self.status,
            Status::Running | Status::Paused | Status::Restarting
        )
    }

    /// Of the containers of one place, the one that serves or served last has the most.
    fn rank(&self) -> (bool, Option<Timestamp>, bool, Option<Timestamp>) {
        (
            self.lives(),
            self.started_at.filter(|_| !self.lives()),
            self.half_made.is_none(),
            self.created_at,
        )
    }
}

/// What is to be done, and the stopped containers that were about to be replaced.
fn plan(all: &[One]) -> (Vec<Step>, Vec<String>) {
    let mut places: BTreeMap<&str, Vec<&One>> = BTreeMap::new();
    for one in all {
        let Some((name, _)) = &one.half_made else {
            continue;
        };
        places.entry(name).or_default().push(one);
    }
    let (mut steps, mut stopped) = (Vec::new(), Vec::new());
    for (name, half_made) in places {
        let is_replaced = |one: &&One| {
            one.name == name
                || half_made.iter().any(|half| {
                    half.half_made
                        .as_ref()
                        .is_some_and(|(_, digits)| one.id.starts_with(digits))
                })
        };
        let finished = all
            .iter()
            .filter(|one| one.half_made.is_none())
            .filter(is_replaced);
        let mut group: Vec<&One> = finished.chain(half_made.iter().copied()).collect();
        group.sort_by_key(|one| one.rank());
        let Some(stays) = group.pop() else { continue };
        for one in &group {
            // One whose removal is under way, or that nobody may touch.
            if !one.lives() && one.status != Status::Removing {
                steps.push(Step::Remove((*one).clone()));
            }
        }
        let is_free = !group.iter().any(|one| one.lives() && one.name == name);
        if stays.half_made.is_some() {
            if is_free {
                steps.push(Step::Rename(stays.clone(), name.to_owned()));
            }
        } else if !stays.lives() && stays.started_at.is_some() {
            stopped.push(stays.id.clone());
        }
    }
    (steps, stopped)
}

#[cfg(test)]
mod tests;

//! What ran before an attempt at a recipe, and whether it still does once the attempt has failed.

use std::collections::BTreeSet;

use bosh_job::ErrorReport;
use docker_engine::{Engine, Status};

use crate::{
    failure::error,
    health::{ContainerSnapshot, ServiceHealth},
    health_table::{History, service_health},
    observe,
    redact::Redactor,
};

/// The services of a project that were there.
#[derive(Debug)]
pub struct Before {
    project: String,
    services: BTreeSet<String>,
}

/// What is left of them.
#[derive(Debug, PartialEq, Eq)]
pub enum After {
    /// There were none.
    NoneBefore,
    /// All of them run or have done their work.
    GoesOn,
    /// These do not run.
    Down(BTreeSet<String>),
}

impl Before {
    /// What there is of a project now: services that run, and beside these such as have done their work.
    pub fn look(engine: &Engine, project: &str) -> docker_engine::Result<Self> {
        let seen = observe::containers(engine, project, &Redactor::default())?;
        // After a stop all have ended, and some of them well: then nothing runs.
        let any_lives = seen.iter().any(lives);
        let counts = |container: &ContainerSnapshot| {
            any_lives && (lives(container) || has_finished(container))
        };
        let services = seen.into_iter().filter(counts);
        Ok(Self {
            project: project.to_owned(),
            services: services.map(|container| container.service).collect(),
        })
    }

    /// What is left of it.
    pub fn after(&self, engine: &Engine) -> docker_engine::Result<After> {
        Ok(left(
            &self.services,
            &observe::containers(engine, &self.project, &Redactor::default())?,
        ))
    }
}

impl After {
    /// What the log says of it.
    pub fn words(&self) -> String {
        match self {
            Self::NoneBefore => "nothing ran before".to_owned(),
            Self::GoesOn => "what ran before goes on".to_owned(),
            Self::Down(services) => match services.iter().collect::<Vec<_>>().as_slice() {
                [service] => format!("of what ran before, service {service} does not run"),
                several => {
                    let names: Vec<&str> = several.iter().map(|name| name.as_str()).collect();
                    format!(
                        "of what ran before, services {} do not run",
                        names.join(", ")
                    )
                }
            },
        }
    }

    /// What the verdict says of it, unless it is good.
    pub fn error(&self) -> Option<ErrorReport> {
        let Self::Down(services) = self else {
            return None;
        };
        let mut found = error(self.words());
        found.service = services.first().cloned().filter(|_| services.len() == 1);
        found.hint = Some("deploy the previous recipe again, or a corrected one; `docker ps --all` shows what is left".to_owned());
        Some(found)
    }
}

fn left(before: &BTreeSet<String>, now: &[ContainerSnapshot]) -> After {
    if before.is_empty() {
        return After::NoneBefore;
    }
    let lives = |service: &str| now.iter().any(|one| one.service == service && lives(one));
    let is_finished = |service: &str| {
        let mut all = now.iter().filter(|one| one.service == service).peekable();
        all.peek().is_some() && all.all(has_finished)
    };
    // After a stop all have ended, and most of them well.
    let any_lives = before.iter().any(|service| lives(service));
    let down: BTreeSet<String> = before
        .iter()
        .filter(|service| !lives(service))
        .filter(|service| !any_lives || !is_finished(service))
        .cloned()
        .collect();
    if down.is_empty() {
        After::GoesOn
    } else {
        After::Down(down)
    }
}

fn lives(container: &ContainerSnapshot) -> bool {
    matches!(
        container.status,
        Status::Running | Status::Paused | Status::Restarting
    ) && container.gone.is_none()
}

fn has_finished(container: &ContainerSnapshot) -> bool {
    service_health(container, History::default()) == ServiceHealth::Finished
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::Policy;

    fn seen(service: &str, status: Status, exit_code: i64, policy: Policy) -> ContainerSnapshot {
        ContainerSnapshot {
            id: format!("{service}{status:?}"),
            name: service.to_owned(),
            service: service.to_owned(),
            status,
            exit_code,
            policy,
            ..ContainerSnapshot::default()
        }
    }

    #[test]
    fn what_ran_before_goes_on_only_if_it_does() {
        let before: BTreeSet<String> = ["db", "job", "web"].map(String::from).into();
        let running = |service| seen(service, Status::Running, 0, Policy::Always);
        let job = seen("job", Status::Exited, 0, Policy::No);
        let well = [running("db"), job.clone(), running("web")];
        assert_eq!(left(&before, &well), After::GoesOn);
        let down = |services: &[&str]| {
            After::Down(services.iter().map(|&service| service.to_owned()).collect())
        };
        let created = seen("web", Status::Created, 0, Policy::Always);
        let now = [running("db"), job.clone(), created];
        assert_eq!(left(&before, &now), down(&["web"]));
        let failed = seen("job", Status::Exited, 7, Policy::No);
        assert_eq!(
            left(&before, &[running("db"), failed]),
            down(&["job", "web"])
        );
        // a stop has ended all of them
        let stopped = seen("db", Status::Exited, 0, Policy::No);
        assert_eq!(left(&before, &[stopped, job]), down(&["db", "job", "web"]));
        assert_eq!(left(&BTreeSet::new(), &well), After::NoneBefore);
    }

    #[test]
    fn names_what_does_not_run() {
        let down = |services: &[&str]| {
            After::Down(services.iter().map(|&service| service.to_owned()).collect())
        };
        assert_eq!(
            down(&["web"]).words(),
            "of what ran before, service web does not run"
        );
        let two = down(&["web", "db"]).error().unwrap();
        assert_eq!(two.what, "of what ran before, services db, web do not run");
        assert_eq!(two.service, None);
        assert!(After::GoesOn.error().is_none());
    }
}

//! The recipe's containers as the engine shows them.

use std::collections::BTreeSet;

use bosh_job::{ContainerProcesses, ErrorReport, Gone, Paths, Pidfile};
use docker_engine::{Container, Engine, Filters, HealthStatus, Status};
use recipe::labels;
use state_files::ServiceReport;

use crate::{
    compose::PROJECT_LABEL,
    failure::error,
    first_check,
    health::{ContainerSnapshot, Finding, Policy},
    networks, output,
    redact::Redactor,
};

/// Lines of a container's output in an error.
const TAIL: usize = 20;
/// Bytes of each of them.
const LINE: usize = 4 << 10;
/// Bytes of a longer line after which the engine's log drivers begin a new entry (moby, `daemon/logger/copier.go`).
const ENTRY: usize = 16 << 10;
/// Bytes of a health probe's output in an error.
const PROBE: usize = 400;

/// Why the engine calls a dead container running, and what is done about it.
const MISSED: &str = "the engine missed its end: it had lost its containerd meanwhile";
const SET_RIGHT: &str = "compose-runner has the engine notice it, restarts dockerd (the containers run through that) if it does not, \
     and starts the container again as its restart policy says; see compose-runner.log";

/// All containers of a project's services, without those of `docker compose run` and of hooks.
pub fn containers(
    engine: &Engine,
    project: &str,
    redactor: &Redactor,
) -> docker_engine::Result<Vec<ContainerSnapshot>> {
    let filters = Filters::all().label(format!("{PROJECT_LABEL}={project}"));
    let processes = processes(engine);
    let mut seen = Vec::new();
    for summary in engine.containers(&filters)? {
        if labels::is_one_off(&summary.labels) || labels::hook(&summary.labels).is_some() {
            continue;
        }
        match engine.inspect_container(&summary.id) {
            Ok(container) => seen.extend(seen_as(&container, &processes, redactor)),
            // It went between the two calls.
            Err(error) if error.is_not_found() => {}
            Err(error) => return Err(error),
        }
    }
    seen.sort_by(|a, b| (&a.service, &a.name).cmp(&(&b.service, &b.name)));
    Ok(seen)
}

/// The processes of the engine's containers, by what the kernel says.
pub fn processes(engine: &Engine) -> ContainerProcesses {
    ContainerProcesses::of(&Pidfile::new(Paths::dockerd_pidfile_beside(
        engine.socket(),
    )))
}

/// Why a container is dead that the engine says runs.
fn gone(container: &Container, processes: &ContainerProcesses) -> Option<Gone> {
    let state = &container.state;
    matches!(state.status, Status::Running | Status::Paused)
        .then(|| processes.gone(state.pid, &container.id))
        .flatten()
}

fn seen_as(
    container: &Container,
    processes: &ContainerProcesses,
    redactor: &Redactor,
) -> Option<ContainerSnapshot> {
    let state = &container.state;
    Some(ContainerSnapshot {
        id: container.id.clone(),
        name: container.name().to_owned(),
        service: labels::service(&container.config.labels)?.to_owned(),
        status: state.status,
        pid: state.pid,
        gone: gone(container, processes),
        exit_code: state.exit_code,
        oom_killed: state.oom_killed,
        error: redactor.clean(&state.error),
        created_at: container.created.parse().ok(),
        started_at: state.started_at.parse().ok(),
        restarts: container.restart_count,
        policy: match container.host_config.restart_policy.name.as_str() {
            "always" | "unless-stopped" => Policy::Always,
            "on-failure" => Policy::OnFailure,
            _ => Policy::No,
        },
        health: state
            .health
            .as_ref()
            .map_or(HealthStatus::None, |health| health.status),
    })
}

/// A report of each service, its containers taken together.
pub fn reports<'a>(
    services: impl IntoIterator<Item = &'a String>,
    seen: &[ContainerSnapshot],
) -> Vec<ServiceReport> {
    services
        .into_iter()
        .map(|service| report(service, seen))
        .collect()
}

fn report(service: &str, seen: &[ContainerSnapshot]) -> ServiceReport {
    let containers: Vec<_> = seen
        .iter()
        .filter(|container| container.service == service)
        .collect();
    // The least healthy one stands for all.
    let health = [
        (HealthStatus::Unhealthy, "unhealthy"),
        (HealthStatus::Starting, "starting"),
        (HealthStatus::Healthy, "healthy"),
    ];
    let worst = containers
        .iter()
        .find(|container| container.gone.is_some())
        .or_else(|| {
            containers
                .iter()
                .find(|container| container.status != Status::Running)
        })
        .or(containers.first());
    ServiceReport {
        name: service.to_owned(),
        state: worst
            .map_or("missing", |container| word(container))
            .to_owned(),
        health: health
            .into_iter()
            .find(|(health, _)| {
                containers
                    .iter()
                    .filter(|container| container.gone.is_none())
                    .any(|container| container.health == *health)
            })
            .map(|(_, word)| word.to_owned()),
        restarts: containers
            .iter()
            .map(|container| container.restarts)
            .fold(0, u64::saturating_add),
        exit_code: worst
            .filter(|container| {
                matches!(
                    container.status,
                    Status::Exited | Status::Dead | Status::Restarting
                )
            })
            .map(|container| container.exit_code),
        oom_killed: containers.iter().any(|container| container.oom_killed),
    }
}

/// The API's word for where a container is in its life, with the truth about one whose process is gone.
fn word(container: &ContainerSnapshot) -> &'static str {
    if container.gone.is_some() {
        return Status::Dead.word();
    }
    container.status.word()
}

/// Errors for what is wrong, with what the containers said last.
pub fn errors(engine: &Engine, wrong: &[Finding], redactor: &Redactor) -> Vec<ErrorReport> {
    // Replicas tend to fail alike, and one health probe or log is as good as another of the same container.
    let mut told = BTreeSet::new();
    wrong
        .iter()
        .map(|wrong| {
            let mut found = error(match &wrong.container {
                Some((_, name)) => format!(
                    "service {}, container {name}: {}",
                    wrong.service, wrong.what
                ),
                None => format!("service {}: {}", wrong.service, wrong.what),
            });
            found.service = Some(wrong.service.clone());
            if let Some((id, name)) = &wrong.container
                && told.insert(id)
            {
                // One that went in the meantime has no history any more.
                let container = engine.inspect_container(id).ok();
                let is_gone = container
                    .as_ref()
                    .is_some_and(|container| gone(container, &processes(engine)).is_some());
                found.causes = container
                    .iter()
                    .flat_map(|container| history(container, redactor))
                    .collect();
                // A log driver that cannot be read gives no lines; the error stands without them.
                let tail = last_lines(engine, id, redactor);
                let all = output::where_it_is(name, container.as_ref(), &tail);
                found.log_tail = tail.unwrap_or_default();
                let awaited =
                    container.and_then(|container| first_check::awaited(&container, engine));
                if is_gone {
                    found.causes.push(MISSED.to_owned());
                    found.hint = Some(format!("{SET_RIGHT}; {all}"));
                    return found;
                }
                found.hint = Some(match (awaited, networks::hint(&found.log_tail)) {
                    (Some((why, hint)), _) => {
                        found.causes.push(why);
                        hint.to_owned()
                    }
                    (None, Some(hint)) => format!("{hint}; {all}"),
                    (None, None) => all,
                });
            }
            found
        })
        .collect()
}

/// What happened to a container: restarts, and what its health check said last, if it failed.
fn history(container: &Container, redactor: &Redactor) -> Vec<String> {
    let restarts = match container.restart_count {
        0 => None,
        1 => Some("the engine has restarted it once".to_owned()),
        count => Some(format!("the engine has restarted it {count} times")),
    };
    restarts
        .into_iter()
        .chain(last_probe(container, redactor))
        .collect()
}

/// The last lines that a container wrote.
pub fn last_lines(
    engine: &Engine,
    id: &str,
    redactor: &Redactor,
) -> docker_engine::Result<Vec<String>> {
    // One more, since the first may begin within a line, and within a secret.
    Ok(tail(engine.logs_tail(id, TAIL + 1)?, redactor))
}

/// The last of the lines that a container wrote, of which the first may begin within a line.
pub fn tail(mut lines: Vec<String>, redactor: &Redactor) -> Vec<String> {
    if lines.len() > TAIL {
        lines.drain(..lines.len() - TAIL);
    } else if let Some(first) = lines.first_mut()
        && first.len() >= ENTRY
    {
        let end = first.len();
        let begin = first.ceil_char_boundary(redactor.longest().min(end));
        first.drain(..begin);
    }
    lines.iter().map(|line| cut(line, LINE, redactor)).collect()
}

/// A text of others, of which not much more than `limit` bytes are shown.
fn cut(text: &str, limit: usize, redactor: &Redactor) -> String {
    if text.len() <= limit {
        return redactor.clean(text);
    }
    let (shown, _) = text.split_at(redactor.cut(text.as_bytes(), limit));
    format!("{} …", redactor.clean(shown))
}

fn last_probe(container: &Container, redactor: &Redactor) -> Option<String> {
    let health = container.state.health.as_ref()?;
    let probe = health.log.last().filter(|probe| probe.exit_code != 0)?;
    let output = cut(probe.output.trim(), PROBE, redactor);
    Some(match output.as_str() {
        "" => format!("its health check exited with {}", probe.exit_code),
        output => format!("its health check exited with {}: {output}", probe.exit_code),
    })
}

#[cfg(test)]
mod tests {
    use docker_engine::fake::{FakeEngine, FakeReply};

    use super::*;
    use crate::compose::{ONE_OFF_LABEL, SERVICE_LABEL};

    fn inspected(id: &str) -> String {
        format!(
            r#"{{"Id":"{id}","Name":"/running-web-1","Created":"2026-11-20T12:00:00.5Z","RestartCount":2,
            "State":{{"Status":"running","StartedAt":"2026-11-20T12:00:01Z","FinishedAt":"0001-01-01T00:00:00Z","ExitCode":0,
              "Health":{{"Status":"unhealthy","FailingStreak":3,"Log":[{{"ExitCode":1,"Output":"no hunter2 here\n"}}]}}}},
            "Config":{{"Labels":{{"{SERVICE_LABEL}":"web"}}}},"HostConfig":{{"RestartPolicy":{{"Name":"unless-stopped"}}}}}}"#
        )
    }

    #[test]
    fn sees_containers_and_says_what_is_wrong_with_their_last_words() {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("docker.sock");
        let fake = FakeEngine::start(&socket, |request| match request.path.as_str() {
            "/containers/json" => FakeReply::json(&format!(
                r#"[{{"Id":"a","Labels":{{}}}},{{"Id":"gone"}},{{"Id":"b","Labels":{{"{ONE_OFF_LABEL}":"True"}}}}]"#
            )),
            "/containers/a/json" => FakeReply::json(&inspected("a")),
            "/containers/a/logs" => FakeReply::stream(&["\u{1}\0\0\0\0\0\0\u{e}pw is hunter2\n"]),
            _ => FakeReply::error(404, "No such container"),
        });
        let engine = Engine::new(&socket);
        let redactor = Redactor::new(["hunter2"]);
        let seen = containers(&engine, "running", &redactor).unwrap();
        assert_eq!(seen.len(), 1);
        assert_eq!(
            (seen[0].policy, seen[0].health, seen[0].restarts),
            (Policy::Always, HealthStatus::Unhealthy, 2)
        );
        assert!(seen[0].started_at > seen[0].created_at);
        let services = ["db".to_owned(), "web".to_owned()];
        let reports = reports(&services, &seen);
        assert_eq!(
            (reports[0].state.as_str(), reports[1].state.as_str()),
            ("missing", "running")
        );
        assert_eq!(reports[1].health.as_deref(), Some("unhealthy"));
        let wrong = Finding {
            service: "web".into(),
            container: Some(("a".into(), "running-web-1".into())),
            what: "is unhealthy".into(),
        };
        let errors = errors(&engine, &[wrong], &redactor);
        assert_eq!(
            errors[0].what,
            "service web, container running-web-1: is unhealthy"
        );
        assert_eq!(
            errors[0].causes,
            [
                "the engine has restarted it 2 times",
                "its health check exited with 1: no [redacted] here"
            ]
        );
        assert_eq!(errors[0].log_tail, ["pw is [redacted]"]);
        drop(fake);
    }
}

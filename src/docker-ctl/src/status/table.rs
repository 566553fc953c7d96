//! The status for people: 80 to 120 columns, the longest texts last.

use bosh_job::ErrorReport;
use state_files::State;

use super::Report;
use super::disk::{DiskReport, Used};
use super::engine::{ContainerReport, EngineReport};
use crate::bytes::human;
use crate::image_store;

/// Digits of a digest that are shown, as `docker images` shows them.
const SHORT: usize = 12;

/// The whole table.
pub fn of(report: &Report) -> String {
    let mut lines = Vec::new();
    match (&report.engine, &report.engine_error) {
        (Some(engine), _) => lines.push(format!(
            "engine: {} ({}), {} image store ({})",
            engine.version,
            api(engine),
            engine.image_store,
            engine.storage_driver
        )),
        (None, error) => lines.push(format!(
            "engine: down: {}",
            error.as_deref().unwrap_or("unknown")
        )),
    }
    if let Some(refused) = &report.refused {
        lines.push("daemon settings: refused".to_owned());
        lines.extend(indented(&refused.errors));
    }
    if let Some(verdict) = &report.verdict {
        let word = match (&verdict.rolled_back_to, verdict.state) {
            (Some(time), State::Starting) => format!("rolling back to the one of {time},"),
            (Some(time), _) => format!("rolled back to the one of {time},"),
            (None, State::Starting) => "starting".to_owned(),
            (None, State::Up) => "up".to_owned(),
            (None, State::Failed) => "failed".to_owned(),
        };
        lines.push(format!("recipe: {word} since {}", verdict.since));
        lines.extend(indented(&verdict.errors));
        let warnings = verdict.warnings.iter();
        let warnings = warnings.flat_map(|warning| warning.lines_as("warning"));
        lines.extend(warnings.map(|line| format!("  {line}")));
    }
    lines.push(String::new());
    lines.extend(disk(&report.disk));
    lines.extend(report.unseen.iter().flat_map(image_store::in_words));
    if !report.containers.is_empty() {
        lines.push(String::new());
        lines.extend(containers(&report.containers));
    }
    lines.join("\n")
}

/// The engine's version of its API, and the one that is spoken, if that is another.
fn api(engine: &EngineReport) -> String {
    let (newest, spoken) = (&engine.api_version, &engine.api_version_spoken);
    if newest == spoken {
        format!("API {newest}")
    } else {
        format!("API {newest}, spoken: {spoken}")
    }
}

fn indented(errors: &[ErrorReport]) -> impl Iterator<Item = String> {
    errors
        .iter()
        .flat_map(ErrorReport::lines)
        .map(|line| format!("  {line}"))
}

fn disk(disk: &DiskReport) -> Vec<String> {
    let row = |name: &str, used: Option<Used>| {
        let (size, count) = used.map_or_else(
            || ("unknown".to_owned(), "-".to_owned()),
            |used| (human(used.bytes), used.count.to_string()),
        );
        [name.to_owned(), size, count]
    };
    let rows = vec![
        ["DISK", "USED", "COUNT"].map(str::to_owned),
        row("images", disk.images),
        row("containers", disk.containers),
        row("volumes", disk.volumes),
        row("engine's logs", Some(disk.engine_logs)),
        row("job's logs", Some(disk.job_logs)),
    ];
    let mut lines = aligned(&rows);
    lines.extend(
        disk.error
            .iter()
            .map(|error| format!("not measured: {error}")),
    );
    lines.extend(disk.filesystems.iter().map(|one| {
        format!(
            "{} of {} free on {}",
            human(one.free_bytes),
            human(one.bytes),
            one.path.display()
        )
    }));
    lines
}

fn containers(containers: &[ContainerReport]) -> Vec<String> {
    let mut rows = vec![
        [
            "CONTAINER",
            "SERVICE",
            "STATE",
            "HEALTH",
            "RESTARTS",
            "DIGEST",
            "IMAGE",
        ]
        .map(str::to_owned),
    ];
    rows.extend(containers.iter().map(|container| {
        [
            container.name.clone(),
            service(container),
            state(container),
            container.health.unwrap_or("-").to_owned(),
            container.restarts.to_string(),
            short(&container.image_digest),
            container.image.clone(),
        ]
    }));
    aligned(&rows)
}

fn service(container: &ContainerReport) -> String {
    let service = container.service.as_deref().unwrap_or("-");
    match &container.hook {
        Some(kind) => format!("{service} ({kind})"),
        None => service.to_owned(),
    }
}

fn state(container: &ContainerReport) -> String {
    let memory = if container.oom_killed {
        ", out of memory"
    } else {
        ""
    };
    match container.state {
        _ if container.gone.is_some() => "dead (no process)".to_owned(),
        "exited" => format!("exited ({}{memory})", container.exit_code),
        other => other.to_owned(),
    }
}

fn short(digest: &str) -> String {
    let hex = digest.split_once(':').map_or(digest, |(_, hex)| hex);
    hex.chars().take(SHORT).collect()
}

fn aligned<const COLUMNS: usize>(rows: &[[String; COLUMNS]]) -> Vec<String> {
    let width = |column: usize| {
        rows.iter()
            .map(|row| row[column].chars().count())
            .max()
            .unwrap_or_default()
    };
    let widths: Vec<usize> = (0..COLUMNS).map(width).collect();
    rows.iter()
        .map(|row| {
            let cells: Vec<String> = row
                .iter()
                .zip(&widths)
                .map(|(cell, width)| format!("{cell:<width$}"))
                .collect();
            cells.join("  ").trim_end().to_owned()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::disk::FileSystem;

    fn container(name: &str, state: &'static str, exit_code: i64) -> ContainerReport {
        ContainerReport {
            name: format!("running-{name}-1"),
            project: Some("running".to_owned()),
            service: Some(name.to_owned()),
            hook: None,
            image: "registry.example.com/team/shop:1.14".to_owned(),
            image_digest: format!("sha256:{}", "0123456789abcdef".repeat(4)),
            image_digest_of: "config",
            repo_digests: Vec::new(),
            state,
            gone: None,
            health: (state == "running").then_some("healthy"),
            restarts: 2,
            exit_code,
            oom_killed: exit_code == 137,
            started_at: String::new(),
        }
    }

    #[test]
    fn the_table_shows_engine_disk_and_containers_in_120_columns() {
        let report = Report {
            engine: Some(EngineReport {
                version: "26.1.5".to_owned(),
                api_version: "1.45".to_owned(),
                api_version_spoken: "1.45".to_owned(),
                image_store: "graphdriver",
                store: job_properties::ImageStore::Graphdriver,
                storage_driver: "overlay2".to_owned(),
                live_restore: true,
            }),
            engine_error: None,
            containers: vec![
                container("database", "running", 0),
                ContainerReport {
                    hook: Some("pre_start".to_owned()),
                    ..container("web", "exited", 137)
                },
            ],
            disk: DiskReport {
                images: Some(Used {
                    count: 5,
                    bytes: 1_610_612_736,
                }),
                containers: Some(Used {
                    count: 2,
                    bytes: 999,
                }),
                volumes: None,
                engine_logs: Used {
                    count: 2,
                    bytes: 1 << 20,
                },
                job_logs: Used {
                    count: 7,
                    bytes: 2048,
                },
                filesystems: vec![FileSystem {
                    path: "/var/vcap/store/docker".into(),
                    bytes: 10 << 30,
                    free_bytes: 4 << 30,
                }],
                error: Some("no answer within 20 s".to_owned()),
            },
            unseen: None,
            verdict: None,
            refused: None,
        };
        let text = of(&report);
        let expected = "\
engine: 26.1.5 (API 1.45), graphdriver image store (overlay2)

DISK           USED     COUNT
images         1.5 GiB  5
containers     999 B    2
volumes        unknown  -
engine's logs  1.0 MiB  2
job's logs     2.0 KiB  7
not measured: no answer within 20 s
4.0 GiB of 10.0 GiB free on /var/vcap/store/docker

CONTAINER           SERVICE          STATE                        HEALTH   RESTARTS  DIGEST        IMAGE
running-database-1  database         running                      healthy  2         0123456789ab  registry.example.com/team/shop:1.14
running-web-1       web (pre_start)  exited (137, out of memory)  -        2         0123456789ab  registry.example.com/team/shop:1.14";
        assert_eq!(text, expected);
    }

    #[test]
    fn the_engine_s_api_version_and_the_one_that_is_spoken_are_told_apart() {
        let engine = |newest: &str, spoken: &str| EngineReport {
            version: "29.7.2".to_owned(),
            api_version: newest.to_owned(),
            api_version_spoken: spoken.to_owned(),
            image_store: "containerd",
            store: job_properties::ImageStore::Containerd,
            storage_driver: "overlayfs".to_owned(),
            live_restore: true,
        };
        assert_eq!(api(&engine("1.55", "1.47")), "API 1.55, spoken: 1.47");
        assert_eq!(api(&engine("1.45", "1.45")), "API 1.45");
    }
}

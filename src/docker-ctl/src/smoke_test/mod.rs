//! `docker-ctl smoke-test`, the errand of the job `smoke-tests`: proves on the VM that the engine does what recipes need,
//! says what it saw, and leaves nothing.

mod bench;
mod engine_answers;
mod import;
mod logs;
mod names;
mod networks;
pub mod probe;
mod self_image;
mod settings;
mod sweep;
mod tls;
mod volumes;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context;
use bosh_job::ErrorReport;
use bosh_job::{Advise, ExitCode, Paths};
use job_properties::JobConfig;

use crate::lock;
use bench::Bench;
use settings::Settings;

/// What a check found.
enum Seen {
    /// It works, and this is what shows it.
    Proved(String),
    /// There is nothing to prove, and why.
    Skipped(String),
}

/// What must have worked before a check makes sense.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Needs {
    Nothing,
    Engine,
    Image,
}

type Check = (&'static str, Needs, fn(&Bench) -> anyhow::Result<Seen>);

/// In this order.
const CHECKS: [Check; 8] = [
    (engine_answers::NAME, Needs::Nothing, engine_answers::check),
    (import::NAME, Needs::Engine, import::check),
    ("network", Needs::Image, networks::talk_by_name),
    ("port", Needs::Image, networks::published_port),
    ("dns", Needs::Image, names::check),
    ("volume", Needs::Image, volumes::check),
    ("logs", Needs::Image, logs::check),
    ("tls", Needs::Engine, tls::check),
];

/// How long another smoke test, which may run at the same time, is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where the job `smoke-tests` has its settings.
pub fn settings_path(paths: &Paths) -> PathBuf {
    paths.root().join("jobs/smoke-tests/config/config.json")
}

/// Says what is wrong with the settings, and changes nothing.
pub fn check_settings(path: &Path) -> anyhow::Result<()> {
    Settings::load(path).map(drop)
}

/// Runs all checks and prints a line for each. Fails if one fails, or if something is left.
pub fn run(paths: &Paths, config: &Path, settings: &Path) -> anyhow::Result<ExitCode> {
    let settings = Settings::load(settings)?;
    let config = JobConfig::load(config)
        .context("looking at the job `docker` of this instance")
        .hint("the job `smoke-tests` belongs into the instance group of the job `docker`")?;
    let _lock = lock::take_file(&paths.smoke_test_lock(), PATIENCE, "it runs a smoke test")?;
    let bench = Bench::new(paths, config, settings)?;
    let mut report = Report::default();
    let answers = check_all(&bench, &mut report);
    // Also when nobody reads what is printed.
    if !matches!(answers, Ok(false)) {
        let began = Instant::now();
        report.of("cleanup", sweep::after(&bench), began.elapsed())?;
    }
    answers.and_then(|_| report.end())
}

/// Makes the checks; returns whether the engine answers.
fn check_all(bench: &Bench, report: &mut Report) -> anyhow::Result<bool> {
    let mut works = vec![Needs::Nothing];
    for (name, needs, check) in CHECKS {
        if !works.contains(&needs) {
            let what = if works.contains(&Needs::Engine) {
                "no image could be imported"
            } else {
                "the engine does not answer"
            };
            print_line("not run", name, what, None)?;
            continue;
        }
        let began = Instant::now();
        let seen = if name == engine_answers::NAME {
            check(bench).and_then(|seen| sweep::before(bench).map(|()| seen))
        } else {
            bench.go_on().and_then(|()| check(bench))
        };
        match &seen {
            Ok(_) if name == engine_answers::NAME => works.push(Needs::Engine),
            Ok(_) if name == import::NAME => works.push(Needs::Image),
            _ => {}
        }
        report.of(name, seen, began.elapsed())?;
    }
    Ok(works.contains(&Needs::Engine))
}

/// What was printed, as far as the end depends on it.
#[derive(Default)]
struct Report {
    proved: usize,
    failed: Vec<&'static str>,
}

impl Report {
    fn of(
        &mut self,
        name: &'static str,
        seen: anyhow::Result<Seen>,
        took: Duration,
    ) -> anyhow::Result<()> {
        match seen {
            Ok(Seen::Proved(what)) => {
                self.proved += 1;
                print_line("ok", name, &what, Some(took))
            }
            Ok(Seen::Skipped(why)) => print_line("skipped", name, &why, None),
            Err(error) => {
                self.failed.push(name);
                let reports = ErrorReport::all_of(&error);
                let lines: Vec<String> = reports.iter().flat_map(ErrorReport::lines).collect();
                let first = lines.first().map_or("", String::as_str);
                let first = first.strip_prefix("error: ").unwrap_or(first);
                print_line("FAILED", name, first, Some(took))?;
                lines
                    .iter()
                    .skip(1)
                    .try_for_each(|line| print_line("", "", line, None))
            }
        }
    }

    fn end(&self) -> anyhow::Result<ExitCode> {
        if self.failed.is_empty() {
            let text = format!("all {} checks that could be made passed", self.proved);
            writeln!(std::io::stdout().lock(), "{text}").context("writing to stdout")?;
            return Ok(ExitCode::Ok);
        }
        let failed = self.failed.join(", ");
        Err(anyhow::anyhow!("smoke test failed: {failed}"))
            .hint("see docker-ctl.log, dockerd.log and `docker-ctl status` on this instance")
    }
}

/// A line as soon as it is known: a test that hangs shows where.
fn print_line(word: &str, name: &str, text: &str, took: Option<Duration>) -> anyhow::Result<()> {
    let took = took.map(|took| format!(" ({:.1} s)", took.as_secs_f64()));
    let took = took.unwrap_or_default();
    writeln!(std::io::stdout().lock(), "{word:<8}{name:<8}{text}{took}")
        .context("writing to stdout")
}

//! Brings the images that colocated jobs list into the engine, so that a recipe runs without a registry.
//!
//! Images that are there are passed over; the others are verified, sent through the engine's socket, and looked for
//! afterwards. A bad image does not stop the others.

mod import;
mod lists;
mod report;
mod stock;

use std::io::Write;
use std::process;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use bosh_job::config::{JobConfig, LogLevel};
use bosh_job::{Advise, ExitCode, Options, logging, report_error};
use clap::Parser;
use docker_engine::Engine;
use image_archive::{Layouts, Limits, Platform, Source};

use crate::import::{Importer, from_engine, from_image};
use crate::lists::{Entry, Lists};
use crate::report::{Outcome, Report};
use crate::stock::Stock;

/// Import the images that the VM's jobs list into the engine
///
/// Every ROOT/jobs/*/docker-bosh-release-import/*.lst names docker-archive tarballs, gzip'd or not, and OCI image layouts.
/// Exits with 0 if all images are there, 1 if the engine failed, 2 for a wrong list or configuration, 4 for an image
/// that is damaged, incomplete, or for another platform.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(flatten)]
    options: Options,

    /// Print a report as JSON on stdout
    #[arg(long)]
    json: bool,

    /// How long the engine may take to answer for the first time
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    wait: u64,
}

fn main() -> process::ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(code) => code.into(),
        Err(error) => {
            report_error(&error);
            bosh_job::exit_code_of(&error).into()
        }
    }
}

fn run(arguments: &Arguments) -> Result<ExitCode> {
    let began = Instant::now();
    let level = log_level(arguments)?;
    logging::init("image-importer", level);
    let lists = Lists::read(&arguments.options.paths());
    let mut report = Report::new(began, &lists.problems);
    if !arguments.options.check_config {
        if !lists.entries.is_empty() {
            import_all(arguments, &lists, &mut report).unwrap_or_else(|error| report.abort(&error));
        }
        report.finish();
    }
    let errors: Vec<String> = report
        .errors()
        .flat_map(bosh_job::verdict::ErrorReport::lines)
        .collect();
    if !errors.is_empty() {
        // A closed stderr leaves nobody to tell.
        let _ = writeln!(std::io::stderr().lock(), "{}", errors.join("\n"));
    }
    if arguments.json {
        let text = serde_json::to_string_pretty(&report).context("writing the report")?;
        writeln!(std::io::stdout().lock(), "{text}").context("writing the report to stdout")?;
    }
    Ok(report.exit_code())
}

fn log_level(arguments: &Arguments) -> Result<LogLevel> {
    let config = JobConfig::load(&arguments.options.config_path()).exits(ExitCode::BadConfig)?;
    Ok(config.log_level()?)
}

fn import_all(arguments: &Arguments, lists: &Lists, report: &mut Report) -> Result<()> {
    let engine = Engine::new(arguments.options.paths().socket());
    let deadline = Instant::now() + Duration::from_secs(arguments.wait);
    from_engine(engine.wait_ready(deadline)).context("waiting for the engine")?;
    let store = from_engine(engine.info())
        .context("asking the engine for its image store")?
        .image_store();
    report.note_store(store);
    let platform = Platform::host();
    let importer = Importer::new(&engine, Stock::new(&engine, store, &platform));
    let layouts = Layouts::new(lists.layouts());
    for entry in &lists.entries {
        import_entry(entry, &importer, &layouts, &platform, report);
        // Without this, every further image would wait for an engine that hangs.
        if report.failed_last() {
            from_engine(engine.ping(Duration::from_secs(10))).context("the engine went away")?;
        }
    }
    Ok(())
}

fn import_entry(
    entry: &Entry,
    importer: &Importer<'_>,
    layouts: &Layouts,
    platform: &Platform,
    report: &mut Report,
) {
    let began = Instant::now();
    let listed = || format!("{}, line {}", entry.list.display(), entry.line);
    let images = match Source::open(&entry.path, layouts, platform, Limits::DEFAULT) {
        Ok(source) => source.into_images(),
        Err(error) => vec![Err(error)],
    };
    for image in images {
        let image = from_image(image).with_context(|| format!("reading what {} lists", listed()));
        report.add(match image {
            Ok(image) => importer.import(&image),
            Err(error) => Outcome::failed(entry.path.clone(), &error, began.elapsed()),
        });
    }
}

//! Brings the images that colocated jobs list into the engine, so that a recipe runs without a registry.
//!
//! Images that are there are passed over; the others are verified, sent through the engine's socket, and looked for
//! afterwards. A bad image does not stop the others.

mod advice;
mod budget;
mod catalog;
mod chains;
mod complete;
mod engine_inventory;
mod gated_reader;
mod import;
mod interruption;
mod item;
mod load_strategy;
mod plan;
mod report;
mod sending;
mod track;

use std::collections::BTreeSet;
use std::io::Write;
use std::process;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use bosh_job::{Advise, ExitCode, Options, Paths, exit_code_of, logging, report_error};
use clap::Parser;
use docker_engine::Engine;
use image_archive::Platform;
use job_properties::JobConfig;

use state_files::{ImageLedger, ImageMap};

use crate::advice::{from_engine, from_image};
use crate::budget::Budget;
use crate::catalog::Found;
use crate::complete::Complete;
use crate::import::Importer;
use crate::interruption::Patience;
use crate::item::Item;
use crate::report::Report;
use import_lists::Lists;

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

    /// Print a report of all images and errors as JSON on stdout, whatever happens
    #[arg(long)]
    json: bool,

    /// How long the engine may take to answer for the first time, and when it went away meanwhile
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    wait: u64,
}

fn main() -> process::ExitCode {
    let arguments = Arguments::parse();
    let (code, mut report) = match run(&arguments) {
        Ok(report) => (report.exit_code(), report),
        Err(error) => {
            report_error(&error);
            (exit_code_of(&error), Report::of_nothing(&error))
        }
    };
    if arguments.json
        && let Err(error) = report.print(code)
    {
        report_error(&error);
        return exit_code_of(&error).into();
    }
    code.into()
}

fn run(arguments: &Arguments) -> Result<Report> {
    let began = Instant::now();
    let config = JobConfig::load(&arguments.options.config_path()).exits(ExitCode::BadConfig)?;
    logging::init("image-importer", config.log_level()?);
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let budget = Budget::new(config.import_memory()?, processors);
    let lists = Lists::read(&arguments.options.paths());
    let mut report = Report::new(began, &lists.problems);
    if !arguments.options.check_config {
        let mut ledger = ImageLedger::read(&arguments.options.paths());
        if lists.entries.is_empty() {
            ledger.list(BTreeSet::new());
        } else {
            let patience = Patience {
                deadline: began + config.supervision()?.start_timeout,
                silence: Duration::from_secs(arguments.wait),
            };
            import_all(
                arguments,
                &lists,
                (budget, patience),
                &mut report,
                &mut ledger,
            )
            .unwrap_or_else(|error| report.abort(&error));
        }
        ledger.keep();
        report.finish();
    }
    let errors: Vec<String> = report
        .errors()
        .flat_map(bosh_job::ErrorReport::lines)
        .collect();
    if !errors.is_empty() {
        // A closed stderr leaves nobody to tell.
        let _ = writeln!(std::io::stderr().lock(), "{}", errors.join("\n"));
    }
    Ok(report)
}

fn import_all(
    arguments: &Arguments,
    lists: &Lists,
    (budget, patience): (Budget, Patience),
    report: &mut Report,
    ledger: &mut ImageLedger,
) -> Result<()> {
    let paths = arguments.options.paths();
    let engine = Engine::new(paths.socket());
    let deadline = Instant::now() + Duration::from_secs(arguments.wait);
    from_engine(engine.wait_ready(deadline)).context("waiting for the engine")?;
    let platform = Platform::host();
    let (info, opened) = std::thread::scope(|scope| {
        let indexes = paths.import_dir();
        let (lists, platform) = (&lists, &platform);
        let opened = scope.spawn(move || catalog::open(lists, platform, &indexes, budget.readers));
        (engine.info(), opened.join())
    });
    let info = from_engine(info).context("asking the engine for its image store")?;
    report.note_store(info.image_store());
    let opened = opened.map_err(|_| anyhow!("the thread that opens images failed"))?;
    let complete = Complete::read(paths.import_dir().join("complete.json"), info.id.clone());
    let importer = Importer::new(&engine, &info, &platform, &complete, budget, patience);
    let ended = import_found(&importer, opened, report, &paths, ledger);
    complete.keep();
    ended
}

/// Imports what was found, and reports on all of it in the order of the lists.
fn import_found(
    importer: &Importer<'_>,
    found: Vec<Found<'_>>,
    report: &mut Report,
    paths: &Paths,
    ledger: &mut ImageLedger,
) -> Result<()> {
    let images = found.iter().filter_map(|found| found.image.as_ref().ok());
    let names = catalog::names(images, importer.store());
    let mut names = names.into_iter();
    let (mut items, mut places, mut outcomes) = (Vec::new(), Vec::new(), Vec::new());
    for (place, found) in found.into_iter().enumerate() {
        let listed = || format!("{}, line {}", found.entry.list.display(), found.entry.line);
        let image =
            from_image(found.image).with_context(|| format!("reading what {} lists", listed()));
        match image {
            Ok(image) => {
                items.push(Item::new(image, names.next().unwrap_or_default()));
                places.push(place);
            }
            Err(error) => {
                let outcome = report::of_file(found.entry.path.clone(), &error, found.elapsed);
                outcomes.push((place, outcome));
            }
        }
    }
    let ended = importer.import(&mut items, ledger);
    if ended.is_err() {
        items.iter_mut().for_each(Item::abort);
    }
    ledger.list(items.iter().filter_map(Item::digest).collect());
    let unresolvable: ImageMap = items.iter().flat_map(Item::unresolvable).collect();
    if let Err(error) = unresolvable.keep(paths) {
        tracing::warn!(why = %error, "recipes that name images by digest may not find them");
    }
    outcomes.extend(
        places
            .into_iter()
            .zip(items.into_iter().map(report::of_image)),
    );
    outcomes.sort_by_key(|(place, _)| *place);
    for (_, outcome) in outcomes {
        report.add(outcome);
    }
    ended
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn is_called_as_the_programs_that_run_it_call_it() {
        let mut command = std::process::Command::new("image-importer");
        let (root, config) = (Path::new("/root"), Path::new("/config.json"));
        state_files::ReportFile::of(&mut command, root, config).unwrap();
        let words = std::iter::once(command.get_program()).chain(command.get_args());
        let arguments = Arguments::try_parse_from(words).unwrap();
        assert!(arguments.json && !arguments.options.check_config);
        assert_eq!(arguments.options.paths(), Paths::new(root));
        assert_eq!(arguments.options.config_path(), config);
    }
}

//! `export`: a frozen image for other tools.

use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::process::ExitCode;

use crate::release::{Access, Error, ExportFormat, Release};
use anyhow::{Context as _, Result, bail};
use serde_json::json;

use super::open;
use crate::cli::Export;
use crate::global::Global;
use crate::{output, report};

/// Writes it, after checking all of it.
pub fn run(global: &Global, arguments: &Export) -> Result<ExitCode> {
    let to_stdout = arguments.output == Path::new("-");
    if to_stdout && (arguments.format == ExportFormat::Oci || global.is_json()) {
        output::remark(
            "error: only a docker-archive, and without --json, can go to standard output",
        );
        return Ok(ExitCode::from(report::USAGE));
    }
    let release = open(global, Access::Read)?;
    let name = arguments.reference.familiar();
    if release.lock().find(&arguments.reference).is_none() {
        bail!(Error::NotFrozen {
            reference: name,
            root: release.root().to_owned(),
        });
    }
    if !arguments.dry_run {
        write(&release, arguments, to_stdout).with_context(|| format!("exporting {name}"))?;
    }
    if global.is_json() {
        output::json(&json!({
            "reference": name,
            "output": arguments.output,
            "dry_run": arguments.dry_run,
        }))?;
    } else if arguments.dry_run {
        output::remark("this was a dry run: nothing was written");
    } else {
        output::remark(&hint(&name, arguments));
    }
    Ok(ExitCode::SUCCESS)
}

fn write(release: &Release, arguments: &Export, to_stdout: bool) -> Result<()> {
    match arguments.format {
        ExportFormat::DockerArchive if to_stdout => {
            let mut out = BufWriter::with_capacity(1 << 20, std::io::stdout().lock());
            release.export_archive(&arguments.reference, &mut out)?;
            out.flush()?;
        }
        ExportFormat::DockerArchive => {
            release.export_archive_file(&arguments.reference, &arguments.output)?;
        }
        ExportFormat::Oci => release.export_layout(&arguments.reference, &arguments.output)?,
    }
    Ok(())
}

fn hint(name: &str, arguments: &Export) -> String {
    let output = arguments.output.display();
    match arguments.format {
        ExportFormat::DockerArchive if arguments.output == Path::new("-") => {
            format!("{name} was written to standard output")
        }
        ExportFormat::DockerArchive => {
            format!("{name} is in {output}: docker load --input {output}")
        }
        ExportFormat::Oci => format!("{name} is in {output}: skopeo copy oci:{output} …"),
    }
}

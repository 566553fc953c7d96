//! What `bosh interpolate` does, from files to a value.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::{fs, io};

use thiserror::Error;

use crate::Value;
use crate::ops::{OpError, OpsFile, OpsFileError, Pointer, find, read_ops};
use crate::report::Report;
use crate::store::VarsStore;
use crate::vars::{ArgumentError, Arguments, Expectations, Variables, substitute};
use crate::yaml::{YamlError, parse, to_yaml};

/// The arguments of `interpolate`, named after the flags of the BOSH CLI.
#[derive(Clone, Debug, Default)]
pub struct InterpolateOptions {
    /// The manifest; `-` is standard input.
    pub manifest: PathBuf,
    /// `-o`, in order.
    pub ops_files: Vec<PathBuf>,
    /// `-v NAME=VALUE`, the value as YAML. They win over all other sources.
    pub vars: Vec<String>,
    /// `--var-file NAME=PATH`: the file's content as a string.
    pub var_files: Vec<String>,
    /// `-l`: files with maps of variables, a later one winning.
    pub vars_files: Vec<PathBuf>,
    /// `--vars-env PREFIX`: environment variables `PREFIX_name`, the values as YAML.
    pub vars_env: Vec<String>,
    /// `--vars-store`: what has no value yet but a type is made and kept there.
    pub vars_store: Option<PathBuf>,
    /// `--path`: only what it leads to.
    pub path: Option<String>,
    /// `--var-errs`: every variable that is used must have a value.
    pub var_errs: bool,
    /// `--var-errs-unused`: every variable that has a value must be used.
    pub var_errs_unused: bool,
}

/// Why a manifest could not be interpolated. The texts are those of the BOSH CLI.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum InterpolateError {
    /// The manifest cannot be read.
    #[error("Opening file {}: {error}", .path.display())]
    ReadManifest {
        /// The manifest, as it was given.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The manifest is not YAML.
    #[error("{error} (in {})", .path.display())]
    Manifest {
        /// The manifest, as it was given.
        path: PathBuf,
        /// What is wrong.
        error: YamlError,
    },
    /// An argument, or the file that it names, is not what the flag takes.
    #[error(transparent)]
    Argument(#[from] ArgumentError),
    /// An operation failed.
    #[error(transparent)]
    Op(#[from] OpError),
    /// A variable could not be found, made or filled in.
    #[error(transparent)]
    Variables(#[from] Report),
}

/// Applies ops files to a manifest, fills in variables, and takes what the path names.
pub fn interpolate(options: &InterpolateOptions) -> Result<Value, InterpolateError> {
    let ops_files = options
        .ops_files
        .iter()
        .map(|file| read_ops_file(file))
        .collect::<Result<Vec<_>, _>>()?;
    let path = options.path.as_deref().map(parse_path).transpose()?;
    let store = options.vars_store.as_deref().map(open_store).transpose()?;
    let arguments = Arguments {
        vars_env: &options.vars_env,
        vars_files: &options.vars_files,
        var_files: &options.var_files,
        vars: &options.vars,
    };
    let mut variables = Variables::read(&arguments, store)?;
    let text =
        read_manifest(&options.manifest).map_err(|error| InterpolateError::ReadManifest {
            path: options.manifest.clone(),
            error,
        })?;
    let mut manifest = parse(&text).map_err(|error| InterpolateError::Manifest {
        path: options.manifest.clone(),
        error,
    })?;
    for ops_file in ops_files {
        ops_file.apply(&mut manifest)?;
    }
    let expectations = Expectations {
        all_found: options.var_errs,
        all_used: options.var_errs_unused,
    };
    let manifest = substitute(manifest, &mut variables, expectations)?;
    match path {
        Some(path) => Ok(find(&manifest, &path)?),
        None => Ok(manifest),
    }
}

/// What `interpolate` prints: YAML, but with `path` a string as it is, so that a key or certificate can be piped on.
#[must_use]
pub fn printed(value: &Value, options: &InterpolateOptions) -> String {
    match (&options.path, value) {
        (Some(_), Value::String(text)) => format!("{text}\n"),
        _ => to_yaml(value),
    }
}

fn read_manifest(path: &Path) -> io::Result<Vec<u8>> {
    if path == Path::new("-") {
        let mut text = Vec::new();
        io::stdin().read_to_end(&mut text)?;
        return Ok(text);
    }
    fs::read(path)
}

fn read_ops_file(path: &Path) -> Result<OpsFile, ArgumentError> {
    let error = |problem| ArgumentError {
        flag: "-o, --ops-file",
        expected: "[]opts.OpsFileArg",
        problem,
    };
    let name = path.display().to_string();
    if name.is_empty() {
        return Err(error("Expected file path to be non-empty".to_owned()));
    }
    let text = fs::read(path).map_err(|reason| {
        error(format!(
            "Reading ops file '{name}': Opening file {name}: {reason}"
        ))
    })?;
    read_ops(&name, &text).map_err(|reason: OpsFileError| error(reason.to_string()))
}

fn parse_path(path: &str) -> Result<Pointer, ArgumentError> {
    path.parse()
        .map_err(|reason: crate::ops::PointerError| ArgumentError {
            flag: "--path",
            expected: "patch.Pointer",
            problem: reason.to_string(),
        })
}

fn open_store(path: &Path) -> Result<VarsStore, ArgumentError> {
    if path.as_os_str().is_empty() {
        let problem = "Expected file path to be non-empty".to_owned();
        return Err(ArgumentError {
            flag: "--vars-store",
            expected: "opts.VarsFSStore",
            problem,
        });
    }
    Ok(VarsStore::new(path))
}

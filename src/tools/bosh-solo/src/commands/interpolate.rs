//! `interpolate`: what `bosh interpolate` does.

use super::{Environment, print};
use crate::cli::{Interpolate, Variables};
use anyhow::Result;
use bosh_manifest::InterpolateOptions;
use std::path::{Path, PathBuf};

/// Prints the interpolated manifest.
pub fn run(environment: &Environment, arguments: Interpolate) -> Result<()> {
    let options = InterpolateOptions {
        path: arguments.path,
        var_errs: arguments.var_errs,
        var_errs_unused: arguments.var_errs_unused,
        ..options(&arguments.manifest, arguments.variables)
    };
    let value = bosh_manifest::interpolate(&options)?;
    let text = bosh_manifest::printed(&value, &options);
    if environment.global.json {
        let whole = serde_json::json!({"Tables": null, "Blocks": [text], "Lines": ["Succeeded"]});
        return print(&format!("{whole:#}\n"));
    }
    print(&text)
}

/// The library's options for a manifest with variables and ops files.
pub fn options(manifest: &Path, variables: Variables) -> InterpolateOptions {
    InterpolateOptions {
        manifest: manifest.to_owned(),
        ops_files: variables.ops_file,
        vars: variables.var,
        var_files: variables.var_file,
        vars_files: variables.vars_file.into_iter().map(PathBuf::from).collect(),
        vars_env: variables.vars_env,
        vars_store: variables.vars_store,
        ..InterpolateOptions::default()
    }
}

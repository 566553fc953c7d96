//! `template`: one ERB template, rendered as a Director renders it.

use super::print;
use crate::cli::Template;
use anyhow::{Context, Result};
use bosh_template::Renderer;
use std::fs;

/// Prints what the template makes of the context.
pub fn run(arguments: &Template) -> Result<()> {
    let text = fs::read(&arguments.context)
        .with_context(|| format!("reading context {}", arguments.context.display()))?;
    let context = serde_json::from_slice(&text)
        .with_context(|| format!("context {} is not JSON", arguments.context.display()))?;
    let rendered = Renderer::new()?.render_file(&context, &arguments.template)?;
    print(&rendered)
}

//! `new`: a release for images.

use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;

use crate::release;
use anyhow::{Context as _, Result};

use crate::cli::New;
use crate::global::Global;
use crate::output;

/// Makes it, and says what comes next.
pub fn run(global: &Global, arguments: &New) -> Result<ExitCode> {
    let parent = global.dir.as_deref().unwrap_or(Path::new(""));
    let made = release::scaffold(parent, &arguments.name, arguments.dry_run)
        .with_context(|| format!("making the release {}", arguments.name))?;
    if let Some(note) = &made.note {
        output::remark(&format!("warning: {note}"));
    }
    if global.is_json() {
        output::json(&made)?;
        return Ok(ExitCode::SUCCESS);
    }
    let path = made.path.display();
    let mut text = String::new();
    // Writing to a string cannot fail.
    if arguments.dry_run {
        let _ = writeln!(text, "this was a dry run; there would be");
        for file in &made.files {
            let _ = writeln!(text, "  {path}/{file}");
        }
    } else {
        let _ = writeln!(
            text,
            "{path} is a release for images. Put one in:\n\n  cd {path}\n  image-packager freeze redis:7"
        );
    }
    output::text(&text)?;
    Ok(ExitCode::SUCCESS)
}

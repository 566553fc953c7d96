//! `list`: the frozen images.

use std::fmt::Write as _;
use std::process::ExitCode;

use crate::release::{Access, LockedImage, megabytes};
use anyhow::Result;
use serde_json::{Value, json};

use super::open;
use crate::global::Global;
use crate::output;

/// Prints a table, or all that the lock knows as JSON.
pub fn run(global: &Global) -> Result<ExitCode> {
    let release = open(global, Access::Read)?;
    let images = release.lock().images();
    if global.is_json() {
        let images: Vec<Value> = images.iter().map(as_json).collect::<Result<_>>()?;
        output::json(&json!({"release": release.name(), "images": images}))?;
    } else {
        output::text(&table(images))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn as_json(image: &LockedImage) -> Result<Value> {
    let mut value = serde_json::to_value(image)?;
    value["size"] = json!(image.size());
    Ok(value)
}

fn table(images: &[LockedImage]) -> String {
    const HEADERS: [&str; 6] = ["Image", "Digest", "Platform", "Layout", "Size", "Job"];
    let rows: Vec<[String; 6]> = images
        .iter()
        .map(|image| {
            [
                image.reference.familiar(),
                image.digest.to_string().chars().take(19).collect(),
                image.platform.to_string(),
                image.layout.to_string(),
                megabytes(image.size()),
                image.package.clone(),
            ]
        })
        .collect();
    let headers = HEADERS.map(str::to_owned);
    let width = |column: usize| {
        let cells = std::iter::once(&headers).chain(&rows);
        cells
            .map(|row| row[column].chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..HEADERS.len()).map(width).collect();
    let mut text = String::new();
    for row in std::iter::once(&headers).chain(&rows) {
        let cells = row.iter().zip(&widths);
        let line: Vec<String> = cells
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{}", line.join("  ").trim_end());
    }
    let _ = match images.len() {
        1 => writeln!(text, "\n1 image"),
        count => writeln!(text, "\n{count} images"),
    };
    text
}

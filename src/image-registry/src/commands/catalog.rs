//! `catalog`: a table of what was pushed, or the same as JSON.

use anyhow::Context as _;
use bosh_job::one_line;
use clap::Args;
use serde::Deserialize;

use super::{print, print_document};

/// Characters of a digest that tell it from others.
const SHORT: usize = "sha256:".len() + 12;

/// How it is asked for.
#[derive(Args, Debug)]
pub struct Catalog {
    /// Print one JSON document with all fields, in place of a table
    #[arg(long)]
    json: bool,
}

#[derive(Deserialize)]
struct Answer {
    images: Vec<Image>,
}

#[derive(Deserialize)]
struct Image {
    repository: String,
    tag: Option<String>,
    digest: Option<String>,
    kind: String,
    artifact_type: Option<String>,
    platforms: Vec<String>,
    size: u64,
    pulled: Option<String>,
}

impl Catalog {
    /// What to ask of the registry.
    pub const QUESTION: &str = "/catalog";

    /// Prints the registry's answer.
    pub fn tell(&self, answer: &[u8]) -> anyhow::Result<()> {
        if self.json {
            return print_document(answer);
        }
        let answer: Answer =
            serde_json::from_slice(answer).context("reading the registry's answer")?;
        print(table(&answer.images).as_bytes())
    }
}

fn table(images: &[Image]) -> String {
    let head = ["REPOSITORY", "TAG", "DIGEST", "PLATFORMS", "SIZE", "PULLED"];
    let mut rows = vec![head.map(str::to_owned)];
    rows.extend(images.iter().map(row));
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths: Vec<usize> = (0..head.len()).filter_map(width).collect();
    let mut text = String::new();
    for row in &rows {
        let cells = row.iter().zip(&widths);
        let cells = cells.map(|(cell, width)| format!("{cell:width$}"));
        let line = cells.collect::<Vec<_>>().join("  ");
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

fn row(image: &Image) -> [String; 6] {
    let or_none = |text: Option<&str>| one_line(text.unwrap_or("-")).into_owned();
    let digest = image.digest.as_deref();
    let platforms = match image.kind.as_str() {
        "broken" => "(broken)".to_owned(),
        _ if !image.platforms.is_empty() => image.platforms.join(","),
        _ => image.artifact_type.clone().unwrap_or("-".to_owned()),
    };
    [
        image.repository.clone(),
        or_none(image.tag.as_deref()),
        or_none(digest.map(|digest| digest.get(..SHORT).unwrap_or(digest))),
        one_line(&platforms).into_owned(),
        human(image.size),
        or_none(image.pulled.as_deref()),
    ]
}

/// Bytes in a unit of which there are less than a thousand.
#[expect(
    clippy::cast_precision_loss,
    reason = "one digit after the point is shown"
)]
fn human(bytes: u64) -> String {
    let units = ["kB", "MB", "GB", "TB"];
    let mut value = bytes as f64;
    let mut unit = "B";
    for larger in units {
        if value < 999.95 {
            break;
        }
        value /= 1000.0;
        unit = larger;
    }
    if unit == "B" {
        format!("{bytes} B")
    } else {
        format!("{value:.1} {unit}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell_and_no_name_moves_the_cursor() {
        let answer = serde_json::json!({"images": [
            {"repository": "team/app", "tag": "1", "digest": format!("sha256:{}", "a".repeat(64)), "kind": "index",
             "artifact_type": null, "platforms": ["linux/amd64", "linux/arm64/v8"], "size": 12_345_678, "pulled": "2026-11-27T18:00:00Z"},
            {"repository": "a", "tag": null, "digest": null, "kind": "broken", "artifact_type": null, "platforms": [], "size": 0, "pulled": null},
            {"repository": "b", "tag": "x", "digest": "sha256:1", "kind": "artifact", "artifact_type": "\u{1b}[2Jx", "platforms": [], "size": 1, "pulled": null},
        ]});
        let answer: Answer = serde_json::from_value(answer).unwrap();
        let expected = "\
REPOSITORY  TAG  DIGEST               PLATFORMS                   SIZE     PULLED
team/app    1    sha256:aaaaaaaaaaaa  linux/amd64,linux/arm64/v8  12.3 MB  2026-11-27T18:00:00Z
a           -    -                    (broken)                    0 B      -
b           x    sha256:1             \\u{1b}[2Jx                  1 B      -
";
        assert_eq!(table(&answer.images), expected);
    }

    #[test]
    fn sizes_have_a_unit_of_which_there_are_less_than_a_thousand() {
        for (bytes, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (999_949, "999.9 kB"),
            (999_950, "1.0 MB"),
            (5_000_000_000_000_000, "5000.0 TB"),
        ] {
            assert_eq!(human(bytes), text, "{bytes}");
        }
    }
}

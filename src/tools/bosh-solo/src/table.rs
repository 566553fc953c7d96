//! Tables as `bosh` prints them, for people and as JSON (bosh-cli `ui/json_ui.go`).

use serde_json::{Map, Value, json};
use std::fmt::Write;

/// A table of texts.
#[derive(Debug)]
pub struct Table {
    content: &'static str,
    title: Option<String>,
    headers: Vec<&'static str>,
    transposed: bool,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// An empty table of `content`, such as `instances`.
    pub fn new(content: &'static str, title: Option<String>, headers: Vec<&'static str>) -> Self {
        Self {
            content,
            title,
            headers,
            transposed: false,
            rows: Vec::new(),
        }
    }

    /// For people each row becomes lines of header and text, as for texts of many lines.
    pub fn transposed(self) -> Self {
        Self {
            transposed: true,
            ..self
        }
    }

    /// Adds a row, a text for each header.
    pub fn row(&mut self, row: Vec<String>) {
        self.rows.push(row);
    }

    /// The table for people: aligned columns, `-` for what is empty.
    pub fn to_text(&self) -> String {
        let shown = |text: &String| {
            if text.is_empty() {
                "-".to_owned()
            } else {
                text.clone()
            }
        };
        let rows: Vec<Vec<String>> = self
            .rows
            .iter()
            .map(|row| row.iter().map(shown).collect())
            .collect();
        if self.transposed {
            return self.to_transposed_text(&rows);
        }
        let width = |column: usize| {
            rows.iter()
                .map(|row| row[column].chars().count())
                .chain([self.headers[column].chars().count()])
                .max()
                .unwrap_or_default()
        };
        let widths: Vec<usize> = (0..self.headers.len()).map(width).collect();
        let headers: Vec<String> = self
            .headers
            .iter()
            .map(|header| (*header).to_owned())
            .collect();
        let mut text = String::new();
        if let Some(title) = &self.title {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{title}\n");
        }
        for row in std::iter::once(&headers).chain(&rows) {
            let cells: Vec<String> = row
                .iter()
                .zip(&widths)
                .map(|(cell, width)| format!("{cell:width$}"))
                .collect();
            let _ = writeln!(text, "{}", cells.join("  ").trim_end());
        }
        let _ = writeln!(text, "\n{} {}", self.rows.len(), self.content);
        text
    }

    fn to_transposed_text(&self, rows: &[Vec<String>]) -> String {
        let lengths = self.headers.iter().map(|header| header.len());
        let width = lengths.max().unwrap_or_default();
        let mut text = String::new();
        for row in rows {
            for (header, cell) in self.headers.iter().zip(row) {
                for (number, line) in cell.lines().enumerate() {
                    let label = if number == 0 { header } else { "" };
                    // Writing to a string cannot fail.
                    let _ = writeln!(text, "{}", format!("{label:width$}  {line}").trim_end());
                }
            }
            text.push('\n');
        }
        let _ = writeln!(text, "{} {}", rows.len(), self.content);
        text
    }

    fn to_json(&self) -> Value {
        let keys: Vec<String> = self.headers.iter().map(|header| key_of(header)).collect();
        let header: Map<String, Value> = keys
            .iter()
            .zip(&self.headers)
            .map(|(key, header)| (key.clone(), json!(header)))
            .collect();
        let rows: Vec<Map<String, Value>> = self
            .rows
            .iter()
            .map(|row| {
                keys.iter()
                    .zip(row)
                    .map(|(key, cell)| (key.clone(), json!(cell)))
                    .collect()
            })
            .collect();
        json!({"Content": self.content, "Header": header, "Rows": rows, "Notes": null})
    }
}

/// All tables of one command as JSON, with the line that tells how it ended.
pub fn to_json(tables: &[Table], end: &str) -> String {
    let tables: Vec<Value> = tables.iter().map(Table::to_json).collect();
    let whole = json!({"Tables": tables, "Blocks": null, "Lines": [end]});
    format!("{whole:#}")
}

/// `Process State` becomes `process_state`, `Release(s)` becomes `release_s`.
fn key_of(header: &str) -> String {
    let mut key = String::new();
    for character in header.chars() {
        if character.is_ascii_alphanumeric() {
            key.push(character.to_ascii_lowercase());
        } else if !key.ends_with('_') {
            key.push('_');
        }
    }
    key.trim_matches('_').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new(
            "instances",
            Some("Deployment 'x'".to_owned()),
            vec!["Instance", "Process State", "Release(s)"],
        );
        table.row(vec!["g/1".into(), "running".into(), String::new()]);
        table
    }

    #[test]
    fn json_has_the_keys_that_bosh_has() {
        let json: Value = serde_json::from_str(&to_json(&[table()], "Succeeded")).unwrap();
        assert_eq!(json["Tables"][0]["Content"], "instances");
        assert_eq!(
            json["Tables"][0]["Header"]["process_state"],
            "Process State"
        );
        assert_eq!(
            json["Tables"][0]["Rows"][0],
            json!({"instance": "g/1", "process_state": "running", "release_s": ""})
        );
    }

    #[test]
    fn a_transposed_table_shows_texts_of_many_lines() {
        let headers = vec!["Instance", "Stdout", "Stderr"];
        let mut table = Table::new("errand(s)", None, headers).transposed();
        table.row(vec!["g/1".into(), "one\ntwo\n".into(), String::new()]);
        assert_eq!(
            table.to_text(),
            "Instance  g/1\nStdout    one\n          two\nStderr    -\n\n1 errand(s)\n"
        );
    }

    #[test]
    fn text_is_aligned_and_shows_a_dash_for_nothing() {
        assert_eq!(
            table().to_text(),
            "Deployment 'x'\n\nInstance  Process State  Release(s)\ng/1       running        -\n\n1 instances\n"
        );
    }
}

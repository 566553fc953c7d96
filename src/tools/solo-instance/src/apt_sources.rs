//! The package sources of this machine's own distribution: mirrors as they are set here, third parties left out.

use std::fs;
use std::path::Path;

use crate::error::{Error, Result};

/// The distribution of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Distribution {
    /// `debian` or `ubuntu`.
    pub(crate) id: String,
    /// `bookworm`, `noble`, …
    pub(crate) codename: String,
}

impl Distribution {
    pub(crate) fn of_this_machine() -> Result<Self> {
        let path = "/etc/os-release";
        let text = fs::read_to_string(path).map_err(Error::io("reading", path))?;
        Self::parse(&text).ok_or_else(|| Error::Unsupported {
            what: "this machine runs neither Debian nor Ubuntu".to_owned(),
            hint: "use Debian 12 or 13, or Ubuntu 22.04 or 24.04".to_owned(),
        })
    }

    fn parse(os_release: &str) -> Option<Self> {
        let value = |name: &str| {
            let line = os_release
                .lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix('='))?;
            Some(line.trim_matches('"').to_owned())
        };
        let id = value("ID").filter(|id| id == "debian" || id == "ubuntu")?;
        Some(Self {
            id,
            codename: value("VERSION_CODENAME")?,
        })
    }
}

/// A source as a line of sources.list(5).
#[derive(Debug, Clone, PartialEq, Eq)]
struct Source {
    line: String,
    suite: String,
    components: Vec<String>,
    signed_by: Option<String>,
}

/// The sources of the distribution, as lines of sources.list(5).
pub(crate) fn of(distribution: &Distribution) -> Result<String> {
    let directory = Path::new("/etc/apt/sources.list.d");
    let mut files = vec![Path::new("/etc/apt/sources.list").to_owned()];
    let entries = fs::read_dir(directory)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path());
    files.extend(entries.filter(|path| {
        path.extension()
            .is_some_and(|e| e == "list" || e == "sources")
    }));
    files.sort();
    let mut lines = Vec::new();
    for file in files.iter().filter(|file| file.exists()) {
        let text = fs::read_to_string(file).map_err(Error::io("reading", file))?;
        let deb822 = file.extension().is_some_and(|e| e == "sources");
        let own = file
            .file_stem()
            .is_some_and(|stem| stem == "sources" || stem == distribution.id.as_str());
        let sources = if deb822 {
            stanzas(&text)
        } else {
            one_line(&text)
        };
        lines.extend(
            sources
                .into_iter()
                .filter(|source| belongs(source, distribution, own))
                .map(|source| source.line),
        );
    }
    if lines.is_empty() {
        return Err(Error::Unsupported {
            what: format!(
                "/etc/apt has no source for {} {}",
                distribution.id, distribution.codename
            ),
            hint: "add the distribution's archive, or a mirror of it, to /etc/apt/sources.list"
                .to_owned(),
        });
    }
    Ok(lines.join("\n") + "\n")
}

/// The release itself and its updates; in a file that is not the distribution's own only what its key signed.
fn belongs(source: &Source, distribution: &Distribution, own_file: bool) -> bool {
    let release = &distribution.codename;
    let suite = ["", "-updates", "-security"]
        .iter()
        .any(|part| source.suite == format!("{release}{part}"));
    let signed = source
        .signed_by
        .as_ref()
        .is_some_and(|key| key.contains(&format!("{}-archive", distribution.id)));
    suite && source.components.iter().any(|c| c == "main") && (own_file || signed)
}

fn one_line(text: &str) -> Vec<Source> {
    text.lines()
        .filter_map(|line| one_source(line.split('#').next()?.trim()))
        .collect()
}

fn one_source(line: &str) -> Option<Source> {
    let rest = line.strip_prefix("deb ")?.trim_start();
    let (options, rest) = match rest.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?,
        None => ("", rest),
    };
    let mut words = rest.split_whitespace();
    words.next()?;
    let suite = words.next()?.to_owned();
    let signed_by = options
        .split_whitespace()
        .find_map(|o| o.strip_prefix("signed-by="))
        .map(str::to_owned);
    Some(Source {
        line: line.to_owned(),
        suite,
        components: words.map(str::to_owned).collect(),
        signed_by,
    })
}

/// The deb822 form: stanzas of fields, lists in them.
fn stanzas(text: &str) -> Vec<Source> {
    let text: String = text
        .lines()
        .filter(|l| !l.starts_with('#'))
        .fold(String::new(), |all, line| all + line + "\n");
    text.split("\n\n").flat_map(stanza).collect()
}

fn stanza(text: &str) -> Vec<Source> {
    let field = |name: &str| -> Vec<String> {
        let mut inside = false;
        let mut words = Vec::new();
        for line in text.lines() {
            if let Some((key, value)) = line
                .split_once(':')
                .filter(|_| !line.starts_with([' ', '\t']))
            {
                inside = key.eq_ignore_ascii_case(name);
                if inside {
                    words.extend(value.split_whitespace().map(str::to_owned));
                }
            } else if inside {
                words.extend(line.split_whitespace().map(str::to_owned));
            }
        }
        words
    };
    let off = field("Enabled").first().is_some_and(|v| v == "no");
    if off || !field("Types").iter().any(|t| t == "deb") {
        return Vec::new();
    }
    let components = field("Components");
    // A key that is written out in the file has no name to refer to; apt's trusted keys have to do then.
    let signed_by = field("Signed-By")
        .first()
        .filter(|key| key.starts_with('/'))
        .cloned();
    let option = signed_by
        .as_ref()
        .map_or_else(String::new, |key| format!("[signed-by={key}] "));
    let suites = field("Suites");
    let line = |uri: &str, suite: &str| Source {
        line: format!("deb {option}{uri} {suite} {}", components.join(" ")),
        suite: suite.to_owned(),
        components: components.clone(),
        signed_by: signed_by.clone(),
    };
    field("URIs")
        .iter()
        .flat_map(|uri| suites.iter().map(|suite| line(uri, suite)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bookworm() -> Distribution {
        Distribution {
            id: "debian".into(),
            codename: "bookworm".into(),
        }
    }

    #[test]
    fn the_distribution_is_read_from_os_release() {
        let text = "PRETTY_NAME=\"Debian\"\nVERSION_CODENAME=bookworm\nID=debian\n";
        assert_eq!(Distribution::parse(text), Some(bookworm()));
        assert_eq!(Distribution::parse("ID=fedora\nVERSION_CODENAME=x\n"), None);
    }

    #[test]
    fn a_stanza_becomes_a_line_for_each_suite() {
        let text = "# a mirror\nTypes: deb\nURIs: http://mirror.example/debian\nSuites: bookworm bookworm-updates\n\
                    Components: main\nSigned-By: /usr/share/keyrings/debian-archive-keyring.gpg\n\n\
                    Types: deb-src\nURIs: http://x\nSuites: bookworm\nComponents: main\n";
        let sources = stanzas(text);
        assert_eq!(sources.len(), 2);
        assert_eq!(
            sources[1].line,
            "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://mirror.example/debian \
             bookworm-updates main"
        );
        assert!(belongs(&sources[1], &bookworm(), false));
    }

    #[test]
    fn third_parties_backports_and_other_releases_are_left_out() {
        for line in [
            "deb [signed-by=/etc/apt/keyrings/vendor.gpg] https://vendor.example/debian bookworm main",
            "deb https://vendor.example/apt cloud-bookworm main",
        ] {
            assert!(!belongs(&one_line(line)[0], &bookworm(), false), "{line}");
        }
        for line in [
            "deb http://m/debian bookworm-backports main",
            "deb http://m/debian trixie main",
        ] {
            assert!(!belongs(&one_line(line)[0], &bookworm(), true), "{line}");
        }
        assert!(belongs(
            &one_line("deb http://m/debian bookworm main contrib # note")[0],
            &bookworm(),
            true
        ));
    }
}

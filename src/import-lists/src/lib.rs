//! The `.lst` files by which jobs say which images they bring: paths separated by white space, usually one a line.
//! `#` at the beginning of a line makes it a comment.

use std::collections::HashSet;
use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};

use bosh_job::ErrorReport;
use bosh_job::Paths;

/// Bytes of a list; a real one has a few lines.
const LONGEST: u64 = 1 << 20;

/// A path in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Tarball or layout, as it is to be opened.
    pub path: PathBuf,
    /// The list that names it.
    pub list: PathBuf,
    /// The line in the list, from 1.
    pub line: usize,
}

/// What is wrong with a list.
#[derive(Debug)]
pub struct Problem {
    list: PathBuf,
    line: Option<usize>,
    what: String,
    hint: Option<&'static str>,
}

/// All lists of all jobs.
#[derive(Debug, Default)]
pub struct Lists {
    /// The paths, each once, in the order of the lists' names and lines.
    pub entries: Vec<Entry>,
    /// What is wrong. It concerns only the paths that it names.
    pub problems: Vec<Problem>,
}

impl Lists {
    /// Reads the lists of all jobs.
    #[must_use]
    pub fn read(paths: &Paths) -> Self {
        let mut lists = Self::default();
        match paths.import_lists() {
            Ok(found) => found.iter().for_each(|list| lists.add(paths, list)),
            Err(error) => lists.problems.push(Problem {
                list: paths.root().join("jobs"),
                line: None,
                what: format!("cannot be searched for lists: {error}"),
                hint: None,
            }),
        }
        let mut seen = HashSet::new();
        lists
            .entries
            .retain(|entry| seen.insert(entry.path.clone()));
        lists
    }

    /// The paths of all layouts, which lend each other blobs.
    pub fn layouts(&self) -> impl Iterator<Item = PathBuf> {
        self.entries
            .iter()
            .filter(|entry| entry.path.is_dir())
            .map(|entry| entry.path.clone())
    }

    fn add(&mut self, paths: &Paths, list: &Path) {
        match read_bounded(list) {
            Ok(bytes) => self.parse(paths, list, &bytes),
            Err(what) => self.problems.push(Problem {
                list: list.to_owned(),
                line: None,
                what,
                hint: None,
            }),
        }
    }

    fn parse(&mut self, paths: &Paths, list: &Path, bytes: &[u8]) {
        for (number, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
            let line_number = number + 1;
            let mut refuse = |what: String, hint| {
                self.problems.push(Problem {
                    list: list.to_owned(),
                    line: Some(line_number),
                    what,
                    hint,
                });
            };
            let Ok(line) = std::str::from_utf8(line) else {
                refuse("is not UTF-8".into(), None);
                continue;
            };
            if line.trim_start().starts_with('#') {
                continue;
            }
            for word in line.split_whitespace() {
                match locate(paths, word) {
                    Ok(path) => self.entries.push(Entry {
                        path,
                        list: list.to_owned(),
                        line: line_number,
                    }),
                    Err((what, hint)) => refuse(what, hint),
                }
            }
        }
    }
}

type Refusal = (String, Option<&'static str>);

/// Where a listed path is: lists say `/var/vcap/…`, which `--root` may have moved.
fn locate(paths: &Paths, word: &str) -> Result<PathBuf, Refusal> {
    let shown: String = word
        .chars()
        .take(200)
        .flat_map(char::escape_debug)
        .collect();
    let listed = Path::new(word);
    if !listed.is_absolute() {
        let hint = "write the path in full, as /var/vcap/packages/…";
        return Err((format!("`{shown}` is not an absolute path"), Some(hint)));
    }
    let path = match listed.strip_prefix(Paths::DEFAULT_ROOT) {
        Ok(below) => paths.root().join(below),
        Err(_) => listed.to_owned(),
    };
    match path.metadata() {
        Ok(_) => Ok(path),
        Err(error) => {
            let hint =
                "the job that has this list must list the package with the image in its spec";
            Err((format!("`{shown}` cannot be read: {error}"), Some(hint)))
        }
    }
}

fn read_bounded(list: &Path) -> Result<Vec<u8>, String> {
    let cannot = |error: std::io::Error| format!("cannot be read: {error}");
    if !list.metadata().map_err(cannot)?.is_file() {
        return Err("is not a file".into());
    }
    let mut bytes = Vec::new();
    let file = std::fs::File::open(list).map_err(cannot)?;
    file.take(LONGEST + 1)
        .read_to_end(&mut bytes)
        .map_err(cannot)?;
    if bytes.len() as u64 > LONGEST {
        return Err(format!("is longer than {LONGEST} bytes"));
    }
    Ok(bytes)
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.list.display())?;
        if let Some(line) = self.line {
            write!(formatter, ", line {line}")?;
        }
        write!(formatter, ": {}", self.what)
    }
}

impl Problem {
    /// For the report.
    #[must_use]
    pub fn report(&self) -> ErrorReport {
        ErrorReport {
            what: self.to_string(),
            hint: self.hint.map(str::to_owned),
            ..ErrorReport::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixture {
        directory: tempfile::TempDir,
    }

    impl Fixture {
        fn new() -> Self {
            Self {
                directory: tempfile::tempdir().unwrap(),
            }
        }

        fn path(&self, name: &str) -> PathBuf {
            self.directory.path().join(name)
        }

        fn file(&self, name: &str, bytes: &[u8]) {
            let path = self.path(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }

        fn read(&self) -> Lists {
            Lists::read(&Paths::new(self.directory.path()))
        }
    }

    fn found(lists: &Lists) -> Vec<PathBuf> {
        lists
            .entries
            .iter()
            .map(|entry| entry.path.clone())
            .collect()
    }

    #[test]
    fn no_lists_are_no_problem() {
        let lists = Fixture::new().read();
        assert!(lists.entries.is_empty() && lists.problems.is_empty());
    }

    #[test]
    fn takes_paths_as_the_older_releases_wrote_them() {
        let fixture = Fixture::new();
        fixture.file("packages/a/a.tgz", b"");
        fixture.file("packages/b/b.tar", b"");
        fixture.file("packages/c/c.tar", b"");
        fixture.file(
            "jobs/z/docker-bosh-release-import/z.lst",
            b"# images\r\n\r\n  /var/vcap/packages/b/b.tar\r\n/var/vcap/packages/a/a.tgz",
        );
        let direct = format!(
            "/var/vcap/packages/a/a.tgz\t{}\n",
            fixture.path("packages/c/c.tar").display()
        );
        fixture.file("jobs/y/docker-bosh-release-import/y.lst", direct.as_bytes());
        let lists = fixture.read();
        assert!(lists.problems.is_empty(), "{:?}", lists.problems);
        let expected = ["packages/a/a.tgz", "packages/c/c.tar", "packages/b/b.tar"]
            .map(|name| fixture.path(name));
        assert_eq!(found(&lists), expected);
    }

    #[test]
    fn names_list_and_line_of_what_is_wrong_and_keeps_the_rest() {
        let fixture = Fixture::new();
        fixture.file("a.tar", b"");
        let good = fixture.path("a.tar").display().to_string();
        fixture.file(
            "jobs/j/docker-bosh-release-import/j.lst",
            format!("{good}\nrelative/x.tar\n\n/nowhere/y.tar\n").as_bytes(),
        );
        fixture.file("jobs/k/docker-bosh-release-import/k.lst", b"\xff\xfe\n");
        std::fs::create_dir_all(fixture.path("jobs/l/docker-bosh-release-import/l.lst")).unwrap();
        let lists = fixture.read();
        assert_eq!(found(&lists), [fixture.path("a.tar")]);
        let texts: Vec<String> = lists.problems.iter().map(ToString::to_string).collect();
        assert!(
            texts[0].contains("j.lst, line 2: `relative/x.tar`"),
            "{texts:?}"
        );
        assert!(
            texts[1].contains("j.lst, line 4: `/nowhere/y.tar`"),
            "{texts:?}"
        );
        assert!(
            texts[2].contains("k.lst, line 1: is not UTF-8"),
            "{texts:?}"
        );
        assert!(texts[3].contains("l.lst: is not a file"), "{texts:?}");
    }

    #[test]
    fn each_word_of_a_damaged_list_is_an_entry_or_a_problem_that_names_its_line() {
        let fixture = Fixture::new();
        fixture.file("a.tar", b"");
        let there = fixture.path("a.tar");
        let paths = Paths::new(fixture.directory.path());
        let valid = format!("# images\n/var/vcap/a.tar\r\n\n  {} \n", there.display());
        let mut random = fastrand::Rng::with_seed(7);
        let mut past = 0;
        for _ in 0..10_000 {
            let mut bytes = valid.clone().into_bytes();
            for _ in 0..random.usize(1..4) {
                let at = random.usize(..bytes.len());
                match random.u8(..4) {
                    0 => bytes[at] = random.u8(..),
                    1 => bytes.insert(at, random.u8(..128)),
                    2 => drop(bytes.remove(at)),
                    _ => bytes.extend_from_within(at..),
                }
            }
            let mut lists = Lists::default();
            lists.parse(&paths, Path::new("x.lst"), &bytes);
            past += usize::from(!lists.entries.is_empty());
            for entry in &lists.entries {
                let line = bytes
                    .split(|byte| *byte == b'\n')
                    .nth(entry.line - 1)
                    .unwrap();
                let mut words = std::str::from_utf8(line).unwrap().split_whitespace();
                let root = fixture.directory.path().to_str().unwrap();
                let is_meant = |word: &str| {
                    let word: PathBuf = Path::new(word).components().collect();
                    let word = word.to_str().unwrap();
                    let moved = word.replacen(Paths::DEFAULT_ROOT, root, 1);
                    [Path::new(word), Path::new(&moved)].contains(&entry.path.as_path())
                };
                assert!(words.any(is_meant) && entry.path.exists(), "{entry:?}");
            }
            let mut expected = Vec::new();
            for (number, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
                let words = match std::str::from_utf8(line) {
                    Err(_) => 1,
                    Ok(line) if line.trim_start().starts_with('#') => 0,
                    Ok(line) => line.split_whitespace().count(),
                };
                expected.extend(std::iter::repeat_n(number + 1, words));
            }
            let of_entries = lists.entries.iter().map(|entry| entry.line);
            let of_problems = lists.problems.iter().filter_map(|problem| problem.line);
            let mut lines: Vec<usize> = of_entries.chain(of_problems).collect();
            lines.sort_unstable();
            assert_eq!(lines, expected, "{}", String::from_utf8_lossy(&bytes));
        }
        assert!(
            past > 10_000 / 3,
            "only {past} mutations got past the first step"
        );
    }
}

//! Patterns of a package's `files`, read as `bosh create-release` reads them (doublestar 1.3).
//!
//! Dotfiles match, `**` stands for any number of directories, nothing below a directory that is a
//! symbolic link is found.

use anyhow::{Context, Result, bail};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Paths below `root`, relative to it, that match `pattern`: files, links and directories.
pub fn find(root: &Path, pattern: &str) -> Result<BTreeSet<PathBuf>> {
    let mut found = BTreeSet::new();
    for alternative in expand_braces(pattern)? {
        let parts: Vec<&str> = alternative
            .split('/')
            .filter(|part| !part.is_empty() && *part != ".")
            .collect();
        if parts.contains(&"..") {
            bail!(
                "pattern `{pattern}` leaves the release: bosh would archive such a file under this machine's path"
            );
        }
        if !parts.is_empty() && root.is_dir() {
            walk(root, Path::new(""), &parts, &mut found)?;
        }
    }
    Ok(found)
}

fn walk(root: &Path, below: &Path, parts: &[&str], found: &mut BTreeSet<PathBuf>) -> Result<()> {
    let Some((part, rest)) = parts.split_first() else {
        return Ok(());
    };
    if *part == "**" && !rest.is_empty() {
        walk(root, below, rest, found)?;
    }
    let directory = root.join(below);
    let entries =
        fs::read_dir(&directory).with_context(|| format!("listing {}", directory.display()))?;
    for entry in entries {
        let entry = entry.with_context(|| format!("listing {}", directory.display()))?;
        let name = entry.file_name();
        let Some(name) = name.to_str() else {
            bail!(
                "file name `{}` in {} is not UTF-8",
                name.display(),
                directory.display()
            );
        };
        let path = below.join(name);
        let is_directory = entry.file_type()?.is_dir();
        if *part == "**" {
            if rest.is_empty() {
                found.insert(path.clone());
            }
            if is_directory {
                walk(root, &path, parts, found)?;
            }
        } else if matches_component(part, name)? {
            if rest.is_empty() {
                found.insert(path);
            } else if is_directory {
                walk(root, &path, rest, found)?;
            }
        }
    }
    Ok(())
}

/// `a{b,c}d` becomes `abd` and `acd`; braces nest, a backslash takes a character's meaning away.
fn expand_braces(pattern: &str) -> Result<Vec<String>> {
    let mut escaped = false;
    for (open, character) in pattern.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '{' => {
                let (alternatives, after) =
                    split_alternatives(&pattern[open + 1..]).with_context(|| {
                        format!("pattern `{pattern}` has a brace that nothing closes")
                    })?;
                let mut expanded = Vec::new();
                for alternative in alternatives {
                    let whole = format!("{}{alternative}{after}", &pattern[..open]);
                    expanded.extend(expand_braces(&whole)?);
                }
                return Ok(expanded);
            }
            _ => {}
        }
    }
    Ok(vec![pattern.to_owned()])
}

fn split_alternatives(text: &str) -> Option<(Vec<&str>, &str)> {
    let (mut depth, mut start, mut escaped) = (1_u32, 0, false);
    let mut alternatives = Vec::new();
    for (index, character) in text.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '{' => depth += 1,
            '}' if depth == 1 => {
                alternatives.push(&text[start..index]);
                return Some((alternatives, &text[index + 1..]));
            }
            '}' => depth -= 1,
            ',' if depth == 1 => {
                alternatives.push(&text[start..index]);
                start = index + 1;
            }
            _ => {}
        }
    }
    None
}

/// Whether one path component matches a pattern of `*`, `?`, `[a-z]`, `[^a-z]` and `\` escapes.
fn matches_component(pattern: &str, name: &str) -> Result<bool> {
    let pattern: Vec<char> = pattern.chars().collect();
    let name: Vec<char> = name.chars().collect();
    matches(&pattern, &name)
}

fn matches(pattern: &[char], name: &[char]) -> Result<bool> {
    let Some((first, rest)) = pattern.split_first() else {
        return Ok(name.is_empty());
    };
    match (first, name.split_first()) {
        ('*', _) => {
            for skipped in 0..=name.len() {
                if matches(rest, &name[skipped..])? {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        ('[', head) => {
            let end = rest
                .iter()
                .position(|character| *character == ']')
                .context("a pattern has a `[` that nothing closes")?;
            match head {
                Some((character, tail)) => {
                    Ok(in_class(&rest[..end], *character)? && matches(&rest[end + 1..], tail)?)
                }
                None => Ok(false),
            }
        }
        ('?', Some((_, tail))) => matches(rest, tail),
        ('\\', Some((character, tail))) => match rest.split_first() {
            Some((literal, rest)) => Ok(literal == character && matches(rest, tail)?),
            None => bail!("a pattern ends with a backslash"),
        },
        (literal, Some((character, tail))) => Ok(literal == character && matches(rest, tail)?),
        (_, None) => Ok(false),
    }
}

fn in_class(class: &[char], character: char) -> Result<bool> {
    let (negated, mut class) = match class.split_first() {
        Some(('^', rest)) => (true, rest),
        _ => (false, class),
    };
    if class.is_empty() {
        bail!("a pattern has an empty character class");
    }
    let mut inside = false;
    while let Some((low, rest)) = class.split_first() {
        let high;
        (high, class) = match rest {
            ['-', high, rest @ ..] => (high, rest),
            _ => (low, rest),
        };
        inside |= (*low..=*high).contains(&character);
    }
    Ok(inside != negated)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn tree() -> tempfile::TempDir {
        let tree = tempfile::tempdir().unwrap();
        for file in [
            "app/main.rs",
            "app/.hidden",
            "app/.dot/inner",
            "app/deep/er/x.rs",
            "other/a.txt",
            "b1",
            "b2",
            "b3",
        ] {
            let path = tree.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, file).unwrap();
        }
        symlink("../other", tree.path().join("app/linked")).unwrap();
        tree
    }

    fn found(pattern: &str) -> Vec<String> {
        let tree = tree();
        find(tree.path(), pattern)
            .unwrap()
            .iter()
            .map(|path| path.display().to_string())
            .collect()
    }

    #[test]
    fn double_star_finds_dotfiles_and_links_but_nothing_below_a_linked_directory() {
        assert_eq!(
            found("app/**/*"),
            [
                "app/.dot",
                "app/.dot/inner",
                "app/.hidden",
                "app/deep",
                "app/deep/er",
                "app/deep/er/x.rs",
                "app/linked",
                "app/main.rs"
            ]
        );
    }

    #[test]
    fn double_star_stands_for_no_directory_too() {
        assert_eq!(found("app/**/*.rs"), ["app/deep/er/x.rs", "app/main.rs"]);
        assert_eq!(found("**/a.txt"), ["other/a.txt"]);
    }

    #[test]
    fn single_star_stays_in_its_directory() {
        assert_eq!(found("app/*.rs"), ["app/main.rs"]);
        assert_eq!(found("b*"), ["b1", "b2", "b3"]);
    }

    #[test]
    fn braces_and_classes_choose() {
        assert_eq!(found("{b1,app/main.rs}"), ["app/main.rs", "b1"]);
        assert_eq!(found("b{1,{2,3}}"), ["b1", "b2", "b3"]);
        assert_eq!(found("b[12]"), ["b1", "b2"]);
        assert_eq!(found("b[^2-3]"), ["b1"]);
        assert_eq!(found("b?"), ["b1", "b2", "b3"]);
    }

    #[test]
    fn nothing_is_found_through_a_linked_directory() {
        assert!(found("app/linked/*").is_empty());
    }

    #[test]
    fn refuses_a_pattern_that_leaves_the_release_or_is_malformed() {
        let tree = tree();
        for pattern in ["../Cargo.toml", "a{b", "b[1"] {
            assert!(find(tree.path(), pattern).is_err(), "{pattern}");
        }
    }
}

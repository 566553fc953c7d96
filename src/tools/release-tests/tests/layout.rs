//! The sources stay easy to walk through: no long files, and no files of a crate that use each other.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use release_tests::repository;
use walkdir::WalkDir;

/// Lines of a file that is no test.
const LONGEST: usize = 350;
/// A comment that begins so says why two files use each other all the same.
const REASON: &str = "// circle: ";

type Module = Vec<String>;

/// Each crate's files by their modules; tests are left out.
fn crates(root: &Path) -> Vec<BTreeMap<Module, PathBuf>> {
    let members = WalkDir::new(root.join("src")).max_depth(3).into_iter();
    let manifests = members
        .filter_map(Result::ok)
        .filter(|entry| entry.file_name() == "Cargo.toml");
    let sources = manifests.map(|manifest| manifest.path().with_file_name("src"));
    sources
        .filter(|source| source.is_dir())
        .map(|source| modules(&source))
        .collect()
}

fn modules(source: &Path) -> BTreeMap<Module, PathBuf> {
    let files = WalkDir::new(source).into_iter().map(Result::unwrap);
    let files = files.filter(|file| {
        file.path()
            .extension()
            .is_some_and(|extension| extension == "rs")
    });
    let with_module = files.map(|file| {
        let inside = file.path().strip_prefix(source).unwrap().with_extension("");
        let mut module: Module = inside
            .iter()
            .map(|part| part.to_string_lossy().into_owned())
            .collect();
        if module
            .last()
            .is_some_and(|last| ["mod", "lib", "main"].contains(&last.as_str()))
        {
            module.pop();
        }
        (module, file.into_path())
    });
    with_module
        .filter(|(module, _)| !module.contains(&"tests".to_owned()))
        .collect()
}

/// What a file has before its tests, without comments.
fn code(text: &str) -> String {
    let code = text
        .split("#[cfg(test)]\nmod tests {")
        .next()
        .unwrap_or_default();
    let lines = code
        .lines()
        .map(|line| line.split("//").next().unwrap_or_default());
    lines.collect::<Vec<_>>().join("\n")
}

/// The paths of a `use` tree: `a::{b, c::{d, e}}` has three.
fn paths(tree: &str) -> Vec<String> {
    let tree = tree.trim();
    let Some((before, inside)) = tree.split_once('{') else {
        return vec![tree.to_owned()];
    };
    let inside = inside.rsplit_once('}').map_or(inside, |(inside, _)| inside);
    let (mut depth, mut parts) = (0_usize, vec![String::new()]);
    for letter in inside.chars() {
        match letter {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        match parts.last_mut() {
            Some(part) if letter != ',' || depth > 0 => part.push(letter),
            _ => parts.push(String::new()),
        }
    }
    let paths = parts
        .iter()
        .filter(|part| !part.trim().is_empty())
        .flat_map(|part| paths(part));
    paths.map(|path| format!("{before}{path}")).collect()
}

/// The modules that a file uses, other than those around and below it.
fn used(module: &Module, text: &str, all: &BTreeMap<Module, PathBuf>) -> BTreeSet<Module> {
    let code = code(text);
    let is_use = |statement: &&str| statement.starts_with("use ") || statement.contains(" use ");
    let statements = code
        .split(';')
        .map(|statement| statement.lines().collect::<Vec<_>>());
    let mut found = BTreeSet::new();
    let mut add = |path: &str| {
        let mut names: Vec<&str> = path
            .split("::")
            .map(|name| name.split_whitespace().next().unwrap_or_default())
            .collect();
        let mut at = match names.first() {
            Some(&"crate") => Vec::new(),
            Some(&"super") => module.clone(),
            _ => return,
        };
        while names.first() == Some(&"super") {
            at.pop();
            names.remove(0);
        }
        if names.first() == Some(&"crate") {
            names.remove(0);
        }
        for name in names {
            at.push(name.to_owned());
            if !all.contains_key(&at) {
                at.pop();
                break;
            }
        }
        if !module.starts_with(&at) && !at.starts_with(module) {
            found.insert(at);
        }
    };
    for lines in statements {
        let from = lines.iter().position(|line| is_use(&line.trim_start()));
        if let Some(from) = from {
            let statement = lines[from..].join(" ");
            let tree = statement.split_once("use ").map_or("", |(_, tree)| tree);
            for path in paths(tree) {
                add(&path);
            }
        }
    }
    let inline = code.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':'));
    inline.for_each(|path| add(path.trim_matches(':')));
    found
}

/// Whether a way leads from one module to another.
fn leads(uses: &BTreeMap<Module, BTreeSet<Module>>, from: &Module, to: &Module) -> bool {
    let (mut seen, mut open) = (BTreeSet::new(), vec![from]);
    while let Some(next) = open.pop() {
        for used in uses.get(next).into_iter().flatten() {
            if used == to {
                return true;
            }
            if seen.insert(used) {
                open.push(used);
            }
        }
    }
    false
}

/// The files of a crate that use each other, directly or by others, without a reason.
fn circles(all: &BTreeMap<Module, PathBuf>) -> Vec<String> {
    let texts: BTreeMap<_, _> = all
        .iter()
        .map(|(module, file)| (module, fs::read_to_string(file).unwrap()))
        .collect();
    let has_no_reason = |module: &Module| !texts[module].contains(REASON);
    let uses: BTreeMap<Module, BTreeSet<Module>> = texts
        .iter()
        .filter(|(module, _)| has_no_reason(module))
        .map(|(module, text)| ((*module).clone(), used(module, text, all)))
        .collect();
    let in_one = uses.keys().filter(|module| leads(&uses, module, module));
    in_one
        .map(|module| all[module].display().to_string())
        .collect()
}

#[test]
fn no_file_has_more_than_350_lines() {
    let files = crates(&repository())
        .into_iter()
        .flat_map(BTreeMap::into_values);
    let long = files.filter(|file| fs::read_to_string(file).unwrap().lines().count() > LONGEST);
    let long: Vec<_> = long.collect();
    assert!(long.is_empty(), "split these by purpose: {long:#?}");
}

#[test]
fn no_files_use_each_other_without_a_reason() {
    let found: Vec<_> = crates(&repository()).iter().flat_map(circles).collect();
    assert!(
        found.is_empty(),
        "these use each other, directly or by others: move what both need into a file below them, or say why not in a comment `{REASON}…`: {found:#?}"
    );
}

#[test]
fn a_circle_is_found_through_any_kind_of_path_and_not_with_a_reason() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let file = dir.path().join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    };
    let found = || circles(&modules(dir.path())).len();
    write("lib.rs", "mod a;\nmod b;\nmod c;\n");
    write("a.rs", "use std::fmt;\nuse crate::{c, b::{self, B}};\n");
    write(
        "c.rs",
        "// use crate::a::A;\n#[cfg(test)]\nmod tests {\n    use crate::a::A;\n}\n",
    );
    write("b/mod.rs", "mod d;\n");
    write("b/d.rs", "use super::B;\n");
    assert_eq!(found(), 0);
    write("b/mod.rs", "mod d;\nfn f() -> crate::a::A {}\n");
    assert_eq!(found(), 2);
    write("a.rs", "use crate::b::B; // circle: they are one\n");
    assert_eq!(found(), 0);
    write("a.rs", "use crate::b::d::D;\n");
    write("b/mod.rs", "mod d;\n");
    write("b/d.rs", "use super::super::{\n    a,\n};\n");
    assert_eq!(found(), 2);
}

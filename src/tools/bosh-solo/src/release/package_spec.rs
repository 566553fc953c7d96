//! A package of a release directory: `packages/<package>/{spec,packaging}` and the files it names.

use super::fingerprint::{self, Links, SourceFile};
use super::glob;
use crate::hint::Hint;
use crate::progress::Progress;
use anyhow::{Context, Result, anyhow, bail};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

#[derive(Debug, Deserialize)]
struct Spec {
    name: String,
    #[serde(default)]
    dependencies: Option<Vec<String>>,
    #[serde(default)]
    files: Option<Vec<String>>,
    #[serde(default)]
    excluded_files: Option<Vec<String>>,
    #[serde(flatten)]
    extra: BTreeMap<String, Value>,
}

/// A package with the files that go into its source archive.
#[derive(Debug, Clone)]
pub struct Package {
    /// Its name, which is also its directory's.
    pub name: String,
    /// The name of the release that it comes from.
    pub release: String,
    /// Packages that must be installed while this one is compiled.
    pub dependencies: Vec<String>,
    /// Everything that compilation finds in its directory, `packaging` included.
    pub files: Vec<SourceFile>,
    /// What the BOSH CLI would call this version of the package.
    pub fingerprint: String,
}

impl Package {
    /// Reads `packages/<name>` of the release in `release_directory` and finds its files.
    pub fn read(
        release_directory: &Path,
        release: &str,
        name: &str,
        progress: &Progress,
    ) -> Result<Self> {
        let directory = release_directory.join("packages").join(name);
        let spec_path = directory.join("spec");
        if directory.join("spec.lock").is_file() {
            bail!(
                "package `{name}` of release `{release}` is vendored ({}): its source lies in a blobstore, which bosh-solo does not read",
                directory.join("spec.lock").display()
            );
        }
        let spec = super::read_spec(
            release_directory,
            release,
            "package",
            name,
            |spec: &Spec| &spec.name,
        )?;
        for key in spec.extra.keys().filter(|key| *key != "no_compression") {
            progress.warn(&format!("{}: unknown key `{key}`", spec_path.display()));
        }
        let packaging = directory.join("packaging");
        if !packaging.is_file() {
            bail!(
                "expected to find {} for package `{name}`",
                packaging.display()
            );
        }
        if directory.join("pre_packaging").exists() {
            return Err(anyhow!(
                "package `{name}` has a pre_packaging script, which bosh-solo does not run"
            ))
            .hint(
                "what it makes is in no fingerprint: list the files in the package's spec instead",
            );
        }
        let mut files = vec![SourceFile {
            relative: "packaging".to_owned(),
            source: packaging,
            with_mode: false,
        }];
        files.extend(resolve_files(release_directory, &spec)?);
        let dependencies = spec.dependencies.unwrap_or_default();
        let fingerprint = fingerprint::of_files(&files, &dependencies, Links::Kept)?;
        Ok(Self {
            name: spec.name,
            release: release.to_owned(),
            dependencies,
            files,
            fingerprint,
        })
    }

    /// Copies the package's files into an empty directory, modes as `create-release` archives them.
    pub fn copy_sources(&self, destination: &Path) -> Result<()> {
        for file in &self.files {
            copy(file, &destination.join(&file.relative))
                .with_context(|| format!("copying {}", file.source.display()))?;
        }
        Ok(())
    }
}

fn copy(file: &SourceFile, destination: &Path) -> Result<()> {
    if let Some(parent) = destination.parent() {
        fs::create_dir_all(parent)?;
    }
    let metadata = fs::symlink_metadata(&file.source)?;
    if metadata.is_symlink() {
        std::os::unix::fs::symlink(fs::read_link(&file.source)?, destination)?;
        return Ok(());
    }
    fs::copy(&file.source, destination)?;
    let executable = metadata.permissions().mode() & 0o100 != 0;
    let mode = if executable { 0o755 } else { 0o644 };
    fs::set_permissions(destination, fs::Permissions::from_mode(mode))?;
    Ok(())
}

/// bosh-cli `release/pkg/dir_reader.go`: `src/` before `blobs/`, then the excluded ones go.
fn resolve_files(release_directory: &Path, spec: &Spec) -> Result<Vec<SourceFile>> {
    let roots = [
        release_directory.join("src"),
        release_directory.join("blobs"),
    ];
    let mut files = BTreeMap::new();
    for pattern in spec.files.iter().flatten() {
        let mut matched = false;
        for root in &roots {
            for path in glob::find(root, pattern)? {
                let source = root.join(&path);
                if fs::symlink_metadata(&source)?.is_dir() {
                    continue;
                }
                matched = true;
                let relative = path.to_string_lossy().into_owned();
                files.entry(relative.clone()).or_insert(SourceFile {
                    relative,
                    source,
                    with_mode: true,
                });
            }
        }
        if !matched {
            return Err(anyhow!(
                "missing files for pattern `{pattern}` of package `{}` in {} and {}",
                spec.name,
                roots[0].display(),
                roots[1].display()
            ))
            .hint("a directory's bare name matches nothing (write `dir/**/*`); blobs must be fetched first");
        }
    }
    for pattern in spec.excluded_files.iter().flatten() {
        for root in &roots {
            for path in glob::find(root, pattern)? {
                files.remove(path.to_string_lossy().as_ref());
            }
        }
    }
    for special in ["packaging", "pre_packaging"] {
        if files.contains_key(special) {
            bail!(
                "package `{}` lists `{special}` under `files`, where a script of that name has its own place",
                spec.name
            );
        }
    }
    Ok(files.into_values().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn release(spec: &str) -> tempfile::TempDir {
        let release = tempfile::tempdir().unwrap();
        for (path, content) in [
            ("packages/p/spec", spec),
            ("packages/p/packaging", "set -e\n"),
            ("src/app/x.rs", "src"),
            ("src/app/.dot", "dot"),
            ("src/app/target/debug/junk", "junk"),
            ("blobs/app/x.rs", "blob"),
            ("blobs/tools/t.tgz", "tgz"),
        ] {
            let path = release.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        symlink("nowhere", release.path().join("src/app/link")).unwrap();
        release
    }

    fn read(spec: &str) -> Result<Package> {
        let release = release(spec);
        Package::read(release.path(), "toy", "p", &Progress::silent())
    }

    fn names(package: &Package) -> Vec<&str> {
        package
            .files
            .iter()
            .map(|file| file.relative.as_str())
            .collect()
    }

    #[test]
    fn src_wins_over_blobs_and_the_prefix_is_stripped() {
        let package = read("{name: p, files: ['app/x.rs', 'tools/*.tgz']}").unwrap();
        assert_eq!(names(&package), ["packaging", "app/x.rs", "tools/t.tgz"]);
        assert!(package.files[1].source.ends_with("src/app/x.rs"));
    }

    #[test]
    fn ignored_build_output_is_shipped_unless_excluded() {
        let all = read("{name: p, files: ['app/**/*']}").unwrap();
        assert_eq!(
            names(&all),
            [
                "packaging",
                "app/.dot",
                "app/link",
                "app/target/debug/junk",
                "app/x.rs"
            ]
        );
        let some =
            read("{name: p, files: ['app/**/*'], excluded_files: ['app/target/**/*']}").unwrap();
        assert_eq!(
            names(&some),
            ["packaging", "app/.dot", "app/link", "app/x.rs"]
        );
        assert_ne!(all.fingerprint, some.fingerprint);
    }

    #[test]
    fn copies_links_as_links_and_modes_as_two_kinds() {
        let package = read("{name: p, files: ['app/**/*']}");
        assert!(package.is_ok());
        let release = release("{name: p, files: ['app/**/*']}");
        let package = Package::read(release.path(), "toy", "p", &Progress::silent()).unwrap();
        let destination = tempfile::tempdir().unwrap();
        package.copy_sources(destination.path()).unwrap();
        let link = destination.path().join("app/link");
        assert_eq!(fs::read_link(link).unwrap(), Path::new("nowhere"));
        let mode = fs::metadata(destination.path().join("app/x.rs"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o7777, 0o644);
    }

    #[test]
    fn a_pattern_that_matches_nothing_is_an_error_that_names_it() {
        for pattern in ["nothing/*", "app", "app/link/*"] {
            let error = read(&format!("{{name: p, files: ['{pattern}']}}")).unwrap_err();
            assert!(
                error.to_string().contains(&format!("`{pattern}`")),
                "{error}"
            );
        }
    }
}

//! Compilation of packages, by fingerprint, with a cache that all deployments share.

use crate::hint::Hint;
use crate::progress::Progress;
use crate::release::{Package, fingerprint};
use crate::state;
use anyhow::{Context, Result, anyhow};
use solo_instance::{CompileSpec, Host};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

/// How often a long compilation says that it still runs.
const STILL_RUNNING: Duration = Duration::from_secs(15);

/// A compiled package in the cache.
#[derive(Debug, Clone)]
pub struct CompiledPackage {
    /// The package's name.
    pub name: String,
    /// Its version: own fingerprint, the versions of all it was built with, the base tree.
    pub version: String,
    /// Its files.
    pub directory: PathBuf,
}

/// The cache, below a state directory.
#[derive(Debug)]
pub struct Compiler<'a> {
    host: &'a Host,
    cache: PathBuf,
    progress: &'a Progress,
}

impl<'a> Compiler<'a> {
    /// Compiles on `host`; the cache lies in `state_directory`.
    pub fn new(host: &'a Host, state_directory: &Path, progress: &'a Progress) -> Self {
        Self {
            host,
            cache: state_directory.join("cache/packages"),
            progress,
        }
    }

    /// Compiles what is not compiled yet. `packages` come dependencies first; the result is in the
    /// same order.
    pub fn compile_all(&self, packages: &[Package]) -> Result<Vec<CompiledPackage>> {
        let base_tree = self
            .host
            .base_tree()
            .context("making the tree that packages are compiled in")?;
        let platform = base_tree
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let mut compiled: Vec<CompiledPackage> = Vec::new();
        let mut places: BTreeMap<(String, String), usize> = BTreeMap::new();
        for package in packages {
            let dependencies = transitive(package, packages)
                .into_iter()
                .filter_map(|name| places.get(&(package.release.clone(), name)))
                .map(|place| compiled[*place].clone())
                .collect::<Vec<_>>();
            let version = version_of(package, &dependencies, &platform);
            places.insert(
                (package.release.clone(), package.name.clone()),
                compiled.len(),
            );
            compiled.push(self.compile(package, &dependencies, version)?);
        }
        Ok(compiled)
    }

    fn compile(
        &self,
        package: &Package,
        dependencies: &[CompiledPackage],
        version: String,
    ) -> Result<CompiledPackage> {
        let name = format!("{}-{version}", package.name);
        let compiled = CompiledPackage {
            name: package.name.clone(),
            directory: self.cache.join(&name),
            version,
        };
        let label = format!(
            "Compiling packages: {}/{}",
            package.name,
            &package.fingerprint[..12]
        );
        let _lock = state::lock(&self.cache.join(format!("{name}.lock")), || {
            self.progress.say(&format!(
                "{label}: waiting for another deploy that compiles it"
            ));
        })?;
        if compiled.directory.is_dir() {
            return Ok(compiled);
        }
        let work = self.cache.join(format!("{name}.work"));
        let result = self.compile_in(&work, package, dependencies, &compiled, &label);
        // Whatever happened, nothing half-made may be found by the next one.
        if let Err(error) = fs::remove_dir_all(&work)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            self.progress
                .warn(&format!("removing {}: {error}", work.display()));
        }
        result.map(|()| compiled)
    }

    fn compile_in(
        &self,
        work: &Path,
        package: &Package,
        dependencies: &[CompiledPackage],
        compiled: &CompiledPackage,
        label: &str,
    ) -> Result<()> {
        let (source, install) = (work.join("source"), work.join("install"));
        if work.exists() {
            fs::remove_dir_all(work).with_context(|| format!("removing {}", work.display()))?;
        }
        for directory in [&source, &install] {
            fs::create_dir_all(directory)
                .with_context(|| format!("making {}", directory.display()))?;
        }
        package.copy_sources(&source)?;
        let log_path = compiled.directory.with_added_extension("log");
        let log =
            File::create(&log_path).with_context(|| format!("making {}", log_path.display()))?;
        let step = self.progress.step(label);
        let spec = CompileSpec {
            package: package.name.clone(),
            dependencies: dependencies
                .iter()
                .map(|dependency| (dependency.name.clone(), dependency.directory.clone()))
                .collect(),
            compile_target: source,
            install_target: install.clone(),
            env: environment(&compiled.name, &compiled.version),
            // bosh-agent `agent/compiler/compiler_unix.go`: no `-e`, failures in the middle pass.
            argv: ["bash", "-x", "packaging"].map(str::to_owned).to_vec(),
            log: Some(log),
        };
        let (finished, waiter) = mpsc::channel::<()>();
        let outcome = std::thread::scope(|scope| {
            let step = &step;
            scope.spawn(move || {
                while waiter.recv_timeout(STILL_RUNNING) == Err(RecvTimeoutError::Timeout) {
                    step.still_running();
                }
            });
            let outcome = self.host.compile(spec);
            drop(finished);
            outcome
        })
        .with_context(|| format!("compiling package `{}`", package.name))?;
        if !outcome.status.success() {
            return Err(anyhow!(
                "compiling package `{}` of release `{}`: packaging failed ({}); the last of what it printed:\n{}",
                package.name,
                package.release,
                outcome.status,
                outcome.tail.trim_end()
            ))
            .hint(format!("the whole output is in {}", log_path.display()));
        }
        fs::rename(&install, &compiled.directory)
            .with_context(|| format!("putting {} into the cache", compiled.directory.display()))?;
        step.done();
        Ok(())
    }
}

/// What the agent gives a packaging script, besides its own environment.
fn environment(name: &str, version: &str) -> Vec<(String, String)> {
    [
        (
            "BOSH_COMPILE_TARGET",
            format!("/var/vcap/data/compile/{name}"),
        ),
        ("BOSH_INSTALL_TARGET", format!("/var/vcap/packages/{name}")),
        ("BOSH_PACKAGE_NAME", name.to_owned()),
        ("BOSH_PACKAGE_VERSION", version.to_owned()),
        ("TMPDIR", "/var/vcap/data/tmp".to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .to_vec()
}

/// Names of all packages that `package` depends on, directly or not.
fn transitive(package: &Package, packages: &[Package]) -> Vec<String> {
    let mut names = package.dependencies.clone();
    let mut next = 0;
    while next < names.len() {
        let found = packages
            .iter()
            .find(|other| other.release == package.release && other.name == names[next]);
        for name in found.iter().flat_map(|found| &found.dependencies) {
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
        next += 1;
    }
    names.sort();
    names
}

fn version_of(package: &Package, dependencies: &[CompiledPackage], platform: &str) -> String {
    let mut key = format!("{}\n{platform}\n", package.fingerprint);
    for dependency in dependencies {
        let _ = writeln!(key, "{}/{}", dependency.name, dependency.version);
    }
    fingerprint::of_text(&key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, fingerprint: &str, dependencies: &[&str]) -> Package {
        Package {
            name: name.to_owned(),
            release: "toy".to_owned(),
            dependencies: dependencies.iter().map(|name| (*name).to_owned()).collect(),
            files: Vec::new(),
            fingerprint: fingerprint.to_owned(),
        }
    }

    fn compiled(name: &str, version: &str) -> CompiledPackage {
        CompiledPackage {
            name: name.to_owned(),
            version: version.to_owned(),
            directory: PathBuf::new(),
        }
    }

    #[test]
    fn dependencies_of_dependencies_count_once() {
        let packages = [
            package("a", "1", &[]),
            package("b", "1", &["a"]),
            package("c", "1", &["a", "b"]),
        ];
        assert_eq!(transitive(&packages[2], &packages), ["a", "b"]);
        assert!(transitive(&packages[0], &packages).is_empty());
    }

    #[test]
    fn a_changed_dependency_or_platform_makes_another_version() {
        let own = package("b", "1", &["a"]);
        let version = version_of(&own, &[compiled("a", "1")], "debian");
        assert_ne!(version, version_of(&own, &[compiled("a", "2")], "debian"));
        assert_ne!(version, version_of(&own, &[compiled("a", "1")], "ubuntu"));
        assert_eq!(version, version_of(&own, &[compiled("a", "1")], "debian"));
    }
}

//! The release tree itself: what BOSH would refuse at upload, what a reader would find missing, and who may depend on whom.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use release_tests::{Outcome, repository};
use serde_yaml::Value;

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn yaml(path: &Path) -> Value {
    serde_yaml::from_str(&read(path)).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn directories(path: &str) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(repository().join(path))
        .unwrap_or_else(|error| panic!("{path}: {error}"))
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    found.sort();
    assert!(!found.is_empty(), "{path} is empty");
    found
}

fn name(path: &Path) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}

fn strings(value: &Value) -> Vec<String> {
    value
        .as_sequence()
        .into_iter()
        .flatten()
        .map(|item| item.as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn every_job_has_what_a_director_asks_for() {
    for job in directories("jobs") {
        let spec = yaml(&job.join("spec"));
        assert_eq!(spec["name"].as_str(), Some(&*name(&job)));
        assert!(
            job.join("monit").is_file(),
            "{}: no monit file; a Director refuses the upload",
            job.display()
        );
        assert!(
            spec["description"]
                .as_str()
                .is_some_and(|text| text.len() > 20),
            "{}: no description",
            job.display()
        );
        for template in spec["templates"].as_mapping().unwrap().keys() {
            let template = job.join("templates").join(template.as_str().unwrap());
            assert!(template.is_file(), "{} is not there", template.display());
        }
        let listed = spec["templates"].as_mapping().unwrap().len();
        let there = Outcome::of(
            Command::new("find")
                .arg(job.join("templates"))
                .args(["-type", "f"]),
        )
        .ok()
        .lines()
        .count();
        assert_eq!(
            listed,
            there,
            "{}: templates that the spec does not list",
            job.display()
        );
        for package in strings(&spec["packages"]) {
            assert!(
                repository().join("packages").join(&package).is_dir(),
                "{}: no package {package}",
                job.display()
            );
        }
    }
}

#[test]
fn shims_hand_off_and_do_nothing_else() {
    for job in directories("jobs") {
        let Ok(shims) = fs::read_dir(job.join("templates/bin")) else {
            continue;
        };
        for shim in shims {
            let path = shim.unwrap().path();
            let text = read(&path);
            let lines: Vec<&str> = text.lines().collect();
            assert!(
                lines.len() <= 3 && lines[0].starts_with("#!/bin/"),
                "{}",
                path.display()
            );
            let handed = lines.last().unwrap();
            assert!(
                ["containers", "image-registry"].iter().any(|package| {
                    handed.starts_with(&format!("exec /var/vcap/packages/{package}/bin/"))
                }),
                "{}",
                path.display()
            );
            assert!(!text.contains("<%"), "{}: logic in ERB", path.display());
        }
    }
}

#[test]
fn monit_files_use_only_what_the_stemcells_monit_understands() {
    for job in directories("jobs") {
        let monit = read(&job.join("monit"));
        for refused in [
            "restart program",
            "onreboot",
            "check program",
            "every \"",
            "if not exist",
            "depend on ",
        ] {
            assert!(
                !monit.contains(refused),
                "{}: monit 5.2.5 refuses `{refused}`",
                job.display()
            );
        }
        let programs = monit.matches(" program \"").count();
        assert_eq!(
            monit.matches("with timeout").count() - monit.matches("unixsocket").count(),
            programs,
            "{}: a program without a timeout has 30 s, and failing that fails a deploy",
            job.display()
        );
        assert_eq!(
            monit.matches("check process").count(),
            monit.matches("group vcap").count(),
            "{}: BOSH ignores a process outside the group vcap",
            job.display()
        );
        let stops: u32 = monit
            .lines()
            .filter(|line| line.contains("stop program"))
            .filter_map(|line| {
                line.split("timeout ")
                    .nth(1)?
                    .split(' ')
                    .next()?
                    .parse::<u32>()
                    .ok()
            })
            .sum();
        assert!(
            stops < 240,
            "{}: the stops may take {stops} s together; an agent waits for 300 s",
            job.display()
        );
    }
}

#[test]
fn every_package_compiles_from_files_that_are_there() {
    for package in directories("packages") {
        let spec = yaml(&package.join("spec"));
        assert_eq!(spec["name"].as_str(), Some(&*name(&package)));
        assert!(
            read(&package.join("packaging")).starts_with("set -eu"),
            "{}: BOSH runs packaging without -e",
            package.display()
        );
        for pattern in strings(&spec["files"]) {
            let found = ["src", "blobs"].iter().any(|root| {
                let command = format!("shopt -s globstar nullglob dotglob; cd {root}; set -- {pattern}; [ $# -gt 0 ] && [ -e \"$1\" ]");
                Outcome::of(Command::new("bash").args(["-c", &command]).current_dir(repository())).code == 0
            });
            assert!(found, "{}: nothing matches {pattern}", package.display());
        }
        for dependency in strings(&spec["dependencies"]) {
            assert!(
                repository().join("packages").join(&dependency).is_dir(),
                "{}: no package {dependency}",
                package.display()
            );
        }
    }
}

#[test]
fn the_package_of_the_programs_carries_every_crate_of_the_workspace() {
    let files: BTreeSet<String> =
        strings(&yaml(&repository().join("packages/containers/spec"))["files"])
            .into_iter()
            .collect();
    let manifest = read(&repository().join("Cargo.toml"));
    let members: Vec<&str> = manifest
        .lines()
        .filter_map(|line| line.trim().strip_prefix("\"src/")?.strip_suffix("\","))
        .collect();
    assert!(members.len() > 5, "{members:?}");
    for member in members {
        assert!(
            files.contains(&format!("{member}/**/*")),
            "packages/containers/spec lacks {member}"
        );
    }
    for link in ["Cargo.toml", "Cargo.lock"] {
        let target = fs::read_link(repository().join(link))
            .unwrap_or_else(|error| panic!("{link} is no link: {error}"));
        assert_eq!(target, Path::new("src/workspace").join(link));
    }
}

/// The files of a package, as its spec has them.
fn package_files(package: &str) -> Vec<String> {
    let spec = repository().join("packages").join(package).join("spec");
    strings(&yaml(&spec)["files"])
}

#[test]
fn a_change_of_the_registry_moves_no_docker_vm_and_the_other_way_round() {
    // What both are compiled with.
    const SHARED: [&str; 4] = [
        "bosh-job/**/*",
        "image-archive/**/*",
        "image-fixture/**/*",
        "import-lists/**/*",
    ];
    let (containers, registry) = (package_files("containers"), package_files("image-registry"));
    let shared: Vec<&String> = containers
        .iter()
        .filter(|file| registry.contains(file))
        .collect();
    assert_eq!(shared, SHARED);
    assert!(!containers.iter().any(|file| file.contains("registry")));
    for file in &registry {
        let is_own = ["crates/image-registry.tar.gz", "image-registry/"]
            .iter()
            .any(|own| file.starts_with(own));
        assert!(is_own || SHARED.contains(&&**file), "{file}");
    }
    for (job, package) in [("docker", "image-registry"), ("registry", "containers")] {
        let spec = yaml(&repository().join("jobs").join(job).join("spec"));
        assert!(
            !strings(&spec["packages"]).contains(&package.to_owned()),
            "{job}"
        );
    }
}

#[test]
fn the_package_of_the_registry_carries_every_crate_that_it_takes_from_beside_it() {
    let files = package_files("image-registry");
    let manifest = read(&repository().join("src/image-registry/Cargo.toml"));
    let beside = manifest.split("path = \"../").skip(1);
    let crates: Vec<&str> = beside.filter_map(|rest| rest.split('"').next()).collect();
    assert!(crates.contains(&"bosh-job"), "{crates:?}");
    for name in crates {
        assert!(
            files.contains(&format!("{name}/**/*")),
            "packages/image-registry/spec lacks {name}"
        );
        // there the workspace of the docker VM's programs is not around it
        let manifest = read(&repository().join("src").join(name).join("Cargo.toml"));
        assert!(
            !manifest.contains("workspace = true"),
            "src/{name}/Cargo.toml takes from a workspace that package image-registry does not have"
        );
        let versions = |text: &str, section: &str| -> Vec<String> {
            let of = text.split(&format!("[{section}]\n")).nth(1).unwrap();
            let lines = of.lines().take_while(|line| !line.starts_with('['));
            lines
                .filter(|line| line.contains(" = "))
                .map(str::to_owned)
                .collect()
        };
        let workspace = read(&repository().join("Cargo.toml"));
        let known = versions(&workspace, "workspace.dependencies");
        let beside = |line: &String| line.contains("path = \"../");
        let taken = versions(&manifest, "dependencies").into_iter();
        for line in taken.filter(|line| !beside(line)) {
            assert!(
                known.contains(&line),
                "src/{name}/Cargo.toml has `{line}`, src/workspace/Cargo.toml another version"
            );
        }
        for section in ["rust", "clippy"] {
            assert_eq!(
                versions(&manifest, &format!("lints.{section}")),
                versions(&workspace, &format!("workspace.lints.{section}")),
                "{name}"
            );
        }
    }
}

#[test]
fn blobs_are_pinned_where_they_come_from_and_where_bosh_looks() {
    let sources = yaml(&repository().join("config/blob-sources.yml"));
    let blobs = yaml(&repository().join("config/blobs.yml"));
    for (path, source) in sources["blobs"].as_mapping().unwrap() {
        let path = path.as_str().unwrap();
        let sha256 = source["sha256"].as_str().unwrap();
        assert_eq!(sha256.len(), 64, "{path}");
        assert_eq!(
            blobs[path]["sha"].as_str(),
            Some(&*format!("sha256:{sha256}")),
            "{path}"
        );
        assert!(
            source["license"].is_string()
                && source["url"].as_str().unwrap().starts_with("https://"),
            "{path}"
        );
    }
    for path in ["crates/crates.tar.gz", "crates/image-registry.tar.gz"] {
        let blob = repository().join("blobs").join(path);
        let sum = Outcome::of(Command::new("sha256sum").arg(&blob)).ok();
        let pinned = blobs[path]["sha"]
            .as_str()
            .unwrap()
            .trim_start_matches("sha256:")
            .to_owned();
        assert_eq!(
            sum.split(' ').next(),
            Some(&*pinned),
            "{path}: run ci/blobs"
        );
    }
}

#[test]
fn every_property_is_described_and_stands_in_the_docs() {
    let path = repository().join("docs/properties.md");
    let mut wanted = "# Properties\n\nWhat each job takes, from its `spec`. A test keeps this page equal to the specs; \
                      `CONTAINERS_UPDATE_DOCS=1 ci/test` writes it again.\n".to_owned();
    for job in directories("jobs") {
        let spec = yaml(&job.join("spec"));
        wanted += &format!(
            "\n## Job `{}`\n\n{}",
            name(&job),
            spec["description"].as_str().unwrap()
        );
        for (property, about) in spec["properties"].as_mapping().unwrap() {
            let property = property.as_str().unwrap();
            let description = about["description"]
                .as_str()
                .unwrap_or_else(|| panic!("{property}: no description"));
            let example = about
                .get("example")
                .unwrap_or_else(|| panic!("{property}: no example"));
            let default = about.get("default").map_or_else(
                || "none".to_owned(),
                |value| format!("`{}`", serde_json::to_string(value).unwrap()),
            );
            let example = serde_yaml::to_string(&serde_yaml::Mapping::from_iter([(
                property.into(),
                example.clone(),
            )]))
            .unwrap();
            wanted += &format!(
                "\n### `{property}`\n\n{description}\nDefault: {default}\n\n```yaml\n{example}```\n"
            );
        }
    }
    if std::env::var_os("CONTAINERS_UPDATE_DOCS").is_some() {
        fs::write(&path, &wanted).unwrap();
    }
    assert!(
        read(&path) == wanted,
        "docs/properties.md differs from the job specs: CONTAINERS_UPDATE_DOCS=1 ci/test"
    );
}

#[test]
fn every_ops_file_and_manifest_has_a_row_in_the_readme() {
    let readme = read(&repository().join("README.md"));
    for directory in ["manifests", "manifests/operations"] {
        for entry in fs::read_dir(repository().join(directory)).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                let shown = format!("{directory}/{}", name(&path));
                assert!(
                    readme
                        .lines()
                        .any(|line| line.starts_with('|') && line.contains(&shown)),
                    "README.md has no row for {shown}"
                );
            }
        }
    }
}

#[test]
fn programs_on_the_vm_never_reach_the_network_crates_and_libraries_never_reach_programs() {
    let tree = |package: &str| {
        Outcome::of(
            Command::new("cargo")
                .args([
                    "tree",
                    "--locked",
                    "--offline",
                    "--edges",
                    "normal",
                    "--prefix",
                    "none",
                    "--package",
                    package,
                ])
                .current_dir(repository()),
        )
        .ok()
    };
    let programs = ["image-importer", "compose-runner", "docker-ctl"];
    for program in programs {
        let tree = tree(program);
        for refused in [
            "ureq ",
            "reqwest ",
            "rustls ",
            "native-tls ",
            "openssl ",
            "registry-client ",
            "engine-fixture ",
            "image-fixture ",
            "job-fixture ",
        ] {
            assert!(
                !tree.lines().any(|line| line.starts_with(refused)),
                "{program} reaches {refused}"
            );
        }
    }
    for library in [
        "bosh-job",
        "docker-engine",
        "image-archive",
        "image-removal",
        "recipe",
    ] {
        let tree = tree(library);
        for program in programs {
            assert!(
                !tree
                    .lines()
                    .any(|line| line.starts_with(&format!("{program} "))),
                "{library} reaches {program}"
            );
        }
    }
}

/// All pages for people.
fn pages() -> Vec<PathBuf> {
    let mut pages = vec![
        repository().join("README.md"),
        repository().join("CONTRIBUTING.md"),
        repository().join("CHANGELOG.md"),
        repository().join("SECURITY.md"),
        repository().join("src/tools/README.md"),
    ];
    for directory in ["docs", "docs/decisions"] {
        pages.extend(
            fs::read_dir(repository().join(directory))
                .unwrap()
                .map(|entry| entry.unwrap().path())
                .filter(|page| page.extension().is_some_and(|extension| extension == "md")),
        );
    }
    assert!(pages.len() > 25, "{pages:?}");
    pages
}

/// A page without what lies between the fences of code.
fn prose(text: &str) -> String {
    text.split("\n```")
        .step_by(2)
        .collect::<Vec<_>>()
        .join("\n")
}

/// What a link to a heading of the page may say after `#`: lower case, blanks as hyphens, most other signs left out.
fn anchors(page: &str) -> BTreeSet<String> {
    prose(page)
        .lines()
        .filter(|line| line.starts_with('#'))
        .map(|line| {
            line.trim_start_matches('#')
                .trim()
                .chars()
                .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
                .map(|c| if c == ' ' { '-' } else { c })
                .collect::<String>()
                .to_lowercase()
        })
        .collect()
}

#[test]
fn no_link_in_the_docs_is_dead() {
    for page in pages() {
        let text = read(&page);
        for link in text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next())
        {
            if link.contains("://") {
                continue;
            }
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() {
                page.clone()
            } else {
                page.parent().unwrap().join(file)
            };
            assert!(target.exists(), "{}: {link} is not there", page.display());
            assert!(
                anchor.is_empty() || anchors(&read(&target)).contains(anchor),
                "{}: {link}: no such heading",
                page.display()
            );
        }
    }
}

#[test]
fn every_file_of_the_repository_that_the_docs_name_is_there() {
    // On a VM, or written by somebody else.
    const ELSEWHERE: [&str; 3] = [
        "config/config.json",
        "config/private.yml",
        "packages/containers/libexec",
    ];
    let tree = Outcome::of(
        Command::new("find")
            .args([
                "src", "ci", "-name", "target", "-prune", "-o", "-name", "*.r[sb]", "-print",
            ])
            .current_dir(repository()),
    )
    .ok();
    let sources: BTreeSet<&str> = tree
        .lines()
        .filter_map(|path| path.rsplit('/').next())
        .collect();
    let mut named = 0;
    // The changelog tells of files that have gone.
    for page in pages()
        .into_iter()
        .filter(|page| name(page) != "CHANGELOG.md")
    {
        for span in prose(&read(&page)).split('`').skip(1).step_by(2) {
            // A command's arguments are its own affair.
            let path = span.split(' ').next().unwrap_or_default();
            let directory = path.split('/').next().unwrap_or_default();
            let is_plain = path
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | '-'));
            let is_built = path.split('/').any(|part| part == "target");
            if !is_plain || is_built || ELSEWHERE.contains(&path) {
                continue;
            }
            let is_there = if path.contains('/')
                && ["ci", "config", "docs", "manifests", "packages", "src"].contains(&directory)
            {
                repository().join(path).exists()
            } else if Path::new(path).extension() == Some("rs".as_ref()) && !path.contains('/') {
                sources.contains(path)
            } else {
                continue;
            };
            assert!(is_there, "{}: {path} is not there", page.display());
            named += 1;
        }
    }
    assert!(named > 150, "only {named} names of files were found");
}

/// Source files of the VM's programs and libraries, without tests, fixtures and tools.
fn sources_of_the_vm(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = name(&path);
        if path.is_dir() {
            let is_ours =
                !["tools", "tests", "target"].contains(&&*name) && !name.ends_with("-fixture");
            if is_ours {
                sources_of_the_vm(&path, found);
            }
        } else if path.extension() == Some("rs".as_ref()) && name != "tests.rs" {
            found.push(path);
        }
    }
}

#[test]
fn the_vms_programs_read_no_environment_variable_that_the_docs_do_not_name() {
    const READS: [&str; 6] = [
        "env::var",
        "temp_dir()",
        "home_dir()",
        "getenv",
        "from_env(",
        "env = \"",
    ];
    let known = [(
        "src/docker-ctl/src/environment.rs",
        [
            "BOSH_JOB_STATE",
            "BOSH_JOB_NEXT_STATE",
            "BOSH_INSTANCE_NEXT_STATE",
        ],
    )];
    let docs = read(&repository().join("docs/operations.md"));
    let mut sources = Vec::new();
    sources_of_the_vm(&repository().join("src"), &mut sources);
    assert!(sources.len() > 100, "{sources:?}");
    let mut readers = BTreeSet::new();
    for source in sources {
        let text = read(&source);
        let code = text
            .split("#[cfg(test)]\nmod tests {")
            .next()
            .unwrap_or_default();
        if !READS.iter().any(|read| code.contains(read)) {
            continue;
        }
        let path = source
            .strip_prefix(repository())
            .unwrap()
            .display()
            .to_string();
        let (_, names) = known
            .iter()
            .find(|(file, _)| *file == path)
            .unwrap_or_else(|| {
                panic!("{path} reads the environment: document the variable, or use a property")
            });
        // In such a file every text that could be a variable's name has to be one of these.
        let is_name = |text: &&str| {
            text.len() > 2
                && text
                    .chars()
                    .all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
        };
        for name in code.split('"').filter(is_name) {
            assert!(names.contains(&name), "{path} reads {name}");
            assert!(
                docs.contains(&format!("`{name}`")),
                "docs/operations.md does not name {name}"
            );
        }
        readers.insert(path);
    }
    let known: BTreeSet<String> = known.iter().map(|(file, _)| (*file).to_owned()).collect();
    assert_eq!(readers, known);
}

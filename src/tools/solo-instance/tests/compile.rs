//! The compile sandbox. Needs root.

#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests are no test functions to clippy"
)]

mod common;

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use common::{host_at, state_dir};
use solo_instance::{CompileSpec, Compiled};

struct Work {
    directory: tempfile::TempDir,
    package: String,
}

impl Work {
    fn new(package: &str) -> Self {
        let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        for name in ["source", "target", "dep"] {
            fs::create_dir(directory.path().join(name)).unwrap();
        }
        fs::write(directory.path().join("dep/file"), "from the dependency\n").unwrap();
        Self {
            directory,
            package: package.to_owned(),
        }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn compile(&self, packaging: &str) -> Compiled {
        fs::write(self.at("source/packaging"), packaging).unwrap();
        let variables = [
            (
                "BOSH_COMPILE_TARGET",
                format!("/var/vcap/data/compile/{}", self.package),
            ),
            (
                "BOSH_INSTALL_TARGET",
                format!("/var/vcap/packages/{}", self.package),
            ),
        ];
        host_at(&state_dir())
            .compile(CompileSpec {
                package: self.package.clone(),
                dependencies: vec![("dep".to_owned(), self.at("dep"))],
                compile_target: self.at("source"),
                install_target: self.at("target"),
                env: variables
                    .map(|(name, value)| (name.to_owned(), value))
                    .to_vec(),
                argv: ["bash", "-x", "packaging"].map(str::to_owned).to_vec(),
                log: Some(File::create(self.at("log")).unwrap()),
            })
            .unwrap()
    }
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

#[test]
fn a_package_is_compiled_from_its_source_and_dependencies_alone() {
    let work = Work::new("good");
    let compiled = work.compile(
        "set -e\npwd > $BOSH_INSTALL_TARGET/pwd\nenv -u PWD -u SHLVL -u _ | sort > $BOSH_INSTALL_TARGET/env\n\
         cp /var/vcap/packages/dep/file $BOSH_INSTALL_TARGET/\n\
         echo 'int main(){return 0;}' > m.c && make m && ./m && cp m $BOSH_INSTALL_TARGET/\n\
         ls /var/vcap/packages > $BOSH_INSTALL_TARGET/packages\nip -o link | wc -l > $BOSH_INSTALL_TARGET/links\n",
    );
    assert!(compiled.status.success(), "{}", compiled.tail);
    assert_eq!(
        text(&work.at("target/pwd")),
        "/var/vcap/data/compile/good\n"
    );
    assert_eq!(
        text(&work.at("target/env")),
        "BOSH_COMPILE_TARGET=/var/vcap/data/compile/good\nBOSH_INSTALL_TARGET=/var/vcap/packages/good\n\
         OLDPWD=\nPATH=/usr/sbin:/usr/bin:/sbin:/bin\n"
            .replace("OLDPWD=\n", "")
    );
    assert_eq!(text(&work.at("target/file")), "from the dependency\n");
    assert_eq!(text(&work.at("target/packages")), "dep\ngood\n");
    assert_eq!(text(&work.at("target/links")), "1\n", "only lo");
    assert!(text(&work.at("log")).contains("+ make m"));
}

#[test]
fn a_dependency_is_read_only_and_there_is_no_network() {
    let work = Work::new("shut");
    let compiled = work.compile(&format!(
        "echo x > /var/vcap/packages/dep/file && exit 10\n\
         timeout 5 bash -c 'echo > /dev/tcp/192.0.2.1/80' && exit 11\n\
         getent hosts example.com && exit 12\ntest -e {} && exit 13\nexit 0\n",
        env!("CARGO_MANIFEST_DIR")
    ));
    assert!(compiled.status.success(), "{}", compiled.tail);
    assert_eq!(text(&work.at("dep/file")), "from the dependency\n");
}

#[test]
fn a_script_that_fails_gives_its_status_and_the_end_of_its_output() {
    let work = Work::new("bad");
    let compiled =
        work.compile("head -c 20000 /dev/zero | tr '\\0' x; echo; echo the reason >&2; exit 42\n");
    assert_eq!(compiled.status.code(), Some(42));
    assert!(compiled.tail.contains("the reason") && compiled.tail.len() <= 10 * 1024);
    assert!(text(&work.at("log")).len() > 20_000);
    assert!(!state_dir().join("compile/bad").exists());
}

#[test]
fn what_a_script_leaves_running_ends_with_it() {
    let work = Work::new("daemon");
    let compiled = work.compile("setsid sleep 331 > /dev/null 2>&1 < /dev/null & exit 0\n");
    assert!(compiled.status.success());
    let ps = std::process::Command::new("ps")
        .args(["-eo", "args"])
        .output()
        .unwrap();
    assert!(
        !String::from_utf8_lossy(&ps.stdout)
            .lines()
            .any(|line| line == "sleep 331")
    );
}

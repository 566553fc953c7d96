//! Recipes on a real disk. Owners need root: without it these tests fail, and say so.

#![expect(
    clippy::unwrap_used,
    reason = "a test may fail by panicking, also in its helpers"
)]

use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use bosh_job::Paths;
use job_properties::RecipeConfig;
use recipe::{Recipe, WriteError, Written, remove_files, write_files};
use serde_json::{Value, json};

struct Vm {
    _dir: tempfile::TempDir,
    paths: Paths,
}

impl Vm {
    fn new() -> Self {
        assert!(
            rustix::process::geteuid().is_root(),
            "this test gives files to other users and needs root"
        );
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::new(dir.path());
        Self { _dir: dir, paths }
    }

    fn write(&self, files: Value) -> Result<Written, WriteError> {
        self.write_with_prep(files, Value::Null)
    }

    fn write_with_prep(&self, files: Value, prep: Value) -> Result<Written, WriteError> {
        let config = RecipeConfig {
            recipe: json!("services: {}\n"),
            project_name: json!("running"),
            profiles: Value::Null,
            variables: json!({}),
            files,
            on_duplicate_files: json!("raise-error"),
            prep,
        };
        write_files(&Recipe::parse(&config).unwrap().unwrap(), &self.paths)
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.paths.running().join(name)
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn files_get_their_content_owner_and_mode() {
    let vm = Vm::new();
    vm.write(json!({
        "plain": "x",
        "tls/deep/key.pem": {"content": "secret", "owner": "999:998", "mode": "0600"},
        "bin": {"content": "bin", "owner": "daemon", "mode": "0755"},
    }))
    .unwrap();
    assert_eq!(mode(&vm.paths.running()), 0o700);
    assert_eq!(mode(&vm.path("docker-compose.yml")), 0o600);
    assert_eq!(mode(&vm.path("plain")), 0o644);
    assert_eq!(mode(&vm.path("tls")), 0o755);
    assert_eq!(mode(&vm.path("tls/deep")), 0o755);
    let key = std::fs::metadata(vm.path("tls/deep/key.pem")).unwrap();
    assert_eq!(
        (key.uid(), key.gid(), key.mode() & 0o7777),
        (999, 998, 0o600)
    );
    assert_eq!(std::fs::metadata(vm.path("bin")).unwrap().uid(), 1);
    assert_eq!(vm.read("tls/deep/key.pem"), "secret");
    assert_eq!(vm.read("docker-compose.yml"), "services: {}\n");
}

#[test]
fn a_second_time_nothing_is_written() {
    let vm = Vm::new();
    let files = json!({"a": "1", "b/c": {"content": "2", "owner": "7", "mode": "0640"}});
    assert_eq!(
        vm.write(files.clone()).unwrap().written,
        ["a", "b/c", "docker-compose.yml"]
    );
    let inode = std::fs::metadata(vm.path("b/c")).unwrap().ino();
    assert_eq!(vm.write(files).unwrap(), Written::default());
    assert_eq!(std::fs::metadata(vm.path("b/c")).unwrap().ino(), inode);
}

#[test]
fn only_what_differs_is_written_again() {
    let vm = Vm::new();
    vm.write(json!({"a": "1", "b": "2", "c": "3"})).unwrap();
    std::fs::write(vm.path("c"), "changed by a container").unwrap();
    let written = vm
        .write(json!({"a": "1", "b": {"content": "2", "mode": "0600"}, "c": "3"}))
        .unwrap();
    assert_eq!(written.written, ["b", "c"]);
    assert_eq!(mode(&vm.path("b")), 0o600);
    assert_eq!(vm.read("c"), "3");
}

#[test]
fn what_prep_did_to_owner_and_mode_stays() {
    let vm = Vm::new();
    let files = json!({"key": "secret"});
    vm.write(files.clone()).unwrap();
    std::os::unix::fs::chown(vm.path("key"), Some(70), Some(70)).unwrap();
    std::fs::set_permissions(vm.path("key"), std::fs::Permissions::from_mode(0o400)).unwrap();
    assert_eq!(vm.write(files).unwrap(), Written::default());
    assert_eq!(std::fs::metadata(vm.path("key")).unwrap().uid(), 70);
}

#[test]
fn what_a_recipe_no_longer_has_goes_and_what_others_wrote_stays() {
    let vm = Vm::new();
    vm.write(json!({"a": "1", "b/c/d": "2", "e/f": "3", "g": "4"}))
        .unwrap();
    std::fs::write(vm.path("b/made-by-a-container"), "").unwrap();
    let written = vm.write(json!({"g": "4"})).unwrap();
    assert_eq!(written.removed, ["a", "b/c/d", "e/f"]);
    assert!(!vm.path("a").exists() && !vm.path("b/c").exists() && !vm.path("e").exists());
    assert!(vm.path("b/made-by-a-container").exists() && vm.path("g").exists());
}

#[test]
fn a_file_may_become_a_directory_and_a_directory_a_file() {
    let vm = Vm::new();
    vm.write(json!({"a": "1", "b/c": "2"})).unwrap();
    vm.write(json!({"a/x": "3", "b": "4"})).unwrap();
    assert_eq!(vm.read("a/x") + &vm.read("b"), "34");
}

#[test]
fn an_empty_directory_that_dockerd_made_for_a_missing_file_gives_way() {
    let vm = Vm::new();
    std::fs::create_dir_all(vm.path("conf/app.yml")).unwrap();
    vm.write(json!({"conf/app.yml": "x"})).unwrap();
    assert_eq!(vm.read("conf/app.yml"), "x");
    std::fs::create_dir_all(vm.path("full/data")).unwrap();
    let error = vm.write(json!({"full": "x"})).unwrap_err();
    assert!(error.to_string().contains("files[\"full\"]"), "{error}");
}

#[test]
fn a_symlink_leads_nowhere() {
    let vm = Vm::new();
    vm.write(json!({"mounted/x": "1"})).unwrap();
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("victim"), "untouched").unwrap();
    symlink(outside.path(), vm.path("mounted/link")).unwrap();
    symlink(outside.path().join("victim"), vm.path("mounted/y")).unwrap();
    for name in [
        "mounted/link/victim",
        "mounted/link/new",
        "mounted/link/a/b",
        "mounted/y",
    ] {
        let error = vm.write(json!({name: "evil"})).unwrap_err();
        let WriteError::File { source, .. } = &error else {
            panic!("{error}")
        };
        assert!(source.to_string().contains("symlink"), "{name}: {source}");
    }
    assert_eq!(
        std::fs::read_to_string(outside.path().join("victim")).unwrap(),
        "untouched"
    );
    assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 1);
}

#[test]
fn removing_a_file_does_not_follow_a_link_either() {
    let vm = Vm::new();
    vm.write(json!({"dir/x": "1"})).unwrap();
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("x"), "untouched").unwrap();
    std::fs::rename(vm.path("dir"), vm.path("moved")).unwrap();
    symlink(outside.path(), vm.path("dir")).unwrap();
    vm.write(json!({})).unwrap_err();
    assert!(outside.path().join("x").exists());
}

#[test]
fn an_unknown_owner_is_said_before_anything_is_written() {
    let vm = Vm::new();
    vm.write(json!({"a": "1"})).unwrap();
    let error = vm.write(json!({"a": "2", "b": {"content": "", "owner": "nobody-here"}, "c": {"content": "", "owner": "root:no-group"}})).unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("files[\"b\"].owner") && text.contains("files[\"c\"].owner"),
        "{text}"
    );
    assert_eq!(vm.read("a"), "1");
}

#[test]
fn prep_is_an_executable_outside_the_recipe_s_directory() {
    let vm = Vm::new();
    vm.write_with_prep(json!({}), json!("echo hello")).unwrap();
    assert_eq!(mode(&vm.paths.prep()), 0o700);
    let output = std::process::Command::new(vm.paths.prep())
        .output()
        .unwrap();
    assert_eq!(output.stdout, b"hello\n");
    vm.write(json!({})).unwrap();
    assert!(!vm.paths.prep().exists());
}

#[test]
fn a_broken_ledger_removes_nothing() {
    let vm = Vm::new();
    vm.write(json!({"a": "1"})).unwrap();
    let ledger = vm.paths.compose_dir().join("files.json");
    for broken in [
        "",
        "{",
        r#"{"files":{"../../x":{"mode":1,"uid":0,"gid":0}},"directories":["/etc"]}"#,
    ] {
        std::fs::write(&ledger, broken).unwrap();
        assert_eq!(
            vm.write(json!({"b": "2"})).unwrap().removed,
            Vec::<String>::new()
        );
        assert!(vm.path("a").exists());
    }
}

#[test]
fn of_a_recipe_that_is_gone_nothing_stays_but_what_others_wrote() {
    let vm = Vm::new();
    remove_files(&vm.paths).unwrap();
    vm.write_with_prep(json!({"a/b": "1"}), json!("exit 0"))
        .unwrap();
    std::fs::write(vm.path("data"), "made by a container").unwrap();
    assert_eq!(
        remove_files(&vm.paths).unwrap().removed,
        ["a/b", "docker-compose.yml"]
    );
    let left: Vec<_> = std::fs::read_dir(vm.paths.running())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(left, ["data"]);
    assert!(!vm.paths.prep().exists());
}

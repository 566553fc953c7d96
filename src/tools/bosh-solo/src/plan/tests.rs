use super::*;
use serde_json::json;
use std::fs;

fn write(root: &Path, path: &str, content: &str) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

fn releases() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for release in ["one", "two"] {
        write(
            root.path(),
            &format!("{release}/config/final.yml"),
            &format!("name: {release}"),
        );
        write(
            root.path(),
            &format!("{release}/jobs/{release}-job/spec"),
            &format!(
                "{{name: {release}-job, templates: {{}}, packages: [shared], properties: {{a: {{default: 1}}}}}}"
            ),
        );
        write(
            root.path(),
            &format!("{release}/jobs/{release}-job/monit"),
            "",
        );
        write(
            root.path(),
            &format!("{release}/packages/shared/spec"),
            "{name: shared, files: [s/**/*]}",
        );
        write(
            root.path(),
            &format!("{release}/packages/shared/packaging"),
            "",
        );
        write(root.path(), &format!("{release}/src/s/file"), "same");
    }
    root
}

fn manifest() -> Value {
    json!({
        "name": "toy",
        "releases": [{"name": "one", "path": "one"}, {"name": "two", "path": "two"}],
        "update": {"canaries": 1, "max_in_flight": 1, "canary_watch_time": "0-1000", "update_watch_time": "0-1000"},
        "instance_groups": [{
            "name": "g", "instances": 2, "networks": [{"name": "default"}],
            "jobs": [{"name": "one-job", "release": "one"}, {"name": "two-job", "release": "two"}]
        }]
    })
}

fn plan_of(root: &Path, manifest: Value) -> Result<Plan> {
    Plan::new(manifest, root, &Progress::silent())
}

fn error_of(change: impl FnOnce(&mut Value)) -> String {
    let root = releases();
    let mut manifest = manifest();
    change(&mut manifest);
    format!("{:#}", plan_of(root.path(), manifest).unwrap_err())
}

#[test]
fn equal_packages_of_two_releases_may_share_an_instance() {
    let root = releases();
    let plan = plan_of(root.path(), manifest()).unwrap();
    assert_eq!(plan.groups[0].packages.len(), 1);
    assert_eq!(plan.packages.len(), 2);
}

#[test]
fn different_packages_of_one_name_collide() {
    let root = releases();
    write(root.path(), "two/src/s/file", "other");
    let error = format!("{:#}", plan_of(root.path(), manifest()).unwrap_err());
    assert!(error.contains("package name collision"), "{error}");
}

#[test]
fn names_what_is_unknown_twice_or_missing() {
    type Change = fn(&mut Value);
    let cases: [(&str, Change); 8] = [
        ("unknown release `three`", |m| {
            m["instance_groups"][0]["jobs"][0]["release"] = json!("three");
        }),
        ("job `nope` not found", |m| {
            m["instance_groups"][0]["jobs"][0]["name"] = json!("nope");
        }),
        ("colocated job `one-job`", |m| {
            m["instance_groups"][0]["jobs"][1] = m["instance_groups"][0]["jobs"][0].clone();
        }),
        ("missing field `update`", |m| {
            m.as_object_mut().unwrap().remove("update");
        }),
        ("no `path:`", |m| {
            m["releases"][0] = json!({"name": "one", "version": "latest"});
        }),
        ("fetches nothing", |m| {
            m["releases"][0] = json!({"name": "one", "url": "ftp://x/y.tgz"});
        }),
        ("is called `one`", |m| {
            m["releases"][1]["path"] = json!("one");
        }),
        ("2 instances, but 1 static", |m| {
            m["instance_groups"][0]["networks"][0]["static_ips"] = json!(["10.0.0.2"]);
        }),
    ];
    for (expected, change) in cases {
        let error = error_of(change);
        assert!(error.contains(expected), "{expected}: {error}");
    }
}

#[test]
fn a_job_without_a_monit_file_is_refused_as_the_director_does() {
    let root = releases();
    fs::remove_file(root.path().join("one/jobs/one-job/monit")).unwrap();
    let error = format!("{:#}", plan_of(root.path(), manifest()).unwrap_err());
    assert!(error.contains("missing its monit file"), "{error}");
}

#[test]
fn packages_that_depend_on_each_other_in_a_circle_are_refused() {
    let root = releases();
    write(
        root.path(),
        "one/packages/shared/spec",
        "{name: shared, dependencies: [other]}",
    );
    write(
        root.path(),
        "one/packages/other/spec",
        "{name: other, dependencies: [shared]}",
    );
    write(root.path(), "one/packages/other/packaging", "");
    let error = format!("{:#}", plan_of(root.path(), manifest()).unwrap_err());
    assert!(
        error.contains("circle: shared -> other -> shared"),
        "{error}"
    );
}

#[test]
fn group_properties_reach_a_job_that_has_none_of_its_own() {
    let root = releases();
    let mut manifest = manifest();
    manifest["properties"] = json!({"a": 5});
    manifest["instance_groups"][0]["jobs"][1]["properties"] = json!({});
    let plan = plan_of(root.path(), manifest).unwrap();
    assert_eq!(plan.groups[0].jobs[0].properties, json!({"a": 5}));
    assert_eq!(plan.groups[0].jobs[1].properties, json!({"a": 1}));
}

#[test]
fn disk_types_named_for_their_size_have_it() {
    assert_eq!(size_in_name("10GB"), Some(10_240));
    assert_eq!(size_in_name("512mb"), Some(512));
    assert_eq!(size_in_name("1024"), Some(1024));
    assert_eq!(size_in_name("default"), None);
}

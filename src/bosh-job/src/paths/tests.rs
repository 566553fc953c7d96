use super::*;

#[test]
fn the_exec_root_is_under_run_on_a_vm_and_under_the_root_elsewhere() {
    assert_eq!(
        Paths::new("/var/vcap").exec_root(),
        Path::new("/run/docker")
    );
    assert_eq!(
        Paths::new("/srv/x").exec_root(),
        Path::new("/srv/x/run/docker")
    );
}

#[test]
fn authorities_lie_under_etc_on_a_vm_and_under_the_root_elsewhere() {
    assert_eq!(
        Paths::new("/var/vcap").registry_authorities(),
        Path::new("/etc/docker/certs.d")
    );
    assert_eq!(
        Paths::new("/srv/x").registry_authorities(),
        Path::new("/srv/x/etc/docker/certs.d")
    );
}

#[test]
fn import_lists_of_all_jobs_come_sorted() {
    let dir = tempfile::tempdir().unwrap();
    let paths = Paths::new(dir.path());
    assert_eq!(paths.import_lists().unwrap(), Vec::<PathBuf>::new());
    for list in [
        "b/docker-bosh-release-import/1.lst",
        "a/docker-bosh-release-import/2.lst",
        "a/docker-bosh-release-import/no.txt",
    ] {
        let path = dir.path().join("jobs").join(list);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "").unwrap();
    }
    std::fs::write(dir.path().join("jobs/stray"), "").unwrap();
    let names: Vec<_> = paths
        .import_lists()
        .unwrap()
        .iter()
        .map(|path| path.strip_prefix(dir.path()).unwrap().to_owned())
        .collect();
    assert_eq!(
        names,
        [
            PathBuf::from("jobs/a/docker-bosh-release-import/2.lst"),
            "jobs/b/docker-bosh-release-import/1.lst".into()
        ]
    );
}

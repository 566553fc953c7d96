//! Data on an instance without a persistent disk.

use std::fs;

use serde_json::json;

use crate::{
    recipes::{sleeper, with, words},
    vm::Vm,
};

const WHAT: &str = "the recipe keeps data in volumes, and the instance has no persistent disk: the data ends with the VM";

#[test]
fn volumes_without_a_persistent_disk_are_warned_of_refused_or_allowed() {
    let vm = Vm::start();
    // an image with a volume of its own
    let archive = vm.root().join("image.tar");
    let volume = [
        "--change",
        "VOLUME /own",
        "--change",
        "CMD [\"/bin/sleep\", \"1000\"]",
    ];
    let import = [
        &["import"],
        &volume[..],
        &[archive.to_str().unwrap(), "own:1"],
    ]
    .concat();
    vm.docker(&import);
    let kept = vm.root().join("store/site");
    fs::create_dir_all(&kept).unwrap();
    let recipe = json!({"services": {
        "db": with(sleeper(), &json!({"volumes": ["data:/data", format!("{}:/site", kept.display())]})),
        "web": {"image": "own:1", "init": true, "stop_grace_period": "1s"},
        "cache": {"image": "own:1", "init": true, "stop_grace_period": "1s", "tmpfs": ["/own"]},
    }, "volumes": {"data": {}}});
    let causes = json!([
        format!("service db: directory {}", kept.display()),
        "service web: its image's own volume at /own",
        "service db: volume data",
    ]);

    let refuse = json!({"volumes_without_persistent_disk": "refuse"});
    let verdict = vm.deploy(&recipe, &refuse);
    assert_eq!(
        (words(&verdict).as_str(), &verdict["exit_code"]),
        (WHAT, &json!(2))
    );
    let error = &verdict["errors"][0];
    assert_eq!(error["causes"], causes);
    assert_eq!(error["property"], "volumes_without_persistent_disk");
    let hint = error["hint"].as_str().unwrap();
    assert!(hint.contains("persistent-disk.yml"), "{hint}");
    let volumes = vm.docker(&["volume", "ls", "--quiet"]).stdout;
    assert!(volumes.is_empty(), "nothing was made");

    let verdict = vm.deploy(&recipe, &json!({}));
    assert_eq!(verdict["state"], "up", "{verdict:#}");
    assert_eq!(verdict["warnings"][0]["what"], WHAT);
    assert_eq!(verdict["warnings"][0]["causes"], causes);
    assert!(
        vm.log().contains(&format!("WARN compose-runner: {WHAT}")),
        "{}",
        vm.log()
    );

    for more in [
        json!({"volumes_without_persistent_disk": "allow"}),
        json!({"recipe": {"services": {"web": with(sleeper(), &json!({"volumes": ["/etc:/x:ro"]}))}}, "volumes_without_persistent_disk": "refuse"}),
    ] {
        let verdict = vm.deploy(&recipe, &more);
        assert_eq!(
            (&verdict["state"], &verdict["warnings"]),
            (&json!("up"), &json!([]))
        );
    }
}

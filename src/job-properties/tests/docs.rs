//! The page that operators read says what the table of dockerd's settings says.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use job_properties::{DAEMON_SETTINGS, DaemonSource, OnChange};

#[test]
fn the_page_names_each_setting_whose_change_stops_containers_and_no_other() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/registries.md");
    let page = fs::read_to_string(page).unwrap();
    let list = page.split("A change of these therefore stops").nth(1);
    let list = list.and_then(|text| text.split("Everything else").next());
    let documented: BTreeSet<&str> = list
        .unwrap()
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(|name| *name != "daemon")
        .collect();
    let stopping: BTreeSet<&str> = DAEMON_SETTINGS
        .iter()
        .filter(|setting| setting.on_change == OnChange::Stop)
        .filter(|setting| !matches!(setting.source, DaemonSource::Job(_)))
        .map(|setting| setting.property().unwrap_or(setting.key))
        .collect();
    assert_eq!(documented, stopping);
}

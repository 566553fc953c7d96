//! `docker-ctl drain` and `pre-stop`: what BOSH says about the stop that is coming.
//!
//! An update stops the old job before the new one's files are there. If dockerd and the containers went down with it, a
//! recipe that turns out bad could not be refused in time. So an update leaves a marker, and `stop` leaves the containers.

use std::io::Write;

use anyhow::Context;
use bosh_job::{ExitCode, Paths, report_error};
use serde_json::Value;
use state_files::KeptRecipe;
use state_files::Marker;
use tracing::{info, warn};

use crate::{directories, environment};

/// Package whose update means a new engine, over which containers are not carried.
const ENGINE_PACKAGE: &str = "docker";

/// Prints 0 whatever happens, since the agent fails a deploy over anything else; then leaves the marker, if due.
pub fn run(paths: &Paths, args: &[String]) -> ExitCode {
    // a closed stdout leaves nobody to tell
    let mut stdout = std::io::stdout().lock();
    let _ = stdout.write_all(b"0\n").and_then(|()| stdout.flush());
    let outcome = mark(
        paths,
        args,
        environment::job_state().as_deref(),
        environment::job_next_state().as_deref(),
    );
    match outcome {
        Ok(()) => ExitCode::Ok,
        Err(error) => {
            report_error(&error);
            ExitCode::Failed
        }
    }
}

fn mark(
    paths: &Paths,
    args: &[String],
    state: Option<&str>,
    next_state: Option<&str>,
) -> anyhow::Result<()> {
    directories::make_run_dir(paths)?;
    // Whatever BOSH starts next is tried, also if it was rolled back before.
    if let Err(error) = KeptRecipe::forget_failure(paths) {
        warn!("a recipe that was rolled back is not tried again: {error}");
    }
    let marker = Marker::new(paths.keep_containers());
    let full_stop = Marker::new(paths.full_stop());
    if keeps_containers(args, state, next_state) {
        full_stop
            .clear()
            .context("removing the marker of a full stop")?;
        marker.set().context("leaving the marker of an update")?;
        info!(
            args = args.join(" "),
            "an update: the containers are to run on"
        );
    } else {
        marker.clear().context("removing the marker of an update")?;
        full_stop
            .set()
            .context("leaving the marker of a full stop")?;
        info!(
            args = args.join(" "),
            "not an update: the containers are to stop"
        );
    }
    Ok(())
}

/// Whether the coming stop is part of an update in place that the containers can live through.
///
/// The arguments are the agent's (bosh-agent, `agent/script/drain`): the job's change, the hash's change, then the
/// packages that change. Older agents also say `job_unchanged` in an update. The two states tell whether the disk is
/// about to be exchanged, which containers would hold.
fn keeps_containers(args: &[String], state: Option<&str>, next_state: Option<&str>) -> bool {
    let is_update = matches!(
        args.first().map(String::as_str),
        Some("job_changed" | "job_unchanged")
    );
    let engine_changes = args.iter().skip(2).any(|package| package == ENGINE_PACKAGE);
    let disk = |state: Option<&str>| {
        serde_json::from_str::<Value>(state?)
            .ok()?
            .get("persistent_disk")
            .cloned()
    };
    let disk_changes =
        matches!((disk(state), disk(next_state)), (Some(now), Some(next)) if now != next);
    is_update && !engine_changes && !disk_changes
}

/// Leaves the marker of a deletion, if that is what is coming.
pub fn pre_stop(paths: &Paths) -> anyhow::Result<()> {
    directories::make_run_dir(paths)?;
    let marker = Marker::new(paths.deleting());
    if environment::is_instance_deleted() {
        marker.set().context("leaving the marker of a deletion")?;
        info!("the instance is deleted");
    } else {
        marker
            .clear()
            .context("removing the marker of a deletion")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keeps(args: &[&str]) -> bool {
        let args: Vec<String> = args.iter().map(|word| (*word).to_owned()).collect();
        keeps_containers(&args, None, None)
    }

    #[test]
    fn an_update_keeps_the_containers_unless_the_engine_changes() {
        assert!(keeps(&["job_changed", "hash_changed"]));
        assert!(keeps(&[
            "job_changed",
            "hash_unchanged",
            "containers",
            "docker-compose"
        ]));
        assert!(keeps(&["job_unchanged", "hash_changed"]));
        assert!(!keeps(&[
            "job_changed",
            "hash_changed",
            "containers",
            "docker"
        ]));
    }

    #[test]
    fn every_other_stop_does_not() {
        for args in [
            &["job_shutdown", "hash_unchanged"][..],
            &["job_check_status", "hash_unchanged"],
            &["job_new", "hash_new", "x"],
            &[],
            &[""],
            &["--help"],
        ] {
            assert!(!keeps(args), "{args:?}");
        }
    }

    #[test]
    fn a_change_of_the_disk_does_not_keep_them() {
        let args = ["job_changed".to_owned(), "hash_changed".to_owned()];
        let state = |size: u32| format!(r#"{{"persistent_disk":{size}}}"#);
        assert!(!keeps_containers(
            &args,
            Some(&state(1024)),
            Some(&state(2048))
        ));
        assert!(keeps_containers(
            &args,
            Some(&state(1024)),
            Some(&state(1024))
        ));
        assert!(keeps_containers(&args, Some("broken"), Some(&state(2048))));
    }
}

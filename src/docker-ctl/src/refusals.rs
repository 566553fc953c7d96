//! `refused.json`: why a start did not take the settings that the properties ask for.

use std::time::Duration;

use anyhow::Context;
use bosh_job::ErrorReport;
use bosh_job::{Paths, Pid, exit_code_of};
use docker_engine::Engine;
use state_files::{LateDockerd, Refused, StateFile as _};

use crate::daemon_json::DaemonJson;
use crate::{dockerd, settings};

/// What a start did not do.
#[derive(Default)]
pub struct Refusals {
    /// What was refused while dockerd came up all the same.
    pub errors: Vec<anyhow::Error>,
    /// A dockerd on the wanted settings that did not answer in time, and is still starting.
    pub late: Option<Pid>,
}

impl Refusals {
    /// Writes the file, if there is anything to tell; `last` is what the start failed of.
    pub fn write(
        &self,
        paths: &Paths,
        last: Option<&anyhow::Error>,
        hint: Option<&str>,
    ) -> anyhow::Result<()> {
        let Some(first) = self.errors.first().or(last) else {
            return Ok(());
        };
        let reports = |errors: &mut dyn Iterator<Item = &anyhow::Error>| -> Vec<ErrorReport> {
            errors.flat_map(ErrorReport::all_of).collect()
        };
        let mut errors = reports(&mut self.errors.iter());
        let last = reports(&mut last.into_iter());
        let late = if let Some(pid) = self.late {
            Some(LateDockerd {
                pid: pid.as_raw_nonzero().get(),
                errors: last,
            })
        } else {
            errors.extend(last);
            None
        };
        let refused = Refused {
            exit_code: exit_code_of(first),
            errors,
            late,
            ..Refused::new(first, hint.map(str::to_owned))
        };
        Ok(refused.write(paths)?)
    }
}

/// What is refused now: a dockerd that came up late has what it wanted.
pub fn current(paths: &Paths) -> anyhow::Result<Option<Refused>> {
    let Some(mut refused) = Refused::read(paths)? else {
        return Ok(None);
    };
    if let Some(late) = refused.late.take()
        && !(runs(paths, &late) && answers(paths))
    {
        refused.errors.extend(late.errors);
    }
    Ok((!refused.errors.is_empty()).then_some(refused))
}

/// Whether nothing is refused but that dockerd, which still runs, has not answered yet.
pub fn only_late(paths: &Paths) -> anyhow::Result<bool> {
    let refused = Refused::read(paths)?;
    Ok(refused.is_some_and(|refused| {
        let is_late = |late: &LateDockerd| runs(paths, late);
        refused.errors.is_empty() && refused.late.as_ref().is_some_and(is_late)
    }))
}

/// Notes that a dockerd which came up late answers: its settings are good.
pub fn settle_late(paths: &Paths) -> anyhow::Result<()> {
    let Some(mut refused) = Refused::read(paths)? else {
        return Ok(());
    };
    if !refused.late.take().is_some_and(|late| runs(paths, &late)) {
        return Ok(());
    }
    if let Some(in_place) = DaemonJson::read(&paths.daemon_json()) {
        settings::remember(paths, &in_place)?;
    }
    if refused.errors.is_empty() {
        remove(paths)
    } else {
        Ok(refused.write(paths)?)
    }
}

/// Removes the file.
pub fn remove(paths: &Paths) -> anyhow::Result<()> {
    Refused::remove(paths).with_context(|| format!("removing {}", paths.refused().display()))
}

fn runs(paths: &Paths, late: &LateDockerd) -> bool {
    dockerd::running(paths).is_some_and(|process| process.pid().as_raw_nonzero().get() == late.pid)
}

fn answers(paths: &Paths) -> bool {
    Engine::new(paths.socket())
        .ping(Duration::from_secs(2))
        .is_ok()
}

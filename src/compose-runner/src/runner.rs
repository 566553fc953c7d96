//! Which process is the runner of a root: a lock says that there is one, a second one that it stops the services, and the
//! pidfile tells monit.
//!
//! monit 5.2.5 waits for the process in the pidfile and not for the stop program (`control.c`, `wait_stop`). So that process lives
//! until the services are down, and no other takes its place before.

use std::{path::Path, thread, time::Duration};

use anyhow::Context as _;
use bosh_job::{FileLock, Paths, Pidfile, Process, ProcessInfo, remove_if_there};

use crate::job::PROGRAM;

/// Between two looks at a runner that stops the services.
const LOOK: Duration = Duration::from_millis(50);

/// The runner's place: there is one for each root. The pidfile names this process until it is dropped.
#[derive(Debug)]
pub struct RunnerPlace {
    paths: Paths,
    _lock: FileLock,
}

impl RunnerPlace {
    /// Takes the place, after the stop of an earlier runner if one is under way; `None` if a runner lives and goes on.
    pub fn take(paths: &Paths) -> anyhow::Result<Option<Self>> {
        loop {
            // Looked at first: a runner that stops gives up both locks at once.
            let stops = FileLock::is_held(&paths.compose_stop_lock());
            if let Some(lock) = FileLock::try_take(&paths.compose_lock())? {
                // Before the pidfile says that there is a runner: the verdict of an earlier one must not be taken for its own.
                remove_if_there(&paths.verdict())
                    .context("removing the verdict of an earlier runner")?;
                return Self::hold(paths, lock).map(Some);
            }
            thread::sleep(LOOK);
            // Looked at again: anyone who looks at a lock has it for a moment.
            let lives = FileLock::is_held(&paths.compose_lock());
            if !stops && lives && !FileLock::is_held(&paths.compose_stop_lock()) {
                return Ok(None);
            }
        }
    }

    /// Takes the place if nobody has it.
    pub fn try_take(paths: &Paths) -> anyhow::Result<Option<Self>> {
        FileLock::try_take(&paths.compose_lock())?
            .map(|lock| Self::hold(paths, lock))
            .transpose()
    }

    fn hold(paths: &Paths, lock: FileLock) -> anyhow::Result<Self> {
        let pidfile = Pidfile::new(paths.compose_pidfile());
        pidfile
            .write(rustix::process::getpid())
            .context("writing the pidfile")?;
        Ok(Self {
            paths: paths.clone(),
            _lock: lock,
        })
    }

    /// Where everything lies.
    pub fn paths(&self) -> &Paths {
        &self.paths
    }
}

impl Drop for RunnerPlace {
    fn drop(&mut self) {
        // One that stays names a process that has ended, which monit takes for none.
        let _ = Pidfile::new(self.paths.compose_pidfile()).remove();
    }
}

/// The runner that lives: it has the lock, or its pidfile names it.
pub fn living(paths: &Paths) -> Option<Process> {
    let is_ours = |process: &ProcessInfo| is_runner(process, paths.root());
    let holder = FileLock::is_held(&paths.compose_lock())
        .then(|| FileLock::holder(&paths.compose_lock()))
        .flatten();
    holder
        .filter(|process| is_ours(process.info()))
        .or_else(|| Pidfile::new(paths.compose_pidfile()).living(is_ours))
}

/// Whether a process is a runner in its watch, not one of the short commands of this program, nor another root's.
fn is_runner(process: &ProcessInfo, root: &Path) -> bool {
    let argument = |wanted: &str| process.cmdline.iter().any(|argument| argument == wanted);
    let named = process.has_argument(&root.display().to_string());
    let by_default = root == Path::new(Paths::DEFAULT_ROOT) && !argument("--root");
    process.program() == PROGRAM && argument("run") && (named || by_default)
}

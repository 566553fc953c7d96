//! Putting a word where others look for it, `health.sock` and `verdict.json`, until it is there: `sys/run` is small, and may
//! be full for a while; and somebody may remove the socket.
//!
//! What fails within a deploy is in the verdict at once, and shows in monit once post-start has said why: a Director that sees
//! `failing` before ends the deploy without a reason.

use std::{
    io,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use bosh_job::Paths;
use state_files::{Marker, StateFile as _, Verdict};

use crate::health_socket::HealthSocket;

/// Between two tries.
const RETRY: Duration = Duration::from_secs(1);
/// Between two looks whether the socket is still there; monit's cycle.
const LOOK: Duration = Duration::from_secs(10);
/// How long a failure waits for post-start. It never comes if the deploy ends before, because of another job, say.
const LONGEST_DEPLOY: Duration = Duration::from_mins(15);

/// The places, with a thread that tries again.
#[derive(Debug)]
pub struct Publishing(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    places: Mutex<Places>,
    /// Something could not be done, or it is time to end.
    bell: Condvar,
}

#[derive(Debug)]
struct Places {
    paths: Paths,
    socket: HealthSocket,
    /// What is to be there, and whether monit shall be able to connect.
    word: Option<(Verdict, bool)>,
    is_written: bool,
    /// Since when monit shall not be able to connect.
    unhealthy_since: Option<Instant>,
    /// What is wrong with the socket and the verdict, so that it is told once.
    troubles: [Option<String>; 2],
    is_over: bool,
}

impl Publishing {
    /// Nothing yet.
    pub fn new(paths: &Paths) -> Self {
        let places = Places {
            paths: paths.clone(),
            socket: HealthSocket::new(paths.health_socket()),
            word: None,
            is_written: true,
            unhealthy_since: None,
            troubles: [None, None],
            is_over: false,
        };
        let shared = Arc::new(Shared {
            places: Mutex::new(places),
            bell: Condvar::new(),
        });
        let theirs = Arc::clone(&shared);
        let keeper = thread::Builder::new()
            .name("publishing".into())
            .stack_size(256 << 10)
            .spawn(move || theirs.keep());
        if let Err(error) = keeper {
            tracing::warn!("what cannot be published at once is not tried again: {error}");
        }
        Self(shared)
    }

    /// Puts a word there, now if that is possible.
    pub fn put(&self, verdict: Verdict, is_healthy: bool) {
        let mut places = self.0.places();
        places.word = Some((verdict, is_healthy));
        places.is_written = false;
        let since = places.unhealthy_since.take();
        places.unhealthy_since = (!is_healthy).then(|| since.unwrap_or_else(Instant::now));
        if !places.put() {
            self.0.bell.notify_all();
        }
    }
}

impl Drop for Publishing {
    fn drop(&mut self) {
        self.0.places().is_over = true;
        self.0.bell.notify_all();
    }
}

impl Shared {
    fn places(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self) {
        let mut places = self.places();
        while !places.is_over {
            let rest = if places.put() { LOOK } else { RETRY };
            places = self
                .bell
                .wait_timeout(places, rest)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }
}

impl Places {
    /// Does what is not done yet; `false` if something cannot be done, or is to be done later.
    fn put(&mut self) -> bool {
        let is_held = self.awaits_post_start();
        let Some((verdict, is_healthy)) = &self.word else {
            return true;
        };
        if !self.is_written {
            match serde_json::to_string(verdict) {
                Ok(line) => self.socket.tell(line),
                Err(error) => tracing::error!("{error}"),
            }
        }
        let switched = if *is_healthy || is_held {
            self.socket.open()
        } else {
            self.socket.close()
        };
        let switched = noted(&mut self.troubles[0], switched, || {
            self.paths.health_socket().display().to_string()
        });
        // Last: who has read it finds the socket as it says.
        if !self.is_written {
            let written = verdict.write(&self.paths);
            self.is_written = noted(&mut self.troubles[1], written, || "the verdict".to_owned());
        }
        switched && self.is_written && !is_held
    }

    /// Whether what is wrong is still to be told by post-start.
    fn awaits_post_start(&self) -> bool {
        let is_deploying = || Marker::new(self.paths.deploying()).is_set();
        self.unhealthy_since
            .is_some_and(|since| since.elapsed() < LONGEST_DEPLOY && is_deploying())
    }
}

/// Whether something is done. Trouble with it is logged when it is new: the services go on.
fn noted(trouble: &mut Option<String>, done: io::Result<()>, what: impl Fn() -> String) -> bool {
    match done {
        Ok(()) => {
            if trouble.take().is_some() {
                tracing::info!("{}: published at last", what());
            }
            true
        }
        Err(error) => {
            let error = error.to_string();
            if trouble.as_ref() != Some(&error) {
                tracing::error!("{}: trying again: {error}", what());
                *trouble = Some(error);
            }
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::net::UnixStream};

    use bosh_job::ExitCode;
    use state_files::State;

    use super::*;

    fn up() -> Verdict {
        Verdict::new(State::Up, ExitCode::Ok, Vec::new(), Vec::new())
    }

    fn becomes_true(holds: impl Fn() -> bool) -> bool {
        let end = Instant::now() + Duration::from_secs(20);
        while !holds() {
            if Instant::now() >= end {
                return false;
            }
            thread::sleep(Duration::from_millis(50));
        }
        true
    }

    #[test]
    fn what_could_not_be_written_or_opened_is_tried_again_until_it_can_be() {
        let directory = tempfile::tempdir().unwrap();
        let paths = Paths::new(directory.path());
        let publishing = Publishing::new(&paths);
        publishing.put(up(), true);
        assert!(!paths.verdict().exists() && !paths.health_socket().exists());
        fs::create_dir_all(paths.run_dir()).unwrap();
        // a directory of this name is in the socket's way
        fs::create_dir(paths.health_socket()).unwrap();
        assert!(becomes_true(|| paths.verdict().exists()));
        fs::remove_dir(paths.health_socket()).unwrap();
        let connects = || UnixStream::connect(paths.health_socket()).is_ok();
        assert!(becomes_true(connects));
    }

    #[test]
    fn what_fails_within_a_deploy_shows_once_post_start_has_said_why() {
        let directory = tempfile::tempdir().unwrap();
        let paths = Paths::new(directory.path());
        fs::create_dir_all(paths.run_dir()).unwrap();
        let connects = || UnixStream::connect(paths.health_socket()).is_ok();
        let deploying = Marker::new(paths.deploying());
        deploying.set().unwrap();
        let publishing = Publishing::new(&paths);
        publishing.put(up(), false);
        assert!(connects(), "the deploy is under way");
        assert!(paths.verdict().exists());
        deploying.clear().unwrap();
        assert!(becomes_true(|| !connects()));
        publishing.put(up(), true);
        assert!(connects());
        // without a deploy it shows at once
        publishing.put(up(), false);
        assert!(!connects());
    }

    #[test]
    fn a_socket_that_somebody_removed_is_opened_again_and_one_that_is_to_be_closed_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let paths = Paths::new(directory.path());
        fs::create_dir_all(paths.run_dir()).unwrap();
        let publishing = Publishing::new(&paths);
        publishing.put(up(), true);
        let connects = || UnixStream::connect(paths.health_socket()).is_ok();
        assert!(connects());
        fs::remove_file(paths.health_socket()).unwrap();
        assert!(becomes_true(connects));
        publishing.put(up(), false);
        thread::sleep(2 * RETRY);
        assert!(!connects() && !paths.health_socket().exists());
    }
}

//! The thread that copies.

use std::{
    fs::File,
    io,
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        mpsc::{self, Receiver},
    },
    thread,
    time::{Duration, Instant},
};

use bosh_job::make_dir;

use crate::{Cap, Source, round::Round, waking::Waker};

/// Between two tries to become the one who copies.
const LOCK_RETRY: Duration = Duration::from_millis(500);

/// Where things lie, and how much is kept.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The directory of the services' files.
    pub logs: PathBuf,
    /// The directory of the positions.
    pub state: PathBuf,
    /// What is kept of each service.
    pub cap: Cap,
}

/// Copies the output of containers until it is told to end.
#[derive(Debug)]
pub struct Collector {
    shared: Arc<Shared>,
    ended: Receiver<()>,
}

#[derive(Debug)]
struct Shared {
    orders: Mutex<Orders>,
    waker: Waker,
}

#[derive(Debug, Default)]
struct Orders {
    follow: Vec<Source>,
    /// To end, by then.
    end: Option<Instant>,
}

impl Shared {
    fn orders(&self) -> MutexGuard<'_, Orders> {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Collector {
    /// Begins to copy: at once what was followed before, and then whatever is given to a [`Follower`].
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn start(settings: Settings) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            orders: Mutex::default(),
            waker: Waker::new()?,
        });
        let theirs = Arc::clone(&shared);
        let (done, ended) = mpsc::channel();
        let work = move || {
            run(&settings, &theirs);
            // Nobody listens any more if it took too long.
            let _ = done.send(());
        };
        thread::Builder::new()
            .name("service-logs".into())
            .spawn(work)?;
        Ok(Self { shared, ended })
    }

    /// Who tells it of containers.
    #[must_use]
    pub fn follower(&self) -> Follower {
        Follower(Arc::clone(&self.shared))
    }

    /// Copies what there is and ends, within this time. If the disk does not answer meanwhile, that is as good as a kill.
    pub fn end(self, within: Duration) {
        self.shared.orders().end = Some(Instant::now() + within / 2);
        self.shared.waker.ring();
        let _ = self.ended.recv_timeout(within);
    }
}

/// Tells a collector of containers.
#[derive(Clone, Debug)]
pub struct Follower(Arc<Shared>);

impl Follower {
    /// Has the output of a container copied, too, from its beginning unless it is known, until the container is removed.
    pub fn follow(&self, source: Source) {
        self.0.orders().follow.push(source);
        self.0.waker.ring();
    }
}

fn run(settings: &Settings, shared: &Shared) {
    let Some(_turn) = acquire_lock(settings, shared) else {
        return;
    };
    let mut round = Round::begin(settings);
    loop {
        let end = {
            let mut orders = shared.orders();
            for source in std::mem::take(&mut orders.follow) {
                round.follow(source);
            }
            orders.end
        };
        if let Some(end) = end {
            return round.end(end);
        }
        let rest = round.copy_all();
        round.commit_when_due();
        round.rest(&shared.waker, rest);
    }
}

/// Waits until no other process copies; nothing if it is time to end.
fn acquire_lock(settings: &Settings, shared: &Shared) -> Option<File> {
    let mut told = String::new();
    loop {
        let tried = make_dir(&settings.state, 0o700)
            .and_then(|()| File::create(settings.state.join("lock")))
            .and_then(|lock| lock.try_lock().map(|()| lock).map_err(io::Error::from));
        match tried {
            Ok(lock) => return Some(lock),
            Err(error) if error.to_string() != told => {
                told = error.to_string();
                tracing::warn!("output of containers is not copied yet: {told}");
            }
            Err(_) => {}
        }
        if shared.orders().end.is_some() {
            return None;
        }
        shared.waker.wait(LOCK_RETRY);
    }
}

//! `health.sock`: monit can connect to it as long as the recipe is healthy, or being started. A client is told the
//! state in one line of JSON.

use std::{
    fs,
    io::{self, Write},
    os::unix::{
        fs::{MetadataExt as _, PermissionsExt},
        net::UnixListener,
    },
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use bosh_job::remove_if_there;

/// The socket, open or closed.
#[derive(Debug)]
pub struct HealthSocket {
    path: PathBuf,
    line: Arc<Mutex<String>>,
    open: Option<Open>,
}

/// What is there while the socket is open.
#[derive(Debug)]
struct Open {
    listener: Arc<UnixListener>,
    /// The file's inode.
    inode: u64,
    /// Tells the listening thread to end.
    ending: Arc<AtomicBool>,
}

impl HealthSocket {
    /// A socket that is not open yet.
    pub fn new(path: PathBuf) -> Self {
        Self {
            path,
            line: Arc::default(),
            open: None,
        }
    }

    /// What is told from now on.
    pub fn tell(&self, line: String) {
        *self.line.lock().unwrap_or_else(PoisonError::into_inner) = line;
    }

    /// Listens, if it does not yet, or nobody finds the socket any more.
    pub fn open(&mut self) -> io::Result<()> {
        if let Some(open) = &self.open {
            if inode(&self.path).is_ok_and(|there| there == open.inode) {
                return Ok(());
            }
            self.close()?;
        }
        // Left behind by a runner that was killed: nobody listens on it.
        remove_if_there(&self.path)?;
        let listener = Arc::new(UnixListener::bind(&self.path)?);
        fs::set_permissions(&self.path, fs::Permissions::from_mode(0o600))?;
        let open = Open {
            listener: Arc::clone(&listener),
            inode: inode(&self.path)?,
            ending: Arc::default(),
        };
        let (line, ending) = (Arc::clone(&self.line), Arc::clone(&open.ending));
        thread::Builder::new()
            .name("health".into())
            .stack_size(128 << 10)
            .spawn(move || listen(&listener, &line, &ending))?;
        self.open = Some(open);
        Ok(())
    }

    /// Listens no more, and removes the socket.
    pub fn close(&mut self) -> io::Result<()> {
        if let Some(open) = self.open.take() {
            open.ending.store(true, Ordering::SeqCst);
            // Wakes the thread, whatever became of the file. If that fails, nobody is served all the same.
            let _ = rustix::net::shutdown(&open.listener, rustix::net::Shutdown::Both);
        }
        remove_if_there(&self.path)
    }
}

fn inode(path: &PathBuf) -> io::Result<u64> {
    Ok(fs::symlink_metadata(path)?.ino())
}

fn listen(listener: &UnixListener, line: &Mutex<String>, ending: &AtomicBool) {
    for stream in listener.incoming() {
        if ending.load(Ordering::SeqCst) {
            return;
        }
        match stream {
            Ok(mut stream) => {
                let line = line.lock().unwrap_or_else(PoisonError::into_inner).clone();
                // Who does not want to hear it has gone; monit only connects.
                let _ = stream.set_write_timeout(Some(Duration::from_secs(1)));
                let _ = writeln!(stream, "{line}");
            }
            // Out of descriptors, perhaps for a moment.
            Err(_) => thread::sleep(Duration::from_secs(1)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{io::Read, os::unix::net::UnixStream};

    use super::*;

    fn ask(path: &PathBuf) -> io::Result<String> {
        let mut text = String::new();
        UnixStream::connect(path)?.read_to_string(&mut text)?;
        Ok(text)
    }

    #[test]
    fn tells_the_state_while_open_and_is_gone_when_closed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("health.sock");
        fs::write(&path, "left behind").unwrap();
        let mut socket = HealthSocket::new(path.clone());
        for state in ["{\"state\":\"starting\"}", "{\"state\":\"up\"}"] {
            socket.tell(state.into());
            socket.open().unwrap();
            socket.open().unwrap();
            assert_eq!(ask(&path).unwrap(), format!("{state}\n"));
            socket.close().unwrap();
            socket.close().unwrap();
            assert!(ask(&path).is_err() && !path.exists());
        }
    }

    #[test]
    fn who_connects_and_does_not_read_holds_up_nobody() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("health.sock");
        let mut socket = HealthSocket::new(path.clone());
        socket.tell("x".repeat(100_000));
        socket.open().unwrap();
        let silent: Vec<_> = (0..5)
            .map(|_| UnixStream::connect(&path).unwrap())
            .collect();
        assert_eq!(ask(&path).unwrap().len(), 100_001);
        drop(silent);
        socket.close().unwrap();
    }
}

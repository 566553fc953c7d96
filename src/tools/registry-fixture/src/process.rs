//! The registry's process.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::VARIABLE;

const START: Duration = Duration::from_secs(30);

/// A process that listens.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    address: String,
    log: PathBuf,
}

impl Process {
    /// In the network of this machine, or of another process.
    pub(crate) fn start(configuration: &Path, directory: &Path, network_of: Option<u32>) -> Self {
        let program = PathBuf::from(std::env::var_os(VARIABLE).unwrap_or_else(|| {
            panic!(
                "{VARIABLE} is not set: it must name the program docker-registry (Debian's, 2.8) to test with"
            )
        }));
        let log = directory.join("log");
        let output = File::options()
            .create(true)
            .append(true)
            .open(&log)
            .expect("making the registry's log");
        let before = output.metadata().map_or(0, |metadata| metadata.len());
        let mut command = match network_of {
            None => Command::new(&program),
            Some(process) => {
                let mut command = Command::new("nsenter");
                command.arg(format!("--target={process}"));
                command.args(["--net", "--"]).arg(&program);
                command
            }
        };
        let mut child = command
            .arg("serve")
            .arg(configuration)
            .stdin(Stdio::null())
            .stdout(output.try_clone().expect("sharing the registry's log"))
            .stderr(output)
            .spawn()
            .unwrap_or_else(|error| {
                panic!(
                    "{VARIABLE} names {}, which does not start: {error}",
                    program.display()
                )
            });
        let started = Instant::now();
        let address = loop {
            let text = read(&log);
            // A log from before a restart names the old port.
            let new = text.get(usize::try_from(before).unwrap_or(0)..);
            if let Some(address) = new.and_then(listening) {
                break address;
            }
            let ended = child.try_wait().expect("waiting for the registry");
            if ended.is_some() || started.elapsed() > START {
                let _ = child.kill();
                let _ = child.wait();
                panic!("the registry does not listen ({ended:?}); its log:\n{text}");
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        Self {
            child,
            address,
            log,
        }
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    pub(crate) fn log(&self) -> String {
        read(&self.log)
    }

    pub(crate) fn stop(&mut self) {
        // It has no state to lose: what was pushed is on disk.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.stop();
    }
}

fn read(log: &Path) -> String {
    String::from_utf8_lossy(&std::fs::read(log).unwrap_or_default()).into_owned()
}

/// The port that the system chose: `… level=info msg="listening on 127.0.0.1:39599, tls" …`.
fn listening(log: &str) -> Option<String> {
    let (_, rest) = log.split_once("\"listening on ")?;
    let end = rest.find(['"', ','])?;
    Some(rest[..end].to_owned())
}

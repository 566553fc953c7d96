//! What this program does inside the containers of a smoke test.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, ToSocketAddrs};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

/// How long a connection is tried for.
const PATIENCE: Duration = Duration::from_secs(10);

/// One probe.
#[derive(clap::Subcommand)]
pub enum Probe {
    /// Write a text into a file
    Write {
        /// The file
        path: PathBuf,
        /// The text
        text: String,
    },
    /// Print a file
    Read {
        /// The file
        path: PathBuf,
    },
    /// Print a text on stdout and another one on stderr
    Say {
        /// For stdout
        out: String,
        /// For stderr
        err: String,
    },
    /// Answer every connection with a text
    Serve {
        /// The port
        port: u16,
        /// The text
        text: String,
    },
    /// Connect and print the answer
    Ask {
        /// The host
        host: String,
        /// The port
        port: u16,
    },
    /// Print the addresses of a name
    Resolve {
        /// The name
        name: String,
    },
}

impl Probe {
    /// Does it.
    pub fn run(&self) -> anyhow::Result<()> {
        match self {
            Self::Write { path, text } => {
                std::fs::write(path, text).with_context(|| format!("writing {}", path.display()))
            }
            Self::Read { path } => {
                let text = std::fs::read_to_string(path);
                say(&text.with_context(|| format!("reading {}", path.display()))?)
            }
            Self::Say { out, err } => {
                say(out)?;
                writeln!(std::io::stderr().lock(), "{err}").context("writing to stderr")
            }
            Self::Serve { port, text } => serve(*port, text),
            Self::Ask { host, port } => say(&ask((host.as_str(), *port), PATIENCE)?),
            Self::Resolve { name } => say(&resolve(name)?),
        }
    }
}

fn say(text: &str) -> anyhow::Result<()> {
    writeln!(std::io::stdout().lock(), "{text}").context("writing to stdout")
}

fn serve(port: u16, text: &str) -> anyhow::Result<()> {
    // `::` takes IPv4 too, unless the kernel has no IPv6.
    let listener = TcpListener::bind(("::", port))
        .or_else(|_| TcpListener::bind(("0.0.0.0", port)))
        .with_context(|| format!("listening on port {port}"))?;
    loop {
        let (mut peer, _) = listener.accept().context("taking a connection")?;
        // A peer that goes away early is its own affair.
        let _ = peer.write_all(text.as_bytes());
    }
}

/// What somebody who listens there answers. Tries again until `patience` is over: the listener may just be starting.
pub fn ask(place: impl ToSocketAddrs + Copy, patience: Duration) -> anyhow::Result<String> {
    let deadline = Instant::now() + patience;
    loop {
        match ask_once(place) {
            Ok(answer) => return Ok(answer),
            Err(error) if Instant::now() >= deadline => return Err(error),
            Err(_) => std::thread::sleep(Duration::from_millis(100)),
        }
    }
}

fn ask_once(place: impl ToSocketAddrs) -> anyhow::Result<String> {
    const EACH: Duration = Duration::from_secs(3);
    let addresses: Vec<_> = place
        .to_socket_addrs()
        .context("resolving the name")?
        .collect();
    let mut last = None;
    for address in addresses {
        match TcpStream::connect_timeout(&address, EACH) {
            Ok(mut stream) => {
                let mut answer = String::new();
                stream.set_read_timeout(Some(EACH))?;
                stream
                    .read_to_string(&mut answer)
                    .with_context(|| format!("reading what {address} answers"))?;
                if answer.is_empty() {
                    bail!("{address} takes the connection and answers nothing");
                }
                return Ok(answer);
            }
            Err(error) => last = Some((address, error)),
        }
    }
    match last {
        Some((address, error)) => Err(error).with_context(|| format!("connecting to {address}")),
        None => bail!("the name has no address"),
    }
}

/// The addresses of a name, sorted, in one line.
fn resolve(name: &str) -> anyhow::Result<String> {
    let found = (name, 0)
        .to_socket_addrs()
        .with_context(|| format!("resolving {name}"))?;
    let mut addresses: Vec<String> = found.map(|address| address.ip().to_string()).collect();
    addresses.sort();
    addresses.dedup();
    Ok(addresses.join(" "))
}

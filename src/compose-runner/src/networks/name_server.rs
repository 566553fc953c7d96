//! Names for services in internal networks.
//!
//! dockerd forwards their questions from inside the network, where no resolver of the VM can be reached, or not at all: a
//! network that nothing leads out of must not leak by way of DNS (CVE-2024-29018). So the runner listens on the VM's
//! address in the network, hands on what is asked about the domains that the operator names (BOSH's), and refuses the rest.

use std::{
    collections::BTreeMap,
    io::{self, Read, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use vm_networks::{Question, REFUSED, ResolvConf, SERVER_FAILURE};

use super::{gateways::Gateways, in_force::InForce, limit::Limit};

pub(super) const PORT: u16 = 53;
/// An upstream resolver's time for an answer. dockerd gives us four seconds.
const PATIENCE: Duration = Duration::from_millis(1500);
/// How long a TCP connection may be silent.
const IDLE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long it may last, however busy it is.
const LONGEST_CONNECTION: Duration = Duration::from_secs(20);
/// How long one may take to end. Whose network has gone is not waited for: nobody can want its port.
const LONGEST_END: Duration = Duration::from_secs(1);
/// The longest answer over UDP (EDNS).
const LONGEST: usize = 65_535;

/// Name servers, one for each internal network.
pub struct NameServers {
    shared: Arc<Shared>,
    running: BTreeMap<IpAddr, Running>,
}

/// One of them.
struct Running {
    over: Arc<AtomicBool>,
    threads: [JoinHandle<()>; 2],
}

struct Shared {
    domains: Vec<String>,
    daemon_json: PathBuf,
}

impl NameServers {
    /// For names in `domains`, which the resolvers in `daemon.json` know, or else those of the VM.
    pub fn new(domains: Vec<String>, daemon_json: PathBuf) -> Self {
        Self {
            shared: Arc::new(Shared {
                domains,
                daemon_json,
            }),
            running: BTreeMap::new(),
        }
    }

    /// Listens on these addresses from now on, and on no others.
    pub fn serve(&mut self, gateways: &Gateways) {
        if self.shared.domains.is_empty() {
            return;
        }
        let is_wanted = |address: &IpAddr| gateways.values().any(|gateway| gateway == address);
        let gone: Vec<IpAddr> = self
            .running
            .keys()
            .copied()
            .filter(|address| !is_wanted(address))
            .collect();
        for address in gone {
            if let Some(running) = self.running.remove(&address) {
                running.end(address);
            }
        }
        for (network, &address) in gateways {
            if self.running.contains_key(&address) {
                continue;
            }
            match self.begin(SocketAddr::new(address, PORT)) {
                Ok(running) => {
                    tracing::info!(network, %address, "answering names of BOSH DNS in this internal network");
                    self.running.insert(address, running);
                }
                Err(error) => tracing::warn!(
                    network,
                    "containers in this internal network cannot look up names of BOSH DNS: listening on {address}, port {PORT}: {error}"
                ),
            }
        }
    }

    fn begin(&self, address: SocketAddr) -> io::Result<Running> {
        let over = Arc::new(AtomicBool::new(false));
        let datagrams = Arc::new(UdpSocket::bind(address)?);
        let connections = TcpListener::bind(address)?;
        let (shared, is_over) = (Arc::clone(&self.shared), Arc::clone(&over));
        let first = spawn(move || serve_datagrams(&shared, &datagrams, &is_over))?;
        let (shared, is_over) = (Arc::clone(&self.shared), Arc::clone(&over));
        let second = spawn(move || serve_connections(&shared, &connections, &is_over))?;
        Ok(Running {
            over,
            threads: [first, second],
        })
    }

    /// What it answers names for; none if it is switched off.
    pub fn domains(&self) -> &[String] {
        &self.shared.domains
    }
}

impl Running {
    /// Ends it, and waits until its port is free: somebody else may want it next.
    fn end(&self, address: IpAddr) {
        self.over.store(true, Ordering::SeqCst);
        wake(SocketAddr::new(address, PORT));
        let patience = Instant::now() + LONGEST_END;
        while !self.threads.iter().all(JoinHandle::is_finished) && Instant::now() < patience {
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for NameServers {
    fn drop(&mut self) {
        for (address, running) in &self.running {
            running.over.store(true, Ordering::SeqCst);
            wake(SocketAddr::new(*address, PORT));
        }
    }
}

fn spawn(work: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    thread::Builder::new().name("names".into()).spawn(work)
}

/// Has both threads look whether it is over.
fn wake(address: SocketAddr) {
    // the address may have gone with its network: then their sockets have failed already
    if let Ok(socket) = UdpSocket::bind(SocketAddr::new(any(address), 0)) {
        let _ = socket.send_to(&[], address);
    }
    let _ = TcpStream::connect_timeout(&address, Duration::from_millis(200));
}

fn any(address: SocketAddr) -> IpAddr {
    if address.is_ipv4() {
        Ipv4Addr::UNSPECIFIED.into()
    } else {
        Ipv6Addr::UNSPECIFIED.into()
    }
}

fn serve_datagrams(shared: &Arc<Shared>, socket: &Arc<UdpSocket>, over: &AtomicBool) {
    let mut buffer = vec![0; LONGEST];
    let limit = Limit::default();
    while !over.load(Ordering::SeqCst) {
        let Ok((length, from)) = socket.recv_from(&mut buffer) else {
            // a datagram of ours that could not be delivered shows here; nothing is lost by it
            thread::sleep(Duration::from_millis(50));
            continue;
        };
        let query = buffer[..length].to_vec();
        // an answer that is on its way keeps the port no longer than the name server has it
        let (socket, handler) = (Arc::downgrade(socket), Arc::clone(shared));
        limit.run(from.ip(), move || {
            if let Some(answer) = handler.answer(&query, &handler.upstreams(), ask_by_datagram)
                && let Some(socket) = socket.upgrade()
            {
                let _ = socket.send_to(&answer, from);
            }
        });
    }
}

fn serve_connections(shared: &Arc<Shared>, listener: &TcpListener, over: &AtomicBool) {
    let limit = Limit::default();
    while !over.load(Ordering::SeqCst) {
        let Ok((stream, from)) = listener.accept() else {
            thread::sleep(Duration::from_millis(50));
            continue;
        };
        let handler = Arc::clone(shared);
        limit.run(from.ip(), move || {
            // who asks has gone, is silent, or takes too long
            let _ = serve_connection(&handler, stream, Instant::now() + LONGEST_CONNECTION);
        });
    }
}

fn serve_connection(shared: &Shared, stream: TcpStream, until: Instant) -> io::Result<()> {
    let mut stream = Bounded { stream, until };
    loop {
        let query = read_message(&mut stream)?;
        let Some(answer) = shared.answer(&query, &shared.upstreams(), ask_by_connection) else {
            return Ok(());
        };
        write_message(&mut stream, &answer)?;
    }
}

/// A connection that may neither be silent for long nor last for long: a byte now and then keeps no thread busy.
struct Bounded {
    stream: TcpStream,
    until: Instant,
}

impl Bounded {
    fn left(&self) -> io::Result<Option<Duration>> {
        match self.until.saturating_duration_since(Instant::now()) {
            Duration::ZERO => Err(io::ErrorKind::TimedOut.into()),
            left => Ok(Some(left.min(IDLE_TIMEOUT))),
        }
    }
}

impl Read for Bounded {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(self.left()?)?;
        self.stream.read(buffer)
    }
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(self.left()?)?;
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

impl Shared {
    /// The answer to a query; nothing if it is none.
    fn answer(
        &self,
        query: &[u8],
        upstreams: &[SocketAddr],
        ask: fn(SocketAddr, &[u8]) -> io::Result<Vec<u8>>,
    ) -> Option<Vec<u8>> {
        let question = Question::parse(query)?;
        if !question.is_in(&self.domains) {
            return Some(question.answer(query, REFUSED));
        }
        let mut answers = upstreams
            .iter()
            .filter_map(|upstream| ask(*upstream, query).ok());
        let answer = answers.find(|answer| answer.get(..2) == query.get(..2));
        Some(answer.unwrap_or_else(|| question.answer(query, SERVER_FAILURE)))
    }

    fn upstreams(&self) -> Vec<SocketAddr> {
        let mut servers = InForce::read(&self.daemon_json).dns;
        if servers.is_empty() {
            servers = ResolvConf::of_processes(Path::new("/")).servers;
        }
        servers
            .into_iter()
            .map(|address| SocketAddr::new(address, PORT))
            .collect()
    }
}

fn ask_by_datagram(upstream: SocketAddr, query: &[u8]) -> io::Result<Vec<u8>> {
    let socket = UdpSocket::bind(SocketAddr::new(any(upstream), 0))?;
    // answers of others are not taken
    socket.connect(upstream)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.send(query)?;
    let mut answer = vec![0; LONGEST];
    let length = socket.recv(&mut answer)?;
    answer.truncate(length);
    Ok(answer)
}

fn ask_by_connection(upstream: SocketAddr, query: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect_timeout(&upstream, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    write_message(&mut stream, query)?;
    read_message(&mut stream)
}

/// A message with its length before it (RFC 1035, 4.2.2).
fn read_message(stream: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut length = [0; 2];
    stream.read_exact(&mut length)?;
    let mut message = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut message)?;
    Ok(message)
}

fn write_message(stream: &mut impl Write, message: &[u8]) -> io::Result<()> {
    let length = u16::try_from(message.len()).map_err(io::Error::other)?;
    stream.write_all(&[&length.to_be_bytes(), message].concat())
}

#[cfg(test)]
mod tests;

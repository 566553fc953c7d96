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
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use bosh_job::ResolvConf;

use super::{
    gateways::Gateways,
    in_force::InForce,
    question::{Question, REFUSED, SERVER_FAILURE},
};

const PORT: u16 = 53;
/// Questions under way at once; more are dropped, and asked again by who asked.
const MOST: usize = 64;
/// An upstream resolver's time for an answer. dockerd gives us four seconds.
const PATIENCE: Duration = Duration::from_millis(1500);
/// How long a TCP connection may be silent.
const SILENCE: Duration = Duration::from_secs(5);
/// The longest answer over UDP (EDNS).
const LONGEST: usize = 65_535;

/// Name servers, one for each internal network.
pub struct NameServers {
    shared: Arc<Shared>,
    running: BTreeMap<IpAddr, Arc<AtomicBool>>,
}

struct Shared {
    domains: Vec<String>,
    daemon_json: PathBuf,
    under_way: AtomicUsize,
}

impl NameServers {
    /// For names in `domains`, which the resolvers in `daemon.json` know, or else those of the VM.
    pub fn new(domains: Vec<String>, daemon_json: PathBuf) -> Self {
        Self {
            shared: Arc::new(Shared {
                domains,
                daemon_json,
                under_way: AtomicUsize::new(0),
            }),
            running: BTreeMap::new(),
        }
    }

    /// Listens on these addresses from now on, and on no others.
    pub fn serve(&mut self, gateways: &Gateways) {
        if self.shared.domains.is_empty() {
            return;
        }
        self.running.retain(|address, over| {
            let stays = gateways.values().any(|gateway| gateway == address);
            if !stays {
                over.store(true, Ordering::SeqCst);
                wake(SocketAddr::new(*address, PORT));
            }
            stays
        });
        for (network, &address) in gateways {
            if self.running.contains_key(&address) {
                continue;
            }
            match self.begin(SocketAddr::new(address, PORT)) {
                Ok(over) => {
                    tracing::info!(network, %address, "answering names of BOSH DNS in this internal network");
                    self.running.insert(address, over);
                }
                Err(error) => tracing::warn!(
                    network,
                    "containers in this internal network cannot look up names of BOSH DNS: listening on {address}, port {PORT}: {error}"
                ),
            }
        }
    }

    fn begin(&self, address: SocketAddr) -> io::Result<Arc<AtomicBool>> {
        let over = Arc::new(AtomicBool::new(false));
        let datagrams = Arc::new(UdpSocket::bind(address)?);
        let connections = TcpListener::bind(address)?;
        let (shared, is_over) = (Arc::clone(&self.shared), Arc::clone(&over));
        spawn(move || serve_datagrams(&shared, &datagrams, &is_over))?;
        let (shared, is_over) = (Arc::clone(&self.shared), Arc::clone(&over));
        spawn(move || serve_connections(&shared, &connections, &is_over))?;
        Ok(over)
    }
}

impl Drop for NameServers {
    fn drop(&mut self) {
        for (address, over) in &self.running {
            over.store(true, Ordering::SeqCst);
            wake(SocketAddr::new(*address, PORT));
        }
    }
}

fn spawn(work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    thread::Builder::new()
        .name("names".into())
        .spawn(work)
        .map(drop)
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
    while !over.load(Ordering::SeqCst) {
        let Ok((length, from)) = socket.recv_from(&mut buffer) else {
            // a datagram of ours that could not be delivered shows here; nothing is lost by it
            thread::sleep(Duration::from_millis(50));
            continue;
        };
        let query = buffer[..length].to_vec();
        let (socket, handler) = (Arc::clone(socket), Arc::clone(shared));
        shared.handle(move || {
            if let Some(answer) = handler.answer(&query, &handler.upstreams(), ask_by_datagram) {
                let _ = socket.send_to(&answer, from);
            }
        });
    }
}

fn serve_connections(shared: &Arc<Shared>, listener: &TcpListener, over: &AtomicBool) {
    while !over.load(Ordering::SeqCst) {
        let Ok((stream, _)) = listener.accept() else {
            thread::sleep(Duration::from_millis(50));
            continue;
        };
        let handler = Arc::clone(shared);
        shared.handle(move || {
            // who asks has gone, or is silent
            let _ = serve_connection(&handler, stream);
        });
    }
}

fn serve_connection(shared: &Shared, mut stream: TcpStream) -> io::Result<()> {
    stream.set_read_timeout(Some(SILENCE))?;
    stream.set_write_timeout(Some(SILENCE))?;
    loop {
        let query = read_message(&mut stream)?;
        let Some(answer) = shared.answer(&query, &shared.upstreams(), ask_by_connection) else {
            return Ok(());
        };
        write_message(&mut stream, &answer)?;
    }
}

impl Shared {
    /// Works on a question on a thread of its own, unless there are too many.
    fn handle(self: &Arc<Self>, work: impl FnOnce() + Send + 'static) {
        if self.under_way.fetch_add(1, Ordering::SeqCst) >= MOST {
            self.under_way.fetch_sub(1, Ordering::SeqCst);
            return;
        }
        let shared = Arc::clone(self);
        let spawned = spawn(move || {
            work();
            shared.under_way.fetch_sub(1, Ordering::SeqCst);
        });
        if spawned.is_err() {
            self.under_way.fetch_sub(1, Ordering::SeqCst);
        }
    }

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
fn read_message(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut length = [0; 2];
    stream.read_exact(&mut length)?;
    let mut message = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut message)?;
    Ok(message)
}

fn write_message(stream: &mut TcpStream, message: &[u8]) -> io::Result<()> {
    let length = u16::try_from(message.len()).map_err(io::Error::other)?;
    stream.write_all(&[&length.to_be_bytes(), message].concat())
}

#[cfg(test)]
mod tests {
    use super::{super::question::tests::query, *};

    /// A resolver that answers by each way with the query and one more byte.
    fn resolver() -> SocketAddr {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let listener = TcpListener::bind(address).unwrap();
        thread::spawn(move || {
            let mut buffer = [0; 512];
            while let Ok((length, from)) = socket.recv_from(&mut buffer) {
                let answer = [&buffer[..length], b"!"].concat();
                socket.send_to(&answer, from).unwrap();
            }
        });
        thread::spawn(move || {
            while let Ok((mut stream, _)) = listener.accept() {
                let query = read_message(&mut stream).unwrap();
                write_message(&mut stream, &[&query, &b"!"[..]].concat()).unwrap();
            }
        });
        address
    }

    fn shared() -> Shared {
        Shared {
            domains: vec!["bosh".to_owned()],
            daemon_json: PathBuf::new(),
            under_way: AtomicUsize::new(0),
        }
    }

    #[test]
    fn hands_on_what_is_in_its_domains_and_refuses_the_rest() {
        let (shared, upstreams) = (shared(), [resolver()]);
        for ask in [ask_by_datagram, ask_by_connection] {
            let inside = query("q-s0.web.default.dep.bosh");
            let answer = shared.answer(&inside, &upstreams, ask).unwrap();
            assert_eq!(answer, [&inside, &b"!"[..]].concat());
            let outside = shared
                .answer(&query("secret.example.com"), &upstreams, ask)
                .unwrap();
            assert_eq!(outside[3] & 0xf, REFUSED);
            assert_eq!(shared.answer(b"nonsense", &upstreams, ask), None);
        }
    }

    #[test]
    fn a_resolver_that_is_dead_is_passed_over_and_without_any_it_is_a_failure() {
        let dead = UdpSocket::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let inside = query("a.bosh");
        let answer = shared().answer(&inside, &[dead, resolver()], ask_by_datagram);
        assert_eq!(answer.unwrap().last(), Some(&b'!'));
        let answer = shared().answer(&inside, &[dead], ask_by_datagram).unwrap();
        assert_eq!(answer[3] & 0xf, SERVER_FAILURE);
    }
}

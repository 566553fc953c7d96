use vm_networks::query;

use super::*;

const PATIENT: Duration = Duration::from_secs(5);

/// Name servers for `bosh` on addresses of loopback, whose resolver is this one's, on a port that tests may have.
fn begin(address: &str) -> (SocketAddr, Arc<AtomicBool>) {
    let over = Arc::new(AtomicBool::new(false));
    let listener = TcpListener::bind((address, 0)).unwrap();
    let at = listener.local_addr().unwrap();
    let datagrams = Arc::new(UdpSocket::bind(at).unwrap());
    let shared = Arc::new(shared());
    let (first, is_over) = (Arc::clone(&shared), Arc::clone(&over));
    thread::spawn(move || serve_datagrams(&first, &datagrams, &is_over));
    let is_over = Arc::clone(&over);
    thread::spawn(move || serve_connections(&shared, &listener, &is_over));
    (at, over)
}

/// The response code of a question outside the domains, over TCP; nothing without an answer.
fn ask_refused(at: SocketAddr) -> Option<u8> {
    let mut stream = TcpStream::connect(at).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(1))).ok()?;
    write_message(&mut stream, &query("a.example")).ok()?;
    Some(read_message(&mut stream).ok()?[3] & 0xf)
}

#[test]
fn slow_connections_of_one_network_stop_neither_its_datagrams_nor_other_networks() {
    let (one, over_one) = begin("127.0.0.1");
    let (other, over_other) = begin("127.0.0.2");
    // more than the server takes on, each with the first byte of a message and no more
    let slow: Vec<TcpStream> = (0..100)
        .map(|_| {
            let mut stream = TcpStream::connect(one).unwrap();
            stream.write_all(&[0]).unwrap();
            stream
        })
        .collect();
    assert_eq!(ask_refused(other), Some(REFUSED), "another network");
    let client = UdpSocket::bind("127.0.0.1:0").unwrap();
    client.set_read_timeout(Some(PATIENT)).unwrap();
    client.send_to(&query("a.example"), one).unwrap();
    let mut answer = [0; 512];
    let length = client.recv(&mut answer).unwrap();
    assert_eq!(answer[..length][3] & 0xf, REFUSED, "datagrams");
    drop(slow);
    let deadline = Instant::now() + PATIENT;
    while ask_refused(one) != Some(REFUSED) {
        assert!(Instant::now() < deadline, "what was dropped is forgotten");
        thread::sleep(Duration::from_millis(20));
    }
    for (over, at) in [(over_one, one), (over_other, other)] {
        over.store(true, Ordering::SeqCst);
        wake(at);
    }
}

#[test]
fn a_connection_that_is_never_silent_ends_all_the_same() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (stream, _) = listener.accept().unwrap();
    let began = Instant::now();
    let until = began + Duration::from_millis(600);
    let server = thread::spawn(move || serve_connection(&shared(), stream, until));
    // a byte now and then of a message that is never whole
    client.write_all(&[255, 255]).unwrap();
    while !server.is_finished() {
        let _ = client.write_all(&[0]);
        thread::sleep(Duration::from_millis(50));
        assert!(began.elapsed() < PATIENT, "it is still served");
    }
    assert!(server.join().unwrap().is_err());
    assert!(began.elapsed() >= Duration::from_millis(600));
}

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

//! A wire on which bytes are counted, and which can break.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;

/// Passes connections on, until dropped with the test.
pub struct Counting {
    address: String,
    sent: Arc<AtomicU64>,
}

impl Counting {
    pub fn start(to: &str) -> Self {
        Self::cutting(to, u64::MAX, 0)
    }

    /// Breaks this many of the connections, each after so many bytes to the server.
    pub fn cutting(to: &str, after: u64, connections: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let sent = Arc::new(AtomicU64::new(0));
        let (to, count) = (to.to_owned(), Arc::clone(&sent));
        let cuts = Arc::new(AtomicUsize::new(connections));
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(server) = TcpStream::connect(&to) else {
                    continue;
                };
                let (count, cuts) = (Arc::clone(&count), Arc::clone(&cuts));
                let (mut back, mut out) =
                    (server.try_clone().unwrap(), client.try_clone().unwrap());
                thread::spawn(move || {
                    let _ = std::io::copy(&mut back, &mut out);
                    let _ = out.shutdown(Shutdown::Both);
                });
                thread::spawn(move || forward(client, server, after, &count, &cuts));
            }
        });
        Self { address, sent }
    }

    /// `127.0.0.1:PORT`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Bytes from clients, heads of requests included.
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::SeqCst)
    }
}

fn forward(
    mut client: TcpStream,
    mut server: TcpStream,
    after: u64,
    count: &AtomicU64,
    cuts: &AtomicUsize,
) {
    let mut buffer = vec![0; 16 << 10];
    let mut passed = 0;
    while let Ok(read @ 1..) = client.read(&mut buffer) {
        count.fetch_add(read as u64, Ordering::SeqCst);
        passed += read as u64;
        let is_cut = passed > after
            && cuts
                .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
                    left.checked_sub(1)
                })
                .is_ok();
        if is_cut || server.write_all(&buffer[..read]).is_err() {
            break;
        }
    }
    let _ = server.shutdown(Shutdown::Both);
    let _ = client.shutdown(Shutdown::Both);
}

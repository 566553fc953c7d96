//! A way to a server that lets only so many bytes of its answers through, and then holds still.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Listens on the loopback as long as the test runs.
pub struct Gate {
    address: String,
    left: Arc<AtomicU64>,
}

impl Gate {
    /// In front of `server`, with `bytes` to let through.
    pub fn new(server: &str, bytes: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let left = Arc::new(AtomicU64::new(bytes));
        let (server, counter) = (server.to_owned(), left.clone());
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let server = TcpStream::connect(&server).unwrap();
                let (from, to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                std::thread::spawn(move || pass(from, to, None));
                let counter = counter.clone();
                std::thread::spawn(move || pass(server, client, Some(&counter)));
            }
        });
        Self { address, left }
    }

    pub fn address(&self) -> &str {
        &self.address
    }

    /// Lets everything through.
    pub fn open(&self) {
        self.left.store(u64::MAX, Ordering::SeqCst);
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, left: Option<&AtomicU64>) {
    let mut buffer = [0; 16 << 10];
    loop {
        let most = loop {
            match left.map(|left| left.load(Ordering::SeqCst)) {
                Some(0) => std::thread::sleep(Duration::from_millis(5)),
                Some(left) => {
                    break usize::try_from(left)
                        .unwrap_or(usize::MAX)
                        .min(buffer.len());
                }
                None => break buffer.len(),
            }
        };
        let Ok(count) = from.read(&mut buffer[..most]) else {
            break;
        };
        if count == 0 || to.write_all(&buffer[..count]).is_err() {
            break;
        }
        if let Some(left) = left {
            let _ = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
                Some(if left == u64::MAX {
                    left
                } else {
                    left.saturating_sub(count as u64)
                })
            });
        }
    }
    let _ = from.shutdown(std::net::Shutdown::Both);
    let _ = to.shutdown(std::net::Shutdown::Both);
}

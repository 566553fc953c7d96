//! A proxy for `https:` URLs (RFC 9110, CONNECT), which remembers what it was asked.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use super::registry::HOST;

/// A proxy that runs as long as the test.
pub struct Proxy {
    address: String,
    asked: Arc<Mutex<String>>,
}

impl Proxy {
    pub fn start() -> Self {
        let listener = TcpListener::bind((HOST, 0)).unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let asked = Arc::new(Mutex::new(String::new()));
        let all = Arc::clone(&asked);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let asked = Arc::clone(&asked);
                std::thread::spawn(move || serve(client, &asked));
            }
        });
        Self {
            address,
            asked: all,
        }
    }

    pub fn address(&self) -> String {
        self.address.clone()
    }

    /// All requests so far, with their headers.
    pub fn asked(&self) -> String {
        self.asked.lock().unwrap().clone()
    }
}

fn serve(mut client: TcpStream, asked: &Mutex<String>) -> Option<()> {
    let mut reader = BufReader::new(client.try_clone().ok()?);
    let mut request = String::new();
    while reader.read_line(&mut request).ok()? > 2 {}
    asked.lock().unwrap().push_str(&request);
    let target = request.strip_prefix("CONNECT ")?.split(' ').next()?;
    let mut server = TcpStream::connect(target).ok()?;
    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").ok()?;
    let (mut there, mut back) = (server.try_clone().ok()?, client.try_clone().ok()?);
    let answers = std::thread::spawn(move || {
        let _ = std::io::copy(&mut server, &mut back);
        let _ = back.shutdown(std::net::Shutdown::Write);
    });
    let _ = std::io::copy(&mut reader, &mut there);
    let _ = there.shutdown(std::net::Shutdown::Write);
    answers.join().ok()
}

//! A proxy that takes every connection to the same server, whatever name was asked for.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// A running proxy; it ends with the test's process.
pub struct Proxy {
    address: String,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    /// Listens on the loopback.
    pub fn start(target: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let heads = Arc::new(Mutex::new(Vec::new()));
        let (target, seen) = (target.to_owned(), Arc::clone(&heads));
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let (target, seen) = (target.clone(), Arc::clone(&seen));
                thread::spawn(move || serve(client, &target, &seen));
            }
        });
        Self { address, heads }
    }

    /// As `HTTPS_PROXY` would have it.
    pub fn url(&self) -> String {
        format!("http://anna:geheim@{}", self.address)
    }

    /// The heads of all CONNECT requests.
    pub fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

fn serve(mut client: TcpStream, target: &str, seen: &Mutex<Vec<String>>) -> Option<()> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        client.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    seen.lock()
        .unwrap()
        .push(String::from_utf8_lossy(&head).into_owned());
    let server = TcpStream::connect(target).ok()?;
    client
        .write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")
        .ok()?;
    let (client_again, server_again) = (client.try_clone().ok()?, server.try_clone().ok()?);
    let back = thread::spawn(move || pump(server_again, client_again));
    pump(client, server);
    let _ = back.join();
    Some(())
}

fn pump(mut from: TcpStream, mut to: TcpStream) {
    let _ = std::io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Write);
}

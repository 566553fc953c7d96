//! Connections: taken, encrypted, answered, and bounded in number and time.

mod open_files;
mod stalled;
mod tls;
mod waiting;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

pub use tls::{Acceptor, certificates};

use crate::api::{Client, Registry};
use crate::http::while_answered;
use stalled::Stalled;
use waiting::{Connection, Waiting};

/// Connections at a time. A further one takes the place of one that waits for its client, or waits in the kernel's queue.
const CONNECTIONS: usize = 2048;
/// Files that may be open: a connection and two files of the store for each, and some more.
const OPEN_FILES: u64 = 4 * CONNECTIONS as u64;
/// How long a handshake, and the head of a request, may take; and how long a connection may be idle.
const HEAD: Duration = Duration::from_secs(30);
/// How long a connection that makes room for another may take for it.
const ROOM: Duration = Duration::from_millis(10);
/// How long a client may take nothing of what it is sent.
const STALLED: Duration = Duration::from_mins(1);

/// Serves until it is told to end; then those who are being answered are answered to the end, for so long.
pub async fn serve(
    listener: TcpListener,
    acceptor: Option<Acceptor>,
    registry: Arc<Registry>,
    end: impl Future<Output = ()>,
    grace: Duration,
) -> anyhow::Result<()> {
    open_files::raise_limit(OPEN_FILES);
    let free = Arc::new(Semaphore::new(CONNECTIONS));
    let (ending, _) = tokio::sync::watch::channel(false);
    let waiting = Waiting::default();
    let mut end = std::pin::pin!(end);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut end => break,
        };
        let (stream, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // out of descriptors, or a client that went away
                tracing::warn!(why = %error, "a connection was not taken");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let permit = tokio::select! {
            permit = place(&free, &waiting) => permit,
            () = &mut end => break,
        };
        let (registry, acceptor, ending) = (registry.clone(), acceptor.clone(), ending.subscribe());
        let waits = Arc::new(waiting.connection());
        tokio::spawn(async move {
            tokio::select! {
                () = connection(stream, address, acceptor, registry, ending, waits.clone()) => {}
                () = waits.ended() => {
                    tracing::debug!(client = %address.ip(), "a connection that waited made room for another");
                }
            }
            drop(permit);
        });
    }
    drop(listener);
    let _ = ending.send(true);
    let all = u32::try_from(CONNECTIONS).unwrap_or(u32::MAX);
    if timeout(grace, free.acquire_many(all)).await.is_err() {
        tracing::warn!("requests that took too long to end were cut off");
    }
    Ok(())
}

/// A place for one more connection, as soon as there is one.
async fn place(free: &Arc<Semaphore>, waiting: &Waiting) -> OwnedSemaphorePermit {
    loop {
        if let Ok(permit) = free.clone().try_acquire_owned() {
            return permit;
        }
        waiting.end_longest();
        tokio::time::sleep(ROOM).await;
    }
}

async fn connection(
    stream: TcpStream,
    address: SocketAddr,
    acceptor: Option<Acceptor>,
    registry: Arc<Registry>,
    ending: tokio::sync::watch::Receiver<bool>,
    waits: Arc<Connection>,
) {
    let _ = stream.set_nodelay(true);
    let counted = registry.metrics().connected();
    let mut client = Client {
        address: address.ip().to_canonical(),
        certificate: None,
    };
    let stream = Stalled::new(stream, STALLED);
    let Some(acceptor) = acceptor else {
        return answer(counted.count(stream), client, registry, ending, waits).await;
    };
    match timeout(HEAD, acceptor.accept(stream, registry.access())).await {
        Ok(Ok((stream, certificate))) => {
            client.certificate = certificate;
            answer(counted.count(stream), client, registry, ending, waits).await;
        }
        Ok(Err(error)) => {
            registry.metrics().handshake_failed();
            tracing::info!(client = %client.address, why = %error, "no TLS");
        }
        Err(_) => {
            registry.metrics().handshake_failed();
            tracing::info!(client = %client.address, "no TLS: the handshake took too long");
        }
    }
}

async fn answer(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    client: Client,
    registry: Arc<Registry>,
    mut ending: tokio::sync::watch::Receiver<bool>,
    waits: Arc<Connection>,
) {
    let client = Arc::new(client);
    let address = client.address;
    let service = service_fn(move |request| {
        let (registry, client, answering) = (registry.clone(), client.clone(), waits.request());
        async move {
            let response = registry.handle(&client, request).await;
            Ok::<_, std::convert::Infallible>(while_answered(response, answering))
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(64 << 10)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = async { drop(ending.wait_for(|ending| *ending).await) } => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(client = %address, why = %error, "a connection ended early");
    }
}

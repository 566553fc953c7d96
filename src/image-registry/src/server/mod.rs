//! Connections: taken, encrypted, answered, and bounded in number and time.

mod tls;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;

pub use tls::{Acceptor, certificates};

use crate::api::{Client, Registry};

/// Connections at a time; further ones wait in the kernel's queue.
const CONNECTIONS: usize = 2048;
/// How long a handshake, and the head of a request, may take.
const HEAD: Duration = Duration::from_secs(30);

/// Serves until it is told to end; then those who are being answered are answered to the end, for so long.
pub async fn serve(
    listener: TcpListener,
    acceptor: Option<Acceptor>,
    registry: Arc<Registry>,
    end: impl Future<Output = ()>,
    grace: Duration,
) -> anyhow::Result<()> {
    let free = Arc::new(Semaphore::new(CONNECTIONS));
    let (ending, _) = tokio::sync::watch::channel(false);
    let mut end = std::pin::pin!(end);
    loop {
        let permit = free
            .clone()
            .acquire_owned()
            .await
            .context("counting connections")?;
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
        let (registry, acceptor, ending) = (registry.clone(), acceptor.clone(), ending.subscribe());
        tokio::spawn(async move {
            connection(stream, address, acceptor, registry, ending).await;
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

async fn connection(
    stream: TcpStream,
    address: SocketAddr,
    acceptor: Option<Acceptor>,
    registry: Arc<Registry>,
    ending: tokio::sync::watch::Receiver<bool>,
) {
    let _ = stream.set_nodelay(true);
    let mut client = Client {
        address: address.ip().to_canonical(),
        certificate: None,
    };
    let Some(acceptor) = acceptor else {
        return answer(stream, client, registry, ending).await;
    };
    match timeout(HEAD, acceptor.accept(stream, registry.access())).await {
        Ok(Ok((stream, certificate))) => {
            client.certificate = certificate;
            answer(stream, client, registry, ending).await;
        }
        Ok(Err(error)) => tracing::info!(client = %client.address, why = %error, "no TLS"),
        Err(_) => tracing::info!(client = %client.address, "no TLS: the handshake took too long"),
    }
}

async fn answer(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    client: Client,
    registry: Arc<Registry>,
    mut ending: tokio::sync::watch::Receiver<bool>,
) {
    let client = Arc::new(client);
    let address = client.address;
    let service = service_fn(move |request| {
        let (registry, client) = (registry.clone(), client.clone());
        async move { Ok::<_, std::convert::Infallible>(registry.handle(&client, request).await) }
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

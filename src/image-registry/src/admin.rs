//! What only root may ask of a registry that runs, through a UNIX socket: HTTP with a document for an answer.

use std::io;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use bosh_job::Advise as _;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::{UnixListener, UnixStream};

use crate::storage::Storage;

/// Answers what comes through it.
pub async fn serve(listener: UnixListener, storage: Storage) {
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) if is_root(&stream) => stream,
            Ok(_) => {
                tracing::warn!("somebody else than root asked through the admin socket");
                continue;
            }
            Err(error) => {
                tracing::warn!(why = %error, "the admin socket takes no connection");
                tokio::time::sleep(Duration::from_secs(1)).await;
                continue;
            }
        };
        let storage = storage.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let storage = storage.clone();
                async move { Ok::<_, std::convert::Infallible>(answer(&storage, &request).await) }
            });
            let connection = hyper::server::conn::http1::Builder::new();
            let served = connection.serve_connection(TokioIo::new(stream), service);
            if let Err(error) = served.await {
                tracing::debug!(why = %error, "a connection of the admin socket ended early");
            }
        });
    }
}

/// Whether root is at the other end, whatever became of the socket's own mode.
fn is_root(stream: &UnixStream) -> bool {
    stream.peer_cred().is_ok_and(|peer| peer.uid() == 0)
}

async fn answer(storage: &Storage, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    let path = request.uri().path();
    let (status, document) = if request.method() == Method::POST && path == "/collect-garbage" {
        collect(storage, request.uri().query()).await
    } else if path == "/health" {
        (StatusCode::OK, json!({"status": "ok"}))
    } else {
        let what = format!("{} {path}: no such question", request.method());
        (StatusCode::NOT_FOUND, json!({"error": what}))
    };
    let mut response = Response::new(Full::new(Bytes::from(document.to_string())));
    *response.status_mut() = status;
    response
}

async fn collect(storage: &Storage, query: Option<&str>) -> (StatusCode, Value) {
    let query = query.unwrap_or_default();
    let value = |name: &str| {
        let mut pairs = form_urlencoded::parse(query.as_bytes());
        pairs
            .find(|(found, _)| found == name)
            .map(|(_, value)| value.into_owned())
    };
    let grace = value("grace").and_then(|seconds| seconds.parse().ok());
    let Some(grace) = grace.map(Duration::from_secs) else {
        return (
            StatusCode::BAD_REQUEST,
            json!({"error": "grace is no number of seconds"}),
        );
    };
    let is_trial = value("dry-run").is_some();
    let storage = storage.clone();
    let collected = tokio::task::spawn_blocking(move || storage.collect(grace, is_trial)).await;
    match collected.map_err(io::Error::other).flatten() {
        Ok(collected) => {
            let (links, blobs, bytes) = (collected.links, collected.blobs, collected.bytes);
            tracing::info!(links, blobs, bytes, is_trial, "collected");
            (
                StatusCode::OK,
                json!({"links": links, "blobs": blobs, "bytes": bytes}),
            )
        }
        Err(error) => {
            tracing::error!(why = %error, "the collection failed");
            (
                StatusCode::INTERNAL_SERVER_ERROR,
                json!({"error": error.to_string()}),
            )
        }
    }
}

/// The threads of a command that asks.
pub fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    let mut threads = tokio::runtime::Builder::new_current_thread();
    threads.enable_all().build().context("starting the threads")
}

/// Waits no longer than this.
pub async fn within<T>(
    limit: Duration,
    asked: impl Future<Output = anyhow::Result<T>>,
) -> anyhow::Result<T> {
    let answered = tokio::time::timeout(limit, asked).await;
    answered.with_context(|| format!("no answer within {} s", limit.as_secs()))?
}

/// Asks the registry that listens on a socket.
pub async fn ask(socket: &Path, path: &str) -> anyhow::Result<Value> {
    let stream = UnixStream::connect(socket)
        .await
        .with_context(|| format!("connecting to {}", socket.display()))
        .hint("the registry has to run: `monit summary` says whether it does")?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .context("asking the registry")?;
    tokio::spawn(connection);
    let request = Request::post(path)
        .header(hyper::header::HOST, "registry")
        .body(Full::new(Bytes::new()))
        .context("asking the registry")?;
    let response = sender
        .send_request(request)
        .await
        .context("asking the registry")?;
    let status = response.status();
    let body = response
        .into_body()
        .collect()
        .await
        .context("reading the registry's answer")?;
    let document: Value =
        serde_json::from_slice(&body.to_bytes()).context("reading the registry's answer")?;
    if status.is_success() {
        return Ok(document);
    }
    Err(anyhow!(
        "{}",
        document["error"].as_str().unwrap_or_default()
    ))
    .context("the registry could not do it")
    .hint("the registry's log says more")
}

//! What only root may ask of a registry that runs, through a UNIX socket: HTTP with a document for an answer.

mod catalog;
mod upkeep;

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use bosh_job::Advise as _;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::net::{UnixListener, UnixStream};

use crate::health::Health;
use crate::inventory::{FrozenInventory, Inventory};
use crate::upkeep::Upkeep;

/// What answers come from.
#[derive(Clone, Debug)]
pub struct Context {
    /// Whether the registry works.
    pub health: Arc<Health>,
    /// What was pushed.
    pub inventory: Inventory,
    /// What releases brought to this VM.
    pub frozen: FrozenInventory,
    /// What keeps it in order.
    pub upkeep: Upkeep,
}

/// Answers what comes through it.
pub async fn serve(listener: UnixListener, context: Context) {
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
        let context = context.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let context = context.clone();
                async move { Ok::<_, std::convert::Infallible>(answer(&context, &request).await) }
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

/// A status, and a document in JSON.
type Answer = (StatusCode, Vec<u8>);

async fn answer(context: &Context, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    let (path, query) = (request.uri().path(), request.uri().query());
    let (status, document) = match (request.method(), path) {
        (&Method::POST, "/collect-garbage") => upkeep::collect(context, query).await,
        (&Method::POST, "/retention") => upkeep::retain(context, query).await,
        (&Method::POST, "/scrub") => upkeep::scrub(context, query).await,
        (&Method::POST, "/upkeep") => done(&context.upkeep.counts()),
        (&Method::POST, "/catalog") => catalog::answer(context).await,
        (_, "/health") if context.health.is_good().await => done(&json!({"status": "ok"})),
        (_, "/health") => error(StatusCode::SERVICE_UNAVAILABLE, "the store does not answer"),
        (method, path) => {
            let what = format!("{method} {path}: no such question");
            error(StatusCode::NOT_FOUND, &what)
        }
    };
    let mut response = Response::new(Full::new(Bytes::from(document)));
    *response.status_mut() = status;
    response
}

/// What was asked for, as a document.
fn done(document: &impl Serialize) -> Answer {
    match serde_json::to_vec(document) {
        Ok(bytes) => (StatusCode::OK, bytes),
        Err(why) => error(StatusCode::INTERNAL_SERVER_ERROR, &why.to_string()),
    }
}

/// What went wrong, as a document.
fn error(status: StatusCode, what: &str) -> Answer {
    (status, json!({ "error": what }).to_string().into_bytes())
}

/// What the disk refused, as a document.
fn failed(why: &io::Error) -> Answer {
    let status = match why.kind() {
        io::ErrorKind::ResourceBusy => StatusCode::CONFLICT,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    };
    error(status, &why.to_string())
}

/// A value of a question's query.
fn value(query: Option<&str>, name: &str) -> Option<String> {
    let mut pairs = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    let found = pairs.find(|(found, _)| found == name);
    found.map(|(_, value)| value.into_owned())
}

/// A value in seconds.
fn seconds(query: Option<&str>, name: &str) -> Result<Duration, Answer> {
    let value = value(query, name).and_then(|seconds| seconds.parse().ok());
    value.map(Duration::from_secs).ok_or_else(|| {
        let what = format!("{name} is no number of seconds");
        error(StatusCode::BAD_REQUEST, &what)
    })
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

/// Asks the registry that listens on a socket, which answers with a document in JSON.
pub async fn ask(socket: &Path, path: &str) -> anyhow::Result<Bytes> {
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
    let body = body.to_bytes();
    if status.is_success() {
        return Ok(body);
    }
    let document: Value = serde_json::from_slice(&body).context("reading the registry's answer")?;
    Err(anyhow!(
        "{}",
        document["error"].as_str().unwrap_or_default()
    ))
    .context("the registry could not do it")
    .hint("the registry's log says more")
}

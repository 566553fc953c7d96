//! How the socket is connected.

use std::{
    future::Future,
    io,
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use hyper::Uri;
use hyperlocal::UnixConnector;
use tower_service::Service;

/// hyperlocal's connector, with patience for a full backlog, which a UNIX socket reports at once (`EAGAIN`).
#[derive(Clone)]
pub(crate) struct Connector {
    /// How long to try.
    pub(crate) within: Duration,
}

pub(crate) type Connecting =
    Pin<Box<dyn Future<Output = io::Result<<UnixConnector as Service<Uri>>::Response>> + Send>>;

impl Service<Uri> for Connector {
    type Response = <UnixConnector as Service<Uri>>::Response;
    type Error = io::Error;
    type Future = Connecting;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Connecting {
        let end = Instant::now() + self.within;
        Box::pin(async move {
            loop {
                match UnixConnector.call(uri.clone()).await {
                    Err(error)
                        if error.kind() == io::ErrorKind::WouldBlock && Instant::now() < end =>
                    {
                        tokio::time::sleep(Duration::from_millis(20)).await;
                    }
                    outcome => return outcome,
                }
            }
        })
    }
}

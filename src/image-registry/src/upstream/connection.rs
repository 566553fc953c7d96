//! Connections to other registries: TCP, through a proxy's tunnel if there is one, and TLS.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow, ensure};
use bytes::Bytes;
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::{HOST, HeaderValue, PROXY_AUTHORIZATION};
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::address::{Address, Proxy};
use super::config::UpstreamConfig;
use super::failure::{Failure, Kind};

/// The certificates that the VM trusts, where BOSH puts its trusted ones as well.
const TRUSTED: &str = "/etc/ssl/certs/ca-certificates.crt";

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// How another registry is connected to.
#[derive(Clone)]
pub struct Connector {
    tls: TlsConnector,
    proxy: Option<Proxy>,
    patience: Duration,
}

impl Connector {
    /// With the certificates and the proxy of the configuration.
    pub fn new(config: &UpstreamConfig) -> anyhow::Result<Self> {
        let proxy = config.proxy.as_ref().map(|proxy| {
            let parsed = Proxy::parse(proxy.reveal());
            parsed.context("`proxy` is not of the form http://[USER:PASSWORD@]HOST:PORT")
        });
        Ok(Self {
            tls: TlsConnector::from(Arc::new(tls(config)?)),
            proxy: proxy.transpose()?,
            patience: Duration::from_secs(config.timeout_seconds.max(1)),
        })
    }

    /// How long a registry may be silent.
    pub fn patience(&self) -> Duration {
        self.patience
    }

    /// Sends a request without content, and gives the head of the answer.
    pub async fn send(
        &self,
        address: &Address,
        mut request: Request<Empty<Bytes>>,
    ) -> Result<Response<Incoming>, Failure> {
        let silent = |what: &str| {
            let seconds = self.patience.as_secs();
            Failure::new(
                Kind::Silent,
                format!("{}: {what} took more than {seconds} s", address.authority()),
            )
        };
        let down = |error: &dyn std::fmt::Display| {
            Failure::new(Kind::Down, format!("{}: {error}", address.authority()))
        };
        let connected = timeout(self.patience, self.connect(address));
        let stream = connected
            .await
            .map_err(|_| silent("connecting"))?
            .map_err(|error| down(&format!("{error:#}")))?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| down(&error))?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(why = %error, "a connection to another registry ended early");
            }
        });
        let host = HeaderValue::from_str(&address.host_header());
        request
            .headers_mut()
            .insert(HOST, host.map_err(|error| down(&error))?);
        let answered = timeout(self.patience, sender.send_request(request));
        answered
            .await
            .map_err(|_| silent("its answer"))?
            .map_err(|error| down(&error))
    }

    async fn connect(&self, address: &Address) -> anyhow::Result<Box<dyn Stream>> {
        let stream: Box<dyn Stream> =
            match &self.proxy {
                None => Box::new(tcp(address).await?),
                Some(proxy) => {
                    let tunnel = tunnel(proxy, address).await;
                    Box::new(tunnel.with_context(|| {
                        format!("through the proxy {}", proxy.address.authority())
                    })?)
                }
            };
        if !address.is_tls {
            return Ok(stream);
        }
        let name = ServerName::try_from(address.host.clone())
            .context("its host is none that a certificate could have")?;
        let stream = self.tls.connect(name, stream).await.context("TLS")?;
        Ok(Box::new(stream))
    }
}

async fn tcp(address: &Address) -> anyhow::Result<TcpStream> {
    let stream = TcpStream::connect((address.host.as_str(), address.port)).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// A tunnel through a proxy (RFC 9110, 9.3.6).
async fn tunnel(
    proxy: &Proxy,
    address: &Address,
) -> anyhow::Result<TokioIo<hyper::upgrade::Upgraded>> {
    let stream = tcp(&proxy.address).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection.with_upgrades());
    let authority = address.authority();
    let mut request = Request::builder()
        .method(Method::CONNECT)
        .uri(&authority)
        .header(HOST, &authority);
    if let Some(login) = &proxy.authorization {
        let mut value = HeaderValue::from_str(login.reveal())
            .map_err(|_| anyhow!("its login cannot be sent"))?;
        value.set_sensitive(true);
        request = request.header(PROXY_AUTHORIZATION, value);
    }
    let response = sender
        .send_request(request.body(Empty::<Bytes>::new())?)
        .await?;
    let status = response.status();
    ensure!(status.is_success(), "it answers {status}");
    Ok(TokioIo::new(hyper::upgrade::on(response).await?))
}

fn tls(config: &UpstreamConfig) -> anyhow::Result<ClientConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    if let Ok(trusted) = CertificateDer::pem_file_iter(TRUSTED) {
        // the VM has what it has; one that is damaged harms no other
        roots.add_parsable_certificates(trusted.filter_map(Result::ok));
    }
    if let Some(authorities) = &config.ca_certificate {
        for authority in certificates(authorities, "ca_certificate")? {
            roots.add(authority).context("`ca_certificate`")?;
        }
    }
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .context("choosing the versions of TLS")?
        .with_root_certificates(roots);
    let mut tls = match (&config.client_certificate, &config.client_key) {
        (None, None) => builder.with_no_client_auth(),
        (Some(certificate), Some(key)) => {
            let chain = certificates(certificate, "client_certificate")?;
            let key = PrivateKeyDer::from_pem_slice(key.reveal().as_bytes())
                .map_err(|_| anyhow!("`client_key` is no private key in PEM"))?;
            let with_key = builder.with_client_auth_cert(chain, key);
            with_key.context("`client_key` is not the key of `client_certificate`")?
        }
        _ => anyhow::bail!(
            "`client_certificate` and `client_key` go together, and one of them is missing"
        ),
    };
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(tls)
}

fn certificates(pem: &str, property: &str) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    let found = read.map_err(|error| anyhow!("`{property}` is no certificate in PEM: {error}"))?;
    ensure!(!found.is_empty(), "`{property}` has no certificate in PEM");
    Ok(found)
}

//! Whether clients are answered: through the port, with a certificate that those who know the CA accept.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use bosh_job::Advise as _;
use bytes::Bytes;
use http_body_util::Empty;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use webpki::EndEntityCert;

use crate::admin::within;
use crate::config::{Config, Tls};
use crate::server::certificates;

/// How long it may take until the registry answers for the first time.
const LIMIT: Duration = Duration::from_secs(30);
const TRY: Duration = Duration::from_secs(5);

/// Asks until it answers.
pub async fn answers(config: &Config) -> anyhow::Result<()> {
    let tls = config
        .tls
        .as_ref()
        .context("property `tls.certificate`: it is not set")?;
    let address = reachable(config.listen);
    let (connector, name) = client(tls, address.ip())?;
    let begun = Instant::now();
    loop {
        let asked = ask(address, &connector, &name);
        match within(TRY, asked).await {
            Ok(()) => return Ok(()),
            Err(error) if begun.elapsed() >= LIMIT => {
                return Err(error)
                    .with_context(|| format!("asking the registry at {address} as {name:?}"))
                    .hint("`monit summary` says whether it runs, and /var/vcap/sys/log/registry/registry.log why not");
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(500)).await,
        }
    }
}

/// Where this machine reaches what listens there.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

/// A client that knows the CA and no other authority, and a name that the registry's certificate is for.
fn client(tls: &Tls, ip: IpAddr) -> anyhow::Result<(TlsConnector, ServerName<'static>)> {
    let ca = tls
        .ca
        .as_ref()
        .context("property `tls.ca`: it is not set")?;
    let mut roots = RootCertStore::empty();
    for authority in certificates(ca, "tls.ca")? {
        roots.add(authority).context("property `tls.ca`")?;
    }
    let chain = certificates(&tls.certificate, "tls.certificate")?;
    let own = EndEntityCert::try_from(&chain[0]).context("property `tls.certificate`")?;
    let named = own.valid_dns_names().find_map(|name| {
        // of `*.example` any name below is one
        let name = name.replacen('*', "registry", 1);
        ServerName::try_from(name).ok()
    });
    let config =
        ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .context("choosing the versions of TLS")?
            .with_root_certificates(roots)
            .with_no_client_auth();
    let connector = TlsConnector::from(Arc::new(config));
    Ok((connector, named.unwrap_or(ServerName::from(ip))))
}

async fn ask(
    address: SocketAddr,
    connector: &TlsConnector,
    name: &ServerName<'static>,
) -> anyhow::Result<()> {
    let stream = TcpStream::connect(address).await.context("connecting")?;
    let stream = connector
        .connect(name.clone(), stream)
        .await
        .context("property `tls.certificate`: those who know `tls.ca` do not accept it")?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .context("asking")?;
    tokio::spawn(connection);
    let request = Request::get("/v2/")
        .header(hyper::header::HOST, address.to_string())
        .body(Empty::<Bytes>::new())
        .context("asking")?;
    let status = sender
        .send_request(request)
        .await
        .context("asking")?
        .status();
    ensure!(
        matches!(status, StatusCode::OK | StatusCode::UNAUTHORIZED),
        "GET /v2/ was answered by {status}"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_listens_everywhere_is_reached_through_the_loopback() {
        for (listen, expected) in [
            ("0.0.0.0:5000", "127.0.0.1:5000"),
            ("[::]:443", "[::1]:443"),
            ("10.0.0.4:5000", "10.0.0.4:5000"),
        ] {
            assert_eq!(
                reachable(listen.parse().unwrap()),
                expected.parse().unwrap()
            );
        }
    }
}

//! TLS: the registry's certificate, and client certificates that stand for logins.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, anyhow, ensure};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::access::{Access, Identity};
use crate::config::Tls;

/// Makes connections TLS.
#[derive(Clone)]
pub struct Acceptor(TlsAcceptor);

impl Acceptor {
    /// With the certificate and key of the configuration.
    pub fn new(tls: &Tls) -> anyhow::Result<Self> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let chain = certificates(&tls.certificate, "tls.certificate")?;
        let key = PrivateKeyDer::from_pem_file(&tls.key).map_err(|error| {
            anyhow!("property `tls.private_key`: it is no private key in PEM: {error}")
        })?;
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .context("choosing the versions of TLS")?;
        let builder = match &tls.client_authorities {
            None => builder.with_no_client_auth(),
            Some(path) => {
                let mut roots = RootCertStore::empty();
                for authority in certificates(path, "tls.client_ca")? {
                    roots.add(authority).context("property `tls.client_ca`")?;
                }
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                builder.with_client_cert_verifier(
                    verifier
                        .allow_unauthenticated()
                        .build()
                        .context("property `tls.client_ca`")?,
                )
            }
        };
        let mut config = builder
            .with_single_cert(chain, key)
            .context("property `tls.private_key`: it is not the key of `tls.certificate`")?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self(TlsAcceptor::from(Arc::new(config))))
    }

    /// Takes a connection, and says which login its certificate stands for, if any.
    pub async fn accept<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
        access: &Access,
    ) -> std::io::Result<(TlsStream<S>, Option<Identity>)> {
        let stream = self.0.accept(stream).await?;
        let shown = stream.get_ref().1.peer_certificates();
        let identity = shown.and_then(|chain| identity(chain.first()?, access));
        Ok((stream, identity))
    }
}

/// The login whose DNS name a certificate is for. It was verified when the connection was taken.
fn identity(certificate: &CertificateDer<'_>, access: &Access) -> Option<Identity> {
    let parsed = ParsedCertificate::try_from(certificate).ok()?;
    let mut logins = access.certificates();
    let (_, identity) = logins.find(|(dns, _)| {
        ServerName::try_from(*dns)
            .is_ok_and(|name| rustls::client::verify_server_name(&parsed, &name).is_ok())
    })?;
    Some(identity.clone())
}

/// The certificates in a file, of which there is one at least. The error names the property.
pub fn certificates(path: &Path, property: &str) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
    let found: Vec<_> = read
        .map_err(|error| anyhow!("property `{property}`: it is no certificate in PEM: {error}"))?;
    ensure!(
        !found.is_empty(),
        "property `{property}`: it has no certificate in PEM"
    );
    Ok(found)
}

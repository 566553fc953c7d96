//! The TCP socket lets nobody in without a certificate of the operator's authority.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use bosh_job::Advise;
use bosh_job::command::{Checked, CommandError};
use job_properties::TcpAccess;

use super::Seen;
use super::bench::Bench;

/// A client certificate of no authority at all, and its key: they open nothing anywhere.
const STRANGER: [(&str, &str); 2] = [
    ("cert.pem", include_str!("stranger.crt")),
    ("key.pem", include_str!("stranger.key")),
];
const LIMIT: Duration = Duration::from_secs(20);
/// A server that refuses may close the connection before its reason is read; then it is asked again.
const TRIES: usize = 5;

/// Asks without a certificate, and with a stranger's.
pub fn check(bench: &Bench) -> anyhow::Result<Seen> {
    let Some(listen) = bench.config.daemon()?.listen else {
        return Ok(Seen::Skipped(
            "the property `bind` of the job docker is not set: there is no TCP socket".to_owned(),
        ));
    };
    let TcpAccess::MutualTls(material) = &listen.access else {
        return Ok(Seen::Skipped(format!(
            "`bind_without_tls` waives TLS: anyone who reaches {} is root on this VM",
            listen.address
        )));
    };
    let address = reachable(listen.address);
    let scratch = bench.directory()?;
    let write = |name: &str, text: &str| {
        bosh_job::atomic_write(&scratch.path().join(name), text.as_bytes(), 0o600)
    };
    write("ca.pem", material.cacert.reveal())?;
    must_refuse(bench, address, scratch.path(), "no client certificate")?;
    for (name, text) in STRANGER {
        write(name, text)?;
    }
    must_refuse(
        bench,
        address,
        scratch.path(),
        "a client certificate of another authority",
    )?;
    Ok(Seen::Proved(format!(
        "{address} refuses clients without a certificate, and with one of another authority"
    )))
}

/// What `docker` finds in its directory of settings it shows as its certificate. It does not look at the server's.
fn must_refuse(
    bench: &Bench,
    address: SocketAddr,
    settings: &Path,
    with: &str,
) -> anyhow::Result<()> {
    let mut said = String::new();
    for _ in 0..TRIES {
        bench.go_on()?;
        let called = Checked::new(bench.paths.docker_bin("docker"), bench.left(LIMIT))
            .args(["--tls", "--host", &format!("tcp://{address}"), "version"])
            .env("DOCKER_CONFIG", settings)
            .env("HOME", settings)
            .run();
        match called {
            Ok(_) => {
                return Err(anyhow::anyhow!(
                    "dockerd at {address} answers a client with {with}"
                ))
                .hint(
                    "anyone who reaches it is root on this VM: see `tls_cacert` of the job docker",
                );
            }
            // The server's own word for it (Go, crypto/tls, alert.go).
            Err(error @ CommandError::Status { .. }) => {
                said = error.stderr().join("; ");
                if said.contains("remote error: tls:") {
                    return Ok(());
                }
            }
            Err(error) => {
                return Err(error)
                    .with_context(|| format!("calling dockerd at {address} with {with}"));
            }
        }
    }
    bail!("dockerd at {address} does not say why it refuses a client with {with}: {said}")
}

fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

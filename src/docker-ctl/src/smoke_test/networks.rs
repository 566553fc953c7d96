//! Containers reach each other by name, and the VM reaches them by a published port.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, bail};
use serde_json::json;

use super::Seen;
use super::bench::Bench;
use super::probe;

const PORT: u16 = 7000;
const TEXT: &str = "here I am";
/// How long the VM tries to reach the published port.
const PATIENCE: Duration = Duration::from_secs(10);

/// The network that the checks share.
pub fn network(bench: &Bench) -> anyhow::Result<String> {
    let name = Bench::name("network");
    let present = bench
        .engine
        .networks(&docker_engine::Filters::default().label(super::bench::LABEL))?;
    if present.iter().all(|network| network.name != name) {
        bench
            .engine
            .create_network(&name, &Bench::labels())
            .with_context(|| format!("making network `{name}`"))?;
    }
    Ok(name)
}

/// Two containers on a network of their own: one asks the other by its service name.
pub fn talk_by_name(bench: &Bench) -> anyhow::Result<Seen> {
    let network = network(bench)?;
    let more = json!({"HostConfig": {"NetworkMode": network}});
    let mut server = more.clone();
    server["NetworkingConfig"] = json!({"EndpointsConfig": {&network: {"Aliases": ["server"]}}});
    let port = PORT.to_string();
    let id = bench.start("server", &["serve", &port, TEXT], &server)?;
    let answer = bench.run("client", &["ask", "server", &port], &more);
    bench.engine.remove_container(&id, true)?;
    expect(&answer?.join("\n"), "the container called `server`")?;
    Ok(Seen::Proved(
        "two containers on a network of their own talk by service name".to_owned(),
    ))
}

/// The VM's own address, and a port that the engine chooses.
pub fn published_port(bench: &Bench) -> anyhow::Result<Seen> {
    let network = network(bench)?;
    let ip = address(bench);
    let port = format!("{PORT}/tcp");
    let more = json!({
        "ExposedPorts": {&port: {}},
        "HostConfig": {"NetworkMode": network, "PortBindings": {&port: [{"HostIp": ip, "HostPort": ""}]}},
    });
    let id = bench.start("published", &["serve", &PORT.to_string(), TEXT], &more)?;
    let reached = published(bench, &id).and_then(|port| {
        let place = SocketAddr::new(ip, port);
        let answer = probe::ask(place, bench.left(PATIENCE)).with_context(|| {
            format!("reaching a container through its published port at {place}")
        })?;
        expect(&answer, &place.to_string())?;
        Ok(place)
    });
    bench.engine.remove_container(&id, true)?;
    Ok(Seen::Proved(format!(
        "a container answers through its published port at {}",
        reached?
    )))
}

fn published(bench: &Bench, id: &str) -> anyhow::Result<u16> {
    let containers = bench
        .engine
        .containers(&docker_engine::Filters::default())?;
    let container = containers.iter().find(|container| container.id == id);
    let container = container.context("the container with the published port has ended")?;
    let port = container.ports.iter().find_map(|port| port.public_port);
    port.context("the engine says no published port")
}

/// The instance's address; the loopback one if BOSH gave it none.
fn address(bench: &Bench) -> IpAddr {
    let own = bench.config.instance.ip.as_deref();
    own.and_then(|ip| ip.parse().ok())
        .unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST))
}

fn expect(answer: &str, who: &str) -> anyhow::Result<()> {
    if answer != TEXT {
        bail!("{who} answers {answer:?} instead of {TEXT:?}: somebody else is there");
    }
    Ok(())
}

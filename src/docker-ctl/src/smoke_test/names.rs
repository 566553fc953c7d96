//! Containers resolve what the VM resolves.

use std::time::Duration;

use anyhow::{Context, bail};
use bosh_job::Advise;
use bosh_job::command::Checked;
use serde_json::json;

use super::Seen;
use super::bench::Bench;
use super::networks::network;

/// A name that every BOSH DNS answers, so that its health can be asked for (bosh-dns-release, job `bosh-dns`,
/// property `health.server` and `upcheck_domains`).
const BOSH_DNS: &str = "upcheck.bosh-dns.";
/// Where BOSH DNS listens unless it is told otherwise (bosh-dns-release, property `address`).
const BOSH_DNS_ADDRESS: &str = "169.254.0.2";
/// For the resolver of the C library: a dead server is soon given up.
const QUICK: (&str, &str) = ("RES_OPTIONS", "timeout:2 attempts:2");
/// How long a lookup on the VM may take.
const LIMIT: Duration = Duration::from_secs(30);

/// On the default network and on one of the containers' own, where another resolver stands between.
pub fn check(bench: &Bench) -> anyhow::Result<Seen> {
    let asked = &bench.settings.dns_names;
    let mut names: Vec<(String, String)> = Vec::new();
    for name in asked {
        let addresses = on_the_vm(bench, name)
            .with_context(|| format!("`dns_names` has {name}, which the VM itself cannot resolve"))
            .hint("see /etc/resolv.conf on this instance")?;
        names.push((name.clone(), addresses));
    }
    if asked.is_empty() {
        // Whether this VM has BOSH DNS is not known before it was asked.
        match on_the_vm(bench, BOSH_DNS) {
            Ok(addresses) => names.push((BOSH_DNS.to_owned(), addresses)),
            Err(error) if has_bosh_dns() => {
                return Err(error)
                    .context("BOSH DNS, which /etc/resolv.conf names, does not answer")
                    .hint("see the logs of the job bosh-dns on this instance");
            }
            Err(_) => {
                return Ok(Seen::Skipped(
                    "this VM has no BOSH DNS, and `dns_names` has no name to resolve instead"
                        .to_owned(),
                ));
            }
        }
    }
    let mut places = vec![(network(bench)?, "a network of their own")];
    let bridge = bench.engine.networks(&docker_engine::Filters::default())?;
    if bridge.iter().any(|network| network.name == "bridge") {
        places.push(("bridge".to_owned(), "the default network"));
    }
    for (name, addresses) in &names {
        for (network, place) in &places {
            let more = json!({
                "Env": [format!("{}={}", QUICK.0, QUICK.1)],
                "HostConfig": {"NetworkMode": network},
            });
            let found = bench
                .run("resolver", &["resolve", name], &more)
                .with_context(|| format!("resolving {name} in a container on {place}"))
                .hint("a resolver on a loopback address of the VM is out of a container's reach; see `dns_servers` of the job docker")?;
            let found = found.join(" ");
            if found != *addresses {
                bail!("containers on {place} resolve {name} to {found:?}, the VM to {addresses:?}");
            }
        }
    }
    let shown: Vec<String> = names
        .iter()
        .map(|(name, addresses)| format!("{name} ({addresses})"))
        .collect();
    let places: Vec<&str> = places.iter().map(|(_, place)| *place).collect();
    Ok(Seen::Proved(format!(
        "containers on {} resolve {} as the VM does",
        places.join(" and on "),
        shown.join(", ")
    )))
}

/// Whether the VM's resolver is BOSH DNS at its usual address.
fn has_bosh_dns() -> bool {
    let text = std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
    text.lines()
        .filter_map(|line| line.trim().strip_prefix("nameserver"))
        .any(|server| server.trim() == BOSH_DNS_ADDRESS)
}

/// By another process: a lookup cannot be given up from inside.
fn on_the_vm(bench: &Bench, name: &str) -> anyhow::Result<String> {
    let output = Checked::new("/proc/self/exe", bench.left(LIMIT))
        .args(["probe", "resolve", name])
        .env(QUICK.0, QUICK.1)
        .run()?;
    Ok(output.stdout_text().trim().to_owned())
}

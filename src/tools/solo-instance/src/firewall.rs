//! Firewall rules of this machine for a deployment: only those that it needs, each with a comment that names it; and
//! forwarding, for those that are given a way out.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::command;
use crate::error::{Error, Result};
use crate::plan;
use crate::subnet::Subnet;

/// A rule: its table, its chain, and what it matches and does.
#[derive(Debug, PartialEq, Eq)]
struct Rule {
    table: &'static str,
    chain: &'static str,
    what: Vec<String>,
}

const FORWARDING: &str = "/proc/sys/net/ipv4/ip_forward";

/// Makes the deployment's rules what they are to be.
pub(crate) fn set(tag: &str, bridge: &str, subnet: Subnet, nat: bool) -> Result<()> {
    if !nat {
        unset(tag)?;
    }
    for rule in rules(tag, bridge, subnet, nat, bridged_traffic_is_filtered()) {
        let arguments = |verb: &'static str| {
            ["-w", "-t", rule.table, verb, rule.chain]
                .into_iter()
                .chain(rule.what.iter().map(String::as_str))
        };
        if command::run("iptables", arguments("-C")).is_err() {
            command::run("iptables", arguments("-I"))?;
        }
    }
    Ok(())
}

fn rules(tag: &str, bridge: &str, subnet: Subnet, nat: bool, bridged_filtered: bool) -> Vec<Rule> {
    let subnet = subnet.to_string();
    let comment = comment(tag);
    let rule = |table, chain, matching: &[&str], target: &str| {
        let marked = ["-m", "comment", "--comment", &comment, "-j", target];
        Rule {
            table,
            chain,
            what: matching
                .iter()
                .chain(&marked)
                .map(|s| (*s).to_owned())
                .collect(),
        }
    };
    let mut rules = Vec::new();
    if bridged_filtered {
        rules.push(rule(
            "filter",
            "FORWARD",
            &["-i", bridge, "-o", bridge],
            "ACCEPT",
        ));
    }
    if nat {
        rules.push(rule(
            "nat",
            "POSTROUTING",
            &["-s", &subnet, "!", "-d", &subnet],
            "MASQUERADE",
        ));
        rules.push(rule(
            "filter",
            "FORWARD",
            &["-i", bridge, "!", "-o", bridge],
            "ACCEPT",
        ));
        let answers = [
            "!",
            "-i",
            bridge,
            "-o",
            bridge,
            "-m",
            "conntrack",
            "--ctstate",
            "RELATED,ESTABLISHED",
        ];
        rules.push(rule("filter", "FORWARD", &answers, "ACCEPT"));
    }
    rules
}

/// Whether packets between two instances of one bridge go through this machine's FORWARD chain, and it may drop them
/// (a host with Docker: `br_netfilter` and policy DROP).
fn bridged_traffic_is_filtered() -> bool {
    let called = fs::read_to_string("/proc/sys/net/bridge/bridge-nf-call-iptables")
        .is_ok_and(|v| v.trim() == "1");
    called && command::run("iptables", ["-w", "-S", "FORWARD"]).is_ok_and(|chain| may_drop(&chain))
}

fn may_drop(chain: &str) -> bool {
    chain
        .lines()
        .any(|line| line != "-P FORWARD ACCEPT" && !line.contains("bosh-solo:"))
}

/// Removes the deployment's rules.
pub(crate) fn unset(tag: &str) -> Result<()> {
    for (table, rule) in present(tag) {
        let arguments = ["-w".to_owned(), "-t".to_owned(), table];
        command::run("iptables", arguments.into_iter().chain(deletion(&rule)))?;
    }
    Ok(())
}

/// The deployment's rules that are there: table and rule. None where there is no iptables.
pub(crate) fn present(tag: &str) -> Vec<(String, String)> {
    command::run("iptables-save", [""; 0])
        .map(|saved| of(tag, &saved))
        .unwrap_or_default()
}

fn of(tag: &str, saved: &str) -> Vec<(String, String)> {
    let comment = comment(tag);
    let mut table = "";
    let mut found = Vec::new();
    for line in saved.lines() {
        if let Some(name) = line.strip_prefix('*') {
            table = name;
        } else if line
            .split_whitespace()
            .any(|word| word.trim_matches('"') == comment)
        {
            found.push((table.to_owned(), line.to_owned()));
        }
    }
    found
}

/// `-A CHAIN …` as the arguments that delete it; no word of ours holds a space.
fn deletion(rule: &str) -> Vec<String> {
    let words = rule
        .split_whitespace()
        .map(|word| word.trim_matches('"').to_owned());
    std::iter::once("-D".to_owned())
        .chain(words.skip(1))
        .collect()
}

fn comment(tag: &str) -> String {
    format!("bosh-solo:{tag}")
}

/// Kept in the state directory while a deployment with `nat` is there.
#[derive(Serialize, Deserialize)]
struct Forwarding {
    /// Whether it was bosh-solo that turned `ip_forward` on.
    turned_on: bool,
}

/// Turns forwarding on, and remembers whether it was off.
pub(crate) fn forwarding_on(state_dir: &Path) -> Result<()> {
    let file = state_dir.join("forwarding.json");
    let before: Option<Forwarding> = plan::load_if_there(&file)?;
    let off = fs::read_to_string(FORWARDING)
        .map_err(Error::io("reading", FORWARDING))?
        .trim()
        == "0";
    plan::save(
        &file,
        &Forwarding {
            turned_on: off || before.is_some_and(|f| f.turned_on),
        },
    )?;
    if off {
        fs::write(FORWARDING, "1").map_err(Error::io("writing", FORWARDING))?;
    }
    Ok(())
}

/// Turns forwarding off again if it was off before.
pub(crate) fn forwarding_off(state_dir: &Path) -> Result<()> {
    let file = state_dir.join("forwarding.json");
    let Some(forwarding) = plan::load_if_there::<Forwarding>(&file)? else {
        return Ok(());
    };
    if forwarding.turned_on {
        fs::write(FORWARDING, "0").map_err(Error::io("writing", FORWARDING))?;
    }
    fs::remove_file(&file).map_err(Error::io("removing", file))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules_of(nat: bool, bridged_filtered: bool) -> Vec<Rule> {
        rules(
            "dep-1",
            "bs-1",
            "10.244.0.0/24".parse().unwrap(),
            nat,
            bridged_filtered,
        )
    }

    #[test]
    fn a_deployment_without_nat_on_a_plain_machine_needs_no_rule() {
        assert_eq!(rules_of(false, false), []);
        assert_eq!(rules_of(false, true).len(), 1);
    }

    #[test]
    fn a_chain_that_accepts_all_but_for_our_own_rules_needs_none() {
        assert!(!may_drop(
            "-P FORWARD ACCEPT\n-A FORWARD -i bs-1 -m comment --comment \"bosh-solo:x\" -j ACCEPT\n"
        ));
        assert!(may_drop("-P FORWARD DROP\n"));
        assert!(may_drop("-P FORWARD ACCEPT\n-A FORWARD -j DOCKER-USER\n"));
    }

    #[test]
    fn every_rule_carries_the_deployments_comment() {
        for rule in rules_of(true, true) {
            assert!(
                rule.what.iter().any(|word| word == "bosh-solo:dep-1"),
                "{rule:?}"
            );
        }
    }

    #[test]
    fn rules_of_others_are_left_alone() {
        let saved = "*nat\n:POSTROUTING ACCEPT [0:0]\n\
                     -A POSTROUTING -s 10.244.0.0/24 -m comment --comment \"bosh-solo:dep-1\" -j MASQUERADE\n\
                     -A POSTROUTING -s 10.244.1.0/24 -m comment --comment \"bosh-solo:dep-11\" -j MASQUERADE\nCOMMIT\n";
        let found = of("dep-1", saved);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].0, "nat");
        assert_eq!(
            deletion(&found[0].1)[..4],
            ["-D", "POSTROUTING", "-s", "10.244.0.0/24"]
        );
        assert!(deletion(&found[0].1).contains(&"bosh-solo:dep-1".to_owned()));
    }
}

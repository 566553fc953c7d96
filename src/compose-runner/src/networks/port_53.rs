//! Port 53 of the VM, when the recipe wants it for itself: the job's own name server then keeps off it.
//!
//! What the recipe publishes is known before `up`, and so is what an image or the recipe says that a service in the host's
//! network listens on. A runner that does not know the recipe yet goes by the project's containers.

use bosh_job::ErrorReport;
use docker_engine::{Container, Engine, Filters};

use super::{
    gateways::{Gateways, confined},
    name_server::PORT,
};
use crate::{compose::PROJECT_LABEL, failure::error, model::Model, ports::HostAddress};

/// The addresses on which the recipe has port 53, each with who has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claims(Vec<(String, HostAddress)>);

impl Claims {
    /// What the recipe claims.
    pub fn of_recipe(model: &Model, engine: &Engine) -> docker_engine::Result<Self> {
        let mut claims = Vec::new();
        let services = model.services.iter();
        for (name, service) in services.filter(|(_, service)| service.replicas > 0) {
            for port in &service.ports {
                // of a longer range the engine takes others
                let ports = usize::from(port.last - port.first) + 1;
                let is_dns = (port.first..=port.last).contains(&PORT)
                    && matches!(port.protocol.as_str(), "tcp" | "udp");
                if is_dns && ports <= service.replicas {
                    let address = HostAddress::parse(&port.host_ip);
                    claims.extend(address.map(|address| (name.clone(), address)));
                }
            }
            if service.network_mode.as_deref() == Some("host") {
                let image = match &service.image {
                    Some(image) if !service.declares_dns => engine.inspect_image(image)?,
                    _ => None,
                };
                let exposes =
                    image.is_some_and(|image| exposes_dns(image.config.exposed_ports.keys()));
                if service.declares_dns || exposes {
                    claims.push((name.clone(), HostAddress::Every));
                }
            }
        }
        Ok(Self(claims))
    }

    /// What a project's containers claim, running or not: the engine may start them again at any time.
    pub fn of_containers(project: &str, engine: &Engine) -> docker_engine::Result<Self> {
        let filters = Filters::all().label(format!("{PROJECT_LABEL}={project}"));
        let mut claims = Vec::new();
        for summary in engine.containers(&filters)? {
            match engine.inspect_container(&summary.id) {
                Ok(container) => claims.extend(of_container(&container)),
                // It went between the two calls.
                Err(error) if error.is_not_found() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Self(claims))
    }

    /// These and those.
    pub fn and(mut self, others: &Self) -> Self {
        self.0.extend(others.0.iter().cloned());
        self
    }

    /// Takes the claimed ones out of the addresses.
    pub fn take_from(&self, gateways: &mut Gateways) {
        gateways.retain(|_, address| {
            let gateway = HostAddress::One(*address);
            !self.0.iter().any(|(_, claimed)| claimed.overlaps(gateway))
        });
    }

    /// What an operator should know: services in internal networks alone, whose names nobody answers. `all` are the
    /// VM's addresses in internal networks.
    pub fn warning(&self, model: &Model, all: &Gateways) -> Option<ErrorReport> {
        let mut left = all.clone();
        self.take_from(&mut left);
        let unanswered: Vec<&str> = confined(model)
            .into_iter()
            .filter(|(_, networks)| {
                let mut addresses = networks.iter().filter_map(|network| all.get(&network.name));
                addresses.any(|address| !left.values().any(|left| left == address))
            })
            .map(|(service, _)| service)
            .collect();
        if unanswered.is_empty() {
            return None;
        }
        let claimants: Vec<&str> = self.0.iter().map(|(name, _)| name.as_str()).collect();
        let claimant = claimants.first().copied().unwrap_or_default();
        let mut found = error(format!(
            "services that are in internal networks alone ({}) cannot look up names of BOSH DNS: service {claimant} has port {PORT} of the VM, on which compose-runner would answer them",
            unanswered.join(", ")
        ));
        found.service = Some(claimant.to_owned());
        found.property = Some("internal_dns_domains".to_owned());
        found.hint = Some(format!(
            "publish the port on one address (`${{BOSH_IP}}:{PORT}:{PORT}/udp`), or set `internal_dns_domains: []` if those services need no such names"
        ));
        Some(found)
    }
}

fn of_container(container: &Container) -> Vec<(String, HostAddress)> {
    let name = container.name();
    let host = &container.host_config;
    if host.network_mode == "host" {
        let exposes = exposes_dns(container.config.exposed_ports.keys());
        return exposes
            .then(|| (name.to_owned(), HostAddress::Every))
            .into_iter()
            .collect();
    }
    let bindings = host
        .port_bindings
        .iter()
        .filter(|(port, _)| !port.ends_with("/sctp"))
        .flat_map(|(_, bindings)| bindings.iter().flatten());
    bindings
        .filter(|binding| binding.host_port == PORT.to_string())
        .filter_map(|binding| Some((name.to_owned(), HostAddress::parse(&binding.host_ip)?)))
        .collect()
}

fn exposes_dns<'a>(mut ports: impl Iterator<Item = &'a String>) -> bool {
    ports.any(|port| port.split('/').next() == Some("53"))
}

/// What to do about a service that finds port 53 taken, if that is what it says.
pub fn hint(tail: &[String]) -> Option<String> {
    let is_it = |line: &String| {
        let line = line.to_ascii_lowercase();
        let words = line.split(|c: char| !c.is_ascii_alphanumeric());
        line.contains("in use") && words.into_iter().any(|word| word == "53")
    };
    tail.iter().any(is_it).then(|| {
        format!(
            "if the service is to have port {PORT} of all addresses: set `internal_dns_domains: []`, so that compose-runner does not answer on it in internal networks"
        )
    })
}

#[cfg(test)]
mod tests {
    use docker_engine::fake::{FakeEngine, FakeReply};

    use super::*;

    fn claims(services: &str) -> Vec<String> {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("docker.sock");
        let fake = FakeEngine::start(&socket, |request| match request.path.as_str() {
            "/images/dns/json" => FakeReply::json(
                r#"{"Id":"sha256:1","Config":{"ExposedPorts":{"53/udp":{},"80/tcp":{}}}}"#,
            ),
            "/images/web/json" => {
                FakeReply::json(r#"{"Id":"sha256:2","Config":{"ExposedPorts":null}}"#)
            }
            _ => FakeReply::error(404, "No such image"),
        });
        let text = format!(r#"{{"services":{{{services}}}}}"#);
        let model = Model::parse(text.as_bytes()).unwrap();
        let found = Claims::of_recipe(&model, &Engine::new(&socket)).unwrap();
        drop(fake);
        found.0.into_iter().map(|(name, _)| name).collect()
    }

    #[test]
    fn what_the_recipe_publishes_or_declares_in_the_host_s_network_is_claimed() {
        let port = |published: &str, protocol: &str| {
            format!(
                r#""ports":[{{"target":53,"published":"{published}","protocol":"{protocol}"}}]"#
            )
        };
        let found = claims(
            &[
                format!(r#""a":{{{}}}"#, port("53", "udp")),
                format!(r#""b":{{{},"scale":0}}"#, port("53", "udp")),
                format!(r#""c":{{{}}}"#, port("5353", "udp")),
                format!(r#""d":{{{}}}"#, port("50-60", "tcp")),
                format!(r#""e":{{{},"scale":2}}"#, port("53-54", "tcp")),
                format!(r#""f":{{"network_mode":"host",{}}}"#, port("5353", "udp")),
                r#""g":{"network_mode":"host","image":"dns"}"#.to_owned(),
                r#""h":{"network_mode":"host","image":"web"}"#.to_owned(),
                r#""i":{"network_mode":"host","image":"web","expose":["53/tcp"]}"#.to_owned(),
                r#""j":{"image":"dns"}"#.to_owned(),
                format!(r#""k":{{{}}}"#, port("53", "sctp")),
            ]
            .join(","),
        );
        assert_eq!(found, ["a", "e", "f", "g", "i"]);
    }

    #[test]
    fn containers_claim_what_they_were_made_with() {
        let container = |host: &str, exposed: &str| -> Container {
            let text = format!(
                r#"{{"Id":"1","Name":"/dns","State":{{}},"Config":{{"ExposedPorts":{exposed}}},"HostConfig":{host}}}"#
            );
            serde_json::from_str(&text).unwrap()
        };
        let bound = |host: &str| of_container(&container(host, "null"));
        let any =
            bound(r#"{"PortBindings":{"53/udp":[{"HostIp":"","HostPort":"53"}],"80/tcp":null}}"#);
        assert_eq!(any, [("dns".to_owned(), HostAddress::Every)]);
        let one =
            bound(r#"{"PortBindings":{"5353/udp":[{"HostIp":"127.0.0.1","HostPort":"53"}]}}"#);
        assert_eq!(one[0].1, HostAddress::parse("127.0.0.1").unwrap());
        assert!(bound(r#"{"PortBindings":{"53/udp":[{"HostIp":"","HostPort":""}]}}"#).is_empty());
        let host = container(r#"{"NetworkMode":"host"}"#, r#"{"53/tcp":{}}"#);
        assert_eq!(of_container(&host).len(), 1);
        let bridge = container(r#"{"NetworkMode":"bridge"}"#, r#"{"53/tcp":{}}"#);
        assert!(of_container(&bridge).is_empty());
    }

    #[test]
    fn only_addresses_that_overlap_are_given_up_and_the_services_that_lose_by_it_are_named() {
        let model = Model::parse(
            br#"{"services":{"dns":{"networks":{"default":null,"back":null}},"db":{"networks":{"back":null}}},
                "networks":{"default":{},"back":{"name":"running_back","internal":true}}}"#,
        )
        .unwrap();
        let gateways = Gateways::from([("running_back".to_owned(), "172.18.0.1".parse().unwrap())]);
        let claim = |address: &str| {
            Claims(vec![(
                "dns".to_owned(),
                HostAddress::parse(address).unwrap(),
            )])
        };
        for (address, expected) in [
            ("", true),
            ("0.0.0.0", true),
            ("172.18.0.1", true),
            ("10.0.0.1", false),
            ("::", false),
        ] {
            let mut left = gateways.clone();
            claim(address).take_from(&mut left);
            assert_eq!(left.is_empty(), expected, "{address}");
            let warning = claim(address).warning(&model, &gateways);
            assert_eq!(warning.is_some(), expected, "{address}");
            if let Some(warning) = warning {
                assert!(warning.what.contains("(db)"), "{warning:?}");
                assert!(warning.hint.unwrap().contains("internal_dns_domains: []"));
            }
        }
    }

    #[test]
    fn a_service_that_finds_the_port_taken_is_told_whose_it_may_be() {
        for (line, expected) in [
            ("listen udp 0.0.0.0:53: bind: address already in use", true),
            (
                "dnsmasq: failed to create listening socket for port 53: Address in use",
                true,
            ),
            ("listen tcp :5353: bind: address already in use", false),
            ("port 53 is ours", false),
        ] {
            assert_eq!(hint(&[line.to_owned()]).is_some(), expected, "{line}");
        }
    }
}

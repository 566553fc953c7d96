//! Which service an error of Compose or the engine is about. They name containers, images, networks, volumes and ports.

use std::collections::BTreeSet;

use crate::{
    model::{Model, Service},
    preflight::service_in,
};

/// The service that a message is about, if it tells of one and no other.
pub fn find(message: &str, model: &Model, project: &str) -> Option<String> {
    if let Some(service) = service_in(message).filter(|name| model.services.contains_key(name)) {
        return Some(service);
    }
    let words: BTreeSet<&str> = message
        .split(|c: char| !(c.is_ascii_alphanumeric() || "._-/:@".contains(c)))
        .map(|word| word.trim_matches(|c| "./:".contains(c)))
        .filter(|word| !word.is_empty())
        .collect();
    let says = |name: &str| words.contains(name);
    let names_container = |name: &str, service: &Service| match &service.container_name {
        Some(container) => words.iter().any(|word| is_container(word, container)),
        None => words.iter().any(|word| {
            let rest = word.rsplit_once(&format!("{project}-{name}-"));
            rest.is_some_and(|(before, number)| {
                is_number(number) && (before.is_empty() || before.ends_with('_'))
            })
        }),
    };
    let in_network = |service: &Service| {
        let mut networks = service.networks.iter();
        networks.any(|key| {
            let network = model.networks.get(key);
            network.is_some_and(|network| says(&network.name))
        })
    };
    let in_project = |name: &str| says(&format!("{project}_{name}"));
    let with_volume = |service: &Service| {
        let mut volumes = service
            .volumes
            .iter()
            .filter_map(|volume| volume.name.as_ref());
        volumes.any(|name| {
            let volume = model.volumes.get(name);
            volume.map_or_else(|| in_project(name), |volume| says(&volume.name))
        })
    };
    let with_variable = |service: &Service| {
        let mut texts = service.texts.iter();
        texts.any(|text| text.variable.is_some() && in_project(&text.name))
    };
    let with_port = |service: &Service| {
        let mut ports = service
            .ports
            .iter()
            .flat_map(|port| [port.first, port.last]);
        ports.any(|port| {
            let ending = format!(":{port}");
            words.iter().any(|word| {
                word.ends_with(&ending)
                    || word.strip_suffix("/tcp").or(word.strip_suffix("/udp"))
                        == Some(&port.to_string())
            })
        })
    };
    let rules: [Rule<'_>; 6] = [
        &names_container,
        &|_, service| service.image.as_deref().is_some_and(says),
        &|_, service| in_network(service),
        &|_, service| with_volume(service),
        &|_, service| with_variable(service),
        &|_, service| with_port(service),
    ];
    rules.iter().find_map(|rule| {
        let services = model.services.iter();
        let mut services =
            services.filter(|(name, service)| service.replicas > 0 && rule(name, service));
        let (name, _) = services.next()?;
        services.next().is_none().then(|| name.clone())
    })
}

/// Whether a message is about a service of this name.
type Rule<'a> = &'a dyn Fn(&str, &Service) -> bool;

/// Whether a word is a container's name, maybe with what Compose puts before it while it replaces the container.
fn is_container(word: &str, name: &str) -> bool {
    let before = word.strip_suffix(name);
    before.is_some_and(|before| before.is_empty() || before.ends_with('_'))
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_service_by_whatever_the_message_names() {
        let model = Model::parse(
            br#"{"services":{
                "web":{"image":"reg.example:5000/team/web:1","ports":[{"target":80,"published":"8080"}],"networks":{"front":null,"both":null},
                    "secrets":[{"source":"key"}]},
                "web-api":{"image":"api","networks":{"both":null},"volumes":[{"type":"volume","source":"data","target":"/d"}]},
                "db":{"image":"db:1","container_name":"shop.db"},
                "dns":{"image":"dns","ports":[{"target":53,"published":"53","protocol":"udp"}]},
                "off":{"image":"db:1","scale":0}},
                "secrets":{"key":{"environment":"X"}},
                "networks":{"front":{"name":"running_front"},"both":{"name":"running_both"}}}"#,
        )
        .unwrap();
        for (message, service) in [
            (
                "dependency failed to start: container running-web-api-1 is unhealthy",
                Some("web-api"),
            ),
            (
                "Conflict. The container name \"/1f2e3d4c5b6a_running-web-1\" is already in use by container \"0\".",
                Some("web"),
            ),
            (
                "Conflict. The container name \"/shop.db\" is already in use",
                Some("db"),
            ),
            ("container 1f2e3d4c5b6a_shop.db exited (1)", Some("db")),
            ("No such image: reg.example:5000/team/web:1", Some("web")),
            (
                "pull access denied for db:1, repository does not exist",
                Some("db"),
            ),
            (
                "failed to create network running_front: all predefined address pools have been fully subnetted",
                Some("web"),
            ),
            ("failed to create network running_both: no", None),
            (
                "error while mounting volume running_data: no such file",
                Some("web-api"),
            ),
            (
                "environment variable \"X\" required by file \"running_key\" is not set",
                Some("web"),
            ),
            (
                "driver failed programming external connectivity on endpoint x: Bind for 0.0.0.0:8080 failed: port is already allocated",
                Some("web"),
            ),
            (
                "listen udp4 0.0.0.0:53: bind: address already in use",
                Some("dns"),
            ),
            (
                "listen tcp4 0.0.0.0:5353: bind: address already in use",
                None,
            ),
            ("service \"nobody\" is odd", None),
            ("no space left on device", None),
            ("", None),
        ] {
            assert_eq!(
                find(message, &model, "running").as_deref(),
                service,
                "{message}"
            );
        }
    }
}

//! Servers: a registry, and the mirrors before it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use ureq::http::uri::Authority;
use ureq::http::{Method, Uri};

use crate::error::{Error, Result};
use crate::location::shown;
use crate::registry_keys::normal_name;
use crate::request::Request;
use crate::retry::Failure;
use crate::settings::Settings;
use crate::transport::Transport;

const HUB: &str = "docker.io";
/// Where Docker Hub's API is.
const HUB_SERVER: &str = "registry-1.docker.io";

/// One server.
#[derive(Debug)]
pub(crate) struct Endpoint {
    /// Its name in messages, settings and Docker's configuration.
    pub(crate) registry: String,
    authority: Authority,
    /// What goes before the repository's name; empty, or with a slash at its end.
    prefix: String,
    scheme: Mutex<Scheme>,
}

/// How to talk to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scheme {
    Https,
    Http,
    /// It is insecure, and was not tried yet.
    Unknown,
}

/// All servers, by registry.
pub(crate) struct Directory {
    mirrors: HashMap<String, Vec<Arc<Endpoint>>>,
    registries: Mutex<HashMap<String, Arc<Endpoint>>>,
}

impl Directory {
    pub(crate) fn new(settings: &Settings) -> Result<Self> {
        let mut mirrors = HashMap::new();
        for (registry, urls) in &settings.mirrors {
            let endpoints: Result<Vec<Arc<Endpoint>>> = urls
                .iter()
                .map(|url| Endpoint::mirror(url).map(Arc::new))
                .collect();
            mirrors.insert(normal_name(registry), endpoints?);
        }
        Ok(Self {
            mirrors,
            registries: Mutex::default(),
        })
    }

    /// Where to ask for a registry's images, in this order; the registry itself is the last.
    pub(crate) fn endpoints(
        &self,
        registry: &str,
        transport: &Transport,
    ) -> Result<Vec<Arc<Endpoint>>> {
        let mut endpoints = self.mirrors.get(registry).cloned().unwrap_or_default();
        let mut registries = self
            .registries
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let own = if let Some(known) = registries.get(registry) {
            Arc::clone(known)
        } else {
            let new = Arc::new(Endpoint::registry(registry, transport)?);
            registries.insert(registry.to_owned(), Arc::clone(&new));
            new
        };
        endpoints.push(own);
        Ok(endpoints)
    }
}

impl Endpoint {
    fn registry(registry: &str, transport: &Transport) -> Result<Self> {
        let server = if registry == HUB {
            HUB_SERVER
        } else {
            registry
        };
        let authority: Authority = server.parse().map_err(|_| Error::Setting {
            what: "registry",
            value: registry.to_owned(),
            why: "it is not a host with an optional port".into(),
        })?;
        let scheme = if transport.is_insecure(&authority) {
            Scheme::Unknown
        } else {
            Scheme::Https
        };
        Ok(Self {
            registry: registry.to_owned(),
            authority,
            prefix: String::new(),
            scheme: Mutex::new(scheme),
        })
    }

    fn mirror(url: &str) -> Result<Self> {
        let full = if url.contains("://") {
            url.to_owned()
        } else {
            format!("https://{url}")
        };
        let unusable = |why: &str| Error::Setting {
            what: "mirror",
            // It may hold a password.
            value: full
                .parse::<Uri>()
                .map_or_else(|_| "…".into(), |url| shown(&url)),
            why: why.to_owned(),
        };
        let uri: Uri = full.parse().map_err(|_| unusable("it is not a URL"))?;
        let scheme = match uri.scheme_str() {
            Some("https") => Scheme::Https,
            Some("http") => Scheme::Http,
            _ => return Err(unusable("it is neither http nor https")),
        };
        let authority = uri
            .authority()
            .ok_or_else(|| unusable("it has no host"))?
            .clone();
        if authority.as_str().contains('@') {
            return Err(unusable(
                "it holds a user; give credentials for the mirror as for a registry",
            ));
        }
        if uri.query().is_some() {
            return Err(unusable("it has a query"));
        }
        let path = uri.path().trim_matches('/');
        Ok(Self {
            registry: authority.to_string(),
            authority,
            prefix: if path.is_empty() {
                String::new()
            } else {
                format!("{path}/")
            },
            scheme: Mutex::new(scheme),
        })
    }

    /// Its host and port.
    pub(crate) fn authority(&self) -> &Authority {
        &self.authority
    }

    /// The repository's name on this server.
    pub(crate) fn repository(&self, path: &str) -> String {
        format!("{}{path}", self.prefix)
    }

    /// The URL of something of a repository (OCI distribution specification, "Endpoints").
    pub(crate) fn url(
        &self,
        transport: &Transport,
        repository: &str,
        rest: &str,
    ) -> Result<Uri, Failure> {
        let scheme = match self.detect_scheme(transport)? {
            Scheme::Http => "http",
            Scheme::Https | Scheme::Unknown => "https",
        };
        self.parse(scheme, &format!("{repository}/{rest}"))
    }

    /// Whether it is known to be spoken to without TLS.
    pub(crate) fn is_plain(&self) -> bool {
        *self.scheme.lock().unwrap_or_else(PoisonError::into_inner) == Scheme::Http
    }

    /// An insecure registry is tried with TLS first, as Docker does, so that a password goes in clear only where there
    /// is no other way.
    fn detect_scheme(&self, transport: &Transport) -> Result<Scheme, Failure> {
        let mut scheme = self.scheme.lock().unwrap_or_else(PoisonError::into_inner);
        if *scheme != Scheme::Unknown {
            return Ok(*scheme);
        }
        *scheme = match self.ping("https", transport) {
            Ok(()) => Scheme::Https,
            Err(Failure::Final(error)) if error.is_ours() => {
                return Err(Failure::Final(error));
            }
            Err(_) => self.ping("http", transport).map(|()| Scheme::Http)?,
        };
        Ok(*scheme)
    }

    fn ping(&self, scheme: &str, transport: &Transport) -> Result<(), Failure> {
        let answer = transport.send(&Request {
            method: Method::GET,
            url: self.parse(scheme, "")?,
            accept: "*/*",
            authorization: None,
            from: None,
            form: None,
            hidden: Vec::new(),
        })?;
        answer.drain();
        Ok(())
    }

    fn parse(&self, scheme: &str, path: &str) -> Result<Uri, Failure> {
        let url = format!("{scheme}://{}/v2/{path}", self.authority);
        url.parse().map_err(|_| {
            Failure::from(Error::Setting {
                what: "registry",
                value: self.registry.clone(),
                why: "it makes no URL".into(),
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(registry: &str, settings: Settings) -> Vec<String> {
        let directory = Directory::new(&settings).unwrap();
        let transport = Transport::new(settings).unwrap();
        directory
            .endpoints(registry, &transport)
            .unwrap()
            .iter()
            .map(|endpoint| {
                let repository = endpoint.repository("library/redis");
                endpoint
                    .url(&transport, &repository, "manifests/7")
                    .unwrap()
                    .to_string()
            })
            .collect()
    }

    #[test]
    fn asks_docker_hub_where_its_api_is() {
        assert_eq!(
            url("docker.io", Settings::default()),
            ["https://registry-1.docker.io/v2/library/redis/manifests/7"]
        );
    }

    #[test]
    fn asks_mirrors_first_and_the_registry_last() {
        let mirrors = [
            "mirror.example:5000",
            "http://plain.example/",
            "https://harbor.example/hub",
        ];
        let settings = Settings {
            mirrors: [("docker.io".into(), mirrors.map(str::to_owned).to_vec())].into(),
            ..Settings::default()
        };
        assert_eq!(
            url("docker.io", settings),
            [
                "https://mirror.example:5000/v2/library/redis/manifests/7",
                "http://plain.example/v2/library/redis/manifests/7",
                "https://harbor.example/v2/hub/library/redis/manifests/7",
                "https://registry-1.docker.io/v2/library/redis/manifests/7",
            ]
        );
    }

    #[test]
    fn refuses_mirrors_that_are_none_without_showing_passwords() {
        for mirror in [
            "https://anna:geheim@mirror.example",
            "ftp://mirror.example",
            "https://m?geheim",
            "https:// m/geheim",
        ] {
            let settings = Settings {
                mirrors: [("docker.io".into(), vec![mirror.to_owned()])].into(),
                ..Settings::default()
            };
            let error = Directory::new(&settings).err().unwrap();
            assert!(error.is_settings());
            assert!(!format!("{error} {error:?}").contains("geheim"), "{error}");
        }
    }
}

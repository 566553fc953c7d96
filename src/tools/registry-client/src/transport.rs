//! One request and its answer, over any number of redirects.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use ureq::Agent;
use ureq::config::AutoHeaderValue;
use ureq::http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, LOCATION, RANGE};
use ureq::http::uri::Authority;
use ureq::http::{self, Method, Uri};
use ureq::tls::{Certificate, TlsConfig};
use ureq::unversioned::resolver::DefaultResolver;

use crate::answer::Answer;
use crate::cancel::Cancel;
use crate::error::{Error, Result};
use crate::host_rules::{is_listed, is_loopback};
use crate::location::{follow, is_same_origin, shown};
use crate::proxy::{Route, Routes};
use crate::request::{Request, method_name};
use crate::retry::Failure;
use crate::roots;
use crate::settings::Settings;
use crate::tls;
use crate::trust::Trust;

const USER_AGENT: &str = concat!("containers/", env!("CARGO_PKG_VERSION"));
/// Above the number of layers that anybody fetches at a time.
const IDLE_CONNECTIONS: usize = 16;
const ROUTES: usize = 3;

/// Connections to servers.
pub(crate) struct Transport {
    /// By route, first those that verify certificates. ureq shares connections and TLS settings within an agent.
    agents: [OnceLock<Agent>; 2 * ROUTES],
    own_roots: Vec<Certificate<'static>>,
    trust: OnceLock<Arc<Trust>>,
    routes: Routes,
    pub(crate) settings: Settings,
    pub(crate) cancel: Arc<Cancel>,
}

impl Transport {
    pub(crate) fn new(settings: Settings) -> Result<Self> {
        Ok(Self {
            agents: Default::default(),
            own_roots: roots::from_files(&settings.ca_files)?,
            trust: OnceLock::new(),
            routes: Routes::new(&settings.proxies)?,
            settings,
            cancel: Arc::default(),
        })
    }

    /// Whether plain HTTP or any certificate will do.
    pub(crate) fn is_insecure(&self, authority: &Authority) -> bool {
        is_loopback(authority) || self.is_named_insecure(authority)
    }

    /// Whether somebody said so of this server.
    pub(crate) fn is_named_insecure(&self, authority: &Authority) -> bool {
        is_listed(&self.settings.insecure, authority)
    }

    /// Ends all connections, and lets no new ones come up.
    pub(crate) fn cancel(&self) {
        self.cancel.call();
        for agent in self.agents.iter().filter_map(OnceLock::get) {
            agent.clone().shutdown();
        }
    }

    /// Sends a request, and follows redirects. An answer of any status is `Ok`.
    pub(crate) fn send(&self, request: &Request<'_>) -> Result<Answer, Failure> {
        let mut url = request.url.clone();
        for _ in 0..=self.settings.limits.redirects {
            let answer = self.exchange(request, &url)?;
            // A form holds a secret: it goes nowhere else.
            if !answer.is_redirect() || request.form.is_some() {
                return Ok(answer);
            }
            let refused = |why: String| Error::Redirect {
                url: shown(&url),
                why,
            };
            let Some(location) = answer.header(&LOCATION).map(str::to_owned) else {
                return Err(refused("there is no Location".into()).into());
            };
            let next = follow(&url, &location).map_err(|why| refused(why.into()))?;
            let downgrade = url.scheme_str() == Some("https") && next.scheme_str() == Some("http");
            let excused = next
                .authority()
                .is_some_and(|authority| self.is_insecure(authority));
            if downgrade && !excused {
                return Err(refused(format!(
                    "{} is plain http, and not named as insecure",
                    shown(&next)
                ))
                .into());
            }
            answer.drain();
            url = next;
        }
        Err(Failure::from(Error::Redirect {
            url: shown(&request.url),
            why: format!(
                "there are more than {} redirects",
                self.settings.limits.redirects
            ),
        }))
    }

    fn exchange(&self, request: &Request<'_>, url: &Uri) -> Result<Answer, Failure> {
        self.cancel.check()?;
        let mut builder = http::Request::builder()
            .method(request.method.clone())
            .uri(url.clone())
            .header(ACCEPT, request.accept);
        if let Some(authorization) = &request.authorization
            && is_same_origin(&request.url, url)
        {
            builder = builder.header(AUTHORIZATION, authorization.reveal());
        }
        if let Some(from) = request.from {
            builder = builder.header(RANGE, format!("bytes={from}-"));
        }
        let agent = self.agent(url);
        let failed = |error| Self::failure(&request.method, url, error);
        let response = match &request.form {
            Some(form) => agent.run(
                builder
                    .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
                    .body(form.reveal())
                    .map_err(|error| failed(error.into()))?,
            ),
            None => agent.run(builder.body(()).map_err(|error| failed(error.into()))?),
        };
        // Its own test: after a cancel, an agent fails in any of several ways.
        self.cancel.check()?;
        Ok(Answer::new(request, url, response.map_err(failed)?))
    }

    pub(crate) fn agent(&self, url: &Uri) -> &Agent {
        let route = self.routes.route(url);
        let verified = !url
            .authority()
            .is_some_and(|authority| self.is_insecure(authority));
        let slot = match route {
            Route::Direct => 0,
            Route::HttpProxy => 1,
            Route::HttpsProxy => 2,
        } + if verified { 0 } else { ROUTES };
        self.agents[slot].get_or_init(|| self.make_agent(route, verified))
    }

    fn make_agent(&self, route: Route, verified: bool) -> Agent {
        // Without a connector of one's own, this holds; with one, the connector decides.
        let tls = TlsConfig::builder().disable_verification(!verified);
        let user_agent = match self.settings.user_agent.as_str() {
            "" => USER_AGENT.to_owned(),
            own => own.to_owned(),
        };
        let timeouts = &self.settings.timeouts;
        let config = Agent::config_builder()
            .tls_config(tls.build())
            .proxy(self.routes.proxy(route))
            .user_agent(AutoHeaderValue::Provided(Arc::new(user_agent)))
            // Blobs must come as they are, or their digests would not hold.
            .accept_encoding(AutoHeaderValue::None)
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .max_idle_connections(2 * IDLE_CONNECTIONS)
            .max_idle_connections_per_host(IDLE_CONNECTIONS)
            .timeout_resolve(Some(timeouts.connect))
            .timeout_connect(Some(timeouts.connect))
            .timeout_send_request(Some(timeouts.response))
            .timeout_send_body(Some(timeouts.response))
            .timeout_recv_response(Some(timeouts.response))
            .timeout_per_read(Some(timeouts.stall))
            .build();
        if !verified {
            return config.into();
        }
        let trust = self.trust.get_or_init(|| {
            let certificates = roots::of_the_system().into_iter();
            let certificates = certificates.chain(self.own_roots.iter().cloned());
            let certificates = certificates
                .map(|certificate| CertificateDer::from(certificate.der()).into_owned())
                .collect();
            Arc::new(Trust::new(certificates))
        });
        Agent::with_parts(config, tls::connector(trust), DefaultResolver::default())
    }

    /// What an exchange without an answer means.
    pub(crate) fn failure(method: &Method, url: &Uri, error: ureq::Error) -> Failure {
        let source = error.into_io();
        if let Some(certificate) = certificate_error(&source) {
            return Failure::from(Error::Certificate {
                host: url
                    .authority()
                    .map_or_else(String::new, ToString::to_string),
                source: std::io::Error::other(certificate),
            });
        }
        Failure::passing(
            Error::Connection {
                method: method_name(method),
                url: shown(url),
                attempts: 0,
                source,
            },
            None,
        )
    }

    /// How long a document may take.
    pub(crate) fn document_time(&self) -> Duration {
        self.settings.timeouts.document
    }
}

/// The TLS error behind a failure, if it is about the server's certificate.
fn certificate_error(error: &std::io::Error) -> Option<rustls::Error> {
    let inner = error.get_ref()?;
    let tls = match inner.downcast_ref::<ureq::Error>() {
        Some(ureq::Error::Rustls(tls)) => Some(tls),
        Some(ureq::Error::Io(error)) => return certificate_error(error),
        _ => inner.downcast_ref::<rustls::Error>(),
    };
    tls.filter(|tls| matches!(tls, rustls::Error::InvalidCertificate(_)))
        .cloned()
}

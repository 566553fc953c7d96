//! Requests to one server about one repository, with their authorization.

use ureq::http::Method;

use crate::answer::{Answer, Subject};
use crate::auth::AuthCache;
use crate::endpoint::Endpoint;
use crate::request::Request;
use crate::retry::Failure;
use crate::transport::Transport;

/// Connections, and what authorizes their requests.
pub(crate) struct RegistrySession {
    pub(crate) transport: Transport,
    pub(crate) auth: AuthCache,
}

impl RegistrySession {
    /// Asks once; if the server wants to know who asks, twice.
    pub(crate) fn ask(
        &self,
        endpoint: &Endpoint,
        path: &str,
        method: &Method,
        rest: &str,
        accept: &str,
        from: Option<u64>,
    ) -> Result<Answer, Failure> {
        let repository = endpoint.repository(path);
        let mut request = Request {
            method: method.clone(),
            url: endpoint.url(&self.transport, &repository, rest)?,
            accept,
            authorization: self
                .auth
                .authorization(&self.transport, endpoint, &repository)?,
            from,
            form: None,
            hidden: Vec::new(),
        };
        request.hidden = self.auth.secrets(endpoint, request.authorization.as_ref());
        let answer = self.transport.send(&request)?;
        // A server that was redirected to may not ask for the registry's credentials.
        if answer.status != 401 || !answer.is_first_hand {
            return Ok(answer);
        }
        let used = request.authorization.take();
        let authorization = self.auth.after_refusal(
            &self.transport,
            endpoint,
            &repository,
            used.as_ref(),
            &answer,
        )?;
        if authorization.is_none() {
            return Ok(answer);
        }
        answer.drain();
        request.authorization = authorization;
        request.hidden = self.auth.secrets(endpoint, request.authorization.as_ref());
        self.transport.send(&request)
    }

    pub(crate) fn subject(&self, endpoint: &Endpoint, what: String) -> Subject {
        Subject {
            registry: endpoint.registry.clone(),
            what,
            anonymous: self.auth.is_anonymous(endpoint),
        }
    }
}

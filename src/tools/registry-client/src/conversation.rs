//! Asking one server for something of one repository, with whatever lets one in.

use ureq::http::Method;

use crate::answer::{Answer, Subject};
use crate::auth::Doors;
use crate::endpoint::Endpoint;
use crate::retry::Failure;
use crate::transport::{Request, Transport};

/// Connections and what they are let in with.
pub(crate) struct Conversation {
    pub(crate) transport: Transport,
    pub(crate) doors: Doors,
}

impl Conversation {
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
                .doors
                .authorization(&self.transport, endpoint, &repository)?,
            from,
            form: None,
            hidden: Vec::new(),
        };
        request.hidden = self.doors.secrets(endpoint, request.authorization.as_ref());
        let answer = self.transport.send(&request)?;
        // A server that was redirected to may not ask for the registry's credentials.
        if answer.status != 401 || !answer.is_first_hand {
            return Ok(answer);
        }
        let used = request.authorization.take();
        let authorization = self.doors.after_refusal(
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
        request.hidden = self.doors.secrets(endpoint, request.authorization.as_ref());
        self.transport.send(&request)
    }

    pub(crate) fn subject(&self, endpoint: &Endpoint, what: String) -> Subject {
        Subject {
            registry: endpoint.registry.clone(),
            what,
            anonymous: self.doors.is_anonymous(endpoint),
        }
    }
}

//! The API of the OCI distribution specification 1.1, with Docker's media types.

mod along;
mod blobs;
mod lists;
mod manifests;
mod mirrored;
mod open_uploads;
mod operations;
mod query;
mod range;
mod request_body;
mod route;
mod uploads;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, HeaderName, HeaderValue};
use hyper::{Method, Request, Response};

use open_uploads::OpenUploads;
use query::Query;
use route::{Resource, Route};

use crate::access::{Access, Identity, Login, Refusal, Right};
use crate::health::Health;
use crate::http::{self, ApiError, Body, Outcome, challenge};
use crate::images::{Images, Name};
use crate::metrics::Metrics;
use crate::names::Repository;
use crate::page;
use crate::storage::Storage;

const VERSION: HeaderName = HeaderName::from_static("docker-distribution-api-version");

/// The registry that requests are answered from.
pub struct Registry {
    storage: Storage,
    images: Images,
    access: Access,
    uploads: OpenUploads,
    health: Arc<Health>,
    metrics: Metrics,
    page: page::Sources,
}

/// Who asks.
#[derive(Clone, Debug)]
pub struct Client {
    /// From where.
    pub address: IpAddr,
    /// The login that its certificate stands for.
    pub certificate: Option<Identity>,
}

impl Registry {
    /// With these images and these logins.
    pub fn new(
        images: Images,
        access: Access,
        health: Arc<Health>,
        metrics: Metrics,
        page: page::Sources,
    ) -> Self {
        Self {
            storage: images.storage().clone(),
            access,
            uploads: OpenUploads::default(),
            health,
            metrics,
            page,
            images,
        }
    }

    /// What it counts.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// The logins.
    pub fn access(&self) -> &Access {
        &self.access
    }

    /// Answers a request.
    pub async fn handle(&self, client: &Client, request: Request<Incoming>) -> Response<Body> {
        let began = Instant::now();
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let started = self.metrics.start(&method, &path);
        let is_watched = operations::is_watched(&path);
        let mut user = None;
        let outcome = self.answer(client, request, &mut user).await;
        let user = user.as_deref().unwrap_or("-");
        let elapsed_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let mut response = match outcome {
            Ok(response) => {
                let status = response.status().as_u16();
                // what monit and Prometheus ask at every turn would drown everything else
                if !is_watched {
                    tracing::info!(%method, %path, status, user, client = %client.address, elapsed_ms, "answered");
                }
                response
            }
            Err(error) => {
                let status = error.status().as_u16();
                let why = error.message();
                tracing::info!(%method, %path, status, user, client = %client.address, elapsed_ms, why, "refused");
                let why = why.to_owned();
                let refused = error.into_response();
                if page::is_here(&path) {
                    page::refusal(&refused, &why, &method)
                } else {
                    refused
                }
            }
        };
        let headers = response.headers_mut();
        headers.insert(VERSION, HeaderValue::from_static("registry/2.0"));
        started.answered(response)
    }

    async fn answer(
        &self,
        client: &Client,
        request: Request<Incoming>,
        user: &mut Option<String>,
    ) -> Outcome {
        if request.uri().path() == operations::HEALTH {
            return operations::health(self, &request).await;
        }
        let identity = self.identity(client, &request).await?;
        *user = identity.name().map(str::to_owned);
        if request.uri().path() == operations::METRICS {
            return operations::metrics(self, &identity, &request).await;
        }
        if page::is_here(request.uri().path()) {
            let is_open = self.access.lets_anybody_pull();
            return page::answer(&self.page, &identity, is_open, &request).await;
        }
        let route = Route::parse(request.uri().path())?;
        let right = route.right(request.method())?;
        if right.is_none() && identity.name().is_none() && !self.access.lets_anybody_pull() {
            return Err(challenge("a login is needed"));
        }
        let (repository, resource) = match route {
            Route::Ping => {
                return Ok(http::Answer::new(hyper::StatusCode::OK)
                    .json("application/json", &serde_json::json!({})));
            }
            Route::Catalog => return lists::catalog(self, &identity, request.uri()).await,
            Route::In(repository, resource) => (repository, resource),
        };
        let query = Query::of(request.uri());
        let images = &self.images;
        let name = images.name(repository, query.get("ns"), right, &identity);
        let name = name.await?.ok_or_else(|| {
            ApiError::name_unknown("the registry that ns names is none whose images are here")
        })?;
        let name = self.granted(name, right, &identity);
        if let Some(right) = right
            && !identity.may(right, name.repository())
        {
            return Err(refused(&identity, right));
        }
        let is_write = right.is_some_and(|right| right != Right::Pull);
        if let Some(source) = self.frozen_source(&name).filter(|_| is_write) {
            return Err(ApiError::denied(format!(
                "images of this repository are frozen: {} on the registry's VM brings them, and only a release with others changes them",
                source.display()
            )));
        }
        match (resource, request.method()) {
            (Resource::Manifest(reference), &Method::GET) => {
                manifests::get(self, &name, &reference, true).await
            }
            (Resource::Manifest(reference), &Method::HEAD) => {
                let response = manifests::get(self, &name, &reference, false).await?;
                Ok(response.map(|_| http::empty()))
            }
            (Resource::Blob(digest), &Method::GET | &Method::HEAD) => {
                blobs::get(self, &name, digest, &request).await
            }
            (resource, _) => {
                let frozen = self.images.frozen_repository(&name);
                let repository = match (name, frozen) {
                    (Name::Own(repository), _) | (Name::Mirrored(_), Some(repository)) => {
                        repository
                    }
                    (name, None) => {
                        return mirrored::answer(&name, &resource, request.method());
                    }
                };
                self.own(repository, resource, &identity, request).await
            }
        }
    }

    /// The name by which a login may pull: a right to a frozen image's whole name holds for those who leave the registry out.
    fn granted(&self, name: Name, right: Option<Right>, identity: &Identity) -> Name {
        if right != Some(Right::Pull) || identity.may(Right::Pull, name.repository()) {
            return name;
        }
        let whole = self.images.frozen_repository(&name);
        let granted = whole.filter(|whole| identity.may(Right::Pull, whole));
        granted.map_or(name, Name::Own)
    }

    /// The package that brought images of a repository.
    fn frozen_source(&self, name: &Name) -> Option<std::path::PathBuf> {
        let repository = self.images.frozen_repository(name)?;
        self.images.frozen().source(&repository)
    }

    /// Answers what is asked of a repository that is this registry's own.
    async fn own(
        &self,
        repository: Repository,
        resource: Resource,
        identity: &Identity,
        request: Request<Incoming>,
    ) -> Outcome {
        let uri = request.uri();
        match resource {
            Resource::Tags => lists::tags(self, repository, uri).await,
            Resource::Referrers(subject) => lists::referrers(self, repository, subject, uri).await,
            Resource::Manifest(reference) if request.method() == Method::PUT => {
                manifests::put(self, repository, reference, request).await
            }
            Resource::Manifest(reference) => manifests::delete(self, repository, reference).await,
            Resource::Blob(digest) => blobs::delete(self, repository, digest).await,
            Resource::Uploads => uploads::begin(self, identity, repository, request).await,
            Resource::Upload(id) => uploads::answer(self, identity, repository, id, request).await,
        }
    }

    /// Whose request it is: a login that it brings counts more than the certificate of its connection.
    async fn identity(
        &self,
        client: &Client,
        request: &Request<Incoming>,
    ) -> Result<Identity, ApiError> {
        let header = request.headers().get(AUTHORIZATION);
        let Some(header) = header else {
            return Ok(client
                .certificate
                .clone()
                .unwrap_or_else(|| self.access.nobody()));
        };
        let login = Login::parse(header.as_bytes())
            .ok_or_else(|| challenge("the Authorization is none of HTTP's scheme Basic"))?;
        match self.access.check(client.address, login).await {
            Ok(identity) => Ok(identity),
            Err(refusal) => {
                self.metrics.login_failed(refusal == Refusal::TooMany);
                Err(match refusal {
                    Refusal::Wrong => challenge("the name or the password is wrong"),
                    Refusal::TooMany => ApiError::too_many_requests(
                        "too many logins from this address failed; wait a minute",
                    ),
                })
            }
        }
    }
}

fn refused(identity: &Identity, right: Right) -> ApiError {
    let Some(name) = identity.name() else {
        return challenge("a login is needed");
    };
    ApiError::denied(format!("{name} may not {} here", right.as_str()))
}

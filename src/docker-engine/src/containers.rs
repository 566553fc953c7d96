//! Containers: what there is, their state, and stopping them.

use std::{collections::BTreeMap, time::Duration};

use serde::Deserialize;
use serde_json::json;

use crate::{
    Container, ContainerSummary, Engine, Result, Timeouts,
    request::{Payload, Request, segment},
};

/// Which containers, or which events.
#[derive(Clone, Debug, Default)]
pub struct Filters {
    /// Those too that do not run.
    pub all: bool,
    /// Labels, `key` or `key=value`; all must be there.
    pub labels: Vec<String>,
    /// Further filters of the call, name and value.
    pub more: Vec<(String, String)>,
}

impl Filters {
    /// Every container, running or not.
    #[must_use]
    pub fn all() -> Self {
        Self {
            all: true,
            ..Self::default()
        }
    }

    /// Only what carries this label, `key` or `key=value`.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.labels.push(label.into());
        self
    }

    /// A further filter of the call, such as `type` = `container`.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.more.push((name.into(), value.into()));
        self
    }

    pub(crate) fn to_query(&self) -> String {
        let mut filters: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for label in &self.labels {
            filters.entry("label").or_default().push(label);
        }
        for (name, value) in &self.more {
            filters.entry(name).or_default().push(value);
        }
        json!(filters).to_string()
    }
}

impl Engine {
    /// The containers that pass the filters.
    pub fn containers(&self, filters: &Filters) -> Result<Vec<ContainerSummary>> {
        let request = Request::get("/containers/json").query("filters", filters.to_query());
        self.json(if filters.all {
            request.query("all", "1")
        } else {
            request
        })
    }

    /// A container, by ID or name.
    pub fn inspect_container(&self, id: &str) -> Result<Container> {
        self.json(Request::get(format!("/containers/{}/json", segment(id))))
    }

    /// Makes a container from the API's own JSON (`POST /containers/create`) and returns its ID. It is not started.
    pub fn create_container(
        &self,
        name: Option<&str>,
        config: serde_json::Value,
    ) -> Result<String> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Created {
            id: String,
        }
        let request = Request::post("/containers/create")
            .payload(Payload::Json(config))
            .timeouts(Timeouts::silence(Duration::from_mins(2)));
        let created: Created = self.json(match name {
            Some(name) => request.query("name", name),
            None => request,
        })?;
        Ok(created.id)
    }

    /// Starts a container; one that runs is left alone.
    pub fn start_container(&self, id: &str) -> Result<()> {
        let request = Request::post(format!("/containers/{}/start", segment(id)));
        self.done(request.timeouts(Timeouts::silence(Duration::from_mins(2))))
    }

    /// Stops a container: its stop signal, and SIGKILL after `grace` (its own grace period if not given). One that does
    /// not run is left alone. The call is given `grace` (or, without it, 10 minutes) and half a minute more.
    pub fn stop_container(&self, id: &str, grace: Option<Duration>) -> Result<()> {
        let request = Request::post(format!("/containers/{}/stop", segment(id)));
        let whole = grace.unwrap_or(Duration::from_mins(10)) + Duration::from_secs(30);
        let request = request.timeouts(Timeouts::within(whole));
        self.done(match grace {
            Some(grace) => request.query("t", grace.as_secs().to_string()),
            None => request,
        })
    }

    /// Sends a signal to the first process of a container, by name or number. The engine does not start a container again that ends after
    /// it, whatever its restart policy says. For a container whose process is gone it notices that (moby, `daemon/kill.go`), after the
    /// container's grace period at most.
    pub fn kill_container(&self, id: &str, signal: &str) -> Result<()> {
        let request = Request::post(format!("/containers/{}/kill", segment(id)));
        self.done(request.query("signal", signal))
    }

    /// Gives a container another name; it may run.
    pub fn rename_container(&self, id: &str, name: &str) -> Result<()> {
        let request = Request::post(format!("/containers/{}/rename", segment(id)));
        self.done(request.query("name", name))
    }

    /// Removes a container, by force if it runs. Its anonymous volumes stay. One that is gone already is no error.
    pub fn remove_container(&self, id: &str, force: bool) -> Result<()> {
        let request = Request::delete(format!("/containers/{}", segment(id)))
            .timeouts(Timeouts::silence(Duration::from_mins(2)));
        match self.done(if force {
            request.query("force", "1")
        } else {
            request
        }) {
            Err(error) if error.is_not_found() => Ok(()),
            outcome => outcome,
        }
    }
}

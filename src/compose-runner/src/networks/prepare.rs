//! Before `up`: networks that no longer fit are removed, and internal ones made, so that the VM's address in them is known
//! before containers are.

use std::collections::BTreeSet;

use anyhow::Context as _;
use bosh_job::ExitCode;
use docker_engine::{Engine, Filters, Network};

use super::{
    Claims, NameServers,
    gateways::{Gateways, confined, gateways},
    in_force::InForce,
    stale::Stale,
};
use crate::{
    bring_up::BringUp,
    child::{End, ended},
    compose::PROJECT_LABEL,
    failure::{Failure, Outcome, error},
    model::Model,
    preflight::refusal,
};

impl BringUp<'_> {
    /// The settings under which dockerd runs, and the VM's addresses in the project's internal networks, without those
    /// whose port 53 the recipe has.
    pub fn seen_of_networks(&self) -> Outcome<(InForce, Gateways)> {
        let project = self.settings.recipe.project.as_str();
        let mut gateways = gateways(project, &self.networks()?)
            .context("looking for the VM's addresses in internal networks")?;
        self.claims.take_from(&mut gateways);
        Ok((InForce::read(&self.paths.daemon_json()), gateways))
    }

    fn networks(&self) -> Outcome<Vec<Network>> {
        Ok(self.engine.networks(&Filters::default())?)
    }

    /// Removes networks that no longer fit, with the containers in them stopped, and makes what is missing of internal
    /// ones; no container starts here. `label` has written the override file before, and does it again if this changes what is in it.
    pub fn prepare_networks(&self, model: &Model) -> Outcome<()> {
        let project = self.settings.recipe.project.as_str();
        let networks = self.networks()?;
        let containers = self.engine.containers(&Filters::all())?;
        let in_force = InForce::read(&self.paths.daemon_json());
        let stale = Stale::find(model, &in_force, project, &networks, &containers);
        self.remove(&stale)?;

        let is_there = |name: &str| {
            let removed =
                |network: &Network| stale.networks.iter().any(|(gone, _)| gone.id == network.id);
            networks
                .iter()
                .any(|network| network.name == name && !removed(network))
        };
        let new = confined(model)
            .into_iter()
            .filter(|(_, networks)| networks.iter().any(|network| !is_there(&network.name)))
            .map(|(service, _)| service);
        let new: BTreeSet<&str> = new.collect();
        if stale.services.is_empty() && new.is_empty() {
            return Ok(());
        }
        // Only what is new, or what was made for a network that is no more, is made here.
        self.make(&new, false, model)?;
        self.make(&stale.services, true, model)?;
        self.label(model)
    }

    /// Stops what runs in the networks that are to go, and removes them.
    fn remove(&self, stale: &Stale<'_>) -> Outcome<()> {
        if stale.networks.is_empty() {
            return Ok(());
        }
        if let Some((container, network)) = stale.strangers.first() {
            let mut found = error(format!(
                "network {network} must be recreated, and container {container}, which is not of the recipe, runs in it"
            ));
            found.hint = Some(format!(
                "take it out (`docker network disconnect {network} {container}`) and deploy again"
            ));
            return Err(Failure::one(ExitCode::Failed, found));
        }
        for (network, why) in &stale.networks {
            tracing::info!(
                network = network.name,
                "a network cannot be changed; it is recreated, and the services in it with it, since {why} changed"
            );
        }
        let services = stale.services.iter().copied();
        let command: Vec<&str> = ["stop"].into_iter().chain(services).collect();
        if !stale.services.is_empty() {
            let project = self.settings.recipe.project.as_str();
            self.succeed(
                "stop",
                self.compose.on_project(project, &command, self.left()),
            )?;
        }
        for (network, _) in &stale.networks {
            self.engine.remove_network(&network.id)?;
        }
        Ok(())
    }

    /// Has Compose make containers, and the networks that they want, and start nothing. Anonymous volumes go from the old
    /// container to the new one.
    fn make(&self, services: &BTreeSet<&str>, recreate: bool, model: &Model) -> Outcome<()> {
        // those that the recipe no longer has are for `up` to remove
        let services: Vec<&str> = services
            .iter()
            .copied()
            .filter(|service| model.services.contains_key(*service))
            .collect();
        if services.is_empty() {
            return Ok(());
        }
        let mut command = vec!["up", "--no-start", "--no-deps"];
        if recreate {
            command.push("--force-recreate");
        }
        command.extend(services);
        let project = self.settings.recipe.project.as_str();
        self.succeed(
            "up --no-start",
            self.compose.on_recipe(project, &command, self.left()),
        )
    }

    fn succeed(&self, command: &str, end: End) -> Outcome<()> {
        match end {
            End::Cancelled => Err(Failure::Cancelled),
            End::Exited { status, .. } if status.success() => Ok(()),
            End::Exited { status, tail } => {
                let refusal = refusal(self.compose, &self.settings.recipe, self.redactor);
                Err(refusal.map_or_else(
                    || self.compose_failed(command, &ended(status), tail),
                    |refusal| Failure::one(ExitCode::BadConfig, refusal),
                ))
            }
            End::TimedOut { tail } => {
                Err(self.compose_failed(command, "did not end in time", tail))
            }
            End::NotStarted(error) => {
                Err(self.compose_failed(command, &error.to_string(), Vec::new()))
            }
        }
    }
}

impl NameServers {
    /// Listens in the internal networks of a project that are there, save where port 53 is claimed: by `claims`, or by the
    /// project's containers. Returns the addresses of all.
    pub fn serve_project(&mut self, engine: &Engine, project: &str, claims: &Claims) -> Gateways {
        if self.domains().is_empty() {
            return Gateways::new();
        }
        match seen(engine, project) {
            Ok((gateways, by_containers)) => {
                let mut left = gateways.clone();
                by_containers.and(claims).take_from(&mut left);
                self.serve(&left);
                gateways
            }
            Err(error) => {
                tracing::warn!(
                    "looking for internal networks, in which names of BOSH DNS are to be answered: {error:#}"
                );
                Gateways::new()
            }
        }
    }
}

/// The VM's addresses in a project's internal networks, and what its containers claim of them.
fn seen(engine: &Engine, project: &str) -> anyhow::Result<(Gateways, Claims)> {
    let filter = Filters::default().label(format!("{PROJECT_LABEL}={project}"));
    let gateways = gateways(project, &engine.networks(&filter)?)?;
    let claims = if gateways.is_empty() {
        Claims::default()
    } else {
        Claims::of_containers(project, engine)?
    };
    Ok((gateways, claims))
}

//! Looking into the deployment's one instance.

use serde_json::Value;

use crate::{Deployment, Outcome};

impl Deployment {
    /// Runs a shell command on the instance, as `bosh ssh -c` does.
    #[must_use]
    pub fn ssh(&self, command: &str) -> Outcome {
        self.solo(&["ssh", "docker/0", "-c", command])
    }

    /// Runs the `docker` client on the instance, as an operator would after `bosh ssh`.
    #[must_use]
    pub fn docker(&self, arguments: &str) -> Outcome {
        self.ssh(&format!(
            ". /var/vcap/jobs/docker/envrc && docker {arguments}"
        ))
    }

    /// The containers of a service, running or not.
    #[must_use]
    pub fn containers(&self, service: &str) -> Vec<String> {
        self.docker(&format!(
            "ps --all --quiet --no-trunc --filter label=com.docker.compose.service={service}"
        ))
        .ok()
        .lines()
        .map(str::to_owned)
        .collect()
    }

    /// When the one container of a service started: changes with every restart.
    ///
    /// # Panics
    /// When the service has not exactly one container.
    #[must_use]
    pub fn started_at(&self, service: &str) -> String {
        let containers = self.containers(service);
        assert_eq!(
            containers.len(),
            1,
            "containers of {service}: {containers:?}"
        );
        self.docker(&format!(
            "inspect --format '{{{{.Id}}}} {{{{.State.Running}}}} {{{{.State.StartedAt}}}}' {}",
            containers[0]
        ))
        .ok()
    }

    /// A file's content on the instance.
    #[must_use]
    pub fn read(&self, path: &str) -> String {
        self.ssh(&format!("cat {path}")).ok()
    }

    /// What the job has logged.
    #[must_use]
    pub fn logs(&self) -> String {
        self.ssh("cd /var/vcap/sys/log/docker && for log in *.log; do echo == $log; tail -n 60 $log; done")
            .text()
    }

    /// The state that `bosh instances --ps` shows of the instance, or of one of its processes.
    ///
    /// # Panics
    /// When the table has no such row.
    #[must_use]
    pub fn state(&self, process: Option<&str>) -> String {
        let text = self.solo(&["instances", "--ps", "--json"]).ok();
        let table: Value = serde_json::from_str(&text)
            .unwrap_or_else(|error| panic!("instances --json: {error}\n{text}"));
        let rows = table["Tables"][0]["Rows"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let row = rows.iter().find(|row| {
            let name = row["process"].as_str().unwrap_or_default();
            process.map_or(name.is_empty() || name == "-", |process| name == process)
        });
        row.map_or_else(
            || panic!("no row of {process:?} in {text}"),
            |row| row["process_state"].as_str().unwrap_or_default().to_owned(),
        )
    }
}

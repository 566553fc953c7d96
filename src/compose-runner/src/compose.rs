//! Compose, run with a clean environment on the recipe.

use std::{
    path::PathBuf,
    process::Command,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use bosh_job::{
    Paths, atomic_write,
    command::{Checked, CommandError, Output},
};

use crate::{
    cancel::Cancel,
    child::{End, Lines, Logged, clean_command},
    redact::Redactor,
};

/// The label that names a container's project.
pub const PROJECT_LABEL: &str = recipe::labels::PROJECT;
/// The label that names its service.
pub const SERVICE_LABEL: &str = recipe::labels::SERVICE;
/// The label that says whether it was made by `docker compose run`.
pub const ONE_OFF_LABEL: &str = recipe::labels::ONE_OFF;

/// Compose, with what it runs on.
pub struct Compose<'a> {
    paths: &'a Paths,
    environment: Vec<(String, String)>,
    redactor: &'a Redactor,
    cancel: &'a Cancel,
}

impl<'a> Compose<'a> {
    /// Compose with this environment and no other.
    pub fn new(
        paths: &'a Paths,
        environment: Vec<(String, String)>,
        redactor: &'a Redactor,
        cancel: &'a Cancel,
    ) -> Self {
        Self {
            paths,
            environment,
            redactor,
            cancel,
        }
    }

    /// What Compose gets of an environment.
    pub fn environment(&self) -> &[(String, String)] {
        &self.environment
    }

    /// Where the labels that the runner adds to the recipe lie.
    pub fn override_file(paths: &Paths) -> PathBuf {
        paths.compose_dir().join("override.yml")
    }

    /// The recipe without the runner's labels, resolved, as JSON on stdout.
    pub fn config(&self, project: &str, limit: Duration) -> Result<Output, CommandError> {
        let mut arguments = self.arguments_for_recipe(project, false);
        arguments.extend(["config", "--format", "json"].map(String::from));
        let announced = self.cancel.child();
        if announced.is_none() {
            return Err(CommandError::Cancelled {
                command: "docker-compose config".to_owned(),
            });
        }
        Checked::new(self.paths.compose_bin(), limit)
            .args(arguments)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .current_dir(self.paths.running())
            .cancelled_by(self.cancel.flag())
            .run()
    }

    /// Runs a command on the recipe without the runner's labels, its output into the log.
    pub fn on_recipe_alone(&self, project: &str, command: &[&str], limit: Duration) -> End {
        let mut arguments = self.arguments_for_recipe(project, false);
        arguments.extend(command.iter().map(|&word| word.to_owned()));
        self.logged(&arguments, self.paths.running(), limit)
    }

    /// Pulls an image that is no service's own.
    pub fn pull(&self, project: &str, image: &str, limit: Duration) -> std::io::Result<End> {
        // several are pulled at the same time
        static PULLS: AtomicUsize = AtomicUsize::new(0);
        let number = PULLS.fetch_add(1, Ordering::Relaxed);
        let file = self.paths.compose_dir().join(format!("pull-{number}.yml"));
        let document = serde_json::json!({"services": {"image": {"image": image}}});
        atomic_write(&file, document.to_string().as_bytes(), 0o600)?;
        let file_name = file.display().to_string();
        let arguments = ["-f", &file_name, "-p", project, "pull"].map(str::to_owned);
        let end = self.logged(&arguments, self.paths.cli_dir(), limit);
        std::fs::remove_file(&file)?;
        Ok(end)
    }

    /// Runs a command on the recipe and the runner's labels, its output into the log.
    pub fn on_recipe(&self, project: &str, command: &[&str], limit: Duration) -> End {
        self.on_recipe_with(project, command, limit, || {})
    }

    /// The same. If somebody kills it, it is run again, and `before_again` before that.
    pub fn on_recipe_with(
        &self,
        project: &str,
        command: &[&str],
        limit: Duration,
        before_again: impl FnOnce(),
    ) -> End {
        let mut arguments = self.arguments_for_recipe(project, true);
        arguments.extend(command.iter().map(|&word| word.to_owned()));
        self.program(&arguments, self.paths.running(), limit)
            .run_with(before_again)
    }

    /// Runs a command on what there is of a project, whatever the recipe says now. Compose knows the order of the
    /// services by their labels.
    pub fn on_project(&self, project: &str, command: &[&str], limit: Duration) -> End {
        let mut arguments = vec!["-p".to_owned(), project.to_owned()];
        arguments.extend(command.iter().map(|&word| word.to_owned()));
        // A directory without a Compose file: one would be taken for the project's.
        self.logged(&arguments, self.paths.cli_dir(), limit)
    }

    fn arguments_for_recipe(&self, project: &str, with_override: bool) -> Vec<String> {
        let mut arguments = vec![
            "-f".to_owned(),
            self.paths.compose_file().display().to_string(),
        ];
        if with_override {
            arguments.extend([
                "-f".to_owned(),
                Self::override_file(self.paths).display().to_string(),
            ]);
        }
        let directory = self.paths.running().display().to_string();
        arguments.extend([
            "--project-directory".to_owned(),
            directory,
            "-p".to_owned(),
            project.to_owned(),
        ]);
        arguments
    }

    fn logged(&self, arguments: &[String], directory: PathBuf, limit: Duration) -> End {
        self.program(arguments, directory, limit).run()
    }

    fn program(&self, arguments: &[String], directory: PathBuf, limit: Duration) -> Logged<'_> {
        let mut command: Command =
            clean_command(&self.paths.compose_bin(), &self.environment, directory);
        command.args(arguments);
        Logged {
            command,
            lines: Lines::From("docker-compose"),
            limit,
            redactor: self.redactor,
            cancel: self.cancel,
        }
    }
}

//! Command line: names and flags as `bosh` has them.

use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// Deploys BOSH manifests to this one machine, without a Director.
#[derive(Debug, Parser)]
#[command(name = "bosh-solo", version, max_term_width = 100)]
pub struct Cli {
    /// Flags that every command takes.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Flags that every command takes.
#[derive(Debug, Args)]
pub struct Global {
    /// Deployment name [env: `BOSH_DEPLOYMENT`]
    #[arg(short, long, global = true, value_name = "NAME")]
    pub deployment: Option<String>,
    /// Where deployments, compiled packages and the base tree are kept [env: `BOSH_SOLO_STATE`;
    /// default: /var/lib/bosh-solo]
    #[arg(long, global = true, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
    /// Don't ask for user input [env: `BOSH_NON_INTERACTIVE`]
    #[arg(short, long, global = true)]
    pub non_interactive: bool,
    /// Output as JSON
    #[arg(long, global = true)]
    pub json: bool,
    /// No colours
    #[arg(long, global = true)]
    pub no_color: bool,
}

/// A command.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Interpolate variables and ops files into a manifest
    #[command(visible_alias = "int")]
    Interpolate(Interpolate),
    /// Render an ERB template as a Director does
    Template(Template),
    /// Create or update a deployment
    #[command(visible_alias = "d")]
    Deploy(Deploy),
    /// List deployments
    #[command(visible_aliases = ["deps", "ds"])]
    Deployments,
    /// List instances
    #[command(visible_alias = "is")]
    Instances(Instances),
    /// Fetch logs into a tarball, or follow them
    Logs(Logs),
    /// Start the jobs of instances
    Start(Select),
    /// Stop the jobs of instances
    Stop(Stop),
    /// Stop and start the jobs of instances
    Restart(Restart),
    /// Recreate instances, keeping their persistent disks
    Recreate(Restart),
    /// Reboot instances: no lifecycle script runs, monit starts what it watches
    Reboot(Reboot),
    /// Run errand
    RunErrand(RunErrand),
    /// List errands
    #[command(visible_alias = "es")]
    Errands,
    /// Open a shell or run a command on an instance
    Ssh(Ssh),
    /// Delete a deployment with all that belongs to it
    #[command(visible_alias = "deld")]
    DeleteDeployment(DeleteDeployment),
    /// The first process of an instance
    #[command(hide = true, name = "machine", disable_help_flag = true)]
    Machine {
        /// What the machine is told by the process that boots it.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<std::ffi::OsString>,
    },
}

/// Variables and ops files.
#[derive(Debug, Default, Args)]
pub struct Variables {
    /// Set variable
    #[arg(short, long = "var", value_name = "VAR=VALUE")]
    pub var: Vec<String>,
    /// Set variable to file contents
    #[arg(long, value_name = "VAR=PATH")]
    pub var_file: Vec<String>,
    /// Load variables from a YAML file
    #[arg(short = 'l', long, value_name = "PATH")]
    pub vars_file: Vec<String>,
    /// Load variables from environment variables (e.g.: `MY` to load `MY_var=value`)
    #[arg(long, value_name = "PREFIX")]
    pub vars_env: Vec<String>,
    /// Load/save variables from/to a YAML file
    #[arg(long, value_name = "PATH")]
    pub vars_store: Option<PathBuf>,
    /// Load manifest operations from a YAML file
    #[arg(short, long, value_name = "PATH")]
    pub ops_file: Vec<PathBuf>,
}

/// `interpolate`.
#[derive(Debug, Args)]
pub struct Interpolate {
    /// Path to a template that will be interpolated; `-` for standard input
    #[arg(value_name = "PATH")]
    pub manifest: PathBuf,
    /// Variables and ops files.
    #[command(flatten)]
    pub variables: Variables,
    /// Extract value out of template (e.g.: `/private_key`)
    #[arg(long, value_name = "OP-PATH")]
    pub path: Option<String>,
    /// Expect all variables to be found, otherwise error
    #[arg(long)]
    pub var_errs: bool,
    /// Expect all variables to be used, otherwise error
    #[arg(long)]
    pub var_errs_unused: bool,
}

/// `template`.
#[derive(Debug, Args)]
pub struct Template {
    /// The instance's context as the Director hands it to a template
    #[arg(long, value_name = "CONTEXT.json")]
    pub context: PathBuf,
    /// The ERB template
    #[arg(value_name = "FILE.erb")]
    pub template: PathBuf,
}

/// `deploy`.
#[derive(Debug, Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of the command line"
)]
pub struct Deploy {
    /// Path to a manifest file
    #[arg(value_name = "PATH")]
    pub manifest: PathBuf,
    /// Variables and ops files.
    #[command(flatten)]
    pub variables: Variables,
    /// Recreate all instances
    #[arg(long)]
    pub recreate: bool,
    /// Skip running drain and pre-stop scripts
    #[arg(long)]
    pub skip_drain: bool,
    /// Render the templates and stop before anything is changed
    #[arg(long)]
    pub dry_run: bool,
    /// Give the instances a way out to the internet
    #[arg(long)]
    pub nat: bool,
}

/// `instances`.
#[derive(Debug, Args)]
pub struct Instances {
    /// Show processes
    #[arg(short, long)]
    pub ps: bool,
    /// Show details: state, index, bootstrap
    #[arg(short = 'i', long)]
    pub details: bool,
    /// Only show failing instances
    #[arg(short, long)]
    pub failing: bool,
}

/// `logs`.
#[derive(Debug, Args)]
pub struct Logs {
    /// Instance group, or one instance of it
    #[arg(value_name = "GROUP[/INSTANCE]")]
    pub instance: Option<String>,
    /// Destination directory
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub dir: PathBuf,
    /// Follow logs instead
    #[arg(short, long)]
    pub follow: bool,
    /// Last number of lines
    #[arg(long, value_name = "N")]
    pub num: Option<u32>,
    /// Limit to the logs of these jobs
    #[arg(
        long,
        visible_alias = "only",
        value_name = "JOB",
        value_delimiter = ','
    )]
    pub job: Vec<String>,
}

/// Which instances.
#[derive(Debug, Args)]
pub struct Select {
    /// Instance group, or one instance of it; all when absent
    #[arg(value_name = "GROUP[/INSTANCE]")]
    pub instance: Option<String>,
}

/// `stop`.
#[derive(Debug, Args)]
pub struct Stop {
    /// Which instances.
    #[command(flatten)]
    pub select: Select,
    /// Delete the machine, but keep its persistent disk
    #[arg(long)]
    pub hard: bool,
    /// Skip running drain and pre-stop scripts
    #[arg(long)]
    pub skip_drain: bool,
}

/// `restart` and `recreate`.
#[derive(Debug, Args)]
pub struct Restart {
    /// Which instances.
    #[command(flatten)]
    pub select: Select,
    /// Skip running drain and pre-stop scripts
    #[arg(long)]
    pub skip_drain: bool,
}

/// `reboot`.
#[derive(Debug, Args)]
pub struct Reboot {
    /// Which instances.
    #[command(flatten)]
    pub select: Select,
    /// Pull the plug instead of shutting down
    #[arg(long)]
    pub hard: bool,
}

/// `ssh`.
#[derive(Debug, Args)]
pub struct Ssh {
    /// Instance group, or one instance of it
    #[arg(value_name = "GROUP[/INSTANCE]")]
    pub instance: Option<String>,
    /// Command, run by a shell
    #[arg(short, long, value_name = "CMD")]
    pub command: Option<String>,
    /// Program and arguments, run without a shell
    #[arg(last = true, value_name = "PROGRAM", conflicts_with = "command")]
    pub program: Vec<String>,
}

/// `run-errand`.
#[derive(Debug, Args)]
pub struct RunErrand {
    /// Job with a `bin/run`, or instance group with `lifecycle: errand`
    #[arg(value_name = "NAME")]
    pub name: String,
    /// Instance or group the errand should run on (must specify errand by release job name)
    #[arg(long, value_name = "INSTANCE-GROUP[/INSTANCE-ID]")]
    pub instance: Vec<String>,
    /// Use existing VM to run an errand and keep it after completion
    #[arg(long)]
    pub keep_alive: bool,
    /// Run errand only if errand configuration has changed or if the previous run was unsuccessful
    #[arg(long)]
    pub when_changed: bool,
    /// Download logs
    #[arg(long)]
    pub download_logs: bool,
    /// Destination directory for logs
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub logs_dir: PathBuf,
}

/// `delete-deployment`.
#[derive(Debug, Args)]
pub struct DeleteDeployment {
    /// Ignore errors of scripts
    #[arg(long)]
    pub force: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_contradicts_itself_nowhere() {
        Cli::command().debug_assert();
    }
}

//! `instances` and `deployments`.

use super::{Environment, print_tables};
use crate::agent;
use crate::cli;
use crate::state::{Desired, InstanceRecord, Record};
use crate::table::Table;
use anyhow::{Context, Result};
use solo_instance::{Host, Instance, MonitService};

/// Lists the instances of the deployment that `-d` names, or of all.
pub fn run(environment: &Environment, arguments: &cli::Instances) -> Result<()> {
    let host = environment.host()?;
    let names = match &environment.global.deployment {
        Some(_) => vec![environment.deployment_name(&host)?],
        None => Environment::deployments(&host)?,
    };
    let mut tables = Vec::new();
    for name in names {
        let record = Record::load(&host.deployment_dir(&name))?.unwrap_or_default();
        tables.push(table_of(&host, &name, &record, arguments)?);
    }
    print_tables(environment, &tables)
}

fn table_of(host: &Host, name: &str, record: &Record, arguments: &cli::Instances) -> Result<Table> {
    let mut headers = vec!["Instance"];
    if arguments.ps {
        headers.push("Process");
    }
    headers.extend(["Process State", "AZ", "IPs", "Deployment"]);
    if arguments.details {
        headers.extend(["State", "Index", "Bootstrap", "Persistent Disk"]);
    }
    if arguments.ps {
        headers.extend(["Uptime", "Memory", "CPU"]);
    }
    let mut table = Table::new("instances", Some(format!("Deployment '{name}'")), headers);
    for instance in &record.instances {
        let seen = Seen::look(host, name, instance)?;
        if arguments.failing && seen.state == "running" {
            continue;
        }
        table.row(instance_row(name, instance, &seen, arguments));
        for service in seen.services.iter().filter(|_| arguments.ps) {
            table.row(service_row(instance, service, arguments));
        }
    }
    Ok(table)
}

/// An instance as its agent would report it.
struct Seen {
    state: String,
    ip: String,
    services: Vec<MonitService>,
}

impl Seen {
    fn look(host: &Host, deployment: &str, record: &InstanceRecord) -> Result<Self> {
        let index = u32::try_from(record.index).context("an instance's index")?;
        let instance = host.instance(deployment, &record.group, index)?;
        let unseen = |state: &str, ip: String| Self {
            state: state.to_owned(),
            ip,
            services: Vec::new(),
        };
        match instance {
            Some(instance) if instance.running()? => Ok(Self::ask(&instance)),
            _ if record.desired == Desired::Detached => Ok(unseen("", String::new())),
            None => Ok(unseen("unresponsive agent", String::new())),
            Some(instance) => Ok(unseen("unresponsive agent", instance.address().to_string())),
        }
    }

    fn ask(instance: &Instance) -> Self {
        let services = instance.monit_status().map(|status| status.services);
        Self {
            // The agent's word for a monit that does not answer.
            state: agent::state_of(instance).unwrap_or("unknown").to_owned(),
            ip: instance.address().to_string(),
            services: services.unwrap_or_default(),
        }
    }
}

fn instance_row(
    deployment: &str,
    record: &InstanceRecord,
    seen: &Seen,
    arguments: &cli::Instances,
) -> Vec<String> {
    let mut row = vec![format!("{}/{}", record.group, record.id)];
    if arguments.ps {
        row.push(String::new());
    }
    row.push(seen.state.clone());
    row.push(record.az.clone().unwrap_or_default());
    row.push(seen.ip.clone());
    row.push(deployment.to_owned());
    if arguments.details {
        let state = match record.desired {
            Desired::Started => "started",
            Desired::Stopped => "stopped",
            Desired::Detached => "detached",
        };
        let disk = match record.applied.persistent_disk_mb {
            0 => String::new(),
            megabytes => format!("{megabytes} MB"),
        };
        row.extend([
            state.to_owned(),
            record.index.to_string(),
            (record.index == 0).to_string(),
            disk,
        ]);
    }
    if arguments.ps {
        row.extend([String::new(), String::new(), String::new()]);
    }
    row
}

fn service_row(
    record: &InstanceRecord,
    service: &MonitService,
    arguments: &cli::Instances,
) -> Vec<String> {
    let mut row = vec![
        format!("{}/{}", record.group, record.id),
        service.name.clone(),
        service.state.as_str().to_owned(),
        String::new(),
        String::new(),
        String::new(),
    ];
    if arguments.details {
        row.extend([String::new(), String::new(), String::new(), String::new()]);
    }
    row.push(
        service
            .uptime
            .map(|seconds| format!("{seconds} s"))
            .unwrap_or_default(),
    );
    row.push(
        service
            .memory_kib
            .map(|kib| format!("{kib} KiB"))
            .unwrap_or_default(),
    );
    row.push(
        service
            .cpu_percent
            .as_ref()
            .map(|percent| format!("{percent}%"))
            .unwrap_or_default(),
    );
    row
}

/// Lists the deployments.
pub fn list_deployments(environment: &Environment) -> Result<()> {
    let host = environment.host()?;
    let mut table = Table::new("deployments", None, vec!["Name", "Release(s)", "Instances"]);
    for name in Environment::deployments(&host)? {
        let record = Record::load(&host.deployment_dir(&name))?.unwrap_or_default();
        let releases: Vec<String> = record
            .releases
            .iter()
            .map(|(name, version)| format!("{name}/{version}"))
            .collect();
        table.row(vec![
            name,
            releases.join(", "),
            record.instances.len().to_string(),
        ]);
    }
    print_tables(environment, &[table])
}

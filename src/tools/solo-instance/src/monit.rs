//! Monit inside an instance: its configuration, and what it says of its services in the states that BOSH's agent
//! makes of it.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use base64::prelude::{BASE64_STANDARD, Engine as _};

use crate::error::{Error, Result};
use crate::monit_file::{DETACH, DETACH_SCRIPT};
use crate::plan;
use crate::rootfs::set_mode;

/// What monit reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MonitStatus {
    /// Changes when monit starts or reloads (seconds since 1970).
    pub incarnation: u64,
    /// The services of group `vcap`; others do not exist for BOSH.
    pub services: Vec<MonitService>,
}

impl MonitStatus {
    /// The state of the instance as BOSH's agent computes it (bosh-agent, `jobsupervisor/monit_job_supervisor.go`):
    /// one service that starts makes it `starting`, one that is not monitored or not well `failing`, and an empty
    /// monit is `running`. The agent's `stopped` comes from its own marker file, which the caller keeps.
    #[must_use]
    pub fn agent_state(&self) -> &'static str {
        let mut state = "running";
        for service in &self.services {
            match service.state {
                ServiceState::Starting => return "starting",
                ServiceState::Running => {}
                ServiceState::Failing | ServiceState::Unmonitored => state = "failing",
            }
        }
        state
    }
}

/// One service of monit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MonitService {
    /// Its name in the monit file.
    pub name: String,
    /// Its state.
    pub state: ServiceState,
    /// Whether monit watches it (also while it is starting).
    pub monitored: bool,
    /// Whether an action (start, stop) is yet to be done.
    pub pending: bool,
    /// Whether the last check or action failed with a message.
    pub errored: bool,
    /// Monit's message about what is wrong, or empty.
    pub message: String,
    /// The process's PID inside the instance, when it runs.
    pub pid: Option<i32>,
    /// Seconds since the process started.
    pub uptime: Option<u64>,
    /// Resident memory of the process with its children, in KiB.
    pub memory_kib: Option<u64>,
    /// CPU of the process with its children, in percent, as monit prints it.
    pub cpu_percent: Option<String>,
}

/// The states that BOSH knows of a monit service (bosh-agent, `jobsupervisor/monit/status.go`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServiceState {
    /// Monitored, and its last check went well.
    Running,
    /// Monitored, and its last check did not go well.
    Failing,
    /// Monit is still to make its first check.
    Starting,
    /// Not monitored; the agent calls this `unknown`.
    Unmonitored,
}

impl ServiceState {
    /// The word that `bosh instances --ps` shows.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Failing => "failing",
            Self::Starting => "starting",
            Self::Unmonitored => "unknown",
        }
    }
}

/// Monit's own file, where a stemcell has it.
pub(crate) const MONITRC: &str = "/var/vcap/bosh/etc/monitrc";
const SOCKET: &str = "/var/vcap/monit/monit.sock";
const CREDENTIALS: &str = "/var/vcap/monit/monit.user";

/// Writes monit's own file and its credentials below the instance's `/var/vcap`, as a stemcell and BOSH's agent do, and
/// what stands before each job's programs; monit listens on a UNIX socket where a stemcell has a TCP port that the
/// firewall guards. `onreboot`: newer monits start all services after a reboot, also those that were stopped, and take
/// a second's drift of the clock for one.
pub(crate) fn write_configuration(vcap: &Path) -> Result<()> {
    let user = vcap.join("monit/monit.user");
    if !user.exists() {
        plan::write_private(&user, format!("vcap:{}\n", random_password()?).as_bytes())?;
    }
    let detach = vcap.join(DETACH.trim_start_matches("/var/vcap/"));
    fs::write(&detach, DETACH_SCRIPT).map_err(Error::io("writing", &detach))?;
    set_mode(&detach, 0o755)?;
    let text = format!(
        "set daemon 10\n\
         set logfile /var/vcap/monit/monit.log\n\
         set pidfile /var/vcap/monit/monit.pid\n\
         set idfile /var/vcap/monit/monit.id\n\
         set statefile /var/vcap/monit/monit.state\n\
         set onreboot laststate\n\
         set httpd unixsocket {SOCKET}\n  permission 0600\n  allow cleartext {CREDENTIALS}\n\
         include /var/vcap/monit/*.monitrc\n\
         include /var/vcap/monit/job/*.monitrc\n"
    );
    // Monit refuses a file that others may read.
    plan::write_private(&vcap.join("bosh/etc/monitrc"), text.as_bytes())
}

fn random_password() -> Result<String> {
    let path = "/dev/urandom";
    let mut bytes = [0_u8; 16];
    File::open(path)
        .and_then(|mut f| f.read_exact(&mut bytes))
        .map_err(Error::io("reading", path))?;
    Ok(hex::encode(bytes))
}

/// Asks the monit of the instance whose root is `root` (`/proc/PID/root`); the error says what happened.
pub(crate) fn ask(root: &Path) -> Result<MonitStatus, String> {
    let credentials = root.join(CREDENTIALS.trim_start_matches('/'));
    let credentials =
        fs::read_to_string(credentials).map_err(|e| format!("reading its credentials: {e}"))?;
    let socket = root.join(SOCKET.trim_start_matches('/'));
    let mut stream =
        UnixStream::connect(socket).map_err(|e| format!("connecting to {SOCKET}: {e}"))?;
    let bound = Some(Duration::from_secs(30));
    let request = format!(
        "GET /_status2?format=xml HTTP/1.0\r\nAuthorization: Basic {}\r\n\r\n",
        BASE64_STANDARD.encode(credentials.trim())
    );
    let mut response = Vec::new();
    stream
        .set_read_timeout(bound)
        .and_then(|()| stream.write_all(request.as_bytes()))
        .and_then(|()| stream.read_to_end(&mut response))
        .map_err(|e| format!("asking for its status: {e}"))?;
    let response = String::from_utf8_lossy(&response);
    let (head, body) = response
        .split_once("\r\n\r\n")
        .ok_or("it answered with no HTTP response")?;
    let status = head.lines().next().unwrap_or_default();
    if !status.contains(" 200 ") {
        return Err(format!("it answered {status}"));
    }
    parse(body)
}

/// Understands `/_status2?format=xml`: what bosh-agent reads (`jobsupervisor/monit/status.go`).
fn parse(xml: &str) -> Result<MonitStatus, String> {
    let document =
        roxmltree::Document::parse(xml).map_err(|e| format!("its status is not XML: {e}"))?;
    let monit = document.root_element();
    let incarnation = monit
        .attribute("incarnation")
        .and_then(|v| v.parse().ok())
        .ok_or("its status has no incarnation")?;
    let members: Vec<&str> = monit
        .descendants()
        .filter(|n| n.has_tag_name("servicegroup") && n.attribute("name") == Some("vcap"))
        .flat_map(|group| {
            group
                .children()
                .filter(|n| n.has_tag_name("service"))
                .filter_map(|n| n.text())
        })
        .collect();
    let services = child(monit, "services")
        .into_iter()
        .flat_map(|services| services.children().filter(|n| n.has_tag_name("service")))
        .filter_map(service)
        .filter(|service| members.contains(&service.name.as_str()))
        .collect();
    Ok(MonitStatus {
        incarnation,
        services,
    })
}

fn service(node: roxmltree::Node<'_, '_>) -> Option<MonitService> {
    let monitor = number(node, "monitor").unwrap_or(0);
    let status = number(node, "status").unwrap_or(0);
    let message = text(node, "status_message").unwrap_or_default().to_owned();
    let state = match (monitor, status) {
        (0, _) => ServiceState::Unmonitored,
        (2, _) => ServiceState::Starting,
        (_, 0) => ServiceState::Running,
        _ => ServiceState::Failing,
    };
    Some(MonitService {
        name: node.attribute("name")?.to_owned(),
        state,
        monitored: monitor > 0,
        pending: number(node, "pendingaction").unwrap_or(0) > 0,
        errored: status > 0 && !message.is_empty(),
        message,
        pid: number(node, "pid")
            .and_then(|pid| i32::try_from(pid).ok())
            .filter(|pid| *pid > 0),
        uptime: number(node, "uptime").and_then(|seconds| u64::try_from(seconds).ok()),
        memory_kib: child(node, "memory")
            .and_then(|m| number(m, "kilobytetotal"))
            .and_then(|kib| u64::try_from(kib).ok()),
        cpu_percent: child(node, "cpu")
            .and_then(|c| text(c, "percenttotal"))
            .map(str::to_owned),
    })
}

fn child<'a, 'i>(node: roxmltree::Node<'a, 'i>, name: &str) -> Option<roxmltree::Node<'a, 'i>> {
    node.children().find(|n| n.has_tag_name(name))
}

fn text<'a>(node: roxmltree::Node<'a, '_>, name: &str) -> Option<&'a str> {
    child(node, name)?.text()
}

fn number(node: roxmltree::Node<'_, '_>, name: &str) -> Option<i64> {
    text(node, name)?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(services: &str, group: &str) -> MonitStatus {
        parse(&format!(
            r#"<?xml version="1.0" encoding="ISO-8859-1"?><monit id="a" incarnation="1795248649" version="5.33.0">
            <services>{services}<service name="vm"><type>5</type><status>0</status><monitor>1</monitor></service></services>
            <servicegroups><servicegroup name="vcap">{group}</servicegroup></servicegroups></monit>"#
        ))
        .unwrap()
    }

    fn one(monitor: u8, status_number: u32, message: &str) -> MonitStatus {
        status(
            &format!(
                "<service name=\"toy\"><type>3</type><status>{status_number}</status><monitor>{monitor}</monitor>\
                 <pendingaction>0</pendingaction><status_message>{message}</status_message><pid>22</pid>\
                 <uptime>11</uptime><memory><kilobytetotal>1548</kilobytetotal></memory>\
                 <cpu><percenttotal>0.5</percenttotal></cpu></service>"
            ),
            "<service>toy</service>",
        )
    }

    #[test]
    fn the_states_are_those_of_the_agent() {
        for (monitor, number, state, agent) in [
            (0, 0, ServiceState::Unmonitored, "failing"),
            (1, 0, ServiceState::Running, "running"),
            (2, 0, ServiceState::Starting, "starting"),
            (1, 512, ServiceState::Failing, "failing"),
        ] {
            let status = one(monitor, number, "");
            assert_eq!(status.services[0].state, state);
            assert_eq!(status.agent_state(), agent);
        }
    }

    #[test]
    fn a_message_of_a_failed_action_marks_the_service_as_errored() {
        assert!(one(1, 512, "failed to start").services[0].errored);
        assert!(!one(1, 0, "").services[0].errored);
    }

    #[test]
    fn figures_of_the_process_are_read() {
        let service = one(1, 0, "").services.remove(0);
        assert_eq!(
            (service.pid, service.uptime, service.memory_kib),
            (Some(22), Some(11), Some(1548))
        );
        assert_eq!(service.cpu_percent.as_deref(), Some("0.5"));
    }

    #[test]
    fn services_outside_group_vcap_do_not_exist_and_none_is_running() {
        let status = status(
            "<service name=\"own\"><status>0</status><monitor>1</monitor></service>",
            "",
        );
        assert_eq!(status.services, []);
        assert_eq!(status.agent_state(), "running");
        assert_eq!(status.incarnation, 1_795_248_649);
    }

    #[test]
    fn what_is_no_status_is_refused() {
        assert!(parse("<html>").is_err());
        assert!(parse("<monit/>").unwrap_err().contains("incarnation"));
    }
}

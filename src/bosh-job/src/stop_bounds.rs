//! How long the steps of a stop may take. monit ends a stop program that takes longer than its timeout in `jobs/docker/monit` and goes
//! on, and both stops together must fit into the 300 s that the agent gives monit; the tests here hold the one against the other.

use std::time::Duration;

/// `compose stop`: the recipe's services, at most; property `stop_timeout` makes it less.
pub const SERVICES: Duration = Duration::from_mins(3);
/// `compose stop`: what a runner may take beside the services, ending what it was doing, and copying the services' last output.
pub const BESIDE_SERVICES: Duration = Duration::from_secs(5);
/// `compose stop`: copying the services' last output, where the stop program does it in a runner's place.
pub const LAST_COPY: Duration = Duration::from_secs(2);

/// `docker stop`: waiting for another docker-ctl to end a start or a stop; the start that is ended for it may take
/// [`LOCK_HOLDER`] more.
pub const LOCK: Duration = Duration::from_secs(20);
/// `docker stop`: a start that is ended for the stop, to SIGTERM and after SIGKILL.
pub const LOCK_HOLDER: Duration = Duration::from_secs(6);
/// `docker stop`: waiting for a stop of the services that has lost its runner.
pub const LOST_SERVICES: Duration = Duration::from_secs(12);
/// `docker stop`: dockerd's own stop of the containers, the recipe's included if nobody has stopped them.
pub const CONTAINERS: Duration = Duration::from_secs(32);
/// `docker stop`: dockerd's end, when the containers live on.
pub const DOCKERD_ALONE: Duration = Duration::from_secs(25);
/// `docker stop`: what is left for ending dockerd and its containers by force, however long the steps before took.
pub const BY_FORCE: Duration = Duration::from_secs(10);
/// `docker stop`, from its begin: what then still runs is killed.
pub const WHOLE: Duration = Duration::from_secs(43);
/// Waiting for a process that was killed: one that is still there is stuck in the kernel.
pub const AFTER_SIGKILL: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    /// The timeout of a process's stop program in the job's monit file.
    fn monit_timeout(process: &str) -> Duration {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../jobs/docker/monit");
        let text = std::fs::read_to_string(file).unwrap();
        let (_, of_process) = text
            .split_once(&format!("check process {process}\n"))
            .unwrap();
        let line = of_process
            .lines()
            .find(|line| line.contains("stop program"))
            .unwrap();
        let (_, seconds) = line.rsplit_once("with timeout ").unwrap();
        Duration::from_secs(seconds.trim_end_matches(" seconds").parse().unwrap())
    }

    #[test]
    fn a_stop_of_dockerd_ends_within_monit_s_timeout_whatever_it_waits_for() {
        assert!(LOCK + LOCK_HOLDER + BY_FORCE <= WHOLE);
        assert!(CONTAINERS + BY_FORCE <= WHOLE);
        assert!(WHOLE + AFTER_SIGKILL <= monit_timeout("docker"));
    }

    #[test]
    fn a_stop_of_the_services_ends_within_monit_s_timeout() {
        assert!(SERVICES + BESIDE_SERVICES + LAST_COPY <= monit_timeout("compose"));
    }

    #[test]
    fn both_stops_leave_the_agent_a_minute_of_its_five() {
        assert!(monit_timeout("docker") + monit_timeout("compose") <= Duration::from_mins(4));
    }
}

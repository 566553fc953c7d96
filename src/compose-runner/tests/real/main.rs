//! The runner with a real dockerd and a real Compose, see [`vm::Vm`].
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "it serves tests only"
)]

mod builds;
mod clock;
mod data;
mod half_made;
mod health;
mod hooks;
mod host_network;
mod last_words;
mod leftover_networks;
mod living_containers;
mod logs;
mod manifests;
mod messages;
mod missed_ends;
mod missed_one_shots;
mod namespaces;
mod networks;
mod newer_compose;
mod port_53;
mod preflight_checks;
mod pulls;
mod recipes;
mod restarts;
mod rollback;
mod stability;
mod stops;
mod updates;
mod verdicts;
mod vm;
mod volumes;

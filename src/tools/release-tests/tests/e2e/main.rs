//! End to end: the release, deployed by bosh-solo with its own packaging scripts, ERB, monit, dockerd and Compose, with no registry
//! in reach. Each test has a deployment of its own; `ci/test` builds what they need and runs them.

mod chain;
mod daemon;
mod delete;
mod files;
mod frozen;
mod health;
mod images;
mod lifecycle;
mod logs;
mod monit;
mod monit_deploys;
mod networks;
mod recipes;
mod redis;
mod refusals;
mod registries;
mod registry;
mod registry_link;
mod remote;
mod rollback;
mod security;
mod shell_release;
mod smoke;
mod stemcells;
mod update;
mod verdict;

use release_tests::{sleeper, sleepers};

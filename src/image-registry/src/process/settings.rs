//! What the job asks of its properties, beyond that they can be read: TLS and logins from the first minute.

use anyhow::ensure;
use bosh_job::{Advise as _, ExitCode};

use crate::config::Config;
use crate::server::Acceptor;

/// Refuses a configuration with which the registry would be open to all, or could not be used.
pub fn check(config: &Config) -> anyhow::Result<()> {
    checked(config)
        .hint("manifests/registry.yml has BOSH generate certificates and passwords")
        .exits(ExitCode::BadConfig)
}

fn checked(config: &Config) -> anyhow::Result<()> {
    crate::cache::hosts(&config.upstreams)?;
    crate::cache::connect(&config.upstreams)?;
    let Some(tls) = &config.tls else {
        anyhow::bail!(
            "property `tls.certificate`: it is not set, and without TLS passwords and images are open to all"
        );
    };
    for (property, path) in [
        ("tls.certificate", Some(&tls.certificate)),
        ("tls.private_key", Some(&tls.key)),
        ("tls.ca", tls.ca.as_ref()),
    ] {
        let is_set =
            path.is_some_and(|path| std::fs::metadata(path).is_ok_and(|file| file.len() > 1));
        ensure!(
            is_set,
            "property `{property}`: it is not set, and without TLS passwords and images are open to all"
        );
    }
    ensure!(
        !config.users.is_empty(),
        "property `users`: it has no login, and nobody could push anything"
    );
    for user in &config.users {
        ensure!(
            user.password.is_some() || user.certificate.is_some(),
            "property `users`: {} has neither `password` nor `certificate`, and could never log in",
            user.name
        );
        ensure!(
            user.certificate.is_none() || tls.client_authorities.is_some(),
            "property `users`: {} logs in by a certificate, but `tls.client_ca` does not say who signs such certificates",
            user.name
        );
    }
    Acceptor::new(tls)?;
    Ok(())
}

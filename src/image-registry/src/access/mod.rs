//! Who may do what: logins, what each may do in which repositories, and the slowing down of those who guess.

mod guessing;
mod login;
mod passwords;
mod rights;

use std::net::IpAddr;
use std::sync::Arc;

use bosh_job::Secret;
use serde::{Deserialize, Deserializer};

pub use login::Login;
pub use rights::{Grant, Right};

use crate::names::Repository;
use guessing::Guessing;
use passwords::Passwords;

/// A login, as it is configured.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct User {
    /// Its name.
    pub name: String,
    /// Its password, plain or as bcrypt has it; none for one that comes by certificate alone.
    #[serde(default, deserialize_with = "secret")]
    pub password: Option<Secret>,
    /// The DNS name in a client certificate that stands for this login.
    pub certificate: Option<String>,
    /// What it may do.
    #[serde(default)]
    pub grants: Vec<Grant>,
}

fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Secret>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.map(Secret::new))
}

/// Somebody who asks: a login, or nobody.
#[derive(Clone, Debug)]
pub struct Identity {
    name: Option<String>,
    grants: Arc<[Grant]>,
}

impl Identity {
    /// The login's name.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Whether it may do this in a repository.
    pub fn may(&self, right: Right, repository: &Repository) -> bool {
        self.grants
            .iter()
            .any(|grant| grant.allows(right, repository))
    }
}

/// Why a login is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Name or password are wrong.
    Wrong,
    /// Too many were wrong before.
    TooMany,
}

/// All logins.
pub struct Access {
    users: Vec<(User, Identity)>,
    nobody: Identity,
    passwords: Passwords,
    guessing: Guessing,
}

impl Access {
    /// With these logins; anyone who has none may do what `anonymous` grants.
    pub fn new(users: Vec<User>, anonymous: Vec<Grant>) -> Self {
        let passwords = Passwords::of(users.iter().filter_map(|user| user.password.as_ref()));
        let users = users.into_iter().map(|user| {
            let identity = Identity {
                name: Some(user.name.clone()),
                grants: user.grants.clone().into(),
            };
            (user, identity)
        });
        Self {
            users: users.collect(),
            nobody: Identity {
                name: None,
                grants: anonymous.into(),
            },
            passwords,
            guessing: Guessing::default(),
        }
    }

    /// Anyone who has no login.
    pub fn nobody(&self) -> Identity {
        self.nobody.clone()
    }

    /// Whether anything may be pulled without a login.
    pub fn lets_anybody_pull(&self) -> bool {
        !self.nobody.grants.is_empty()
    }

    /// The DNS names that stand for logins, with them.
    pub fn certificates(&self) -> impl Iterator<Item = (&str, &Identity)> {
        let named = self.users.iter();
        named.filter_map(|(user, identity)| Some((user.certificate.as_deref()?, identity)))
    }

    /// Checks a login.
    pub async fn check(&self, address: IpAddr, login: Login) -> Result<Identity, Refusal> {
        if !self.guessing.may_try(address) {
            return Err(Refusal::TooMany);
        }
        let user = self.users.iter().find(|(user, _)| user.name == login.name);
        let password = user.and_then(|(user, _)| user.password.as_ref());
        let is_right = self.passwords.check(&login, password).await;
        match user {
            Some((_, identity)) if is_right => Ok(identity.clone()),
            _ => {
                self.guessing.failed(address).await;
                Err(Refusal::Wrong)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn access() -> Access {
        let users = json!([
            {"name": "ci", "password": "hunter2", "grants": [{"repositories": "team/", "rights": ["pull", "push"]}]},
            {"name": "dave", "password": "$2b$04$wVHHM1W/bMSpTU.3GoLDnu3TDyUbBcT9j7ijFvFzWrDcI3E5i5a8m", "grants": []},
            {"name": "host", "certificate": "docker.internal", "grants": [{"rights": ["pull"]}]},
        ]);
        Access::new(serde_json::from_value(users).unwrap(), Vec::new())
    }

    fn login(name: &str, password: &str) -> Login {
        Login::new(name, password)
    }

    #[tokio::test(start_paused = true)]
    async fn a_login_is_its_name_and_password_and_has_its_grants() {
        let access = access();
        let from = "10.0.0.1".parse().unwrap();
        let ci = access.check(from, login("ci", "hunter2")).await.unwrap();
        let (ours, others) = ("team/app".parse().unwrap(), "teams/app".parse().unwrap());
        assert!(ci.may(Right::Push, &ours) && !ci.may(Right::Delete, &ours));
        assert!(!ci.may(Right::Pull, &others));
        for (name, password) in [
            ("ci", "hunter"),
            ("ci", ""),
            ("host", ""),
            ("nobody", "x"),
            ("", ""),
        ] {
            let refused = access.check(from, login(name, password)).await.unwrap_err();
            assert_eq!(refused, Refusal::Wrong, "{name}");
        }
        assert_eq!(access.nobody().name(), None);
        assert!(!access.nobody().may(Right::Pull, &ours));
        let by_certificate: Vec<_> = access
            .certificates()
            .map(|(dns, who)| (dns, who.name()))
            .collect();
        assert_eq!(by_certificate, [("docker.internal", Some("host"))]);
    }

    #[tokio::test(start_paused = true)]
    async fn who_guesses_waits_and_is_then_refused_for_a_while_alone() {
        let access = access();
        let (guesser, other) = ("10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap());
        let began = tokio::time::Instant::now();
        let mut wrong = 0;
        while let Err(Refusal::Wrong) = access.check(guesser, login("ci", "x")).await {
            wrong += 1;
            assert!(wrong < 1000);
        }
        assert!(began.elapsed() > std::time::Duration::from_secs(5));
        assert!(access.check(other, login("ci", "hunter2")).await.is_ok());
        assert!(access.check(guesser, login("ci", "hunter2")).await.is_err());
        tokio::time::advance(std::time::Duration::from_mins(2)).await;
        assert!(access.check(guesser, login("ci", "hunter2")).await.is_ok());
    }
}

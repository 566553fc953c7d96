//! Whether a password is the right one. Those in `CredHub` are plain, those of `htpasswd -B` are bcrypt's.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};

use bosh_job::Secret;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use tokio::sync::Semaphore;

use super::Login;

/// Passwords that were found right by bcrypt, which takes its time over each, are remembered by a digest.
const REMEMBERED: usize = 1024;

/// The check of passwords.
pub struct Passwords {
    /// By name and configured hash: what was right.
    right: Mutex<HashMap<String, [u8; 32]>>,
    /// Of the digests that are remembered, so that one that leaks cannot be looked up.
    salt: [u8; 32],
    /// A hash of each cost that is configured. A refusal computes one of every cost, so that its time tells nobody which
    /// names there are.
    costs: BTreeMap<String, String>,
    /// For each hash that is computed at a time: not more than there are processors.
    computing: Semaphore,
}

impl Passwords {
    /// The check of these, as they are configured.
    pub fn of<'a>(configured: impl Iterator<Item = &'a Secret>) -> Self {
        let mut salt = [0; 32];
        // without it the digests are those of another process, which has them no less in its memory
        let _ = getrandom::fill(&mut salt);
        let hashes = configured.map(Secret::reveal).filter(|it| is_bcrypt(it));
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            right: Mutex::default(),
            salt,
            costs: hashes
                .map(|hash| (cost(hash).to_owned(), hash.to_owned()))
                .collect(),
            computing: Semaphore::new(processors),
        }
    }

    /// Whether a login has this password.
    pub async fn check(&self, login: &Login, configured: Option<&Secret>) -> bool {
        let configured = configured.map_or("", Secret::reveal);
        let given = self.digest(&login.password);
        if !is_bcrypt(configured) {
            let is_right = bool::from(given.ct_eq(&self.digest(configured)));
            if is_right && !configured.is_empty() {
                return true;
            }
            self.compute_as_for("", login).await;
            return false;
        }
        let key = format!("{}\0{configured}", login.name);
        let known = self.lock().get(&key).copied();
        if known.is_some_and(|known| bool::from(known.ct_eq(&given))) {
            return true;
        }
        if !self.is_of(login, configured).await {
            self.compute_as_for(cost(configured), login).await;
            return false;
        }
        let mut right = self.lock();
        if right.len() >= REMEMBERED {
            right.clear();
        }
        right.insert(key, given);
        true
    }

    /// Whether bcrypt makes this hash of a login's password.
    async fn is_of(&self, login: &Login, hash: &str) -> bool {
        let (password, hash) = (login.password.clone(), hash.to_owned());
        let computing = self.computing.acquire().await;
        let checked = tokio::task::spawn_blocking(move || bcrypt::verify(password, &hash));
        let is_right = matches!(checked.await, Ok(Ok(true)));
        drop(computing);
        is_right
    }

    /// Computes a hash of every cost but the one that was just computed.
    async fn compute_as_for(&self, computed: &str, login: &Login) {
        for (cost, hash) in &self.costs {
            if cost != computed {
                self.is_of(login, hash).await;
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, [u8; 32]>> {
        self.right.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn digest(&self, password: &str) -> [u8; 32] {
        let salted = Sha256::new().chain_update(self.salt);
        salted.chain_update(password).finalize().into()
    }
}

/// Whether a configured password is a hash of bcrypt's.
pub fn is_bcrypt(configured: &str) -> bool {
    configured.len() == 60
        && ["$2a$", "$2b$", "$2y$"]
            .iter()
            .any(|kind| configured.starts_with(kind))
}

/// The cost of a hash of bcrypt's, as it says it: `12` of `$2b$12$…`.
fn cost(hash: &str) -> &str {
    hash.get(4..6).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn plain_and_bcrypt_passwords_are_checked_and_an_empty_one_is_never_right() {
        let hash = bcrypt::hash("s3cret", 4).unwrap();
        let passwords = Passwords::of([Secret::new(hash.as_str())].iter());
        for (given, configured, expected) in [
            ("s3cret", "s3cret", true),
            ("s3cre", "s3cret", false),
            ("", "", false),
            ("s3cret", hash.as_str(), true),
            ("s3cret", hash.as_str(), true),
            ("other", hash.as_str(), false),
            (hash.as_str(), hash.as_str(), false),
        ] {
            let configured = Secret::new(configured);
            let login = Login::new("ci", given);
            assert_eq!(
                passwords.check(&login, Some(&configured)).await,
                expected,
                "{given}"
            );
        }
        assert!(!passwords.check(&Login::new("ci", ""), None).await);
        assert_eq!(passwords.lock().len(), 1);
    }
    #[tokio::test]
    async fn a_refusal_takes_as_long_for_a_name_that_there_is_not() {
        let hash = Secret::new(bcrypt::hash("s3cret", 6).unwrap());
        let plain = Secret::new("s3cret");
        let passwords = Passwords::of([&hash, &plain].into_iter());
        let login = Login::new("ci", "wrong");
        let mut shortest = Vec::new();
        for configured in [Some(&hash), Some(&plain), None] {
            let mut times = Vec::new();
            for _ in 0..5 {
                let began = std::time::Instant::now();
                assert!(!passwords.check(&login, configured).await);
                times.push(began.elapsed());
            }
            shortest.extend(times.into_iter().min());
        }
        // by a hash of this cost it is some milliseconds, and without one some microseconds
        let (least, most) = (shortest.iter().min(), shortest.iter().max());
        assert!(*most.unwrap() < 3 * *least.unwrap(), "{shortest:?}");
    }
}

//! Whether a password is the right one. Those in `CredHub` are plain, those of `htpasswd -B` are bcrypt's.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use bosh_job::Secret;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::Login;

/// Passwords that were found right by bcrypt, which takes its time over each, are remembered by a digest.
const REMEMBERED: usize = 1024;

/// The check of passwords.
pub struct Passwords {
    /// By name and configured hash: what was right.
    right: Mutex<HashMap<String, [u8; 32]>>,
    /// Of the digests that are remembered, so that one that leaks cannot be looked up.
    salt: [u8; 32],
}

impl Default for Passwords {
    fn default() -> Self {
        let mut salt = [0; 32];
        // without it the digests are those of another process, which has them no less in its memory
        let _ = getrandom::fill(&mut salt);
        Self {
            right: Mutex::default(),
            salt,
        }
    }
}

impl Passwords {
    /// Whether a login has this password.
    pub async fn check(&self, login: &Login, configured: Option<&Secret>) -> bool {
        let Some(configured) = configured.map(Secret::reveal) else {
            return false;
        };
        let given = self.digest(&login.password);
        if !is_bcrypt(configured) {
            let is_right = bool::from(given.ct_eq(&self.digest(configured)));
            return is_right && !configured.is_empty();
        }
        let key = format!("{}\0{configured}", login.name);
        let known = self.lock().get(&key).copied();
        if known.is_some_and(|known| bool::from(known.ct_eq(&given))) {
            return true;
        }
        let (password, hash) = (login.password.clone(), configured.to_owned());
        let checked = tokio::task::spawn_blocking(move || bcrypt::verify(password, &hash));
        let is_right = matches!(checked.await, Ok(Ok(true)));
        if is_right {
            let mut right = self.lock();
            if right.len() >= REMEMBERED {
                right.clear();
            }
            right.insert(key, given);
        }
        is_right
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn plain_and_bcrypt_passwords_are_checked_and_an_empty_one_is_never_right() {
        let passwords = Passwords::default();
        let hash = bcrypt::hash("s3cret", 4).unwrap();
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
}

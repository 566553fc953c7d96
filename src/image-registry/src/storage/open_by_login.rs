//! Which login has which uploads open: no login may have so many that the others have no room.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Uploads that a login may have open. A client opens some at a time, and leaves one behind when it breaks off.
pub const MOST: usize = 1000;

type Owners = HashMap<String, Option<String>>;

/// The uploads that are open, with their logins: as the store has them, read when they are asked for first.
#[derive(Clone, Debug, Default)]
pub struct OpenByLogin(Arc<Mutex<Option<Owners>>>);

impl OpenByLogin {
    fn lock(&self) -> MutexGuard<'_, Option<Owners>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes an upload, unless its login has too many. Whether it was noted. `read` reads those that the store has.
    pub fn open(
        &self,
        id: &str,
        login: Option<&str>,
        read: impl FnOnce() -> io::Result<Owners>,
    ) -> io::Result<bool> {
        let mut owners = self.lock();
        let owners = match &mut *owners {
            Some(owners) => owners,
            none => none.insert(read()?),
        };
        let open = owners.values().filter(|owner| owner.as_deref() == login);
        if open.count() >= MOST {
            return Ok(false);
        }
        owners.insert(id.to_owned(), login.map(str::to_owned));
        Ok(true)
    }

    /// Notes that an upload has ended.
    pub fn end(&self, id: &str) {
        if let Some(owners) = self.lock().as_mut() {
            owners.remove(id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_has_so_many_open_and_others_are_not_held_back() {
        let uploads = OpenByLogin::default();
        let stored = || Ok(HashMap::from([("0".to_owned(), Some("ci".to_owned()))]));
        for number in 1..MOST {
            let open = uploads.open(&number.to_string(), Some("ci"), stored);
            assert!(open.unwrap(), "{number}");
        }
        let open = |id: &str, login| uploads.open(id, login, || panic!("read twice")).unwrap();
        assert!(!open("x", Some("ci")));
        assert!(open("x", Some("dave")) && open("y", None));
        uploads.end("7");
        assert!(open("z", Some("ci")) && !open("zz", Some("ci")));
    }

    #[test]
    fn a_store_that_cannot_be_read_is_asked_again() {
        let uploads = OpenByLogin::default();
        let fails = || Err(io::ErrorKind::PermissionDenied.into());
        assert!(uploads.open("1", None, fails).is_err());
        assert!(uploads.open("1", None, || Ok(HashMap::new())).unwrap());
    }
}

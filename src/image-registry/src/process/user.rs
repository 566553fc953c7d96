//! The user that the registry runs as: not root, who only opens what others may not.

use std::os::unix::fs::{MetadataExt as _, chown};
use std::path::Path;

use anyhow::Context as _;
use bosh_job::Advise as _;
use rustix::process::{Gid, Resource, Rlimit, Uid, geteuid, getrlimit, setrlimit};
use rustix::thread::{set_no_new_privs, set_thread_groups, set_thread_res_gid, set_thread_res_uid};

/// Files and connections at a time.
const FILES: u64 = 65_536;

/// A user of this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct User {
    uid: u32,
    gid: u32,
}

impl User {
    /// By name.
    pub fn find(name: &str) -> anyhow::Result<Self> {
        let passwd = std::fs::read_to_string("/etc/passwd").context("reading /etc/passwd")?;
        find_in(&passwd, name)
            .with_context(|| format!("/etc/passwd has no user {name}"))
            .hint("each stemcell has the user vcap; `--user` names another one")
    }

    /// Makes the store's directory, or gives one to the user that was another's, with all that is in it.
    pub fn own_store(self, store: &Path) -> anyhow::Result<()> {
        if !store.is_dir() {
            bosh_job::make_dir(store, 0o750)?;
        }
        let own = |path: &Path| {
            chown(path, Some(self.uid), Some(self.gid))
                .with_context(|| format!("giving {} to its user", path.display()))
        };
        let metadata = store.metadata().context("looking at the store")?;
        if metadata.uid() == self.uid {
            return Ok(());
        }
        own_below(store, &own)?;
        // at last: who is interrupted before begins again
        own(store)
    }
}

fn own_below(directory: &Path, own: &impl Fn(&Path) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let list = || format!("listing {}", directory.display());
    for entry in std::fs::read_dir(directory).with_context(list)? {
        let entry = entry.with_context(list)?;
        let kind = entry.file_type().with_context(list)?;
        if kind.is_symlink() {
            continue; // the store has none, and what one points to is not ours
        }
        if kind.is_dir() {
            own_below(&entry.path(), own)?;
        }
        own(&entry.path())?;
    }
    Ok(())
}

fn find_in(passwd: &str, name: &str) -> Option<User> {
    let fields = |line: &str| line.split(':').map(str::to_owned).collect::<Vec<_>>();
    let found = passwd
        .lines()
        .map(fields)
        .find(|fields| fields[0] == name)?;
    Some(User {
        uid: found.get(2)?.parse().ok()?,
        gid: found.get(3)?.parse().ok()?,
    })
}

/// Gives up root's rights for good. Threads that were started before would keep them, so this comes before any.
pub fn become_user(name: &str) -> anyhow::Result<()> {
    if !geteuid().is_root() {
        return Ok(());
    }
    let user = User::find(name)?;
    let (uid, gid) = (Uid::from_raw(user.uid), Gid::from_raw(user.gid));
    set_thread_groups(&[gid])
        .and_then(|()| set_thread_res_gid(gid, gid, gid))
        .and_then(|()| set_thread_res_uid(uid, uid, uid))
        .and_then(|()| set_no_new_privs(true))
        .with_context(|| format!("becoming user {name}"))
}

/// Raises the number of files that may be open: monit's programs begin with 1,024, which is less than a registry's clients.
pub fn raise_file_limit() -> anyhow::Result<()> {
    let Some(maximum) = getrlimit(Resource::Nofile).maximum else {
        return Ok(());
    };
    let raise = |maximum: u64| {
        let limit = Rlimit {
            current: Some(FILES.min(maximum)),
            maximum: Some(maximum),
        };
        setrlimit(Resource::Nofile, limit)
    };
    // the maximum itself is raised by root alone, and in a container not even by that
    raise(maximum.max(FILES))
        .or_else(|_| raise(maximum))
        .context("raising the number of open files")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_found_by_the_whole_name() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\nvcapper:x:7:8::/:/bin/sh\nvcap:x:1000:1001::/home/vcap:/bin/bash\nbroken\n";
        let user = find_in(passwd, "vcap");
        assert_eq!(
            user,
            Some(User {
                uid: 1000,
                gid: 1001
            })
        );
        for name in ["vca", "", "broken", "x"] {
            assert_eq!(find_in(passwd, name), None, "{name}");
        }
    }
}

//! The owner of a file: users and groups of the VM by name or number.

use std::fmt;
use std::path::Path;

use bosh_job::{Owner, Problem};
use serde_json::Value;

use crate::kind;

/// Whose a file is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileOwner {
    /// User.
    pub user: UserName,
    /// Group; without one, a named user's own group, and root's for a number.
    pub group: Option<GroupName>,
}

/// A user of the VM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UserName {
    /// By number; need not exist on the VM.
    Number(u32),
    /// By name, in `/etc/passwd`.
    Name(String),
}

/// A group of the VM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupName {
    /// By number; need not exist on the VM.
    Number(u32),
    /// By name, in `/etc/group`.
    Name(String),
}

impl FileOwner {
    /// root, of group root.
    pub const ROOT: Self = Self {
        user: UserName::Number(0),
        group: Some(GroupName::Number(0)),
    };

    pub(super) fn parse(property: &str, value: &Value) -> Result<Self, Problem> {
        let wrong = |shown: String| {
            Problem::new(
                property,
                format!("must be user, user:group or uid:gid, and is {shown}"),
            )
            .hint("put it in quotes, as in owner: \"999:999\"")
        };
        match value {
            Value::Number(number) => {
                let uid = number
                    .as_u64()
                    .and_then(|uid| u32::try_from(uid).ok())
                    .filter(|uid| *uid != u32::MAX);
                uid.map(|uid| Self {
                    user: UserName::Number(uid),
                    group: None,
                })
                .ok_or_else(|| wrong(number.to_string()))
            }
            Value::String(text) => Self::from_text(text).ok_or_else(|| wrong(format!("{text:?}"))),
            other => Err(wrong(kind(other).to_owned())),
        }
    }

    fn from_text(text: &str) -> Option<Self> {
        let (user, group) = text
            .split_once(':')
            .map_or((text, None), |(user, group)| (user, Some(group)));
        let user = name_or_number(user)?;
        let group = group
            .map(name_or_number)
            .map_or(Some(None), |group| group.map(Some))?;
        Some(Self {
            user: user.map_or_else(UserName::Name, UserName::Number),
            group: group.map(|group| group.map_or_else(GroupName::Name, GroupName::Number)),
        })
    }

    /// The numbers, looked up in `etc/passwd` and `etc/group` below `root`.
    ///
    /// # Errors
    /// What the VM does not know, as the end of a sentence.
    pub(crate) fn resolve(&self, root: &Path) -> Result<Owner, String> {
        let (uid, own_group) = match &self.user {
            UserName::Number(uid) => (*uid, 0),
            UserName::Name(name) => {
                let fields = entry(&root.join("etc/passwd"), name)?
                    .ok_or_else(|| format!("this VM has no user {name:?}"))?;
                let number =
                    |position: usize| fields.get(position).and_then(|field| field.parse().ok());
                number(2)
                    .zip(number(3))
                    .ok_or_else(|| format!("/etc/passwd has no numbers for user {name:?}"))?
            }
        };
        let gid = match &self.group {
            None => own_group,
            Some(GroupName::Number(gid)) => *gid,
            Some(GroupName::Name(name)) => {
                let fields = entry(&root.join("etc/group"), name)?
                    .ok_or_else(|| format!("this VM has no group {name:?}"))?;
                let number = fields.get(2).and_then(|field| field.parse().ok());
                number.ok_or_else(|| format!("/etc/group has no number for group {name:?}"))?
            }
        };
        Ok(Owner { uid, gid })
    }
}

/// A number, or a name as `useradd` takes it.
fn name_or_number(text: &str) -> Option<Result<u32, String>> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text
            .parse()
            .ok()
            .filter(|number| *number != u32::MAX)
            .map(Ok);
    }
    let is_name_character = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    (text.len() <= 32 && !text.starts_with('-') && text.chars().all(is_name_character))
        .then(|| Err(text.to_owned()))
}

/// The fields of the line that begins with a name.
fn entry(database: &Path, name: &str) -> Result<Option<Vec<String>>, String> {
    let text = std::fs::read_to_string(database)
        .map_err(|error| format!("{} cannot be read: {error}", database.display()))?;
    let line = text
        .lines()
        .find(|line| line.split(':').next() == Some(name));
    Ok(line.map(|line| line.split(':').map(str::to_owned).collect()))
}

impl fmt::Display for FileOwner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.user {
            UserName::Number(uid) => write!(f, "{uid}")?,
            UserName::Name(name) => f.write_str(name)?,
        }
        match &self.group {
            None => Ok(()),
            Some(GroupName::Number(gid)) => write!(f, ":{gid}"),
            Some(GroupName::Name(name)) => write!(f, ":{name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn vm() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("etc")).unwrap();
        std::fs::write(
            dir.path().join("etc/passwd"),
            "root:x:0:0::/:/bin/sh\nvcap:x:1000:1001::/:/bin/sh\nbroken:x\n",
        )
        .unwrap();
        std::fs::write(dir.path().join("etc/group"), "root:x:0:\nsys:x:3:\n").unwrap();
        dir
    }

    #[test]
    fn names_and_numbers_become_numbers() {
        let vm = vm();
        for (value, uid, gid) in [
            (json!("vcap"), 1000, 1001),
            (json!("vcap:sys"), 1000, 3),
            (json!("vcap:7"), 1000, 7),
            (json!("999"), 999, 0),
            (json!("999:998"), 999, 998),
            (json!(999), 999, 0),
        ] {
            let owner = FileOwner::parse("o", &value)
                .unwrap()
                .resolve(vm.path())
                .unwrap();
            assert_eq!(owner, Owner { uid, gid }, "{value}");
        }
        assert_eq!(
            FileOwner::ROOT.resolve(Path::new("/nonexistent")).unwrap(),
            Owner { uid: 0, gid: 0 }
        );
    }

    #[test]
    fn refuses_what_is_no_owner_and_whom_the_vm_does_not_know() {
        for bad in [
            json!(""),
            json!(":"),
            json!("a:"),
            json!(":b"),
            json!("a:b:c"),
            json!("a b"),
            json!("-x"),
            json!(-1),
            json!(4_294_967_295_u32),
            json!("4294967295"),
            json!(1.5),
            Value::Null,
        ] {
            assert!(FileOwner::parse("o", &bad).is_err(), "{bad}");
        }
        let vm = vm();
        for (unknown, why) in [
            ("nobody", "no user"),
            ("root:nogroup", "no group"),
            ("broken", "no numbers"),
        ] {
            let error = FileOwner::parse("o", &json!(unknown))
                .unwrap()
                .resolve(vm.path())
                .unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }
}

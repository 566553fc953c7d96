//! The mounts of a process, as `/proc/PID/mountinfo` lists them (proc(5)).

use std::fs;
use std::path::PathBuf;

use crate::error::{Error, Result};

/// One mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mount {
    /// `major:minor` of the file system's device.
    pub(crate) device: String,
    /// Where it is mounted, as the process sees it.
    pub(crate) point: PathBuf,
    /// The file system's type.
    pub(crate) kind: String,
    /// Options of the file system (not of the mount).
    pub(crate) options: Vec<String>,
}

/// The mounts of a process: `self` or a PID.
pub(crate) fn of(process: &str) -> Result<Vec<Mount>> {
    let path = format!("/proc/{process}/mountinfo");
    let text = fs::read_to_string(&path).map_err(Error::io("reading", path))?;
    Ok(text.lines().filter_map(parse).collect())
}

fn parse(line: &str) -> Option<Mount> {
    let (before, after) = line.split_once(" - ")?;
    let before: Vec<&str> = before.split(' ').collect();
    let after: Vec<&str> = after.split(' ').collect();
    Some(Mount {
        device: (*before.get(2)?).to_owned(),
        point: PathBuf::from(unescape(before.get(4)?)),
        kind: (*after.first()?).to_owned(),
        options: after.get(2)?.split(',').map(unescape).collect(),
    })
}

/// Spaces, tabs, newlines and backslashes are written as `\ooo`.
fn unescape(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        if let (b'\\', [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', more @ ..]) =
            (first, tail)
        {
            bytes.push((a - b'0') << 6 | (b - b'0') << 3 | (c - b'0'));
            rest = more;
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn optional_fields_and_escapes_are_understood() {
        let line = r"36 35 98:0 /mnt1 /mnt\0402 rw,noatime master:1 shared:2 - ext3 /dev/root rw,errors=continue";
        let mount = parse(line).unwrap();
        assert_eq!(mount.device, "98:0");
        assert_eq!(mount.point, PathBuf::from("/mnt 2"));
        assert_eq!(mount.kind, "ext3");
        assert_eq!(mount.options, ["rw", "errors=continue"]);
    }

    #[test]
    fn a_line_that_is_none_is_passed_over() {
        assert_eq!(parse("36 35 98:0 /mnt1"), None);
        assert_eq!(parse(""), None);
    }

    #[test]
    fn this_process_has_a_root() {
        assert!(
            of("self")
                .unwrap()
                .iter()
                .any(|m| m.point == Path::new("/"))
        );
    }
}

//! The environment variables that bosh-solo reads, in this crate and in the program itself. None of them is needed.
//!
//! Those of its own begin with `BOSH_SOLO_`; the others mean what they mean to other programs. An empty one counts as
//! one that is not set. `docs/bosh-solo.md` describes them to people.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::error::{Error, Result};
use crate::hierarchy::CgroupVersion;
use crate::spec::IptablesVariant;

/// The state directory.
const STATE: &str = "BOSH_SOLO_STATE";
/// `v1` or `v2`: which cgroup version instances see, on a machine that has both.
const CGROUP: &str = "BOSH_SOLO_CGROUP";
/// `legacy` or `nft`: which iptables instances have.
const IPTABLES: &str = "BOSH_SOLO_IPTABLES";
/// The deployment, as for `bosh`.
const DEPLOYMENT: &str = "BOSH_DEPLOYMENT";
/// Whether nothing is asked, as for `bosh`: unless it is `false`.
const NON_INTERACTIVE: &str = "BOSH_NON_INTERACTIVE";
/// Where this machine's programs are.
const PATH: &str = "PATH";
/// The kind of terminal, which a shell on an instance is told.
const TERM: &str = "TERM";

/// Where deployments, compiled packages and base trees are kept: `BOSH_SOLO_STATE`, else `/var/lib/bosh-solo`.
#[must_use]
pub fn state_dir() -> PathBuf {
    std::env::var_os(STATE)
        .filter(|value| !value.is_empty())
        .map_or_else(|| "/var/lib/bosh-solo".into(), Into::into)
}

/// The deployment that `BOSH_DEPLOYMENT` names.
#[must_use]
pub fn deployment() -> Option<String> {
    set(DEPLOYMENT)
}

/// Whether `BOSH_NON_INTERACTIVE` says that nothing is asked.
#[must_use]
pub fn non_interactive() -> bool {
    set(NON_INTERACTIVE).is_some_and(|value| value != "false")
}

/// The one cgroup version that `BOSH_SOLO_CGROUP` asks for.
pub(crate) fn cgroup() -> Result<Option<CgroupVersion>> {
    one_of(
        CGROUP,
        [CgroupVersion::V1, CgroupVersion::V2].map(|version| (version.as_str(), version)),
    )
}

/// What is said where this machine has not got that version.
pub(crate) fn no_such_cgroup(version: CgroupVersion) -> Error {
    Error::Variable {
        name: CGROUP,
        value: version.as_str().to_owned(),
        why: "this machine has no such hierarchy mounted".to_owned(),
    }
}

/// The iptables that `BOSH_SOLO_IPTABLES` asks for.
pub(crate) fn iptables() -> Result<Option<IptablesVariant>> {
    one_of(
        IPTABLES,
        [IptablesVariant::Legacy, IptablesVariant::Nft].map(|variant| (variant.as_str(), variant)),
    )
}

/// The directories in which programs of this machine are looked for.
pub(crate) fn path() -> OsString {
    std::env::var_os(PATH).unwrap_or_default()
}

/// The variable that tells a shell its kind of terminal, and its value.
pub(crate) fn terminal() -> Option<(&'static str, String)> {
    Some((TERM, std::env::var(TERM).ok()?))
}

fn set(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn one_of<T>(name: &'static str, known: [(&str, T); 2]) -> Result<Option<T>> {
    set(name).map_or(Ok(None), |value| choice(name, value, known).map(Some))
}

fn choice<T>(name: &'static str, value: String, known: [(&str, T); 2]) -> Result<T> {
    let why = format!("it is `{}` or `{}`", known[0].0, known[1].0);
    known
        .into_iter()
        .find(|(word, _)| *word == value)
        .map(|(_, meant)| meant)
        .ok_or(Error::Variable { name, value, why })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_with_two_values_takes_no_third() {
        let known = [("v1", 1), ("v2", 2)];
        assert_eq!(choice(CGROUP, "v2".to_owned(), known).unwrap(), 2);
        let error = choice(CGROUP, "V2".to_owned(), known).unwrap_err();
        let error = error.to_string();
        assert!(error.contains("BOSH_SOLO_CGROUP"), "{error}");
        assert!(error.contains("V2"), "{error}");
        assert!(error.contains("it is `v1` or `v2`"), "{error}");
    }
}

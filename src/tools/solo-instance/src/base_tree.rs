//! The base tree: a minimal Debian or Ubuntu of this machine's own release, with what a stemcell has that jobs and
//! packaging scripts rely on. Made once, shared read-only by every instance as the lower layer of its root.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::apt_sources::{self, Distribution};
use crate::command;
use crate::digest;
use crate::error::{Error, Result};
use crate::lock;
use crate::mountinfo;
use crate::plan::write_private;
use crate::progress::Progress;

/// Beside apt's `minbase` variant: what BOSH's agent and jobs call, and the compiler that stemcells have
/// (bosh-linux-stemcell-builder, `stages/base_debootstrap` and `base_ubuntu_packages`). Nothing of Docker's.
const PACKAGES: [&str; 22] = [
    "bzip2",
    "ca-certificates",
    "curl",
    "e2fsprogs",
    "file",
    "gcc",
    "iproute2",
    "iptables",
    "kmod",
    "less",
    "libc6-dev",
    "make",
    "monit",
    "netcat-openbsd",
    "openssl",
    "patch",
    "procps",
    "psmisc",
    "unzip",
    "xz-utils",
    "zip",
    "zstd",
];

/// Changes when the steps below do, so that an older tree is not taken for this one.
const RECIPE: &str = "1";

/// What of apt's settings on this machine decides whether and how its archive is reached.
const APT_SETTINGS: [&str; 6] = [
    "Acquire::http::Proxy",
    "Acquire::https::Proxy",
    "Acquire::ftp::Proxy",
    "Acquire::Check-Valid-Until",
    "Acquire::Check-Date",
    "Acquire::Retries",
];

/// The tree in `cache`; made if it is not there, by one process at a time.
pub(crate) fn ensure(cache: &Path, progress: &Progress) -> Result<PathBuf> {
    let distribution = Distribution::of_this_machine()?;
    let tree = cache.join(name(&distribution));
    if tree.exists() {
        return Ok(tree);
    }
    let _lock = lock::exclusive(&cache.join("lock"))?;
    if tree.exists() {
        return Ok(tree);
    }
    make(&tree, &distribution, progress)?;
    Ok(tree)
}

fn name(distribution: &Distribution) -> String {
    let hash = digest::short(&[RECIPE.as_bytes(), PACKAGES.join(" ").as_bytes()], 12);
    format!("base-{}-{hash}", distribution.codename)
}

fn make(tree: &Path, distribution: &Distribution, progress: &Progress) -> Result<()> {
    let begun = Instant::now();
    progress.tell(&format!(
        "making the base tree of {} (once; about a minute)",
        distribution.codename
    ));
    let fresh = tree.with_extension("new");
    if fresh.exists() {
        refuse_mounts_below(&fresh)?;
        fs::remove_dir_all(&fresh).map_err(Error::io("removing", &fresh))?;
    }
    let sources = tree.with_extension("list");
    write_private(&sources, apt_sources::of(distribution)?.as_bytes())?;
    let settings = tree.with_extension("conf");
    write_private(&settings, apt_settings()?.as_bytes())?;

    let mut arguments: Vec<String> = [
        "--variant=minbase",
        "--mode=root",
        "--format=directory",
        "--quiet",
        "--dpkgopt=path-exclude=/usr/share/man/*",
        "--dpkgopt=path-exclude=/usr/share/doc/*",
        "--dpkgopt=path-exclude=/usr/share/locale/*",
        // A stemcell's group and user (bosh-linux-stemcell-builder, `stages/bosh_users`).
        "--customize-hook=chroot \"$1\" groupadd --gid 1000 vcap",
        "--customize-hook=chroot \"$1\" useradd --uid 1000 --gid 1000 --create-home --shell /bin/bash vcap",
        // Interactive shells find monit with its file, as on a stemcell.
        "--customize-hook=ln -sfn /var/vcap/bosh/etc/monitrc \"$1\"/etc/monit/monitrc",
        "--customize-hook=ln -sfn /var/vcap/bosh/etc/monitrc \"$1\"/etc/monitrc",
        "--customize-hook=mkdir -p \"$1\"/var/vcap",
        // Settings and sources of this machine may hold passwords, and instances need none.
        "--customize-hook=rm -f \"$1\"/etc/apt/apt.conf.d/99mmdebstrap \"$1\"/etc/apt/sources.list",
        "--customize-hook=rm -rf \"$1\"/etc/apt/sources.list.d/*",
    ]
    .map(str::to_owned)
    .to_vec();
    arguments.push(format!("--aptopt={}", settings.display()));
    arguments.push(format!("--include={}", PACKAGES.join(",")));
    arguments.extend([
        distribution.codename.clone(),
        fresh.display().to_string(),
        sources.display().to_string(),
    ]);
    // What mmdebstrap mounts in the tree goes with its mount namespace, also when it is killed.
    let made = command::run(
        "unshare",
        ["--mount", "--", "mmdebstrap"]
            .map(str::to_owned)
            .into_iter()
            .chain(arguments),
    );
    for file in [&sources, &settings] {
        fs::remove_file(file).map_err(Error::io("removing", file))?;
    }
    made?;
    fs::rename(&fresh, tree).map_err(Error::io("renaming to", tree))?;
    progress.tell(&format!(
        "base tree made in {} s",
        begun.elapsed().as_secs()
    ));
    Ok(())
}

fn refuse_mounts_below(directory: &Path) -> Result<()> {
    match mountinfo::of("self")?
        .iter()
        .find(|m| m.point.starts_with(directory))
    {
        None => Ok(()),
        Some(mount) => Err(Error::still_mounted(&mount.point)),
    }
}

fn apt_settings() -> Result<String> {
    let dump = command::run("apt-config", ["dump"])?;
    Ok(select_settings(&dump))
}

fn select_settings(dump: &str) -> String {
    let wanted = |line: &&str| {
        let name = line.split_whitespace().next().unwrap_or_default();
        APT_SETTINGS
            .iter()
            .any(|s| name.eq_ignore_ascii_case(s) || name.starts_with(&format!("{s}::")))
    };
    let mut lines: Vec<&str> = dump.lines().filter(wanted).collect();
    lines.push("Acquire::Languages \"none\";");
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxies_and_date_checks_of_this_machine_are_taken_over() {
        let dump = "APT::Architecture \"amd64\";\nAcquire::http::Proxy \"http://p:1\";\n\
                    Acquire::http::Proxy::deb.example \"DIRECT\";\nAcquire::Check-Date \"false\";\n";
        let settings = select_settings(dump);
        assert!(!settings.contains("Architecture"));
        for kept in [
            "Proxy \"http://p:1\"",
            "deb.example",
            "Check-Date",
            "Languages",
        ] {
            assert!(settings.contains(kept), "{kept}: {settings}");
        }
    }

    #[test]
    fn the_trees_name_tells_releases_apart() {
        let named = |codename: &str| {
            name(&Distribution {
                id: "debian".into(),
                codename: codename.into(),
            })
        };
        assert_ne!(named("bookworm"), named("trixie"));
        assert!(named("bookworm").starts_with("base-bookworm-"));
    }
}

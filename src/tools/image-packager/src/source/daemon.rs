//! Images in the local Docker daemon, which writes them as `docker save` does.

use std::fs::File;
use std::io::{Read, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use docker_engine::Engine;
use image_archive::{Digest, Platform, Reference};

use super::docker_archive::{self, OwnFile};
use super::{Error, Found, Result};

const DEFAULT_SOCKET: &str = "/var/run/docker.sock";

/// The daemon's socket, by the value of `DOCKER_HOST`.
pub fn socket(docker_host: Option<&str>) -> Result<PathBuf> {
    let host = docker_host.filter(|host| !host.is_empty());
    let Some(host) = host else {
        return Ok(DEFAULT_SOCKET.into());
    };
    match host.strip_prefix("unix://") {
        Some(path) if path.starts_with('/') => Ok(path.into()),
        _ => Err(Error::DaemonAddress {
            why: "DOCKER_HOST is not a UNIX socket".to_owned(),
        }),
    }
}

/// Has the daemon write an image into a file under `scratch`, and opens that.
pub fn find(
    socket: &Path,
    reference: &Reference,
    named: Option<&Reference>,
    platform: &Platform,
    scratch: &Path,
    stop: &AtomicBool,
) -> Result<Found> {
    let engine = Engine::new(socket);
    let name = reference.familiar();
    if engine.inspect_image(&name)?.is_none() {
        return Err(Error::NotInDaemon {
            image: name,
            socket: socket.to_owned(),
        });
    }
    let place = Digest::of(format!("docker-daemon:{reference}").as_bytes()).hex();
    let own = OwnFile(scratch.join(place));
    let mut file = File::create(&own.0).map_err(Error::file("making", &own.0))?;
    let mut stream = engine.save_image(&name)?;
    let mut buffer = vec![0; 256 << 10];
    loop {
        if stop.load(Ordering::Relaxed) {
            return Err(Error::Interrupted);
        }
        let count = stream
            .read(&mut buffer)
            .map_err(Error::file("reading the image from", socket))?;
        if count == 0 {
            break;
        }
        file.write_all(&buffer[..count])
            .map_err(Error::file("writing", &own.0))?;
    }
    docker_archive::find_own(own, &name, named.unwrap_or(reference), platform)
}

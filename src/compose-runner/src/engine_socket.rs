//! Services that mount the engine's socket (Traefik, Portainer, Watchtower).
//!
//! docker-ctl puts a link to the socket where everybody looks for it. A container gets the socket that the link leads to when it
//! is created, and that one leads nowhere once dockerd was started again: which one it is counts as a setting of the service
//! (see [`crate::mounts`]), and a dockerd that came back meanwhile has the recipe brought up again.

use std::{
    fs,
    os::unix::fs::{FileTypeExt, MetadataExt},
    path::{Path, PathBuf},
};

use bosh_job::{ErrorReport, ExitCode, Paths, Pid, Pidfile};

use crate::{
    failure::{Failure, error},
    model::{Model, MountKind, Service},
};

/// Sources of a service that are sockets by their name and are none. dockerd would make an empty directory of what is not there.
pub fn missing(model: &Model, paths: &Paths) -> Vec<ErrorReport> {
    let mut errors = Vec::new();
    let services = model.services.iter();
    for (name, service) in services.filter(|(_, service)| service.replicas > 0) {
        for source in sources(model, service) {
            let kind = fs::metadata(&source).map(|metadata| metadata.file_type());
            let why = match kind {
                _ if source
                    .extension()
                    .is_none_or(|extension| extension != "sock") =>
                {
                    continue;
                }
                Ok(kind) if kind.is_socket() => continue,
                Ok(kind) if kind.is_dir() => "is a directory there",
                Ok(_) => "is no socket",
                Err(_) => "is not there",
            };
            let mut found = error(format!(
                "service {name} mounts the socket {}, which {why}",
                source.display()
            ));
            found.service = Some(name.clone());
            found.property = Some("recipe".to_owned());
            found.hint = Some(if source.ends_with("docker.sock") {
                format!(
                    "the engine's socket is {}: mount that, or remove what lies at {}, so that the next start of dockerd puts a link there",
                    paths.socket().display(),
                    source.display()
                )
            } else {
                "correct the path, or start what makes the socket before".to_owned()
            });
            errors.push(found);
        }
    }
    errors
}

fn sources<'a>(model: &'a Model, service: &'a Service) -> impl Iterator<Item = PathBuf> + 'a {
    let binds = service
        .mounts
        .iter()
        .filter(|mount| mount.kind == MountKind::Volume);
    let volumes = service
        .named_volumes
        .keys()
        .filter_map(|name| model.volumes.get(name)?.bound_to());
    binds.map(|mount| mount.source.clone()).chain(volumes)
}

/// The socket that services have in their containers.
pub struct Held {
    services: Vec<String>,
    socket: PathBuf,
    identity: Option<(u64, i64, i64)>,
    pidfile: PathBuf,
    dockerd: Option<Pid>,
}

impl Held {
    /// The socket as it is now, if services mount it.
    pub fn now(model: &Model, paths: &Paths) -> Option<Self> {
        let socket = paths.socket();
        let real = fs::canonicalize(&socket).ok();
        let mounts_it = |service: &Service| {
            service.replicas > 0
                && sources(model, service).any(|source| fs::canonicalize(source).ok() == real)
        };
        let services = model
            .services
            .iter()
            .filter(|(_, service)| mounts_it(service));
        let services: Vec<String> = services.map(|(name, _)| name.clone()).collect();
        (real.is_some() && !services.is_empty()).then(|| Self {
            services,
            identity: identity(&socket),
            socket,
            pidfile: paths.dockerd_pidfile(),
            dockerd: Pidfile::new(paths.dockerd_pidfile()).read(),
        })
    }

    /// Says so if another dockerd has made another socket.
    pub fn check(&self) -> Result<(), Failure> {
        let same_dockerd = Pidfile::new(&self.pidfile).read() == self.dockerd;
        if same_dockerd || identity(&self.socket) == self.identity {
            return Ok(());
        }
        Err(Failure::one(
            ExitCode::Failed,
            error(format!(
                "the engine's socket that these services mount is that of the dockerd before: {}",
                self.services.join(", ")
            )),
        ))
    }
}

fn identity(socket: &Path) -> Option<(u64, i64, i64)> {
    let metadata = fs::metadata(socket).ok()?;
    Some((metadata.ino(), metadata.mtime(), metadata.mtime_nsec()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::{fs::symlink, net::UnixListener};

    use super::*;

    fn model(source: &Path) -> Model {
        let config = serde_json::json!({"services": {
            "proxy": {"volumes": [{"type": "bind", "source": source, "target": "/var/run/docker.sock", "read_only": true}]},
            "off": {"scale": 0, "volumes": [{"type": "bind", "source": "/nowhere/docker.sock", "target": "/x"}]},
        }});
        Model::parse(config.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn what_is_no_socket_is_refused_with_the_path_to_use() {
        let directory = tempfile::tempdir().unwrap();
        let paths = Paths::new(directory.path());
        fs::create_dir_all(paths.run_dir()).unwrap();
        let usual = directory.path().join("docker.sock");
        let told = || missing(&model(&usual), &paths);
        assert!(told()[0].what.ends_with("docker.sock, which is not there"));
        fs::create_dir(&usual).unwrap();
        let errors = told();
        assert!(
            errors[0]
                .what
                .ends_with("docker.sock, which is a directory there")
        );
        let socket = paths.socket().display().to_string();
        assert!(errors[0].hint.as_ref().unwrap().contains(&socket));
        assert_eq!(
            (errors.len(), errors[0].service.as_deref()),
            (1, Some("proxy"))
        );
        fs::remove_dir(&usual).unwrap();
        let _listener = UnixListener::bind(paths.socket()).unwrap();
        symlink(paths.socket(), &usual).unwrap();
        assert!(told().is_empty());
    }

    #[test]
    fn a_socket_of_another_dockerd_is_another_one() {
        let directory = tempfile::tempdir().unwrap();
        let paths = Paths::new(directory.path());
        fs::create_dir_all(paths.run_dir()).unwrap();
        let listener = UnixListener::bind(paths.socket()).unwrap();
        assert!(Held::now(&model(Path::new("/dev/null")), &paths).is_none());
        let held = Held::now(&model(&paths.socket()), &paths).unwrap();
        held.check().unwrap();
        fs::remove_file(paths.socket()).unwrap();
        let _second = UnixListener::bind(paths.socket()).unwrap();
        drop(listener);
        held.check().unwrap();
        Pidfile::new(paths.dockerd_pidfile())
            .write(rustix::process::getpid())
            .unwrap();
        let failure = held.check().unwrap_err();
        assert!(
            failure.errors()[0]
                .what
                .ends_with("the dockerd before: proxy")
        );
    }
}

//! What the registry listens on. It is bound while the process is root's: ports below 1024 are root's alone, and so is the admin socket.

use std::fs::Permissions;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use bosh_job::Advise as _;

use crate::config::Config;

/// How long a registry that was killed may hold the port.
const LETTING_GO: Duration = Duration::from_secs(5);
/// How often the port is tried.
const LOOK: Duration = Duration::from_millis(50);

/// Both sockets.
pub struct Sockets {
    /// For everybody.
    pub public: TcpListener,
    /// For root.
    pub admin: UnixListener,
}

impl Sockets {
    /// Listens. The port comes first: the socket of a registry that runs already stays.
    pub fn bind(config: &Config) -> anyhow::Result<Self> {
        let public = bind_port(config.listen)
            .and_then(|listener| listener.set_nonblocking(true).map(|()| listener))
            .with_context(|| format!("listening on {}", config.listen))
            .hint("properties `bind` and `port` say where; `ss -tlnp` shows who listens there")?;
        let path = &config.admin_socket;
        let bind = || {
            bosh_job::remove_if_there(path)?;
            let admin = UnixListener::bind(path)?;
            std::fs::set_permissions(path, Permissions::from_mode(0o600))?;
            admin.set_nonblocking(true)?;
            Ok::<_, std::io::Error>(admin)
        };
        let admin = bind().with_context(|| format!("listening on {}", path.display()))?;
        Ok(Self { public, admin })
    }
}

/// Listens on the port. A registry that was killed may need a moment until it has let go of it.
fn bind_port(address: SocketAddr) -> io::Result<TcpListener> {
    let deadline = Instant::now() + LETTING_GO;
    loop {
        match TcpListener::bind(address) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && Instant::now() < deadline => {
                thread::sleep(LOOK);
            }
            bound => return bound,
        }
    }
}

//! An engine that has lost its containerd. dockerd starts another and connects to it with a pause that doubles: for some seconds, and
//! on engine 29 for a quarter of a minute and more, it answers, but cannot start, stop or unpack anything.
//!
//! No version's words are relied on: the words of gRPC and ttrpc, of which every version repeats some, and the status of the answer.

use std::{thread, time::Duration, time::Instant};

use crate::{Engine, Error, Info};

/// Between two questions.
const LOOK: Duration = Duration::from_millis(300);
/// How long one may take: dockerd asks a containerd that hangs without an end of its own.
const ANSWER: Duration = Duration::from_secs(5);

/// What gRPC and ttrpc say of a peer that has gone, in whatever sentence.
const CONNECTION_LOST: [&str; 8] = [
    "code = unavailable",
    "ttrpc: closed",
    "ttrpc: client shutting down",
    "transport is closing",
    "client connection is closing",
    "error reading from server",
    "connection error: desc =",
    "error while dialing: dial unix",
];
/// What the kernel says of it; these count only next to the name of containerd.
const REFUSED: [&str; 7] = [
    "connection refused",
    "connection reset",
    "broken pipe",
    "unavailable",
    "no such file or directory",
    "deadline exceeded",
    "eof",
];

/// Whether a message says that the engine cannot reach its containerd. A registry that cannot be reached is told of by a URL or a
/// TCP address.
#[must_use]
pub fn says_containerd_is_away(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    if message.contains("dial tcp") || message.contains("https://") {
        return false;
    }
    let any = |words: &[&str]| words.iter().any(|word| message.contains(word));
    let of_containerd = message.contains("containerd.sock") || message.contains("to containerd");
    any(&CONNECTION_LOST) || (of_containerd && any(&REFUSED))
}

impl Error {
    /// Whether the engine, or its containerd, went away during the call and may soon be back: then it says nothing of what was
    /// asked for, and the same call is worth another try. An engine that hangs is none.
    #[must_use]
    pub fn is_interruption(&self) -> bool {
        match self {
            Self::Status {
                status: 500,
                message,
                ..
            }
            | Self::InStream { message, .. } => says_containerd_is_away(message),
            Self::Timeout { .. } => false,
            other => other.is_engine_trouble(),
        }
    }
}

impl Info {
    /// Whether the engine reaches its containerd: it asks that for its version (moby, `daemon/info_unix.go`, 20.10 to 29).
    #[must_use]
    pub fn reaches_containerd(&self) -> bool {
        self.containerd_commit.id != "N/A"
    }
}

impl Engine {
    /// Waits until the engine answers and reaches its containerd; `false` if it does not by `deadline`, or `cancelled` says so.
    pub fn wait_for_containerd(&self, deadline: Instant, cancelled: impl Fn() -> bool) -> bool {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let info = self.info_within(left.clamp(LOOK, ANSWER));
            if info.is_ok_and(|info| info.reaches_containerd()) {
                return true;
            }
            if left.is_zero() || cancelled() {
                return false;
            }
            thread::sleep(left.min(LOOK));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::{FakeEngine, FakeReply};

    #[test]
    fn an_engine_without_its_containerd_is_told_by_the_words_of_every_version() {
        for message in [
            "rpc error: code = Unavailable desc = connection error: desc = \"transport: Error while dialing: dial unix:///run/docker/containerd/containerd.sock: timeout\"",
            "connection error: desc = \"transport: error while dialing: dial unix /run/docker/containerd/containerd.sock: connect: connection refused\": unavailable",
            "Error response from daemon: failed to create task for container: ttrpc: closed: unknown",
            "error reading from server: EOF: unavailable",
            "failed to connect to containerd: connection refused",
            "Cannot kill container 1: rpc error: code = Unavailable desc = transport is closing",
        ] {
            assert!(says_containerd_is_away(message), "{message}");
        }
        for message in [
            "failed to resolve reference \"r.example/containerd/x:1\": dial tcp 10.0.0.1:443: connect: connection refused",
            "unexpected status from GET request to https://r.example/v2/containerd/x: 503 Service Unavailable",
            "no such image: containerd:1",
            "failed to create task for container: exec: \"x\": executable file not found in $PATH",
            "dial unix /run/app.sock: connect: connection refused",
        ] {
            assert!(!says_containerd_is_away(message), "{message}");
        }
    }

    #[test]
    fn waits_for_a_containerd_that_comes_back_and_not_for_one_that_does_not() {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("docker.sock");
        let back = Instant::now() + Duration::from_secs(1);
        let _fake = FakeEngine::start(&socket, move |_| {
            let id = if Instant::now() < back { "N/A" } else { "1" };
            FakeReply::json(&format!(
                r#"{{"Driver":"overlay2","ContainerdCommit":{{"ID":"{id}"}}}}"#
            ))
        });
        let engine = Engine::new(&socket);
        let begun = Instant::now();
        assert!(!engine.wait_for_containerd(begun + Duration::from_millis(100), || false));
        assert!(!engine.wait_for_containerd(begun + Duration::from_mins(1), || true));
        assert!(engine.wait_for_containerd(begun + Duration::from_mins(1), || false));
        assert!(Instant::now() >= back);
    }

    #[test]
    fn only_what_may_pass_is_an_interruption() {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("docker.sock");
        let fake = FakeEngine::start(&socket, |request| match request.path.as_str() {
            "/containers/a/kill" => FakeReply::error(503, "service unavailable"),
            "/containers/b/kill" => FakeReply::error(500, "ttrpc: closed"),
            _ => FakeReply::error(500, "no space left on device"),
        });
        let engine = Engine::new(&socket);
        let is = |id: &str| {
            engine
                .kill_container(id, "TERM")
                .unwrap_err()
                .is_interruption()
        };
        assert_eq!(["a", "b", "c"].map(is), [true, true, false]);
        drop(fake);
        assert!(is("a"), "there is no engine");
    }
}

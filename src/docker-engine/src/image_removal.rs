//! Images that go, and what that frees.

use std::time::Duration;

use serde::Deserialize;

use crate::{
    ApiVersion, Engine, Result,
    request::{Request, Timeouts, segment},
};

/// First version of the API that counts images alone: before, it also counted every volume's files.
const COUNTS_IMAGES_ALONE: ApiVersion = ApiVersion::new(1, 42);
/// Layers of gigabytes are deleted, or counted, file by file.
const LONG: Duration = Duration::from_mins(10);

impl Engine {
    /// Takes a name from an image, which goes with its last one; or removes an image by ID. Not by force: the engine
    /// refuses (409) what a container uses or what has other names. Parents without a name stay. One that is gone already
    /// is no error.
    pub fn remove_image(&self, name: &str) -> Result<()> {
        self.remove(Request::delete(image(name)).query("noprune", "1"))
    }

    /// Removes an image with all its names, though stopped containers are made of it. One that is gone already is no error.
    pub fn remove_image_by_force(&self, name: &str) -> Result<()> {
        self.remove(Request::delete(image(name)).query("force", "1"))
    }

    fn remove(&self, request: Request) -> Result<()> {
        match self.done(request.timeouts(Timeouts::within(LONG))) {
            Err(error) if error.is_not_found() => Ok(()),
            outcome => outcome,
        }
    }

    /// Bytes of the layers of all images, each counted once; nothing if the engine cannot count them without its volumes
    /// (API before 1.42).
    pub fn layers_size(&self) -> Result<Option<u64>> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Usage {
            #[serde(default)]
            layers_size: i64,
        }
        if self.api_version()? < COUNTS_IMAGES_ALONE {
            return Ok(None);
        }
        let request = Request::get("/system/df").query("type", "image");
        let usage: Usage = self.json(request.timeouts(Timeouts::within(LONG)))?;
        Ok(Some(u64::try_from(usage.layers_size).unwrap_or_default()))
    }
}

fn image(name: &str) -> String {
    format!("/images/{}", segment(name))
}

#[cfg(test)]
mod tests {
    use crate::{
        Engine,
        fake::{FakeEngine, FakeReply},
    };

    #[test]
    fn an_image_is_removed_without_force_and_one_that_is_gone_is_no_error() {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("docker.sock");
        let fake = FakeEngine::start(&socket, |request| match request.path.as_str() {
            "/images/x:1" => FakeReply::json("[]"),
            "/images/used:1" => FakeReply::error(409, "conflict: container 1 is using it"),
            _ => FakeReply::error(404, "No such image"),
        });
        let engine = Engine::new(&socket);
        engine.remove_image("x:1").unwrap();
        engine.remove_image("gone:1").unwrap();
        assert_eq!(
            engine.remove_image("used:1").unwrap_err().status(),
            Some(409)
        );
        let mut seen = fake.seen();
        seen.retain(|request| request.path != "/_ping");
        assert!(
            seen.iter()
                .all(|request| request.method == "DELETE" && request.query == "noprune=1")
        );
    }
}

//! Filling a registry, through the API that `docker push` uses (OCI distribution specification, "Push").

use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use ureq::http::StatusCode;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

use crate::Registry;
use crate::certificates::Certificates;

/// What a manifest's push made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pushed {
    /// The full reference by tag or digest, as one would pull it: `127.0.0.1:5000/a/b:1`.
    pub reference: String,
    /// The manifest's or index's digest.
    pub digest: String,
    /// Its size in bytes.
    pub size: u64,
}

/// `sha256:` and the hexadecimal digest.
pub fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

pub(crate) fn agent(certificates: Option<&Certificates>) -> ureq::Agent {
    let mut tls = TlsConfig::builder();
    if let Some(Certificates { authority, .. }) = certificates {
        let pem = std::fs::read(authority).expect("reading the authority's certificate");
        let certificate = Certificate::from_pem(&pem).expect("a certificate in PEM");
        tls = tls.root_certs(RootCerts::new_with_certs(&[certificate]));
    }
    ureq::Agent::config_builder()
        .http_status_as_error(false)
        .proxy(None)
        .timeout_per_call(Some(Duration::from_mins(2)))
        .tls_config(tls.build())
        .build()
        .into()
}

impl Registry {
    /// Stores a blob in a repository (`team/app`) and gives its digest.
    pub fn push_blob(&self, repository: &str, bytes: &[u8]) -> String {
        let digest = digest(bytes);
        self.upload(repository, &digest, bytes.len() as u64, bytes);
        digest
    }

    /// Stores a file as a blob, whatever its size.
    pub fn push_blob_file(&self, repository: &str, digest: &str, file: &Path) {
        let size = std::fs::metadata(file)
            .unwrap_or_else(|error| panic!("{}: {error}", file.display()))
            .len();
        let file = std::fs::File::open(file).expect("opening a blob");
        self.upload(
            repository,
            digest,
            size,
            ureq::SendBody::from_owned_reader(file),
        );
    }

    /// Stores a manifest or index under a tag, or under its digest.
    pub fn push_manifest(
        &self,
        repository: &str,
        tag_or_digest: &str,
        media_type: &str,
        bytes: &[u8],
    ) -> Pushed {
        let url = format!("{}/v2/{repository}/manifests/{tag_or_digest}", self.url());
        let response = self
            .authorised(self.agent.put(url).content_type(media_type))
            .send(bytes)
            .expect("pushing a manifest");
        expect(response, StatusCode::CREATED, "a manifest");
        let separator = if tag_or_digest.contains(':') {
            '@'
        } else {
            ':'
        };
        Pushed {
            reference: format!("{}/{repository}{separator}{tag_or_digest}", self.address()),
            digest: digest(bytes),
            size: bytes.len() as u64,
        }
    }

    /// Stores the first image (or index) of an OCI image layout, with all that belongs to it, under `repository:tag`.
    pub fn push_layout(&self, layout: &Path, name: &str) -> Pushed {
        let (repository, tag) = name.rsplit_once(':').expect("a name with a tag");
        let index = json(&std::fs::read(layout.join("index.json")).expect("reading index.json"));
        self.push_tree(layout, repository, Some(tag), &index["manifests"][0])
    }

    /// Deletes a manifest by its digest.
    pub fn delete_manifest(&self, repository: &str, digest: &str) {
        let url = format!("{}/v2/{repository}/manifests/{digest}", self.url());
        let response = self
            .authorised(self.agent.delete(url))
            .call()
            .expect("deleting a manifest");
        expect(response, StatusCode::ACCEPTED, "the end of a manifest");
    }

    /// A registry takes a manifest only after what it names.
    fn push_tree(
        &self,
        layout: &Path,
        repository: &str,
        tag: Option<&str>,
        descriptor: &Value,
    ) -> Pushed {
        let text = |descriptor: &Value, field: &str| {
            descriptor[field]
                .as_str()
                .unwrap_or_else(|| panic!("a descriptor without {field}"))
                .to_owned()
        };
        let blob = |digest: &str| layout.join("blobs").join(digest.replace(':', "/"));
        let digest = text(descriptor, "digest");
        let bytes = std::fs::read(blob(&digest)).expect("reading a manifest");
        let document = json(&bytes);
        let parts = |field: &str| document[field].as_array().cloned().unwrap_or_default();
        for manifest in parts("manifests") {
            self.push_tree(layout, repository, None, &manifest);
        }
        for part in parts("layers").iter().chain(document.get("config")) {
            let digest = text(part, "digest");
            self.push_blob_file(repository, &digest, &blob(&digest));
        }
        self.push_manifest(
            repository,
            tag.unwrap_or(&digest),
            &text(descriptor, "mediaType"),
            &bytes,
        )
    }

    fn upload(&self, repository: &str, digest: &str, size: u64, body: impl ureq::AsSendBody) {
        let base = format!("{}/v2/{repository}/blobs", self.url());
        let there = self
            .authorised(self.agent.head(format!("{base}/{digest}")))
            .call()
            .expect("asking for a blob");
        if there.status() == StatusCode::OK {
            return;
        }
        let response = self
            .authorised(self.agent.post(format!("{base}/uploads/")))
            .send_empty()
            .expect("starting an upload");
        let location = response
            .headers()
            .get("location")
            .and_then(|location| location.to_str().ok())
            .expect("where to upload to")
            .to_owned();
        expect(response, StatusCode::ACCEPTED, "the start of an upload");
        let separator = if location.contains('?') { '&' } else { '?' };
        let response = self
            .authorised(
                self.agent
                    .put(format!("{location}{separator}digest={digest}")),
            )
            .content_type("application/octet-stream")
            .header("content-length", size)
            .send(body)
            .expect("uploading a blob");
        expect(response, StatusCode::CREATED, "a blob");
    }

    fn authorised<Body>(&self, request: ureq::RequestBuilder<Body>) -> ureq::RequestBuilder<Body> {
        match &self.options.account {
            Some((user, password)) => {
                let account = format!("{user}:{password}");
                let encoded = base64::engine::general_purpose::STANDARD.encode(account);
                request.header("authorization", format!("Basic {encoded}"))
            }
            None => request,
        }
    }
}

fn json(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).expect("a document in JSON")
}

fn expect(mut response: ureq::http::Response<ureq::Body>, status: StatusCode, what: &str) {
    let answer = response.body_mut().read_to_string().unwrap_or_default();
    assert_eq!(
        response.status(),
        status,
        "the registry did not take {what}: {answer}"
    );
}

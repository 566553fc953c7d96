//! Documents of a layout that are changed while the digests above them stay true, so that they themselves are reached.

use fastrand::Rng;
use image_archive::Error;
use image_fixture::{Files, Packing, TestImage};

use crate::harness::{ROUNDS, Tally, fast_place, image, mutate, swallow};

fn innermost(error: &Error) -> &Error {
    match error {
        Error::Image { source, .. } => innermost(source),
        error => error,
    }
}

/// Mutations of a document that keep the digests above it true, so that the document itself is reached.
fn documents(what: &str, seed: u64, change: impl Fn(&mut Rng, &mut Documents)) {
    let image = image();
    let (_place, path) = fast_place();
    let mut random = Rng::with_seed(seed);
    let mut tally = Tally::new();
    let blank = Files::layout(&image, &["a:1"], Packing::Plain, true);
    blank.write(&path);
    for _ in 0..ROUNDS {
        let mut documents = Documents::of(&image);
        change(&mut random, &mut documents);
        let (files, config) = documents.seal();
        let changed = |name: &str| blank.files.iter().all(|(known, _)| known != name);
        let changed: Vec<_> = files
            .files
            .iter()
            .filter(|(name, _)| changed(name) || name == "index.json")
            .collect();
        for (name, bytes) in &changed {
            std::fs::write(path.join(name), bytes).unwrap();
        }
        let outcome = swallow(&path);
        tally.note(&config, &outcome, |error| {
            matches!(innermost(error), Error::Json { .. })
        });
        for (name, _) in changed {
            std::fs::remove_file(path.join(name)).unwrap();
        }
    }
    tally.finish(what);
}

/// The documents of a layout, from the lowest to the highest, before they name each other.
struct Documents {
    config: Vec<u8>,
    manifest: Vec<u8>,
    index: Vec<u8>,
    top: Vec<u8>,
}

impl Documents {
    fn of(image: &TestImage) -> Self {
        let blob = |bytes: &[u8]| {
            serde_json::json!({
                "mediaType": "application/vnd.oci.image.layer.v1.tar",
                "digest": image_fixture::digest(bytes),
                "size": bytes.len(),
            })
        };
        let layers: Vec<_> = image.layers.iter().map(|layer| blob(layer)).collect();
        let lower = |media_type: &str| serde_json::json!({"mediaType": media_type, "digest": "DIGEST", "size": 123_456_789});
        let manifest = lower("application/vnd.oci.image.manifest.v1+json");
        let index = lower("application/vnd.oci.image.index.v1+json");
        let config = lower("application/vnd.oci.image.config.v1+json");
        Self {
            config: image.config(),
            manifest: serde_json::json!({"schemaVersion": 2, "config": config, "layers": layers})
                .to_string()
                .into(),
            index: serde_json::json!({"schemaVersion": 2, "manifests": [manifest]})
                .to_string()
                .into(),
            top: serde_json::json!({"schemaVersion": 2, "manifests": [index]})
                .to_string()
                .into(),
        }
    }

    /// Names each by its digest in the one above.
    fn seal(self) -> (Files, String) {
        let mut files = Files::default();
        files.push("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#);
        let config = image_fixture::digest(&self.config);
        let mut lower = self.config;
        for upper in [self.manifest, self.index, self.top] {
            files.push(
                &format!("blobs/sha256/{}", image_fixture::hex(&lower)),
                &lower,
            );
            let upper = replace(&upper, b"DIGEST", image_fixture::digest(&lower).as_bytes());
            lower = replace(&upper, b"123456789", lower.len().to_string().as_bytes());
        }
        files.push("index.json", &lower);
        (files, config)
    }
}

fn replace(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    match bytes.windows(from.len()).position(|window| window == from) {
        Some(at) => [&bytes[..at], to, &bytes[at + from.len()..]].concat(),
        None => bytes.to_vec(),
    }
}

/// Most mutations in the values of strings and numbers, where they leave JSON.
fn mutate_json(random: &mut Rng, bytes: &mut Vec<u8>) {
    if random.u8(..4) == 0 {
        mutate(random, bytes);
        return;
    }
    let letters: Vec<usize> = (0..bytes.len())
        .filter(|at| bytes[*at].is_ascii_alphanumeric())
        .collect();
    for _ in 0..random.usize(1..3) {
        let at = letters[random.usize(..letters.len())];
        bytes[at] = if bytes[at].is_ascii_digit() {
            random.u8(b'1'..=b'9')
        } else {
            random.u8(b'a'..=b'z')
        };
    }
}

#[test]
fn configs() {
    documents("configs", 5, |random, documents| {
        mutate_json(random, &mut documents.config);
    });
}

#[test]
fn manifests() {
    documents("manifests", 6, |random, documents| {
        mutate_json(random, &mut documents.manifest);
    });
}

#[test]
fn nested_indexes() {
    documents("nested indexes", 7, |random, documents| {
        mutate_json(random, &mut documents.index);
    });
}

#[test]
fn index_documents() {
    documents("index.json", 8, |random, documents| {
        mutate_json(random, &mut documents.top);
    });
}

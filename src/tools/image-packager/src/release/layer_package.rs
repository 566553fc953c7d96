//! The package of a layer. Its bytes are frozen: two releases that carry the same layer must agree on its fingerprint, or
//! they cannot share a VM. Another form would have to be `layer-v2`.

use image_archive::Digest;

use super::layers;
use super::names;

/// The files that every such package shares, below `src`.
pub(crate) const SHARED: [(&str, &str); 2] = [
    (
        "layer-v1/oci-layout",
        "{\"imageLayoutVersion\":\"1.0.0\"}\n",
    ),
    (
        "layer-v1/index.json",
        "{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.index.v1+json\",\"manifests\":[]}\n",
    ),
];

/// BOSH runs it with `bash -x`, without `-e` (bosh-agent `agent/compiler`).
pub(crate) const PACKAGING: &str = r#"set -eu
mkdir -p "$BOSH_INSTALL_TARGET/blobs"
mv layer-v1/oci-layout layer-v1/index.json "$BOSH_INSTALL_TARGET/"
mv layers/sha256 "$BOSH_INSTALL_TARGET/blobs/"
"#;

/// The package's spec.
pub(crate) fn spec(digest: &Digest) -> String {
    let name = names::of_layer(digest);
    let [oci_layout, index] = SHARED.map(|(path, _)| path);
    let blob = layers::blob_path(digest);
    format!(
        "---\nname: {name}\n\ndependencies: []\n\nfiles:\n- {oci_layout}\n- {index}\n- {blob}\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        Digest::of(bytes).hex()
    }

    /// As the BOSH CLI computes it (bosh-cli `release/resource/fingerprint.go`, version 2): paths in order, each with
    /// its content's digest and mode, the mode of `packaging` left out; no dependencies.
    fn fingerprint(files: &[(&str, &str, &str)]) -> String {
        let mut whole = String::from("v2");
        for (path, content, mode) in files {
            whole = format!("{whole}{path}sha256:{content}{mode}");
        }
        hex(whole.as_bytes())
    }

    #[test]
    fn the_fingerprint_of_a_layer_never_changes() {
        let content = b"a layer";
        let digest = Digest::of(content);
        let blob = layers::blob_path(&digest);
        let [layout, index] = SHARED.map(|(path, text)| (path, hex(text.as_bytes())));
        let found = fingerprint(&[
            (index.0, &index.1, "100644"),
            (layout.0, &layout.1, "100644"),
            (&blob, &digest.hex(), "100644"),
            ("packaging", &hex(PACKAGING.as_bytes()), ""),
        ]);
        assert_eq!(found, GOLDEN);
    }

    /// What the BOSH CLI printed for this package.
    const GOLDEN: &str = "b2e4ea21535df4d28d164bb3e836adf47dbe8bb885eb285f02a71620b0f1dc2a";

    #[test]
    fn the_spec_never_changes() {
        let digest = Digest::of(b"a layer");
        assert_eq!(
            spec(&digest),
            "---
name: layer-v1-5b8f1b0bfcdf5a7b

dependencies: []

files:
- layer-v1/oci-layout
- layer-v1/index.json
- layers/sha256/5b8f1b0bfcdf5a7b
"
            .replace("5b8f1b0bfcdf5a7b", &digest.hex())
        );
    }
}

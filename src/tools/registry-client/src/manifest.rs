//! What kind of document a registry has served.

use image_archive::{Digest, MediaType, Shape};

use crate::answer::Subject;
use crate::error::{Error, Result};

/// Whatever an image can be; without a list, registries serve manifests of schema 1 or nothing.
pub(crate) const ACCEPT: &str = "application/vnd.oci.image.index.v1+json, \
     application/vnd.oci.image.manifest.v1+json, \
     application/vnd.docker.distribution.manifest.list.v2+json, \
     application/vnd.docker.distribution.manifest.v2+json";

/// Media types that say nothing.
const VAGUE: [&str; 4] = [
    "",
    "application/json",
    "application/octet-stream",
    "text/plain",
];

/// The media type of an index or manifest that was declared as `declared`.
///
/// A document that could be read as either is refused, as containerd does since CVE-2021-41190.
pub(crate) fn media_type(declared: &str, bytes: &[u8], subject: &Subject) -> Result<String> {
    let declared = declared.split(';').next().unwrap_or_default().trim();
    let not_a_manifest = |why: String| Error::NotAManifest {
        registry: subject.registry.clone(),
        what: subject.what.clone(),
        why,
    };
    let shape = Shape::of(bytes).map_err(|error| {
        not_a_manifest(format!(
            "its JSON breaks off or is none, at line {}",
            error.line()
        ))
    })?;
    if MediaType::of(declared) == MediaType::Schema1 || shape.is_schema_1() {
        return Err(Error::Schema1 {
            registry: subject.registry.clone(),
            what: subject.what.clone(),
        });
    }
    let written = shape.media_type().unwrap_or_default();
    let is_vague = VAGUE.contains(&declared);
    if !is_vague && !written.is_empty() && declared != written {
        return Err(not_a_manifest(
            "its media type is not the one that it was served with".into(),
        ));
    }
    let (is_index, is_manifest) = (shape.is_index(), shape.is_manifest());
    let guessed = match (is_index, is_manifest) {
        (true, false) => "application/vnd.oci.image.index.v1+json",
        (false, true) => "application/vnd.oci.image.manifest.v1+json",
        (true, true) => {
            return Err(not_a_manifest(
                "it is an index and a manifest at once".into(),
            ));
        }
        (false, false) => {
            return Err(not_a_manifest("it has neither layers nor manifests".into()));
        }
    };
    let name = if !written.is_empty() {
        written
    } else if is_vague {
        guessed
    } else {
        declared
    };
    let fits = match MediaType::of(name) {
        MediaType::Index => is_index,
        MediaType::Manifest => is_manifest,
        _ => {
            return Err(not_a_manifest(format!(
                "its media type is {}",
                crate::words::clean(name)
            )));
        }
    };
    if fits {
        Ok(name.to_owned())
    } else {
        Err(not_a_manifest("it is not what its media type says".into()))
    }
}

/// The digest that a registry says a document has. Other algorithms than SHA-256 say nothing here.
pub(crate) fn said_digest(header: Option<&str>, url: &str) -> Result<Option<Digest>> {
    match header.map(str::trim) {
        Some(text) if text.starts_with("sha256:") => {
            text.parse().map(Some).map_err(|_| Error::Protocol {
                url: url.to_owned(),
                why: "its Docker-Content-Digest is not a digest".into(),
            })
        }
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
    const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
    const LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";

    fn kind(declared: &str, document: &str) -> Result<String> {
        let subject = Subject {
            registry: "registry.example".into(),
            what: "a/b:1".into(),
            anonymous: true,
        };
        media_type(declared, document.as_bytes(), &subject)
    }

    #[test]
    fn believes_header_and_document_where_they_agree_or_one_is_silent() {
        let manifest = r#"{"schemaVersion":2,"config":{},"layers":[]}"#;
        assert_eq!(kind(OCI_MANIFEST, manifest).unwrap(), OCI_MANIFEST);
        assert_eq!(
            kind("application/json; charset=utf-8", manifest).unwrap(),
            OCI_MANIFEST
        );
        assert_eq!(
            kind("", r#"{"schemaVersion":2,"manifests":[]}"#).unwrap(),
            OCI_INDEX
        );
        let list = format!(r#"{{"schemaVersion":2,"mediaType":"{LIST}","manifests":[]}}"#);
        assert_eq!(kind(LIST, &list).unwrap(), LIST);
        assert_eq!(kind("text/plain", &list).unwrap(), LIST);
    }

    #[test]
    fn refuses_schema_1_by_name_and_by_form() {
        let signed = "application/vnd.docker.distribution.manifest.v1+prettyjws";
        for (declared, document) in [
            (signed, r#"{"schemaVersion":1,"fsLayers":[]}"#),
            ("application/json", r#"{"schemaVersion":1}"#),
            ("", r#"{"fsLayers":[]}"#),
        ] {
            assert!(matches!(
                kind(declared, document),
                Err(Error::Schema1 { .. })
            ));
        }
    }

    #[test]
    fn refuses_what_could_be_read_in_two_ways() {
        let confused = format!(r#"{{"mediaType":"{OCI_INDEX}","manifests":[],"layers":[]}}"#);
        let other = format!(r#"{{"mediaType":"{LIST}","manifests":[]}}"#);
        for (declared, document) in [
            (OCI_INDEX, confused.as_str()),
            (OCI_INDEX, other.as_str()),
            (OCI_MANIFEST, r#"{"manifests":[]}"#),
            (OCI_INDEX, r#"{"layers":[]}"#),
            ("text/html", r#"{"layers":[]}"#),
            (OCI_INDEX, "{}"),
            (OCI_INDEX, r#"{"manifests":["#),
            (OCI_INDEX, "<html>"),
        ] {
            assert!(
                matches!(kind(declared, document), Err(Error::NotAManifest { .. })),
                "{declared} {document}"
            );
        }
    }
}

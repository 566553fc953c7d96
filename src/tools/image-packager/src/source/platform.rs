//! The platform that images are frozen for: read from a flag, and chosen among those of an index.

use image_archive::{Descriptor, Platform};

use super::error::{Error, Result};

/// Reads `linux/amd64` or `linux/arm64/v8`, with the other names that machines have (`x86_64`, `aarch64`), as
/// containerd's `platforms` package does.
pub fn parse(text: &str) -> Result<Platform> {
    let wrong = || Error::PlatformText {
        text: text.chars().take(100).collect(),
    };
    let mut parts = text.split('/');
    let (Some(os), Some(architecture)) = (parts.next(), parts.next()) else {
        return Err(wrong());
    };
    let variant = parts.next();
    let word = |part: &str| {
        !part.is_empty()
            && part
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    if parts.next().is_some()
        || ![Some(os), Some(architecture), variant]
            .into_iter()
            .flatten()
            .all(word)
    {
        return Err(wrong());
    }
    let (architecture, implied) = match architecture.to_ascii_lowercase().as_str() {
        "x86_64" | "x86-64" => ("amd64".to_owned(), None),
        "aarch64" => ("arm64".to_owned(), None),
        "i386" | "i686" => ("386".to_owned(), None),
        "armhf" => ("arm".to_owned(), Some("v7")),
        "armel" => ("arm".to_owned(), Some("v6")),
        other => (other.to_owned(), None),
    };
    Ok(Platform {
        os: os.to_ascii_lowercase(),
        architecture,
        variant: variant.or(implied).map(str::to_ascii_lowercase),
    })
}

/// The variant that a platform without one has: it says the same.
fn variant(platform: &Platform) -> &str {
    match (platform.variant.as_deref(), platform.architecture.as_str()) {
        (None | Some(""), "arm64") => "v8",
        (None | Some(""), "arm") => "v7",
        (None, _) | (Some("v1"), "amd64") => "",
        (Some(variant), _) => variant,
    }
}

/// Whether an image for `found` is what `wanted` asks for. Without a variant any will do.
#[must_use]
pub fn fits(found: &Platform, wanted: &Platform) -> bool {
    found.runs_on(wanted) && (wanted.variant.is_none() || variant(found) == variant(wanted))
}

/// The manifest of an index for `wanted`: that with the variant asked for, or else the usual one, or else the first.
/// The error lists what there is.
pub fn choose<'a>(
    manifests: &'a [Descriptor],
    wanted: &Platform,
) -> std::result::Result<&'a Descriptor, Vec<String>> {
    let images: Vec<&Descriptor> = manifests
        .iter()
        .filter(|descriptor| !descriptor.is_attestation())
        .collect();
    let of = |descriptor: &&&Descriptor| {
        descriptor
            .platform
            .as_ref()
            .is_some_and(|found| fits(found, wanted))
    };
    let usual = |descriptor: &&&Descriptor| {
        descriptor
            .platform
            .as_ref()
            .is_some_and(|found| fits(found, wanted) && variant(found) == variant(wanted))
    };
    // One that says nothing of its platform may be right; its config tells.
    let silent = |descriptor: &&&Descriptor| descriptor.platform.is_none();
    let mut all = images.iter();
    let chosen = (all.clone().find(usual))
        .or_else(|| all.clone().find(of))
        .or_else(|| all.find(silent));
    chosen.copied().ok_or_else(|| {
        let mut found: Vec<String> = images
            .iter()
            .filter_map(|descriptor| descriptor.platform.as_ref().map(ToString::to_string))
            .collect();
        found.sort();
        found.dedup();
        found
    })
}

#[cfg(test)]
mod tests {
    use image_archive::Digest;

    use super::*;

    fn entry(number: u8, platform: &str) -> Descriptor {
        Descriptor {
            media_type: "application/vnd.oci.image.manifest.v1+json".into(),
            digest: Digest::of(&[number]),
            size: 1,
            platform: Some(parse(platform).unwrap()),
            annotations: None,
        }
    }

    fn chosen(manifests: &[Descriptor], wanted: &str) -> Option<usize> {
        let chosen = choose(manifests, &parse(wanted).unwrap()).ok()?;
        manifests.iter().position(|entry| entry == chosen)
    }

    #[test]
    fn reads_platforms_as_containerd_does() {
        for (text, shown) in [
            ("linux/amd64", "linux/amd64"),
            ("linux/x86_64", "linux/amd64"),
            ("Linux/aarch64", "linux/arm64"),
            ("linux/arm64/v8", "linux/arm64/v8"),
            ("linux/armhf", "linux/arm/v7"),
        ] {
            assert_eq!(parse(text).unwrap().to_string(), shown);
        }
        for text in [
            "",
            "linux",
            "linux/",
            "/amd64",
            "linux/arm/v7/x",
            "linux/a b",
            "linux/amd64/",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_variant_that_is_asked_for_must_be_there() {
        let arm = [
            entry(1, "linux/arm/v6"),
            entry(2, "linux/arm/v7"),
            entry(3, "linux/arm64/v8"),
        ];
        assert_eq!(chosen(&arm, "linux/arm/v6"), Some(0));
        assert_eq!(chosen(&arm, "linux/arm"), Some(1));
        assert_eq!(chosen(&arm, "linux/arm/v5"), None);
        assert_eq!(chosen(&arm, "linux/arm64"), Some(2));
        assert_eq!(
            chosen(&[entry(1, "linux/arm64")], "linux/arm64/v8"),
            Some(0)
        );
    }

    #[test]
    fn a_usual_machine_gets_the_usual_variant() {
        let amd64 = [entry(1, "linux/amd64/v3"), entry(2, "linux/amd64")];
        assert_eq!(chosen(&amd64, "linux/amd64"), Some(1));
        assert_eq!(chosen(&amd64, "linux/amd64/v3"), Some(0));
        assert_eq!(chosen(&amd64[..1], "linux/amd64"), Some(0));
    }

    #[test]
    fn lists_what_there_is_without_attestations() {
        let manifests = [
            entry(1, "linux/s390x"),
            entry(2, "unknown/unknown"),
            entry(3, "linux/arm/v7"),
        ];
        let found = choose(&manifests, &parse("linux/amd64").unwrap()).unwrap_err();
        assert_eq!(found, ["linux/arm/v7", "linux/s390x"]);
    }
}

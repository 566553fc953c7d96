//! Names of packages and jobs.

use image_archive::{Digest, Reference};

/// What an image's package and job end with: `redis` alone would collide with others who pack Redis, since packages
/// of one name and different content cannot share a VM.
const SUFFIX: &str = "-image";
/// Directors keep names in 255 characters; the job's list file and archives add to them.
const LONGEST: usize = 200;
const LAYER: &str = "layer-v1-";

/// The package of a layer.
pub(crate) fn of_layer(digest: &Digest) -> String {
    format!("{LAYER}{}", digest.hex())
}

/// The layer whose package this is.
pub(crate) fn layer_of(package: &str) -> Option<Digest> {
    Digest::from_hex(package.strip_prefix(LAYER)?)
}

/// The package and job of an image: `redis:7` becomes `redis-7-image`.
pub(crate) fn of_image(reference: &Reference) -> String {
    let mut name = if let Some(tagged) = reference.tagged() {
        tagged.familiar()
    } else {
        let familiar = reference.familiar();
        let repository = familiar.split('@').next().unwrap_or_default();
        let digest = reference.digest().map(|digest| digest.hex());
        let digest = digest.unwrap_or_default();
        format!("{repository}-{}", digest.get(..12).unwrap_or_default())
    };
    name = name
        .chars()
        .map(|letter| if is_letter(letter) { letter } else { '-' })
        .collect();
    format!("{}{SUFFIX}", name.trim_matches('-'))
}

/// The same with the beginning of a digest, for an image whose own name another one has.
pub(crate) fn with_digest(reference: &Reference, digest: Digest) -> String {
    let own = of_image(reference);
    let own = own.strip_suffix(SUFFIX).unwrap_or(&own);
    let digest = digest.hex();
    format!("{own}-{}{SUFFIX}", digest.get(..12).unwrap_or_default())
}

/// Whether a name can be that of a package and a job.
pub(crate) fn check(name: &str) -> Result<(), &'static str> {
    if name.is_empty() || name.len() > LONGEST {
        return Err("a name has 1 to 200 characters");
    }
    if !name.chars().all(is_letter) {
        return Err("a name consists of letters, digits, `-`, `_` and `.`");
    }
    if !name.starts_with(|first: char| first.is_ascii_alphanumeric()) {
        return Err("a name begins with a letter or digit");
    }
    if bosh_manifest::to_yaml(&bosh_manifest::Value::from(name)).trim_end() != name {
        return Err("BOSH would take it for a number or a truth value");
    }
    if name.starts_with(LAYER) {
        return Err("names with `layer-v1-` are those of layers");
    }
    Ok(())
}

fn is_letter(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derives_names_from_references() {
        let digest = Digest::of(b"").to_string();
        for (reference, name) in [
            ("redis:7", "redis-7-image"),
            ("redis", "redis-latest-image"),
            ("team/app:1.2", "team-app-1.2-image"),
            ("localhost:5000/x:1", "localhost-5000-x-1-image"),
            ("[::1]:5000/x:1", "1--5000-x-1-image"),
            (&format!("redis:7@{digest}"), "redis-7-image"),
            (&format!("redis@{digest}"), "redis-e3b0c44298fc-image"),
        ] {
            let derived = of_image(&reference.parse().unwrap());
            assert_eq!(derived, name);
            assert_eq!(check(&derived), Ok(()));
        }
    }

    #[test]
    fn refuses_names_that_lead_elsewhere_or_are_a_layers() {
        let layer = of_layer(&Digest::of(b""));
        for name in [
            "",
            "..",
            ".",
            "a/b",
            "-a",
            ".a",
            "a b",
            "ä",
            "1.0",
            "yes",
            "7e1",
            &layer,
            &"a".repeat(201),
        ] {
            assert!(check(name).is_err(), "{name}");
        }
        assert_eq!(layer_of(&layer), Some(Digest::of(b"")));
        assert_eq!(layer_of("layer-v1-xyz"), None);
    }
}

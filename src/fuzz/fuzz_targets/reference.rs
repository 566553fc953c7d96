//! Image references and digests: what is taken is printed, in full and as people write it, and read again as the same.
#![no_main]

use fuzz::check_error;
use image_archive::{Digest, Reference};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    match text.parse::<Digest>() {
        Ok(digest) => {
            assert_eq!(digest.to_string(), text);
            assert_eq!(Digest::from_hex(&digest.hex()), Some(digest));
        }
        Err(error) => check_error(&error, "is not a SHA-256 digest"),
    }
    match text.parse::<Reference>() {
        Ok(reference) => check(&reference),
        Err(error) => check_error(&error, "is not an image reference"),
    }
});

fn check(reference: &Reference) {
    for shown in [reference.to_string(), reference.familiar()] {
        assert_eq!(
            shown.parse::<Reference>().as_ref().ok(),
            Some(reference),
            "{shown}"
        );
    }
    assert!(reference.tag().is_some() || reference.digest().is_some());
    assert!(reference.repository().len() <= 255);
    // they become parts of URLs and of names in tarballs
    let path = reference.path();
    assert!(
        path.split('/').all(|part| !matches!(part, "" | "." | "..")),
        "{path}"
    );
    assert!(
        path.bytes()
            .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-' | b'/')),
        "{path}"
    );
    assert!(!reference.domain().contains(['/', '@', '?', '#', '%', '\\']));
    for part in [reference.tagged(), reference.digested()]
        .into_iter()
        .flatten()
    {
        assert_eq!(part.to_string().parse::<Reference>().ok(), Some(part));
    }
}

//! A service's name as a part of a file's name. Compose sets no bound to it; a file's name has 255 bytes.

use std::borrow::Cow;

use sha2::{Digest as _, Sha256};

/// What is left of 255 bytes beside `rotated.`, a number of ten digits and `.log`, and then some: as long as the names that were
/// never shortened.
const LONGEST: usize = 200;
/// Bytes of the digest that stands for the rest of a name.
const DIGEST: usize = 8;
/// It is in no service's name: a shortened one cannot be another's.
const MARK: char = '~';

/// The name, or its beginning and a digest of the whole if it is too long.
pub(crate) fn in_file_name(service: &str) -> Cow<'_, str> {
    if service.len() <= LONGEST {
        return service.into();
    }
    let kept = LONGEST - 1 - 2 * DIGEST;
    let kept = service.floor_char_boundary(kept);
    let digest = hex::encode(&Sha256::digest(service)[..DIGEST]);
    format!("{}{MARK}{digest}", &service[..kept]).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_name_is_shortened_and_stays_its_own() {
        let long = |length: usize, last: char| format!("{}{last}", "a".repeat(length - 1));
        assert_eq!(in_file_name("web"), "web");
        assert_eq!(in_file_name(&long(200, 'b')), long(200, 'b'));
        let (one, other) = (long(201, 'b'), long(201, 'c'));
        let (one, other) = (in_file_name(&one), in_file_name(&other));
        assert_eq!((one.len(), other.len()), (LONGEST, LONGEST));
        assert!(one != other && one.starts_with("aaa") && one.contains(MARK));
        assert_eq!(in_file_name(&long(201, 'b')), one, "at each start the same");
        let name = format!("rotated.{one}.{}.log", u32::MAX);
        assert!(name.len() <= 255, "{}", name.len());
    }
}

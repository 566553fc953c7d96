//! Short names out of long ones.

use sha2::{Digest, Sha256};

/// The first `length` hexadecimal digits of the SHA-256 of the parts, each ended by a NUL.
pub(crate) fn short(parts: &[&[u8]], length: usize) -> String {
    let digest = parts.iter().fold(Sha256::new(), |digest, part| {
        digest.chain_update(part).chain_update([0])
    });
    let mut text = hex::encode(digest.finalize());
    text.truncate(length);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_told_apart() {
        assert_ne!(short(&[b"ab", b"c"], 12), short(&[b"a", b"bc"], 12));
        assert_eq!(short(&[b"x"], 8).len(), 8);
    }
}

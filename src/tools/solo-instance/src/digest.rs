//! Short names out of long ones.

use sha2::{Digest, Sha256};

/// The first `length` hexadecimal digits of the SHA-256 of the parts, each ended by a NUL.
pub(crate) fn short(parts: &[&[u8]], length: usize) -> String {
    let digest = parts.iter().fold(Sha256::new(), |digest, part| {
        digest.chain_update(part).chain_update([0])
    });
    let mut text = hex(&digest.finalize());
    text.truncate(length);
    text
}

/// Bytes as lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(|nibble| char::from(DIGITS[usize::from(nibble)]))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_become_two_digits_each() {
        assert_eq!(hex(&[0, 0x9f, 0xff]), "009fff");
    }

    #[test]
    fn parts_are_told_apart() {
        assert_ne!(short(&[b"ab", b"c"], 12), short(&[b"a", b"bc"], 12));
        assert_eq!(short(&[b"x"], 8).len(), 8);
    }
}

//! Digests of both algorithms that the OCI image specification registers.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest as _, Sha256, Sha512};

/// A digest: `sha256:` and 64, or `sha512:` and 128 lower-case hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest {
    algorithm: Algorithm,
    hex: String,
}

/// A hash function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// SHA-256, which nearly everybody uses.
    Sha256,
    /// SHA-512.
    Sha512,
}

impl Algorithm {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Sha256, Self::Sha512];

    /// As digests begin with it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha512 => "sha512",
        }
    }

    fn digits(self) -> usize {
        match self {
            Self::Sha256 => 64,
            Self::Sha512 => 128,
        }
    }
}

impl Digest {
    /// The digest of bytes.
    pub fn of(algorithm: Algorithm, bytes: &[u8]) -> Self {
        let mut hasher = Hasher::new(algorithm);
        hasher.update(bytes);
        hasher.finish()
    }

    /// A digest out of its two parts, if it is one.
    pub fn from_parts(algorithm: &str, hex: &str) -> Option<Self> {
        let algorithm = Algorithm::ALL
            .into_iter()
            .find(|known| known.as_str() == algorithm)?;
        let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        (hex.len() == algorithm.digits() && hex.bytes().all(is_digit)).then(|| Self {
            algorithm,
            hex: hex.to_owned(),
        })
    }

    /// Its hash function.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Its digits.
    pub fn hex(&self) -> &str {
        &self.hex
    }
}

impl FromStr for Digest {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (algorithm, hex) = text.split_once(':').ok_or(())?;
        Self::from_parts(algorithm, hex).ok_or(())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.algorithm.as_str(), self.hex)
    }
}

/// Computes a digest of bytes that come one after the other.
#[derive(Clone)]
pub enum Hasher {
    /// SHA-256.
    Sha256(Sha256),
    /// SHA-512.
    Sha512(Sha512),
}

impl Hasher {
    /// Starts at the digest of nothing.
    pub fn new(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Sha256 => Self::Sha256(Sha256::new()),
            Algorithm::Sha512 => Self::Sha512(Sha512::new()),
        }
    }

    /// Takes in more bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(hasher) => hasher.update(bytes),
            Self::Sha512(hasher) => hasher.update(bytes),
        }
    }

    /// The digest of all of them.
    pub fn finish(self) -> Digest {
        let (algorithm, hex) = match self {
            Self::Sha256(hasher) => (Algorithm::Sha256, hex::encode(hasher.finalize())),
            Self::Sha512(hasher) => (Algorithm::Sha512, hex::encode(hasher.finalize())),
        };
        Digest { algorithm, hex }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_what_the_specification_says_and_nothing_else() {
        let empty = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(Digest::of(Algorithm::Sha256, b"").to_string(), empty);
        assert_eq!(empty.parse(), Ok(Digest::of(Algorithm::Sha256, b"")));
        let long = Digest::of(Algorithm::Sha512, b"x").to_string();
        assert_eq!(long.len(), "sha512:".len() + 128);
        assert_eq!(long.parse(), Ok(Digest::of(Algorithm::Sha512, b"x")));
        for bad in [
            "",
            "sha256",
            "sha256:",
            "sha256:baddigeststring",
            &empty[..70],
            &empty.to_uppercase(),
            &empty.replace("sha256", "sha512"),
            &empty.replace("sha256", "md5"),
            &format!("{empty}0"),
            &empty.replace("e3b0", "../."),
            &empty.replacen('e', "é", 1),
        ] {
            assert_eq!(bad.parse::<Digest>(), Err(()), "{bad}");
        }
    }
}

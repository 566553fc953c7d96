//! What a client says that it is: HTTP's scheme Basic (RFC 7617).

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// A name and a password.
#[derive(Clone)]
pub struct Login {
    /// The name.
    pub name: String,
    /// The password.
    pub password: String,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Login({:?})", self.name)
    }
}

impl Login {
    /// Reads the value of the header `Authorization`; nothing for another scheme.
    pub fn parse(header: &[u8]) -> Option<Self> {
        let (scheme, encoded) = std::str::from_utf8(header).ok()?.split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("basic") {
            return None;
        }
        let decoded = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
        let (name, password) = decoded.split_once(':')?;
        Some(Self::new(name, password))
    }

    /// These.
    pub fn new(name: &str, password: &str) -> Self {
        Self {
            name: name.to_owned(),
            password: password.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_scheme_basic_is_read() {
        let header = |text: &str| format!("Basic {}", STANDARD.encode(text));
        let login = Login::parse(header("ci:a:b ü").as_bytes()).unwrap();
        assert_eq!(
            (login.name.as_str(), login.password.as_str()),
            ("ci", "a:b ü")
        );
        assert!(!format!("{login:?}").contains("a:b"));
        assert!(Login::parse(header("ci:x").replace("Basic", "bAsIc").as_bytes()).is_some());
        for bad in [
            "",
            "Basic",
            "Basic ",
            "Basic !",
            "Bearer x",
            &header("ci"),
            "Digest username=\"ci\"",
        ] {
            assert!(Login::parse(bad.as_bytes()).is_none(), "{bad}");
        }
        assert!(Login::parse(b"Basic \xff").is_none());
    }
}

//! Passwords and tokens, which no log and no error may show.

use std::fmt;

/// A text that is never shown: `Debug` prints `[secret]`, and there is no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Hides `text`.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// `text` without the secret, should a server have repeated it. The shortest are no secrets, and part of words.
    pub(crate) fn hide_in(&self, text: &str) -> String {
        if self.0.len() < 3 {
            return text.to_owned();
        }
        text.replace(&self.0, "[secret]")
    }

    /// The text itself: for the one header, form or pipe that needs it.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("[secret]")
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

/// What a registry lets somebody in for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credentials {
    /// A name and a password, or a personal access token in its place.
    Password {
        /// The user.
        user: String,
        /// The password.
        password: Secret,
    },
    /// An identity token: a long-lived secret that a token server changes for access tokens (OAuth 2 refresh token).
    IdentityToken(Secret),
    /// A token that is sent to the registry as it is.
    RegistryToken(Secret),
}

impl Credentials {
    /// The part that nobody may see.
    pub(crate) fn into_secret(self) -> Secret {
        match self {
            Self::Password { password, .. } => password,
            Self::IdentityToken(token) | Self::RegistryToken(token) => token,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_not_shown_by_debug() {
        let credentials = Credentials::Password {
            user: "anna".into(),
            password: Secret::new("hunter2"),
        };
        assert_eq!(
            format!("{credentials:?}"),
            r#"Password { user: "anna", password: [secret] }"#
        );
    }
}

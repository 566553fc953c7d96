//! What another registry wants to hear before it answers: the header `WWW-Authenticate` (RFC 9110, 11.6.1; distribution's token
//! authentication).

use hyper::HeaderMap;
use hyper::header::WWW_AUTHENTICATE;

/// The scheme that it wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Challenge {
    /// The login itself.
    Basic,
    /// A token that another server gives out.
    Bearer {
        /// That server's address.
        realm: String,
        /// What the token is for.
        service: Option<String>,
        /// What it is to allow.
        scope: Option<String>,
    },
}

impl Challenge {
    /// Reads it; a token is preferred where there is a choice.
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        let values = headers.get_all(WWW_AUTHENTICATE).iter();
        let parsed: Vec<Self> = values
            .filter_map(|value| Self::parse(value.to_str().ok()?))
            .collect();
        let bearer = parsed.iter().find(|one| **one != Self::Basic);
        bearer.or(parsed.first()).cloned()
    }

    fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = text.split_once(' ').unwrap_or((text, ""));
        if scheme.eq_ignore_ascii_case("basic") {
            return Some(Self::Basic);
        }
        if !scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        let (mut realm, mut service, mut scope) = (None, None, None);
        let mut rest = rest.trim_start();
        while let Some((name, after)) = rest.split_once('=') {
            let (value, after) = value(after);
            match name.trim().to_ascii_lowercase().as_str() {
                "realm" => realm = Some(value),
                "service" => service = Some(value),
                "scope" => scope = Some(value),
                _ => {}
            }
            rest = after.trim_start_matches([',', ' ']);
        }
        Some(Self::Bearer {
            realm: realm?,
            service,
            scope,
        })
    }
}

/// A token or a quoted string, and what follows.
fn value(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([',', ' ']).unwrap_or(text.len());
        return (text[..end].to_owned(), &text[end..]);
    };
    let mut value = String::new();
    let mut letters = quoted.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return (value, &quoted[at + 1..]),
            '\\' => value.extend(letters.next().map(|(_, letter)| letter)),
            letter => value.push(letter),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_are_read_as_registries_write_them() {
        let bearer = |service: Option<&str>, scope: Option<&str>| Challenge::Bearer {
            realm: "https://auth/token".to_owned(),
            service: service.map(str::to_owned),
            scope: scope.map(str::to_owned),
        };
        for (text, expected) in [
            ("Basic realm=\"x\"", Some(Challenge::Basic)),
            (
                "Bearer realm=\"https://auth/token\",service=\"r.io\",scope=\"repository:a/b:pull\"",
                Some(bearer(Some("r.io"), Some("repository:a/b:pull"))),
            ),
            (
                "bearer realm=https://auth/token, error=\"a\\\"b,c\", scope=\"a:pull,push\"",
                Some(bearer(None, Some("a:pull,push"))),
            ),
            ("Bearer service=\"x\"", None),
            ("Negotiate", None),
            (
                "Bearer realm=\"https://auth/token",
                Some(bearer(None, None)),
            ),
            ("", None),
        ] {
            assert_eq!(Challenge::parse(text), expected, "{text}");
        }
    }
}

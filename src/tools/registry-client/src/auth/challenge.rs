//! `WWW-Authenticate`: what a registry wants to see (RFC 9110, section 11.6.1).

/// One way in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Challenge {
    /// Name and password with every request.
    Basic,
    /// A token of a token server.
    Bearer(Bearer),
}

/// Where to get a token, and what for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bearer {
    /// The token server's URL.
    pub(crate) realm: String,
    pub(crate) service: Option<String>,
    pub(crate) scope: Option<String>,
}

impl Challenge {
    /// With the scope that a request which changes something needs, where the registry does not say it.
    pub(crate) fn for_request(self, method: &str, repository: &str) -> Self {
        match self {
            Self::Bearer(mut bearer) if !matches!(method, "GET" | "HEAD") => {
                let scope = || format!("repository:{repository}:pull,push");
                bearer.scope = Some(bearer.scope.unwrap_or_else(scope));
                Self::Bearer(bearer)
            }
            other => other,
        }
    }
}

/// A token before a password: it may do less.
pub(crate) fn preferred(challenges: Vec<Challenge>) -> Option<Challenge> {
    let bearer = |challenge: &Challenge| matches!(challenge, Challenge::Bearer(_));
    let position = challenges.iter().position(bearer).unwrap_or(0);
    challenges.into_iter().nth(position)
}

/// Reads all headers; what is not understood is left out.
pub(crate) fn parse<'a>(headers: impl Iterator<Item = &'a str>) -> Vec<Challenge> {
    headers.flat_map(parse_one).collect()
}

fn parse_one(header: &str) -> Vec<Challenge> {
    let mut found: Vec<(String, Vec<(String, String)>)> = Vec::new();
    let mut rest = header.trim_start();
    while !rest.is_empty() {
        let (token, after) = split_token(rest);
        if token.is_empty() {
            // Not of this grammar: go on behind the next comma.
            rest = rest
                .split_once(',')
                .map_or("", |(_, rest)| rest)
                .trim_start();
            continue;
        }
        let after = after.trim_start();
        if let Some(value) = after.strip_prefix('=') {
            let (value, after) = split_value(value.trim_start());
            if let Some((_, parameters)) = found.last_mut() {
                parameters.push((token.to_lowercase(), value));
            }
            rest = after;
        } else {
            found.push((token.to_lowercase(), Vec::new()));
            rest = after;
        }
        rest = rest.trim_start().trim_start_matches([',', ' ']);
    }
    found
        .into_iter()
        .filter_map(|(scheme, parameters)| challenge(&scheme, parameters))
        .collect()
}

fn challenge(scheme: &str, parameters: Vec<(String, String)>) -> Option<Challenge> {
    match scheme {
        "basic" => Some(Challenge::Basic),
        "bearer" => {
            let mut bearer = Bearer::default();
            for (name, value) in parameters {
                match name.as_str() {
                    "realm" => bearer.realm = value,
                    "service" => bearer.service = Some(value),
                    "scope" => bearer.scope = Some(value),
                    _ => {}
                }
            }
            (!bearer.realm.is_empty()).then_some(Challenge::Bearer(bearer))
        }
        _ => None,
    }
}

fn split_token(text: &str) -> (&str, &str) {
    let end = text
        .find(|letter: char| {
            !(letter.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~/".contains(letter))
        })
        .unwrap_or(text.len());
    text.split_at(end)
}

/// A token or a quoted string, and what follows it.
fn split_value(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([',', ' ']).unwrap_or(text.len());
        return (text[..end].to_owned(), &text[end..]);
    };
    let mut value = String::new();
    let mut letters = quoted.char_indices();
    while let Some((position, letter)) = letters.next() {
        match letter {
            '"' => return (value, &quoted[position + 1..]),
            '\\' => value.extend(letters.next().map(|(_, letter)| letter)),
            _ => value.push(letter),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bearer(realm: &str, service: Option<&str>, scope: Option<&str>) -> Challenge {
        Challenge::Bearer(Bearer {
            realm: realm.into(),
            service: service.map(Into::into),
            scope: scope.map(Into::into),
        })
    }

    #[test]
    fn reads_docker_hubs_challenge() {
        let header = r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:library/redis:pull,push""#;
        assert_eq!(
            parse([header].into_iter()),
            [bearer(
                "https://auth.docker.io/token",
                Some("registry.docker.io"),
                Some("repository:library/redis:pull,push")
            )]
        );
    }

    #[test]
    fn reads_several_challenges_in_one_header_and_in_several() {
        let expected = [Challenge::Basic, bearer("https://a/t", None, None)];
        let one = r#"Basic realm="x, y", Bearer realm="https://a/t""#;
        assert_eq!(parse([one].into_iter()), expected);
        assert_eq!(
            parse(["basic Realm=x", "BEARER realm=https://a/t"].into_iter()),
            expected
        );
        assert_eq!(preferred(expected.to_vec()), Some(expected[1].clone()));
        assert_eq!(preferred(vec![Challenge::Basic]), Some(Challenge::Basic));
        assert_eq!(preferred(Vec::new()), None);
    }

    #[test]
    fn understands_escapes_and_survives_nonsense() {
        assert_eq!(
            parse([r#"Bearer realm="https://a/\"t\"", error="invalid_token""#].into_iter()),
            [bearer("https://a/\"t\"", None, None)]
        );
        for nonsense in [
            "",
            ",",
            "=",
            "\"",
            "Bearer",
            "Bearer realm=",
            "Bearer realm=\"",
            ",,=,\"x",
            "Negotiate abc==",
            "ä=ö",
        ] {
            let found = parse([nonsense].into_iter());
            assert!(found.is_empty(), "{nonsense}: {found:?}");
        }
    }
}

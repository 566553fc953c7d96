//! URLs in properties: of mirrors and of proxies. They may hold passwords, so problems never show them.

use serde_json::Value;

use super::address::is_host_and_port;
use super::values::kind;
use bosh_job::Problem;

/// A URL that was looked at.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Url<'a> {
    /// All of it.
    pub text: &'a str,
    /// Whether it names a user.
    pub has_user: bool,
    pub host_and_port: &'a str,
}

/// A URL of one of the schemes, with a host, without query and fragment.
pub(super) fn parse<'a>(
    property: &str,
    value: &'a Value,
    schemes: &[&str],
) -> Result<Url<'a>, Problem> {
    let wrong = |what: String| {
        Problem::new(property, what).hint(format!("for example {}://host.example:3128", schemes[0]))
    };
    let url = value
        .as_str()
        .ok_or_else(|| wrong(format!("must be a URL, and is {}", kind(value))))?;
    let schemes_known = schemes
        .iter()
        .map(|scheme| format!("{scheme}://"))
        .collect::<Vec<_>>()
        .join(" or ");
    let (scheme, rest) = url
        .split_once("://")
        .ok_or_else(|| wrong(format!("must begin with {schemes_known}")))?;
    if !schemes.contains(&scheme) {
        return Err(wrong(format!("must begin with {schemes_known}")));
    }
    if rest.contains(|c: char| c.is_whitespace() || c.is_control() || c == '?' || c == '#') {
        return Err(wrong(
            "holds a space, a query or a fragment; in a user or password write such characters as %20, %3F, %23"
                .to_owned(),
        ));
    }
    let authority = rest.split('/').next().unwrap_or_default();
    let (user, host_and_port) = authority
        .rsplit_once('@')
        .map_or((None, authority), |(user, host)| (Some(user), host));
    if !is_host_and_port(host_and_port) {
        return Err(wrong("has no good host and port".to_owned()));
    }
    Ok(Url {
        text: url,
        has_user: user.is_some(),
        host_and_port,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn finds_the_host_behind_a_user() {
        let value = json!("http://u:p%40x@proxy.example:3128/");
        let url = parse("p", &value, &["http"]).unwrap();
        assert_eq!(
            (url.has_user, url.host_and_port),
            (true, "proxy.example:3128")
        );
        let value = json!("http://[fd00::1]:3128");
        assert!(!parse("p", &value, &["http"]).unwrap().has_user);
    }

    #[test]
    fn refuses_what_is_no_such_url_without_showing_it() {
        for bad in [
            json!(7),
            json!("hunter2"),
            json!("ftp://hunter2"),
            json!("http://"),
            json!("http://u:hunter2@"),
            json!("http://u:hunter2@h:0"),
            json!("http://h/?hunter2"),
            json!("http://h/#hunter2"),
            json!("http://u:hunter2 @h"),
            json!("http://u:hunter2/@h"),
        ] {
            let problem = parse("p", &bad, &["http"]).unwrap_err();
            assert!(!format!("{problem:?}").contains("hunter2"), "{problem:?}");
        }
    }
}

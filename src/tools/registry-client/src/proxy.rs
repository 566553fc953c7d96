//! Which way requests leave.

use ureq::Proxy;
use ureq::http::Uri;

use crate::error::{Error, Result};
use crate::host_rules::is_exempt;
use crate::secret::Secret;
use crate::settings::Proxies;

/// The settings' proxies, read.
#[derive(Debug)]
pub(crate) struct Routes {
    http: Option<Proxy>,
    https: Option<Proxy>,
    none_for: String,
}

/// The way of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    Direct,
    HttpProxy,
    HttpsProxy,
}

impl Routes {
    pub(crate) fn new(proxies: &Proxies) -> Result<Self> {
        let read = |variable: &'static str, url: &Option<Secret>| match url {
            Some(url) => Proxy::new(url.reveal())
                .map(Some)
                .map_err(|_| Error::Setting {
                    what: "the proxy of",
                    // Its own text may hold a password.
                    value: variable.into(),
                    why: "it is not the URL of a proxy".into(),
                }),
            None => Ok(None),
        };
        Ok(Self {
            http: read("HTTP_PROXY", &proxies.http)?,
            https: read("HTTPS_PROXY", &proxies.https)?,
            none_for: proxies.none_for.clone(),
        })
    }

    pub(crate) fn route(&self, uri: &Uri) -> Route {
        let (proxy, route) = if uri.scheme_str() == Some("http") {
            (&self.http, Route::HttpProxy)
        } else {
            (&self.https, Route::HttpsProxy)
        };
        if proxy.is_none() || is_exempt(&self.none_for, uri) {
            Route::Direct
        } else {
            route
        }
    }

    pub(crate) fn proxy(&self, route: Route) -> Option<Proxy> {
        match route {
            Route::Direct => None,
            Route::HttpProxy => self.http.clone(),
            Route::HttpsProxy => self.https.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_the_proxy_of_the_scheme() {
        let routes = Routes::new(&Proxies {
            http: None,
            https: Some(Secret::new("http://anna:geheim@proxy.example:3128")),
            none_for: "inside.example".into(),
        })
        .unwrap();
        for (url, route) in [
            ("https://registry.example/v2/", Route::HttpsProxy),
            ("http://registry.example/v2/", Route::Direct),
            ("https://registry.inside.example/v2/", Route::Direct),
        ] {
            assert_eq!(routes.route(&url.parse().unwrap()), route, "{url}");
        }
    }

    #[test]
    fn does_not_show_a_bad_proxy() {
        let error = Routes::new(&Proxies {
            http: Some(Secret::new("http://anna:geheim@")),
            ..Proxies::default()
        })
        .unwrap_err();
        assert!(!format!("{error} {error:?}").contains("geheim"));
    }
}

//! The addresses of the API.

use hyper::Method;

use crate::access::Right;
use crate::digest::Digest;
use crate::http::ApiError;
use crate::names::{ManifestReference, Repository};

/// What an address stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// Whether this is a registry.
    Ping,
    /// All repositories.
    Catalog,
    /// Something of a repository.
    In(Repository, Resource),
}

/// What a repository has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resource {
    /// Its tags.
    Tags,
    /// A manifest.
    Manifest(ManifestReference),
    /// A blob.
    Blob(Digest),
    /// New uploads.
    Uploads,
    /// An upload.
    Upload(String),
    /// Manifests that name this one.
    Referrers(Digest),
}

impl Route {
    /// Reads the path of a request.
    ///
    /// # Errors
    /// It is no address of the API. Nothing but `:` may be percent-encoded: no name needs it, and an encoded slash is how
    /// filters in front of a registry are got round.
    pub fn parse(path: &str) -> Result<Self, ApiError> {
        let path = path.replace("%3A", ":").replace("%3a", ":");
        let unknown = || ApiError::not_found("the registry's API has no such address");
        let path = path
            .strip_prefix("/v2")
            .filter(|rest| rest.is_empty() || rest.starts_with('/'))
            .ok_or_else(unknown)?;
        match path {
            "" | "/" => return Ok(Self::Ping),
            "/_catalog" => return Ok(Self::Catalog),
            _ => {}
        }
        let path = path.trim_start_matches('/');
        let digest = |text: &str| {
            let bad = "the digest is not of the form sha256:… or sha512:… with lower-case hexadecimal digits";
            text.parse::<Digest>()
                .map_err(|()| ApiError::digest_invalid(bad))
        };
        let (name, resource) = if let Some(name) = path.strip_suffix("/tags/list") {
            (name, Resource::Tags)
        } else if let Some(name) = strip_uploads(path) {
            (name, Resource::Uploads)
        } else if let Some((rest, last)) = path.rsplit_once('/') {
            if let Some(name) = rest.strip_suffix("/blobs/uploads") {
                (name, Resource::Upload(last.to_owned()))
            } else if let Some(name) = rest.strip_suffix("/blobs") {
                (name, Resource::Blob(digest(last)?))
            } else if let Some(name) = rest.strip_suffix("/referrers") {
                (name, Resource::Referrers(digest(last)?))
            } else if let Some(name) = rest.strip_suffix("/manifests") {
                let bad = "a manifest is asked for by a tag or by a digest, and this is neither";
                let reference = last.parse().map_err(|()| ApiError::manifest_invalid(bad))?;
                (name, Resource::Manifest(reference))
            } else {
                return Err(unknown());
            }
        } else {
            return Err(unknown());
        };
        let repository = name.parse().map_err(|()| {
            ApiError::name_invalid("a repository's name has lower-case letters, digits, and single separators (. _ __ -) between them, in parts divided by /")
        })?;
        Ok(Self::In(repository, resource))
    }

    /// The right that a request needs; none for whether this is a registry, which any login may ask.
    ///
    /// # Errors
    /// The address cannot be asked for this.
    pub fn right(&self, method: &Method) -> Result<Option<Right>, ApiError> {
        use Resource::{Blob, Manifest, Referrers, Tags, Upload, Uploads};
        let is_read = matches!(*method, Method::GET | Method::HEAD);
        let right = match self {
            Self::Ping | Self::Catalog if is_read => return Ok(None),
            Self::In(_, Tags | Manifest(_) | Blob(_) | Referrers(_)) if is_read => Right::Pull,
            Self::In(_, Manifest(_)) if method == Method::PUT => Right::Push,
            Self::In(_, Manifest(_) | Blob(_)) if method == Method::DELETE => Right::Delete,
            Self::In(_, Uploads) if method == Method::POST => Right::Push,
            Self::In(_, Upload(_))
                if matches!(
                    *method,
                    Method::GET | Method::PATCH | Method::PUT | Method::DELETE
                ) =>
            {
                Right::Push
            }
            _ => {
                let what = format!("{method} means nothing at this address");
                return Err(ApiError::method_not_allowed(what));
            }
        };
        Ok(Some(right))
    }
}

fn strip_uploads(path: &str) -> Option<&str> {
    let path = path.strip_suffix('/').unwrap_or(path);
    path.strip_suffix("/blobs/uploads")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_those_of_the_specification() {
        let digest = format!("sha256:{}", "a".repeat(64));
        let name = |text: &str| text.parse::<Repository>().unwrap();
        let blob = || Resource::Blob(digest.parse().unwrap());
        let tag = |text: &str| Resource::Manifest(text.parse().unwrap());
        for (path, expected) in [
            ("/v2".to_owned(), Route::Ping),
            ("/v2/".to_owned(), Route::Ping),
            ("/v2/_catalog".to_owned(), Route::Catalog),
            (
                "/v2/a/b/tags/list".to_owned(),
                Route::In(name("a/b"), Resource::Tags),
            ),
            (
                "/v2/a/manifests/1".to_owned(),
                Route::In(name("a"), tag("1")),
            ),
            (
                "/v2/a/blobs/uploads/".to_owned(),
                Route::In(name("a"), Resource::Uploads),
            ),
            (
                "/v2/a/blobs/uploads".to_owned(),
                Route::In(name("a"), Resource::Uploads),
            ),
            (
                "/v2/a/blobs/uploads/1f".to_owned(),
                Route::In(name("a"), Resource::Upload("1f".to_owned())),
            ),
            (
                format!("/v2/a/blobs/{digest}"),
                Route::In(name("a"), blob()),
            ),
            (
                format!("/v2/a/blobs/{}", digest.replace(':', "%3A")),
                Route::In(name("a"), blob()),
            ),
            (
                format!("/v2/manifests/blobs/tags/blobs/{digest}"),
                Route::In(name("manifests/blobs/tags"), blob()),
            ),
        ] {
            assert_eq!(Route::parse(&path).unwrap(), expected, "{path}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for path in [
            "",
            "/",
            "/v1/",
            "/v2x",
            "/v2/a",
            "/v2/a/b",
            "/v2/A/tags/list",
            "/v2//tags/list",
            "/v2/a%2Fb/tags/list",
            "/v2/../tags/list",
            "/v2/a/../b/tags/list",
            "/v2/a%00/tags/list",
            "/v2/a/blobs/sha256:baddigest",
            "/v2/a/manifests/sha256:baddigeststring",
            "/v2/a/manifests/..",
            "/v2/a/manifests/",
            "/v2/_tags/tags/list",
        ] {
            let status = Route::parse(path).unwrap_err().status();
            assert!(status.is_client_error(), "{path}: {status}");
        }
    }
}

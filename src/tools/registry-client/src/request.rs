//! What is asked of a server.

use ureq::http::{Method, Uri};

use crate::secret::Secret;

/// What to ask.
#[derive(Clone, Debug)]
pub(crate) struct Request<'a> {
    pub(crate) method: Method,
    pub(crate) url: Uri,
    pub(crate) accept: &'a str,
    /// The header `Authorization`; it goes to this URL's server only.
    pub(crate) authorization: Option<Secret>,
    /// The first byte wanted.
    pub(crate) from: Option<u64>,
    /// A form to post.
    pub(crate) form: Option<Secret>,
    /// What the server must not repeat in an error.
    pub(crate) hidden: Vec<Secret>,
}

pub(crate) fn method_name(method: &Method) -> &'static str {
    match method.as_str() {
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        _ => "GET",
    }
}

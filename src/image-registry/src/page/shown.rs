//! An image that is shown.

use serde_json::Value;

use crate::inventory::{Content, Manifest};

/// What a page is put together from.
pub struct Shown<'a> {
    /// All that the login sees.
    pub contents: &'a [Content],
    /// Its repository.
    pub content: &'a Content,
    /// Its manifest, as it is listed.
    pub manifest: &'a Manifest,
    /// Its manifest, as it came.
    pub document: Value,
}

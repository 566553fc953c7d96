//! What is asked of another registry's repository besides its manifests and blobs.

use hyper::{Method, StatusCode};
use serde_json::json;

use super::Registry;
use super::route::Resource;
use crate::document::INDEX;
use crate::http::Answer;
use crate::http::{ApiError, Outcome};
use crate::images::Name;

/// Counts what a client is given of another registry.
pub fn count(registry: &Registry, name: &Name, bytes: u64) {
    if let (Name::Mirrored(name), Some(cache)) = (name, registry.images.cache()) {
        cache.count_given(name, bytes);
    }
}

/// The value of a header that says that an answer is stale (RFC 7234, 5.5.1).
pub fn warning(text: &str) -> String {
    let letter = |letter: char| match letter {
        '"' | '\\' => '\'',
        ' '..='~' => letter,
        _ => '?',
    };
    let text: String = text.chars().map(letter).collect();
    format!("110 image-registry \"{text}\"")
}

/// Answers it: there is nothing to be written.
pub fn answer(name: &Name, resource: &Resource, method: &Method) -> Outcome {
    let is_read = matches!(*method, Method::GET | Method::HEAD);
    match resource {
        Resource::Referrers(_) if is_read => {
            let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": []});
            Ok(Answer::new(StatusCode::OK).json(INDEX, &index))
        }
        Resource::Tags if is_read => Err(ApiError::name_unknown(
            "the tags of another registry's repository are not listed here: ask that registry",
        )),
        _ => Err(ApiError::denied(format!(
            "{} is a repository of another registry, which this one only mirrors: push to a name of your own",
            name.repository()
        ))),
    }
}

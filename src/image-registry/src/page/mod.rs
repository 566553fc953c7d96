//! The page: what the registry holds, for people. Read-only, rendered here, and of use without scripts.
//!
//! Labels, annotations and names of files are anybody's text: `maud` escapes all of it, and the content policy lets nothing run
//! or load that does not come from here.

mod address;
mod assets;
mod config;
mod gauges;
mod image;
mod layers;
mod layout;
mod paging;
mod place;
mod related;
mod sharing;
mod shown;
mod sources;
mod tags;
mod text;

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::{ALLOW, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderValue};
use hyper::{HeaderMap, Method, Request, Response, StatusCode};
use maud::Markup;

pub use address::is_here;
pub use sources::Sources;

use crate::access::Identity;
use crate::blocking::blocking;
use crate::http::{Answer, ApiError, Body, Outcome, empty, full};
use address::Address;
use layout::{Page, Visitor};
use paging::Parameters;
use place::Around;

const HTML: &str = "text/html; charset=utf-8";

/// Answers a request for the page.
///
/// # Errors
/// There is nothing at the address, or nothing that the login may see; or the store failed.
pub async fn answer(
    sources: &Sources,
    identity: &Identity,
    is_open: bool,
    request: &Request<Incoming>,
) -> Outcome {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let what = "the page is for looking alone";
        return Err(ApiError::method_not_allowed(what).with_header(ALLOW, "GET, HEAD"));
    }
    let address = Address::parse(request.uri().path()).ok_or_else(not_found)?;
    if let Address::Asset(name) = &address {
        return assets::answer(name, request).ok_or_else(not_found);
    }
    if identity.name().is_none() && (!is_open || address == Address::Login) {
        return Err(crate::http::challenge("a login is needed"));
    }
    if address == Address::Login {
        return Ok(Answer::new(StatusCode::SEE_OTHER).location("/").empty());
    }
    let visitor = Visitor {
        login: identity.name().map(str::to_owned),
        host: host(request.headers()),
    };
    let parameters = Parameters::parse(request.uri().query());
    let (sources, identity) = (sources.clone(), identity.clone());
    let rendered = blocking(move || {
        let contents = sources.visible(&identity)?;
        let page: Option<Page> = match &address {
            Address::Top => {
                let around = Around {
                    origin: None,
                    cache: sources.cache_use(),
                    space: Some(sources.space()?),
                };
                place::show(&contents, None, &parameters, &visitor, &around)
            }
            Address::Place(name) => {
                let around = Around {
                    origin: sources.origin(name),
                    ..Around::default()
                };
                place::show(&contents, Some(name), &parameters, &visitor, &around)
            }
            Address::Image(name, reference) => {
                image::show(&sources, &contents, (name, reference), &visitor)?
            }
            Address::Asset(_) | Address::Login => None,
        };
        Ok(page.map(|page| page.render(&visitor)))
    });
    let markup = rendered.await?.ok_or_else(not_found)?;
    Ok(html_answer(StatusCode::OK, markup, request.method()))
}

/// A refusal of the API's as a page, for browsers: with its status and headers.
pub fn refusal(refused: &Response<Body>, message: &str, request: &Method) -> Response<Body> {
    let (status, mut headers) = (refused.status(), refused.headers().clone());
    let title = match status {
        StatusCode::UNAUTHORIZED => "Log in to look",
        StatusCode::NOT_FOUND => "Nothing here",
        status if status.is_server_error() => "It did not work",
        _ => "Not possible",
    };
    let mut words = message.chars();
    let first = words.next().map(|first| first.to_uppercase().to_string());
    let message = first.unwrap_or_default() + words.as_str();
    let mut response = html_answer(status, layout::refusal(title, &message), request);
    headers.remove(CONTENT_TYPE);
    headers.remove(CONTENT_LENGTH);
    response.headers_mut().extend(headers);
    response
}

fn not_found() -> ApiError {
    ApiError::not_found("there is nothing at this address, or nothing that this login may see")
}

fn html_answer(status: StatusCode, markup: Markup, method: &Method) -> Response<Body> {
    let text = Bytes::from(markup.into_string());
    let answer = Answer::new(status)
        .header(CONTENT_TYPE, HTML)
        .header(CONTENT_LENGTH, &text.len().to_string());
    let mut response = answer.body(if method == Method::HEAD {
        empty()
    } else {
        full(text)
    });
    protect(response.headers_mut(), "private, no-store");
    response
}

/// What a browser must not do with an answer.
fn protect(headers: &mut HeaderMap, cache: &'static str) {
    for (name, value) in [
        (
            "content-security-policy",
            "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
        ),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
        ("cache-control", cache),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

/// The registry's name, as the client has it.
fn host(headers: &HeaderMap) -> String {
    let named = headers.get(HOST).and_then(|value| value.to_str().ok());
    let is_host = |host: &&str| {
        let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b".:-[]".contains(&byte);
        !host.is_empty() && host.len() < 300 && host.bytes().all(is_part)
    };
    named.filter(is_host).unwrap_or("REGISTRY").to_owned()
}

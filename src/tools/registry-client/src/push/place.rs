//! Where an upload stands: what `Location` and `Range` say of it (OCI distribution specification, "Pushing a blob in
//! chunks").

use ureq::http::Uri;

use crate::error::Error;
use crate::location::{follow, shown};

/// An upload in a registry.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// Where the next bytes go. Its query is the registry's own business, and may be as good as a password.
    pub(crate) url: Uri,
    /// Bytes that the registry has.
    pub(crate) offset: u64,
    /// Whether a request failed since, so that nobody knows what came of it.
    pub(crate) is_doubtful: bool,
}

impl Place {
    /// A new upload, whose place came in the answer to `from`.
    pub(crate) fn opened(from: &Uri, location: Option<&str>) -> Result<Self, Error> {
        let Some(location) = location else {
            return Err(wrong(
                from,
                "it opened an upload without saying where (no Location)",
            ));
        };
        Ok(Self {
            url: next(from, location)?,
            offset: 0,
            is_doubtful: false,
        })
    }

    /// The same upload after an answer, which may have given it another URL.
    pub(crate) fn after(&self, location: Option<&str>, offset: u64) -> Result<Self, Error> {
        let url = location.map_or_else(|| Ok(self.url.clone()), |text| next(&self.url, text))?;
        Ok(Self {
            url,
            offset,
            is_doubtful: false,
        })
    }

    /// The URL that ends the upload.
    pub(crate) fn last(&self, digest: &str) -> Result<Uri, Error> {
        let separator = if self.url.query().is_some() { '&' } else { '?' };
        format!("{}{separator}digest={digest}", self.url)
            .parse()
            .map_err(|_| wrong(&self.url, "the Location of its upload makes no URL"))
    }
}

fn next(from: &Uri, location: &str) -> Result<Uri, Error> {
    let url = follow(from, location).map_err(|why| wrong(from, why))?;
    if from.scheme_str() == Some("https") && url.scheme_str() == Some("http") {
        return Err(wrong(
            from,
            "the Location of its upload is plain http, though it was asked by https: a proxy in front of it has to set X-Forwarded-Proto",
        ));
    }
    Ok(url)
}

fn wrong(url: &Uri, why: &str) -> Error {
    Error::Protocol {
        url: shown(url),
        why: why.to_owned(),
    }
}

/// The number of bytes that a registry has, after the header `Range` of an upload: `0-1023` means 1024. Nothing if the
/// header says something else.
///
/// `0-0` is what distribution says of an upload without a byte, and means none here: nobody sends a single byte by itself.
pub(crate) fn range_end(header: &str) -> Option<u64> {
    let range = header.trim();
    let range = range.strip_prefix("bytes=").unwrap_or(range);
    let last = range.strip_prefix("0-")?;
    if last.is_empty() || !last.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    match last.parse::<u64>().ok()? {
        0 => Some(0),
        last => last.checked_add(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uri(text: &str) -> Uri {
        text.parse().unwrap()
    }

    #[test]
    fn reads_how_far_an_upload_is() {
        for (header, expected) in [
            ("0-1023", Some(1024)),
            (" bytes=0-1023 ", Some(1024)),
            ("0-0", Some(0)),
            ("0-1", Some(2)),
            ("0-", None),
            ("0--1", None),
            ("0-+5", None),
            ("5-9", None),
            ("1024", None),
            ("", None),
            ("0-9/10", None),
            ("0-18446744073709551615", None),
            ("0-18446744073709551616", None),
            ("0-99999999999999999999999999", None),
        ] {
            assert_eq!(range_end(header), expected, "{header}");
        }
    }

    #[test]
    fn goes_on_where_the_registry_says() {
        let asked = uri("https://registry.example:5000/v2/a/blobs/uploads/");
        let place = Place::opened(&asked, Some("/v2/a/blobs/uploads/1?_state=x%3D")).unwrap();
        assert_eq!(
            place.last("sha256:00").unwrap().to_string(),
            "https://registry.example:5000/v2/a/blobs/uploads/1?_state=x%3D&digest=sha256:00"
        );
        let place = place.after(Some("2"), 7).unwrap();
        assert_eq!(
            (place.last("sha256:00").unwrap().to_string(), place.offset),
            (
                "https://registry.example:5000/v2/a/blobs/uploads/2?digest=sha256:00".into(),
                7
            )
        );
        let same = place.after(None, 9).unwrap();
        assert_eq!((same.url, same.offset), (place.url, 9));
    }

    #[test]
    fn refuses_places_that_are_none_and_shows_no_query() {
        let asked = uri("https://registry.example/v2/a/blobs/uploads/?mount=geheim");
        for location in [
            None,
            Some("http://registry.example/v2/a/blobs/uploads/1"),
            Some("ftp://registry.example/1"),
            Some("https://anna:geheim@registry.example/1"),
            Some("https://"),
        ] {
            let error = Place::opened(&asked, location).unwrap_err();
            let text = format!("{error} {error:?}");
            assert!(!text.contains("geheim"), "{text}");
        }
    }

    /// Whatever stands there: no panic, no other scheme, no query in a message.
    #[test]
    fn takes_any_bytes_for_a_location_or_range() {
        let asked = uri("https://registry.example/v2/a/blobs/uploads/");
        let seeds = [
            "https://registry.example/v2/a/blobs/uploads/1?_state=geheim#x",
            "/v2/a/blobs/uploads/1?_state=geheim&y",
            "0-1023",
            "bytes=0-1023",
        ];
        let mut random = fastrand::Rng::with_seed(43);
        for round in 0..20_000 {
            let mut bytes = seeds[round % seeds.len()].as_bytes().to_vec();
            for _ in 0..random.usize(1..5) {
                let place = random.usize(..bytes.len());
                match random.u8(..4) {
                    0 => bytes[place] = random.u8(0x20..0x7f),
                    1 => bytes.insert(place, random.u8(..)),
                    2 => bytes.truncate(place.max(1)),
                    _ => bytes.rotate_left(place),
                }
            }
            let text = String::from_utf8_lossy(&bytes);
            match Place::opened(&asked, Some(&text)) {
                Ok(place) => {
                    assert_eq!(place.url.scheme_str(), Some("https"), "{text}");
                    let last = place.last("sha256:00").unwrap().to_string();
                    assert!(last.ends_with("digest=sha256:00"), "{text}: {last}");
                }
                Err(error) => assert!(!error.to_string().contains("geheim"), "{text}: {error}"),
            }
            if let Some(end) = range_end(&text) {
                assert!(text.contains("0-") && end != 1, "{text}: {end}");
            }
        }
    }
}

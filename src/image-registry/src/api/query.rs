//! Parameters of a request.

use hyper::Uri;

use crate::http::ApiError;

/// The parameters behind an address's `?`.
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Reads them.
    pub fn of(uri: &Uri) -> Self {
        let text = uri.query().unwrap_or_default();
        Self(
            form_urlencoded::parse(text.as_bytes())
                .into_owned()
                .collect(),
        )
    }

    /// The first of this name.
    pub fn get(&self, name: &str) -> Option<&str> {
        let mut named = self.0.iter().filter(|(found, _)| found == name);
        named.next().map(|(_, value)| value.as_str())
    }

    /// All of this name.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let named = self.0.iter().filter(move |(found, _)| found == name);
        named.map(|(_, value)| value.as_str())
    }

    /// How many entries of a list are asked for, and after which one.
    pub fn page(&self, most: usize) -> Result<Page<'_>, ApiError> {
        let count = match self.get("n") {
            None => most,
            Some(text) => text
                .parse()
                .map_err(|_| ApiError::parameter_invalid("the parameter n is no number"))?,
        };
        Ok(Page {
            count: count.min(most),
            last: self.get("last"),
        })
    }
}

/// A part of a list.
#[derive(Clone, Copy, Debug)]
pub struct Page<'a> {
    /// Entries at most.
    pub count: usize,
    /// The entry that it begins after.
    pub last: Option<&'a str>,
}

impl Page<'_> {
    /// The entries of it out of all, which are in order, and whether there are more.
    pub fn of<T: AsRef<str>>(self, all: Vec<T>) -> (Vec<T>, bool) {
        let last = self.last.unwrap_or_default();
        let mut rest = all.into_iter().skip_while(|entry| {
            // nothing is before an empty `last`
            !last.is_empty() && entry.as_ref() <= last
        });
        let page = rest.by_ref().take(self.count).collect();
        (page, rest.next().is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_decoded_once() {
        let uri: Uri =
            "/v2/?tag=a&tag=b%2Bc&artifactType=application%2Fx%2Bjson&empty&last=%25&odd=%zz+1"
                .parse()
                .unwrap();
        let query = Query::of(&uri);
        assert_eq!(query.all("tag").collect::<Vec<_>>(), ["a", "b+c"]);
        assert_eq!(query.get("artifactType"), Some("application/x+json"));
        assert_eq!(
            (query.get("empty"), query.get("last")),
            (Some(""), Some("%"))
        );
        assert_eq!((query.get("odd"), query.get("none")), (Some("%zz 1"), None));
    }

    #[test]
    fn pages_begin_after_the_last_and_say_whether_more_comes() {
        let all = || vec!["a", "b", "c", "d"];
        let page = |count, last| Page { count, last }.of(all());
        assert_eq!(page(10, None), (all(), false));
        assert_eq!(page(2, None), (vec!["a", "b"], true));
        assert_eq!(page(2, Some("b")), (vec!["c", "d"], false));
        assert_eq!(page(2, Some("bb")), (vec!["c", "d"], false));
        assert_eq!(page(0, None), (vec![], true));
        assert_eq!(page(1, Some("z")), (vec![], false));
    }
}

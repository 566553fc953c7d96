//! Parameters of the page: what is searched for, in which order, and which part of a long list is shown.

use maud::{Markup, html};

/// Entries that are shown at a time.
const ENTRIES: usize = 50;
/// Characters of a search that count: longer than any name.
const LONGEST_SEARCH: usize = 300;

/// What stands behind an address's `?`.
#[derive(Clone, Debug, Default)]
pub struct Parameters {
    /// What is searched for, as it was typed.
    pub search: String,
    /// The order that is asked for.
    pub order: Order,
    page: usize,
}

/// The order of tags.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// What was pushed last comes first.
    #[default]
    Newest,
    /// By name, numbers in it by their value.
    Name,
    /// The largest comes first.
    Size,
}

impl Order {
    /// As a parameter has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Newest => "newest",
            Self::Name => "name",
            Self::Size => "size",
        }
    }
}

impl Parameters {
    /// Reads them. What makes no sense is as if it were not there: links get cut and typed in by people.
    pub fn parse(query: Option<&str>) -> Self {
        let mut parameters = Self::default();
        for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            match &*name {
                "q" => parameters.search = value.trim().chars().take(LONGEST_SEARCH).collect(),
                "page" => parameters.page = value.parse().unwrap_or(1),
                "order" => {
                    let all = [Order::Newest, Order::Name, Order::Size];
                    let named = all.into_iter().find(|order| order.as_str() == value);
                    parameters.order = named.unwrap_or_default();
                }
                _ => {}
            }
        }
        parameters
    }

    /// Whether a name is searched for: it has every word in it.
    pub fn matches(&self, name: &str) -> bool {
        let name = name.to_lowercase();
        let search = self.search.to_lowercase();
        search.split_whitespace().all(|word| name.contains(word))
    }

    /// The address of the same with another page and order.
    fn address(&self, order: Order, page: usize) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        if !self.search.is_empty() {
            query.append_pair("q", &self.search);
        }
        if order != Order::default() {
            query.append_pair("order", order.as_str());
        }
        if page > 1 {
            query.append_pair("page", &page.to_string());
        }
        format!("?{}", query.finish())
    }

    /// The address of the same in another order.
    pub fn ordered(&self, order: Order) -> String {
        self.address(order, 1)
    }

    /// The part of a list that is asked for; the last one if there are not so many.
    pub fn part<T>(&self, mut all: Vec<T>) -> (Vec<T>, Part<'_>) {
        let count = all.len();
        let pages = count.div_ceil(ENTRIES).max(1);
        let page = self.page.clamp(1, pages);
        let first = (page - 1) * ENTRIES;
        all.truncate(first + ENTRIES);
        let part = Part {
            parameters: self,
            page,
            pages,
            first,
            count,
        };
        (all.split_off(first.min(all.len())), part)
    }
}

/// A part of a list, among the others.
#[derive(Clone, Copy, Debug)]
pub struct Part<'a> {
    parameters: &'a Parameters,
    page: usize,
    pages: usize,
    first: usize,
    /// Entries in all.
    pub count: usize,
}

impl Part<'_> {
    /// Links to the others, if there are any.
    pub fn links(&self) -> Markup {
        let address = |page| self.parameters.address(self.parameters.order, page);
        let last = (self.first + ENTRIES).min(self.count);
        html! {
            @if self.pages > 1 {
                nav.pages aria-label="Pages" {
                    @if self.page > 1 {
                        a href=(address(1)) { "First" }
                        a rel="prev" href=(address(self.page - 1)) { "Previous" }
                    }
                    span { (self.first + 1) "–" (last) " of " (super::text::number(self.count)) }
                    @if self.page < self.pages {
                        a rel="next" href=(address(self.page + 1)) { "Next" }
                        a href=(address(self.pages)) { "Last" }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_within_the_list_whatever_is_asked_for() {
        for (query, count, expected) in [
            ("", 0, 0..0),
            ("", 50, 0..50),
            ("page=2", 50, 0..50),
            ("page=2", 51, 50..51),
            ("page=0", 120, 0..50),
            ("page=3", 120, 100..120),
            ("page=18446744073709551615", 120, 100..120),
            ("page=-1", 120, 0..50),
            ("page=x&page=2", 120, 50..100),
        ] {
            let parameters = Parameters::parse(Some(query));
            let (shown, part) = parameters.part((0..count).collect::<Vec<usize>>());
            assert_eq!(shown, expected.collect::<Vec<_>>(), "{query}");
            assert_eq!(part.count, count);
        }
    }

    #[test]
    fn links_keep_what_is_searched_for() {
        let parameters = Parameters::parse(Some("q=a%26b+%3C&order=size&page=2"));
        assert_eq!(parameters.search, "a&b <");
        assert_eq!(parameters.ordered(Order::Name), "?q=a%26b+%3C&order=name");
        assert_eq!(parameters.ordered(Order::Newest), "?q=a%26b+%3C");
        let (_, part) = parameters.part(vec![0; 200]);
        let links = part.links().into_string();
        assert!(
            links.contains("?q=a%26b+%3C&amp;order=size&amp;page=3"),
            "{links}"
        );
    }

    #[test]
    fn every_word_of_a_search_is_in_what_is_found() {
        let parameters = Parameters::parse(Some("q=+Team++app+"));
        assert!(parameters.matches("team/web-app") && !parameters.matches("team/web"));
        assert!(Parameters::default().matches("anything"));
    }
}

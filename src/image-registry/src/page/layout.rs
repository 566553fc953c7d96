//! What all pages have around them.

use maud::{DOCTYPE, Markup, html};

use super::address;

/// Entries of an image's lists that are shown: honest images have a few dozen.
pub const MOST: usize = 500;

/// Says that there are more entries than are shown.
pub fn more(count: usize) -> Markup {
    html! {
        @if count > MOST {
            p.muted { "These are the first " (MOST) " of " (super::text::number(count)) "." }
        }
    }
}

/// Who looks, and how they came.
#[derive(Clone, Debug)]
pub struct Visitor {
    /// The login; none for those who may look without one.
    pub login: Option<String>,
    /// The registry's name, as the browser has it: images are pulled by it.
    pub host: String,
}

/// A page without what is around it.
pub struct Page {
    /// What it is about.
    pub title: String,
    /// The folders and repositories that lead to it, with their addresses; the last one is what it shows.
    pub trail: Vec<(String, String)>,
    /// What it shows.
    pub content: Markup,
}

impl Page {
    /// With the trail to a repository or folder, from the top on.
    pub fn of(name: &str, content: Markup) -> Self {
        let mut trail = vec![("All images".to_owned(), "/".to_owned())];
        let ends = name.match_indices('/').map(|(end, _)| end);
        for end in ends.chain((!name.is_empty()).then_some(name.len())) {
            let path = &name[..end];
            let label = path.rsplit('/').next().unwrap_or(path);
            trail.push((label.to_owned(), address::of_place(path)));
        }
        Self {
            title: name.to_owned(),
            trail,
            content,
        }
    }

    /// All of it.
    pub fn render(&self, visitor: &Visitor) -> Markup {
        let trail = self.trail.split_last();
        let content = html! {
            @if let Some((here, before)) = trail && !before.is_empty() {
                nav.trail aria-label="Where this is" {
                    ol {
                        @for (label, address) in before { li { a href=(address) { (label) } } }
                        li { a href=(here.1) aria-current="page" { (here.0) } }
                    }
                }
            }
            (self.content)
        };
        frame(&self.title, &visitor.host, &login(visitor), &content)
    }
}

/// A page that says why there is nothing else.
pub fn refusal(title: &str, message: &str) -> Markup {
    let content = html! {
        h1 { (title) }
        p { (message) "." }
        p { a href="/" { "All images" } }
    };
    frame(title, "this registry", &html! {}, &content)
}

fn login(visitor: &Visitor) -> Markup {
    html! {
        p.login {
            @match &visitor.login {
                Some(name) => { span.muted { "Logged in as " } strong { (name) } }
                None => a href=(address::LOGIN) { "Log in" },
            }
        }
    }
}

fn frame(title: &str, host: &str, login: &Markup, content: &Markup) -> Markup {
    let full_title = if title.is_empty() {
        host.to_owned()
    } else {
        format!("{title} – {host}")
    };
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="robots" content="noindex";
                title { (full_title) }
                link rel="icon" href="/ui/_/icon.svg" type="image/svg+xml";
                link rel="stylesheet" href="/ui/_/style.css";
                script src="/ui/_/copy.js" defer {}
            }
            body {
                a.skip href="#content" { "Skip to the content" }
                header {
                    a.brand href="/" {
                        img src="/ui/_/icon.svg" alt="" width="28" height="28";
                        span { "Images of " strong { (host) } }
                    }
                    (login)
                }
                main #content tabindex="-1" { (content) }
            }
        }
    }
}

/// A command in a field of its own: a click, or Tab and Ctrl+A, selects all of it.
pub fn command(label: &str, id: &str, command: &str) -> Markup {
    html! {
        div.command {
            label for=(id) { (label) }
            div.field { input id=(id) type="text" readonly value=(command) spellcheck="false" autocomplete="off"; }
        }
    }
}

/// A link, if an address is one that leads out safely; the text of it otherwise.
pub fn link_or_text(text: &str) -> Markup {
    let is_plain = text.len() < 2000 && text.bytes().all(is_of_address);
    html! {
        @if is_plain && text.starts_with("https://") {
            a href=(text) rel="noopener noreferrer nofollow external" { (text) }
        } @else { (text) }
    }
}

/// Whether a character may stand in an address (RFC 3986).
fn is_of_address(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=%".contains(&byte)
}

/// Names with values, of those that there are.
pub fn facts<'a>(facts: impl IntoIterator<Item = (&'a str, Option<Markup>)>) -> Markup {
    let there = facts
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)));
    html! {
        dl.facts {
            @for (name, value) in there { div { dt { (name) } dd { (value) } } }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trail_has_a_link_for_each_folder() {
        let page = Page::of("a/b/c", html! {});
        let trail: Vec<(&str, &str)> = page
            .trail
            .iter()
            .map(|(label, address)| (label.as_str(), address.as_str()))
            .collect();
        let expected = [
            ("All images", "/"),
            ("a", "/ui/a"),
            ("b", "/ui/a/b"),
            ("c", "/ui/a/b/c"),
        ];
        assert_eq!(trail, expected);
        assert_eq!(Page::of("", html! {}).trail.len(), 1);
    }

    #[test]
    fn only_https_is_a_link_and_nothing_leaves_its_quotes() {
        let link = |text: &str| link_or_text(text).into_string();
        assert!(
            link("https://example.com/x")
                .starts_with("<a href=\"https://example.com/x\" rel=\"noopener")
        );
        for text in [
            "javascript:alert(1)",
            "http://example.com",
            "HTTPS://example.com",
            " https://x",
            "https://x y",
            "https://x\u{202e}",
            "//x",
            "https://x\"onclick=\"alert(1)",
        ] {
            assert!(!link(text).contains("<a"), "{text}");
        }
        assert_eq!(link("<b>"), "&lt;b&gt;");
    }
}

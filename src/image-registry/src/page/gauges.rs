//! How full the disk and the cache are.

use maud::{Markup, html};

use super::sources::CacheUse;
use super::text::{number, size};
use crate::storage::Space;

/// The disk that everything lies on.
pub fn disk(space: Space) -> Markup {
    let used = space.size.saturating_sub(space.free);
    let text = html! {
        (size(used)) " of " (size(space.size)) " used, " (size(space.free)) " free"
    };
    html! {
        section.card aria-labelledby="disk" {
            h2 #disk { "Disk" }
            (gauge("disk", used, space.size, &text))
        }
    }
}

/// The cache against its cap, and what each registry was spared.
pub fn cache(cache: &CacheUse) -> Markup {
    let text = html! { (size(cache.held)) " of " (size(cache.cap)) " that it may take" };
    html! {
        section.card aria-labelledby="cache" {
            h2 #cache { "Cache" }
            (gauge("cache", cache.held, cache.cap, &text))
            ul.plain {
                @for (host, hits, misses) in &cache.upstreams {
                    li {
                        strong { (host) } ": "
                        (count(*hits)) " given out of the cache, " (count(*misses)) " fetched, since the registry's start"
                    }
                }
            }
        }
    }
}

fn gauge(name: &str, value: u64, max: u64, text: &Markup) -> Markup {
    html! {
        p.gauge {
            meter aria-labelledby=(name) min="0" max=(max) value=(value) high=[(name == "disk").then_some(max / 10 * 9)] {}
            span { (text) }
        }
    }
}

fn count(count: u64) -> String {
    number(usize::try_from(count).unwrap_or(usize::MAX))
}

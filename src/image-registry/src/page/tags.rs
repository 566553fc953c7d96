//! The tags of a repository, and what it has without one.

use std::cmp::{Ordering, Reverse};

use maud::{Markup, html};

use super::address;
use super::layout::facts;
use super::paging::{Order, Parameters};
use super::text::{count, size, time, time_or};
use crate::inventory::{Content, Kind, Row};

/// A repository in a few words.
pub fn summary(content: &Content, origin: Option<&str>) -> Markup {
    let summary = content.summary();
    facts([
        ("Tags", Some(html! { (super::text::number(summary.tags)) })),
        ("Size", Some(html! { (size(summary.size)) })),
        (
            "Pushed",
            Some(time_or(summary.pushed.map(|it| it.0), "never")),
        ),
        (
            "Last pulled",
            Some(time_or(summary.pulled.map(|it| it.0), "never")),
        ),
        ("From", origin.map(|origin| html! { (origin) })),
    ])
}

/// The tags that are asked for.
pub fn list(content: &Content, parameters: &Parameters) -> Markup {
    let mut rows = content.rows();
    let all = rows.len();
    rows.retain(|row| parameters.matches(name(row)));
    match parameters.order {
        Order::Newest => rows.sort_by_key(|row| (row.tag.is_none(), Reverse(row.pushed))),
        Order::Name => rows.sort_by(|a, b| {
            let by_name = || natural(name(a), name(b));
            a.tag.is_none().cmp(&b.tag.is_none()).then_with(by_name)
        }),
        Order::Size => rows.sort_by_key(|row| Reverse(row.size)),
    }
    let found = rows.len();
    let (shown, part) = parameters.part(rows);
    html! {
        section aria-labelledby="tags" {
            h2 #tags {
                @if parameters.search.is_empty() { "Tags" }
                @else { (count(found, "tag", "tags")) " found" }
            }
            @if all == 0 { p.muted { "It has none: what was pushed to it is deleted, or was never finished." } }
            @else if shown.is_empty() { p.muted { "No tag has all of these words in it." } }
            @else {
                table role="table" {
                    thead role="rowgroup" {
                        tr role="row" {
                            (heading("Tag", Order::Name, parameters, false))
                            th role="columnheader" scope="col" { "Platforms" }
                            (heading("Size", Order::Size, parameters, true))
                            (heading("Pushed", Order::Newest, parameters, false))
                            th role="columnheader" scope="col" { "Last pulled" }
                        }
                    }
                    tbody role="rowgroup" {
                        @for entry in &shown { (row(entry)) }
                    }
                }
            }
            (part.links())
        }
    }
}

/// A heading by which the tags can be ordered.
fn heading(label: &str, order: Order, parameters: &Parameters, is_number: bool) -> Markup {
    let is_current = parameters.order == order;
    let direction = match order {
        Order::Name => "ascending",
        Order::Newest | Order::Size => "descending",
    };
    html! {
        th.number[is_number] role="columnheader" scope="col" aria-sort=[is_current.then_some(direction)] {
            a href=(parameters.ordered(order)) { (label) }
        }
    }
}

/// The tag; of what has none, the digest.
fn name<'a>(row: &'a Row<'_>) -> &'a str {
    row.tag.or(row.digest.as_deref()).unwrap_or_default()
}

fn row(row: &Row<'_>) -> Markup {
    let name = name(row);
    let label = match row.tag {
        Some(tag) => tag,
        None => name.get(..19).unwrap_or(name),
    };
    html! {
        tr role="row" {
            th role="rowheader" scope="row" {
                a href=(address::of_tag(row.repository, name)) { (label) }
                @if row.tag.is_none() { " " span.muted { "no tag" } }
                (badge(row.kind, row.artifact_type))
            }
            td role="cell" data-label="Platforms" { (platforms(row.platforms)) }
            td.number role="cell" data-label="Size" { (size(row.size)) }
            td role="cell" data-label="Pushed" { (time(row.pushed.0)) }
            td role="cell" data-label="Last pulled" { (time_or(row.pulled.map(|it| it.0), "never")) }
        }
    }
}

/// What something is, if it is no image.
pub fn badge(kind: Kind, artifact_type: Option<&str>) -> Markup {
    html! {
        @match kind {
            Kind::Image | Kind::Index => {},
            Kind::Artifact => { " " span.badge { (artifact_type.unwrap_or("artifact")) } },
            Kind::Broken => { " " span.badge.bad { "broken" } },
        }
    }
}

/// Platforms, the first few by name.
pub fn platforms(all: &[String]) -> Markup {
    const NAMED: usize = 4;
    html! {
        @if all.is_empty() { span.muted { "–" } }
        @for platform in all.iter().take(NAMED) { span.platform { (platform) } " " }
        @if let Some(more) = all.get(NAMED..) && !more.is_empty() {
            span.muted title=(more.join(", ")) { "+" (more.len()) }
        }
    }
}

/// By name, with the numbers in it by their value: 1.9 before 1.10.
fn natural(a: &str, b: &str) -> Ordering {
    let (mut left, mut right) = (Parts(a), Parts(b));
    loop {
        let order = match (left.next(), right.next()) {
            (None, None) => return a.cmp(b),
            (Some(one), Some(other)) => value(one).cmp(&value(other)),
            (one, other) => one.cmp(&other),
        };
        if order.is_ne() {
            return order;
        }
    }
}

/// By which a part of a name is compared: numbers, which have any number of digits, by their value and before everything else.
fn value(part: &str) -> (bool, usize, &str) {
    if part.starts_with(|c: char| c.is_ascii_digit()) {
        let digits = part.trim_start_matches('0');
        (false, digits.len(), digits)
    } else {
        (true, 0, part)
    }
}

/// A text in turns of digits and of everything else.
struct Parts<'a>(&'a str);

impl<'a> Iterator for Parts<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let is_digit = self.0.chars().next()?.is_ascii_digit();
        let end = self.0.find(|c: char| c.is_ascii_digit() != is_digit);
        let (part, rest) = self.0.split_at(end.unwrap_or(self.0.len()));
        self.0 = rest;
        Some(part)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_ordered_by_the_numbers_in_them() {
        let mut names = [
            "1.10", "latest", "1.9", "1.09-rc", "v2", "1.9-rc1", "v10", "2", "10",
        ];
        names.sort_by(|a, b| natural(a, b));
        let expected = [
            "1.9", "1.09-rc", "1.9-rc1", "1.10", "2", "10", "latest", "v2", "v10",
        ];
        assert_eq!(names, expected);
    }
}

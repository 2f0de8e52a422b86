//! Pages of entries: by key in both directions, never by offset.

use audit_core::{Cursor, LogEntry, Query};
use maud::{Markup, Render, html};
use serde_json::{Value, json};

use super::{JSON_BYTES, counted, entries_json};
use crate::error::Failure;
use crate::html::{FromFn, Shown, entry_table, grouped, href};
use crate::reader::{Bound, Count, FIRST, Reader};
use crate::request::{PageRequest, Route};
use crate::terms::Terms;
use crate::texts::t;

/// The number of entries on a page, and the highest one that `limit:` sets.
const PAGE: usize = 50;
const MAX_PAGE: usize = 200;
/// The size of the entries of a page in memory, in bytes.
const BYTES: usize = 32 << 20;

/// A page of entries.
pub(super) struct Listing {
    pub(super) entries: Vec<LogEntry>,
    is_newest_first: bool,
    /// The cursors of the pages before and after this one.
    previous: Option<Cursor>,
    next: Option<Cursor>,
    count: Option<Count>,
}

impl Listing {
    /// Reads the page that the parameters `after`, `before` and `count` select.
    pub(super) fn read(
        reader: &Reader<'_>,
        request: &PageRequest,
        query: Query,
    ) -> Result<Self, Failure> {
        let size = match audit_core::backend::limit(&query) {
            Some(0) => {
                return Err(Failure::Parameter {
                    name: "q".into(),
                    message: "has limit:0, and a page has at least one entry".to_owned(),
                });
            }
            size => size.unwrap_or(PAGE).min(MAX_PAGE),
        };
        let is_newest_first = query.is_newest_first();
        let expected = "the cursor of a page";
        let before: Option<Cursor> = request.params.parsed("before", expected)?;
        let after = request.params.parsed("after", expected)?.or(query.cursor());
        let base = query.clone().without_limits();
        let bound = Bound {
            first: size.min(FIRST),
            entries: size,
            bytes: if request.is_json() { JSON_BYTES } else { BYTES },
        };
        let mut listing = Self {
            entries: Vec::with_capacity(size),
            is_newest_first,
            previous: None,
            next: None,
            count: None,
        };
        if let Some(before) = before {
            let backwards = if is_newest_first {
                base.oldest_first()
            } else {
                base.newest_first()
            };
            let entries = &mut listing.entries;
            listing.previous = reader.read(&backwards.after(before), bound, |entry| {
                entries.push(entry);
                Ok(true)
            })?;
            listing.entries.reverse();
            listing.next = listing.entries.last().map(Cursor::of);
        } else {
            let base = match after {
                Some(after) => base.after(after),
                None => base,
            };
            let entries = &mut listing.entries;
            listing.next = reader.read(&base, bound, |entry| {
                entries.push(entry);
                Ok(true)
            })?;
            let first = listing.entries.first();
            listing.previous = first.filter(|_| after.is_some()).map(Cursor::of);
            if after.is_none() && listing.next.is_none() {
                listing.count = Some(Count {
                    entries: listing.entries.len(),
                    has_more: false,
                });
            }
        }
        if listing.count.is_none() && request.params.get("count").is_some() {
            listing.count = Some(reader.count(query)?);
        }
        Ok(listing)
    }

    /// Returns whether no entry matches, on this page or another one.
    pub(super) fn is_none(&self) -> bool {
        self.count.is_some_and(|count| count.entries == 0)
    }

    pub(super) fn json(&self) -> Result<Value, Failure> {
        let count = match self.count {
            Some(count) if count.has_more => json!(format!("more than {}", count.entries)),
            Some(count) => json!(count.entries),
            None => Value::Null,
        };
        Ok(json!({
            "entries": entries_json(&self.entries)?,
            "count": count,
            "newest_first": self.is_newest_first,
            "next": self.next.map(|cursor| cursor.to_string()),
            "previous": self.previous.map(|cursor| cursor.to_string()),
        }))
    }

    /// Shows the entries between their number with some links, and the links to the other pages. `own`
    /// are the parameters that select them.
    pub(super) fn section<'s>(
        &'s self,
        route: Route,
        own: &'s [(&str, &str)],
        links: &'s Markup,
        shown: &'s Shown<'_>,
    ) -> impl Render + 's {
        FromFn(move |page: &mut String| {
            let summary = html! { div.summary { p { (self.summary(route, own)) } (links) } };
            summary.render_to(page);
            if !self.entries.is_empty() {
                entry_table(&self.entries, shown).render_to(page);
            }
            self.pager(route, own).render_to(page);
        })
    }

    /// Shows how many entries there are. `own` are the parameters that select them.
    fn summary(&self, route: Route, own: &[(&str, &str)]) -> Markup {
        let order = if self.is_newest_first {
            t("newest first")
        } else {
            t("oldest first")
        };
        html! {
            @match self.count {
                Some(count) if count.has_more => { b { (t("more than")) " " (grouped(count.entries)) " " (t("entries")) } ", " (order) }
                Some(count) if count.entries == 0 => (t("No entry matches.")),
                None if self.entries.is_empty() => (t("There are no more entries.")),
                Some(count) => { b { (counted(count.entries, "entry", "entries")) } ", " (order) }
                None => {
                    b { (counted(self.entries.len(), "entry", "entries")) } ", " (order) ", " (t("and there are more ·")) " "
                    a href=(href(route.name(), &[own, &[("count", "yes")]].concat())) { (t("count them")) }
                }
            }
        }
    }

    /// Shows the links to the pages before and after this one.
    fn pager(&self, route: Route, own: &[(&str, &str)]) -> Markup {
        let (previous, next) = if self.is_newest_first {
            ("Newer", "Older")
        } else {
            ("Older", "Newer")
        };
        let link = |name: &str, cursor: Cursor| {
            let cursor = cursor.to_string();
            href(route.name(), &[own, &[(name, cursor.as_str())]].concat())
        };
        html! {
            @if self.previous.is_some() || self.next.is_some() {
                nav.pager aria-label=(t("More entries")) {
                    @if let Some(cursor) = self.previous {
                        a href=(href(route.name(), own)) { (t("First page")) }
                        a rel="prev" href=(link("before", cursor)) { "← " (t(previous)) }
                    }
                    @if let Some(cursor) = self.next {
                        a rel="next" href=(link("after", cursor)) { (t(next)) " →" }
                    }
                }
            }
        }
    }
}

/// Returns the link to the search for the entries of a page.
pub(super) fn search_link(terms: &Terms) -> Markup {
    html! { ul.tools { li { a href=[terms.link()] { (t("Search in these entries")) } } } }
}

//! The pages, a file each.

mod actor;
mod blame;
mod check;
mod compare;
mod entry;
mod export;
mod group;
mod help;
mod listing;
mod live;
mod object;
mod overview;
mod schema;
mod search;
mod trust;

use std::sync::Arc;
use std::time::SystemTime;

use audit_core::{LogEntry, ObjectRef, StoreError};
use chrono::{DateTime, Utc};
use maud::{Markup, html};
use serde_json::Value;

pub(crate) use self::export::{Chunk, Export, Position};
pub(crate) use self::search::{FIELDS, invalid as invalid_query, redirect};
use crate::error::Failure;
use crate::html::{Link, language_field, object_href, short};
use crate::live::Receiver;
use crate::object_history::ObjectHistory;
use crate::reader::Reader;
use crate::request::{PageRequest, Route};
use crate::texts::t;
use crate::viewer::Inner;

/// The content of a page.
pub(crate) enum Content {
    Html { title: String, main: Markup },
    Json(String),
    Export { export: Box<Export>, first: Chunk },
    Live(Receiver),
}

impl Route {
    /// Returns whether views of the page are recorded. The help is the same for every trail.
    pub(crate) fn has_record(self) -> bool {
        self != Self::Help
    }
}

/// Makes a page.
pub(crate) fn content(
    viewer: &Arc<Inner>,
    reader: &Reader<'_>,
    request: &PageRequest,
) -> Result<Content, Failure> {
    match request.route {
        Route::Search => search::page(reader, request),
        Route::Live => live::page(reader, request),
        Route::Events => live::open(viewer, reader, request),
        Route::Entry => entry::page(reader, request),
        Route::Object => object::page(reader, request),
        Route::Compare => compare::page(reader, request),
        Route::Blame => blame::page(reader, request),
        Route::Aggregate => group::aggregate(reader, request),
        Route::Actor => actor::page(reader, request),
        Route::Transaction => group::transaction(reader, request),
        Route::Correlation => group::correlation(reader, request),
        Route::Overview => overview::page(reader, request),
        Route::Export => export::start(viewer, reader, request),
        Route::Schema => schema::page(reader, request),
        Route::Trust => trust::page(viewer, reader, request),
        Route::Help => Ok(help::page(reader, request)),
    }
}

impl Content {
    fn html(title: impl Into<String>, main: Markup) -> Self {
        Self::Html {
            title: title.into(),
            main,
        }
    }

    fn json(value: &Value) -> Self {
        Self::Json(value.to_string())
    }
}

/// Returns an entry as JSON.
fn entry_json(entry: &LogEntry) -> Result<Value, Failure> {
    let text = entry.to_canonical_json()?;
    serde_json::from_str(&text).map_err(|error| {
        StoreError::Invalid {
            id: entry.id,
            detail: error.to_string(),
        }
        .into()
    })
}

fn entries_json<'e>(
    entries: impl IntoIterator<Item = &'e LogEntry>,
) -> Result<Vec<Value>, Failure> {
    entries.into_iter().map(entry_json).collect()
}

/// The size of a list of entries as JSON, in bytes. The last entry of a list may exceed it.
const JSON_BYTES: usize = 4 << 20;

/// Returns the object that the parameters `model` and `key` name.
fn object_param(request: &PageRequest) -> Result<ObjectRef, Failure> {
    Ok(ObjectRef::new(
        request.params.require("model")?,
        request.params.require("key")?,
    ))
}

/// Parses a time from the URL; relative times and days count from now in UTC.
fn time_param(request: &PageRequest, name: &'static str) -> Result<Option<DateTime<Utc>>, Failure> {
    let Some(text) = request.params.get(name) else {
        return Ok(None);
    };
    let now = DateTime::<Utc>::from(SystemTime::now());
    match audit_core::parse_time(text.trim(), &now) {
        Ok(time) => Ok(Some(time)),
        Err(error) => Err(Failure::Parameter {
            name: name.into(),
            message: format!("is not a time: {error}"),
        }),
    }
}

/// Returns the link to a page about an object; `None` if it would be too long.
fn object_link(route: Route, object: &ObjectRef, more: &[(&str, &str)]) -> Option<Link> {
    object_href(route.name(), object, more)
}

/// Shows the form with the query of a page.
fn ask(route: Route, query: &str, button: &str) -> Markup {
    html! {
        form.ask action=(route.name()) role="search" {
            (language_field())
            label.vh for="q" { (t("Query")) }
            input #q name="q" type="search" value=(query) autocomplete="off" autocapitalize="off" spellcheck="false"
                placeholder=(t("Words, or actor:alice changed:email since:2026-01-01"));
            button type="submit" { (button) }
        }
    }
}

/// Returns the hidden fields that keep the object in a form.
fn object_fields(object: &ObjectRef) -> Markup {
    html! {
        input type="hidden" name="model" value=(object.model);
        input type="hidden" name="key" value=(object.object_pk);
        (language_field())
    }
}

/// Returns the pages that an object with a history has.
fn object_pages(history: &ObjectHistory) -> &'static [Route] {
    if history.is_partial() {
        return &[Route::Object, Route::Aggregate];
    }
    if history.versions() == 0 {
        return &[Route::Object, Route::Blame, Route::Aggregate];
    }
    &[
        Route::Object,
        Route::Blame,
        Route::Compare,
        Route::Aggregate,
    ]
}

/// Shows the heading of the pages about an object, and the links to some of them.
fn object_head(object: &ObjectRef, repr: &str, active: Route, pages: &[Route]) -> Markup {
    let tabs = [
        (Route::Object, "History"),
        (Route::Blame, "Who set what"),
        (Route::Compare, "Compare versions"),
        (Route::Aggregate, "With its parts"),
    ];
    html! {
        div.head {
            p.kicker { (short(&object.model, 120)) " " code { (short(&object.object_pk, 200)) } }
            h1 { (short(if repr.is_empty() { &object.object_pk } else { repr }, 200)) }
            nav.tabs aria-label=(t("Pages of this object")) {
                ul {
                    @for (route, name) in tabs.into_iter().filter(|(route, _)| pages.contains(route)) {
                        li {
                            a href=[object_link(route, object, &[])] aria-current=[(route == active).then_some("page")] { (t(name)) }
                        }
                    }
                }
            }
        }
    }
}

/// Prints a number and the noun in its form for that number.
fn counted(number: usize, one: &str, many: &str) -> String {
    let noun = if number == 1 { one } else { many };
    format!("{} {}", crate::html::grouped(number), t(noun))
}

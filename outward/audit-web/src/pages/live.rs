//! Live: the newest entries that a query matches, to which a stream adds those committed later.

use audit_core::{Cursor, LogEntry, Query};
use chrono::TimeDelta;
use maud::html;
use serde_json::json;

use super::listing::Listing;
use super::search::FIRST_QUERY;
use super::{Content, ask};
use crate::error::Failure;
use crate::html::{Labels, Shown, entry_table, href};
use crate::live::Opening;
use crate::reader::{Bound, Reader};
use crate::request::{PageRequest, Route};
use crate::texts::{self, t};
use crate::viewer::Inner;

/// The number of entries that a stream sends first.
const FIRST_ENTRIES: usize = 50;
/// The number of entries that a stream sends first if it resumes after an entry.
const MISSED: usize = 200;
/// The size of these entries in bytes after which no more are sent.
const FIRST_BYTES: usize = 4 << 20;
/// The time before the last entry of such a client from which entries are sent again, in minutes:
/// one that was drafted before and committed after it may be missing.
const COMMITTED_LATE: i64 = 10;

/// The page. Without the script, a link leads to the entries that were added since.
pub(super) fn page(reader: &Reader<'_>, request: &PageRequest) -> Result<Content, Failure> {
    let text = request.params.value("q").unwrap_or(FIRST_QUERY);
    let query = reader.parse(text)?.newest_first();
    let terms = reader.terms(&query);
    let listing = Listing::read(reader, request, query)?;
    if request.is_json() {
        let mut value = listing.json()?;
        value["query"] = json!(text);
        return Ok(Content::json(&value));
    }
    let labels = Labels::of(reader.log());
    let shown = Shown {
        caption: t("The newest entries that the query finds"),
        terms: &terms,
        labels: &labels,
        object: true,
    };
    let newest = listing.entries.first().map(Cursor::of);
    let newest = newest.map(|cursor| cursor.to_string());
    let before = newest.as_deref().or(request.params.get("before"));
    let mut newer = vec![("q", text)];
    newer.extend(before.map(|cursor| ("before", cursor)));
    let main = html! {
        h1 { (t("Live")) }
        (ask(Route::Live, text, t("Follow")))
        div.summary {
            p #live data-events=(href(Route::Events.name(), &[("q", text)])) {
                a href=(href(Route::Live.name(), &newer)) { (t("Newer entries")) }
            }
            ul.tools {
                li { a href=(href(Route::Search.name(), &[("q", text)])) { (t("Search in these entries")) } }
            }
        }
        (entry_table(&listing.entries, &shown))
    };
    Ok(Content::html(t("Live"), main))
}

/// Opens the stream of the page.
pub(super) fn open(
    viewer: &Inner,
    reader: &Reader<'_>,
    request: &PageRequest,
) -> Result<Content, Failure> {
    let text = request.params.value("q").unwrap_or(FIRST_QUERY);
    let query = reader.parse(text)?.without_limits();
    // An entry that is not the reader's has the effect of one that does not exist.
    let last = match request.last_event.map(|id| reader.entry(id)) {
        Some(Ok(entry)) => Some(entry),
        None | Some(Err(Failure::NotFound(_))) => None,
        Some(Err(error)) => return Err(error),
    };
    // Before the entries are read, so that none is between them and the position.
    let position = reader.trail()?.position()?;
    let (first, has_more) = match last {
        Some(last) => missed(reader, query.clone(), &last)?,
        None => newest(reader, query.clone(), FIRST_ENTRIES)?,
    };
    let opening = Opening {
        grant: reader.grant.clone(),
        query,
        format: request.format,
        selected: texts::selected(),
        position,
        first,
        has_more,
        is_resumed: request.last_event.is_some(),
    };
    let receiver = viewer.live.open(opening).map_err(Failure::NoStream)?;
    Ok(Content::Live(receiver))
}

/// Returns the entries that a client may have missed after its last one, and whether there are more
/// than the stream sends.
fn missed(
    reader: &Reader<'_>,
    query: Query,
    last: &LogEntry,
) -> Result<(Vec<LogEntry>, bool), Failure> {
    let since = last
        .timestamp
        .checked_sub_signed(TimeDelta::minutes(COMMITTED_LATE))
        .unwrap_or(last.timestamp);
    let query = match query.filter().since {
        Some(later) if later > since => query,
        _ => query.since(since),
    };
    newest(reader, query, MISSED)
}

/// Returns the newest entries of a query, newest first, and whether there are older ones.
fn newest(
    reader: &Reader<'_>,
    query: Query,
    limit: usize,
) -> Result<(Vec<LogEntry>, bool), Failure> {
    let mut entries = Vec::new();
    let bound = Bound {
        first: limit.min(FIRST_ENTRIES),
        entries: limit,
        bytes: FIRST_BYTES,
    };
    let next = reader.read(&query.newest_first(), bound, |entry| {
        entries.push(entry);
        Ok(true)
    })?;
    Ok((entries, next.is_some()))
}

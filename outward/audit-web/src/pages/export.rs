//! Exports: the entries that a query finds, as CSV or JSON lines.

use std::sync::Arc;
use std::time::Instant;

use audit_core::backend::escape_misleading;
use audit_core::{Cancellation, Cursor, Query};
use bytes::Bytes;
use http::header::{CONTENT_DISPOSITION, HeaderValue};
use http::{Response, StatusCode};
use uuid::Uuid;

use super::Content;
use crate::access::Grant;
use crate::body::Body;
use crate::csv;
use crate::error::Failure;
use crate::exports::Permit;
use crate::not_opened::NotOpened;
use crate::pool::{Admission, Job};
use crate::reader::{Bound, FIRST, Reader};
use crate::request::{PageRequest, Route, shortened};
use crate::response;
use crate::viewer::Inner;

/// The size at which a chunk ends, in bytes. Its last row may exceed it.
const CHUNK: usize = 4 << 20;
/// The entries of a chunk.
const ENTRIES: Bound = Bound {
    first: FIRST,
    entries: 20_000,
    bytes: 16 << 20,
};

/// An export that is read chunk by chunk.
pub(crate) struct Export {
    viewer: Arc<Inner>,
    grant: Grant,
    query: Query,
    format: Format,
    permit: Arc<Permit>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Csv,
    JsonLines,
}

/// A part of an export.
#[derive(Debug)]
pub(crate) struct Chunk {
    pub(crate) bytes: Bytes,
    /// The position to continue from, if there are more rows.
    pub(crate) next: Option<Position>,
}

/// A position between two rows of an export.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Position {
    /// The last entry whose rows are complete.
    after: Option<Cursor>,
    /// The next entry and the number of its rows before the position, if some were written.
    partial: Option<(Uuid, usize)>,
}

/// Reads the first chunk, so that an error has a page.
pub(super) fn start(
    viewer: &Arc<Inner>,
    reader: &Reader<'_>,
    request: &PageRequest,
) -> Result<Content, Failure> {
    if !reader.grant.may_export() {
        return Err(Failure::Forbidden("You may not export entries."));
    }
    let format = match request.params.get("as") {
        None | Some("csv") => Format::Csv,
        Some("jsonl") => Format::JsonLines,
        Some(other) => {
            return Err(Failure::Parameter {
                name: "as".into(),
                message: format!("must be csv or jsonl, not `{}`", shortened(other)),
            });
        }
    };
    let query = reader
        .parse(request.params.value("q").unwrap_or_default())?
        .without_limits();
    let opened = viewer.exports.open(&reader.grant.reader.id, Instant::now());
    let permit = opened.map_err(|error| match error {
        NotOpened::Full => Failure::Busy("Too many exports are open. Try again later."),
        NotOpened::Closed => Failure::Busy("The service is shutting down."),
        NotOpened::ReaderFull(limit) => Failure::ReaderLimit {
            message: "At most {} exports of one reader are open at the same time. Try again later.",
            limit,
        },
    })?;
    let first = chunk(reader, &query, format, None)?;
    let export = Export {
        viewer: Arc::clone(viewer),
        grant: reader.grant.clone(),
        query,
        format,
        permit,
    };
    Ok(Content::Export {
        export: Box::new(export),
        first,
    })
}

/// Reads the chunk after a position.
fn chunk(
    reader: &Reader<'_>,
    query: &Query,
    format: Format,
    after: Option<Position>,
) -> Result<Chunk, Failure> {
    let mut position = after.unwrap_or_default();
    let begun = position.partial;
    let query = match position.after {
        Some(after) => query.clone().after(after),
        None => query.clone(),
    };
    let mut rows = csv::writer(after.is_none())?;
    let mut lines = String::new();
    let next = reader.read(&query, ENTRIES, |entry| {
        let first = match position.partial.take() {
            None => 0,
            Some((id, rows)) if id == entry.id => rows,
            Some(partial) => return Err(missing_rows(partial)),
        };
        if format == Format::JsonLines {
            lines.push_str(&entry.to_canonical_json()?);
            lines.push('\n');
        } else if let Some(row) = csv::write_entry(&mut rows, &entry, first, CHUNK)? {
            position.partial = Some((entry.id, row));
            return Ok(false);
        }
        position.after = Some(Cursor::of(&entry));
        Ok(lines.len() < CHUNK && rows.get_ref().len() < CHUNK)
    })?;
    // No entry was read after the position, although the rows of one are incomplete.
    if let (Some(partial), true) = (position.partial, position.partial == begun) {
        return Err(missing_rows(partial));
    }
    let bytes = match format {
        Format::Csv => rows
            .into_inner()
            .map_err(|error| Failure::Output(error.into_error().into()))?,
        Format::JsonLines => lines.into_bytes(),
    };
    let has_more = next.is_some() || position.partial.is_some();
    Ok(Chunk {
        bytes: bytes.into(),
        next: has_more.then_some(position),
    })
}

/// Returns the error for an entry that was deleted after a part of its rows was written.
fn missing_rows((id, rows): (Uuid, usize)) -> Failure {
    let message = format!("entry {id} was deleted after {rows} of its rows were written");
    Failure::Output(message.into())
}

impl Export {
    pub(crate) fn response(self, first: Chunk) -> Response<Body> {
        let (kind, disposition) = match self.format {
            Format::Csv => (
                "text/csv; charset=utf-8; header=present",
                "attachment; filename=\"audit-trail.csv\"",
            ),
            Format::JsonLines => (
                "application/jsonl; charset=utf-8",
                "attachment; filename=\"audit-trail.jsonl\"",
            ),
        };
        let mut response = response::with_body(StatusCode::OK, kind, Body::export(self, first));
        let disposition = HeaderValue::from_static(disposition);
        response
            .headers_mut()
            .insert(CONTENT_DISPOSITION, disposition);
        response
    }

    /// Starts to read the chunk after a position.
    pub(crate) fn continue_after(&self, after: Position) -> Job<Result<Chunk, Failure>> {
        let (log, grant) = (self.viewer.log.clone(), self.grant.clone());
        let (query, format) = (self.query.clone(), self.format);
        let work = move |cancellation: &Cancellation| {
            let reader = Reader::new(log, grant, cancellation);
            chunk(&reader, &query, format, Some(after))
        };
        let reader = &self.grant.reader.id;
        let page = Route::Export.name();
        self.viewer
            .pool
            .run(Admission::Continued, reader, page, work)
    }

    pub(crate) fn permit(&self) -> &Permit {
        &self.permit
    }

    /// Logs that the export ended before its last entry.
    pub(crate) fn log_end(&self, bytes: u64, is_error: bool, reason: &str) {
        let level = if is_error {
            log::Level::Error
        } else {
            log::Level::Info
        };
        log::log!(
            target: "auditlog::web",
            level,
            "the export of `{}` ended early, after {bytes} bytes: {reason}",
            escape_misleading(&self.grant.reader.id)
        );
    }
}

#[cfg(test)]
mod tests {
    use audit_core::{Action, AuditLog, Change, LogEntry, MemoryStore, Store};
    use serde_json::json;

    use super::*;
    use crate::access::Access;

    #[test]
    fn an_entry_deleted_between_two_chunks_is_an_error() {
        let mut large = LogEntry::new(Action::Update, "User", "1", "bob");
        let change = |number: usize| {
            let path = format!("f{number}").parse().expect("a path");
            Change::new(path, None, Some(json!("x".repeat(1 << 20))))
        };
        large.changes = (0..6).map(change).collect();
        let mut later = LogEntry::new(Action::Update, "User", "1", "bob");
        later.timestamp = large.timestamp + chrono::TimeDelta::hours(1);
        let read = |entries: &[LogEntry], after| {
            let store = MemoryStore::new();
            store.append(entries).expect("appended");
            let log = AuditLog::builder().store(store).build();
            let grant = Access::reader("alice").grant.expect("a grant");
            let cancellation = Cancellation::default();
            let reader = Reader::new(log, grant, &cancellation);
            chunk(&reader, &Query::new(), Format::Csv, after)
        };
        let all = [large.clone(), later.clone()];
        let next = read(&all, None).expect("a chunk").next;
        assert_eq!(next.and_then(|next| next.partial), Some((large.id, 4)));
        let rest = read(&all, next).expect("a chunk");
        assert!(rest.next.is_none() && !rest.bytes.is_empty());
        for remaining in [&all[1..], &[]] {
            let error = read(remaining, next).expect_err("rows are missing");
            assert!(format!("{error:?}").contains("was deleted"), "{error:?}");
        }
    }
}

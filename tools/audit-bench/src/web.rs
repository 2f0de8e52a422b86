//! `web`: pages of the viewer, from the request to the last byte of the response, beside raw SQL that
//! fetches the JSON of the entries of the page from the same file.
//!
//! Rows called `parsed` have raw SQL whose JSON is read into a `serde_json::Value`, as the rows of
//! `history`. Views are not recorded, so that the file stays as it is.

use std::future::poll_fn;
use std::pin::Pin;

use auditlog::prelude::*;
use auditlog::sqlite::rusqlite::Connection;
use auditlog::web::{Access, Viewer};
use futures::executor::block_on;
use http::{Request, StatusCode};
use http_body::Body as _;
use tower_service::Service as _;

use crate::history::{self, Outcome, generate, parsed, texts};
use crate::measure::{self, Budget, compare, row};

/// A page, the SQL of its entries, and the budget of the page beside that SQL.
struct Case {
    name: &'static str,
    path: &'static str,
    sql: &'static str,
    /// What the page must contain.
    content: Content,
    budget: Budget,
}

enum Content {
    /// A row for each entry.
    Rows,
    /// Rows of the newest entries.
    SomeRows,
    /// The number of the entries.
    Count,
}

const CASES: [Case; 4] = [
    Case {
        name: "first-page",
        path: "/search",
        sql: "SELECT body FROM audit_entry WHERE level >= 20 ORDER BY ts DESC, id DESC LIMIT 50",
        content: Content::Rows,
        budget: Budget::Ratio(1.5),
    },
    Case {
        name: "actor",
        path: "/search?q=actor:actor-7",
        sql: "SELECT body FROM audit_entry WHERE actor = 'actor-7'
              ORDER BY ts DESC, id DESC LIMIT 50",
        content: Content::Rows,
        budget: Budget::None,
    },
    Case {
        name: "object",
        path: "/object?model=Account&key=4711",
        sql: "SELECT body FROM audit_entry WHERE model = 'Account' AND object_pk = '4711'
              ORDER BY ts DESC, id DESC LIMIT 5000",
        content: Content::SomeRows,
        budget: Budget::None,
    },
    Case {
        name: "overview",
        path: "/overview",
        sql: "SELECT body FROM audit_entry WHERE level >= 20 ORDER BY ts DESC, id DESC LIMIT 5000",
        content: Content::Count,
        budget: Budget::None,
    },
];

pub(crate) fn run() -> Outcome<()> {
    let entries = match measure::entries() {
        Some(entries) => usize::try_from(entries)?,
        None => generate::ENTRIES,
    };
    let file = history::file(entries)?;
    let store = SqliteStore::options().read_only().open(&file)?;
    let log = AuditLog::builder().store(store).build();
    let viewer = Viewer::builder(log)
        .authorize(|_| Access::reader("bench"))
        .unrecorded()
        .build()?;
    let raw = history::raw(&file)?;
    for case in &CASES {
        times(case, &viewer, &raw)?;
    }
    bytes(&viewer)
}

fn times(case: &Case, viewer: &Viewer, raw: &Connection) -> Outcome<()> {
    let page = get(viewer, case.path)?;
    let entries = texts(raw, case.sql, [])?.len();
    let rows = page.matches("<tr class=\"entry").count();
    let is_complete = match case.content {
        Content::Rows => rows == entries,
        Content::SomeRows => rows > 0,
        Content::Count => page.contains("5,000 entries"),
    };
    if entries == 0 || !is_complete {
        return Err(format!("{}: {rows} rows of {entries} entries", case.path).into());
    }
    let name = format!("web/{}", case.name);
    compare(
        &name,
        case.budget,
        || get(viewer, case.path).map(|page| page.len()).ok(),
        || texts(raw, case.sql, []).map(|texts| texts.len()).ok(),
    );
    compare(
        &format!("{name}/parsed"),
        Budget::None,
        || get(viewer, case.path).map(|page| page.len()).ok(),
        || {
            let texts = texts(raw, case.sql, []).ok()?;
            parsed(&texts).map(|values| values.len()).ok()
        },
    );
    Ok(())
}

/// The bytes of the first page, its style sheet and its script beside those of its rows, uncompressed.
fn bytes(viewer: &Viewer) -> Outcome<()> {
    let page = get(viewer, "/search")?;
    let (start, end) = (page.find("<tbody>"), page.find("</tbody>"));
    let rows = start.zip(end).map(|(start, end)| end - start);
    let rows = rows.ok_or("the page has no table")?;
    let mut all = page.len();
    for name in ["style.", "script."] {
        let link = page.find(&format!("=\"{name}")).ok_or("no such file")? + 2;
        let file = page[link..].split('"').next().unwrap_or_default();
        all += get(viewer, &format!("/{file}"))?.len();
    }
    #[expect(
        clippy::cast_precision_loss,
        reason = "a page has less than 2^52 bytes"
    )]
    let [beside, rows] = [all - rows, rows].map(|bytes| bytes as f64 / 1024.0);
    row(
        "web/first-page/bytes-beside-rows",
        beside,
        rows,
        "KiB",
        Budget::Value(30.0),
    );
    Ok(())
}

/// Sends a request, and reads the body of the response to its end.
fn get(viewer: &Viewer, path: &str) -> Outcome<String> {
    let response = block_on(viewer.clone().call(Request::get(path).body(())?))?;
    let status = response.status();
    let mut body = response.into_body();
    let mut bytes = Vec::new();
    while let Some(frame) = block_on(poll_fn(|context| Pin::new(&mut body).poll_frame(context))) {
        if let Ok(data) = frame?.into_data() {
            bytes.extend_from_slice(&data);
        }
    }
    let text = String::from_utf8(bytes)?;
    match status {
        StatusCode::OK => Ok(text),
        status => Err(format!("{path}: {status}: {text}").into()),
    }
}

//! `web`: pages of the viewer, from the request to the last byte of the response, beside raw SQL that
//! fetches the JSON of the entries of the page from the same file.
//!
//! The row `first-page` has the viewer as it is by default, on a copy of the file: it stores each view durably
//! before it shows the page. The SQL beside it stores the same row, and its JSON is read into a
//! `serde_json::Value`, as that of the rows of `history`. In the other rows views are not recorded, and the JSON is
//! read where the name ends with `parsed`.

use std::cell::Cell;
use std::fs;
use std::future::poll_fn;
use std::hint::black_box;
use std::iter;
use std::path::Path;
use std::pin::Pin;
use std::time::{Duration, Instant};

use auditlog::prelude::*;
use auditlog::sqlite::rusqlite::{self, Connection};
use auditlog::web::{Access, Viewer};
use bytes::Bytes;
use futures::executor::block_on;
use http::{Request, StatusCode};
use http_body::Body as _;
use tower_service::Service as _;
use uuid::Uuid;

use crate::history::{self, Outcome, generate, parsed, texts};
use crate::measure::{self, Budget, compare, median, row};

/// The rounds of the recorded page, and the pages of one.
const ROUNDS: usize = 101;
const PAGES: u32 = 8;

const FIRST_PAGE: &str = "/search";
const FIRST_SQL: &str =
    "SELECT body FROM audit_entry WHERE level >= 20 ORDER BY ts DESC, id DESC LIMIT 50";

/// A page, and the SQL of its entries.
struct Case {
    name: &'static str,
    path: &'static str,
    sql: &'static str,
    /// What the page must contain.
    content: Content,
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
        name: "first-page/unrecorded",
        path: FIRST_PAGE,
        sql: FIRST_SQL,
        content: Content::Rows,
    },
    Case {
        name: "actor",
        path: "/search?q=actor:actor-7",
        sql: "SELECT body FROM audit_entry WHERE actor = 'actor-7'
              ORDER BY ts DESC, id DESC LIMIT 50",
        content: Content::Rows,
    },
    Case {
        name: "object",
        path: "/object?model=Account&key=4711",
        sql: "SELECT body FROM audit_entry WHERE model = 'Account' AND object_pk = '4711'
              ORDER BY ts DESC, id DESC LIMIT 5000",
        content: Content::SomeRows,
    },
    Case {
        name: "overview",
        path: "/overview",
        sql: "SELECT body FROM audit_entry WHERE level >= 20 ORDER BY ts DESC, id DESC LIMIT 5000",
        content: Content::Count,
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
    recorded(&file)?;
    for case in &CASES {
        times(case, &viewer, &raw)?;
    }
    bytes(&viewer)
}

/// The first page of a viewer that records views.
fn recorded(file: &Path) -> Outcome<()> {
    let folder = tempfile::tempdir()?;
    let file = {
        let copy = folder.path().join("trail.db");
        fs::copy(file, &copy)?;
        copy
    };
    let log = AuditLog::builder()
        .store(SqliteStore::options().open(&file)?)
        .build();
    let viewer = Viewer::builder(log.clone())
        .authorize(|_| Access::reader("bench"))
        .build()?;
    let raw = Connection::open(&file)?;
    raw.execute_batch(
        "PRAGMA synchronous = FULL; PRAGMA mmap_size = 0; DROP TRIGGER audit_entry_keep_deleted",
    )?;
    let last = || raw.query_row("SELECT max(seq) FROM audit_entry", [], |row| row.get(0));
    let before: i64 = last()?;
    let rows = get(&viewer, FIRST_PAGE)?
        .matches("<tr class=\"entry")
        .count();
    let view = View::last(&raw)?;
    if last()? != before + 1 || rows != 50 {
        return Err(format!("{FIRST_PAGE}: {rows} rows of 50, or no view").into());
    }
    // A search passes over the views before it, so that they are removed between rounds.
    let views = || raw.execute("DELETE FROM audit_entry WHERE seq > ?", [before]);
    views()?;
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        let start = Instant::now();
        for _ in 0..PAGES {
            black_box(request(&viewer, FIRST_PAGE)?);
        }
        times[0].push(start.elapsed());
        let stored = views()?;
        let start = Instant::now();
        for _ in 0..PAGES {
            view.store(&raw)?;
            black_box(parsed(&texts(&raw, FIRST_SQL, [])?)?);
        }
        times[1].push(start.elapsed());
        if [stored, views()?] != [PAGES as usize; 2] {
            return Err(format!("{stored} views of {PAGES}").into());
        }
    }
    let [ours, reference] = times.map(|times| {
        let micros = |time: Duration| time.as_secs_f64() * 1e6 / f64::from(PAGES);
        median(times.into_iter().map(micros).collect())
    });
    row("web/first-page", ours, reference, "µs", Budget::Ratio(1.5));
    drop(raw);
    Ok(log.shutdown()?)
}

/// The row of a recorded view.
struct View {
    insert: String,
    id: Uuid,
    others: Vec<rusqlite::types::Value>,
    stored: Cell<u128>,
}

impl View {
    fn last(raw: &Connection) -> Outcome<Self> {
        let mut last = raw.prepare("SELECT * FROM audit_entry ORDER BY seq DESC LIMIT 1")?;
        let names = last.column_names().into_iter();
        let names: Vec<String> = names.map(String::from).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let others = names.iter().filter(|name| !["seq", "id"].contains(name));
        let others: Vec<&str> = others.copied().collect();
        Ok(Self {
            insert: format!(
                "INSERT INTO audit_entry (id, {}) VALUES (?{})",
                others.join(", "),
                ", ?".repeat(others.len())
            ),
            id: Uuid::from_bytes(last.query_row([], |row| row.get("id"))?),
            others: last.query_row([], |row| others.iter().map(|name| row.get(*name)).collect())?,
            stored: Cell::new(0),
        })
    }

    /// Stores the row with a later id.
    fn store(&self, raw: &Connection) -> Outcome<()> {
        self.stored.set(self.stored.get() + 1);
        let id = Uuid::from_u128(self.id.as_u128() + self.stored.get());
        let values = iter::once(rusqlite::types::Value::from(id.into_bytes().to_vec()));
        let values = values.chain(self.others.iter().cloned());
        let stored = raw
            .prepare_cached(&self.insert)?
            .execute(rusqlite::params_from_iter(values))?;
        (stored == 1)
            .then_some(())
            .ok_or("no row was stored".into())
    }
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
        Budget::None,
        || request(viewer, case.path).ok(),
        || texts(raw, case.sql, []).map(|texts| texts.len()).ok(),
    );
    compare(
        &format!("{name}/parsed"),
        Budget::None,
        || request(viewer, case.path).ok(),
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

/// Sends a request, and returns the body of the response as text.
fn get(viewer: &Viewer, path: &str) -> Outcome<String> {
    let parts = request(viewer, path)?;
    Ok(String::from_utf8(parts.concat())?)
}

/// Sends a request, and reads the body of the response to its end.
fn request(viewer: &Viewer, path: &str) -> Outcome<Vec<Bytes>> {
    let response = block_on(viewer.clone().call(Request::get(path).body(())?))?;
    let status = response.status();
    let mut body = response.into_body();
    let mut parts = Vec::new();
    while let Some(frame) = block_on(poll_fn(|context| Pin::new(&mut body).poll_frame(context))) {
        parts.extend(frame?.into_data());
    }
    match status {
        StatusCode::OK => Ok(parts),
        status => Err(format!("{path}: {status}").into()),
    }
}

//! Whether a file holds what it should.

use std::borrow::Cow;
use std::fmt;

use audit_core::{LogEntry, StoreError};
use rusqlite::Connection;
use rusqlite::types::ValueRef;
use uuid::Uuid;

use crate::error::at;
use crate::row::Row;

/// What [`SqliteStore::check`](crate::SqliteStore::check) found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Check {
    /// How many entries were read.
    pub entries: u64,
    /// What SQLite's `integrity_check` complains about.
    pub integrity: Vec<String>,
    /// Where columns and bytes disagree.
    pub mismatches: Vec<Mismatch>,
}

impl Check {
    /// Returns whether nothing is wrong.
    pub fn is_ok(&self) -> bool {
        self.integrity.is_empty() && self.mismatches.is_empty()
    }
}

/// A column that does not say what the entry's bytes say. Shows neither.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Mismatch {
    /// The entry's `seq`.
    pub seq: i64,
    /// The column; `body` if the bytes are no entry or not its canonical form,
    /// `audit_change` for the table of changed fields.
    pub column: &'static str,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.column {
            "body" => write!(f, "the bytes of entry {} are not canonical", self.seq),
            column => write!(f, "`{column}` of entry {} differs from its bytes", self.seq),
        }
    }
}

pub(crate) fn check(connection: &Connection, place: &str) -> Result<Check, StoreError> {
    // One snapshot for all of it.
    connection.execute_batch("BEGIN").map_err(at(place))?;
    let checked = read(connection).map_err(at(place));
    connection.execute_batch("ROLLBACK").map_err(at(place))?;
    checked
}

fn read(connection: &Connection) -> rusqlite::Result<Check> {
    let mut check = Check {
        integrity: connection
            .prepare("PRAGMA main.integrity_check")?
            .query_map([], |row| row.get::<_, String>(0))?
            .filter(|line| line.as_deref() != Ok("ok"))
            .collect::<Result<_, _>>()?,
        ..Check::default()
    };
    let mut entries = connection.prepare("SELECT * FROM main.audit_entry ORDER BY seq")?;
    let mut change = connection.prepare(
        "SELECT EXISTS (SELECT 1 FROM main.audit_change WHERE field = ? AND ts = ? AND seq = ?)",
    )?;
    let mut accounted: i64 = 0;
    let mut rows = entries.query([])?;
    while let Some(found) = rows.next()? {
        check.entries += 1;
        let seq = found.get("seq")?;
        let mut differs = |column| check.mismatches.push(Mismatch { seq, column });
        let body = found.get_ref("body")?.as_str().unwrap_or_default();
        let Ok(entry) = LogEntry::from_json(body) else {
            differs("body");
            continue;
        };
        let Ok(row) = Row::of(&entry) else {
            differs("body");
            continue;
        };
        if row.body != body {
            differs("body");
        }
        for (column, expected) in columns(&row) {
            // Not as an owned `Value`: older versions of rusqlite panic at text that is no UTF-8.
            if found.get_ref(column)? != expected {
                differs(column);
            }
        }
        for field in &row.fields {
            if change.query_row((field, row.ts, seq), |row| row.get(0))? {
                accounted += 1;
            } else {
                differs("audit_change");
            }
        }
    }
    let changes: i64 =
        connection.query_row("SELECT count(*) FROM main.audit_change", [], |row| {
            row.get(0)
        })?;
    if changes != accounted {
        find_surplus_changes(connection, &mut check)?;
    }
    Ok(check)
}

/// Finds the rows of `audit_change` that no entry accounts for.
fn find_surplus_changes(connection: &Connection, check: &mut Check) -> rusqlite::Result<()> {
    let mut changes = connection.prepare(
        "SELECT c.seq, c.field, c.ts, e.body FROM main.audit_change AS c \
         LEFT JOIN main.audit_entry AS e ON e.seq = c.seq",
    )?;
    let mut rows = changes.query([])?;
    while let Some(found) = rows.next()? {
        let (field, ts): (String, i64) = (found.get(1)?, found.get(2)?);
        let accounted = found
            .get_ref(3)?
            .as_str()
            .ok()
            .and_then(|body| LogEntry::from_json(body).ok())
            .is_some_and(|entry| {
                Row::of(&entry)
                    .is_ok_and(|row| row.ts == ts && row.fields.iter().any(|known| *known == field))
            });
        if !accounted {
            check.mismatches.push(Mismatch {
                seq: found.get(0)?,
                column: "audit_change",
            });
        }
    }
    Ok(())
}

fn columns<'r>(row: &'r Row<'_>) -> [(&'static str, ValueRef<'r>); 12] {
    fn text(text: &str) -> ValueRef<'_> {
        ValueRef::Text(text.as_bytes())
    }
    fn optional<'v>(value: Option<&'v Cow<'_, str>>) -> ValueRef<'v> {
        value.map_or(ValueRef::Null, |value| text(value))
    }
    fn id(id: &Uuid) -> ValueRef<'_> {
        ValueRef::Blob(id.as_bytes())
    }
    [
        ("id", id(&row.id)),
        ("ts", ValueRef::Integer(row.ts)),
        ("level", ValueRef::Integer(row.level)),
        ("action", text(&row.action)),
        ("outcome", text(row.outcome)),
        ("model", text(&row.model)),
        ("object_pk", text(&row.object_pk)),
        ("parent_model", optional(row.parent_model.as_ref())),
        ("parent_pk", optional(row.parent_pk.as_ref())),
        ("actor", optional(row.actor.as_ref())),
        ("correlation_id", optional(row.correlation_id.as_ref())),
        (
            "transaction_id",
            row.transaction_id.as_ref().map_or(ValueRef::Null, id),
        ),
    ]
}

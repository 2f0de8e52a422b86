//! Checks of a file: damage, columns that differ from the entries, and a changed schema.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use audit_core::{LogEntry, StoreError};
use audit_sql::checksum;
use rusqlite::Connection;
use rusqlite::types::ValueRef;
use serde_json::Value;
use uuid::Uuid;

use crate::error::at;
use crate::row::Row;
use crate::{follow, schema};

/// The result of [`SqliteStore::check`](crate::SqliteStore::check).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Check {
    /// The count of entries.
    pub entries: u64,
    /// The findings of SQLite's `integrity_check`.
    pub integrity: Vec<String>,
    /// The columns that differ from the entries' bytes.
    pub mismatches: Vec<Mismatch>,
    /// The tables, indexes, triggers and views that differ from those that this version of the
    /// library makes.
    pub schema: Vec<SchemaDifference>,
    /// Whether `audit_retention` has a row, which lets every connection remove entries.
    pub retention_open: bool,
    /// The count of removed entries: the values of `seq` up to the newest that no entry has.
    pub removed: u64,
    /// The count of removed entries that `prune` entries account for.
    pub pruned: u64,
}

/// A table, index, trigger or view of the trail that differs from the one that the library makes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum SchemaDifference {
    /// A missing one: its kind and name.
    Missing(&'static str, String),
    /// One with another definition.
    Changed(&'static str, String),
    /// A trigger or an index on the trail's tables that the library did not make.
    Unknown(&'static str, String),
}

impl fmt::Display for SchemaDifference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(kind, name) => {
                write!(f, "the {kind} `{}` is missing", name.escape_debug())
            }
            Self::Changed(kind, name) => {
                write!(f, "the {kind} `{}` was changed", name.escape_debug())
            }
            Self::Unknown(kind, name) => write!(
                f,
                "the {kind} `{}` on the trail's tables is not the trail's",
                name.escape_debug()
            ),
        }
    }
}

impl Check {
    /// Returns whether the check found no problem. Removed entries are not a problem, since a program may
    /// purge entries.
    pub fn is_ok(&self) -> bool {
        self.integrity.is_empty()
            && self.mismatches.is_empty()
            && self.schema.is_empty()
            && !self.retention_open
    }
}

/// A column that differs from the entry's bytes. Contains neither value.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Mismatch {
    /// The entry's `seq`.
    pub seq: i64,
    /// The entry's `id`, as the column has it; `None` if the column has no id.
    pub id: Option<Uuid>,
    /// The column; `body` if the bytes are no entry or not its canonical form, `checksum` if
    /// they do not match their checksum, `audit_change` for the table of changed fields.
    pub column: &'static str,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.column {
            "body" => write!(f, "the bytes of entry {} are not canonical", self.seq),
            "checksum" => {
                match self.id {
                    Some(id) => write!(f, "entry {id}")?,
                    None => write!(f, "entry {}", self.seq)?,
                }
                f.write_str(": its bytes do not match their checksum")
            }
            column => write!(f, "`{column}` of entry {} differs from its bytes", self.seq),
        }
    }
}

pub(crate) fn check(connection: &Connection, location: &str) -> Result<Check, StoreError> {
    // One snapshot for all of it.
    connection.execute_batch("BEGIN").map_err(at(location))?;
    let checked = read(connection)
        .and_then(|mut check| {
            protection(connection, &mut check)?;
            Ok(check)
        })
        .map_err(at(location));
    connection.execute_batch("ROLLBACK").map_err(at(location))?;
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
        let id = found.get_ref("id")?.as_blob().ok();
        let id = id.and_then(|id| Uuid::from_slice(id).ok());
        let mut differs = |column| check.mismatches.push(Mismatch { seq, id, column });
        let body = found.get_ref("body")?;
        if found.get_ref("checksum")?
            != ValueRef::Blob(&checksum(body.as_bytes().unwrap_or_default()))
        {
            differs("checksum");
        }
        let body = body.as_str().unwrap_or_default();
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
        if entry.model.is_empty() && entry.action.as_str() == "prune" {
            let count = entry.additional_data.get("count");
            check.pruned += count.and_then(Value::as_u64).unwrap_or_default();
        }
        for (column, expected) in columns(&row) {
            // Not as an owned `Value`: older versions of rusqlite panic at text that is not UTF-8.
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

/// The kinds of what a schema has, as SQLite calls them.
const KINDS: [&str; 4] = ["table", "index", "trigger", "view"];

/// Compares tables, indexes, triggers and views with those that the library makes.
fn protection(connection: &Connection, check: &mut Check) -> rusqlite::Result<()> {
    let made = Connection::open_in_memory()?;
    schema::create(&made)?;
    let (made, found) = (objects(&made)?, objects(connection)?);
    for (name, (kind, sql)) in &made {
        match found.get(name) {
            None => check
                .schema
                .push(SchemaDifference::Missing(kind, name.clone())),
            Some((_, other)) if sql == other => {}
            Some(_) => check
                .schema
                .push(SchemaDifference::Changed(kind, name.clone())),
        }
    }
    let others = found.iter().filter(|(name, _)| !made.contains_key(*name));
    for (name, (kind, _)) in others {
        check
            .schema
            .push(SchemaDifference::Unknown(kind, name.clone()));
    }
    let retention = "SELECT EXISTS (SELECT 1 FROM main.audit_retention)";
    if found.contains_key("audit_retention") {
        check.retention_open = connection.query_row(retention, [], |row| row.get(0))?;
    }
    let newest = follow::last_seq(connection)?.unsigned_abs();
    check.removed = newest.saturating_sub(check.entries);
    Ok(())
}

/// The objects of a schema by name: the kind, and the SQL with single spaces.
type Objects = BTreeMap<String, (&'static str, String)>;

/// Returns the trail's objects, and those of others on its tables.
fn objects(connection: &Connection) -> rusqlite::Result<Objects> {
    let mut statement = connection.prepare(
        "SELECT type, name, sql FROM main.sqlite_master WHERE sql IS NOT NULL \
         AND tbl_name IN ('audit_schema', 'audit_entry', 'audit_change', 'audit_retention', \
         'audit_log', 'audit_append')",
    )?;
    let mut rows = statement.query([])?;
    let mut objects = Objects::new();
    while let Some(row) = rows.next()? {
        let (kind, name, sql): (String, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let kind = KINDS.into_iter().find(|known| *known == kind);
        let words: Vec<&str> = sql.split_whitespace().collect();
        objects.insert(name, (kind.unwrap_or("object"), words.join(" ")));
    }
    Ok(objects)
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
                id: None,
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

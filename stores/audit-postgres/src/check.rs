//! Checks the columns of entries against their bytes.

use std::time::Duration;
use std::{fmt, panic};

use audit_core::backend::projection::equal_json;
use audit_core::{LogEntry, StoreError};
use audit_sql::checksum;
use tokio::task;
use tokio::time::timeout;
use tokio_postgres::{Error, IsolationLevel};
use uuid::Uuid;

use crate::connection::{Connections, retrying};
use crate::row::Row;
use crate::schema::Schema;

/// The most entries that one statement reads.
const ENTRIES: usize = 1_000;
/// The most bytes that one statement reads, unless one entry is larger.
const BYTES: usize = 8 << 20;

/// The result of [`PostgresStore::check`](crate::PostgresStore::check).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Check {
    /// The number of entries that were read.
    pub entries: u64,
    /// The entries whose columns and bytes differ.
    pub mismatches: Vec<Mismatch>,
}

impl Check {
    /// Returns whether the check found no mismatch.
    pub fn is_ok(&self) -> bool {
        self.mismatches.is_empty()
    }

    fn add(&mut self, other: Self) {
        self.entries += other.entries;
        self.mismatches.extend(other.mismatches);
    }
}

/// A column that differs from the entry's bytes. Contains neither value.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Mismatch {
    /// The entry's `id`, as the column has it.
    pub id: Uuid,
    /// The column; `body` if the bytes are not an entry in canonical form, `checksum` if they do not match
    /// their checksum.
    pub column: &'static str,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.column {
            "body" => write!(f, "the bytes of entry {} are not canonical", self.id),
            "checksum" => write!(
                f,
                "entry {}: its bytes do not match their checksum",
                self.id
            ),
            column => write!(f, "`{column}` of entry {} differs from its bytes", self.id),
        }
    }
}

pub(crate) async fn check(connections: Connections, schema: Schema) -> Result<Check, StoreError> {
    let (first, next) = (page(&schema, ""), page(&schema, "WHERE a.id > $1"));
    retrying(connections.deadline(), || async {
        let mut connection = connections.read().await?;
        // No limit in total; each statement has its own.
        let done = timeout(Duration::MAX, async {
            let transaction = connection
                .build_transaction()
                .isolation_level(IsolationLevel::RepeatableRead)
                .read_only(true)
                .start()
                .await?;
            let mut check = Check::default();
            let mut rows = transaction.query(&first, &[]).await?;
            let next = transaction.prepare(&next).await?;
            while let Some(last) = rows.last() {
                let after: Uuid = last.try_get(0)?;
                // Checks these while the server sends the next ones.
                let looked = task::spawn_blocking(move || check_rows(&rows));
                rows = transaction.query(&next, &[&after]).await?;
                match looked.await {
                    Ok(found) => check.add(found?),
                    Err(error) => panic::resume_unwind(error.into_panic()),
                }
            }
            transaction.commit().await?;
            Ok(check)
        })
        .await;
        connection.finish(done)
    })
    .await
    .map_err(|failure| failure.error)
}

/// The statement for the next entries that meet a condition, in the order of ids.
fn page(schema: &Schema, condition: &str) -> String {
    // The sizes of bodies are known without reading them.
    schema.fill(&format!(
        "SELECT e.id, e.ts, e.level, e.action, e.outcome, e.model, e.object_pk, e.parent_model, \
         e.parent_pk, e.actor, e.correlation_id, e.transaction_id, e.fields, e.changes::text, \
         e.body, e.checksum \
         FROM (\
             SELECT p.*, row_number() OVER up AS number, \
                 sum(octet_length(p.body)) OVER up AS bytes \
             FROM (\
                 SELECT a.* FROM {{schema}}.audit_entry AS a {condition} \
                 ORDER BY a.id LIMIT {ENTRIES}\
             ) AS p \
             WINDOW up AS (ORDER BY p.id ROWS UNBOUNDED PRECEDING)\
         ) AS e \
         WHERE e.number = 1 OR e.bytes <= {BYTES} ORDER BY e.id"
    ))
}

fn check_rows(rows: &[tokio_postgres::Row]) -> Result<Check, Error> {
    let mut check = Check::default();
    for row in rows {
        check_row(row, &mut check)?;
    }
    Ok(check)
}

fn check_row(found: &tokio_postgres::Row, check: &mut Check) -> Result<(), Error> {
    check.entries += 1;
    let id: Uuid = found.try_get(0)?;
    let mut differs = |column| check.mismatches.push(Mismatch { id, column });
    let body: &str = found.try_get("body")?;
    if found.try_get::<_, &[u8]>("checksum")? != checksum(body.as_bytes()) {
        differs("checksum");
    }
    let Some(row) = LogEntry::from_json(body)
        .ok()
        .and_then(|entry| Row::of(&entry).ok())
    else {
        differs("body");
        return Ok(());
    };
    let text = |column| found.try_get::<_, Option<&str>>(column);
    let equal = [
        ("body", row.body == body),
        ("id", row.id == id),
        ("ts", found.try_get::<_, i64>("ts")? == row.ts),
        ("level", found.try_get::<_, i16>("level")? == row.level),
        ("action", text("action")? == Some(&row.action)),
        ("outcome", text("outcome")? == Some(row.outcome)),
        ("model", text("model")? == Some(&row.model)),
        ("object_pk", text("object_pk")? == Some(&row.object_pk)),
        (
            "parent_model",
            text("parent_model")? == row.parent_model.as_deref(),
        ),
        ("parent_pk", text("parent_pk")? == row.parent_pk.as_deref()),
        ("actor", text("actor")? == row.actor.as_deref()),
        (
            "correlation_id",
            text("correlation_id")? == row.correlation_id.as_deref(),
        ),
        (
            "transaction_id",
            found.try_get::<_, Option<Uuid>>("transaction_id")? == row.transaction_id,
        ),
        (
            "fields",
            found.try_get::<_, Vec<&str>>("fields")? == row.fields,
        ),
        (
            "changes",
            same_json(text("changes")?, row.changes.as_deref()),
        ),
    ];
    for (column, equal) in equal {
        if !equal {
            differs(column);
        }
    }
    Ok(())
}

/// Returns whether two texts are equal as JSON. `jsonb` prints numbers in another form.
fn same_json(found: Option<&str>, given: Option<&str>) -> bool {
    match (found, given) {
        (None, None) => true,
        (Some(found), Some(given)) => {
            match (serde_json::from_str(found), serde_json::from_str(given)) {
                (Ok(found), Ok(given)) => equal_json(&found, &given),
                _ => false,
            }
        }
        _ => false,
    }
}

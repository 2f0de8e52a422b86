//! Entries in the order of their commits, which is that of `seq`: one writer at a time inserts,
//! and no number is used again.

use audit_core::backend::SequencePosition;
use audit_core::{Batch, Follow, Position, StoreError, Stored};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, params};
use uuid::Uuid;

use crate::error::at;
use crate::store::SqliteStore;

/// The name of this kind of store in positions.
pub(crate) const KIND: &str = "sqlite";

/// Returns entries in the order of their numbers, which the file assigns under its write lock.
///
/// A position has a number and the id of its entry. In a file that was restored from an older copy, or
/// that belongs to another trail, the position is an error if it is beyond the last number or if another
/// entry has its number. It is not detected if a [`purge`](audit_core::Store::purge) has removed the entry
/// with that number.
impl Follow for SqliteStore {
    fn position(&self) -> Result<Position, StoreError> {
        self.read(|connection| {
            last(connection)
                .map_err(at(self.location()))?
                .position(KIND)
        })
    }

    fn committed_after(&self, at: &Position, limit: usize) -> Result<Batch, StoreError> {
        self.read(|connection| committed_after(connection, at, limit, self.location()))
    }
}

/// Returns the position of the newest commit's last entry, also if a purge has removed it.
fn last(connection: &Connection) -> rusqlite::Result<SequencePosition> {
    connection
        .query_row(
            "SELECT s.seq, e.id FROM main.sqlite_sequence AS s \
             LEFT JOIN main.audit_entry AS e ON e.seq = s.seq WHERE s.name = 'audit_entry'",
            [],
            |row| {
                Ok(SequencePosition {
                    number: row.get::<_, i64>(0)?.unsigned_abs(),
                    id: id(row.get_ref(1)?),
                })
            },
        )
        .optional()
        .map(Option::unwrap_or_default)
}

/// Returns the number of the newest commit's last entry, 0 if there was none ever.
pub(crate) fn last_seq(connection: &Connection) -> rusqlite::Result<i64> {
    last(connection).map(|last| i64::try_from(last.number).unwrap_or(i64::MAX))
}

fn committed_after(
    connection: &Connection,
    position: &Position,
    limit: usize,
    location: &str,
) -> Result<Batch, StoreError> {
    let sequence = SequencePosition::read(position, KIND, location)?;
    let seq = i64::try_from(sequence.number).unwrap_or(i64::MAX);
    let mut batch = Batch::new(Vec::new(), position.clone());
    // The entry at the position, and those after it.
    let mut statement = connection
        .prepare_cached(
            "SELECT seq, id, body FROM main.audit_entry WHERE seq >= ?1 ORDER BY seq LIMIT ?2",
        )
        .map_err(at(location))?;
    let rows = i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1);
    let mut rows = statement.query(params![seq, rows]).map_err(at(location))?;
    let mut found = None;
    let mut newest = None;
    while let Some(row) = rows.next().map_err(at(location))? {
        let number: i64 = row.get(0).map_err(at(location))?;
        let id = id(row.get_ref(1).map_err(at(location))?);
        if number == seq {
            found = id;
            continue;
        }
        newest = Some(number.unsigned_abs());
        if batch.entries.len() == limit {
            break;
        }
        let body = row.get_ref(2).map_err(at(location))?;
        let position = SequencePosition {
            number: number.unsigned_abs(),
            id,
        };
        batch.next = position.position(KIND)?;
        batch.entries.push(Stored::new(
            id.unwrap_or_default(),
            bytes(body),
            batch.next.clone(),
        ));
    }
    let newest = match newest {
        Some(newest) => newest,
        None => last(connection).map_err(at(location))?.number,
    };
    sequence.check(newest, found, position, location)?;
    Ok(batch)
}

/// Returns an id, unless another program wrote something else.
fn id(value: ValueRef<'_>) -> Option<Uuid> {
    Uuid::from_slice(value.as_blob().ok()?).ok()
}

/// Returns the bytes of a text, also of one that is not UTF-8.
fn bytes(value: ValueRef<'_>) -> &[u8] {
    match value {
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => bytes,
        _ => &[],
    }
}

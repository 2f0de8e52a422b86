//! Entries by id, and models, which queries cannot express.

use audit_core::backend::projection::{id_range, id_suffix};
use audit_core::{LogEntry, StoreError};
use rusqlite::{Connection, OptionalExtension, params};
use uuid::Uuid;

use crate::Tolerance;
use crate::error::at;
use crate::query::read_or_pass;

pub(crate) fn with_id_prefix(
    connection: &Connection,
    prefix: &str,
    limit: usize,
    tolerance: &Tolerance,
    location: &str,
) -> Result<Vec<LogEntry>, StoreError> {
    let Some([first, last]) = id_range(prefix) else {
        return Ok(Vec::new());
    };
    let mut statement = connection
        .prepare_cached(
            "SELECT seq, body FROM main.audit_entry WHERE id BETWEEN ?1 AND ?2 \
             ORDER BY id LIMIT ?3",
        )
        .map_err(at(location))?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut rows = statement
        .query(params![&first.as_bytes()[..], &last.as_bytes()[..], limit])
        .map_err(at(location))?;
    let mut entries = Vec::new();
    while let Some(row) = rows.next().map_err(at(location))? {
        entries.extend(read_or_pass(row, tolerance, location)?);
    }
    Ok(entries)
}

pub(crate) fn with_id_suffix(
    connection: &Connection,
    suffix: &str,
    limit: usize,
    tolerance: &Tolerance,
    location: &str,
) -> Result<Vec<LogEntry>, StoreError> {
    let Some(digits) = id_suffix(suffix) else {
        return Ok(Vec::new());
    };
    // The inner query reads the index of the ids alone.
    let mut statement = connection
        .prepare_cached(
            "SELECT seq, body FROM main.audit_entry WHERE seq IN (\
             SELECT seq FROM main.audit_entry WHERE substr(lower(hex(id)), -length(?1)) = ?1) \
             ORDER BY id LIMIT ?2",
        )
        .map_err(at(location))?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut rows = statement
        .query(params![digits, limit])
        .map_err(at(location))?;
    let mut entries = Vec::new();
    while let Some(row) = rows.next().map_err(at(location))? {
        entries.extend(read_or_pass(row, tolerance, location)?);
    }
    Ok(entries)
}

pub(crate) fn by_ids(
    connection: &Connection,
    ids: &[Uuid],
    tolerance: &Tolerance,
    location: &str,
) -> Result<Vec<LogEntry>, StoreError> {
    let mut statement = connection
        .prepare_cached("SELECT seq, body FROM main.audit_entry WHERE id = ?1")
        .map_err(at(location))?;
    let mut entries = Vec::new();
    for id in ids {
        let found = statement
            .query_row([&id.as_bytes()[..]], |row| {
                Ok(read_or_pass(row, tolerance, location))
            })
            .optional()
            .map_err(at(location))?;
        entries.extend(found.transpose()?.flatten());
    }
    Ok(entries)
}

pub(crate) fn models(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    // One index lookup a model, however many entries it has.
    connection
        .prepare_cached(
            "WITH RECURSIVE found (model) AS (\
             SELECT min(model) FROM main.audit_entry UNION ALL \
             SELECT (SELECT min(model) FROM main.audit_entry AS e WHERE e.model > found.model) \
             FROM found WHERE found.model IS NOT NULL) \
             SELECT model FROM found WHERE model IS NOT NULL",
        )?
        .query_map([], |row| row.get(0))?
        .collect()
}

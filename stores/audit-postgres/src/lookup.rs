//! Entries by id, and the names of models.

use std::collections::HashMap;

use audit_core::backend::projection::{id_range, id_suffix};
use audit_core::{LogEntry, StoreError};
use tokio::time::timeout;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Error, Row};
use uuid::Uuid;

use crate::Tolerance;
use crate::connection::{Connections, retrying};
use crate::query::{read_entry, read_entry_with};
use crate::schema::Schema;

/// Steps from one model to the next in the index, however many entries each has, and returns the
/// bytes of an entry where the key is not the name itself.
const MODELS: &str = "\
WITH RECURSIVE found (model) AS (
    (SELECT e.model FROM {schema}.audit_entry AS e ORDER BY e.model LIMIT 1)
    UNION ALL
    SELECT (
        SELECT e.model FROM {schema}.audit_entry AS e
        WHERE e.model > f.model ORDER BY e.model LIMIT 1
    ) FROM found AS f WHERE f.model IS NOT NULL
)
SELECT f.model, CASE WHEN strpos(f.model, E'\\x01') > 0 THEN (
    SELECT e.body FROM {schema}.audit_entry AS e WHERE e.model = f.model ORDER BY e.ts, e.id LIMIT 1
) END
FROM found AS f WHERE f.model IS NOT NULL";

/// Returns the ids and the bytes of the entries whose id begins with some digits, by id.
pub(crate) async fn with_id_prefix(
    connections: Connections,
    schema: Schema,
    prefix: String,
    limit: usize,
) -> Result<Vec<(Uuid, String)>, StoreError> {
    let Some([first, last]) = id_range(&prefix) else {
        return Ok(Vec::new());
    };
    let sql = "SELECT id, body FROM {schema}.audit_entry WHERE id BETWEEN $1 AND $2 \
               ORDER BY id LIMIT $3";
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let params: [(&(dyn ToSql + Sync), Type); 3] = [
        (&first, Type::UUID),
        (&last, Type::UUID),
        (&limit, Type::INT8),
    ];
    rows(&connections, &schema, sql, &params, pair).await
}

/// Returns the ids and the bytes of the entries whose id ends with some digits, by id. Reads all
/// ids.
pub(crate) async fn with_id_suffix(
    connections: Connections,
    schema: Schema,
    suffix: String,
    limit: usize,
) -> Result<Vec<(Uuid, String)>, StoreError> {
    let Some(digits) = id_suffix(&suffix) else {
        return Ok(Vec::new());
    };
    let sql = "SELECT id, body FROM {schema}.audit_entry \
               WHERE right(encode(uuid_send(id), 'hex'), length($1)) = $1 ORDER BY id LIMIT $2";
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let params: [(&(dyn ToSql + Sync), Type); 2] = [(&digits, Type::TEXT), (&limit, Type::INT8)];
    rows(&connections, &schema, sql, &params, pair).await
}

fn pair(row: &Row) -> Result<(Uuid, String), Error> {
    Ok((row.try_get(0)?, row.try_get(1)?))
}

/// Returns the bytes of the entries that have one of the ids, by id.
pub(crate) async fn by_ids(
    connections: Connections,
    schema: Schema,
    ids: Vec<Uuid>,
) -> Result<HashMap<Uuid, String>, StoreError> {
    let sql = "SELECT id, body FROM {schema}.audit_entry WHERE id = ANY ($1)";
    let params: [(&(dyn ToSql + Sync), Type); 1] = [(&ids, Type::UUID_ARRAY)];
    let found = rows(&connections, &schema, sql, &params, pair);
    Ok(found.await?.into_iter().collect())
}

/// Returns the names of all models, sorted.
pub(crate) async fn models(
    connections: Connections,
    schema: Schema,
) -> Result<Vec<String>, StoreError> {
    let found = rows(&connections, &schema, MODELS, &[], |row| {
        Ok((
            row.try_get::<_, String>(0)?,
            row.try_get::<_, Option<String>>(1)?,
        ))
    });
    let mut models = Vec::new();
    for (key, body) in found.await? {
        models.push(match body {
            Some(body) => match read_entry(&body, &connections.location) {
                Ok(entry) => entry.model,
                Err(_) if connections.tolerance.skips_damaged() => key,
                Err(error) => return Err(error),
            },
            None => key,
        });
    }
    // Keys are sorted in another order than names.
    models.sort_unstable();
    Ok(models)
}

/// Parses entries on the caller's thread.
pub(crate) fn read(
    found: &[(Uuid, String)],
    location: &str,
    tolerance: &Tolerance,
) -> Result<Vec<LogEntry>, StoreError> {
    found
        .iter()
        .filter_map(|(id, body)| {
            tolerance
                .read(|| Ok(*id), read_entry_with(*id, body, location))
                .transpose()
        })
        .collect()
}

/// Parses entries in the order of some ids.
pub(crate) fn in_order(
    ids: &[Uuid],
    bodies: &HashMap<Uuid, String>,
    location: &str,
    tolerance: &Tolerance,
) -> Result<Vec<LogEntry>, StoreError> {
    ids.iter()
        .filter_map(|id| {
            let body = bodies.get(id)?;
            tolerance
                .read(|| Ok(*id), read_entry_with(*id, body, location))
                .transpose()
        })
        .collect()
}

/// Runs a statement that is planned for its values.
async fn rows<T>(
    connections: &Connections,
    schema: &Schema,
    sql: &str,
    params: &[(&(dyn ToSql + Sync), Type)],
    read: impl Fn(&Row) -> Result<T, Error>,
) -> Result<Vec<T>, StoreError> {
    let sql = schema.fill(sql);
    retrying(connections.deadline(), || async {
        let connection = connections.read().await?;
        let done = timeout(connection.limit(), async {
            let rows = connection.query_typed(&sql, params).await?;
            rows.iter().map(&read).collect()
        })
        .await;
        connection.finish(done)
    })
    .await
    .map_err(|failure| failure.error)
}

//! Versions, partitions, sizes and privileges of a trail's tables.

use audit_core::StoreError;
use serde::Deserialize;
use tokio::time::timeout;
use tokio_postgres::types::Type;
use tokio_postgres::{Error, IsolationLevel, Row, Transaction};
use uuid::Uuid;

use crate::connection::{Connections, retrying};
use crate::indexes;
use crate::schema::Schema;
use crate::variant::{self, ServerVariant};

/// The facts that [`PostgresStore::info`](crate::PostgresStore::info) returns.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoreInfo {
    /// The version of the trail's tables.
    pub schema_version: u32,
    /// The version of the server.
    pub server_version: String,
    /// The difference from PostgreSQL's own servers, if there is one.
    pub variant: Option<ServerVariant>,
    /// The names of the partitions of months, sorted.
    pub partitions: Vec<String>,
    /// The missing partitions of this month and the next: their entries are stored in
    /// `audit_entry_rest`.
    pub missing_partitions: Vec<String>,
    /// The number of entries in `audit_entry_rest`: those of months without a partition.
    pub rest_entries: u64,
    /// The number of entries, as the server estimated it when it last analyzed the tables.
    pub entries_estimate: u64,
    /// The size of the tables in bytes, without their indexes.
    pub table_bytes: u64,
    /// The size of the indexes in bytes.
    pub index_bytes: u64,
    /// The names of the indexes that all partitions have, sorted.
    pub indexes: Vec<String>,
    /// The missing indexes, because the tables are of an earlier version or an index was dropped.
    /// [`build_indexes`](crate::PostgresStore::build_indexes) builds them.
    pub missing_indexes: Vec<String>,
    /// The role that owns the tables.
    pub owner: String,
    /// The roles other than the owner that have the right to change or remove entries, sorted.
    pub may_change: Vec<String>,
    /// The tables whose triggers against changes are missing or disabled, sorted.
    pub unguarded: Vec<String>,
    /// The renamed or dropped columns that [`Triggers`](crate::Triggers) need, each with its table: every
    /// write to the table fails.
    pub missing_columns: Vec<String>,
    /// The missing or disabled triggers of [`Triggers`](crate::Triggers), each with its table: such writes
    /// are not recorded.
    pub missing_triggers: Vec<String>,
}

/// The columns and settings that the triggers of a table need.
#[derive(Deserialize)]
struct Needs {
    columns: Vec<String>,
    events: Vec<String>,
    table: String,
}

/// The table of all entries: its owner, and what the server and the schema say.
const TRAIL: &str = "\
SELECT s.version, current_setting('server_version'), pg_get_userbyid(c.relowner)::text
FROM {schema}.audit_schema AS s, pg_class AS c WHERE c.oid = '{schema}.audit_entry'::regclass";

/// Its partitions, with the ids they are for; that for the rest has none.
const PARTITIONS: &str = "\
SELECT c.relname::text, b.ids[1]::uuid, b.ids[2]::uuid, greatest(c.reltuples, 0)::bigint,
    coalesce(pg_table_size(c.oid), 0), coalesce(pg_indexes_size(c.oid), 0)
FROM pg_inherits AS i
JOIN pg_class AS c ON c.oid = i.inhrelid
CROSS JOIN LATERAL (SELECT regexp_match(
    pg_get_expr(c.relpartbound, c.oid), $$FROM \\('([0-9a-f-]+)'\\) TO \\('([0-9a-f-]+)'\\)$$
)) AS b(ids)
WHERE i.inhparent = '{schema}.audit_entry'::regclass
ORDER BY c.relname";

const MISSING: &str = "\
SELECT n.name FROM generate_series(0, 1) AS ahead
CROSS JOIN LATERAL (SELECT 'audit_entry_' || to_char(
    date_trunc('month', now() AT TIME ZONE 'UTC') + make_interval(months => ahead), 'YYYY_MM'
)) AS n(name)
WHERE NOT EXISTS (
    SELECT FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
    WHERE i.inhparent = '{schema}.audit_entry'::regclass AND c.relname = n.name
)
ORDER BY n.name";

const INDEXES: &str = "\
SELECT c.relname::text FROM pg_index AS x JOIN pg_class AS c ON c.oid = x.indexrelid
WHERE x.indrelid = '{schema}.audit_entry'::regclass AND x.indisvalid
ORDER BY c.relname";

const MAY_CHANGE: &str = "\
SELECT DISTINCT CASE g.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(g.grantee)::text END
FROM pg_class AS c CROSS JOIN LATERAL aclexplode(c.relacl) AS g
WHERE g.grantee <> c.relowner AND g.privilege_type IN ('UPDATE', 'DELETE', 'TRUNCATE', 'TRIGGER')
    AND (c.oid = '{schema}.audit_entry'::regclass OR c.oid IN (
        SELECT inhrelid FROM pg_inherits WHERE inhparent = '{schema}.audit_entry'::regclass
    ))
ORDER BY 1";

const UNGUARDED: &str = "\
SELECT c.relname::text FROM pg_class AS c
WHERE (c.oid = '{schema}.audit_entry'::regclass OR c.oid IN (
        SELECT inhrelid FROM pg_inherits WHERE inhparent = '{schema}.audit_entry'::regclass
    ))
    AND 2 > (
        SELECT count(*) FROM pg_trigger AS t
        WHERE t.tgrelid = c.oid AND t.tgname IN ('audit_entry_keep', 'audit_entry_keep_all')
            AND t.tgenabled = 'A'
    )
ORDER BY c.relname";

/// The functions of triggers on the application's tables, with what each says that it needs, a row
/// for each table that has triggers of it.
const TRIGGERS: &str = "\
SELECT p.proname::text, obj_description(p.oid, 'pg_proc'), t.relation::regclass::text,
    coalesce(t.enabled, '{}'), coalesce(c.columns, '{}')
FROM pg_proc AS p
LEFT JOIN LATERAL (
    SELECT g.tgrelid AS relation,
        array_agg(g.tgname::text) FILTER (WHERE g.tgenabled IN ('O', 'A')) AS enabled
    FROM pg_trigger AS g WHERE g.tgfoid = p.oid AND NOT g.tgisinternal GROUP BY g.tgrelid
) AS t ON true
LEFT JOIN LATERAL (
    SELECT array_agg(a.attname::text) AS columns FROM pg_attribute AS a
    WHERE a.attrelid = t.relation AND a.attnum > 0 AND NOT a.attisdropped
) AS c ON true
WHERE p.pronamespace = (SELECT n.oid FROM pg_namespace AS n WHERE n.nspname = {schema_text})
    AND starts_with(p.proname, 'audit_on_') AND p.prorettype = 'trigger'::regtype
ORDER BY 1, 3";

/// Not in the table itself, which a reader has no right to.
const REST: &str = "SELECT count(*) FROM {schema}.audit_entry WHERE id BETWEEN $1 AND $2";

pub(crate) async fn read(
    connections: Connections,
    schema: Schema,
) -> Result<StoreInfo, StoreError> {
    retrying(connections.deadline(), || async {
        let mut connection = connections.read().await?;
        let done = timeout(connection.limit(), async {
            let transaction = connection
                .build_transaction()
                .isolation_level(IsolationLevel::RepeatableRead)
                .read_only(true)
                .start()
                .await?;
            let info = info(&transaction, &schema).await?;
            transaction.commit().await?;
            Ok(info)
        })
        .await;
        connection.finish(done)
    })
    .await
    .map_err(|failure| failure.error)
}

async fn info(transaction: &Transaction<'_>, schema: &Schema) -> Result<StoreInfo, Error> {
    // The names without a schema are the server's own, with any search path.
    transaction
        .batch_execute("SET LOCAL search_path = pg_catalog, pg_temp")
        .await?;
    let trail = transaction.query_one(&schema.fill(TRAIL), &[]).await?;
    let mut info = StoreInfo {
        schema_version: trail.try_get::<_, i32>(0)?.unsigned_abs(),
        server_version: trail.try_get(1)?,
        variant: variant::read(transaction).await?,
        partitions: Vec::new(),
        missing_partitions: names(transaction, schema, MISSING).await?,
        rest_entries: 0,
        entries_estimate: 0,
        table_bytes: 0,
        index_bytes: 0,
        indexes: names(transaction, schema, INDEXES).await?,
        missing_indexes: Vec::new(),
        owner: trail.try_get(2)?,
        may_change: names(transaction, schema, MAY_CHANGE).await?,
        unguarded: names(transaction, schema, UNGUARDED).await?,
        missing_columns: Vec::new(),
        missing_triggers: Vec::new(),
    };
    for row in transaction.query(&schema.fill(TRIGGERS), &[]).await? {
        look_at_triggers(&row, &mut info)?;
    }
    let missing = indexes::INDEXES.iter().map(|index| index.name.to_owned());
    info.missing_indexes = missing
        .filter(|name| !info.indexes.contains(name))
        .collect();
    let mut months: Vec<[Uuid; 2]> = Vec::new();
    for row in transaction.query(&schema.fill(PARTITIONS), &[]).await? {
        let number = |column: usize| row.try_get::<_, i64>(column).map(i64::unsigned_abs);
        info.entries_estimate += number(3)?;
        info.table_bytes += number(4)?;
        info.index_bytes += number(5)?;
        if let (Some(low), Some(high)) = (row.try_get(1)?, row.try_get(2)?) {
            months.push([low, high]);
            info.partitions.push(row.try_get(0)?);
        }
    }
    let sql = schema.fill(REST);
    for [first, last] in between(months) {
        let params = [(&first as _, Type::UUID), (&last as _, Type::UUID)];
        for row in transaction.query_typed(&sql, &params).await? {
            info.rest_entries += row.try_get::<_, i64>(0)?.unsigned_abs();
        }
    }
    Ok(info)
}

/// Looks whether the triggers of a function are there, and its table's columns.
fn look_at_triggers(row: &Row, info: &mut StoreInfo) -> Result<(), Error> {
    let comment: Option<String> = row.try_get(1)?;
    let needs = comment.as_deref().and_then(|comment| {
        let (_, needs) = comment.split_once('\n')?;
        serde_json::from_str::<Needs>(needs).ok()
    });
    let table: Option<String> = row.try_get(2)?;
    let Some(needs) = needs else {
        // Triggers that were installed by hand do not say what they need.
        if table.is_none() {
            let function: String = row.try_get(0)?;
            info.missing_triggers.push(format!("{function}()"));
        }
        return Ok(());
    };
    let (enabled, columns): (Vec<String>, Vec<String>) = (row.try_get(3)?, row.try_get(4)?);
    let table_name = table.as_deref().unwrap_or(&needs.table);
    let gone = needs.columns.iter().filter(|name| !columns.contains(name));
    let gone = gone.filter(|_| table.is_some());
    info.missing_columns
        .extend(gone.map(|name| format!("{table_name}.{name}")));
    let triggers = needs.events.iter().map(|event| format!("auditlog_{event}"));
    let gone = triggers.filter(|name| !enabled.contains(name));
    info.missing_triggers
        .extend(gone.map(|name| format!("{table_name}.{name}")));
    Ok(())
}

/// Returns the only column of a statement.
async fn names(
    transaction: &Transaction<'_>,
    schema: &Schema,
    sql: &str,
) -> Result<Vec<String>, Error> {
    let rows = transaction.query(&schema.fill(sql), &[]).await?;
    rows.iter().map(|row| row.try_get(0)).collect()
}

/// Returns the first and the last id of each span that lies in no month, of which each has its
/// first id and the first one after it.
fn between(mut months: Vec<[Uuid; 2]>) -> Vec<[Uuid; 2]> {
    months.sort_unstable();
    let mut spans = Vec::new();
    let mut next = 0;
    for [low, high] in months {
        let low = low.as_u128();
        if low > next {
            spans.push([Uuid::from_u128(next), Uuid::from_u128(low - 1)]);
        }
        next = next.max(high.as_u128());
    }
    spans.push([Uuid::from_u128(next), Uuid::max()]);
    spans
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_between_months() {
        let spans = |months: &[[u128; 2]]| -> Vec<[u128; 2]> {
            let months = months.iter().map(|ids| ids.map(Uuid::from_u128)).collect();
            let spans = between(months).into_iter();
            spans.map(|ids| ids.map(|id| id.as_u128())).collect()
        };
        assert_eq!(spans(&[]), [[0, u128::MAX]]);
        assert_eq!(spans(&[[0, 10]]), [[10, u128::MAX]]);
        assert_eq!(
            spans(&[[40, 50], [10, 20], [20, 30]]),
            [[0, 9], [30, 39], [50, u128::MAX]]
        );
    }
}

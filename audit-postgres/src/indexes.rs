//! Indexes that came after the tables: built beside whoever writes, partition by partition.
//!
//! A version of the schema is what a program must know to write; no program must know an
//! index. So an index has no step of its own: it is there or made, and programs from before it
//! go on.

use std::time::Duration;

use audit_core::StoreError;
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use crate::connection::{Connections, retrying};
use crate::error::Failure;
use crate::schema::Schema;

/// How long each try may keep others waiting that want to write.
const LOCK_TIMEOUT: &str = "500ms";
/// How long to wait until the next try.
const PAUSE: Duration = Duration::from_secs(1);
/// How often a lock is tried for.
const TRIES: u32 = 60;

/// An index of all partitions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Index {
    /// Its name; those of the partitions end in what stands behind `audit_entry_`.
    pub(crate) name: &'static str,
    /// What is indexed, as it stands in `CREATE INDEX`.
    pub(crate) definition: &'static str,
}

/// The indexes that are not in the script of a version.
pub(crate) const INDEXES: [Index; 1] = [Index {
    name: "audit_entry_notable",
    definition: "(ts, id) WHERE level >= 30 OR outcome <> 'success'",
}];

/// Builds the indexes that are missing, and returns how many there were. One process builds,
/// others find it at work and return. What was interrupted goes on where it was.
///
/// # Errors
/// If the server cannot build them. Of a role that does not own the tables, nothing is asked.
pub(crate) async fn build(connections: &Connections, schema: &Schema) -> Result<u32, StoreError> {
    build_these(connections, schema, &INDEXES).await
}

async fn build_these(
    connections: &Connections,
    schema: &Schema,
    indexes: &[Index],
) -> Result<u32, StoreError> {
    let built = retrying(connections.deadline(), || async {
        // Not of the pool: it has limits that are too short, and readers who wait for it.
        let client = connections.detached().await?;
        let built = build_with(&client, schema, indexes).await;
        built.map_err(|error| Failure::of(&connections.place, &error))
    });
    built.await.map_err(|failure| failure.error)
}

async fn build_with(
    client: &Client,
    schema: &Schema,
    indexes: &[Index],
) -> Result<u32, tokio_postgres::Error> {
    let owned = "SELECT pg_catalog.pg_has_role(relowner, 'USAGE') FROM pg_catalog.pg_class \
         WHERE oid = '{schema}.audit_entry'::regclass";
    if !client.query_one(&schema.fill(owned), &[]).await?.try_get(0)? {
        return Ok(0);
    }
    client
        .batch_execute(&format!(
            "SET statement_timeout = 0; SET lock_timeout = '{LOCK_TIMEOUT}'"
        ))
        .await?;
    // Held until the connection ends.
    let begin = "SELECT pg_catalog.pg_try_advisory_lock(\
         pg_catalog.hashtextextended('auditlog index ' || $1, 0))";
    let mine: bool = client
        .query_one(begin, &[&schema.name()])
        .await?
        .try_get(0)?;
    let mut built = 0;
    for index in indexes {
        if mine && !is_complete(client, schema, index).await? {
            log::info!("builds the index {} beside whoever writes", index.name);
            build_one(client, schema, index).await?;
            built += 1;
        }
    }
    Ok(built)
}

async fn is_complete(
    client: &Client,
    schema: &Schema,
    index: &Index,
) -> Result<bool, tokio_postgres::Error> {
    let row = client
        .query_opt(
            "SELECT i.indisvalid FROM pg_catalog.pg_index AS i \
             JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid \
             JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
             WHERE n.nspname = $1 AND c.relname = $2",
            &[&schema.name(), &index.name],
        )
        .await?;
    row.map_or(Ok(false), |row| row.try_get(0))
}

/// The whole index is valid when all partitions have their part of it.
async fn build_one(
    client: &Client,
    schema: &Schema,
    index: &Index,
) -> Result<(), tokio_postgres::Error> {
    let Index { name, definition } = index;
    // A partition that is made from here on brings its part along.
    patiently(
        client,
        &schema.fill(&format!(
            "CREATE INDEX IF NOT EXISTS {name} ON ONLY {{schema}}.audit_entry {definition}"
        )),
    )
    .await?;
    let suffix = name.strip_prefix("audit_entry_").unwrap_or(name);
    for part in parts_without(client, schema, name).await? {
        let own = format!("{part}_{suffix}");
        // What an interrupted build left is of no use.
        let left = client
            .query_opt(
                "SELECT 1 FROM pg_catalog.pg_index AS i \
                 JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid \
                 JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
                 WHERE n.nspname = $1 AND c.relname = $2 AND NOT i.indisvalid",
                &[&schema.name(), &own],
            )
            .await?;
        if left.is_some() {
            let drop_it = format!("DROP INDEX CONCURRENTLY IF EXISTS {{schema}}.\"{own}\"");
            patiently(client, &schema.fill(&drop_it)).await?;
        }
        // It waits for transactions that have written, and lets others write meanwhile.
        client.batch_execute("SET lock_timeout = 0").await?;
        let make = format!(
            "CREATE INDEX CONCURRENTLY IF NOT EXISTS \"{own}\" ON {{schema}}.\"{part}\" {definition}"
        );
        client.batch_execute(&schema.fill(&make)).await?;
        client
            .batch_execute(&format!("SET lock_timeout = '{LOCK_TIMEOUT}'"))
            .await?;
        let attach =
            format!("ALTER INDEX {{schema}}.{name} ATTACH PARTITION {{schema}}.\"{own}\"");
        patiently(client, &schema.fill(&attach)).await?;
    }
    Ok(())
}

/// Returns the partitions that have no part of an index.
async fn parts_without(
    client: &Client,
    schema: &Schema,
    name: &str,
) -> Result<Vec<String>, tokio_postgres::Error> {
    let rows = client
        .query(
            &schema.fill(
                "SELECT c.relname::text FROM pg_catalog.pg_inherits AS p \
                 JOIN pg_catalog.pg_class AS c ON c.oid = p.inhrelid \
                 WHERE p.inhparent = '{schema}.audit_entry'::regclass AND NOT EXISTS ( \
                     SELECT FROM pg_catalog.pg_inherits AS q \
                     JOIN pg_catalog.pg_index AS i ON i.indexrelid = q.inhrelid \
                     JOIN pg_catalog.pg_class AS whole ON whole.oid = q.inhparent \
                     WHERE i.indrelid = c.oid AND whole.relname = $1 \
                     AND whole.relnamespace = c.relnamespace) \
                 ORDER BY c.relname",
            ),
            &[&name],
        )
        .await?;
    rows.iter().map(|row| row.try_get(0)).collect()
}

/// Runs what needs a lock that keeps others waiting, with pauses in which they go on.
async fn patiently(client: &Client, sql: &str) -> Result<(), tokio_postgres::Error> {
    let mut tries = 0;
    loop {
        tries += 1;
        match client.batch_execute(sql).await {
            Err(error) if error.code() == Some(&SqlState::LOCK_NOT_AVAILABLE) && tries < TRIES => {
                tokio::time::sleep(PAUSE).await;
            }
            done => return done,
        }
    }
}

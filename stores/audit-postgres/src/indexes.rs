//! Indexes of later versions, built partition by partition without blocking writers.
//!
//! A version of the schema is what a program must know to write; no program must know an
//! index. So an index has no step of its own: it is there or made, and programs from before it
//! go on.

use std::time::Duration;

use audit_core::StoreError;
use tokio::time::timeout;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Error};

use crate::connection::{Connections, retrying};
use crate::error::Failure;
use crate::schema::Schema;

/// The longest time that a try delays other writers.
const LOCK_TIMEOUT: &str = "500ms";
/// The pause between two tries.
const PAUSE: Duration = Duration::from_secs(1);
/// The number of tries to lock.
const TRIES: u32 = 60;

/// An index of all partitions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Index {
    /// Its name; those of the partitions end in what stands behind `audit_entry_`.
    pub(crate) name: &'static str,
    /// The indexed columns, as in `CREATE INDEX`.
    pub(crate) definition: &'static str,
}

/// The indexes that are not in the script of a version: of what is more than routine, and of
/// other actions than the most frequent one. Most entries are in neither.
pub(crate) const INDEXES: [Index; 2] = [
    Index {
        name: "audit_entry_notable",
        definition: "(ts, id) WHERE level >= 30 OR outcome <> 'success'",
    },
    Index {
        name: "audit_entry_action",
        definition: "(action, ts, id) WHERE action <> 'update'",
    },
];

impl Index {
    /// The statement that creates it on tables without writers.
    pub(crate) fn create(self) -> String {
        let Self { name, definition } = self;
        format!("CREATE INDEX {name} ON {{schema}}.audit_entry {definition}")
    }
}

/// Builds the indexes that are missing and that the role may build, if there are any.
pub(crate) async fn build_missing(
    connections: &Connections,
    schema: &Schema,
) -> Result<(), StoreError> {
    if are_missing(connections, schema).await? {
        build(connections, schema).await?;
    }
    Ok(())
}

/// Returns whether an index is missing that the role may build.
async fn are_missing(connections: &Connections, schema: &Schema) -> Result<bool, StoreError> {
    let looked = retrying(connections.deadline(), || async {
        let connection = connections.read().await?;
        let done = timeout(connection.limit(), async {
            if !is_owner(&connection, schema).await? {
                return Ok(false);
            }
            for index in &INDEXES {
                if !is_complete(&connection, schema, index).await? {
                    return Ok(true);
                }
            }
            Ok(false)
        })
        .await;
        connection.finish(done)
    });
    looked.await.map_err(|failure| failure.error)
}

/// Builds the indexes that are missing, and returns how many there were. One process builds,
/// others find it at work and return. What was interrupted goes on where it was.
///
/// # Errors
/// Returns an error if the server cannot build them. A role that does not own the tables builds none.
pub(crate) async fn build(connections: &Connections, schema: &Schema) -> Result<u32, StoreError> {
    let built = retrying(connections.deadline(), || async {
        // Outside the pool, whose limits are too short and whose connections readers need.
        let client = connections.detached().await?;
        let built = build_with(&client, schema).await;
        built.map_err(|error| Failure::from_driver(&connections.location, &error))
    });
    built.await.map_err(|failure| failure.error)
}

async fn is_owner(client: &Client, schema: &Schema) -> Result<bool, Error> {
    let owned = "SELECT pg_catalog.pg_has_role(relowner, 'USAGE') FROM pg_catalog.pg_class \
         WHERE oid = '{schema}.audit_entry'::regclass";
    client.query_one(&schema.fill(owned), &[]).await?.try_get(0)
}

async fn build_with(client: &Client, schema: &Schema) -> Result<u32, Error> {
    if !is_owner(client, schema).await? {
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
    for index in &INDEXES {
        if mine && !is_complete(client, schema, index).await? {
            log::info!("builds the index {} while others write", index.name);
            build_one(client, schema, index).await?;
            built += 1;
        }
    }
    Ok(built)
}

async fn is_complete(client: &Client, schema: &Schema, index: &Index) -> Result<bool, Error> {
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

/// The index of the partitioned table is valid when all partitions have theirs.
async fn build_one(client: &Client, schema: &Schema, index: &Index) -> Result<(), Error> {
    let Index { name, definition } = index;
    // A partition that is created from here on has its index.
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
        let attach = format!("ALTER INDEX {{schema}}.{name} ATTACH PARTITION {{schema}}.\"{own}\"");
        patiently(client, &schema.fill(&attach)).await?;
    }
    Ok(())
}

/// Returns the partitions that have no part of an index.
async fn parts_without(client: &Client, schema: &Schema, name: &str) -> Result<Vec<String>, Error> {
    let rows = client
        .query(
            &schema.fill(
                "SELECT c.relname::text FROM pg_catalog.pg_inherits AS p \
                 JOIN pg_catalog.pg_class AS c ON c.oid = p.inhrelid \
                 WHERE p.inhparent = '{schema}.audit_entry'::regclass AND NOT EXISTS ( \
                     SELECT FROM pg_catalog.pg_inherits AS q \
                     JOIN pg_catalog.pg_index AS i ON i.indexrelid = q.inhrelid \
                     JOIN pg_catalog.pg_class AS parent ON parent.oid = q.inhparent \
                     WHERE i.indrelid = c.oid AND parent.relname = $1 \
                     AND parent.relnamespace = c.relnamespace) \
                 ORDER BY c.relname",
            ),
            &[&name],
        )
        .await?;
    rows.iter().map(|row| row.try_get(0)).collect()
}

/// Runs what needs a lock that keeps others waiting, with pauses in which they go on.
async fn patiently(client: &Client, sql: &str) -> Result<(), Error> {
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

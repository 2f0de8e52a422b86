//! The tables, and how a schema comes to have them.

use audit_core::StoreError;
pub(crate) use audit_sql::postgres::Schema;
use deadpool_postgres::{GenericClient, Transaction};
use tokio::time::timeout;
use tokio_postgres::Error;

use crate::connection::{Connections, retrying};
use crate::error::Failure;
use crate::indexes::INDEXES;

/// The highest schema version this library knows, and the one it writes: the `version` of
/// `audit_schema`.
#[expect(clippy::cast_possible_truncation, reason = "there are few steps")]
pub const SCHEMA_VERSION: u32 = STEPS.len() as u32;

/// The steps from each version to the next, each in a transaction of its own. A step that
/// was released never changes.
///
/// A step must not keep others from writing for long: it adds what a default needs no rewrite
/// for, and what the functions of the version before can still write to. Indexes are no steps:
/// they are built while others write (`indexes.rs`).
const STEPS: [&str; 1] = [include_str!("sql/version_1.sql")];

/// The names whose presence without `audit_schema` means that something else is there.
const NAMES: [&str; 10] = [
    "audit_schema",
    "audit_entry",
    "audit_entry_rest",
    "audit_retention",
    "audit_log",
    "audit_row",
    "audit_time",
    "audit_level",
    "audit_outcome",
    "audit_body",
];

/// The content of a schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// Nothing of a store.
    Nothing,
    /// A store of this version, which the library supports.
    Version(u32),
}

/// Reads the version of a schema and changes nothing.
///
/// # Errors
/// Returns an error if the schema has tables of another program, or of a later version.
pub(crate) async fn look(
    client: &impl GenericClient,
    schema: &Schema,
    location: &str,
) -> Result<Result<Found, StoreError>, Error> {
    look_for(client, schema, location, STEPS.len()).await
}

/// Looks at a schema for versions up to one.
async fn look_for(
    client: &impl GenericClient,
    schema: &Schema,
    location: &str,
    supported: usize,
) -> Result<Result<Found, StoreError>, Error> {
    let foreign = |found: String| {
        Ok(Err(StoreError::Foreign {
            location: location.to_owned(),
            found,
        }))
    };
    let there = client
        .query_opt(
            "SELECT g.name::text FROM ( \
                 SELECT c.relname, c.relnamespace FROM pg_catalog.pg_class AS c UNION ALL \
                 SELECT t.typname, t.typnamespace FROM pg_catalog.pg_type AS t \
             ) AS g(name, namespace) \
             JOIN pg_catalog.pg_namespace AS n ON n.oid = g.namespace \
             WHERE n.nspname = $1 AND g.name = ANY ($2) ORDER BY g.name <> 'audit_schema' \
             LIMIT 1",
            &[&schema.name(), &&NAMES[..]],
        )
        .await?;
    let Some(there) = there else {
        return Ok(Ok(Found::Nothing));
    };
    let name: String = there.try_get(0)?;
    let columns: i64 = client
        .query_one(
            "SELECT count(*) FROM pg_catalog.pg_attribute AS a \
             JOIN pg_catalog.pg_class AS c ON c.oid = a.attrelid \
             JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
             WHERE n.nspname = $1 AND c.relname = 'audit_schema' AND a.attnum > 0 \
             AND (a.attname, a.atttypid::regtype::text) \
                 IN (('version', 'integer'), ('program', 'text'), ('single', 'boolean'))",
            &[&schema.name()],
        )
        .await?
        .try_get(0)?;
    if name != "audit_schema" || columns != 3 {
        return foreign(format!("`{name}` in it belongs to another program"));
    }
    let row = client
        .query_opt(
            &schema.fill("SELECT version, program FROM {schema}.audit_schema"),
            &[],
        )
        .await?;
    let (version, program): (i32, String) = match row {
        Some(row) => (row.try_get(0)?, row.try_get(1)?),
        None => (0, "auditlog".to_owned()),
    };
    if program != "auditlog" {
        return foreign("`audit_schema` in it belongs to another program".to_owned());
    }
    Ok(match u32::try_from(version) {
        Ok(found) if found as usize > supported => Err(StoreError::NewerSchema {
            location: location.to_owned(),
            found,
            supported: u32::try_from(supported).unwrap_or(u32::MAX),
        }),
        Ok(found @ 1..) => Ok(Found::Version(found)),
        _ => Err(StoreError::Corrupt {
            location: location.to_owned(),
            detail: format!("its schema version is {version}"),
        }),
    })
}

/// Takes the steps that a schema still needs. Several processes may do so at the same time.
pub(crate) async fn migrate(connections: &Connections, schema: &Schema) -> Result<(), StoreError> {
    migrate_by(connections, schema, &STEPS).await
}

/// Migrates by steps that need not be all there are, or more.
async fn migrate_by(
    connections: &Connections,
    schema: &Schema,
    steps: &[&str],
) -> Result<(), StoreError> {
    let migrated = retrying(connections.deadline(), || async {
        while !take_step(connections, schema, steps).await? {}
        Ok(())
    });
    migrated.await.map_err(|failure| {
        let failure = failure.with_hint(
            "42501",
            "the role may not create or upgrade the tables of the trail: let their owner connect once",
        );
        failure.error
    })
}

/// Takes one step, and returns whether none is left.
async fn take_step(
    connections: &Connections,
    schema: &Schema,
    steps: &[&str],
) -> Result<bool, Failure> {
    let mut connection = connections.write().await?;
    let location = connections.location.clone();
    let done = timeout(connection.limit(), async {
        let transaction = connection.transaction().await?;
        match step(&transaction, schema, steps, &location).await {
            Ok(Ok(left)) => {
                transaction.commit().await?;
                Ok(Ok(left))
            }
            // Another process made the first tables at the same moment: the names are unique, and
            // the second process waits for the first, and then gets this error.
            Err(error) if is_taken(&error) => {
                transaction.rollback().await?;
                match look_for(&*connection, schema, &location, steps.len()).await? {
                    Ok(Found::Nothing) => Err(error),
                    Ok(Found::Version(_)) => Ok(Ok(false)),
                    Err(error) => Ok(Err(error)),
                }
            }
            failed => failed,
        }
    })
    .await;
    connection.finish(done)?.map_err(Failure::last)
}

async fn step(
    transaction: &Transaction<'_>,
    schema: &Schema,
    steps: &[&str],
    location: &str,
) -> Result<Result<bool, StoreError>, Error> {
    let mut from = 0;
    // The second time behind a lock that only the owner can take: a lock by number could be held by
    // any role that may connect.
    for locked in [false, true] {
        from = match look_for(transaction, schema, location, steps.len()).await? {
            Ok(Found::Nothing) => 0,
            Ok(Found::Version(version)) => version,
            Err(error) => return Ok(Err(error)),
        };
        if from as usize >= steps.len() {
            return Ok(Ok(true));
        }
        if from == 0 || locked {
            break;
        }
        let lock = "LOCK TABLE {schema}.audit_schema IN SHARE UPDATE EXCLUSIVE MODE";
        transaction.batch_execute(&schema.fill(lock)).await?;
    }
    if from == 0 {
        create_schema(transaction, schema).await?;
    }
    transaction
        .batch_execute(&schema.fill(steps[from as usize]))
        .await?;
    if from == 0 {
        for index in INDEXES {
            transaction
                .batch_execute(&schema.fill(&index.create()))
                .await?;
        }
    }
    transaction
        .batch_execute(&schema.fill(&format!(
            "UPDATE {{schema}}.audit_schema SET version = {}",
            from + 1
        )))
        .await?;
    Ok(Ok(from as usize + 1 == steps.len()))
}

/// Returns whether a name is taken: of a schema, a table, a function or another object, also by a
/// transaction that was open.
fn is_taken(error: &Error) -> bool {
    let codes = ["42P06", "42P07", "42710", "42723", "23505"];
    error
        .code()
        .is_some_and(|code| codes.contains(&code.code()))
}

/// Makes the schema itself, unless it is there: to make it anyway needs a right of its own.
async fn create_schema(client: &impl GenericClient, schema: &Schema) -> Result<(), Error> {
    let exists = client
        .query_opt(
            "SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = $1",
            &[&schema.name()],
        )
        .await?;
    if exists.is_none() {
        client
            .batch_execute(&schema.fill("CREATE SCHEMA {schema}"))
            .await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write as _};
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;
    use std::time::{Duration, Instant};

    use audit_core::{Query, Store};
    use audit_testbed::PostgresServer;
    use audit_testkit::entries;
    use tokio::runtime::{Builder, Runtime};
    use tokio_postgres::{Client, NoTls};

    use super::*;
    use crate::store::PostgresStore;
    use crate::tls;

    #[test]
    fn a_name_is_filled_in_everywhere() {
        let sql = Schema::named("x").unwrap().fill(STEPS[0]);
        assert!(!sql.contains("{schema"), "a placeholder is left");
    }

    /// A step as a later version may have it: a column that entries may lack, an index on each
    /// partition, and a function that fills it.
    const NEXT: &str = r#"
        ALTER TABLE {schema}.audit_entry ADD COLUMN remote text COLLATE "C";
        CREATE INDEX audit_entry_remote ON ONLY {schema}.audit_entry (remote, ts, id)
            WHERE remote IS NOT NULL;
        DO $$
        DECLARE
            part regclass;
            made text;
        BEGIN
            FOR part IN SELECT inhrelid::regclass FROM pg_inherits
                WHERE inhparent = '{schema}.audit_entry'::regclass
            LOOP
                made := 'remote_' || part::oid;
                EXECUTE format(
                    'CREATE INDEX %I ON %s (remote, ts, id) WHERE remote IS NOT NULL', made, part
                );
                EXECUTE format(
                    'ALTER INDEX {schema}.audit_entry_remote ATTACH PARTITION {schema}.%I', made
                );
            END LOOP;
        END $$;
        CREATE FUNCTION {schema}.audit_append_from(given text, remote text) RETURNS void
        LANGUAGE sql AS $$
            INSERT INTO {schema}.audit_entry (
                id, ts, level, action, outcome, model, object_pk, fields, body, checksum,
                remote
            ) SELECT (given::json ->> 'id')::uuid, 0, 20, 'create', 'success', 'M', '1', '{}',
                given, sha256(convert_to(given, 'UTF8')), remote
        $$;
    "#;

    /// Connections as those of a store, and one for SQL.
    fn connect(url: &str, name: &str) -> (Connections, Schema, Client, Runtime) {
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let schema = Schema::named(name).unwrap();
        let (connections, client) = runtime.block_on(async {
            let mut config = url.parse().unwrap();
            tls::resolve_mode(&mut config, true);
            let connections = Connections::to(&config);
            let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
            tokio::spawn(connection);
            (connections, client)
        });
        (connections, schema, client, runtime)
    }

    #[test]
    fn a_step_is_taken_once_while_the_version_before_writes() {
        let Some(server) = PostgresServer::find() else {
            assert!(std::env::var("CI").is_err(), "no PostgreSQL server");
            // Past the harness, which shows nothing of a test that passes.
            writeln!(
                io::stderr(),
                "skipped, as there is no PostgreSQL server: \
                 a_step_is_taken_once_while_the_version_before_writes"
            )
            .unwrap();
            return;
        };
        let name = format!("audit_step_{}", std::process::id());
        let options = PostgresStore::options().schema(&name);
        let store = options.connect(server.url()).unwrap();
        let (connections, schema, client, runtime) = connect(server.url(), &name);
        let steps = [STEPS[0], NEXT];
        let migrated = AtomicBool::new(false);
        let deadline = Instant::now() + Duration::from_secs(30);
        let written: usize = thread::scope(|scope| {
            let writers: Vec<_> = (0..3_u64)
                .map(|writer| {
                    let (store, migrated) = (&store, &migrated);
                    scope.spawn(move || {
                        let (mut written, mut after) = (0, 0);
                        while after < 20 {
                            let seed = (writer << 32) + u64::try_from(written).unwrap();
                            store.append(&entries(2, seed)).unwrap();
                            written += 2;
                            after += usize::from(migrated.load(Ordering::SeqCst));
                            assert!(Instant::now() < deadline, "there is no end of the step");
                        }
                        written
                    })
                })
                .collect();
            while store.count(&Query::new()).unwrap() < 100 {
                thread::yield_now();
            }
            // Two at once, with connections of their own.
            let (other, .., _drives_it) = connect(server.url(), &name);
            let (first, second) = runtime.block_on(async {
                tokio::join!(
                    migrate_by(&connections, &schema, &steps),
                    migrate_by(&other, &schema, &steps),
                )
            });
            first.unwrap();
            second.unwrap();
            migrated.store(true, Ordering::SeqCst);
            writers
                .into_iter()
                .map(|writer| writer.join().unwrap())
                .sum()
        });
        assert_eq!(store.count(&Query::new()).unwrap(), written as u64);
        let check = store.check().unwrap();
        assert!(check.is_ok(), "{check:?}");
        let one = |sql: &str| {
            let row = runtime.block_on(client.query_one(&schema.fill(sql), &[]));
            row.unwrap().get::<_, i64>(0)
        };
        assert_eq!(one("SELECT version::bigint FROM {schema}.audit_schema"), 2);

        // The functions of both versions, also with a partition that is made later.
        store.maintain(5).unwrap();
        let [entry] = &entries(1, u64::MAX)[..] else {
            unreachable!()
        };
        let body = entry.to_canonical_json().unwrap();
        let sql = schema.fill("SELECT {schema}.audit_append_from($1, 'there')");
        runtime.block_on(client.execute(&sql, &[&body])).unwrap();
        store.append(&entries(1, u64::MAX - 1)).unwrap();
        let there = "SELECT count(*) FROM {schema}.audit_entry WHERE remote = 'there'";
        assert_eq!(one(there), 1);
        let indexes = "SELECT count(*) FROM pg_inherits \
             WHERE inhparent = '{schema}.audit_entry_remote'::regclass";
        let parts = "SELECT count(*) FROM pg_inherits \
             WHERE inhparent = '{schema}.audit_entry'::regclass";
        assert_eq!(one(indexes), one(parts));

        // Who connects later knows one version only.
        let error = options.connect(server.url()).unwrap_err();
        assert!(
            matches!(
                error,
                StoreError::NewerSchema {
                    found: 2,
                    supported: 1,
                    ..
                }
            ),
            "{error:?}"
        );
        store.close().unwrap();
        let drop_it = schema.fill("DROP SCHEMA {schema} CASCADE");
        runtime.block_on(client.batch_execute(&drop_it)).unwrap();
    }
}

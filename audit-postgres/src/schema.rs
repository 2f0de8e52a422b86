//! The tables, and how a schema comes to have them.

use audit_core::StoreError;
pub(crate) use audit_sql::postgres::Schema;
use deadpool_postgres::GenericClient;
use tokio::time::timeout;
use tokio_postgres::Error;

use crate::connection::{Connections, retrying};
use crate::error::Failure;

/// The highest schema version this library knows, and the one it writes: the `version` of
/// `audit_schema`.
#[expect(clippy::cast_possible_truncation, reason = "there are few steps")]
pub const SCHEMA_VERSION: u32 = STEPS.len() as u32;

/// What leads from each version to the next, each in a transaction of its own. A step that
/// was released never changes.
///
/// A step must not keep others from writing for long: it adds what a default needs no rewrite
/// for, indexes partition by partition, and what the functions of the version before can
/// still write to.
const STEPS: [&str; 1] = [include_str!("sql/version_1.sql")];

/// The names whose presence without `audit_schema` means that something else is there.
const NAMES: [&str; 5] = [
    "audit_schema",
    "audit_entry",
    "audit_entry_rest",
    "audit_retention",
    "audit_log",
];

/// What a schema holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// Nothing of a store.
    Nothing,
    /// A store of this version, which this library knows.
    Version(u32),
}

/// Looks at a schema and changes nothing.
///
/// # Errors
/// If what is there is none of this store's, or of a later version.
pub(crate) async fn look(
    client: &impl GenericClient,
    schema: &Schema,
    place: &str,
) -> Result<Result<Found, StoreError>, Error> {
    let foreign = |found: String| {
        Ok(Err(StoreError::Foreign {
            place: place.to_owned(),
            found,
        }))
    };
    let there = client
        .query_opt(
            "SELECT c.relname::text FROM pg_catalog.pg_class AS c \
             JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
             WHERE n.nspname = $1 AND c.relname = ANY ($2) ORDER BY c.relname <> 'audit_schema' \
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
        return foreign(format!("`{name}` in it is of another program"));
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
        return foreign("`audit_schema` in it is of another program".to_owned());
    }
    Ok(match u32::try_from(version) {
        Ok(found) if found > SCHEMA_VERSION => Err(StoreError::NewerSchema {
            place: place.to_owned(),
            found,
            supported: SCHEMA_VERSION,
        }),
        Ok(found @ 1..) => Ok(Found::Version(found)),
        _ => Err(StoreError::Corrupt {
            place: place.to_owned(),
            detail: format!("its schema version is {version}"),
        }),
    })
}

/// Takes the steps that a schema still needs. Several processes may do so at the same time.
pub(crate) async fn migrate(connections: &Connections, schema: &Schema) -> Result<(), StoreError> {
    let migrated = retrying(connections.deadline(), || async {
        while !take_step(connections, schema).await? {}
        Ok(())
    });
    migrated.await.map_err(|failure| {
        if failure.is_forbidden() {
            log::warn!(
                "{}: the role may not make or upgrade the tables of the trail; let their owner \
                 connect once",
                connections.place
            );
        }
        failure.error
    })
}

/// Takes one step, and returns whether none is left.
async fn take_step(connections: &Connections, schema: &Schema) -> Result<bool, Failure> {
    let mut connection = connections.write().await?;
    let place = connections.place.clone();
    let done = timeout(connection.limit(), async {
        let transaction = connection.transaction().await?;
        // One after the other; whoever comes second finds it done.
        transaction
            .execute(
                "SELECT pg_advisory_xact_lock(hashtextextended('auditlog ' || $1, 0))",
                &[&schema.name()],
            )
            .await?;
        let from = match look(&transaction, schema, &place).await? {
            Ok(Found::Nothing) => 0,
            Ok(Found::Version(version)) => version,
            Err(error) => return Ok(Err(error)),
        };
        let Some(step) = STEPS.get(from as usize) else {
            return Ok(Ok(true));
        };
        if from == 0 {
            create_schema(&transaction, schema).await?;
        }
        transaction.batch_execute(&schema.fill(step)).await?;
        transaction
            .batch_execute(&schema.fill(&format!(
                "UPDATE {{schema}}.audit_schema SET version = {}",
                from + 1
            )))
            .await?;
        transaction.commit().await?;
        Ok(Ok(from + 1 == SCHEMA_VERSION))
    })
    .await;
    connection.settle(done)?.map_err(Failure::last)
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
    use super::*;

    #[test]
    fn a_name_is_filled_in_everywhere() {
        let sql = Schema::named("x").unwrap().fill(STEPS[0]);
        assert!(!sql.contains("{schema"), "a placeholder is left");
    }
}

//! Entries in a transaction of the caller's own.

use std::future::Future;

use audit_core::LogEntry;
use audit_sql::postgres;
pub use audit_sql::postgres::Schema;
use tokio_postgres::GenericClient;

use crate::row::{APPEND, Columns, Row};

audit_sql::error!(tokio_postgres::Error);
audit_sql::face!(async &(impl Target + Sync));

/// A transaction, or whatever else of `tokio-postgres` can run statements: a client, one of a
/// pool, one of these [`in_schema`].
pub trait Target {
    /// Writes entries by one statement.
    #[doc(hidden)]
    fn append(&self, entries: &[LogEntry]) -> impl Future<Output = Result<(), Error>> + Send;
}

impl<C: GenericClient + Sync> Target for C {
    async fn append(&self, entries: &[LogEntry]) -> Result<(), Error> {
        append(self, None, entries).await
    }
}

/// A transaction, and the schema in which the trail lies; [`in_schema`] makes it.
#[derive(Clone, Copy, Debug)]
pub struct InSchema<'s, C> {
    schema: &'s Schema,
    client: &'s C,
}

impl<C: GenericClient + Sync> Target for InSchema<'_, C> {
    async fn append(&self, entries: &[LogEntry]) -> Result<(), Error> {
        append(self.client, Some(self.schema), entries).await
    }
}

/// Names the schema of the trail, where the connection's search path does not have it.
///
/// # Example: see [`append_in`]
pub fn in_schema<'s, C: GenericClient + Sync>(
    schema: &'s Schema,
    client: &'s C,
) -> InSchema<'s, C> {
    InSchema { schema, client }
}

/// Writes entries into the caller's transaction: they are kept if it commits and gone if it
/// rolls back. All are written, by one statement, or none; one that is there already with the
/// same content counts as written.
///
/// The trail is one that a [`PostgresStore`](crate::PostgresStore) made. It is found by the
/// connection's search path, unless [`in_schema`] names it. The role needs what
/// [`Roles`](crate::Roles) gives a writer.
///
/// # Errors
/// [`Error::Conflict`] if another entry has the id of one of these, and whatever the server says.
/// PostgreSQL takes no more statements in the transaction then, until it is rolled back, if
/// only to a savepoint.
///
/// # Example: the change and its entry come and go together
/// ```
/// use audit_core::LogEntry;
/// use audit_postgres::{PostgresStore, Schema, append_in, in_schema};
/// use tokio_postgres::NoTls;
///
/// # let Some(server) = audit_testkit::PostgresServer::find() else { return Ok(()) };
/// # let url = server.url().to_owned();
/// # let name = format!("audit_doc_caller_{}", std::process::id());
/// # let store = PostgresStore::options().schema(&name).connect(&url)?;
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
/// # runtime.block_on(async {
/// let schema = Schema::named(&name)?;
/// let (mut client, connection) = tokio_postgres::connect(&url, NoTls).await?;
/// tokio::spawn(connection);
///
/// let transaction = client.transaction().await?;
/// transaction.execute("CREATE TEMP TABLE account (id integer)", &[]).await?;
/// let entry = LogEntry::new("create", "Account", "1", "account 1");
/// append_in(&in_schema(&schema, &transaction), &[entry]).await?;
/// transaction.rollback().await?;
///
/// let entries = format!("SELECT count(*) FROM {name}.audit_entry");
/// assert_eq!(client.query_one(&entries, &[]).await?.get::<_, i64>(0), 0);
/// # client.batch_execute(&format!("DROP SCHEMA {name} CASCADE")).await?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # store.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub async fn append_in(target: &(impl Target + Sync), entries: &[LogEntry]) -> Result<(), Error> {
    target.append(entries).await
}

async fn append(
    client: &impl GenericClient,
    schema: Option<&Schema>,
    entries: &[LogEntry],
) -> Result<(), Error> {
    if entries.is_empty() {
        return Ok(());
    }
    let rows = entries.iter().map(Row::of).collect::<Result<Vec<_>, _>>()?;
    let rows: Vec<_> = rows.iter().collect();
    let statement = match schema {
        Some(schema) => schema.fill(APPEND),
        None => APPEND.replace("{schema}.", ""),
    };
    // With the types given it is one exchange with the server, prepared or not.
    client
        .execute_typed(&statement, &Columns::of(&rows).typed())
        .await
        .map_err(|error| {
            let message = error.as_db_error().map_or("", |error| error.message());
            match postgres::conflict(message) {
                Some(id) => Error::Conflict { id, source: error },
                None => Error::Driver(error),
            }
        })?;
    Ok(())
}

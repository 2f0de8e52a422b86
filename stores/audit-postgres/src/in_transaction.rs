//! Entries in a transaction of the caller's own.

use std::future::Future;

use audit_core::{LogEntry, StoreError};
use audit_sql::postgres;
pub use audit_sql::postgres::Schema;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;
use tokio_postgres::{GenericClient, Statement};

use crate::row::{APPEND, COLUMN_TYPES, Columns, INSERT, Row, VALUE_TYPES, Values};

audit_sql::adapter_error!(tokio_postgres::Error);
audit_sql::adapter_traits!(async &(impl Target + Sync));

/// A handle that runs statements on a connection to PostgreSQL: a client or a transaction of
/// `tokio-postgres` or of `deadpool-postgres`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is neither a client nor a transaction of `tokio-postgres` or `deadpool-postgres`",
    note = "the versions of these crates must be those that `audit-postgres` uses"
)]
pub trait Runs: Sync {
    /// The client or transaction of `tokio-postgres`.
    #[doc(hidden)]
    type Client: GenericClient + Sync;

    #[doc(hidden)]
    fn client(&self) -> &Self::Client;
}

impl Runs for tokio_postgres::Client {
    type Client = Self;

    fn client(&self) -> &Self {
        self
    }
}

impl Runs for tokio_postgres::Transaction<'_> {
    type Client = Self;

    fn client(&self) -> &Self {
        self
    }
}

impl Runs for deadpool_postgres::Client {
    type Client = tokio_postgres::Client;

    fn client(&self) -> &tokio_postgres::Client {
        self
    }
}

impl Runs for deadpool_postgres::ClientWrapper {
    type Client = tokio_postgres::Client;

    fn client(&self) -> &tokio_postgres::Client {
        self
    }
}

impl<'c> Runs for deadpool_postgres::Transaction<'c> {
    type Client = tokio_postgres::Transaction<'c>;

    fn client(&self) -> &tokio_postgres::Transaction<'c> {
        self
    }
}

/// A target of entries: a client or a transaction of `tokio-postgres` or of
/// `deadpool-postgres`, one of these [`in_schema`], or with statements that are [`Prepared`].
#[diagnostic::on_unimplemented(
    message = "entries of `audit-postgres` cannot be written into `{Self}`",
    label = "neither a client nor a transaction of `tokio-postgres` or `deadpool-postgres`",
    note = "with another driver, use the traits of its crate: `audit-sqlx`, `audit-diesel` or `audit-sea-orm`"
)]
pub trait Target {
    /// Writes entries by one statement.
    #[doc(hidden)]
    fn append(&self, entries: &[LogEntry]) -> impl Future<Output = Result<(), Error>> + Send;
}

impl<C: Runs> Target for C {
    async fn append(&self, entries: &[LogEntry]) -> Result<(), Error> {
        append(self.client(), None, entries).await
    }
}

/// A transaction, and the schema of the trail; made by [`in_schema`].
#[derive(Clone, Copy, Debug)]
pub struct InSchema<'s, C> {
    schema: &'s Schema,
    client: &'s C,
}

impl<C: Runs> Target for InSchema<'_, C> {
    async fn append(&self, entries: &[LogEntry]) -> Result<(), Error> {
        append(self.client.client(), Some(self.schema), entries).await
    }
}

/// Names the schema of a trail that is not in the connection's search path.
///
/// # Example: see [`append_in`]
pub fn in_schema<'s, C: Runs>(schema: &'s Schema, client: &'s C) -> InSchema<'s, C> {
    InSchema { schema, client }
}

/// The statements of [`append_in`], prepared once for a connection. The server then no longer plans them,
/// which takes longer than to store an entry.
///
/// # Example: a connection that writes many entries
/// ```
/// use auditlog::postgres::{PostgresStore, Prepared, RecordIn as _, Schema};
/// use tokio_postgres::NoTls;
///
/// # let Some(server) = audit_testbed::PostgresServer::find() else { return Ok(()) };
/// # let url = server.url().to_owned();
/// # let name = format!("audit_doc_prepared_{}", std::process::id());
/// # let store = PostgresStore::options().schema(&name).connect(&url)?;
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
/// # runtime.block_on(async {
/// let schema = Schema::named(&name)?;
/// let (mut client, connection) = tokio_postgres::connect(&url, NoTls).await?;
/// tokio::spawn(connection);
/// let audit = Prepared::new(&client, Some(&schema)).await?;
///
/// for account in ["1", "2"] {
///     let transaction = client.transaction().await?;
///     let charged = auditlog::event("charged").reason(account);
///     charged.record_in(&audit.on(&transaction)).await?;
///     transaction.commit().await?;
/// }
/// # assert_eq!(store.query().count_async().await?, 2);
/// # client.batch_execute(&format!("DROP SCHEMA {name} CASCADE")).await?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # store.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Prepared {
    one: Statement,
    many: Statement,
}

impl Prepared {
    /// Prepares the statements on a connection: with a schema, for its trail, otherwise for the trail in
    /// the search path at the time of use.
    ///
    /// # Errors
    /// Returns [`Error::Write`] with the message of the server, such as that the trail does not exist.
    pub async fn new(client: &impl Runs, schema: Option<&Schema>) -> Result<Self, Error> {
        let client = client.client();
        let (one, many) = (placed(INSERT, schema), placed(APPEND, schema));
        Ok(Self {
            one: prepare(client, &one, &VALUE_TYPES).await?,
            many: prepare(client, &many, &COLUMN_TYPES).await?,
        })
    }

    /// Returns a target that uses the statements in a transaction of the connection.
    pub fn on<'p, C: Runs>(&'p self, client: &'p C) -> OnPrepared<'p, C> {
        OnPrepared {
            prepared: self,
            client,
        }
    }
}

/// A transaction, and the statements that are prepared on its connection; made by [`Prepared::on`].
#[derive(Clone, Copy, Debug)]
pub struct OnPrepared<'p, C> {
    prepared: &'p Prepared,
    client: &'p C,
}

impl<C: Runs> Target for OnPrepared<'_, C> {
    async fn append(&self, entries: &[LogEntry]) -> Result<(), Error> {
        let Prepared { one, many } = self.prepared;
        let client = self.client.client();
        let rows = rows(entries)?;
        let inserted = match &rows[..] {
            [] => return Ok(()),
            [row] => {
                let values = Values::of(row);
                let inserted = client.execute(one, &values.params()).await;
                inserted.map_err(failure)? == 1
            }
            _ => false,
        };
        if !inserted {
            let rows: Vec<_> = rows.iter().collect();
            let params = Columns::of(&rows);
            let appended = client.execute(many, &params.params()).await;
            appended.map_err(failure)?;
        }
        Ok(())
    }
}

/// Writes entries into the caller's transaction.
///
/// All entries are written by one statement, or none. They are committed or rolled back with the
/// transaction. An entry that is stored already with the same content counts as written.
///
/// A [`PostgresStore`](crate::PostgresStore) creates the trail. It is the one in the connection's search
/// path, unless [`in_schema`] names its schema. The role needs the rights of a writer of
/// [`Roles`](crate::Roles).
///
/// # Errors
/// - Returns [`Error::Conflict`] if another entry has the id of one of the given entries.
/// - Returns [`Error::Write`] if the server rejects the entries.
///
/// PostgreSQL then accepts no more statements in the transaction until it is rolled back, completely or to
/// a savepoint.
///
/// # Example: the change and its entry are rolled back together
/// ```
/// use auditlog::LogEntry;
/// use auditlog::postgres::{PostgresStore, Schema, append_in, in_schema};
/// use tokio_postgres::NoTls;
///
/// # let Some(server) = audit_testbed::PostgresServer::find() else { return Ok(()) };
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
    // With the types given it is one exchange with the server, prepared or not.
    let rows = rows(entries)?;
    let inserted = match &rows[..] {
        [] => return Ok(()),
        [row] => {
            let values = Values::of(row);
            let one = placed(INSERT, schema);
            let inserted = client.execute_typed(&one, &values.typed()).await;
            inserted.map_err(failure)? == 1
        }
        _ => false,
    };
    if !inserted {
        let rows: Vec<_> = rows.iter().collect();
        let params = Columns::of(&rows);
        let appended = client
            .execute_typed(&placed(APPEND, schema), &params.typed())
            .await;
        appended.map_err(failure)?;
    }
    Ok(())
}

async fn prepare(
    client: &impl GenericClient,
    statement: &str,
    types: &[Type],
) -> Result<Statement, Error> {
    client
        .prepare_typed(statement, types)
        .await
        .map_err(failure)
}

fn rows(entries: &[LogEntry]) -> Result<Vec<Row>, StoreError> {
    entries.iter().map(Row::of).collect()
}

/// Returns a statement for the trail in a schema, or in the search path.
fn placed(statement: &str, schema: Option<&Schema>) -> String {
    match schema {
        Some(schema) => schema.fill(statement),
        None => statement.replace("{schema}.", ""),
    }
}

/// Converts an error of the driver.
fn failure(error: tokio_postgres::Error) -> Error {
    let message = error.as_db_error().map_or("", |error| error.message());
    match postgres::conflict(message) {
        Some(id) => Error::Conflict {
            id,
            source: Some(error),
        },
        None => Error::Write {
            hint: audit_sql::hint(error.code().map(SqlState::code), message),
            source: error,
        },
    }
}

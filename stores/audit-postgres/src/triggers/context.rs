//! The actor and the reason, handed over to triggers.

use audit_core::{Actor, ActorKind, Context, LogEntry, StoreError};
use tokio_postgres::Transaction;
use tokio_postgres::types::{ToSql, Type};
use uuid::Uuid;

use crate::in_transaction::Error;

/// The actor, the reason and the ids of a context, as the settings of a transaction from which
/// [`Triggers`](crate::Triggers) take them.
///
/// With `tokio-postgres`, call [`set_context_in`]. With another driver run [`SQL`](Self::SQL) in the
/// transaction, with the [`values`](Self::values) bound as texts in their order. It replaces all
/// settings of the transaction, and they end with it.
///
/// The client's address is the connection's, and the values of [`extra`](Context::extra) are not handed
/// over. Triggers also record in a [disabled](Context::disabled) context, since they are for the writes
/// that the program does not record.
///
/// # Example: with any driver
/// ```
/// use auditlog::Context;
/// use auditlog::postgres::TriggerContext;
///
/// let context = Context::new().actor("ann").reason("the customer's \"wish\"");
/// let given = TriggerContext::of(&context)?;
/// assert!(TriggerContext::SQL.starts_with("SELECT set_config('auditlog.actor', $1, true)"));
/// assert_eq!(given.values()[0], "ann");
///
/// // With sqlx, for instance:
/// // let query = sqlx::query(TriggerContext::SQL);
/// // let query = given.values().into_iter().fold(query, |query, value| query.bind(value));
/// // query.execute(&mut *transaction).await?;
/// # Ok::<(), auditlog::StoreError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "triggers get it when its SQL is run in the transaction"]
pub struct TriggerContext {
    values: [String; 8],
}

/// The index of the transaction's id in the values.
const TRANSACTION: usize = 7;

impl TriggerContext {
    /// The statement that sets all values until the end of the transaction. Its eight parameters are the
    /// [`values`](Self::values), as texts.
    pub const SQL: &str = "SELECT set_config('auditlog.actor', $1, true), \
        set_config('auditlog.actor_kind', $2, true), \
        set_config('auditlog.actor_display', $3, true), \
        set_config('auditlog.on_behalf_of', $4, true), \
        set_config('auditlog.correlation_id', $5, true), \
        set_config('auditlog.reason', $6, true), \
        set_config('auditlog.trace_id', $7, true), \
        set_config('auditlog.transaction_id', $8, true)";

    /// Takes the values of the current context, and calls its function for the actor if it has one.
    ///
    /// # Errors
    /// Returns [`StoreError::Unsupported`] if a text contains U+0000, which PostgreSQL cannot store.
    pub fn current() -> Result<Self, StoreError> {
        Self::of(&Context::current())
    }

    /// Takes the values of a context.
    ///
    /// # Errors
    /// Returns the errors of [`current`](Self::current).
    pub fn of(context: &Context) -> Result<Self, StoreError> {
        let mut entry = LogEntry::new("update", "", "", "");
        context.complete(&mut entry);
        let actor = entry.actor.unwrap_or_else(|| Actor::from(""));
        let values = [
            actor.id,
            match actor.kind {
                // The default of triggers.
                ActorKind::User => String::new(),
                kind => kind.as_str().to_owned(),
            },
            actor.display.unwrap_or_default(),
            actor.on_behalf_of.unwrap_or_default(),
            entry.correlation_id.unwrap_or_default(),
            entry.reason.unwrap_or_default(),
            entry.trace_id.unwrap_or_default(),
            String::new(),
        ];
        if values.iter().any(|value| value.contains('\0')) {
            return Err(StoreError::Unsupported {
                operation: "hand over to triggers an actor, a reason or an id that contains U+0000",
            });
        }
        Ok(Self { values })
    }

    /// Sets the `transaction_id` of the entries, such as that of a [`Unit`](audit_core::Unit::id) which is
    /// written in the same transaction. By default the database makes one.
    pub fn transaction_id(mut self, id: Uuid) -> Self {
        self.values[TRANSACTION] = id.to_string();
        self
    }

    /// Returns the parameters of [`SQL`](Self::SQL), in order; an empty text is an unset value.
    pub fn values(&self) -> [&str; 8] {
        self.values.each_ref().map(String::as_str)
    }

    /// Sets the values in a transaction of `tokio-postgres`.
    ///
    /// # Errors
    /// Returns the error of the server.
    pub async fn set_in(&self, transaction: &Transaction<'_>) -> Result<(), Error> {
        let params = self.values.each_ref();
        let params = params.map(|value| (value as &(dyn ToSql + Sync), Type::TEXT));
        transaction.query_typed(Self::SQL, &params).await?;
        Ok(())
    }
}

/// Hands the current [context](audit_core::context()) over to the [`Triggers`](crate::Triggers) of a
/// transaction: they record its later statements with the actor, the reason and the ids of the context.
///
/// # Errors
/// Returns the errors of [`TriggerContext::current`], and the error of the server.
///
/// # Example: a bulk statement is Ann's
/// ```
/// use auditlog::postgres::set_context_in;
/// use tokio_postgres::NoTls;
///
/// # let Some(server) = audit_testbed::PostgresServer::find() else { return Ok(()) };
/// # let url = server.url().to_owned();
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
/// # runtime.block_on(async {
/// let (mut client, connection) = tokio_postgres::connect(&url, NoTls).await?;
/// tokio::spawn(connection);
/// let _who = auditlog::context().actor("ann").enter();
///
/// let transaction = client.transaction().await?;
/// set_context_in(&transaction).await?;
/// // transaction.execute("UPDATE users SET role = 'guest'", &[]).await?;
/// # let row = transaction.query_one("SELECT current_setting('auditlog.actor')", &[]).await?;
/// # assert_eq!(row.get::<_, String>(0), "ann");
/// transaction.commit().await?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub async fn set_context_in(transaction: &Transaction<'_>) -> Result<(), Error> {
    TriggerContext::current()?.set_in(transaction).await
}

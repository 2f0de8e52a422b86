//! diesel-async.

use std::future::Future;
use std::pin::Pin;

use audit_core::Receipt;
use audit_diesel::asynchronous::{RecordIn as _, Target, append_in};
use audit_diesel::{Error, Schema, in_schema};
use audit_testbed::in_transaction::{End, Failure, Location, Step};
use diesel::SqliteConnection;
use diesel_async::pg::AsyncPgConnection;
use diesel_async::sync_connection_wrapper::SyncConnectionWrapper;
use diesel_async::{AsyncConnection, TransactionManager};

pub(crate) fn run_postgres(
    location: &Location,
    steps: Vec<Step>,
    end: End,
) -> Result<Vec<Receipt>, Failure> {
    run::<AsyncPgConnection>(location, steps, end)
}

pub(crate) fn run_in_schema(
    location: &Location,
    steps: Vec<Step>,
    end: End,
) -> Result<Vec<Receipt>, Failure> {
    run::<AsyncPgConnection>(location, steps, end)
}

pub(crate) fn run_sqlite(
    location: &Location,
    steps: Vec<Step>,
    end: End,
) -> Result<Vec<Receipt>, Failure> {
    run::<SyncConnectionWrapper<SqliteConnection>>(location, steps, end)
}

/// A target: the connection as it is, or with the schema of the trail.
trait Writes: AsyncConnection {
    fn write(
        &mut self,
        schema: Option<&Schema>,
        step: Step,
        receipts: &mut Vec<Receipt>,
    ) -> impl Future<Output = Result<(), Error>>;
}

impl Writes for AsyncPgConnection {
    async fn write(
        &mut self,
        schema: Option<&Schema>,
        step: Step,
        receipts: &mut Vec<Receipt>,
    ) -> Result<(), Error> {
        match schema {
            Some(schema) => write(&mut in_schema(schema, self), step, receipts).await,
            None => write(self, step, receipts).await,
        }
    }
}

impl Writes for SyncConnectionWrapper<SqliteConnection> {
    async fn write(
        &mut self,
        _: Option<&Schema>,
        step: Step,
        receipts: &mut Vec<Receipt>,
    ) -> Result<(), Error> {
        write(self, step, receipts).await
    }
}

fn run<C: Writes>(
    location: &Location,
    steps: Vec<Step>,
    end: End,
) -> Result<Vec<Receipt>, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut connection = C::establish(&location.url).await?;
        let schema = location.schema.as_deref().map(Schema::named).transpose()?;
        let mut receipts = Vec::new();
        take(&mut connection, schema.as_ref(), steps, end, &mut receipts).await?;
        Ok(receipts)
    })
}

/// A transaction, or inside of one a savepoint: what `transaction` of diesel-async does, which
/// wants futures that can be sent.
fn take<'a, C: Writes>(
    connection: &'a mut C,
    schema: Option<&'a Schema>,
    steps: Vec<Step>,
    end: End,
    receipts: &'a mut Vec<Receipt>,
) -> Pin<Box<dyn Future<Output = Result<(), Failure>> + 'a>> {
    Box::pin(async move {
        C::TransactionManager::begin_transaction(connection).await?;
        let taken: Result<(), Failure> = async {
            for step in steps {
                match step {
                    Step::Sql(sql) => connection.batch_execute(&sql).await?,
                    Step::Savepoint(steps, end) => {
                        take(connection, schema, steps, end, receipts).await?;
                    }
                    step => connection.write(schema, step, receipts).await?,
                }
            }
            Ok(())
        }
        .await;
        match (&taken, end) {
            (Ok(()), End::Commit) => C::TransactionManager::commit_transaction(connection).await?,
            _ => C::TransactionManager::rollback_transaction(connection).await?,
        }
        taken
    })
}

async fn write(
    target: &mut (impl Target + Send),
    step: Step,
    receipts: &mut Vec<Receipt>,
) -> Result<(), Error> {
    match step {
        Step::Record(draft) => receipts.push(draft.record_in(target).await?),
        Step::RecordUnit(unit) => receipts.extend(unit.record_in(target).await?),
        Step::RecordPending(pending) => receipts.extend(pending.record_in(target).await?),
        Step::Append(entries) => append_in(target, &entries).await?,
        Step::Sql(_) | Step::Savepoint(..) => unreachable!("no step that writes entries"),
    }
    Ok(())
}

//! Entries in transactions of sqlx.

mod mysql;

use std::future::Future;
use std::pin::Pin;

use audit_core::Receipt;
use audit_sqlx::{Error, RecordIn as _, Schema, Target, append_in, in_schema};
use audit_testbed::in_transaction::{End, Failure, Location, Step, Suite, main as suites};
use sqlx::{
    AssertSqlSafe, Connection as _, Database, Executor, MySqlPool, PgConnection, PgPool,
    SqlitePool, Transaction,
};

fn main() {
    let all = [
        Suite::postgres("sqlx_postgres", run_postgres),
        Suite::postgres_in_schema("sqlx_postgres_in_schema", run_in_schema),
        Suite::sqlite("sqlx_sqlite", run_sqlite),
        Suite::mysql("sqlx_mysql", run_mysql, mysql::SERVER),
    ];
    suites(&all, |_, mysql| mysql::trials(mysql));
}

fn block_on<T>(future: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(future)
}

fn run_postgres(location: &Location, steps: Vec<Step>, end: End) -> Result<Vec<Receipt>, Failure> {
    block_on(async {
        let pool = PgPool::connect(&location.url).await?;
        let done = run(pool.begin().await?, steps, end).await;
        pool.close().await;
        done
    })
}

fn run_sqlite(location: &Location, steps: Vec<Step>, end: End) -> Result<Vec<Receipt>, Failure> {
    block_on(async {
        let pool = SqlitePool::connect(&format!("sqlite:{}", location.url)).await?;
        let done = run(pool.begin().await?, steps, end).await;
        pool.close().await;
        done
    })
}

fn run_mysql(location: &Location, steps: Vec<Step>, end: End) -> Result<Vec<Receipt>, Failure> {
    block_on(async {
        let pool = MySqlPool::connect(&location.url).await?;
        let done = run(pool.begin().await?, steps, end).await;
        pool.close().await;
        done
    })
}

async fn run<D>(
    mut transaction: Transaction<'_, D>,
    steps: Vec<Step>,
    end: End,
) -> Result<Vec<Receipt>, Failure>
where
    D: Database<Connection: Target>,
    for<'c> &'c mut D::Connection: Executor<'c, Database = D>,
{
    let mut receipts = Vec::new();
    take(&mut transaction, steps, &mut receipts).await?;
    match end {
        End::Commit => transaction.commit().await?,
        End::RollBack => transaction.rollback().await?,
    }
    Ok(receipts)
}

fn take<'a, D>(
    transaction: &'a mut Transaction<'_, D>,
    steps: Vec<Step>,
    receipts: &'a mut Vec<Receipt>,
) -> Pin<Box<dyn Future<Output = Result<(), Failure>> + 'a>>
where
    D: Database<Connection: Target>,
    for<'c> &'c mut D::Connection: Executor<'c, Database = D>,
{
    Box::pin(async move {
        for step in steps {
            match step {
                Step::Sql(sql) => {
                    sqlx::raw_sql(AssertSqlSafe(sql))
                        .execute(&mut **transaction)
                        .await?;
                }
                Step::Savepoint(steps, end) => {
                    let mut savepoint = transaction.begin().await?;
                    take(&mut savepoint, steps, receipts).await?;
                    match end {
                        End::Commit => savepoint.commit().await?,
                        End::RollBack => savepoint.rollback().await?,
                    }
                }
                step => write(transaction, step, receipts).await?,
            }
        }
        Ok(())
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

/// With a plain connection, and savepoints as statements.
fn run_in_schema(location: &Location, steps: Vec<Step>, end: End) -> Result<Vec<Receipt>, Failure> {
    fn take<'a>(
        connection: &'a mut PgConnection,
        schema: &'a Schema,
        steps: Vec<Step>,
        receipts: &'a mut Vec<Receipt>,
    ) -> Pin<Box<dyn Future<Output = Result<(), Failure>> + 'a>> {
        Box::pin(async move {
            for step in steps {
                match step {
                    Step::Sql(sql) => {
                        sqlx::raw_sql(AssertSqlSafe(sql))
                            .execute(&mut *connection)
                            .await?;
                    }
                    Step::Savepoint(steps, end) => {
                        let mut savepoint = connection.begin().await?;
                        take(&mut savepoint, schema, steps, receipts).await?;
                        match end {
                            End::Commit => savepoint.commit().await?,
                            End::RollBack => savepoint.rollback().await?,
                        }
                    }
                    step => write(&mut in_schema(schema, connection), step, receipts).await?,
                }
            }
            Ok(())
        })
    }

    block_on(async {
        let schema = Schema::named(location.schema.as_deref().unwrap_or_default())?;
        let mut connection = PgConnection::connect(&location.url).await?;
        let mut receipts = Vec::new();
        let mut transaction = connection.begin().await?;
        take(&mut transaction, &schema, steps, &mut receipts).await?;
        match end {
            End::Commit => transaction.commit().await?,
            End::RollBack => transaction.rollback().await?,
        }
        Ok(receipts)
    })
}

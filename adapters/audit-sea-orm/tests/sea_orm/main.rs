//! Entries in transactions of SeaORM, by hand, by hooks and in bulk.

mod hooks;

use std::future::Future;
use std::pin::Pin;

use audit_core::Receipt;
use audit_sea_orm::{Error, RecordIn as _, Schema, Target, append_in, in_schema};
use audit_testbed::in_transaction::{End, Failure, Location, Step, Suite, main as suites};
use sea_orm::{ConnectionTrait as _, Database, DatabaseTransaction, TransactionTrait as _};

fn main() {
    let all = [
        Suite::postgres("sea_orm_postgres", run),
        Suite::postgres_in_schema("sea_orm_postgres_in_schema", run),
        Suite::sqlite("sea_orm_sqlite", run_sqlite),
    ];
    suites(&all, |postgres, _| hooks::trials(postgres));
}

fn run_sqlite(location: &Location, steps: Vec<Step>, end: End) -> Result<Vec<Receipt>, Failure> {
    let url = format!("sqlite:{}", location.url);
    run(
        &Location {
            url,
            ..location.clone()
        },
        steps,
        end,
    )
}

fn run(location: &Location, steps: Vec<Step>, end: End) -> Result<Vec<Receipt>, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let schema = location.schema.as_deref().map(Schema::named).transpose()?;
        let database = Database::connect(&location.url).await?;
        let mut receipts = Vec::new();
        let transaction = database.begin().await?;
        take(&transaction, schema.as_ref(), steps, &mut receipts).await?;
        match end {
            End::Commit => transaction.commit().await?,
            End::RollBack => transaction.rollback().await?,
        }
        database.close().await?;
        Ok(receipts)
    })
}

fn take<'a>(
    transaction: &'a DatabaseTransaction,
    schema: Option<&'a Schema>,
    steps: Vec<Step>,
    receipts: &'a mut Vec<Receipt>,
) -> Pin<Box<dyn Future<Output = Result<(), Failure>> + 'a>> {
    Box::pin(async move {
        for step in steps {
            match step {
                Step::Sql(sql) => {
                    transaction.execute_unprepared(&sql).await?;
                }
                Step::Savepoint(steps, end) => {
                    let savepoint = transaction.begin().await?;
                    take(&savepoint, schema, steps, receipts).await?;
                    match end {
                        End::Commit => savepoint.commit().await?,
                        End::RollBack => savepoint.rollback().await?,
                    }
                }
                step => match schema {
                    Some(schema) => write(&in_schema(schema, transaction), step, receipts).await?,
                    None => write(transaction, step, receipts).await?,
                },
            }
        }
        Ok(())
    })
}

async fn write(
    target: &(impl Target + Sync),
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

//! Entries in transactions of `tokio-postgres` and `deadpool-postgres`.

use std::future::Future;
use std::pin::Pin;

use audit_core::Receipt;
use audit_postgres::{Prepared, RecordIn as _, Schema, Target, append_in, in_schema};
use audit_testbed::in_transaction::{End, Failure, Location, Step, Suite, main as suites};
use tokio_postgres::{NoTls, Transaction};

fn main() {
    // It cannot be prepared where there is no trail, as that test has it.
    const NO_TRAIL: &[&str] = &["a_unit_without_entries_is_none"];
    let all = [
        Suite::postgres("tokio_postgres", run),
        Suite::postgres_in_schema("tokio_postgres_in_schema", run),
        Suite::postgres("deadpool_postgres", run_deadpool),
        Suite::postgres_in_schema("deadpool_postgres_in_schema", run_deadpool),
        Suite::postgres("tokio_postgres_prepared", run_prepared).without(NO_TRAIL),
        Suite::postgres_in_schema("tokio_postgres_prepared_in_schema", run_prepared)
            .without(NO_TRAIL),
    ];
    suites(&all, |_, _| Vec::new());
}

/// The means by which the driver finds the trail.
enum Trail<'t> {
    OnPath,
    InSchema(&'t Schema),
    Prepared(&'t Prepared),
}

fn run(location: &Location, steps: Vec<Step>, end: End) -> Result<Vec<Receipt>, Failure> {
    run_either(location, false, steps, end)
}

fn run_prepared(location: &Location, steps: Vec<Step>, end: End) -> Result<Vec<Receipt>, Failure> {
    run_either(location, true, steps, end)
}

fn run_either(
    location: &Location,
    prepare: bool,
    steps: Vec<Step>,
    end: End,
) -> Result<Vec<Receipt>, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let (mut client, connection) = tokio_postgres::connect(&location.url, NoTls).await?;
        tokio::spawn(connection);
        let schema = location.schema.as_deref().map(Schema::named).transpose()?;
        let prepared = if prepare {
            Some(Prepared::new(&client, schema.as_ref()).await?)
        } else {
            None
        };
        let trail = match (&prepared, &schema) {
            (Some(prepared), _) => Trail::Prepared(prepared),
            (None, Some(schema)) => Trail::InSchema(schema),
            (None, None) => Trail::OnPath,
        };
        let mut receipts = Vec::new();
        let mut transaction = client.transaction().await?;
        take(&mut transaction, &trail, steps, &mut receipts).await?;
        match end {
            End::Commit => transaction.commit().await?,
            End::RollBack => transaction.rollback().await?,
        }
        Ok(receipts)
    })
}

/// With clients of a pool.
fn run_deadpool(location: &Location, steps: Vec<Step>, end: End) -> Result<Vec<Receipt>, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut config = deadpool_postgres::Config::new();
        config.url = Some(location.url.clone());
        let pool = config.create_pool(None, NoTls)?;
        let mut client = pool.get().await?;
        let schema = location.schema.as_deref().map(Schema::named).transpose()?;
        // Outside of a transaction, and with statements that are prepared.
        match &schema {
            Some(schema) => append_in(&in_schema(schema, &client), &[]).await?,
            None => append_in(&client, &[]).await?,
        }
        let mut receipts = Vec::new();
        let mut transaction = client.transaction().await?;
        take_pooled(&mut transaction, schema.as_ref(), steps, &mut receipts).await?;
        match end {
            End::Commit => transaction.commit().await?,
            End::RollBack => transaction.rollback().await?,
        }
        Ok(receipts)
    })
}

fn take_pooled<'a>(
    transaction: &'a mut deadpool_postgres::Transaction<'_>,
    schema: Option<&'a Schema>,
    steps: Vec<Step>,
    receipts: &'a mut Vec<Receipt>,
) -> Pin<Box<dyn Future<Output = Result<(), Failure>> + 'a>> {
    Box::pin(async move {
        for step in steps {
            match step {
                Step::Sql(sql) => transaction.batch_execute(&sql).await?,
                Step::Savepoint(steps, end) => {
                    let mut savepoint = transaction.transaction().await?;
                    take_pooled(&mut savepoint, schema, steps, receipts).await?;
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

fn take<'a>(
    transaction: &'a mut Transaction<'_>,
    trail: &'a Trail<'_>,
    steps: Vec<Step>,
    receipts: &'a mut Vec<Receipt>,
) -> Pin<Box<dyn Future<Output = Result<(), Failure>> + 'a>> {
    Box::pin(async move {
        for step in steps {
            match step {
                Step::Sql(sql) => transaction.batch_execute(&sql).await?,
                Step::Savepoint(steps, end) => {
                    let mut savepoint = transaction.transaction().await?;
                    take(&mut savepoint, trail, steps, receipts).await?;
                    match end {
                        End::Commit => savepoint.commit().await?,
                        End::RollBack => savepoint.rollback().await?,
                    }
                }
                step => match trail {
                    Trail::OnPath => write(transaction, step, receipts).await?,
                    Trail::InSchema(schema) => {
                        write(&in_schema(schema, transaction), step, receipts).await?;
                    }
                    Trail::Prepared(prepared) => {
                        write(&prepared.on(transaction), step, receipts).await?;
                    }
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
) -> Result<(), audit_postgres::Error> {
    match step {
        Step::Record(draft) => receipts.push(draft.record_in(target).await?),
        Step::RecordUnit(unit) => receipts.extend(unit.record_in(target).await?),
        Step::RecordPending(pending) => receipts.extend(pending.record_in(target).await?),
        Step::Append(entries) => append_in(target, &entries).await?,
        Step::Sql(_) | Step::Savepoint(..) => unreachable!("no step that writes entries"),
    }
    Ok(())
}

//! Entries in transactions of `tokio-postgres` and `deadpool-postgres`.

use std::future::Future;
use std::pin::Pin;

use audit_core::Receipt;
use audit_postgres::{RecordIn as _, Schema, Target, WriteIn as _, append_in, in_schema};
use audit_testkit::callers::{End, Failure, Place, Step, Suite, main as suites};
use tokio_postgres::{NoTls, Transaction};

fn main() {
    let all = [
        Suite::postgres("tokio_postgres", run),
        Suite::postgres_in_schema("tokio_postgres_in_schema", run),
    ];
    suites(&all, |_| Vec::new());
}

fn run(place: &Place, steps: Vec<Step>, end: End) -> Result<Vec<Receipt>, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let (mut client, connection) = tokio_postgres::connect(&place.url, NoTls).await?;
        tokio::spawn(connection);
        let schema = place.schema.as_deref().map(Schema::named).transpose()?;
        let mut receipts = Vec::new();
        let mut transaction = client.transaction().await?;
        take(&mut transaction, schema.as_ref(), steps, &mut receipts).await?;
        match end {
            End::Commit => transaction.commit().await?,
            End::RollBack => transaction.rollback().await?,
        }
        Ok(receipts)
    })
}

fn take<'a>(
    transaction: &'a mut Transaction<'_>,
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
                    take(&mut savepoint, schema, steps, receipts).await?;
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
) -> Result<(), audit_postgres::Error> {
    match step {
        Step::Record(draft) => receipts.push(draft.record_in(target).await?),
        Step::Write(unit) => receipts.extend(unit.write_in(target).await?),
        Step::Append(entries) => append_in(target, &entries).await?,
        Step::Sql(_) | Step::Savepoint(..) => unreachable!("no step that writes entries"),
    }
    Ok(())
}

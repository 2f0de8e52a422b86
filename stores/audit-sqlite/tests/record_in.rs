//! Drafts and units in transactions of rusqlite.

use std::ops::Deref;

use audit_core::Receipt;
use audit_sqlite::rusqlite::{Connection, Result as SqlResult, Savepoint, Transaction};
use audit_sqlite::{RecordIn as _, append_in};
use audit_testbed::in_transaction::{End, Failure, Location, Step, Suite, main as suites};

fn main() {
    // A unit is several prepared statements here: nothing travels between them.
    let suite = Suite::sqlite("rusqlite", run).without(&["a_unit_is_one_statement"]);
    suites(&[suite], |_, _| Vec::new());
}

fn run(location: &Location, steps: Vec<Step>, end: End) -> Result<Vec<Receipt>, Failure> {
    let mut connection = Connection::open(&location.url)?;
    let mut receipts = Vec::new();
    let mut transaction = connection.transaction()?;
    take(&mut transaction, steps, &mut receipts)?;
    match end {
        End::Commit => transaction.commit()?,
        End::RollBack => transaction.rollback()?,
    }
    Ok(receipts)
}

/// A connection or transaction in which a savepoint can be made.
trait Open: Deref<Target = Connection> {
    fn savepoint(&mut self) -> SqlResult<Savepoint<'_>>;
}

impl Open for Transaction<'_> {
    fn savepoint(&mut self) -> SqlResult<Savepoint<'_>> {
        Transaction::savepoint(self)
    }
}

impl Open for Savepoint<'_> {
    fn savepoint(&mut self) -> SqlResult<Savepoint<'_>> {
        Savepoint::savepoint(self)
    }
}

fn take(
    open: &mut impl Open,
    steps: Vec<Step>,
    receipts: &mut Vec<Receipt>,
) -> Result<(), Failure> {
    for step in steps {
        match step {
            Step::Sql(sql) => open.execute_batch(&sql)?,
            Step::Record(draft) => receipts.push(draft.record_in(open)?),
            Step::RecordUnit(unit) => receipts.extend(unit.record_in(open)?),
            Step::RecordPending(pending) => receipts.extend(pending.record_in(open)?),
            Step::Append(entries) => append_in(open, &entries)?,
            Step::Savepoint(steps, end) => {
                let mut savepoint = open.savepoint()?;
                take(&mut savepoint, steps, receipts)?;
                match end {
                    End::Commit => savepoint.commit()?,
                    End::RollBack => savepoint.finish()?,
                }
            }
        }
    }
    Ok(())
}

//! Drafts and units in transactions of rusqlite.

use audit_core::Receipt;
use audit_sqlite::rusqlite::{Connection, Savepoint};
use audit_sqlite::{RecordIn as _, WriteIn as _, append_in};
use audit_testkit::callers::{End, Failure, Place, Step, Suite, main as suites};

fn main() {
    // A unit is several prepared statements here: nothing travels between them.
    let suite = Suite::sqlite("rusqlite", run).without(&["a_unit_is_one_statement"]);
    suites(&[suite], |_| Vec::new());
}

fn run(place: &Place, steps: Vec<Step>, end: End) -> Result<Vec<Receipt>, Failure> {
    let mut connection = Connection::open(&place.url)?;
    let mut receipts = Vec::new();
    let mut transaction = connection.transaction()?;
    take(&mut transaction.savepoint()?, steps, &mut receipts)?;
    match end {
        End::Commit => transaction.commit()?,
        End::RollBack => transaction.rollback()?,
    }
    Ok(receipts)
}

//! Entries in transactions of diesel and diesel-async.

use audit_core::{AuditLog, Receipt};
use audit_diesel::{Error, RecordIn as _, Schema, Target, append_in, in_schema};
use audit_testbed::in_transaction::{
    Database as _, End, Failure, Location, Sqlite, Step, Suite, main as suites, trial,
};
use diesel::{Connection, PgConnection, RunQueryDsl as _, SqliteConnection};

mod asynchronous;

fn main() {
    let all = [
        Suite::postgres("diesel_postgres", run::<PgConnection>),
        Suite::postgres_in_schema("diesel_postgres_in_schema", run_in_schema),
        Suite::sqlite("diesel_sqlite", run::<SqliteConnection>),
        Suite::postgres("diesel_async_postgres", asynchronous::run_postgres),
        Suite::postgres_in_schema("diesel_async_in_schema", asynchronous::run_in_schema),
        Suite::sqlite("diesel_async_sqlite", asynchronous::run_sqlite),
    ];
    suites(&all, |_, _| {
        let name = "an_error_of_the_application_says_nothing_of_entries".to_owned();
        vec![trial(name, false, own_error)]
    });
}

/// A closure returns this crate's error for both.
fn own_error() {
    let database = Sqlite::new();
    let mut connection = SqliteConnection::establish(&database.location().url).expect("a database");
    let log = AuditLog::builder().build();
    let failed = connection.transaction(|connection| {
        diesel::sql_query("INSERT INTO account VALUES (1, 1)").execute(connection)?;
        log.event("deposited").record_in(connection)?;
        diesel::sql_query("INSERT INTO account VALUES (1, 1)").execute(connection)?;
        Ok::<_, Error>(())
    });
    let error = failed.expect_err("the account is there");
    assert!(matches!(error, Error::Driver(_)), "{error:?}");
    assert_eq!(error.to_string(), "UNIQUE constraint failed: account.id");
    database.make_unwritable();
    let failed = connection.transaction(|connection| log.event("lost").record_in(connection));
    let said = failed.expect_err("there is no trail").to_string();
    assert!(
        said.starts_with("writing the audit entries failed: "),
        "{said}"
    );
    assert_eq!(said.matches("no such table").count(), 1, "{said}");
}

/// The ends of a transaction of diesel that keep nothing.
#[derive(Debug)]
enum Stop {
    /// It was to be rolled back.
    Asked,
    Failed(Failure),
}

impl From<diesel::result::Error> for Stop {
    fn from(error: diesel::result::Error) -> Self {
        Self::Failed(error.into())
    }
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(error.into())
    }
}

/// Takes a rollback that was asked for as done.
fn done(ended: Result<(), Stop>) -> Result<(), Stop> {
    match ended {
        Err(Stop::Asked) => Ok(()),
        ended => ended,
    }
}

fn end(ended: Result<(), Stop>, receipts: Vec<Receipt>) -> Result<Vec<Receipt>, Failure> {
    match ended {
        Ok(()) | Err(Stop::Asked) => Ok(receipts),
        Err(Stop::Failed(failure)) => Err(failure),
    }
}

fn run<C: Connection + Target>(
    location: &Location,
    steps: Vec<Step>,
    end: End,
) -> Result<Vec<Receipt>, Failure> {
    let mut connection = C::establish(&location.url)?;
    let mut all = Vec::new();
    let ended = take(&mut connection, steps, end, &mut |connection, step| {
        write(connection, step, &mut all)
    });
    self::end(ended, all)
}

fn run_in_schema(location: &Location, steps: Vec<Step>, end: End) -> Result<Vec<Receipt>, Failure> {
    let schema = Schema::named(location.schema.as_deref().unwrap_or_default())?;
    let mut connection = PgConnection::establish(&location.url)?;
    let mut all = Vec::new();
    let ended = take(&mut connection, steps, end, &mut |connection, step| {
        write(&mut in_schema(&schema, connection), step, &mut all)
    });
    self::end(ended, all)
}

/// A transaction, or inside of one a savepoint.
fn take<C: Connection>(
    connection: &mut C,
    steps: Vec<Step>,
    end: End,
    write: &mut impl FnMut(&mut C, Step) -> Result<(), Error>,
) -> Result<(), Stop> {
    connection.transaction(|connection| {
        for step in steps {
            match step {
                Step::Sql(sql) => connection.batch_execute(&sql)?,
                Step::Savepoint(steps, end) => done(take(connection, steps, end, write))?,
                step => write(connection, step)?,
            }
        }
        match end {
            End::Commit => Ok(()),
            End::RollBack => Err(Stop::Asked),
        }
    })
}

fn write(target: &mut impl Target, step: Step, receipts: &mut Vec<Receipt>) -> Result<(), Error> {
    match step {
        Step::Record(draft) => receipts.push(draft.record_in(target)?),
        Step::RecordUnit(unit) => receipts.extend(unit.record_in(target)?),
        Step::RecordPending(pending) => receipts.extend(pending.record_in(target)?),
        Step::Append(entries) => append_in(target, &entries)?,
        Step::Sql(_) | Step::Savepoint(..) => unreachable!("no step that writes entries"),
    }
    Ok(())
}

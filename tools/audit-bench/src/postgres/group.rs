//! Sixteen threads that wait for the server to commit, beside one connection that inserts
//! several rows a statement.

use auditlog::postgres::PostgresStore;
use auditlog::prelude::*;
use tokio_postgres::Statement;

use super::bulk::{insert, per_second, unnest};
use super::raw::Raw;
use crate::history::Outcome;
use crate::measure::{Budget, median, row};
use crate::model::Account;

const ROUNDS: usize = 9;
const THREADS: usize = 16;
/// Entries of a thread in a round.
const EACH: usize = 250;

pub(super) fn run(store: PostgresStore, raw: &Raw) -> Outcome<()> {
    let log = AuditLog::builder().store(store).build();
    log.register::<Account>();
    let old = Account::sample();
    let new = Account {
        email: "new@example.com".to_owned(),
        logins: 18,
        ..old.clone()
    };
    let draft = || {
        log.updated(&old, &new)
            .actor("alice")
            .correlation_id("req-4711")
    };
    let statement = raw.prepare(&unnest("raw"))?;
    let rows = |size: usize| {
        per_second(THREADS * EACH, || {
            by_hand(raw, &statement, size, THREADS * EACH, || {
                Ok(draft().into_entry()?.ok_or("an entry")?)
            })
        })
    };
    let mut times: [Vec<f64>; 4] = Default::default();
    for _ in 0..ROUNDS {
        times[0].push(per_second(THREADS * EACH, || {
            on_threads(|| (0..EACH).try_for_each(|_| draft().record().map(recorded)))
        })?);
        times[1].push(per_second(THREADS * EACH, || {
            on_threads(|| {
                let tickets: Vec<_> = (0..EACH).map(|_| draft().submit()).collect();
                tickets
                    .into_iter()
                    .try_for_each(|ticket| ticket.wait().map(recorded))
            })
        })?);
        times[2].push(rows(THREADS)?);
        times[3].push(rows(1000)?);
    }
    let [record, submit, small, large] = times.map(median);
    let least = Budget::AtLeast(0.7);
    // As many rows a statement as there are threads that wait.
    row("postgres/16-threads/record", record, small, "/s", least);
    row("postgres/16-threads/submit", submit, large, "/s", least);
    row(
        "postgres/16-threads/record/1000-rows",
        record,
        large,
        "/s",
        Budget::None,
    );
    log.shutdown()?;
    Ok(())
}

fn by_hand(
    raw: &Raw,
    statement: &Statement,
    size: usize,
    number: usize,
    entry: impl Fn() -> Outcome<LogEntry>,
) -> Outcome<()> {
    let mut left = number;
    while left > 0 {
        let batch: Vec<LogEntry> = (0..left.min(size))
            .map(|_| entry())
            .collect::<Result<_, _>>()?;
        insert(raw, statement, &batch)?;
        left -= batch.len();
    }
    Ok(())
}

/// A row that does not do the work must not look fast.
fn recorded(receipt: Receipt) {
    assert!(receipt.is_recorded(), "{receipt:?}");
}

fn on_threads(work: impl Fn() -> auditlog::Result<()> + Sync) -> Outcome<()> {
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(&work)).collect();
        for thread in threads {
            match thread.join() {
                Ok(done) => done?,
                Err(_) => return Err("a thread panicked".into()),
            }
        }
        Ok(())
    })
}

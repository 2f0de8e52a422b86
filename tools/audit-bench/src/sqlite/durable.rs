//! Entries that wait for the disk: one thread beside a raw commit each, sixteen that wait beside
//! raw commits of sixteen, and sixteen that submit beside raw batches of a thousand.

use std::path::Path;
use std::time::Instant;

use auditlog::prelude::*;

use super::raw::{Extent, Raw};
use crate::history::Outcome;
use crate::measure::{Budget, median, row};
use crate::model::{Account, account_two};

const ROUNDS: usize = 15;
/// Entries of a thread in a round.
const COMMITS: u32 = 200;
const THREADS: u32 = 16;
const BATCH: u32 = 1000;

pub(super) fn run(folder: &Path) -> Outcome<()> {
    let log = AuditLog::builder()
        .store(SqliteStore::open(folder.join("store.db"))?)
        .build();
    log.register::<Account>();
    let old = Account::sample();
    let new = account_two(&old);
    let draft = || {
        log.updated(&old, &new)
            .actor("alice")
            .correlation_id("req-4711")
    };
    let record = || -> auditlog::Result<()> {
        for _ in 0..COMMITS {
            recorded(draft().record()?);
        }
        Ok(())
    };
    let submit = || -> auditlog::Result<()> {
        let tickets: Vec<_> = (0..COMMITS).map(|_| draft().submit()).collect();
        for ticket in tickets {
            recorded(ticket.wait()?);
        }
        Ok(())
    };
    let raw = Raw::open(&folder.join("raw-durable.db"), Extent::Same)?;
    let all = COMMITS * THREADS;
    let mut times: [Vec<f64>; 6] = Default::default();
    for _ in 0..ROUNDS {
        times[0].push(per_second(COMMITS, || Ok(record()?))?);
        times[1].push(per_second(COMMITS, || raw.batches(COMMITS, 1, &old, &new))?);
        times[2].push(per_second(all, || on_threads(record))?);
        times[3].push(per_second(all, || raw.batches(all, THREADS, &old, &new))?);
        times[4].push(per_second(all, || on_threads(submit))?);
        times[5].push(per_second(all, || raw.batches(all, BATCH, &old, &new))?);
    }
    let [one, raw_one, waiting, raw_sixteen, submitted, raw_thousand] = times.map(median);
    let line = |name: &str, ours, reference, budget| {
        row(
            &format!("sqlite/durable/{name}"),
            ours,
            reference,
            "/s",
            budget,
        );
    };
    let least = Budget::AtLeast;
    line("1-thread", one, raw_one, least(0.95));
    // As many rows a commit as there are threads that wait.
    line("16-threads/record", waiting, raw_sixteen, least(0.85));
    line(
        "16-threads/record/1000-rows",
        waiting,
        raw_thousand,
        Budget::None,
    );
    line("16-threads/submit", submitted, raw_thousand, least(1.1));
    Ok(())
}

/// A row that does not do the work must not look fast.
fn recorded(receipt: Receipt) {
    assert!(receipt.is_recorded(), "{receipt:?}");
}

fn per_second(entries: u32, work: impl FnOnce() -> Outcome<()>) -> Outcome<f64> {
    let start = Instant::now();
    work()?;
    Ok(f64::from(entries) / start.elapsed().as_secs_f64())
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

//! The store beside an application's own database in the same process, which is busy or idle.
//!
//! Each round is a process of its own, so that it begins with empty page caches. The application
//! has a database that is larger than a cache, and writes and reads a few rows of it at random
//! before each few entries; only the entries are timed. They are not synced, since the time of a
//! sync would hide that of reading pages.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use auditlog::prelude::*;
use auditlog::sqlite::Durability;
use auditlog::sqlite::rusqlite::{Connection, params};
use fastrand::Rng;

use crate::history::Outcome;
use crate::measure::{Budget, median, row};
use crate::model::{Account, account_two};

/// The argument with which this program is a round.
pub(crate) const ARGUMENT: &str = "busy-neighbour";
/// Where the files of a round are, and whether the application is busy.
const FOLDER: &str = "AUDITLOG_BENCH_FOLDER";
const BUSY: &str = "AUDITLOG_BENCH_BUSY";

const ROUNDS: usize = 9;
/// Rows of the application's table: some 25 MB.
const ROWS: i64 = 100_000;
/// Entries that the trail has before the first round, and the objects they are about.
const ENTRIES: usize = 30_000;
const OBJECTS: u64 = 10_000;
/// How often the application is busy in a round, with how many rows, and how many entries follow.
const TIMES: u32 = 400;
const TOUCHED: usize = 50;
const RECORDED: u32 = 10;

pub(super) fn run(folder: &Path) -> Outcome<()> {
    let states = ["0", "1"];
    for busy in states {
        let folder = folder.join(format!("neighbour-{busy}"));
        std::fs::create_dir(&folder)?;
        fill(&folder)?;
    }
    let mut times: [Vec<f64>; 2] = Default::default();
    for _ in 0..ROUNDS {
        for (busy, times) in states.into_iter().zip(&mut times) {
            let child = Command::new(std::env::current_exe()?)
                .arg(ARGUMENT)
                .env(FOLDER, folder.join(format!("neighbour-{busy}")))
                .env(BUSY, busy)
                .output()?;
            if !child.status.success() {
                return Err(String::from_utf8_lossy(&child.stderr).into_owned().into());
            }
            times.push(String::from_utf8_lossy(&child.stdout).trim().parse()?);
        }
    }
    let [idle, busy] = times.map(median);
    row(
        "sqlite/busy-neighbour",
        busy,
        idle,
        "us",
        Budget::Ratio(1.25),
    );
    Ok(())
}

fn fill(folder: &Path) -> Outcome<()> {
    let application = Connection::open(folder.join("application.db"))?;
    application.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; BEGIN;
         CREATE TABLE item (id INTEGER PRIMARY KEY, number INTEGER NOT NULL, text TEXT NOT NULL)",
    )?;
    for id in 0..ROWS {
        application
            .prepare_cached("INSERT INTO item VALUES (?, 0, ?)")?
            .execute(params![id, "a text of two hundred bytes ".repeat(8)])?;
    }
    application.execute_batch("COMMIT")?;
    let (log, mut random) = (log(folder)?, Rng::with_seed(1));
    let mut left = ENTRIES;
    while left > 0 {
        let accounts: Vec<_> = (0..left.min(1000)).map(|_| account(&mut random)).collect();
        log.record_all(accounts.iter().map(|(old, new)| log.updated(old, new)))?;
        left -= accounts.len();
    }
    log.shutdown()?;
    Ok(())
}

fn log(folder: &Path) -> Outcome<AuditLog> {
    let store = SqliteStore::options()
        .durability(Durability::Relaxed)
        .open(folder.join("audit.db"))?;
    let log = AuditLog::builder().store(store).build();
    log.register::<Account>();
    Ok(log)
}

fn account(random: &mut Rng) -> (Account, Account) {
    let old = Account {
        id: random.u64(..OBJECTS),
        ..Account::sample()
    };
    let new = account_two(&old);
    (old, new)
}

/// Is a round: prints the microseconds of an entry.
pub(crate) fn child() -> Outcome<()> {
    let folder = PathBuf::from(std::env::var_os(FOLDER).ok_or("no folder")?);
    let busy = std::env::var(BUSY)? == "1";
    let mut random = Rng::new();
    let application = Connection::open(folder.join("application.db"))?;
    application.execute_batch("PRAGMA synchronous = OFF")?;
    // The application is there first, and has filled its cache.
    work(&application, &mut random, 2_000)?;
    let log = log(&folder)?;
    let mut spent = Duration::ZERO;
    for _ in 0..TIMES {
        if busy {
            work(&application, &mut random, TOUCHED)?;
        }
        let accounts: Vec<_> = (0..RECORDED).map(|_| account(&mut random)).collect();
        let start = Instant::now();
        for (old, new) in &accounts {
            let draft = log.updated(old, new).actor("alice");
            let receipt = draft.correlation_id("req-4711").record()?;
            assert!(receipt.is_recorded(), "{receipt:?}");
        }
        spent += start.elapsed();
    }
    println!(
        "{}",
        spent.as_secs_f64() * 1e6 / f64::from(TIMES * RECORDED)
    );
    Ok(())
}

/// What the application does: changes some rows and reads as many.
fn work(application: &Connection, random: &mut Rng, rows: usize) -> Outcome<()> {
    application.execute_batch("BEGIN IMMEDIATE")?;
    for _ in 0..rows {
        application
            .prepare_cached("UPDATE item SET number = number + 1 WHERE id = ?")?
            .execute([random.i64(0..ROWS)])?;
        let text: String = application
            .prepare_cached("SELECT text FROM item WHERE id = ?")?
            .query_row([random.i64(0..ROWS)], |row| row.get(0))?;
        std::hint::black_box(text);
    }
    application.execute_batch("COMMIT")?;
    Ok(())
}

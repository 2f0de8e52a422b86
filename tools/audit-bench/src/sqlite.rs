//! `sqlite`: the store beside raw SQL through rusqlite, on files of the same folder.
//!
//! The raw side has the same columns and indexes, so that both answer the same questions;
//! rows called `lean` have one index only, for comparison.

use std::error::Error;
use std::path::Path;
use std::time::Instant;

use auditlog::prelude::*;
use auditlog::sqlite::rusqlite::{Connection, Transaction, params};
use auditlog::sqlite::{append_in, install};

use crate::measure::{Budget, median, row};
use crate::model::Account;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Updates in one transaction, and how often each side does them.
const UPDATES: u32 = 2000;
const ROUNDS: usize = 15;
/// Commits of a round that waits for the disk.
const COMMITS: u32 = 200;
const THREADS: u32 = 16;

pub(crate) fn run() -> Outcome<()> {
    let place = tempfile::tempdir()?;
    in_one_transaction(place.path())?;
    durable(place.path())
}

/// A raw table of the same columns; `indexed` has the same indexes too.
fn raw_table(file: &Path, indexed: bool) -> Outcome<Connection> {
    let connection = open(file)?;
    connection.execute_batch(
        "CREATE TABLE entry (seq INTEGER PRIMARY KEY AUTOINCREMENT, id BLOB NOT NULL UNIQUE,
            ts INTEGER NOT NULL, level INTEGER NOT NULL, action TEXT NOT NULL,
            outcome TEXT NOT NULL, model TEXT NOT NULL, object_pk TEXT NOT NULL,
            parent_model TEXT, parent_pk TEXT, actor TEXT, correlation_id TEXT,
            transaction_id BLOB, body TEXT NOT NULL) STRICT;",
    )?;
    if indexed {
        connection.execute_batch(
            "CREATE INDEX entry_time ON entry (ts);
             CREATE INDEX entry_object ON entry (model, object_pk, ts);
             CREATE INDEX entry_model ON entry (model, ts);
             CREATE INDEX entry_actor ON entry (actor, ts) WHERE actor IS NOT NULL;
             CREATE INDEX entry_correlation ON entry (correlation_id, ts)
                WHERE correlation_id IS NOT NULL;
             CREATE TABLE change (field TEXT NOT NULL, ts INTEGER NOT NULL, seq INTEGER NOT NULL,
                PRIMARY KEY (field, ts, seq)) STRICT, WITHOUT ROWID;",
        )?;
    }
    Ok(connection)
}

fn open(file: &Path) -> Outcome<Connection> {
    let connection = Connection::open(file)?;
    connection.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
         CREATE TABLE account (id INTEGER PRIMARY KEY, email TEXT NOT NULL, logins INTEGER NOT NULL);
         INSERT INTO account VALUES (42, 'ann@example.com', 17);",
    )?;
    Ok(connection)
}

/// The business statement that is audited.
fn update_account(transaction: &Transaction<'_>, account: &Account) -> Outcome<()> {
    transaction
        .prepare_cached("UPDATE account SET email = ?, logins = ? WHERE id = ?")?
        .execute(params![account.email, account.logins, 42])?;
    Ok(())
}

/// The share of the audit in updates of one transaction: with it, less without it.
fn in_one_transaction(place: &Path) -> Outcome<()> {
    let log = AuditLog::builder().build();
    log.register::<Account>();
    let _who = auditlog::context()
        .actor("alice")
        .correlation_id("req-4711")
        .enter();
    let old = Account::sample();
    let states: Vec<Account> = (0..UPDATES)
        .map(|n| Account {
            email: format!("ann-{n}@example.com"),
            logins: i64::from(n) + 18,
            ..old.clone()
        })
        .collect();

    let mut plain = open(&place.join("plain.db"))?;
    let mut audited = open(&place.join("audited.db"))?;
    install(&audited)?;
    let mut raw = raw_table(&place.join("raw.db"), true)?;
    let mut lean = raw_table(&place.join("lean.db"), false)?;
    let mut times: [Vec<f64>; 4] = Default::default();
    for _ in 0..ROUNDS {
        times[0].push(round(&mut plain, &old, &states, |_, _, _| Ok(()))?);
        times[1].push(round(
            &mut audited,
            &old,
            &states,
            |transaction, old, new| match log.updated(old, new).into_entry()? {
                Some(entry) => Ok(append_in(transaction, std::slice::from_ref(&entry))?),
                None => Ok(()),
            },
        )?);
        times[2].push(round(&mut raw, &old, &states, |t, old, new| {
            by_hand(t, old, new, true)
        })?);
        times[3].push(round(&mut lean, &old, &states, |t, old, new| {
            by_hand(t, old, new, false)
        })?);
    }
    let [plain, audited, raw, lean] = times.map(median);
    let limit = Budget::Ratio(1.3);
    row(
        "sqlite/one-transaction/audit-share",
        audited - plain,
        raw - plain,
        "us",
        limit,
    );
    row(
        "sqlite/one-transaction/audit-share/lean",
        audited - plain,
        lean - plain,
        "us",
        Budget::None,
    );
    Ok(())
}

/// Updates an account in one transaction; returns microseconds an update, commit aside.
fn round(
    connection: &mut Connection,
    first: &Account,
    states: &[Account],
    audit: impl Fn(&Transaction<'_>, &Account, &Account) -> Outcome<()>,
) -> Outcome<f64> {
    let transaction = connection.transaction()?;
    let start = Instant::now();
    let mut before = first;
    for state in states {
        update_account(&transaction, state)?;
        audit(&transaction, before, state)?;
        before = state;
    }
    let spent = start.elapsed().as_secs_f64() * 1e6 / f64::from(UPDATES);
    transaction.commit()?;
    Ok(spent)
}

/// Diff, JSON and INSERT, written for this one type.
fn by_hand(connection: &Connection, old: &Account, new: &Account, indexed: bool) -> Outcome<()> {
    let mut changes = serde_json::Map::new();
    if old.email != new.email {
        changes.insert(
            "email".to_owned(),
            serde_json::json!({"old": old.email, "new": new.email}),
        );
    }
    if old.logins != new.logins {
        changes.insert(
            "logins".to_owned(),
            serde_json::json!({"old": old.logins, "new": new.logins}),
        );
    }
    // What is not looked at cannot be recorded.
    if old.username != new.username
        || old.bio != new.bio
        || old.phone != new.phone
        || old.first_name != new.first_name
        || old.last_name != new.last_name
        || old.active != new.active
        || old.last_login != new.last_login
        || old.status != new.status
        || old.balance.to_bits() != new.balance.to_bits()
    {
        return Err("a field that this test does not change".into());
    }
    let entry = LogEntry::new("update", "Account", "42", &new.username);
    let body = serde_json::json!({
        "action": "update", "actor": {"id": "alice", "kind": "user"}, "changes": changes,
        "correlation_id": "req-4711", "id": entry.id, "level": "INFO", "model": "Account",
        "object_pk": "42", "object_repr": new.username, "outcome": "success",
        "schema_version": 1, "timestamp": entry.timestamp, "v": 1,
    });
    insert(connection, &entry, &body.to_string())?;
    if indexed {
        let seq = connection.last_insert_rowid();
        let mut statement =
            connection.prepare_cached("INSERT INTO change (field, ts, seq) VALUES (?, ?, ?)")?;
        for field in changes.keys() {
            statement.execute(params![field, entry.timestamp.timestamp_micros(), seq])?;
        }
    }
    Ok(())
}

fn insert(connection: &Connection, entry: &LogEntry, body: &str) -> Outcome<()> {
    connection
        .prepare_cached(
            "INSERT INTO entry (id, ts, level, action, outcome, model, object_pk, actor,
             correlation_id, body) VALUES (?, ?, 20, 'update', 'success', 'Account', '42',
             'alice', 'req-4711', ?)",
        )?
        .execute(params![
            &entry.id.as_bytes()[..],
            entry.timestamp.timestamp_micros(),
            body
        ])?;
    Ok(())
}

/// Entries that wait for the disk: one thread beside a raw commit each, sixteen beside raw
/// batches of a thousand.
fn durable(place: &Path) -> Outcome<()> {
    let log = AuditLog::builder()
        .store(SqliteStore::open(place.join("store.db"))?)
        .build();
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
    let raw = raw_table(&place.join("raw-durable.db"), true)?;
    let raw_batch = |size: u32| -> Outcome<()> {
        raw.execute_batch("BEGIN IMMEDIATE")?;
        (0..size).try_for_each(|_| by_hand(&raw, &old, &new, true))?;
        raw.execute_batch("COMMIT")?;
        Ok(())
    };
    let mut times: [Vec<f64>; 5] = Default::default();
    for _ in 0..ROUNDS {
        times[0].push(per_second(COMMITS, || {
            for _ in 0..COMMITS {
                recorded(draft().record()?);
            }
            Ok(())
        })?);
        times[1].push(per_second(COMMITS, || {
            (0..COMMITS).try_for_each(|_| raw_batch(1))
        })?);
        times[2].push(per_second(COMMITS * THREADS, || {
            on_threads(|| {
                for _ in 0..COMMITS {
                    recorded(draft().record()?);
                }
                Ok(())
            })
        })?);
        times[3].push(per_second(COMMITS * THREADS, || {
            on_threads(|| {
                let tickets: Vec<_> = (0..COMMITS).map(|_| draft().submit()).collect();
                for ticket in tickets {
                    recorded(ticket.wait()?);
                }
                Ok(())
            })
        })?);
        times[4].push(per_second(COMMITS * THREADS, || {
            let mut left = COMMITS * THREADS;
            while left > 0 {
                let size = left.min(1000);
                raw_batch(size)?;
                left -= size;
            }
            Ok(())
        })?);
    }
    let [one, raw_one, many, submitted, raw_batches] = times.map(median);
    let least = Budget::AtLeast(0.8);
    row("sqlite/durable/1-thread", one, raw_one, "/s", least);
    row(
        "sqlite/durable/16-threads/record",
        many,
        raw_batches,
        "/s",
        least,
    );
    row(
        "sqlite/durable/16-threads/submit",
        submitted,
        raw_batches,
        "/s",
        least,
    );
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

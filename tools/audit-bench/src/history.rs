//! `history`: questions to a file of a million entries, beside raw SQL through rusqlite on the
//! same file and the same connection settings.
//!
//! The raw side knows the tables, uses their indexes, and reads each entry's JSON into a
//! `serde_json::Value`; folding a history, it merges the `new` values of the changes into an
//! object, which is right for these flat accounts only. Rows called `rows` have raw SQL that
//! fetches the JSON and does not read it.

pub(crate) mod generate;
mod transfer;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::Instant;

use auditlog::prelude::*;
use auditlog::sqlite::Durability;
use auditlog::sqlite::rusqlite::{Connection, Params, params_from_iter};
use auditlog::{ObjectRef, Query};
use chrono::TimeDelta;
use serde_json::{Map, Value};

use crate::measure::{Budget, compare, median, row};

pub(crate) type Outcome<T> = Result<T, Box<dyn Error>>;

/// Rounds of what takes seconds.
const ROUNDS: usize = 3;

/// Makes a file with a number of entries, which stays for the next run.
pub(crate) fn file(entries: usize) -> Outcome<PathBuf> {
    let file = std::env::temp_dir().join(format!(
        "auditlog-bench-{}-{entries}.db",
        env!("CARGO_PKG_VERSION"),
    ));
    if !file.exists() {
        let unfinished = file.with_extension("part");
        for left in ["part", "part-wal", "part-shm"] {
            let _: Result<(), _> = std::fs::remove_file(file.with_extension(left));
        }
        let start = Instant::now();
        let store = SqliteStore::options()
            .durability(Durability::Relaxed)
            .open(&unfinished)?;
        // The file of the default count is as a service would leave it. Of a larger one, the
        // indexes are built at the end: row by row, 10 million take half an hour.
        let indexes = if entries > generate::ENTRIES {
            remove_indexes(&unfinished)?
        } else {
            Vec::new()
        };
        generate::fill(&store, entries)?;
        store.close()?;
        let raw = Connection::open(&unfinished)?;
        for index in indexes {
            raw.execute_batch(&index)?;
        }
        raw.close().map_err(|(_, error)| error)?;
        std::fs::rename(&unfinished, &file)?;
        eprintln!(
            "made {} in {:.0} s; it stays for the next run",
            file.display(),
            start.elapsed().as_secs_f64()
        );
    }
    Ok(file)
}

/// Removes the indexes that the schema creates by statements of their own, and returns the statements.
fn remove_indexes(file: &Path) -> Outcome<Vec<String>> {
    let raw = Connection::open(file)?;
    let sql = "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL";
    let indexes: Vec<(String, String)> = raw
        .prepare(sql)?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    for (name, _) in &indexes {
        raw.execute_batch(&format!("DROP INDEX \"{name}\""))?;
    }
    Ok(indexes.into_iter().map(|(_, sql)| sql).collect())
}

/// Opens the file for raw SQL.
pub(crate) fn raw(file: &Path) -> Outcome<Connection> {
    let raw = Connection::open(file)?;
    raw.execute_batch("PRAGMA query_only = 1; PRAGMA mmap_size = 0;")?;
    Ok(raw)
}

pub(crate) fn run() -> Outcome<()> {
    let file = file(generate::ENTRIES)?;
    let log = AuditLog::builder()
        .store(SqliteStore::options().read_only().open(&file)?)
        .build();
    let raw = raw(&file)?;

    size(&file, &raw)?;
    points(&log, &raw)?;
    states(&log, &raw)?;
    transfer::run(&log, &raw)?;
    memory(&file)
}

/// Bytes an entry, beside the bytes of its JSON.
fn size(file: &Path, raw: &Connection) -> Outcome<()> {
    #[expect(
        clippy::cast_precision_loss,
        reason = "a file has less than 2^52 bytes"
    )]
    let bytes = std::fs::metadata(file)?.len() as f64;
    let (count, json): (f64, f64) = raw.query_row(
        "SELECT CAST(count(*) AS REAL), CAST(sum(length(body)) AS REAL) FROM audit_entry",
        [],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    row(
        "history/bytes-per-entry",
        bytes / count,
        json / count,
        "B",
        Budget::None,
    );
    Ok(())
}

/// Answers that are small.
fn points(log: &AuditLog, raw: &Connection) -> Outcome<()> {
    let day = generate::start() + TimeDelta::days(100);
    let (since, until) = (micros(day), micros(day + TimeDelta::days(1)));
    let cases: [(&str, Query, &str, &[i64]); 6] = [
        (
            "object-history",
            log.query().model_name("Account").object_pk(4711),
            "SELECT body FROM audit_entry WHERE model = 'Account' AND object_pk = '4711'
             ORDER BY ts, id",
            &[],
        ),
        (
            "last-50",
            log.query().newest_first().limit(50),
            "SELECT body FROM audit_entry ORDER BY ts DESC, id DESC LIMIT 50",
            &[],
        ),
        (
            "models-last-50",
            log.query().model_name("Account").newest_first().limit(50),
            "SELECT body FROM audit_entry WHERE model = 'Account'
             ORDER BY ts DESC, id DESC LIMIT 50",
            &[],
        ),
        (
            "actors-day",
            log.query()
                .actor("actor-7")
                .since(day)
                .until(day + TimeDelta::days(1)),
            "SELECT body FROM audit_entry WHERE actor = 'actor-7' AND ts >= ?1 AND ts < ?2
             ORDER BY ts, id",
            &[since, until],
        ),
        (
            "correlation-id",
            log.query().correlation_id("req-4711"),
            "SELECT body FROM audit_entry WHERE correlation_id = 'req-4711' ORDER BY ts, id",
            &[],
        ),
        (
            "rare-field-last-50",
            log.query().changed("phone").newest_first().limit(50),
            "SELECT e.body FROM audit_change AS c JOIN audit_entry AS e ON e.seq = c.seq
             WHERE c.field = 'phone' ORDER BY c.ts DESC, e.id DESC LIMIT 50",
            &[],
        ),
    ];
    for (name, query, sql, params) in &cases {
        let read = || texts(raw, sql, params_from_iter(*params));
        let ours = query.clone().all()?.len();
        let theirs = read()?.len();
        if ours != theirs || ours == 0 {
            return Err(format!("{name}: {ours} entries beside {theirs} rows").into());
        }
        compare(
            &format!("history/{name}"),
            Budget::Ratio(1.5),
            || query.clone().all().map(|entries| entries.len()).ok(),
            || {
                read()
                    .map(|texts| parsed(&texts).map(|values| values.len()).ok())
                    .ok()
            },
        );
        compare(
            &format!("history/{name}/rows"),
            Budget::None,
            || query.clone().all().map(|entries| entries.len()).ok(),
            || read().map(|texts| texts.len()).ok(),
        );
    }
    Ok(())
}

pub(crate) fn texts(raw: &Connection, sql: &str, params: impl Params) -> Outcome<Vec<String>> {
    let mut statement = raw.prepare_cached(sql)?;
    let rows = statement.query_map(params, |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(crate) fn parsed(texts: &[String]) -> Outcome<Vec<Value>> {
    Ok(texts
        .iter()
        .map(|text| serde_json::from_str(text))
        .collect::<Result<_, _>>()?)
}

pub(crate) fn micros(time: chrono::DateTime<chrono::Utc>) -> i64 {
    time.timestamp_micros()
}

/// Merges the new values of an entry's changes into a state.
pub(crate) fn fold(state: &mut Map<String, Value>, mut entry: Value) {
    let Some(Value::Object(changes)) = entry.get_mut("changes").map(Value::take) else {
        return;
    };
    for (field, mut change) in changes {
        match change.get_mut("new").map(Value::take) {
            Some(new) => state.insert(field, new),
            None => state.remove(&field),
        };
    }
}

/// What objects were.
fn states(log: &AuditLog, raw: &Connection) -> Outcome<()> {
    let busy = ObjectRef::new("Account", generate::BUSY);
    let history = log.history_of(busy.clone())?;
    let Some(entry) = history.entries().get(999) else {
        return Err("the busy account has less than 1,000 versions".into());
    };
    let time = entry.timestamp;
    let by_hand = || -> Outcome<Map<String, Value>> {
        let texts = texts(
            raw,
            "SELECT body FROM audit_entry WHERE model = 'Account' AND object_pk = 'busy'
             AND ts <= ?1 ORDER BY ts, id",
            [micros(time)],
        )?;
        let mut state = Map::new();
        for entry in parsed(&texts)? {
            fold(&mut state, entry);
        }
        Ok(state)
    };
    if log.object_as_of(&busy, time)?.state != Value::Object(by_hand()?) {
        return Err("two states of version 1,000".into());
    }
    compare(
        "history/as-of-version-1000",
        Budget::Ratio(1.5),
        || log.object_as_of(&busy, time).ok(),
        || by_hand().ok(),
    );

    let middle = generate::start() + TimeDelta::days(30);
    let mut times: [Vec<f64>; 2] = Default::default();
    for _ in 0..ROUNDS {
        let start = Instant::now();
        let mut ours = 0;
        for state in log.states(log.query().model_name("Account"), middle)? {
            std::hint::black_box(state?);
            ours += 1;
        }
        times[0].push(start.elapsed().as_secs_f64() * 1e3);
        let start = Instant::now();
        let theirs = whole_model_by_hand(raw, micros(middle))?;
        times[1].push(start.elapsed().as_secs_f64() * 1e3);
        if ours != theirs {
            return Err(format!("{ours} states beside {theirs}").into());
        }
    }
    let [ours, reference] = times.map(median);
    row(
        "history/as-of-whole-model",
        ours,
        reference,
        "ms",
        Budget::Ratio(1.5),
    );
    Ok(())
}

fn whole_model_by_hand(raw: &Connection, until: i64) -> Outcome<usize> {
    let mut statement = raw.prepare_cached(
        "SELECT object_pk, body FROM audit_entry WHERE model = 'Account' AND ts <= ?1
         ORDER BY object_pk, ts, id",
    )?;
    let mut rows = statement.query([until])?;
    let mut objects = 0;
    let mut current = String::new();
    let mut state = Map::new();
    while let Some(row) = rows.next()? {
        let pk = row.get_ref(0)?.as_str()?;
        if pk != current {
            objects += usize::from(!current.is_empty());
            std::hint::black_box(std::mem::take(&mut state));
            pk.clone_into(&mut current);
        }
        fold(&mut state, serde_json::from_str(row.get_ref(1)?.as_str()?)?);
    }
    std::hint::black_box(state);
    Ok(objects + usize::from(!current.is_empty()))
}

/// The most memory that reading all entries one by one takes, in a process of its own.
fn memory(file: &Path) -> Outcome<()> {
    let child = std::process::Command::new(std::env::current_exe()?)
        .arg("iterate")
        .env(ITERATE, file)
        .output()?;
    if !child.status.success() {
        return Err(String::from_utf8_lossy(&child.stderr).into_owned().into());
    }
    let peak: f64 = String::from_utf8_lossy(&child.stdout).trim().parse()?;
    row(
        "history/iter-peak-memory",
        peak / 1024.0,
        64.0,
        "MiB",
        Budget::Value(64.0),
    );
    Ok(())
}

/// Which file the process of [`memory`] reads.
const ITERATE: &str = "AUDITLOG_BENCH_ITERATE";

/// Reads all entries of the file one by one, and prints the most memory this process had, in
/// KiB, as the kernel tells it.
pub(crate) fn iterate() -> Outcome<()> {
    let file = std::env::var(ITERATE)?;
    let store = SqliteStore::options().read_only().open(file)?;
    let mut count = 0;
    for entry in store.query().iter()? {
        std::hint::black_box(entry?);
        count += 1;
    }
    if count != generate::ENTRIES {
        return Err(format!("{count} entries").into());
    }
    let status = std::fs::read_to_string("/proc/self/status")?;
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .and_then(|rest| rest.split_whitespace().next())
        .ok_or("the kernel does not tell the peak memory")?;
    println!("{peak}");
    Ok(())
}

//! Export and import of all entries.

use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::Path;
use std::time::Instant;

use auditlog::prelude::*;
use auditlog::sqlite::Durability;
use auditlog::sqlite::rusqlite::{Connection, params};
use auditlog::{LogEntry, Store};

use super::{Outcome, ROUNDS, generate};
use crate::measure::{Budget, median, row};
use sha2::{Digest as _, Sha256};

/// How many entries an import has.
const IMPORTED: usize = 100_000;
/// How many entries a transaction of an import has.
const BATCH: usize = 1_000;

pub(super) fn run(log: &AuditLog, raw: &Connection) -> Outcome<()> {
    let place = tempfile::tempdir()?;
    let lines = place.path().join("entries.jsonl");
    let mut times: [Vec<f64>; 4] = Default::default();
    for round in 0..ROUNDS {
        times[0].push(per_second(generate::ENTRIES, || export(log, &lines))?);
        let by_hand = place.path().join("raw.jsonl");
        times[1].push(per_second(generate::ENTRIES, || {
            export_by_hand(raw, &by_hand)
        })?);
        if std::fs::metadata(&lines)?.len() != std::fs::metadata(&by_hand)?.len() {
            return Err("two exports of one trail".into());
        }
        let ours = place.path().join(format!("ours-{round}.db"));
        times[2].push(per_second(IMPORTED, || import(&lines, &ours))?);
        let theirs = place.path().join(format!("theirs-{round}.db"));
        times[3].push(per_second(IMPORTED, || import_by_hand(&lines, &theirs))?);
    }
    let [export, raw_export, import, raw_import] = times.map(median);
    let least = Budget::AtLeast(0.7);
    row("history/export", export, raw_export, "/s", least);
    row("history/import", import, raw_import, "/s", least);
    Ok(())
}

/// What `auditlog export` does: each entry in its canonical form, oldest first.
fn export(log: &AuditLog, file: &Path) -> Outcome<()> {
    let mut out = BufWriter::new(std::fs::File::create(file)?);
    log.store().export(&log.query(), &mut |line| {
        out.write_all(line.as_bytes())?;
        out.write_all(b"\n")
    })?;
    out.flush()?;
    Ok(())
}

fn export_by_hand(raw: &Connection, file: &Path) -> Outcome<()> {
    let mut out = BufWriter::new(std::fs::File::create(file)?);
    let mut statement = raw.prepare("SELECT body FROM audit_entry ORDER BY ts, id")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        out.write_all(row.get_ref(0)?.as_str()?.as_bytes())?;
        out.write_all(b"\n")?;
    }
    out.flush()?;
    Ok(())
}

/// What `auditlog import` does: reads and checks each line, and appends in batches.
fn import(lines: &Path, file: &Path) -> Outcome<()> {
    let store = SqliteStore::options()
        .durability(Durability::Relaxed)
        .checkpoint_pages(16_000)
        .open(file)?;
    let mut batch: Vec<LogEntry> = Vec::with_capacity(BATCH);
    for line in BufReader::new(std::fs::File::open(lines)?)
        .lines()
        .take(IMPORTED)
    {
        batch.push(LogEntry::from_json(&line?)?);
        if batch.len() == BATCH {
            store.append(&batch)?;
            batch.clear();
        }
    }
    store.append(&batch)?;
    store.close()?;
    Ok(())
}

/// Reads each line into a `Value` and inserts it into the same tables.
fn import_by_hand(lines: &Path, file: &Path) -> Outcome<()> {
    SqliteStore::open(file)?.close()?;
    let connection = Connection::open(file)?;
    connection.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL")?;
    let lines = BufReader::new(std::fs::File::open(lines)?).lines();
    let mut open = 0;
    for line in lines.take(IMPORTED) {
        if open == 0 {
            connection.execute_batch("BEGIN IMMEDIATE")?;
        }
        insert(&connection, &line?)?;
        open += 1;
        if open == BATCH {
            connection.execute_batch("COMMIT")?;
            open = 0;
        }
    }
    if open > 0 {
        connection.execute_batch("COMMIT")?;
    }
    Ok(())
}

fn insert(connection: &Connection, line: &str) -> Outcome<()> {
    let entry: serde_json::Value = serde_json::from_str(line)?;
    let text = |field: &str| entry.get(field).and_then(serde_json::Value::as_str);
    let id: uuid::Uuid = text("id").ok_or("no id")?.parse()?;
    let time: chrono::DateTime<chrono::Utc> = text("timestamp").ok_or("no time")?.parse()?;
    connection
        .prepare_cached(
            "INSERT INTO audit_entry (id, ts, level, action, outcome, model, object_pk, actor,
             correlation_id, checksum, body) VALUES (?, ?, 20, ?, 'success', ?, ?, ?, ?, ?, ?)",
        )?
        .execute(params![
            &id.as_bytes()[..],
            time.timestamp_micros(),
            text("action"),
            text("model"),
            text("object_pk"),
            entry["actor"]["id"].as_str(),
            text("correlation_id"),
            &Sha256::digest(line)[..],
            line
        ])?;
    let seq = connection.last_insert_rowid();
    let mut statement =
        connection.prepare_cached("INSERT INTO audit_change (field, ts, seq) VALUES (?, ?, ?)")?;
    if let Some(changes) = entry["changes"].as_object() {
        for field in changes.keys() {
            statement.execute(params![field, time.timestamp_micros(), seq])?;
        }
    }
    Ok(())
}

fn per_second(entries: usize, work: impl FnOnce() -> Outcome<()>) -> Outcome<f64> {
    let start = Instant::now();
    work()?;
    #[expect(clippy::cast_precision_loss, reason = "a count below 2^52")]
    Ok(entries as f64 / start.elapsed().as_secs_f64())
}

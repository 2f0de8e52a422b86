//! Batches, beside raw `unnest` and `COPY`.

use std::pin::pin;
use std::time::Instant;

use auditlog::postgres::PostgresStore;
use auditlog::{LogEntry, Store as _};
use tokio_postgres::Statement;
use tokio_postgres::binary_copy::BinaryCopyInWriter;

use super::raw::{COLUMNS, Jsonb, Raw, RawRow};
use crate::history::{Outcome, generate};
use crate::measure::{Budget, median, row};

const ROUNDS: usize = 9;
/// Entries of a batch, and batches of a round.
const BATCH: usize = 1_000;
const BATCHES: usize = 10;
/// Entries of an import.
const IMPORTED: usize = 40_000;

pub(super) fn run(store: &PostgresStore, raw: &Raw) -> Outcome<()> {
    // As if they were made now: their ids have a month.
    let now = chrono::DateTime::<chrono::Utc>::from(std::time::SystemTime::now());
    let past = now - generate::start();
    let mut trail = generate::trail().map(|mut entry| {
        let (high, low) = entry.id.as_u64_pair();
        let millis = past.num_milliseconds().cast_unsigned();
        entry.id = uuid::Uuid::from_u64_pair(high + (millis << 16), low);
        entry.timestamp += past;
        entry
    });
    let unnest = ["raw", "lean"].map(|table| raw.prepare(&unnest(table)));
    let [unnest, lean] = unnest;
    let (unnest, lean) = (unnest?, lean?);
    let mut times: [Vec<f64>; 6] = Default::default();
    for _ in 0..ROUNDS {
        let mut batches =
            |count: usize, size: usize, work: &dyn Fn(Vec<LogEntry>) -> Outcome<()>| {
                let batches: Vec<Vec<LogEntry>> = (0..count)
                    .map(|_| trail.by_ref().take(size).collect())
                    .collect();
                per_second(count * size, || batches.into_iter().try_for_each(work))
            };
        times[0].push(batches(BATCHES, BATCH, &|batch| Ok(store.append(&batch)?))?);
        times[1].push(batches(BATCHES, BATCH, &|batch| {
            insert(raw, &unnest, &batch)
        })?);
        times[2].push(batches(BATCHES, BATCH, &|batch| {
            insert(raw, &lean, &batch)
        })?);
        times[3].push(batches(1, IMPORTED, &|batch| {
            store.import(batch)?;
            Ok(())
        })?);
        times[4].push(batches(1, IMPORTED, &|batch| copy(raw, "raw", &batch))?);
        times[5].push(batches(1, IMPORTED, &|batch| copy(raw, "lean", &batch))?);
    }
    let [append, unnest, unnest_lean, import, copy, copy_lean] = times.map(median);
    let least = Budget::AtLeast(0.8);
    row("postgres/batch/unnest", append, unnest, "/s", least);
    row(
        "postgres/batch/unnest/lean",
        append,
        unnest_lean,
        "/s",
        Budget::None,
    );
    row("postgres/batch/copy", import, copy, "/s", least);
    row(
        "postgres/batch/copy/lean",
        import,
        copy_lean,
        "/s",
        Budget::None,
    );
    Ok(())
}

/// An array of rows' fields cannot be unnested; the fields come as texts with commas.
pub(super) fn unnest(table: &str) -> String {
    format!(
        "INSERT INTO {table} ({COLUMNS})
         SELECT g.id, g.ts, g.level, g.action, g.outcome, g.model, g.object_pk, NULL, NULL,
             g.actor, g.correlation_id, NULL, string_to_array(g.fields, ','), g.changes, g.body, g.checksum
         FROM unnest($1::uuid[], $2::bigint[], $3::smallint[], $4::text[], $5::text[], $6::text[],
             $7::text[], $8::text[], $9::text[], $10::text[], $11::jsonb[], $12::text[], $13::bytea[])
             AS g(id, ts, level, action, outcome, model, object_pk, actor, correlation_id, fields,
                  changes, body, checksum)"
    )
}

pub(super) fn insert(raw: &Raw, statement: &Statement, entries: &[LogEntry]) -> Outcome<()> {
    fn column<'r, T>(rows: &'r [RawRow], value: impl Fn(&'r RawRow) -> T) -> Vec<T> {
        rows.iter().map(value).collect()
    }
    let rows: Vec<RawRow> = entries.iter().map(RawRow::of).collect::<Result<_, _>>()?;
    let fields = column(&rows, |row| row.fields.join(","));
    let inserted = raw.wait(raw.client.execute(
        statement,
        &[
            &column(&rows, |row| row.id),
            &column(&rows, |row| row.ts),
            &column(&rows, |row| row.level),
            &column(&rows, |row| row.action.as_str()),
            &column(&rows, |row| row.outcome),
            &column(&rows, |row| row.model.as_str()),
            &column(&rows, |row| row.object_pk.as_str()),
            &column(&rows, |row| row.actor.as_deref()),
            &column(&rows, |row| row.correlation_id.as_deref()),
            &fields,
            &column(&rows, |row| Jsonb(&row.changes)),
            &column(&rows, |row| row.body.as_str()),
            &column(&rows, |row| row.checksum.as_slice()),
        ],
    ))?;
    assert_eq!(inserted, entries.len() as u64);
    Ok(())
}

fn copy(raw: &Raw, table: &str, entries: &[LogEntry]) -> Outcome<()> {
    raw.wait(async {
        let sink = raw
            .client
            .copy_in(&format!(
                "COPY {table} (id, ts, level, action, outcome, model, object_pk, actor,
                 correlation_id, fields, changes, body, checksum) FROM STDIN (FORMAT binary)"
            ))
            .await?;
        let mut writer = pin!(BinaryCopyInWriter::new(sink, &RawRow::TYPES));
        for entry in entries {
            let row = RawRow::of(entry)?;
            let changes = Jsonb(&row.changes);
            writer.as_mut().write(&row.params(&changes)).await?;
        }
        writer.finish().await?;
        Ok(())
    })
}

pub(super) fn per_second(entries: usize, work: impl FnOnce() -> Outcome<()>) -> Outcome<f64> {
    let start = Instant::now();
    work()?;
    #[expect(clippy::cast_precision_loss, reason = "a count below 2^52")]
    Ok(entries as f64 / start.elapsed().as_secs_f64())
}

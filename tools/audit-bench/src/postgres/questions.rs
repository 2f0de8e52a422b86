//! Questions to a trail of a million entries, beside raw SQL on the same tables.
//!
//! The raw side knows the tables and their indexes, has prepared its statement, and reads each
//! entry's JSON into a `serde_json::Value`.
//!
//! Where the system puts the processes of two connections has a part in how long a small answer
//! takes, for as long as the connections are there, although all cores are kept awake. So there are
//! several sittings, each with connections of its own, and a row is the sitting whose ratio is the
//! median.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::Instant;

use audit_testbed::PostgresServer;
use auditlog::postgres::PostgresStore;
use auditlog::prelude::*;
use auditlog::{ObjectRef, Query, Store as _};
use chrono::TimeDelta;
use serde_json::{Map, Value};
use tokio_postgres::Statement;
use tokio_postgres::types::ToSql;

use super::awake::Awake;
use super::raw::Raw;
use crate::history::{Outcome, fold, generate, micros, parsed};
use crate::measure::{Budget, medians, row};

/// Where the trail is kept between runs, so that it is made once.
const SCHEMA: &str = "audit_bench_history";

/// How often both sides ask before they are timed: the server plans a prepared statement anew five
/// times, and loads what it knows of each partition when it is first asked of one.
const WARM_UP: usize = 10;

/// How many times connections are made, and the rounds that each row has with them.
const SITTINGS: usize = 15;
const ROUNDS: usize = 7;

type Params<'p> = &'p [&'p (dyn ToSql + Sync)];

/// The medians of both sides, by the row's name and sitting.
type Sittings = BTreeMap<&'static str, Vec<[f64; 2]>>;

pub(super) fn run(server: &PostgresServer) -> Outcome<()> {
    let _awake = Awake::keep();
    let mut sittings = Sittings::new();
    for _ in 0..SITTINGS {
        let store = PostgresStore::options()
            .schema(SCHEMA)
            .connect(server.url())?;
        let raw = Raw::connect(server.url())?;
        raw.run(&format!("SET search_path = {SCHEMA}, pg_catalog"))?;
        raw.run("SET jit = off")?;
        fill(&store, &raw)?;
        let log = AuditLog::builder().store(store).build();
        points(&log, &raw, &mut sittings)?;
        state(&log, &raw, &mut sittings)?;
        log.shutdown()?;
    }
    for (name, mut times) in sittings {
        times.sort_by(|one, other| (one[0] / one[1]).total_cmp(&(other[0] / other[1])));
        let [ours, reference] = times[times.len() / 2];
        let name = format!("postgres/{name}");
        row(&name, ours, reference, "ns", Budget::Ratio(1.3));
    }
    Ok(())
}

fn fill(store: &PostgresStore, raw: &Raw) -> Outcome<()> {
    if store.count(&Query::new())? == generate::ENTRIES as u64 {
        return Ok(());
    }
    let start = Instant::now();
    for month in 0..12 {
        let day = generate::start() + TimeDelta::days(30 * month);
        raw.run(&format!(
            "SELECT audit_add_partition(date '{}')",
            day.format("%Y-%m-%d")
        ))?;
    }
    store.import(generate::trail().take(generate::ENTRIES))?;
    raw.run("ANALYZE audit_entry")?;
    // What autovacuum does after a while: index-only scans and the list of the index of fields.
    raw.run("VACUUM audit_entry")?;
    eprintln!(
        "made the schema {SCHEMA} in {:.0} s; it stays for the next run",
        start.elapsed().as_secs_f64()
    );
    Ok(())
}

/// Answers that are small.
fn points(log: &AuditLog, raw: &Raw, sittings: &mut Sittings) -> Outcome<()> {
    let day = generate::start() + TimeDelta::days(100);
    let (since, until) = (micros(day), micros(day + TimeDelta::days(1)));
    let cases: [(&'static str, Query, &str, Params<'_>); 6] = [
        (
            "object-history",
            log.query().model_name("Account").object_pk(4711),
            "SELECT body FROM audit_entry WHERE model = $1 AND object_pk = $2 ORDER BY ts, id",
            &[&"Account", &"4711"],
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
            "SELECT body FROM audit_entry WHERE model = $1 ORDER BY ts DESC, id DESC LIMIT 50",
            &[&"Account"],
        ),
        (
            "actors-day",
            log.query()
                .actor("actor-7")
                .since(day)
                .until(day + TimeDelta::days(1)),
            "SELECT body FROM audit_entry WHERE actor = $1 AND ts >= $2 AND ts < $3
             ORDER BY ts, id",
            &[&"actor-7", &since, &until],
        ),
        (
            "correlation-id",
            log.query().correlation_id("req-4711"),
            "SELECT body FROM audit_entry WHERE correlation_id = $1 ORDER BY ts, id",
            &[&"req-4711"],
        ),
        (
            "rare-field-last-50",
            log.query().changed("phone").newest_first().limit(50),
            "SELECT body FROM audit_entry WHERE fields @> $1
             ORDER BY ts DESC, id DESC LIMIT 50",
            &[&&["phone"][..]],
        ),
    ];
    for (name, query, sql, params) in &cases {
        let statement = raw.prepare(sql)?;
        let ours = query.clone().all()?.len();
        let theirs = texts(raw, &statement, params)?.len();
        if ours != theirs || ours == 0 {
            return Err(format!("{name}: {ours} entries beside {theirs} rows").into());
        }
        let ask = || query.clone().all().map(|entries| entries.len()).ok();
        let ask_by_hand = || {
            texts(raw, &statement, params)
                .and_then(|texts| parsed(&texts))
                .ok()
        };
        for _ in 0..WARM_UP {
            black_box((ask(), ask_by_hand()));
        }
        let times = medians(ROUNDS, ask, ask_by_hand);
        sittings.entry(name).or_default().push(times);
    }
    Ok(())
}

fn texts(raw: &Raw, statement: &Statement, params: Params<'_>) -> Outcome<Vec<String>> {
    let rows = raw.query(statement, params)?;
    Ok(rows
        .iter()
        .map(|row| row.try_get(0))
        .collect::<Result<_, _>>()?)
}

/// What the object was that changed most.
fn state(log: &AuditLog, raw: &Raw, sittings: &mut Sittings) -> Outcome<()> {
    let busy = ObjectRef::new("Account", generate::BUSY);
    let history = log.history_of(busy.clone())?;
    let Some(entry) = history.entries().get(999) else {
        return Err("the busy account has less than 1,000 versions".into());
    };
    let time = entry.timestamp;
    let statement = raw.prepare(
        "SELECT body FROM audit_entry WHERE model = 'Account' AND object_pk = 'busy'
         AND ts <= $1 ORDER BY ts, id",
    )?;
    let by_hand = || -> Outcome<Map<String, Value>> {
        let texts = texts(raw, &statement, &[&micros(time)])?;
        let mut state = Map::new();
        for entry in parsed(&texts)? {
            fold(&mut state, entry);
        }
        Ok(state)
    };
    if log.object_as_of(&busy, time)?.state != Value::Object(by_hand()?) {
        return Err("two states of version 1,000".into());
    }
    let times = medians(
        ROUNDS,
        || log.object_as_of(&busy, time).ok(),
        || by_hand().ok(),
    );
    sittings
        .entry("as-of-version-1000")
        .or_default()
        .push(times);
    Ok(())
}

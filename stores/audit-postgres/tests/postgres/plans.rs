//! Each question people ask is answered through an index, on a table of 120,000 entries in
//! four months.

use audit_core::{Action, Level, LogEntry, ObjectRef, Outcome, Query, Store};
use audit_postgres::PostgresStore;
use audit_testkit::entries;
use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use crate::Test;
use crate::scratch::{Scratch, Sql};

pub(crate) const TESTS: &[Test] = tests![every_question_has_an_index];

const ENTRIES: usize = 120_000;
const MONTHS: [&str; 4] = ["2026_01", "2026_02", "2026_03", "2026_04"];

/// Entries over four months, of 4 models, 2,000 objects and 50 actors.
fn fill(store: &PostgresStore) -> DateTime<Utc> {
    let begin: DateTime<Utc> = "2026-01-01T00:00:00Z".parse().unwrap();
    let step = TimeDelta::days(119) / i32::try_from(ENTRIES).unwrap();
    let mut time = begin;
    for (number, mut batch) in
        (0..ENTRIES / 2_000).map(|seed| (seed, entries(2_000, 900 + seed as u64)))
    {
        for (at, entry) in batch.iter_mut().enumerate() {
            let number = number * 2_000 + at;
            time += step;
            entry.timestamp = time;
            entry.id = id(time, number);
            entry.object_pk = (number * 7 % 500).to_string();
            entry.correlation_id = Some(format!("req-{}", number / 3));
            entry.transaction_id =
                (number % 5 == 0).then(|| Uuid::from_u64_pair(7, number as u64 / 40));
            // Most entries are routine.
            (entry.level, entry.outcome, entry.action) =
                (Level::Info, Outcome::Success, Action::Update);
            if number % 700 == 0 {
                (entry.level, entry.outcome) = (Level::Error, Outcome::Failure);
            }
            if number % 900 == 0 {
                entry.action = "exported".into();
            }
            if let Some(actor) = &mut entry.actor {
                actor.id = format!("user-{}", number % 50);
            }
            // A field that seldom changes, and one that often does.
            if number % 1_000 == 0 {
                rename_field(entry, "iban");
            }
        }
        store.append(&batch).unwrap();
    }
    begin
}

fn rename_field(entry: &mut LogEntry, name: &str) {
    let change = audit_core::Change::new(name.parse().unwrap(), None, Some("x".into()));
    entry.changes = [change].into_iter().collect();
}

fn id(time: DateTime<Utc>, number: usize) -> Uuid {
    let millis = time.timestamp_millis().cast_unsigned();
    Uuid::from_u64_pair((millis << 16) | 0x7000, (0b10 << 62) | number as u64)
}

/// A question, its query, and the indexes that may answer it.
type Question = (&'static str, Query, &'static [&'static str]);

fn questions(begin: DateTime<Utc>) -> Vec<Question> {
    let day = begin + TimeDelta::days(40);
    let object = || Query::new().model_name("User").object_pk(7);
    vec![
        ("an object's history", object(), &["model_object_pk_ts_id"]),
        (
            "an actor's day",
            Query::new()
                .actor("user-7")
                .since(day)
                .until(day + TimeDelta::days(1)),
            &["actor_ts_id"],
        ),
        (
            "a model's latest",
            Query::new().model_name("User").limit(50),
            &["model_ts_id"],
        ),
        (
            "a correlation id",
            Query::new().correlation_id("req-7"),
            &["correlation_id_ts_id"],
        ),
        (
            "a field that seldom changes",
            Query::new().changed("iban"),
            &["fields"],
        ),
        // Every fifth entry: walking them in order is faster than collecting them.
        (
            "a field that often changes",
            Query::new().changed("email"),
            &["_ts_id_idx", "fields"],
        ),
        (
            "a changed field of an object",
            object().changed("email"),
            &["model_object_pk_ts_id"],
        ),
        (
            "a time range",
            Query::new().since(day).until(day + TimeDelta::days(1)),
            &["_ts_id_idx"],
        ),
        (
            "what failed",
            Query::new().outcome(Outcome::Failure),
            &["notable", "_ts_id_idx1"],
        ),
        (
            "what is an error",
            Query::new().level_at_least(Level::Error),
            &["notable", "_ts_id_idx1"],
        ),
        (
            "a rare action",
            Query::new().action("exported"),
            &["action_ts_id_idx"],
        ),
        ("everything in order", Query::new(), &["_ts_id_idx"]),
        (
            "an aggregate",
            Query::new()
                .parent(ObjectRef::new("Company", "1"))
                .limit(50),
            &["parent_model_parent_pk_ts_id"],
        ),
        (
            "a transaction",
            Query::new().transaction(Uuid::from_u64_pair(7, 77)),
            &["transaction_id_ts_id"],
        ),
        (
            "an object's history, with a group",
            object()
                .any_of([
                    Query::new().level_at_least(Level::Info),
                    Query::new().actor("x"),
                ])
                .not(Query::new().actor("y")),
            &["model_object_pk_ts_id"],
        ),
        (
            "conditions in parentheses",
            Query::new().any_of([object()]),
            &["model_object_pk_ts_id"],
        ),
        (
            "two correlation ids",
            Query::new().any_of(["req-7", "req-70"].map(|id| Query::new().correlation_id(id))),
            &["correlation_id_ts_id"],
        ),
    ]
}

fn every_question_has_an_index(scratch: &Scratch) {
    let store = scratch.store();
    let sql = scratch.sql();
    for month in MONTHS {
        let day = month.replace('_', "-") + "-01";
        sql.run(&format!("SELECT audit_add_partition('{day}')"))
            .unwrap();
    }
    let begin = fill(&store);
    sql.run("ANALYZE audit_entry").unwrap();
    for (question, query, indexes) in questions(begin) {
        let first = store.find(&query.clone().limit(1)).unwrap();
        assert_eq!(first.entries.len(), 1, "the sample answers {question}");
        for query in [query.clone(), query.clone().newest_first()] {
            let after = first.next.map(|cursor| query.clone().after(cursor));
            for query in std::iter::once(query).chain(after) {
                let plan = store.explain(&query).unwrap().join("\n");
                if std::env::var_os("SHOW_PLANS").is_some() {
                    println!("-- {question}: {query}\n{plan}\n");
                }
                assert_index(&plan, question, indexes);
            }
        }
    }
    plans_beside_the_queries(&sql);
    known_entries_are_looked_up(&sql);
    store.close().unwrap();
    a_check_reads_each_entry_once(scratch, &sql);
}

fn plans_beside_the_queries(sql: &Sql) {
    let plan = |sql_text: &str| {
        let rows = sql.run(&format!("EXPLAIN (COSTS OFF) {sql_text}")).unwrap();
        let lines: Vec<_> = rows.into_iter().flatten().flatten().collect();
        lines.join("\n")
    };
    // What `objects` asks for.
    let objects = plan(
        "SELECT body FROM audit_entry WHERE object_pk <> '' AND (model, object_pk) > ('User', '7') \
         ORDER BY model, object_pk, ts, id LIMIT 256",
    );
    assert_index(&objects, "the next objects", &["model_object_pk_ts_id"]);
    // The block range index serves followers of the trail at a fraction of the size. Blocks that it
    // does not cover yet are all read.
    for month in MONTHS {
        let summarize = format!("SELECT brin_summarize_new_values('audit_entry_{month}_xact_idx')");
        sql.run(&summarize).unwrap();
    }
    let newest: i64 = sql
        .value("SELECT max(xact) FROM audit_entry")
        .parse()
        .unwrap();
    sql.run("SET enable_seqscan = off").unwrap();
    let span = format!("xact >= {newest} AND xact < {}", newest + 1);
    for new in [
        format!("SELECT xact, ts, id, body FROM audit_entry WHERE {span} LIMIT 501"),
        format!(
            "SELECT xact, ts, id, body FROM audit_entry WHERE xact = {newest} \
             AND (ts, id) > (0, '00000000-0000-0000-0000-000000000000') ORDER BY ts, id LIMIT 500"
        ),
    ] {
        let plan = plan(&new);
        assert_index(&plan, "what is new", &["xact_idx"]);
        for month in MONTHS {
            assert!(
                plan.contains(&format!("audit_entry_{month}_xact_idx")),
                "{plan}"
            );
        }
    }
    // Of 30,000 entries a month, the blocks of the transaction.
    let found = format!(
        "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) \
         SELECT body FROM audit_entry WHERE {span} LIMIT 5000"
    );
    let lines = sql.run(&found).unwrap();
    let read: u64 = lines
        .iter()
        .flatten()
        .flatten()
        .filter_map(|line| line.split("lossy=").nth(1)?.trim().parse::<u64>().ok())
        .sum();
    let blocks: u64 = sql
        .value("SELECT pg_relation_size('audit_entry_2026_04') / 8192")
        .parse()
        .unwrap();
    assert!(
        (1..blocks / 4).contains(&read),
        "{read} of {blocks}: {lines:?}"
    );
    sql.run("RESET enable_seqscan").unwrap();
    // The index of each month is kept up without waiting for a vacuum.
    let options = "SELECT count(*) FROM pg_class AS c JOIN pg_inherits AS i ON i.inhrelid = c.oid \
         WHERE i.inhparent = 'audit_entry_xact'::regclass AND 'autosummarize=on' = ANY (c.reloptions)";
    assert_eq!(
        sql.value(options),
        sql.value(
            "SELECT count(*) FROM pg_inherits \
         WHERE inhparent = 'audit_entry_xact'::regclass"
        )
    );
    let vacuumed = "SELECT count(*) FROM pg_class AS c JOIN pg_inherits AS i ON i.inhrelid = c.oid \
         WHERE i.inhparent = 'audit_entry'::regclass \
         AND 'autovacuum_vacuum_insert_scale_factor=0' = ANY (c.reloptions)";
    assert_eq!(
        sql.value(vacuumed),
        sql.value(
            "SELECT count(*) FROM pg_inherits \
         WHERE inhparent = 'audit_entry'::regclass"
        )
    );
    // The models, one step each.
    let models = plan(
        "SELECT e.model FROM audit_entry AS e WHERE e.model > 'Invoice' ORDER BY e.model LIMIT 1",
    );
    assert_index(
        &models,
        "the next model",
        &["model_ts_id", "model_object_pk_ts_id"],
    );
    let ids = plan(
        "SELECT body FROM audit_entry WHERE id BETWEEN \
         '019b8000-0000-0000-0000-000000000000' AND '019b80ff-ffff-ffff-ffff-ffffffffffff' \
         ORDER BY id LIMIT 11",
    );
    assert_index(&ids, "the beginning of an id", &["_pkey"]);
    let size = |index: &str| -> u64 {
        sql.value(&format!(
            "SELECT pg_relation_size('audit_entry_2026_02_{index}')"
        ))
        .parse()
        .unwrap()
    };
    assert!(size("xact_idx") * 10 < size("ts_id_idx"));
}

/// To repeat entries reads those, and not the trail.
fn known_entries_are_looked_up(sql: &Sql) {
    let read = "SELECT sum(seq_tup_read + idx_tup_fetch) FROM pg_stat_xact_user_tables \
         WHERE schemaname = current_schema()";
    sql.run(
        "CREATE TEMP TABLE known AS \
         SELECT id, body FROM audit_entry_2026_02 ORDER BY id LIMIT 4000; BEGIN",
    )
    .unwrap();
    // With what the statements before read.
    let before: u64 = sql.value(read).parse().unwrap();
    // Once more than a plan for the values is made.
    for _again in 0..7 {
        sql.run("SELECT audit_compare(array_agg(id), array_agg(body)) FROM known")
            .unwrap();
    }
    let read = sql.value(read).parse::<u64>().unwrap() - before;
    sql.run("ROLLBACK").unwrap();
    assert!(read <= 7 * 4_000, "{read} rows were read");
}

/// Also with the generic plan of a page, which the server chooses after some pages if it
/// thinks that as good.
fn a_check_reads_each_entry_once(scratch: &Scratch, sql: &Sql) {
    let fetched = "SELECT sum(idx_tup_fetch + seq_tup_read)::bigint FROM pg_stat_user_tables \
         WHERE schemaname = current_schema() AND relname ~ '^audit_entry'";
    let before = scratch.stable_value(sql, fetched, 0);
    let url = scratch.with_option("plan_cache_mode", "force_generic_plan");
    let store = scratch.options().connect(&url).unwrap();
    let check = store.check().unwrap();
    assert_eq!(check.entries, ENTRIES as u64);
    assert!(check.is_ok(), "{:?}", check.mismatches.first());
    store.close().unwrap();
    let entries = ENTRIES as u64;
    let read = scratch.stable_value(sql, fetched, before + entries) - before;
    // With what other sessions read that report late. From the beginning for each page it would
    // be sixty times as many.
    assert!(read < 5 * entries, "{read} rows were read");
}

fn assert_index(plan: &str, question: &str, indexes: &[&str]) {
    for month in MONTHS {
        let scan = format!("Seq Scan on audit_entry_{month}");
        assert!(!plan.contains(&scan), "{question}:\n{plan}");
    }
    assert!(
        indexes.iter().any(|index| plan.contains(index)),
        "{question}:\n{plan}"
    );
}

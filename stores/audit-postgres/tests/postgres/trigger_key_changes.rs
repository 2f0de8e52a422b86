//! Rows that get another key: the end of one object and the beginning of another.

use audit_core::backend::IntoPending as _;
use audit_core::{
    Action, AuditLog, FieldSchema, Level, LogEntry, MemoryStore, ModelSchema, ObjectRef, Query,
    Store,
};
use audit_derive::Auditable;
use audit_postgres::{PostgresStore, Reconcile, Triggers};

use crate::Test;
use crate::scratch::{Scratch, Sql};

pub(crate) const TESTS: &[Test] = tests![
    key_changes_match_the_library,
    keys_swapped_in_one_statement,
    keys_swapped_in_two_statements,
    repeated_key_changes,
    composite_keys_and_partitions,
    rows_that_a_partition_refuses,
    key_changes_follow_the_update_setting,
    key_changes_are_reconciled,
    columns_with_the_internal_names_of_the_triggers,
];

#[derive(Auditable)]
#[audit(crate = audit_core)]
struct Club {
    id: i32,
}

#[derive(Auditable, Clone)]
#[audit(
    crate = audit_core,
    levels(create = "debug"),
    repr = "Member {id}",
    parent(Club, key = "club")
)]
struct Member {
    id: i64,
    #[audit(mask = "email")]
    email: String,
    #[audit(level = "error")]
    role: String,
    #[audit(ignore)]
    seen: i32,
    club: Option<i32>,
}

impl Member {
    fn new(id: i64) -> Self {
        Self {
            id,
            email: format!("m{id}@example.com"),
            role: "guest".to_owned(),
            seen: 0,
            club: Some(3),
        }
    }
}

/// A store and a table of members whose keys are compared at the end of a statement, or of a
/// transaction that defers it.
fn members(scratch: &Scratch, change: impl FnOnce(Triggers) -> Triggers) -> (PostgresStore, Sql) {
    let (store, sql) = (scratch.store(), scratch.sql());
    sql.run(
        "CREATE TABLE members (id bigint PRIMARY KEY DEFERRABLE, email text NOT NULL, \
         role text NOT NULL, seen integer NOT NULL, club integer)",
    )
    .unwrap();
    let triggers = Triggers::of::<Member>(format!("{}.members", scratch.schema));
    let triggers = change(triggers.schema(&scratch.schema));
    sql.run(&triggers.sql().unwrap()).unwrap();
    (store, sql)
}

fn insert(sql: &Sql, ids: impl IntoIterator<Item = i64>) {
    for id in ids {
        let Member { email, role, .. } = Member::new(id);
        sql.run(&format!(
            "INSERT INTO members VALUES ({id}, '{email}', '{role}', 0, 3)"
        ))
        .unwrap();
    }
}

/// All entries, oldest first, each the canonical form of itself.
fn all(store: &PostgresStore, sql: &Sql) -> Vec<LogEntry> {
    for row in sql.run("SELECT body FROM audit_entry").unwrap() {
        let body = row[0].as_deref().unwrap();
        let entry = LogEntry::from_json(body).unwrap_or_else(|error| panic!("{error}: {body}"));
        assert_eq!(entry.to_canonical_json().unwrap(), body);
    }
    let check = store.check().unwrap();
    assert!(check.is_ok(), "{check:?}");
    let query = Query::new().limit(usize::MAX).oldest_first();
    store.find(&query).unwrap().entries
}

/// Action, key and counterpart's key.
fn summaries(entries: &[LogEntry]) -> Vec<(String, String, Option<String>)> {
    let summaries = entries.iter().map(|entry| {
        let counterpart = entry.counterpart.clone();
        if let Some(ObjectRef { model, .. }) = &counterpart {
            assert_eq!(*model, entry.model);
        }
        let counterpart = counterpart.map(|other| other.object_pk);
        (
            entry.action.to_string(),
            entry.object_pk.clone(),
            counterpart,
        )
    });
    let mut summaries: Vec<_> = summaries.collect();
    summaries.sort();
    summaries
}

fn expected(rows: &[(&str, &str, &str)]) -> Vec<(String, String, Option<String>)> {
    let rows = rows.iter().map(|(action, pk, counterpart)| {
        let counterpart = (!counterpart.is_empty()).then(|| (*counterpart).to_owned());
        ((*action).to_owned(), (*pk).to_owned(), counterpart)
    });
    let mut rows: Vec<_> = rows.collect();
    rows.sort();
    rows
}

/// Reads the history of each row that there was, and compares its end with the table.
fn assert_chains(store: &PostgresStore, sql: &Sql, keys: &[i64]) {
    let log = AuditLog::builder().store(store.clone()).build();
    log.register::<Member>();
    for key in keys {
        let history = log.history::<Member>(key).unwrap();
        let breaks = history.breaks();
        assert!(breaks.is_empty(), "{key}: {breaks:?}");
        let rows = sql
            .run(&format!("SELECT role FROM members WHERE id = {key}"))
            .unwrap();
        let latest = history.latest();
        match &rows[..] {
            [row] => assert_eq!(latest.state["role"].as_str(), row[0].as_deref(), "{key}"),
            _ => assert!(!latest.exists(), "{key}: {latest:?}"),
        }
    }
}

type Assignment = fn(&mut Member);

/// Each entry has the bytes of the program's but for its id, time and source.
fn key_changes_match_the_library(scratch: &Scratch) {
    let (store, sql) = members(scratch, |triggers| triggers);
    let memory = MemoryStore::new();
    let log = AuditLog::builder().store(memory.clone()).build();
    log.register::<Member>();
    let mut member = Member::new(1);
    log.created(&member).record().unwrap();
    insert(&sql, [1]);
    let changes: [(&str, Assignment); 3] = [
        ("id = 2", |member| member.id = 2),
        ("id = 3, role = 'chair', club = 4", |member| {
            member.id = 3;
            member.role = "chair".into();
            member.club = Some(4);
        }),
        ("id = 4, seen = 9, club = NULL", |member| {
            member.id = 4;
            member.seen = 9;
            member.club = None;
        }),
    ];
    for (assignments, change) in changes {
        log.update(&mut member, change).record().unwrap();
        sql.run(&format!("UPDATE members SET {assignments}"))
            .unwrap();
    }
    log.deleted(&member).record().unwrap();
    sql.run("DELETE FROM members").unwrap();

    let by_program = memory.find(&Query::new().oldest_first()).unwrap().entries;
    let by_triggers = all(&store, &sql);
    assert_eq!((by_program.len(), by_triggers.len()), (8, 8));
    for (one, other) in by_program.iter().zip(&by_triggers) {
        let mut other = other.clone();
        (other.id, other.timestamp) = (one.id, one.timestamp);
        other.transaction_id = None;
        (other.remote_addr, other.remote_port) = (None, None);
        other.source = one.source.clone();
        other.additional_data.clone_from(&one.additional_data);
        assert_eq!(
            other.to_canonical_json().unwrap(),
            one.to_canonical_json().unwrap()
        );
    }
    // The two are of one time, and raised together.
    let [_, ended, begun, raised, ..] = &by_triggers[..] else {
        unreachable!("there are eight");
    };
    assert_eq!(ended.timestamp, begun.timestamp);
    assert_eq!(ended.transaction_id, begun.transaction_id);
    assert_eq!((begun.level, raised.level), (Level::Debug, Level::Error));
    assert_chains(&store, &sql, &[1, 2, 3, 4]);
}

fn keys_swapped_in_one_statement(scratch: &Scratch) {
    let (store, sql) = members(scratch, |triggers| triggers);
    insert(&sql, [1, 2, 3]);
    sql.run("UPDATE members SET role = 'r' || id").unwrap();
    sql.run("UPDATE members SET id = CASE id WHEN 1 THEN 2 WHEN 2 THEN 1 ELSE id END, seen = 5")
        .unwrap();
    let found = all(&store, &sql);
    assert_eq!(
        summaries(&found[6..]),
        expected(&[
            ("delete", "1", "2"),
            ("delete", "2", "1"),
            ("create", "1", "2"),
            ("create", "2", "1"),
        ])
    );
    assert_chains(&store, &sql, &[1, 2, 3]);
}

/// A key is given to one row before it is taken from the other.
fn keys_swapped_in_two_statements(scratch: &Scratch) {
    let (store, sql) = members(scratch, |triggers| triggers);
    insert(&sql, [1, 2]);
    sql.run("UPDATE members SET role = 'r' || id").unwrap();
    sql.run(
        "BEGIN; SET CONSTRAINTS ALL DEFERRED; UPDATE members SET id = 2 WHERE role = 'r1'; \
         UPDATE members SET id = 1 WHERE role = 'r2'; COMMIT",
    )
    .unwrap();
    let found = all(&store, &sql);
    assert_eq!(
        summaries(&found[4..]),
        expected(&[
            ("delete", "1", "2"),
            ("create", "2", "1"),
            ("delete", "2", "1"),
            ("create", "1", "2"),
        ])
    );
    assert_chains(&store, &sql, &[1, 2]);
}

fn repeated_key_changes(scratch: &Scratch) {
    const ROWS: i64 = 2_500;
    let (store, sql) = members(scratch, |triggers| triggers);
    // More than one batch, and rows that are not in the order of their keys.
    sql.run(&format!(
        "INSERT INTO members SELECT n * 7919 % {ROWS}, 'm@x', 'r' || n * 7919 % {ROWS}, 0, 3 \
         FROM generate_series(0, {ROWS} - 1) AS n; \
         SET statement_timeout = '20s'; UPDATE members SET id = id + 1"
    ))
    .unwrap();
    let found = all(&store, &sql);
    assert_eq!(found.len(), 3 * 2_500);
    let (ended, begun) = found[2_500..].split_at(2_500);
    for (entries, action, step) in [(ended, Action::Delete, 1), (begun, Action::Create, -1)] {
        for entry in entries {
            assert_eq!(entry.action, action);
            let key: i64 = entry.object_pk.parse().unwrap();
            let counterpart = entry.counterpart.as_ref().unwrap();
            assert_eq!(counterpart.object_pk, (key + step).to_string());
            let role = &entry.changes["role"];
            let role = role.old.as_ref().or(role.new.as_ref()).unwrap();
            let row = if step == 1 { key } else { key - 1 };
            assert_eq!(role.as_str(), Some(&*format!("r{row}")));
        }
    }
    assert_chains(&store, &sql, &[0, 1, 2, 1_000, 2_499, 2_500]);
}

const PARTS: &[FieldSchema] = &[
    FieldSchema::new("shop", || &[]).identity(),
    FieldSchema::new("number", || &[]).identity(),
    FieldSchema::new("total", || &[]),
];
const ORDER: ModelSchema = ModelSchema::new("Order", "Order", PARTS);

/// A table with a part of the identity as its partition key.
fn orders(scratch: &Scratch) -> (PostgresStore, Sql) {
    let (store, sql) = (scratch.store(), scratch.sql());
    // The second partition has its columns in another order.
    sql.run(
        "CREATE TABLE orders (shop text, number int, total int, PRIMARY KEY (shop, number) DEFERRABLE) \
         PARTITION BY LIST (shop); \
         CREATE TABLE orders_a PARTITION OF orders FOR VALUES IN ('a', '|a'); \
         CREATE TABLE orders_b (total int, gone int, number int NOT NULL, shop text NOT NULL); \
         ALTER TABLE orders_b DROP COLUMN gone; \
         ALTER TABLE orders ATTACH PARTITION orders_b FOR VALUES IN ('b', '\\b')",
    )
    .unwrap();
    let table = format!("{}.orders", scratch.schema);
    let triggers = Triggers::new(ORDER.describe(), table).schema(&scratch.schema);
    sql.run(&triggers.sql().unwrap()).unwrap();
    (store, sql)
}

fn composite_keys_and_partitions(scratch: &Scratch) {
    let (store, sql) = orders(scratch);
    sql.run("INSERT INTO orders VALUES ('a', 1, 10), ('a', 2, 20), ('b', 1, 30), ('b', 9, 40)")
        .unwrap();
    // Two rows swap keys, one goes to a partition's other value, and one stays as it is.
    sql.run(
        "UPDATE orders SET total = total + 1, \
         shop = CASE WHEN number = 1 THEN translate(shop, 'ab', 'ba') WHEN number = 2 THEN '\\b' \
         ELSE shop END",
    )
    .unwrap();
    let found = all(&store, &sql);
    let later = &found[4..];
    assert_eq!(
        summaries(later),
        expected(&[
            ("update", "b|9", ""),
            ("delete", "a|1", "b|1"),
            ("delete", "b|1", "a|1"),
            ("delete", "a|2", "\\\\b|2"),
            ("create", "b|1", "a|1"),
            ("create", "a|1", "b|1"),
            ("create", "\\\\b|2", "a|2"),
        ])
    );
    let log = AuditLog::builder().store(store).build();
    for (key, total) in [("a|1", Some(31)), ("b|1", Some(11)), ("a|2", None)] {
        let history = log.history_of(ObjectRef::new("Order", key)).unwrap();
        assert!(history.breaks().is_empty(), "{key}: {history:?}");
        assert_eq!(history.latest().state["total"].as_i64(), total, "{key}");
    }
}

/// One table of a statement has a row less than the other.
fn rows_that_a_partition_refuses(scratch: &Scratch) {
    let (store, sql) = orders(scratch);
    sql.run(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS \
         'BEGIN RETURN CASE WHEN new.number = 2 THEN NULL ELSE new END; END'; \
         CREATE TRIGGER refuse BEFORE INSERT ON orders_b FOR EACH ROW EXECUTE FUNCTION refuse()",
    )
    .unwrap();
    sql.run("INSERT INTO orders VALUES ('a', 1, 10), ('a', 2, 20), ('a', 3, 30)")
        .unwrap();
    sql.run("UPDATE orders SET shop = CASE number WHEN 3 THEN 'a' ELSE 'b' END, total = 0")
        .unwrap();
    // It cannot be said which row became which.
    assert_eq!(
        summaries(&all(&store, &sql)[3..]),
        expected(&[
            ("delete", "a|1", ""),
            ("delete", "a|2", ""),
            ("create", "b|1", ""),
            ("update", "a|3", ""),
        ])
    );
    assert_eq!(
        sql.value("SELECT count(*) FROM orders WHERE number = 2"),
        "0"
    );
}

fn key_changes_follow_the_update_setting(scratch: &Scratch) {
    let (store, sql) = (scratch.store(), scratch.sql());
    let log = AuditLog::builder().store(MemoryStore::new()).build();
    log.register_with::<Member>(|options| options.actions([Action::Create, Action::Delete]))
        .unwrap();
    let model = log.described();
    let [model] = &model[..] else {
        panic!("{model:?}");
    };
    sql.run(
        "CREATE TABLE members (id bigint PRIMARY KEY, email text, role text, seen int, club int)",
    )
    .unwrap();
    let table = format!("{}.members", scratch.schema);
    let triggers = Triggers::new(model.clone(), table).schema(&scratch.schema);
    sql.run(&triggers.sql().unwrap()).unwrap();
    insert(&sql, [1]);
    sql.run("UPDATE members SET id = 2").unwrap();
    let mut member = Member::new(1);
    let receipt = log
        .update(&mut member, |member| member.id = 2)
        .record()
        .unwrap();
    assert!(!receipt.is_recorded(), "{receipt:?}");
    assert_eq!(
        summaries(&all(&store, &sql)),
        expected(&[("create", "1", "")])
    );
    sql.run("DELETE FROM members").unwrap();
    assert_eq!(all(&store, &sql).len(), 2);
}

fn key_changes_are_reconciled(scratch: &Scratch) {
    let (store, sql) = members(scratch, Triggers::watch);
    let log = AuditLog::builder().store(store.clone()).build();
    log.register::<Member>();
    insert(&sql, [1, 2]);
    let unaudited = || store.reconcile(Reconcile::all()).unwrap().unaudited;
    assert_eq!(unaudited(), 2);
    // Both keys of each row are noted, under the actions of the program's own entries.
    sql.run("UPDATE members SET id = id + 10").unwrap();
    let noted = sql.run(
        "SELECT action || ' ' || object_pk FROM audit_touched ORDER BY at, object_pk COLLATE \"C\" OFFSET 2",
    );
    let noted: Vec<_> = noted
        .unwrap()
        .into_iter()
        .map(|mut row| row.remove(0).unwrap())
        .collect();
    let mut sorted = noted.clone();
    sorted.sort();
    assert_eq!(
        sorted,
        ["create 11", "create 12", "delete 1", "delete 2"],
        "{noted:?}"
    );
    assert_eq!(unaudited(), 6);
    let transaction = sql.value("SELECT transaction_id FROM audit_touched WHERE object_pk = '12'");
    for id in [1, 2] {
        let mut member = Member::new(id);
        let draft = log.update(&mut member, |member| member.id += 10);
        let mut entries = draft.into_pending().unwrap().entries().to_vec();
        for entry in &mut entries {
            entry.transaction_id = Some(transaction.parse().unwrap());
        }
        store.append(&entries).unwrap();
    }
    assert_eq!(unaudited(), 2);
}

/// Neither a variable nor a column of the function is taken for one of the table.
fn columns_with_the_internal_names_of_the_triggers(scratch: &Scratch) {
    const FIELDS: &[FieldSchema] = &[
        FieldSchema::new("paired", || &[]).identity(),
        FieldSchema::new("moment", || &[]),
        FieldSchema::new("moved", || &[]),
        FieldSchema::new("auditlog", || &[]),
        FieldSchema::new("o", || &[]),
        FieldSchema::new("n", || &[]),
        FieldSchema::new("counterpart", || &[]),
    ];
    const THING: ModelSchema = ModelSchema::new("Thing", "Thing", FIELDS);
    let (store, sql) = (scratch.store(), scratch.sql());
    sql.run(
        "CREATE TABLE things (paired text PRIMARY KEY, moment int, moved int, auditlog int, o int, \
         n int, counterpart int)",
    )
    .unwrap();
    let table = format!("{}.things", scratch.schema);
    let triggers = Triggers::new(THING.describe(), table).schema(&scratch.schema);
    sql.run(&triggers.sql().unwrap()).unwrap();
    sql.run(
        "INSERT INTO things VALUES ('it''s', 1, 1, 1, 1, 1, 1), ('x', 2, 2, 2, 2, 2, 2); \
         UPDATE things SET o = 5; UPDATE things SET paired = paired || '+', n = 6",
    )
    .unwrap();
    let found = all(&store, &sql);
    assert_eq!(
        summaries(&found[4..]),
        expected(&[
            ("delete", "it's", "it's+"),
            ("create", "it's+", "it's"),
            ("delete", "x", "x+"),
            ("create", "x+", "x"),
        ])
    );
}

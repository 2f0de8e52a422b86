//! Triggers on tables that change, are partitioned, or are written by another server.

use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use audit_core::{FieldSchema, LogEntry, ModelSchema, Query, Store};
use audit_postgres::{PostgresStore, StoreInfo, Triggers};
use audit_testbed::PostgresServer;
use libtest_mimic::Trial;
use serde_json::json;

use crate::scratch::{Scratch, Sql};
use crate::{Test, required, trial, trigger_key_changes};

pub(crate) const TESTS: &[Test] = tests![
    a_renamed_or_dropped_column_is_named,
    missing_triggers_are_found,
    one_model_in_two_schemas,
    replica_sessions,
    rows_that_move_between_partitions,
    data_dumps_with_disabled_triggers,
];

/// The variable that names a folder with the programs of PostgreSQL 18 or later: `bin/initdb`.
const POSTGRES_18: &str = "AUDITLOG_TEST_POSTGRES_18";

/// Tests with servers of their own.
pub(crate) fn trials() -> Vec<Trial> {
    let folder = std::env::var_os(POSTGRES_18).map(PathBuf::from);
    let missing = folder.is_none();
    let none: Arc<str> = Arc::from("");
    let mut trials = vec![
        trial(
            "trigger_tables::virtual_columns_and_keys_of_postgresql_18",
            missing,
            &none,
            move |_| {
                let folder = folder.as_deref().expect("it is named");
                let server = PostgresServer::start_from(folder, &[]).expect("a server of 18");
                a_virtual_column_is_refused(&Scratch::new(server.url()));
                // How it orders the rows of a statement is not documented.
                for (_, test) in trigger_key_changes::TESTS {
                    test(&Scratch::new(server.url()));
                }
            },
        ),
        trial(
            "trigger_tables::a_subscription_fires_none",
            !PostgresServer::can_start(),
            &none,
            |_| a_subscription_fires_none(),
        ),
    ];
    trials.extend(missing.then(|| required("PostgreSQL 18")));
    trials
}

const fn field(name: &'static str) -> FieldSchema {
    FieldSchema::new(name, || &[])
}

const FIELDS: &[FieldSchema] = &[field("id").identity(), field("phone"), field("role")];
const USER: ModelSchema = ModelSchema::new("User", "User", FIELDS);
const TABLE: &str = "(id integer PRIMARY KEY, phone text, role text)";

fn on(scratch: &Scratch, table: &str) -> Triggers {
    Triggers::new(USER.describe(), table).schema(&scratch.schema)
}

/// A store, and a table with triggers in the schema of its tables.
fn users(scratch: &Scratch) -> (PostgresStore, Sql, Triggers) {
    let (store, sql) = (scratch.store(), scratch.sql());
    sql.run(&format!("CREATE TABLE users {TABLE}")).unwrap();
    let triggers = on(scratch, &format!("{}.users", scratch.schema));
    sql.run(&triggers.sql().unwrap()).unwrap();
    (store, sql, triggers)
}

fn count(store: &PostgresStore, action: &str) -> u64 {
    store.count(&Query::new().action(action)).unwrap()
}

fn problems(info: &StoreInfo) -> Vec<String> {
    let problems = info.missing_columns.iter().chain(&info.missing_triggers);
    problems.cloned().collect()
}

fn a_renamed_or_dropped_column_is_named(scratch: &Scratch) {
    let (store, sql, triggers) = users(scratch);
    sql.run("INSERT INTO users VALUES (1, '555', 'admin')")
        .unwrap();
    assert_eq!(problems(&store.info().unwrap()), [""; 0]);
    for (change, column) in [
        ("RENAME COLUMN phone TO mobile", "mobile"),
        ("DROP COLUMN mobile", ""),
    ] {
        sql.run(&format!("ALTER TABLE users {change}")).unwrap();
        for statement in [
            "UPDATE users SET role = 'x'",
            "INSERT INTO users (id) VALUES (9)",
            "DELETE FROM users",
            "TRUNCATE users",
        ] {
            let error = sql.run(statement).unwrap_err();
            let said = error.as_db_error().unwrap().message();
            assert!(said.contains("an auditlog trigger needs"), "{said}");
            assert!(said.contains("run `auditlog triggers` again"), "{said}");
        }
        let missing = if column.is_empty() { "mobile" } else { "phone" };
        let name = format!("{}.users.{missing}", scratch.schema);
        assert_eq!(problems(&store.info().unwrap()), [name]);
        let again = if column.is_empty() {
            triggers.clone().omit("phone")
        } else {
            triggers.clone().column("phone", column)
        };
        sql.run(&again.sql().unwrap()).unwrap();
        sql.run("UPDATE users SET role = role || '+'").unwrap();
        assert_eq!(problems(&store.info().unwrap()), [""; 0]);
    }
    assert_eq!(count(&store, "update"), 2);
}

fn missing_triggers_are_found(scratch: &Scratch) {
    let (store, sql, triggers) = users(scratch);
    let name = |event: &str| format!("{}.users.auditlog_{event}", scratch.schema);
    sql.run("ALTER TABLE users DISABLE TRIGGER auditlog_update; DROP TRIGGER auditlog_truncate ON users")
        .unwrap();
    assert_eq!(
        problems(&store.info().unwrap()),
        [name("update"), name("truncate")]
    );
    // As a migration does that copies a table.
    sql.run(&format!("DROP TABLE users; CREATE TABLE users {TABLE}"))
        .unwrap();
    assert_eq!(
        problems(&store.info().unwrap()),
        ["insert", "update", "delete", "truncate"].map(name)
    );
    sql.run(&triggers.sql().unwrap()).unwrap();
    assert_eq!(problems(&store.info().unwrap()), [""; 0]);
    sql.run(&triggers.drop_sql().unwrap()).unwrap();
    assert_eq!(problems(&store.info().unwrap()), [""; 0]);
}

fn one_model_in_two_schemas(scratch: &Scratch) {
    let (store, sql) = (scratch.store(), scratch.sql());
    let tenants = [1, 2].map(|tenant| format!("{}_{tenant}", scratch.schema));
    for (tenant, model) in tenants.iter().zip(["User", "User of 2"]) {
        let table = format!("{tenant}.users");
        sql.run(&format!(
            "CREATE SCHEMA {tenant}; CREATE TABLE {table} {TABLE}"
        ))
        .unwrap();
        let triggers = on(scratch, &table).model_name(model);
        sql.run(&triggers.sql().unwrap()).unwrap();
        sql.run(&format!(
            "INSERT INTO {table} VALUES (1, '5', 'x'); TRUNCATE {table}"
        ))
        .unwrap();
        let found = store
            .find(&Query::new().model_name(model).object_pk(1))
            .unwrap();
        assert_eq!(found.entries.len(), 2);
        for entry in &found.entries {
            assert_eq!(entry.additional_data["table"], json!(table));
        }
    }
    assert!(store.check().unwrap().is_ok());
    for tenant in tenants {
        sql.run(&format!("DROP SCHEMA {tenant} CASCADE")).unwrap();
    }
}

fn replica_sessions(scratch: &Scratch) {
    let (store, sql, triggers) = users(scratch);
    let noted = LogEntry::new("noted", "Note", "1", "a note");
    store.append(&[noted]).unwrap();
    sql.run("SET session_replication_role = replica").unwrap();
    // The trail's own triggers hold, in each of its tables.
    let tables = sql
        .run("SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'audit_entry'::regclass")
        .unwrap();
    let names = tables.iter().filter_map(|row| row[0].as_deref());
    for table in names.chain(["audit_entry"]) {
        assert_eq!(sql.state(&format!("TRUNCATE {table}")), "AU002", "{table}");
    }
    for statement in ["DELETE FROM audit_entry", "UPDATE audit_entry SET ts = 0"] {
        assert_eq!(sql.state(statement), "AU002", "{statement}");
    }
    // Those of the application fire where that was said.
    sql.run("INSERT INTO users VALUES (1, '5', 'x')").unwrap();
    assert_eq!(count(&store, "create"), 0);
    sql.run(&triggers.always().sql().unwrap()).unwrap();
    sql.run(
        "INSERT INTO users VALUES (2, '5', 'x'); UPDATE users SET role = 'y'; DELETE FROM users",
    )
    .unwrap();
    let counts = ["create", "update", "delete"].map(|action| count(&store, action));
    assert_eq!(counts, [1, 2, 2]);
}

fn rows_that_move_between_partitions(scratch: &Scratch) {
    let (store, sql) = (scratch.store(), scratch.sql());
    sql.run(
        "CREATE TABLE users (id integer, phone text, role text, PRIMARY KEY (id, role)) \
         PARTITION BY LIST (role); \
         CREATE TABLE users_a PARTITION OF users FOR VALUES IN ('a'); \
         CREATE TABLE users_b PARTITION OF users FOR VALUES IN ('b')",
    )
    .unwrap();
    let triggers = on(scratch, &format!("{}.users", scratch.schema)).key(["id", "role"]);
    sql.run(&triggers.sql().unwrap()).unwrap();
    let counts = || ["create", "update", "delete"].map(|action| count(&store, action));
    sql.run("INSERT INTO users VALUES (1, '5', 'a')").unwrap();
    assert_eq!(counts(), [1, 0, 0]);
    // The partition key is a part of the identity: one object ends, another begins.
    sql.run("UPDATE users SET role = 'b'").unwrap();
    assert_eq!(counts(), [2, 0, 1]);
    // By the partitions' own names nothing fires, with and without the switch.
    sql.run(
        "WITH moved AS (DELETE FROM users_b RETURNING *) \
         INSERT INTO users_a SELECT id, phone, 'a' FROM moved; SET auditlog.audited = on; \
         WITH moved AS (DELETE FROM users_a RETURNING *) \
         INSERT INTO users_b SELECT id, phone, 'b' FROM moved; RESET auditlog.audited",
    )
    .unwrap();
    assert_eq!(counts(), [2, 0, 1]);
    assert_eq!(sql.value("SELECT count(*) FROM audit_touched"), "0");
}

/// Loads data as `pg_restore --data-only --disable-triggers` does.
fn data_dumps_with_disabled_triggers(scratch: &Scratch) {
    let (store, sql, _) = users(scratch);
    sql.run(
        "ALTER TABLE users DISABLE TRIGGER ALL; INSERT INTO users VALUES (1, '5', 'x'); \
         ALTER TABLE users ENABLE TRIGGER ALL; UPDATE users SET role = 'y'",
    )
    .unwrap();
    let counts = ["create", "update"].map(|action| count(&store, action));
    assert_eq!(counts, [0, 1]);
}

fn a_virtual_column_is_refused(scratch: &Scratch) {
    const PERSON: ModelSchema = ModelSchema::new(
        "Person",
        "Person",
        &[field("id").identity(), field("cm"), field("inch")],
    );
    let (store, sql) = (scratch.store(), scratch.sql());
    sql.run(
        "CREATE TABLE person (id int PRIMARY KEY, cm int, inch int GENERATED ALWAYS AS (cm / 2))",
    )
    .unwrap();
    let table = format!("{}.person", scratch.schema);
    let triggers = Triggers::new(PERSON.describe(), table).schema(&scratch.schema);
    let error = sql.run(&triggers.sql().unwrap()).unwrap_err();
    let said = error.as_db_error().unwrap().message();
    assert!(
        said.contains("inch") && said.contains("--omit inch"),
        "{said}"
    );
    sql.run("ROLLBACK").unwrap();
    sql.run(&triggers.omit("inch").sql().unwrap()).unwrap();
    sql.run("INSERT INTO person VALUES (1, 140)").unwrap();
    assert_eq!(count(&store, "create"), 1);
    assert!(store.check().unwrap().is_ok());
}

/// Two databases of one server, of which the second subscribes to the first.
fn a_subscription_fires_none() {
    let server = PostgresServer::start(&[("wal_level", "logical")], &[]).expect("a server");
    let admin = Sql::connect(server.url());
    let publisher = Scratch::new(server.url());
    let from = publisher.sql();
    from.run(&format!(
        "CREATE TABLE public.users {TABLE}; INSERT INTO public.users VALUES (1, '5', 'x'); \
         CREATE PUBLICATION users FOR TABLE public.users"
    ))
    .unwrap();
    from.run("SELECT pg_create_logical_replication_slot('users', 'pgoutput')")
        .unwrap();
    admin.run("CREATE DATABASE other").unwrap();
    let url = server.url().replace("/postgres?", "/other?");
    let url = url
        .strip_suffix("/postgres")
        .map_or(url.clone(), |url| format!("{url}/other"));
    let subscriber = Scratch::new(&url);
    let (store, sql) = (subscriber.store(), subscriber.sql());
    sql.run(&format!("CREATE TABLE public.users {TABLE}"))
        .unwrap();
    let triggers = on(&subscriber, "users").always();
    sql.run(&triggers.sql().unwrap()).unwrap();
    sql.run(&format!(
        "CREATE SUBSCRIPTION users CONNECTION 'host=127.0.0.1 port={} user=postgres dbname=postgres' \
         PUBLICATION users WITH (create_slot = false, slot_name = 'users')",
        server.port().expect("it was started")
    ))
    .unwrap();
    let wait_for = |condition: &str| {
        let deadline = Instant::now() + Duration::from_secs(30);
        while sql.value(&format!(
            "SELECT count(*) FROM public.users WHERE {condition}"
        )) != "1"
        {
            assert!(Instant::now() < deadline, "{condition}");
            thread::sleep(Duration::from_millis(20));
        }
    };
    // The first copy fires what is set to fire always.
    wait_for("id = 1 AND role = 'x'");
    assert_eq!(count(&store, "create"), 1);
    from.run(
        "INSERT INTO public.users VALUES (2, '5', 'x'); UPDATE public.users SET role = 'y'; \
         DELETE FROM public.users WHERE id = 1",
    )
    .unwrap();
    wait_for("role = 'y'");
    let counts = ["create", "update", "delete"].map(|action| count(&store, action));
    assert_eq!(counts, [1, 0, 0]);
    for statement in [
        "ALTER SUBSCRIPTION users DISABLE",
        "ALTER SUBSCRIPTION users SET (slot_name = NONE)",
        "DROP SUBSCRIPTION users",
    ] {
        sql.run(statement).unwrap();
    }
}

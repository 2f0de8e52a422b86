//! Roles and triggers keep entries from being changed or removed.

use std::thread;
use std::time::{Duration, Instant};

use audit_core::{LogEntry, Query, Store, StoreError};
use audit_postgres::Roles;
use audit_testkit::entries;
use chrono::{DateTime, Utc};

use crate::Test;
use crate::scratch::{Scratch, Sql, assert_kept};

pub(crate) const TESTS: &[Test] = tests![
    invalid_rows_are_refused,
    triggers_refuse_changes_by_the_owner,
    each_role_has_its_privileges_only,
    the_creator_of_the_trail_can_become_its_writer,
    a_role_that_could_drop_the_trail_is_refused,
    default_privileges_reach_no_partition,
    leftover_fences_are_removed,
    a_refused_copy_leaves_later_statements_intact,
    entries_are_imported_where_policies_forbid_copies,
];

/// The SQLSTATE of what a role may not do.
const FORBIDDEN: &str = "42501";

const REMOVALS: [&str; 7] = [
    "DELETE FROM audit_entry",
    "DELETE FROM ONLY audit_entry_2026_01",
    "DELETE FROM audit_entry_rest",
    "TRUNCATE audit_entry",
    "TRUNCATE audit_entry_rest",
    "TRUNCATE audit_entry_2026_01",
    "WITH gone AS (DELETE FROM audit_entry RETURNING *) SELECT count(*) FROM gone",
];

const CHANGES: [&str; 6] = [
    "UPDATE audit_entry SET actor = 'mallory'",
    "UPDATE audit_entry_2026_01 SET body = '{}'",
    "UPDATE audit_entry_rest SET id = gen_random_uuid()",
    "UPDATE audit_entry SET id = gen_random_uuid()",
    "INSERT INTO audit_entry SELECT * FROM audit_entry ON CONFLICT (id) DO UPDATE SET body = '{}'",
    "INSERT INTO audit_retention DEFAULT VALUES; UPDATE audit_entry SET body = '{}'",
];

/// Statements of servers since version 15.
const MERGES: [&str; 2] = [
    "MERGE INTO audit_entry USING (SELECT 1) AS one ON true WHEN MATCHED THEN DELETE",
    "MERGE INTO audit_entry USING (SELECT 1) AS one ON true \
     WHEN MATCHED THEN UPDATE SET body = '{}'",
];

/// Statements that no role may run.
fn attempts(sql: &Sql) -> Vec<&'static str> {
    let version: u32 = sql.value("SHOW server_version_num").parse().unwrap();
    let merges: &[_] = if version >= 150_000 { &MERGES } else { &[] };
    [&REMOVALS[..], &CHANGES, merges].concat()
}

/// A store with entries in a month's partition and in the rest.
fn filled(scratch: &Scratch) -> (audit_postgres::PostgresStore, Sql) {
    let store = scratch.store();
    let sql = scratch.sql();
    sql.run("SELECT audit_add_partition('2026-01-01')").unwrap();
    let mut sample = entries(40, 1);
    for entry in &mut sample[..20] {
        entry.id = uuid::Uuid::from_u128(entry.id.as_u128() >> 40);
    }
    store.append(&sample).unwrap();
    assert_eq!(sql.value("SELECT count(*) FROM audit_entry_2026_01"), "20");
    assert_eq!(sql.value("SELECT count(*) FROM audit_entry_rest"), "20");
    (store, sql)
}

fn triggers_refuse_changes_by_the_owner(scratch: &Scratch) {
    let (store, sql) = filled(scratch);
    for attempt in attempts(&sql) {
        assert_eq!(sql.state(attempt), "AU002", "{attempt}");
    }
    // A removal that retention was allowed in another transaction.
    sql.run("INSERT INTO audit_retention DEFAULT VALUES")
        .unwrap();
    assert_eq!(sql.state("DELETE FROM audit_entry"), "AU002");
    assert_eq!(store.count(&Query::new()).unwrap(), 40);
    assert!(store.check().unwrap().is_ok());
}

fn each_role_has_its_privileges_only(scratch: &Scratch) {
    let (store, sql) = filled(scratch);
    let schema = &scratch.schema;
    let role = |name: &str| format!("{schema}_{name}");
    let script = script(scratch);
    for _again in 0..2 {
        sql.run(&script).expect("the server's role may make roles");
    }
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        check_roles(scratch, &store, &sql);
    }));
    sql.run("RESET ROLE").unwrap();
    for name in ["owner", "writer", "reader"] {
        sql.run(&format!(
            "DROP OWNED BY {0} CASCADE; DROP ROLE {0}",
            role(name)
        ))
        .unwrap();
    }
    if let Err(panic) = result {
        std::panic::resume_unwind(panic);
    }
}

fn check_roles(scratch: &Scratch, owner: &audit_postgres::PostgresStore, sql: &Sql) {
    let role = |name: &str| format!("{}_{name}", scratch.schema);
    let connect = |name: &str| {
        let url = scratch.with_option("role", &role(name));
        scratch.options().connect(&url).unwrap()
    };
    let url = scratch.with_option("role", &role("writer"));
    let options = scratch.options().schema(role("elsewhere"));
    let error = options.connect(&url).unwrap_err().to_string();
    assert!(error.contains("let their owner connect once"), "{error}");

    // The writer: it adds, and learns of conflicts, but sees nothing.
    let writer = connect("writer");
    let mut sample = entries(5, 2);
    writer.append(&sample).unwrap();
    writer.append(&sample[1..3]).unwrap();
    sample[2].reason = Some("another".to_owned());
    let error = writer.append(&sample[2..]).unwrap_err();
    assert!(
        matches!(error, StoreError::Conflict { id } if id == sample[2].id),
        "{error:?}"
    );
    assert_eq!(writer.maintain(12).unwrap(), 0);
    assert!(matches!(
        writer.find(&Query::new()),
        Err(StoreError::Backend { .. })
    ));
    let error = writer
        .purge(&Query::new().until(sample[0].timestamp))
        .unwrap_err();
    assert!(!error.to_string().is_empty(), "{error:?}");
    sql.run(&format!("SET ROLE {}", role("writer"))).unwrap();
    for attempt in attempts(sql) {
        assert_eq!(sql.state(attempt), FORBIDDEN, "{attempt}");
    }
    for attempt in [
        "SELECT * FROM audit_entry",
        "SELECT * FROM audit_log",
        "INSERT INTO audit_retention DEFAULT VALUES",
        "INSERT INTO audit_entry_rest SELECT * FROM audit_entry_rest",
        "ALTER TABLE audit_entry DISABLE TRIGGER ALL",
        "SELECT audit_add_partition('2030-01-01')",
        "DROP TABLE audit_entry",
        "UPDATE audit_schema SET version = 9",
    ] {
        assert_eq!(sql.state(attempt), FORBIDDEN, "{attempt}");
    }

    // The reader: it sees all, and changes nothing.
    let reader = connect("reader");
    assert_eq!(reader.count(&Query::new()).unwrap(), 45);
    let error = reader.append(&entries(1, 3)).unwrap_err();
    assert!(matches!(error, StoreError::ReadOnly { .. }), "{error:?}");
    let error = reader
        .purge(&Query::new().until(sample[0].timestamp + chrono::TimeDelta::days(1)))
        .unwrap_err();
    assert!(matches!(error, StoreError::ReadOnly { .. }), "{error:?}");
    sql.run(&format!("RESET ROLE; SET ROLE {}", role("reader")))
        .unwrap();
    assert_eq!(sql.value("SELECT count(*) FROM audit_log"), "45");
    for attempt in attempts(sql) {
        assert_eq!(sql.state(attempt), FORBIDDEN, "{attempt}");
    }
    assert_eq!(
        sql.state("INSERT INTO audit_entry SELECT * FROM audit_entry"),
        FORBIDDEN
    );

    // The owner: as refused as before, but for retention and partitions.
    sql.run(&format!("RESET ROLE; SET ROLE {}", role("owner")))
        .unwrap();
    for attempt in attempts(sql) {
        assert_eq!(sql.state(attempt), "AU002", "{attempt}");
    }
    let new_owner = connect("owner");
    assert_eq!(new_owner.maintain(7).unwrap(), 4);
    assert_eq!(owner.count(&Query::new()).unwrap(), 45);
    // What another one makes is the owner's all the same.
    assert_eq!(owner.maintain(9).unwrap(), 2);
    let owners = sql.value(
        "SELECT string_agg(DISTINCT pg_get_userbyid(relowner), ' ') FROM pg_class \
         WHERE relname ~ '^audit_entry' AND relkind IN ('r', 'p') \
         AND relnamespace = current_schema()::regnamespace",
    );
    assert_eq!(owners, role("owner"));
    let end = sample.iter().map(|entry| entry.timestamp).max().unwrap();
    assert!(new_owner.purge(&Query::new().until(end)).unwrap() > 0);
}

/// The script for roles with names of the test's own.
fn script(scratch: &Scratch) -> String {
    let role = |name: &str| format!("{}_{name}", scratch.schema);
    Roles::new(&scratch.schema)
        .owner(role("owner"))
        .writer(role("writer"))
        .reader(role("reader"))
        .sql()
        .unwrap()
}

/// Roles that are dropped at the end, with what they own.
struct Made<'s> {
    sql: &'s Sql,
    names: Vec<String>,
}

impl<'s> Made<'s> {
    fn new(sql: &'s Sql, names: &[&str]) -> Self {
        for name in names {
            sql.run(&format!("CREATE ROLE \"{name}\" NOLOGIN"))
                .expect("the server's role may make roles");
        }
        Self {
            sql,
            names: names.iter().map(|name| (*name).to_owned()).collect(),
        }
    }
}

impl Drop for Made<'_> {
    fn drop(&mut self) {
        self.sql.run("RESET ROLE").unwrap();
        for name in &self.names {
            let gone = self.sql.run(&format!(
                "DROP OWNED BY \"{name}\" CASCADE; DROP ROLE \"{name}\""
            ));
            if let Err(error) = gone {
                eprintln!("role {name} is left: {error}");
            }
        }
    }
}

/// The program's role made the trail by connecting first, as it does unless it may not.
fn the_creator_of_the_trail_can_become_its_writer(scratch: &Scratch) {
    let sql = Sql::connect(&scratch.url);
    let role = |name: &str| format!("{}_{name}", scratch.schema);
    let app = format!("{} app@ex.com", scratch.schema);
    let made = Made::new(&sql, &[&app, &role("owner"), &role("reader")]);
    let database = sql.value("SELECT quote_ident(current_database())");
    sql.run(&format!("GRANT CREATE ON DATABASE {database} TO \"{app}\""))
        .unwrap();
    // A URL's setting of a role with a space in it.
    let url = scratch.with_option("role", &app.replace(' ', "%5C%20").replace('@', "%40"));
    let store = scratch.options().connect(&url).unwrap();
    let mut sample = entries(20, 1);
    store.append(&sample).unwrap();
    let script = Roles::new(&scratch.schema)
        .owner(role("owner"))
        .writer(&app)
        .reader(role("reader"))
        .sql()
        .unwrap();
    for _again in 0..2 {
        sql.run(&script).unwrap();
    }

    sql.run(&format!(
        "SET search_path = {}; SET ROLE \"{app}\"",
        scratch.schema
    ))
    .unwrap();
    let part = sql.value(
        "SELECT max(relname) FROM pg_class WHERE relname ~ '^audit_entry_[0-9]{4}_[0-9]{2}$' \
         AND relnamespace = current_schema()::regnamespace",
    );
    for attempt in [
        format!("DROP TABLE {part}"),
        format!("DROP SCHEMA {} CASCADE", scratch.schema),
        "DROP FUNCTION audit_keep CASCADE".to_owned(),
        "DROP DOMAIN audit_body CASCADE".to_owned(),
        "ALTER DOMAIN audit_body DROP CONSTRAINT audit_entry_body".to_owned(),
        "DROP TYPE audit_row".to_owned(),
        "CREATE TABLE audit_entry_2099_03 (id uuid)".to_owned(),
        "CREATE OR REPLACE FUNCTION audit_keep() RETURNS trigger LANGUAGE plpgsql \
         AS 'BEGIN RETURN OLD; END'"
            .to_owned(),
        // The number of another transaction.
        "INSERT INTO audit_entry (id, ts, level, action, outcome, model, object_pk, fields, body, \
         checksum, xact) VALUES (gen_random_uuid(), 0, 20, 'a', 'success', 'M', '1', '{}', '{}', '', 1)"
            .to_owned(),
    ] {
        assert_eq!(sql.state(&attempt), FORBIDDEN, "{attempt}");
    }
    let left = sql.value(
        "SELECT coalesce(string_agg(c.oid::regclass::text, ', '), '') FROM pg_class AS c \
         WHERE relnamespace = current_schema()::regnamespace AND pg_get_userbyid(relowner) = current_user",
    ) + &sql.value(
        "SELECT coalesce(string_agg(oid::regtype::text, ', '), '') FROM pg_type \
         WHERE typnamespace = current_schema()::regnamespace AND pg_get_userbyid(typowner) = current_user",
    ) + &sql.value(
        "SELECT coalesce(string_agg(oid::regprocedure::text, ', '), '') FROM pg_proc \
         WHERE pronamespace = current_schema()::regnamespace AND pg_get_userbyid(proowner) = current_user",
    );
    assert_eq!(left, "", "the writer still owns something");
    let more = entries(20, 2);
    store.append(&more).unwrap();
    sql.append(&entries(1, 3));
    assert_eq!(store.import(entries(50, 4)).unwrap(), 50);
    sample.extend(more);
    assert_eq!(scratch.store().count(&Query::new()).unwrap(), 91);

    // The name of a coming month is taken by something else: that is said.
    sql.run("RESET ROLE; CREATE TABLE audit_entry_2099_03 (id uuid)")
        .unwrap();
    assert_eq!(
        sql.state("SELECT audit_add_partition('2099-03-01')"),
        "42P07"
    );
    drop(made);
}

fn a_role_that_could_drop_the_trail_is_refused(scratch: &Scratch) {
    let store = scratch.store();
    let sql = scratch.sql();
    let role = |name: &str| format!("{}_{name}", scratch.schema);
    let names = ["owner", "writer", "reader", "team"].map(role);
    let made = Made::new(&sql, &names.each_ref().map(String::as_str));
    let script = script(scratch);
    let (schema, writer, team) = (&scratch.schema, role("writer"), role("team"));
    let cases = [
        // Others have tables there, so that the schema keeps its owner.
        format!("CREATE TABLE others (id int); ALTER SCHEMA {schema} OWNER TO {writer}"),
        format!("ALTER SCHEMA {schema} OWNER TO {team}; GRANT {team} TO {writer}"),
        format!(
            "ALTER SCHEMA {schema} OWNER TO postgres; GRANT CREATE ON SCHEMA {schema} TO {team}"
        ),
        format!(
            "REVOKE ALL ON SCHEMA {schema} FROM {team}; GRANT {} TO {writer}",
            role("owner")
        ),
    ];
    for case in cases {
        let case = case.replace(
            "postgres",
            &sql.value("SELECT quote_ident(session_user::text)"),
        );
        sql.run(&case).unwrap();
        assert_eq!(sql.state(&script), "0LP01", "{case}");
    }
    sql.run(&format!("REVOKE {} FROM {writer}", role("owner")))
        .unwrap();
    sql.run(&script).unwrap();
    drop(made);
    drop(store);
}

/// Fences of an owner that was interrupted while creating a partition.
fn leftover_fences_are_removed(scratch: &Scratch) {
    drop(scratch.store());
    let sql = scratch.sql();
    let role = |name: &str| format!("{}_{name}", scratch.schema);
    let made = Made::new(&sql, &[&role("owner"), &role("writer"), &role("reader")]);
    let script = script(scratch);
    sql.run(&script).unwrap();
    let later = sql.value("SELECT (date_trunc('month', now()) + interval '9 months')::date");
    sql.run(&format!("SELECT audit_fence('{later}')")).unwrap();
    let close = "ALTER TABLE audit_entry_rest ADD CONSTRAINT audit_entry_rest_awaits_2026_02 CHECK \
         (id < audit_first_id('2026-02-01') OR id >= audit_first_id('2026-03-01')) NOT VALID";
    let of_month = "INSERT INTO audit_entry (id, ts, level, action, outcome, model, object_pk, \
         fields, body, checksum) SELECT audit_first_id('2026-02-01'), 0, 20, 'a', 'success', 'M', '1', '{}', \
         '{\"action\":\"', '' ON CONFLICT DO NOTHING";
    let fences = "SELECT string_agg(conname, ' ') FROM pg_constraint \
         WHERE conname ~ '^audit_entry_rest_awaits' AND conrelid = 'audit_entry_rest'::regclass";
    let is_open = || {
        let deadline = Instant::now() + Duration::from_secs(20);
        while sql.value(fences).contains("2026_02") {
            assert!(Instant::now() < deadline, "the month stays closed");
            thread::sleep(Duration::from_millis(5));
        }
        sql.run(of_month).unwrap();
    };
    let url = scratch.with_option("role", &role("writer"));
    for migrate in [true, false] {
        sql.run(close).unwrap();
        assert_eq!(sql.state(of_month), "23514");
        let store = scratch.options().migrate(migrate).connect(&url).unwrap();
        is_open();
        store.close().unwrap();
    }
    // With any client, except roles that may only read.
    sql.run(close).unwrap();
    sql.run(&format!("SET ROLE {}", role("reader"))).unwrap();
    assert_eq!(sql.state("SELECT audit_lift_fences()"), FORBIDDEN);
    sql.run(&format!("SET ROLE {}", role("writer"))).unwrap();
    assert_eq!(sql.value("SELECT audit_lift_fences()"), "1");
    assert_eq!(sql.value("SELECT audit_lift_fences()"), "0");
    sql.run("RESET ROLE").unwrap();
    is_open();
    // What is being made is left alone.
    let month = later[..7].replace('-', "_");
    assert_eq!(
        sql.value(fences),
        format!("audit_entry_rest_awaits_{month}")
    );
    drop(made);
}

fn default_privileges_reach_no_partition(scratch: &Scratch) {
    let _store = scratch.store();
    let sql = scratch.sql();
    let role = format!("{}_other", scratch.schema);
    let made = Made::new(&sql, &[&role]);
    sql.run(&format!(
        "ALTER DEFAULT PRIVILEGES IN SCHEMA {0} GRANT ALL ON TABLES TO {role}, PUBLIC; \
         SELECT audit_add_partition('2031-01-01')",
        scratch.schema
    ))
    .unwrap();
    let others = sql.value(
        "SELECT count(*) FROM pg_class, aclexplode(relacl) AS a \
         WHERE pg_class.oid = 'audit_entry_2031_01'::regclass AND a.grantee <> relowner",
    );
    assert_eq!(others, "0");
    drop(made);
}

/// A role that may only add entries must not make the others unreadable.
fn invalid_rows_are_refused(scratch: &Scratch) {
    let store = scratch.store();
    let sql = scratch.sql();
    let sample = entries(3, 1);
    store.append(&sample).unwrap();
    let insert = |ts: &str, level: &str, outcome: &str, body: &str| {
        format!(
            "INSERT INTO audit_entry (id, ts, level, action, outcome, model, object_pk, fields, body, checksum) \
             VALUES (gen_random_uuid(), {ts}, {level}, 'x', '{outcome}', 'User', '1', '{{}}', {body}, '')"
        )
    };
    let body = "'{\"action\":\"x\"}'";
    for attempt in [
        insert("1", "20", "success", "'no json'"),
        insert("1", "20", "success", "''"),
        insert(
            "1",
            "20",
            "success",
            "E'{\"action\":\"x\"}\\n{\"action\":\"forged\"}'",
        ),
        insert("1", "20", "success", "E'{\"action\":\"x\"}\\r'"),
        insert("9223372036854775807", "20", "success", body),
        insert("-9223372036854775808", "20", "success", body),
        insert("1", "21", "success", body),
        insert("1", "20", "won", body),
    ] {
        assert_eq!(sql.state(&attempt), "23514", "{attempt}");
    }
    assert_kept(&store, &sample);
    // The first and the last times that an entry can have.
    let ends = [DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC];
    let ends = ends.map(|time| {
        let mut entry = LogEntry::new("noted", "Note", "1", "a note");
        entry.timestamp = time;
        entry
    });
    store.append(&ends).unwrap();
    assert_eq!(store.count(&Query::new()).unwrap(), 5);
}

fn grant(sql: &Sql, schema: &str, role: &str, privileges: &str) {
    sql.run(&format!(
        "GRANT USAGE ON SCHEMA {schema} TO \"{role}\"; \
         GRANT {privileges} ON ALL TABLES IN SCHEMA {schema} TO \"{role}\"; \
         GRANT USAGE ON ALL SEQUENCES IN SCHEMA {schema} TO \"{role}\""
    ))
    .unwrap();
}

/// A connection whose copy was refused is not used again.
fn a_refused_copy_leaves_later_statements_intact(scratch: &Scratch) {
    let owner = scratch.store();
    let sql = scratch.sql();
    let role = format!("{}_refused", scratch.schema);
    let _made = Made::new(&sql, &[&role]);
    grant(&sql, &scratch.schema, &role, "SELECT");
    let url = scratch.with_option("role", &role);
    let store = scratch.options().connect(&url).unwrap();
    for seed in 0..3 {
        for error in [
            store.import(entries(300, seed)).unwrap_err(),
            store.append(&entries(300, seed)).unwrap_err(),
        ] {
            assert!(matches!(error, StoreError::ReadOnly { .. }), "{error:?}");
        }
        assert_eq!(store.count(&Query::new()).unwrap(), 0);
    }
    grant(&sql, &scratch.schema, &role, "INSERT");
    store.append(&entries(300, 4)).unwrap();
    assert_eq!(store.import(entries(300, 5)).unwrap(), 300);
    assert_eq!(owner.count(&Query::new()).unwrap(), 600);
    drop(store);
}

/// The server refuses to copy rows into a table with policies for rows.
fn entries_are_imported_where_policies_forbid_copies(scratch: &Scratch) {
    let owner = scratch.store();
    let sql = scratch.sql();
    let schema = &scratch.schema;
    let writer = format!("{schema}_policies");
    let _made = Made::new(&sql, &[&writer]);
    grant(&sql, schema, &writer, "SELECT, INSERT");
    sql.run(&format!(
        "GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA {schema} TO \"{writer}\"; \
         ALTER TABLE {schema}.audit_entry ENABLE ROW LEVEL SECURITY; \
         CREATE POLICY everyone ON {schema}.audit_entry USING (true) WITH CHECK (true); \
         SET ROLE \"{writer}\""
    ))
    .unwrap();
    let copied = sql.state(&format!("COPY {schema}.audit_entry (id) FROM STDIN"));
    assert_eq!(copied, "0A000", "the server copies");
    sql.run("RESET ROLE").unwrap();
    let store = scratch
        .options()
        .connect(&scratch.with_option("role", &writer));
    let store = store.unwrap();
    for seed in [1, 2] {
        assert_eq!(store.import(entries(300, seed)).unwrap(), 300);
    }
    assert_eq!(owner.count(&Query::new()).unwrap(), 600);
    drop(store);
}

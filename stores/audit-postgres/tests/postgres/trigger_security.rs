//! Triggers against hostile roles, and on tables that do not fit.

use audit_core::{FieldSchema, LogEntry, Mask, ModelSchema, Outcome, Query, Redaction, Store};
use audit_postgres::{PostgresStore, Reconcile, Triggers};
use serde_json::json;
use uuid::Uuid;

use crate::Test;
use crate::scratch::{Scratch, Sql};

pub(crate) const TESTS: &[Test] = tests![
    truncate_reads_the_table_itself,
    settings_of_a_session_hide_nothing,
    casts_of_others_do_not_run,
    a_schema_where_others_create_is_refused,
    owners_of_trail_and_table_install,
    a_table_that_does_not_fit_is_refused,
    masks_hide_values_that_are_not_text,
    an_entry_covers_its_own_write_only,
    an_entry_that_is_left_out_is_an_error,
];

const fn field(name: &'static str) -> FieldSchema {
    FieldSchema::new(name, || &[])
}

const ID: &[FieldSchema] = &[field("id").identity()];
const SHOWN: &[FieldSchema] = &[field("id").identity(), field("value").converted()];
const USER: &[FieldSchema] = &[
    field("id").identity(),
    field("token").with_hash("User.token"),
    field("password").skipped(),
    field("email").with_mask(Mask::Email),
    field("shown").converted(),
    field("team"),
];

const ITEM: ModelSchema = ModelSchema::new(
    "Item",
    "Item",
    const { &[field("id").identity(), field("value")] },
);

fn on(scratch: &Scratch, model: &ModelSchema, table: &str) -> Triggers {
    Triggers::new(model.describe(), format!("{}.{table}", scratch.schema)).schema(&scratch.schema)
}

/// A store, and a table `items` with triggers, whose values have a type.
fn items(scratch: &Scratch, kind: &str) -> (PostgresStore, Sql) {
    let store = scratch.store();
    let sql = scratch.sql();
    sql.run(&format!(
        "CREATE TABLE items (id integer PRIMARY KEY, value {kind})"
    ))
    .unwrap();
    sql.run(&on(scratch, &ITEM, "items").sql().unwrap())
        .unwrap();
    (store, sql)
}

fn deleted(store: &PostgresStore) -> Vec<String> {
    let deletions = store
        .find(&Query::new().action(audit_core::Action::Delete))
        .unwrap();
    deletions
        .entries
        .into_iter()
        .map(|entry| entry.object_pk)
        .collect()
}

fn truncate_reads_the_table_itself(scratch: &Scratch) {
    let (store, sql) = items(scratch, "text");
    let schema = &scratch.schema;
    // A view of the session's own with the table's name.
    sql.run(&format!(
        "INSERT INTO items VALUES (1, 'a'); CREATE TEMP VIEW items AS SELECT 4711 AS id; \
         TRUNCATE {schema}.items; DROP VIEW pg_temp.items"
    ))
    .unwrap();
    assert_eq!(deleted(&store), ["1"]);
    // What inherits from it stays.
    sql.run(
        "CREATE TABLE heirs () INHERITS (items); INSERT INTO heirs VALUES (2, 'b'); \
         INSERT INTO items VALUES (3, 'c'); TRUNCATE ONLY items",
    )
    .unwrap();
    assert_eq!(deleted(&store), ["1", "3"]);
    // The name is another table's now.
    sql.run(
        "ALTER TABLE items RENAME TO before; CREATE TABLE items (id integer, value text); \
         INSERT INTO items VALUES (777, 'x'); INSERT INTO before VALUES (5, 'e'); \
         TRUNCATE ONLY before",
    )
    .unwrap();
    assert_eq!(deleted(&store), ["1", "3", "5"]);
    // Of a partitioned table all partitions.
    sql.run(
        "CREATE TABLE parts (id integer PRIMARY KEY, value text) PARTITION BY RANGE (id); \
         CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (10); \
         CREATE TABLE parts_2 PARTITION OF parts DEFAULT",
    )
    .unwrap();
    sql.run(&on(scratch, &ITEM, "parts").sql().unwrap())
        .unwrap();
    sql.run("INSERT INTO parts VALUES (6, 'f'), (60, 'g'); TRUNCATE parts")
        .unwrap();
    assert_eq!(deleted(&store).len(), 5);
    assert_eq!(store.find(&Query::new()).unwrap().entries.len(), 10);
}

fn settings_of_a_session_hide_nothing(scratch: &Scratch) {
    let (store, sql) = items(scratch, "double precision");
    sql.run(&format!(
        "CREATE TABLE texts (id integer PRIMARY KEY, value text[]); {}",
        on(scratch, &ITEM, "texts").sql().unwrap()
    ))
    .unwrap();
    sql.run(
        "INSERT INTO items VALUES (1, 0.5); SET standard_conforming_strings = off; \
         SET escape_string_warning = off; SET array_nulls = off; SET transform_null_equals = on; \
         UPDATE items SET value = 2.5e30; DELETE FROM items; \
         INSERT INTO texts VALUES (2, ARRAY['a', NULL]); TRUNCATE texts",
    )
    .unwrap();
    let entries = store.find(&Query::new()).unwrap().entries;
    let news: Vec<_> = entries
        .iter()
        .map(|entry| entry.changes["value"].new.clone())
        .collect();
    assert_eq!(
        news,
        [
            Some(json!(0.5)),
            Some(json!(2.5e30)),
            None,
            Some(json!(["a", null])),
            None
        ]
    );
    // Said in any way that the server takes for `on`.
    for yes in ["on", "TRUE", "1", "yes"] {
        sql.run(&format!(
            "BEGIN; SET LOCAL auditlog.audited = '{yes}'; INSERT INTO items VALUES (9, 1); \
             ROLLBACK"
        ))
        .unwrap();
    }
    assert_eq!(store.count(&Query::new()).unwrap(), 5);
}

/// Makes roles for the time of some work.
fn with_roles(scratch: &Scratch, names: &[&str], work: impl FnOnce(&Sql, &[String])) {
    let sql = scratch.sql();
    let roles: Vec<_> = names
        .iter()
        .map(|name| format!("{}_{name}", scratch.schema))
        .collect();
    for role in &roles {
        sql.run(&format!("CREATE ROLE {role}")).unwrap();
    }
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| work(&sql, &roles)));
    sql.run("ROLLBACK; RESET SESSION AUTHORIZATION").unwrap();
    for role in &roles {
        sql.run(&format!(
            "DROP SCHEMA IF EXISTS {role} CASCADE; DROP OWNED BY {role} CASCADE; DROP ROLE {role}"
        ))
        .unwrap();
    }
    if let Err(panic) = outcome {
        std::panic::resume_unwind(panic);
    }
}

fn message(sql: &Sql, statement: &str) -> String {
    let error = sql.run(statement).unwrap_err();
    error.as_db_error().unwrap().message().to_owned()
}

/// The owner of a type can create casts, which run with the rights of the caller.
fn casts_of_others_do_not_run(scratch: &Scratch) {
    let store = scratch.store();
    let schema = &scratch.schema;
    with_roles(scratch, &["app"], |sql, roles| {
        let app = &roles[0];
        sql.run(&format!(
            "CREATE SCHEMA {app}; GRANT ALL ON SCHEMA {app} TO {app}; \
             GRANT USAGE ON SCHEMA {schema} TO {app}; SET ROLE {app}; SET search_path = {app}; \
             CREATE TYPE mood AS ENUM ('well', 'ill'); CREATE TYPE pair AS (a mood, b int); \
             CREATE FUNCTION text_of(mood) RETURNS text LANGUAGE plpgsql AS \
                 $$BEGIN RAISE EXCEPTION 'it runs as %', current_user; END$$; \
             CREATE FUNCTION json_of(mood) RETURNS json LANGUAGE plpgsql AS \
                 $$BEGIN RAISE EXCEPTION 'it runs as %', current_user; END$$; \
             CREATE FUNCTION json_of(pair) RETURNS json LANGUAGE plpgsql AS \
                 $$BEGIN RAISE EXCEPTION 'it runs as %', current_user; END$$; \
             CREATE CAST (mood AS text) WITH FUNCTION text_of(mood); \
             CREATE CAST (mood AS json) WITH FUNCTION json_of(mood); \
             CREATE CAST (pair AS json) WITH FUNCTION json_of(pair); RESET ROLE"
        ))
        .unwrap();
        for (kind, value, expected) in [
            ("mood", "'well'::MOOD", json!("well")),
            ("mood[]", "ARRAY['ill']::MOOD[]", json!(["ill"])),
            ("pair", "ROW('ill', 1)::PAIR", json!({"a": "ill", "b": 1})),
            (
                "pair[]",
                "ARRAY[ROW('ill', 1)]::PAIR[]",
                json!([{"a": "ill", "b": 1}]),
            ),
        ] {
            let value = value.replace("MOOD", &format!("{app}.mood"));
            let value = value.replace("PAIR", &format!("{app}.pair"));
            sql.run(&format!(
                "SET search_path = {schema}; DROP TABLE IF EXISTS items; \
                 CREATE TABLE items (id integer PRIMARY KEY, value {app}.{kind})"
            ))
            .unwrap();
            sql.run(&on(scratch, &ITEM, "items").sql().unwrap())
                .unwrap();
            sql.run(&format!(
                "GRANT INSERT, DELETE, SELECT ON items TO {app}; SET ROLE {app}; \
                 INSERT INTO {schema}.items VALUES (1, {value}); DELETE FROM {schema}.items; \
                 RESET ROLE"
            ))
            .unwrap();
            let last = store.find(&Query::new().newest_first()).unwrap().entries;
            assert_eq!(last[0].changes["value"].old, Some(expected), "{kind}");
        }
        sql.run("DROP TABLE items").unwrap();
    });
}

fn a_schema_where_others_create_is_refused(scratch: &Scratch) {
    let (_store, sql) = items(scratch, "text");
    let schema = &scratch.schema;
    let install = on(scratch, &ITEM, "items").sql().unwrap();
    sql.run(&format!("GRANT CREATE ON SCHEMA {schema} TO PUBLIC"))
        .unwrap();
    let refused = message(&sql, &install);
    assert!(
        refused.starts_with(&format!(
            "the role PUBLIC may create functions in the schema {schema}, which triggers could run"
        )),
        "{refused}"
    );
    sql.run(&format!("REVOKE CREATE ON SCHEMA {schema} FROM PUBLIC"))
        .unwrap();
    with_roles(scratch, &["app"], |sql, roles| {
        let app = &roles[0];
        sql.run(&format!("GRANT CREATE ON SCHEMA {schema} TO {app}"))
            .unwrap();
        assert!(message(sql, &install).contains(app.as_str()));
        // What was made while it might stays dangerous.
        sql.run(&format!(
            "SET ROLE {app}; CREATE FUNCTION {schema}.audit_value(integer) RETURNS text \
             LANGUAGE sql AS $$SELECT 'forged'$$; RESET ROLE; \
             REVOKE CREATE ON SCHEMA {schema} FROM {app}"
        ))
        .unwrap();
        let refused = message(sql, &install);
        assert!(
            refused.contains("belongs to the role") && refused.contains("audit_value(integer)"),
            "{refused}"
        );
        sql.run(&format!("DROP FUNCTION {schema}.audit_value(integer)"))
            .unwrap();
        sql.run(&install).unwrap();
    });
}

/// The trail has an owner, and the table another; a member of both installs.
fn owners_of_trail_and_table_install(scratch: &Scratch) {
    let store = scratch.store();
    let schema = &scratch.schema;
    with_roles(
        scratch,
        &["keeper", "app", "both", "reader", "writer"],
        |sql, roles| {
            let [keeper, app, both, reader, writer] = roles else {
                unreachable!()
            };
            let script = audit_postgres::Roles::new(schema.as_str())
                .owner(keeper)
                .reader(reader)
                .writer(writer);
            sql.run(&script.sql().unwrap()).unwrap();
            sql.run(&format!(
                "CREATE SCHEMA {app} AUTHORIZATION {app}; GRANT {keeper}, {app} TO {both}; \
                 SET ROLE {app}; CREATE TABLE {app}.items (id integer PRIMARY KEY, value text)"
            ))
            .unwrap();
            let triggers = Triggers::new(ITEM.describe(), format!("{app}.items")).schema(schema);
            let install = triggers.sql().unwrap();
            let refused = message(sql, &install);
            assert!(
                refused.contains(&format!("belongs to the role {keeper}")),
                "{refused}"
            );
            sql.run(&format!("RESET ROLE; SET ROLE {keeper}")).unwrap();
            let refused = message(sql, &install);
            assert!(
                refused.contains("permission denied") || refused.contains("belongs to the role"),
                "{refused}"
            );
            sql.run(&format!("RESET ROLE; SET ROLE {both}")).unwrap();
            let refused = message(sql, &install);
            assert!(refused.contains("GRANT USAGE ON SCHEMA"), "{refused}");
            sql.run(&format!("GRANT USAGE ON SCHEMA {app} TO {keeper}"))
                .unwrap();
            for _again in 0..2 {
                sql.run(&install).unwrap();
            }
            // Nothing runs with more rights than the trail's owner has.
            let owners = format!(
                "SELECT string_agg(DISTINCT proowner::regrole::text, ' ') FROM pg_proc \
                 WHERE pronamespace = '{schema}'::regnamespace"
            );
            assert_eq!(sql.value(&owners), *keeper);
            sql.run(&format!(
                "RESET ROLE; SET ROLE {app}; INSERT INTO {app}.items VALUES (1, 'a'); \
                 TRUNCATE {app}.items; RESET ROLE; SET ROLE {reader}"
            ))
            .unwrap();
            assert_eq!(
                sql.value(&format!("SELECT count(*) FROM {schema}.audit_touched")),
                "0"
            );
            sql.run(&format!(
                "RESET ROLE; ALTER TABLE {app}.items ENABLE ROW LEVEL SECURITY; SET ROLE {app}; \
                 INSERT INTO {app}.items VALUES (2, 'b')"
            ))
            .unwrap();
            // What it may not see it cannot record.
            assert_eq!(sql.state(&format!("TRUNCATE {app}.items")), "42501");
            sql.run("RESET ROLE").unwrap();
            assert_eq!(deleted(&store), ["1"]);
            // The trail gets another owner, and its triggers with it.
            let script = audit_postgres::Roles::new(schema.as_str())
                .owner(both)
                .reader(reader)
                .writer(writer);
            sql.run(&format!("GRANT USAGE ON SCHEMA {app} TO {both}"))
                .unwrap();
            sql.run(&script.sql().unwrap()).unwrap();
            assert_eq!(sql.value(&owners), *both);
            sql.run(&format!(
                "ALTER TABLE {app}.items DISABLE ROW LEVEL SECURITY; SET ROLE {app}; \
                 TRUNCATE {app}.items; RESET ROLE"
            ))
            .unwrap();
            assert_eq!(deleted(&store), ["1", "2"]);
        },
    );
}

fn a_table_that_does_not_fit_is_refused(scratch: &Scratch) {
    let (_store, sql) = items(scratch, "text");
    let schema = &scratch.schema;
    sql.run(
        "CREATE TABLE nameless (id integer PRIMARY KEY); \
         CREATE TABLE keyless (id integer NOT NULL, value text); \
         CREATE TABLE nullable (id integer UNIQUE, value text); \
         CREATE TABLE sometimes (id integer NOT NULL, value text); \
         CREATE UNIQUE INDEX ON sometimes (id) WHERE value > ''",
    )
    .unwrap();
    let keys = "need a primary key, or NOT NULL and a unique index";
    for (table, said) in [
        ("absent", "there is no table"),
        (
            "nameless",
            "has no column value for the field value of the model Item: name it (--column value=..), \
             or leave the field out (--omit value)",
        ),
        ("keyless", keys),
        ("nullable", keys),
        ("sometimes", keys),
    ] {
        let refused = message(&sql, &on(scratch, &ITEM, table).sql().unwrap());
        assert!(refused.contains(said), "{table}: {refused}");
    }
    let other = ModelSchema::new("Other", "Other", ID);
    let refused = message(&sql, &on(scratch, &other, "items").sql().unwrap());
    assert!(
        refused.ends_with("has the triggers of the model Item: remove those first (--drop)"),
        "{refused}"
    );
    sql.run(&on(scratch, &other, "items").drop_sql().unwrap())
        .unwrap();
    sql.run(&on(scratch, &other, "items").sql().unwrap())
        .unwrap();

    let model = ModelSchema::new("User", "User", USER).with_parent("Team", "team");
    let triggers = || Triggers::new(model.describe(), "users").schema(schema);
    let hidden = [
        triggers().key(["token"]),
        triggers().key(["password"]),
        triggers().key(["id", "email"]),
        triggers().mask("id", Mask::All),
        triggers().omit("id"),
        triggers().mask("team", Mask::Last4),
        triggers().clear("email"),
        triggers().clear("token"),
    ];
    for triggers in hidden {
        let refused = triggers.sql().unwrap_err().to_string();
        assert!(refused.contains("is hidden and cannot be"), "{refused}");
    }
    let refusal = |table: &str| {
        let refused = Triggers::new(model.describe(), table).sql().unwrap_err();
        refused.to_string()
    };
    assert_eq!(
        refusal("a.b.c"),
        "`a.b.c` is not a table name; give `table` or `schema.table`"
    );
    let quoted = ModelSchema::new("$audit$", "Odd", ID);
    assert!(Triggers::new(quoted.describe(), "quoted").sql().is_err());
}

fn masks_hide_values_that_are_not_text(scratch: &Scratch) {
    let store = scratch.store();
    let sql = scratch.sql();
    let deep = format!("{}\"4111111111111111\"{}", "[".repeat(300), "]".repeat(300));
    let cases = [
        ("json", r#"{"a\u0000": "4111111111111111"}"#),
        ("json", &deep),
        ("jsonb", r#"{"card": "4111111111111111"}"#),
        ("json", r#""\ud83d4111111111111111""#),
        ("int8range", "[4111111111111111,4111111111111119)"),
        ("text[]", "{4111111111111111}"),
        ("bytea", "4111111111111111"),
        ("xml", "<card>4111111111111111</card>"),
    ];
    for (number, (kind, given)) in cases.iter().enumerate() {
        for mask in [Mask::FirstHalf, Mask::Last4, Mask::Email, Mask::All] {
            let triggers = on(scratch, &ITEM, "items").mask("value", mask);
            sql.run(&format!(
                "DROP TABLE IF EXISTS items; CREATE TABLE items (id integer PRIMARY KEY, value \
                 {kind}); {}",
                triggers.sql().unwrap()
            ))
            .unwrap();
            sql.run(&format!(
                "INSERT INTO items VALUES ({number}, '{given}'); UPDATE items SET value = NULL"
            ))
            .unwrap();
            let last = store.find(&Query::new().newest_first()).unwrap().entries;
            let expected = if mask == Mask::Last4 { "****" } else { "***" };
            let change = &last[0].changes["value"];
            assert_eq!(
                (&change.old, change.redaction),
                (&Some(json!(expected)), Some(Redaction::Masked)),
                "{mask} of {given}"
            );
        }
    }
    // What a function of the program shows is not what the column has.
    let model = ModelSchema::new("Item", "Item", SHOWN);
    for (clear, expected) in [(false, "***"), (true, "4111111111111111")] {
        let triggers = on(scratch, &model, "items");
        let triggers = if clear {
            triggers.clear("value")
        } else {
            triggers
        };
        sql.run(&format!(
            "DROP TABLE IF EXISTS items; CREATE TABLE items (id integer PRIMARY KEY, value text); {}",
            triggers.sql().unwrap()
        ))
        .unwrap();
        sql.run("INSERT INTO items VALUES (1, '4111111111111111')")
            .unwrap();
        let last = store.find(&Query::new().newest_first()).unwrap().entries;
        assert_eq!(last[0].changes["value"].new, Some(json!(expected)));
    }
    let rows = sql
        .run("SELECT count(*) FROM audit_entry WHERE body LIKE '%411111111111%'")
        .unwrap();
    assert_eq!(rows[0][0].as_deref(), Some("1"));
}

fn an_entry_covers_its_own_write_only(scratch: &Scratch) {
    let store = scratch.store();
    let sql = scratch.sql();
    sql.run("CREATE TABLE items (id integer PRIMARY KEY, value double precision)")
        .unwrap();
    sql.run(&on(scratch, &ITEM, "items").watch().sql().unwrap())
        .unwrap();
    let id = Uuid::from_u128(0x4711);
    let entry = |action: &str, pk: u32| {
        let mut entry = LogEntry::new(action, "Item", pk.to_string(), "Item");
        entry.transaction_id = Some(id);
        entry
    };
    let unaudited = || -> Vec<String> {
        let found = store.reconcile(Reconcile::all()).unwrap();
        let pks = found.writes.iter().map(|write| write.object_pk.clone());
        pks.collect()
    };
    let under = |id: Uuid, statements: &str| {
        sql.run(&format!(
            "BEGIN; SET LOCAL auditlog.transaction_id = '{id}'; {statements}; COMMIT"
        ))
        .unwrap();
    };
    under(
        id,
        "INSERT INTO items VALUES (1, 0), (2, 0), (3, 0), (4, 0)",
    );
    assert_eq!(unaudited(), ["1", "2", "3", "4"]);
    let mut denied = entry("update", 2);
    denied.outcome = Outcome::Denied;
    store
        .append(&[
            entry("create", 1),
            denied,
            entry("viewed", 3),
            entry("delete", 4),
        ])
        .unwrap();
    // A denied attempt, another verb and a deletion do not cover a creation.
    assert_eq!(unaudited(), ["2", "3", "4"]);
    store
        .append(&[entry("create", 2), entry("create", 3), entry("create", 4)])
        .unwrap();
    assert!(unaudited().is_empty());
    // The id of an older entry of the object.
    under(id, "UPDATE items SET value = 7 WHERE id = 1");
    assert_eq!(unaudited(), ["1"]);
    // The same transaction of the program, that wrote twice and says so twice.
    store.append(&[entry("update", 1)]).unwrap();
    assert!(unaudited().is_empty());
    // What the program calls unchanged is no write.
    under(
        Uuid::from_u128(1),
        "UPDATE items SET value = '-0' WHERE value = 0",
    );
    assert!(unaudited().is_empty());
    let none = store.reconcile(Reconcile::all().limit(0)).unwrap();
    assert_eq!((none.unaudited, none.writes.len()), (0, 0));
    under(Uuid::from_u128(2), "DELETE FROM items");
    let none = store.reconcile(Reconcile::all().limit(0)).unwrap();
    assert_eq!((none.unaudited, none.writes.len()), (4, 0));
    // An update does not cover a deletion.
    let mut update = entry("update", 1);
    update.transaction_id = Some(Uuid::from_u128(2));
    store.append(&[update]).unwrap();
    assert_eq!(unaudited().len(), 4);
}

/// An application's own trigger on the trail may leave out rows. The change is not without its entry.
fn an_entry_that_is_left_out_is_an_error(scratch: &Scratch) {
    let (store, sql) = items(scratch, "text");
    sql.run(
        "CREATE FUNCTION leave_out() RETURNS trigger LANGUAGE plpgsql AS \
             $$ BEGIN RETURN NULL; END $$; \
         CREATE TRIGGER leave_out BEFORE INSERT ON audit_entry FOR EACH ROW \
             WHEN (NEW.object_pk = '2') EXECUTE FUNCTION leave_out()",
    )
    .unwrap();
    sql.run("INSERT INTO items VALUES (1, 'a')").unwrap();
    let error = sql
        .run("INSERT INTO items VALUES (2, 'b'), (3, 'c')")
        .unwrap_err();
    let text = format!("{error:?}");
    assert!(
        text.contains("1 of 2 audit entries were not stored"),
        "{text}"
    );
    assert_eq!(sql.value("SELECT count(*) FROM items"), "1");
    assert_eq!(store.count(&Query::new()).unwrap(), 1);
}

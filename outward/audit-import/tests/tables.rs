//! Tables that the libraries' own files do not show: broken rows, lost tables, other names.

use std::path::Path;

use audit_core::{Action, LogEntry, MemoryStore, Query, Redaction, Store};
use audit_import::{Format, Import, ImportError, LossKind, detect};
use proptest::prelude::*;
use rusqlite::Connection;
use serde_json::json;
use tempfile::TempDir;

/// A database made of SQL.
struct Database {
    folder: TempDir,
}

impl Database {
    fn new(sql: &str) -> Self {
        let database = Self {
            folder: tempfile::tempdir().expect("a folder"),
        };
        database.run(sql);
        database
    }

    fn path(&self) -> std::path::PathBuf {
        self.folder.path().join("app.sqlite3")
    }

    fn run(&self, sql: &str) {
        let connection = Connection::open(self.path()).expect("a database");
        connection.execute_batch(sql).expect("good SQL");
    }

    fn read(&self) -> Vec<Result<LogEntry, ImportError>> {
        let import = Import::open(self.path()).expect("audit tables");
        import.entries().expect("readable").collect()
    }

    fn entries(&self) -> Vec<LogEntry> {
        let read: Result<_, _> = self.read().into_iter().collect();
        read.expect("good rows")
    }

    fn losses(&self) -> Vec<LossKind> {
        let import = Import::open(self.path()).expect("audit tables");
        let mut entries = import.entries().expect("readable");
        for entry in &mut entries {
            entry.expect("a good row");
        }
        let losses = entries.report().losses();
        losses
            .map(|loss| loss.kind)
            .filter(|kind| *kind != LossKind::AssumedUtc)
            .collect()
    }
}

const AUDITS: &str = "CREATE TABLE audits (id INTEGER PRIMARY KEY, auditable_id INTEGER, auditable_type TEXT, \
    user_id INTEGER, user_type TEXT, username TEXT, action TEXT, audited_changes TEXT, version INTEGER, comment TEXT, \
    remote_address TEXT, request_uuid TEXT, created_at DATETIME);";

const LOG_ENTRIES: &str = "CREATE TABLE django_content_type (id INTEGER PRIMARY KEY, app_label varchar(100), model varchar(100));
    CREATE TABLE auditlog_logentry (id INTEGER PRIMARY KEY, object_pk varchar(255), object_id bigint, object_repr text, \
    action smallint, timestamp datetime, actor_id integer, content_type_id integer, remote_addr char(39), \
    additional_data text, serialized_data text, cid varchar(255), changes text, changes_text text, remote_port integer);
    INSERT INTO django_content_type VALUES (1, 'shop', 'item');";

fn audit(id: i64, action: &str, changes: &str, time: &str) -> String {
    format!(
        "INSERT INTO audits (id, auditable_id, auditable_type, action, audited_changes, created_at) \
         VALUES ({id}, 7, 'Ticket', '{action}', '{}', {time});",
        changes.replace('\'', "''")
    )
}

fn log_entry(id: i64, action: i64, changes: &str) -> String {
    format!(
        "INSERT INTO auditlog_logentry (id, object_pk, object_repr, action, timestamp, content_type_id, changes) \
         VALUES ({id}, '7', 'seven', {action}, '2024-02-29 10:00:00', 1, '{}');",
        changes.replace('\'', "''")
    )
}

#[test]
fn what_is_no_audit_database_is_an_error() {
    let nothing = Database::new("CREATE TABLE t (a)");
    assert_eq!(detect(nothing.path()).expect("a database"), []);
    let error = Import::open(nothing.path()).unwrap_err();
    assert!(matches!(error, ImportError::NothingFound { .. }), "{error}");

    let text = nothing.folder.path().join("text");
    std::fs::write(
        &text,
        "no database, but long enough to have a header of SQLite".repeat(20),
    )
    .expect("a file");
    assert!(matches!(detect(&text), Err(ImportError::Open { .. })));
    assert!(matches!(
        detect(Path::new("/nowhere/at/all")),
        Err(ImportError::Open { .. })
    ));

    let audits = Database::new(AUDITS);
    let error = Import::open(audits.path()).and_then(|import| import.format(Format::PaperTrail));
    let error = error.unwrap_err().to_string();
    assert!(
        error.ends_with("app.sqlite3 has no audit tables of paper-trail"),
        "{error}"
    );
}

#[test]
fn a_broken_row_is_named_and_the_others_are_read() {
    let database = Database::new(AUDITS);
    for sql in [
        audit(1, "create", r#"{"title":"a"}"#, "'2024-02-29 10:00:00'"),
        audit(
            2,
            "update",
            r#"{"title":["a","hunter2"#,
            "'2024-02-29 10:00:01'",
        ),
        audit(3, "update", "---\ntitle: [hunter2", "'2024-02-29 10:00:02'"),
        audit(4, "update", r#"["hunter2"]"#, "'2024-02-29 10:00:03'"),
        audit(5, "update", "{}", "NULL"),
        audit(6, "update", "{}", "'soon'"),
        audit(7, "destroy", r#"{"title":"a"}"#, "'2024-02-29 10:00:04'"),
    ] {
        database.run(&sql);
    }
    let read = database.read();
    let problems: Vec<String> = read
        .iter()
        .filter_map(|row| Some(row.as_ref().err()?.to_string()))
        .collect();
    assert_eq!(
        problems,
        [
            "row 5 of audits: created_at is null, expected a time",
            "row 2 of audits: audited_changes is not JSON that can be read (Eof error at line 1, column 22)",
            "row 3 of audits: audited_changes is not YAML that can be read (error at line 3, column 1)",
            "row 4 of audits: audited_changes is not a hash of fields",
            "row 6 of audits: created_at is not a time",
        ]
    );
    assert!(
        read.iter()
            .flatten()
            .map(|entry| &entry.action)
            .eq([&Action::Create, &Action::Delete])
    );
    assert!(
        read.iter()
            .all(|row| row.as_ref().err().is_none_or(ImportError::concerns_one_row))
    );
}

#[test]
fn an_import_may_be_repeated_while_the_table_grows() {
    let database = Database::new(AUDITS);
    database.run(&audit(1, "create", "{}", "'2024-02-29 10:00:00'"));
    let store = MemoryStore::new();
    store.append(&database.entries()).expect("kept");
    database.run(&audit(2, "update", "{}", "'2024-02-29 10:00:00'"));
    // Another library's table, with rows of the same time.
    database.run(LOG_ENTRIES);
    database.run(&log_entry(1, 0, "{}"));
    store.append(&database.entries()).expect("kept");
    store.append(&database.entries()).expect("kept");
    assert_eq!(store.count(&Query::new()).expect("a number"), 3);
}

#[test]
fn two_libraries_in_one_file_are_read_by_time() {
    let database = Database::new(AUDITS);
    database.run(LOG_ENTRIES);
    database.run(&audit(1, "create", "{}", "'2024-02-29 09:00:00'"));
    database.run(&audit(2, "update", "{}", "'2024-02-29 11:00:00'"));
    database.run(&log_entry(1, 1, "{}"));
    assert_eq!(
        detect(database.path()).expect("a database"),
        [Format::Audited, Format::DjangoAuditlog]
    );
    let models: Vec<String> = database
        .entries()
        .into_iter()
        .map(|entry| entry.model)
        .collect();
    assert_eq!(models, ["Ticket", "shop.item", "Ticket"]);
    let one =
        Import::open(database.path()).and_then(|import| import.format(Format::DjangoAuditlog));
    assert_eq!(
        one.expect("a table").entries().expect("readable").count(),
        1
    );
}

#[test]
fn nothing_of_a_log_entry_is_lost() {
    let database = Database::new(LOG_ENTRIES);
    database.run(
        r#"INSERT INTO auditlog_logentry VALUES
        (1, '7', 7, 'seven', 9, '2024-02-29 10:00:00', NULL, 5, 'unix:', '{"imported": 1, "a": 2}', '[1]', 'c-1',
         '{"a": ["x"], "b": {"type": "m2m", "operation": "add", "objects": ["same", "same"]}, "n": [null, 123456789012345678901]}', '', 70000);"#,
    );
    let entries = database.entries();
    let entry = &entries[0];
    assert_eq!(entry.action, Action::named("action 9"));
    assert_eq!(entry.model, "content_type 5");
    assert_eq!(entry.remote_addr, None);
    assert_eq!(entry.changes["n"].new, Some(json!("123456789012345678901")));
    assert_eq!(entry.changes["b['same']"].new, Some(json!("same")));
    assert_eq!(
        entry.additional_data["imported"],
        json!({
            "additional_data": 1, "changes": {"a": ["x"], "b": ["same", "same"]}, "format": "django-auditlog",
            "id": "1", "object_id": 7, "remote_addr": "unix:", "remote_port": 70000, "serialized_data": [1],
            "table": "auditlog_logentry"
        })
    );
    assert_eq!(entry.additional_data["a"], 2);
    assert_eq!(
        database.losses(),
        [
            LossKind::NotAnAddress,
            LossKind::UnknownShape,
            LossKind::SameMembers,
            LossKind::ModelName
        ]
    );
}

#[test]
fn a_history_without_its_model_s_table_is_read_by_its_columns() {
    let database = Database::new(
        r#"CREATE TABLE "shop_historicalitem" ("code" varchar(40) NOT NULL, "owner_id" integer NULL, "history_id" integer PRIMARY KEY,
            "history_date" datetime NOT NULL, "history_type" varchar(1) NOT NULL, "history_user_id" integer NULL);
        CREATE INDEX a ON shop_historicalitem (owner_id);
        CREATE INDEX b ON shop_historicalitem (code);
        INSERT INTO shop_historicalitem VALUES ('x', 1, 1, '2024-02-29 10:00:00', '+', 5), ('x', 2, 2, '2024-02-29 10:00:00', '~', NULL);"#,
    );
    let entries = database.entries();
    assert_eq!(
        (entries[1].model.as_str(), entries[1].object_pk.as_str()),
        ("shop.item", "x")
    );
    assert_eq!(entries[0].actor(), "5");
    assert_eq!(entries[1].changes["owner_id"].old, Some(json!(1)));
}

#[test]
fn a_renamed_history_and_one_of_an_inheriting_model_are_their_models_own() {
    let own = r#""history_id" integer PRIMARY KEY, "history_date" datetime, "history_type" varchar(1), "history_user" char(32)"#;
    let database = Database::new(&format!(
        r"CREATE TABLE django_content_type (id integer PRIMARY KEY, app_label varchar(100), model varchar(100));
        INSERT INTO django_content_type VALUES (1, 'lab', 'person'), (2, 'lab', 'historicalperson'),
            (3, 'lab', 'place'), (4, 'lab', 'cafe'), (5, 'lab', 'historicalcafe');
        CREATE TABLE people (key char(32) PRIMARY KEY, name varchar(9), home_id bigint REFERENCES lab_place (id));
        CREATE TABLE people_friends (id integer PRIMARY KEY, from_person_id char(32) REFERENCES people (key), to_person_id char(32) REFERENCES people (key));
        CREATE TABLE lab_place (id integer PRIMARY KEY, name varchar(9));
        CREATE TABLE lab_cafe (place_ptr_id bigint PRIMARY KEY REFERENCES lab_place (id), seats integer);
        CREATE TABLE trail (key char(32), name varchar(9), home_id bigint, {own});
        CREATE TABLE lab_historicalperson_friends (id bigint, from_person_id char(32), to_person_id char(32), history_id integer, m2m_history_id integer PRIMARY KEY);
        CREATE TABLE lab_historicalcafe (place_ptr_id bigint, id bigint, name varchar(9), seats integer, {own});
        INSERT INTO trail VALUES ('77b04384ded84aa4bab2c2cff8da5625', 'a', NULL, 1, '2024-02-29 10:00:00', '+', NULL),
            ('77b04384ded84aa4bab2c2cff8da5625', 'a', 1, 2, '2024-02-29 11:00:00', '~', 'dc6a935363144c9fbd3269b2cf7951af');
        INSERT INTO lab_historicalperson_friends VALUES (1, '77b04384ded84aa4bab2c2cff8da5625', 'f036a99036bb44c18e1b85ba1f015440', 2, 1);
        INSERT INTO lab_historicalcafe VALUES (1, 1, 'c', 3, 1, '2024-02-29 12:00:00', '+', NULL);"
    ));
    let entries = database.entries();
    let objects: Vec<&str> = entries
        .iter()
        .map(|entry| entry.object_repr.as_str())
        .collect();
    let person = "lab.person 77b04384-ded8-4aa4-bab2-c2cff8da5625";
    assert_eq!(objects, [person, person, "lab.cafe 1"]);
    assert_eq!(entries[1].actor(), "dc6a9353-6314-4c9f-bd32-69b2cf7951af");
    assert_eq!(
        entries[1].changes.to_string(),
        "home: null -> 1\nfriends['f036a990-36bb-44c1-8e1b-85ba1f015440']: added \"f036a990-36bb-44c1-8e1b-85ba1f015440\""
    );
    assert_eq!(
        entries[2].snapshot,
        Some(json!({"id": 1, "name": "c", "place_ptr": 1, "seats": 3}))
    );
}

#[test]
fn versions_without_changes_tell_them_by_the_version_after() {
    let database = Database::new(
        r#"CREATE TABLE versions (id INTEGER PRIMARY KEY, item_type TEXT, item_id INTEGER, event TEXT, whodunnit TEXT, object TEXT, created_at datetime);
        INSERT INTO versions VALUES
        (1, 'Note', 1, 'create', 'ann', NULL, '2024-02-29 10:00:00'),
        (2, 'Note', 1, 'update', 'bob', '{"id":1,"title":"a","stars":1}', '2024-02-29 10:00:01'),
        (3, 'Note', 1, 'update', 'bob', '{"id":1,"title":"b","stars":1}', '2024-02-29 10:00:02');"#,
    );
    let entries = database.entries();
    assert_eq!(
        entries[0].snapshot,
        Some(json!({"id": 1, "title": "a", "stars": 1}))
    );
    assert_eq!(entries[0].changes["stars"].new, Some(json!(1)));
    assert_eq!(entries[1].changes.to_string(), r#"title: "a" -> "b""#);
    assert!(entries[2].changes.is_empty() && entries[2].snapshot.is_none());
    assert_eq!(
        entries[2].additional_data["imported"]["object_before"],
        json!({"id": 1, "title": "b", "stars": 1})
    );
    assert_eq!(database.losses(), [LossKind::NoChanges]);
}

#[test]
fn a_version_of_a_lost_transaction_is_an_error() {
    let database = Database::new(
        r#"CREATE TABLE "transaction" (id INTEGER PRIMARY KEY, issued_at DATETIME, remote_addr VARCHAR(50));
        CREATE TABLE page_version (id INTEGER NOT NULL, name VARCHAR(9), transaction_id INTEGER NOT NULL, operation_type SMALLINT NOT NULL, PRIMARY KEY (id, transaction_id));
        INSERT INTO "transaction" VALUES (1, '2024-02-29 10:00:00', NULL);
        INSERT INTO page_version VALUES (1, 'a', 1, 0), (1, 'b', 2, 1);"#,
    );
    let read = database.read();
    let problems: Vec<String> = read
        .iter()
        .filter_map(|row| Some(row.as_ref().err()?.to_string()))
        .collect();
    assert_eq!(
        problems,
        ["row 1|2 of page_version: transaction_id refers to transaction 2, which is gone"]
    );
    assert_eq!(read.iter().flatten().count(), 1);
}

#[test]
fn nothing_is_left_of_a_deleted_version() {
    let database = Database::new(
        r#"CREATE TABLE "transaction" (id INTEGER PRIMARY KEY, issued_at DATETIME);
        CREATE TABLE page_version (id CHAR(32) NOT NULL, name VARCHAR(9), transaction_id INTEGER NOT NULL, operation_type SMALLINT NOT NULL, PRIMARY KEY (id, transaction_id));
        INSERT INTO "transaction" VALUES (1, '2024-02-29 10:00:00'), (2, '2024-02-29 10:00:00'), (3, '2024-02-29 10:00:00');
        INSERT INTO page_version VALUES ('77b04384ded84aa4bab2c2cff8da5625', 'a', 1, 0), ('77b04384ded84aa4bab2c2cff8da5625', 'a', 2, 2), ('77b04384ded84aa4bab2c2cff8da5625', 'b', 3, 1);"#,
    );
    let entries = database.entries();
    assert!(entries.is_sorted_by_key(|entry| entry.id));
    assert_eq!(entries[2].object_pk, "77b04384-ded8-4aa4-bab2-c2cff8da5625");
    assert_eq!(
        (
            &entries[2].changes["name"].old,
            &entries[2].changes["name"].new
        ),
        (&None, &Some(json!("b")))
    );
    assert_eq!(entries[1].changes["name"].old, Some(json!("a")));
}

#[test]
fn a_table_without_row_numbers_is_refused() {
    let database = Database::new(&AUDITS.replace("DATETIME);", "DATETIME) WITHOUT ROWID;"));
    let error = Import::open(database.path()).unwrap_err();
    assert!(matches!(error, ImportError::Unsupported { .. }), "{error}");
}

#[test]
fn a_program_may_write_while_its_table_is_read() {
    let database = Database::new(AUDITS);
    database.run("PRAGMA journal_mode = WAL");
    for id in 1..=600 {
        database.run(&audit(id, "update", "{}", "'2024-02-29 10:00:00'"));
    }
    let import = Import::open(database.path()).expect("audit tables");
    let mut entries = import.entries().expect("readable");
    assert!(entries.next().is_some_and(|entry| entry.is_ok()));
    database.run(&audit(601, "update", "{}", "'2024-02-29 10:00:00'"));
    assert_eq!(entries.flatten().count(), 599);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_text_in_a_changes_column_makes_it_panic(
        texts in proptest::collection::vec("(?s)(---\n)?[\\[\\]{}\",:a-z0-9!&* \n'|-]{0,40}", 1..6),
        any in "(?s).{0,40}",
    ) {
        let database = Database::new(AUDITS);
        database.run(LOG_ENTRIES);
        for (id, text) in texts.iter().chain([&any]).filter(|text| !text.contains('\0')).enumerate() {
            let id = i64::try_from(id).expect("few");
            database.run(&audit(id, "update", text, "'2024-02-29 10:00:00'"));
            database.run(&log_entry(id, 1, text));
        }
        for row in database.read() {
            match row {
                Ok(entry) => prop_assert!(entry.to_canonical_json().is_ok()),
                Err(error) => prop_assert!(error.concerns_one_row(), "{}", error),
            }
        }
    }
}

#[test]
fn a_pair_of_equal_values_is_known_as_masked() {
    let database = Database::new(AUDITS);
    for sql in [
        // The model has a `redaction_value` of its own.
        audit(
            1,
            "update",
            r#"{"code":["(secret)","(secret)"]}"#,
            "'2024-02-29 10:00:00'",
        ),
        audit(
            2,
            "update",
            r#"{"code":[7,7],"hall":["A","B"]}"#,
            "'2024-02-29 10:00:01'",
        ),
        audit(
            3,
            "update",
            "{\"hall\":[\"A\",\"[REDACTED]\"]}",
            "'2024-02-29 10:00:02'",
        ),
    ] {
        database.run(&sql);
    }
    let entries = database.entries();
    let redaction = |entry: usize, field: &str| entries[entry].changes[field].redaction;
    assert_eq!(redaction(0, "code"), Some(Redaction::Masked));
    assert_eq!(redaction(1, "code"), Some(Redaction::Masked));
    assert_eq!(redaction(1, "hall"), None);
    assert_eq!(redaction(2, "hall"), Some(Redaction::Masked));
    assert_eq!(database.losses(), [LossKind::Masked, LossKind::Masked]);
}

#[test]
fn a_placeholder_is_known_before_its_first_pair() {
    let database = Database::new(AUDITS);
    let rows = [
        (
            "create",
            r#"{"code":"(secret)","pin":"(secret)","count":7,"tags":["(secret)","(secret)","(secret)"]}"#,
        ),
        (
            "update",
            r#"{"hall":["A","(secret)"],"code":["(secret)","(secret)"]}"#,
        ),
        (
            "update",
            r#"{"count":[7,7],"seen":["2024-02-29T10:00:00.000Z","2024-02-29T10:00:00.000Z"]}"#,
        ),
        (
            "update",
            r#"{"rooms":7,"opened":"2024-02-29T10:00:00.000Z"}"#,
        ),
        ("create", r#"{"key":"[FILTERED]"}"#),
        ("destroy", r#"{"code":"(secret)","hall":"A"}"#),
    ];
    for (id, (action, changes)) in (1..).zip(rows) {
        database.run(&audit(
            id,
            action,
            changes,
            &format!("'2024-02-29 10:00:0{id}'"),
        ));
    }
    // A row that cannot be read hides no placeholder.
    database.run(&audit(7, "update", "{", "'2024-02-29 10:00:07'"));
    let entries: Vec<LogEntry> = database.read().into_iter().flatten().collect();
    let masked = |entry: usize| -> Vec<&str> {
        let changes = entries[entry].changes.iter();
        let masked = changes.filter(|change| change.redaction == Some(Redaction::Masked));
        masked.map(|change| change.path.as_str()).collect()
    };
    assert_eq!(masked(0), ["code", "count", "pin", "tags"]);
    assert_eq!(masked(1), ["code", "hall"]);
    assert_eq!(masked(2), ["count", "seen"]);
    // Rounding may leave a number or a time equal: it hides no other field.
    assert_eq!(masked(3), [""; 0]);
    assert_eq!(masked(4), ["key"]);
    assert_eq!(masked(5), ["code"]);
}

#[test]
fn what_went_with_a_null_deletion_is_what_the_version_before_has() {
    let database = Database::new(
        "CREATE TABLE \"transaction\" (id INTEGER NOT NULL PRIMARY KEY, issued_at DATETIME);
         CREATE TABLE crate_version (id INTEGER NOT NULL, label VARCHAR(80), kilos NUMERIC(10, 3), sealed BOOLEAN, \
            notes JSON, transaction_id INTEGER NOT NULL, operation_type SMALLINT NOT NULL, PRIMARY KEY (id, transaction_id));
         INSERT INTO \"transaction\" VALUES (1, '2024-03-01 10:00:00'), (2, '2024-03-01 11:00:00'), (3, '2024-03-01 12:00:00');
         INSERT INTO crate_version VALUES (1, 'blue', 1.5, 1, '{\"top\": 2}', 1, 0), (1, 'green', 1.5, 1, '{\"top\": 2}', 2, 1),
            (1, NULL, NULL, 1, 'null', 3, 2), (2, 'red', NULL, 0, 'null', 1, 0), (2, 'red', NULL, 0, 'null', 2, 2),
            (2, 'red', NULL, 0, 'null', 3, 0);",
    );
    let entries = database.entries();
    let deleted: Vec<_> = entries
        .iter()
        .filter(|entry| entry.action == Action::Delete)
        .collect();
    let state = |entry: &LogEntry| {
        let old = entry.changes.iter();
        let old = old.map(|change| {
            (
                change.path.to_string(),
                change.old.clone().expect("a value"),
            )
        });
        serde_json::Value::Object(old.collect())
    };
    let second = json!({"id": 2, "label": "red", "kilos": null, "sealed": false, "notes": null});
    let first =
        json!({"id": 1, "label": "green", "kilos": "1.500", "sealed": true, "notes": {"top": 2}});
    assert_eq!(
        [state(deleted[0]), state(deleted[1])],
        [second, first.clone()]
    );
    assert_eq!(deleted[1].snapshot, Some(first));
    // A key that is used again begins anew.
    assert_eq!(entries.last().expect("an entry").changes["label"].old, None);
}

#[test]
fn ruby_objects_around_one_value_are_that_value() {
    let yaml = "---
opens:
-
- !ruby/object:ActiveRecord::Type::Time::Value
  utc: 2000-01-01 13:45:00.000000000 Z
  zone: &1 !ruby/object:ActiveSupport::TimeZone
    name: Etc/UTC
  time: 2000-01-01 13:45:00.000000000 Z
status:
-
- !ruby/string:Enumerize::Value
  str: open
  value: 1
note:
-
- !ruby/string:ActiveSupport::SafeBuffer hello
every:
-
- !ruby/object:ActiveSupport::Duration
  value: 60
  parts:
    :minutes: 1
tags:
- !ruby/object:Set
  hash: {}
- !ruby/object:Set
  hash:
    a: true
    1: true
    '1': true
hosts:
- !ruby/object:IPAddr
  family: 2
  addr: 167772160
  mask_addr: 4278190080
- !ruby/object:IPAddr
  family: 10
  addr: 1
  mask_addr: 340282366920938463463374607431768211455
price:
-
- !ruby/object:Shop::Price
  cents: 5
";
    let database = Database::new(AUDITS);
    database.run(&audit(1, "update", yaml, "'2024-02-29 10:00:00'"));
    database.run(&audit(2, "update", yaml, "'2024-02-29 10:00:01'"));
    let import = Import::open(database.path()).expect("audit tables");
    let mut read = import.entries().expect("readable");
    let error = (&mut read).collect::<Result<Vec<_>, _>>().unwrap_err();
    // The members `1` and `'1'` would be one key.
    assert!(error.to_string().contains("there twice"), "{error}");

    let database = Database::new(AUDITS);
    let yaml = yaml.replace("    '1': true\n", "");
    database.run(&audit(1, "update", &yaml, "'2024-02-29 10:00:00'"));
    database.run(&audit(2, "update", &yaml, "'2024-02-29 10:00:01'"));
    let import = Import::open(database.path()).expect("audit tables");
    let mut read = import.entries().expect("readable");
    let entries: Vec<_> = (&mut read).map(|entry| entry.expect("a row")).collect();
    let changes = &entries[0].changes;
    for (field, value) in [
        ("opens", json!("2000-01-01T13:45:00.000000Z")),
        ("status", json!("open")),
        ("note", json!("hello")),
        ("every", json!(60)),
        ("tags", json!(["a", 1])),
        ("hosts", json!("::1")),
        ("price", json!({"cents": 5})),
    ] {
        assert_eq!(changes[field].new, Some(value), "{field}");
    }
    assert_eq!(changes["hosts"].old, Some(json!("10.0.0.0/8")));
    assert_eq!(changes["tags"].old, Some(json!([])));
    // Each kind is told once, with the number of rows.
    let losses: Vec<_> = read
        .report()
        .losses()
        .filter(|loss| loss.kind != LossKind::AssumedUtc)
        .map(|loss| (loss.kind, loss.what, loss.rows))
        .collect();
    let kinds = [
        (LossKind::RubyType, "Shop::Price"),
        (LossKind::RubyType, "Symbol"),
        (LossKind::RubyValue, "ActiveSupport::Duration"),
        (LossKind::RubyValue, "ActiveSupport::SafeBuffer"),
        (LossKind::RubyValue, "Enumerize::Value"),
        (LossKind::RubyValue, "IPAddr"),
        (LossKind::RubyValue, "Set"),
    ];
    assert_eq!(losses, kinds.map(|(kind, what)| (kind, what.to_owned(), 2)));
}

#[test]
fn a_key_that_is_there_twice_is_an_error() {
    let database = Database::new(AUDITS);
    database.run(&audit(
        1,
        "update",
        r#"{"pin":[1,2],"pin":[1,3]}"#,
        "'2024-02-29 10:00:00'",
    ));
    let error = database.read().remove(0).unwrap_err().to_string();
    assert!(error.contains("a key that is there twice"), "{error}");
}

#[test]
fn a_column_of_another_name_can_be_said_to_be_a_part() {
    let database = Database::new(AUDITS);
    database
        .run("ALTER TABLE audits ADD COLUMN remote TEXT; ALTER TABLE audits ADD COLUMN why TEXT;");
    database.run(&audit(
        1,
        "update",
        r#"{"a":[1,2]}"#,
        "'2024-02-29 10:00:00'",
    ));
    database.run("UPDATE audits SET remote = '192.0.2.7', why = 'ticket 7'");
    let plain = database.entries().remove(0);
    assert_eq!((plain.remote_addr, plain.reason.as_deref()), (None, None));
    let import = Import::open(database.path())
        .and_then(|import| import.column("remote", "remote_addr"))
        .and_then(|import| import.column("why", "reason"))
        .expect("columns");
    let entry = import.entries().expect("readable").next();
    let entry = entry.expect("a row").expect("an entry");
    assert_eq!(entry.remote_addr, "192.0.2.7".parse().ok());
    assert_eq!(entry.reason.as_deref(), Some("ticket 7"));
    assert!(entry.additional_data["imported"].get("remote").is_none());
    for (column, part, said) in [
        ("nowhere", "reason", "has a column `nowhere`"),
        ("why", "because", "expected one of correlation_id, reason"),
    ] {
        let error = Import::open(database.path()).and_then(|import| import.column(column, part));
        let error = error.unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
}

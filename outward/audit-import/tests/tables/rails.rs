//! Tables of audited and PaperTrail.

use audit_core::{Action, LogEntry, Redaction};
use audit_import::{Import, ImportError, LossKind};
use serde_json::json;

use crate::database::{AUDITS, Database, audit};

#[test]
fn an_invalid_row_is_reported_and_the_others_are_read() {
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
            "row 2 of audits: audited_changes is not valid JSON (Eof error at line 1, column 22)",
            "row 3 of audits: audited_changes is not valid YAML (error at line 3, column 1)",
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
fn versions_without_changes_are_compared_with_the_next_version() {
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
fn a_pair_of_equal_values_is_masked() {
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
fn a_placeholder_is_recognized_before_its_first_pair() {
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
    // An invalid row does not hide a placeholder.
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
fn a_ruby_object_that_wraps_one_value_becomes_that_value() {
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
    assert!(error.to_string().contains("duplicate key"), "{error}");

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
    // Each kind is reported once, with the number of rows.
    let losses: Vec<_> = read
        .report()
        .losses()
        .filter(|loss| loss.kind != LossKind::AssumedUtc)
        .map(|loss| (loss.kind, loss.ruby_type, loss.rows))
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
    assert_eq!(losses, kinds.map(|(kind, name)| (kind, name.to_owned(), 2)));
}

#[test]
fn a_duplicate_key_is_an_error() {
    let database = Database::new(AUDITS);
    database.run(&audit(
        1,
        "update",
        r#"{"pin":[1,2],"pin":[1,3]}"#,
        "'2024-02-29 10:00:00'",
    ));
    let error = database.read().remove(0).unwrap_err().to_string();
    assert!(error.contains("duplicate key"), "{error}");
}

//! Triggers mask, hash, ignore and skip columns as the derive does fields.

use audit_core::{AuditLog, Auditable as _, Mask, MemoryStore, Redaction};
use audit_derive::Auditable;
use serde_json::{Value, json};

use crate::Test;
use crate::scratch::Scratch;
use crate::trigger_accounts::{Account, accounts, all, install, on};

pub(crate) const TESTS: &[Test] = tests![
    changes_match_the_library,
    masks_match_the_library,
    hashes_match_the_library,
    loose_fields_match_the_library,
    skipped_columns_are_never_stored,
];

/// The changes that the library makes of what the table holds.
fn changes_match_the_library(scratch: &Scratch) {
    let (store, sql) = accounts(scratch, |triggers| triggers);
    let log = AuditLog::builder().store(MemoryStore::new()).build();
    log.register::<Account>();
    let account = Account {
        id: (1 << 53) + 1,
        email: "ü@x@münchen.example".to_owned(),
        phone: Some("+49 89 1234\u{1f600}67".to_owned()),
        city: "O'Fallon\\\n\u{1}\u{7f}\"\u{1f600}".to_owned(),
        secret: true,
        token: None,
        password: "hunter2".to_owned(),
        role: "user".to_owned(),
        seen: -3,
    };
    let text = |text: &str| format!("'{}'", text.replace('\'', "''"));
    sql.run(&format!(
        "INSERT INTO accounts VALUES ({}, {}, {}, {}, true, NULL, 'hunter2', 'user', -3)",
        account.id,
        text(&account.email),
        text(account.phone.as_deref().unwrap()),
        text(&account.city),
    ))
    .unwrap();
    let after = Account {
        email: "@".to_owned(),
        phone: None,
        city: "x".to_owned(),
        role: "admin".to_owned(),
        ..account.clone()
    };
    sql.run("UPDATE accounts SET email = '@', phone = NULL, city = 'x', role = 'admin'")
        .unwrap();
    sql.run("DELETE FROM accounts").unwrap();
    let found = all(&store, &sql);
    let drafts = [
        log.created(&account),
        log.updated(&account, &after),
        log.deleted(&after),
    ];
    assert_eq!(found.len(), 3);
    for (entry, draft) in found.iter().zip(&drafts) {
        let expected = draft.entry().unwrap();
        let mut changes = serde_json::to_value(&expected.changes).unwrap();
        // The one thing that differs: the database was given no key.
        if let Some(token) = changes.get_mut("token") {
            token["redaction"] = json!("masked");
        }
        assert_eq!(serde_json::to_value(&entry.changes).unwrap(), changes);
        assert_eq!(
            (
                &entry.object_pk,
                &entry.object_repr,
                entry.level,
                &entry.action
            ),
            (
                &expected.object_pk,
                &expected.object_repr,
                expected.level,
                &expected.action
            )
        );
    }
}

fn masks_match_the_library(scratch: &Scratch) {
    let (_store, sql) = accounts(scratch, |triggers| triggers);
    let parts = [
        "",
        "a",
        "@",
        "@@",
        "ü",
        "\u{1f600}",
        "é\u{301}",
        ".",
        "example.com",
        "\n",
        "\"",
        "\\",
        "\u{1}",
        "'",
        " ",
        "1234567",
        "12345678",
        "%",
        "_",
        "\u{200f}",
    ];
    let mut texts: Vec<String> = Vec::new();
    for a in parts {
        for b in parts {
            texts.push(format!("{a}{b}"));
            for c in parts {
                texts.push(format!("{a}{b}{c}@{a}"));
                texts.push(format!("{c}{a}{b}"));
            }
        }
    }
    let given = serde_json::to_string(&texts).unwrap().replace('\'', "''");
    for mask in [Mask::All, Mask::FirstHalf, Mask::Last4, Mask::Email] {
        let rows = sql
            .run(&format!(
                "SELECT audit_text(audit_mask(to_json(t.text)::text, '{mask}', true)) \
                 FROM json_array_elements_text('{given}') WITH ORDINALITY AS t(text, ordinal) \
                 ORDER BY ordinal"
            ))
            .unwrap();
        assert_eq!(rows.len(), texts.len());
        for (row, text) in rows.iter().zip(&texts) {
            assert_eq!(
                row[0].as_deref(),
                Some(&*mask.apply(text)),
                "{mask} of {text:?}"
            );
        }
    }
}

#[derive(Auditable, Clone)]
#[audit(crate = audit_core, model = "Va'ult")]
struct Vault {
    id: i32,
    #[audit(hash)]
    text: Option<String>,
    #[audit(hash)]
    number: i64,
    #[audit(hash)]
    flag: bool,
    #[audit(hash)]
    float: f64,
    #[audit(hash)]
    texts: Vec<String>,
    #[audit(hash)]
    any: Value,
}

fn hashes_match_the_library(scratch: &Scratch) {
    let store = scratch.store();
    let sql = scratch.sql();
    sql.run(
        "CREATE TABLE vaults (id integer PRIMARY KEY, text text, number bigint, flag boolean, \
         float double precision, texts text[], \"any\" jsonb)",
    )
    .unwrap();
    install(&sql, &on(scratch, Vault::schema().describe(), "vaults"));
    // A key as long as a block of the hash, shorter ones, and one that is hashed itself.
    for (version, length) in [(1_u32, 32), (2, 16), (3, 64), (4, 65), (5, 200)] {
        let key: String = ('0'..='z')
            .cycle()
            .filter(char::is_ascii_alphanumeric)
            .take(length)
            .collect();
        for _again in 0..2 {
            sql.run(&format!(
                "SELECT audit_set_hash_key({version}, '{key}'::bytea)"
            ))
            .unwrap();
        }
        let log = AuditLog::builder()
            .store(MemoryStore::new())
            .hash_key(version, key)
            .build();
        log.register::<Vault>();
        let vault = Vault {
            id: i32::try_from(version).unwrap(),
            text: Some("O'Fallon\\\n\u{1}\u{7f}\"\u{1f600}".to_owned()),
            number: (1 << 53) + 1,
            flag: true,
            float: 1e30,
            texts: vec!["a".to_owned(), "\"b".to_owned()],
            any: json!({"b": [1, 2.5, null], "a": "ü"}),
        };
        let after = Vault {
            text: None,
            number: -7,
            flag: false,
            any: Value::Null,
            ..vault.clone()
        };
        sql.run(&format!(
            "INSERT INTO vaults VALUES ({version}, E'O''Fallon\\\\\n\\x01\u{7f}\"\u{1f600}', \
             9007199254740993, true, 1e30, ARRAY['a', '\"b'], '{{\"b\":[1,2.5,null],\"a\":\"ü\"}}'); \
             UPDATE vaults SET text = NULL, number = -7, flag = false, \"any\" = NULL \
             WHERE id = {version}; DELETE FROM vaults"
        ))
        .unwrap();
        let found = all(&store, &sql);
        let found = &found[found.len() - 3..];
        let drafts = [
            log.created(&vault),
            log.updated(&vault, &after),
            log.deleted(&after),
        ];
        for (entry, draft) in found.iter().zip(&drafts) {
            assert_eq!(entry.changes, draft.entry().unwrap().changes);
        }
        let token = found[0].changes["text"].new.clone().unwrap();
        assert!(token.as_str().unwrap().starts_with(&format!("h{version}:")));
    }
    for (attempt, said) in [
        (
            "SELECT audit_set_hash_key(6, '\\x00112233')",
            "a hash key has 16 bytes or more, and this one has 4",
        ),
        (
            "SELECT audit_set_hash_key(5, decode(repeat('00', 32), 'hex'))",
            "version 5 of the hash key is another key; give a new key a new version",
        ),
    ] {
        let error = sql.run(attempt).unwrap_err();
        assert_eq!(error.as_db_error().unwrap().message(), said);
    }
    // The keys stay out of the trail.
    assert!(store.check().unwrap().is_ok());
}

#[derive(Auditable)]
#[audit(crate = audit_core)]
struct Home {
    city: String,
    #[audit(skip)]
    #[expect(dead_code, reason = "only its description is asked for")]
    door: String,
}

#[derive(Auditable)]
#[audit(crate = audit_core)]
struct Tenant {
    id: i32,
    home: Option<Home>,
}

/// A field of each kind that may change without an entry.
#[derive(Auditable, Clone)]
#[audit(crate = audit_core)]
struct Gauge {
    id: i32,
    plain: i32,
    #[audit(ignore)]
    seen: i32,
    #[audit(tolerance = 0.5)]
    level: f64,
    #[audit(eq = same_name)]
    name: String,
    #[audit(ignore, mask = "last4")]
    code: String,
    #[audit(ignore, hash)]
    token: String,
    #[audit(ignore, rename = "quoted \"name")]
    quoted: i32,
}

fn same_name(one: &str, other: &str) -> bool {
    one.eq_ignore_ascii_case(other)
}

fn loose_fields_match_the_library(scratch: &Scratch) {
    let (store, sql) = (scratch.store(), scratch.sql());
    sql.run(
        "CREATE TABLE gauges (id int PRIMARY KEY, plain int, seen int, level float8, name text, \
         code text, token text, \"quoted \"\"name\" int)",
    )
    .unwrap();
    install(&sql, &on(scratch, Gauge::schema().describe(), "gauges"));
    let key = [7; 32];
    sql.run("SELECT audit_set_hash_key(1, decode(repeat('07', 32), 'hex'))")
        .unwrap();
    let log = AuditLog::builder()
        .store(store.clone())
        .hash_key(1, key)
        .build();
    log.register::<Gauge>();
    let gauge = |step: i32| Gauge {
        id: 1,
        plain: step,
        seen: step,
        level: f64::from(step),
        name: format!("n{step}"),
        code: format!("code-{step:06}"),
        token: format!("t{step}"),
        quoted: step,
    };
    let (first, last) = (gauge(1), gauge(3));
    let second = Gauge {
        plain: first.plain,
        level: first.level,
        name: first.name.clone(),
        ..gauge(2)
    };
    sql.run(
        "INSERT INTO gauges VALUES (1, 1, 1, 1, 'n1', 'code-000001', 't1', 1); \
         UPDATE gauges SET seen = 2, code = 'code-000002', token = 't2', \"quoted \"\"name\" = 2; \
         UPDATE gauges SET plain = 3, seen = 3, level = 3, name = 'n3', code = 'code-000003', \
         token = 't3', \"quoted \"\"name\" = 3; DELETE FROM gauges",
    )
    .unwrap();
    let found = all(&store, &sql);
    let drafts = [
        log.created(&first),
        log.updated(&second, &last),
        log.deleted(&last),
    ];
    // What changed alone in between has no entry.
    assert_eq!(found.len(), drafts.len());
    for (entry, draft) in found.iter().zip(&drafts) {
        assert_eq!(entry.changes, draft.entry().unwrap().changes);
        let loose = entry.changes.iter().filter(|change| change.loose);
        assert_eq!(loose.count(), 6, "{:?}", entry.changes);
    }
    let history = log.history::<Gauge>(1).unwrap();
    assert!(history.breaks().is_empty(), "{:?}", history.breaks());
}

fn skipped_columns_are_never_stored(scratch: &Scratch) {
    let (store, sql) = accounts(scratch, |triggers| triggers);
    sql.run("CREATE TABLE tenants (id integer PRIMARY KEY, home jsonb)")
        .unwrap();
    install(&sql, &on(scratch, Tenant::schema().describe(), "tenants"));
    for statement in [
        "INSERT INTO accounts (id, email, phone, token, password) \
         VALUES (1, 'needle1@example.com', 'needle2', 'needle3', 'needle4')",
        "UPDATE accounts SET password = 'needle5'",
        "UPDATE accounts SET token = 'needle6', password = 'needle5', role = 'x'",
        "SELECT audit_set_hash_key(1, decode(repeat('ab', 32), 'hex'))",
        "UPDATE accounts SET token = 'needle8'",
        "SET auditlog.audited = 'on'; UPDATE accounts SET phone = 'needle7'; \
         RESET auditlog.audited",
        "INSERT INTO tenants VALUES (1, '{\"city\": \"Bonn\", \"door\": \"needle8\"}')",
        "UPDATE tenants SET home = '{\"city\": \"Bonn\", \"door\": \"needle9\"}'",
        "DELETE FROM accounts",
        "DELETE FROM tenants",
    ] {
        sql.run(statement).unwrap();
    }
    let found = all(&store, &sql);
    // Only the password changed: no entry.
    assert_eq!(found.len(), 7);
    let home = &found
        .iter()
        .find(|entry| entry.model == "Tenant")
        .unwrap()
        .changes["home"];
    assert_eq!(
        (&home.new, home.redaction),
        (&Some(json!("***")), Some(Redaction::Masked))
    );
    for table in ["audit_entry", "audit_touched"] {
        let rows = sql
            .run(&format!("SELECT t::text FROM {table} AS t"))
            .unwrap();
        assert!(!rows.is_empty());
        for row in rows {
            assert!(!row[0].as_deref().unwrap().contains("needle"), "{row:?}");
        }
    }
}

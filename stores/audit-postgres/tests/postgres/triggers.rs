//! Triggers record what is written past the program, and a comparison finds what it missed.

use std::time::Duration;

use audit_core::{
    Action, Actor, AuditLog, Auditable as _, Context, FieldSchema, FutureExt as _, Level, LogEntry,
    Mask, MemoryStore, ModelDescription, ModelSchema, Query, Redaction, Store, StoreError,
};
use audit_derive::Auditable;
use audit_postgres::{PostgresStore, Reconcile, TriggerContext, Triggers, set_context_in};
use audit_testkit::entries;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::Test;
use crate::scratch::{Scratch, Sql};

pub(crate) const TESTS: &[Test] = &[
    ("triggers::record_what_sql_does", record_what_sql_does),
    ("triggers::record_a_bulk_statement", record_a_bulk_statement),
    (
        "triggers::take_the_context_of_the_program",
        take_the_context_of_the_program,
    ),
    (
        "triggers::delete_each_object_that_is_truncated",
        delete_each_object_that_is_truncated,
    ),
    (
        "triggers::leave_nothing_of_a_rollback",
        leave_nothing_of_a_rollback,
    ),
    (
        "triggers::tell_as_the_library_does",
        tell_as_the_library_does,
    ),
    (
        "triggers::mask_as_the_library_does",
        mask_as_the_library_does,
    ),
    (
        "triggers::hash_as_the_library_does",
        hash_as_the_library_does,
    ),
    (
        "triggers::mark_loose_fields_as_the_library_does",
        mark_loose_fields_as_the_library_does,
    ),
    (
        "triggers::never_see_what_is_skipped",
        never_see_what_is_skipped,
    ),
    (
        "triggers::write_every_type_in_its_form",
        write_every_type_in_its_form,
    ),
    (
        "triggers::write_floats_as_the_library_does",
        write_floats_as_the_library_does,
    ),
    (
        "triggers::keep_numbers_of_json_exact",
        keep_numbers_of_json_exact,
    ),
    (
        "triggers::compare_numbers_by_value",
        compare_numbers_by_value,
    ),
    (
        "triggers::follow_a_row_that_gets_another_key",
        follow_a_row_that_gets_another_key,
    ),
    (
        "triggers::make_one_history_with_the_program",
        make_one_history_with_the_program,
    ),
    ("triggers::quote_every_name", quote_every_name),
    (
        "triggers::record_for_roles_that_may_not",
        record_for_roles_that_may_not,
    ),
    ("triggers::are_removed", are_removed),
    (
        "reconcile::finds_what_was_not_audited",
        finds_what_was_not_audited,
    ),
    (
        "reconcile::compares_what_triggers_record",
        compares_what_triggers_record,
    ),
    ("reconcile::needs_triggers", needs_triggers),
];

#[derive(Auditable, Clone)]
#[audit(crate = audit_core, levels(delete = "error"), version = 3)]
struct Account {
    id: i64,
    #[audit(mask = "email")]
    email: String,
    #[audit(mask = "last4")]
    phone: Option<String>,
    #[audit(mask = "first_half")]
    city: String,
    #[audit(mask)]
    secret: bool,
    #[audit(hash)]
    token: Option<String>,
    #[audit(skip)]
    #[expect(dead_code, reason = "what is not recorded is not read either")]
    password: String,
    #[audit(level = "critical")]
    role: String,
    #[audit(ignore)]
    seen: i32,
}

const ACCOUNTS: &str = "CREATE TABLE accounts (id bigint PRIMARY KEY, email text NOT NULL, \
     phone text, city text NOT NULL DEFAULT '', secret boolean NOT NULL DEFAULT false, \
     token text, password text NOT NULL DEFAULT 'pw', role text NOT NULL DEFAULT 'user', \
     seen integer NOT NULL DEFAULT 0)";

/// A store, and a table of accounts with triggers beside its tables.
fn accounts(scratch: &Scratch, change: impl FnOnce(Triggers) -> Triggers) -> (PostgresStore, Sql) {
    let store = scratch.store();
    let sql = scratch.sql();
    sql.run(ACCOUNTS).unwrap();
    install(
        &sql,
        &change(on(scratch, Account::schema().describe(), "accounts")),
    );
    (store, sql)
}

fn on(scratch: &Scratch, model: ModelDescription, table: &str) -> Triggers {
    Triggers::new(model, format!("{}.{table}", scratch.schema)).schema(&scratch.schema)
}

fn install(sql: &Sql, triggers: &Triggers) {
    // Twice: it may be run again.
    for _again in 0..2 {
        sql.run(&triggers.sql().unwrap()).unwrap();
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

fn record_what_sql_does(scratch: &Scratch) {
    let (store, sql) = accounts(scratch, Triggers::truncate_in_bulk);
    sql.run(
        "BEGIN; SELECT set_config('auditlog.actor', 'ann \"a\" \\', true); \
         SET LOCAL auditlog.actor_kind = 'service'; SET LOCAL auditlog.on_behalf_of = 'bob'; \
         SET LOCAL auditlog.reason = 'a fix'; SET LOCAL auditlog.correlation_id = 'req-1'; \
         SET LOCAL auditlog.trace_id = 't'; SET application_name = 'job'; \
         INSERT INTO accounts (id, email) VALUES (7, 'ann@example.com'); \
         UPDATE accounts SET email = 'bob@example.com', seen = 5 WHERE id = 7; COMMIT; \
         UPDATE accounts SET seen = 6; UPDATE accounts SET role = role; \
         UPDATE accounts SET role = 'admin'; DELETE FROM accounts WHERE id = 7; \
         DELETE FROM accounts; TRUNCATE accounts",
    )
    .unwrap();
    let found = all(&store, &sql);
    let actions: Vec<_> = found.iter().map(|entry| entry.action.as_str()).collect();
    assert_eq!(actions, ["create", "update", "update", "delete", "delete"]);
    let [created, updated, raised, deleted, truncated] = &found[..] else {
        panic!("{found:?}");
    };
    assert_eq!(
        (created.model.as_str(), created.object_pk.as_str()),
        ("Account", "7")
    );
    assert_eq!(created.object_repr, "Account 7");
    assert_eq!(created.schema_version, 3);
    let actor = Actor::service("ann \"a\" \\").on_behalf_of("bob");
    for entry in [created, updated] {
        assert_eq!(entry.actor.as_ref(), Some(&actor));
        assert_eq!(entry.reason.as_deref(), Some("a fix"));
        assert_eq!(entry.correlation_id.as_deref(), Some("req-1"));
        assert_eq!(entry.trace_id.as_deref(), Some("t"));
        assert_eq!(entry.source.service.as_deref(), Some("postgresql trigger"));
        assert_eq!(entry.additional_data["application"], "job");
        assert_eq!(entry.transaction_id, created.transaction_id);
    }
    // The password is not there; the rest of what was not said is.
    let fields: Vec<_> = created
        .changes
        .paths()
        .map(audit_core::Path::as_str)
        .collect();
    assert_eq!(
        fields,
        [
            "city", "email", "id", "phone", "role", "secret", "seen", "token"
        ]
    );
    let email = &updated.changes["email"];
    assert_eq!(email.old, Some(json!("a***@example.com")));
    assert_eq!(email.new, Some(json!("b***@example.com")));
    assert_eq!(email.redaction, Some(Redaction::Masked));
    assert_eq!(updated.changes["seen"].new, Some(json!(5)));
    assert_eq!(updated.changes.len(), 2);
    // Outside of the transaction nobody is known, and each statement is one.
    assert_eq!((&raised.actor, &raised.reason), (&None, &None));
    assert_ne!(raised.transaction_id, created.transaction_id);
    assert_eq!(
        (raised.level, created.level),
        (Level::Critical, Level::Info)
    );
    assert_eq!(deleted.level, Level::Error);
    assert_eq!(deleted.changes["role"].old, Some(json!("admin")));
    assert_eq!(deleted.changes["role"].new, None);
    assert_eq!(
        (truncated.object_pk.as_str(), truncated.object_repr.as_str()),
        ("", "Account in bulk")
    );
    assert_eq!(truncated.additional_data["matching"], "TRUNCATE");
    // A read by the columns.
    let by_actor = Query::new().actor("ann \"a\" \\").changed("email");
    assert_eq!(store.count(&by_actor).unwrap(), 2);
}

fn record_a_bulk_statement(scratch: &Scratch) {
    let (store, sql) = accounts(scratch, |triggers| triggers);
    sql.run(
        "SET auditlog.audited = 'on'; INSERT INTO accounts (id, email) \
         SELECT n, 'u' || n || '@example.com' FROM generate_series(1, 2500) AS n; \
         RESET auditlog.audited",
    )
    .unwrap();
    assert_eq!(store.count(&Query::new()).unwrap(), 0);
    sql.run(
        "BEGIN; SET LOCAL auditlog.actor = 'migration'; \
         UPDATE accounts SET role = 'member' WHERE id <= 1000; COMMIT; \
         UPDATE accounts SET role = 'guest' WHERE id = 1",
    )
    .unwrap();
    let found = all(&store, &sql);
    assert_eq!(found.len(), 1_001);
    let by = |name| store.count(&Query::new().actor(name)).unwrap();
    assert_eq!(by("migration"), 1_000);
    assert_eq!(found[1_000].actor, None);
    assert!(
        found[..1_000]
            .iter()
            .all(|entry| entry.transaction_id == found[0].transaction_id)
    );
    // More than one batch; the plan was made for one row.
    assert_plan_is_kept_for_many(&sql);
    assert_eq!(all(&store, &sql).len(), 3_502);
}

/// A plan of a session's first statement does not make its second one quadratic.
fn assert_plan_is_kept_for_many(sql: &Sql) {
    sql.run("DISCARD PLANS; UPDATE accounts SET role = 'one' WHERE id = 2")
        .unwrap();
    sql.run("SET statement_timeout = '20s'; UPDATE accounts SET role = 'all'")
        .unwrap();
}

fn delete_each_object_that_is_truncated(scratch: &Scratch) {
    let (store, sql) = accounts(scratch, |triggers| triggers);
    // More than one batch.
    sql.run(
        "INSERT INTO accounts (id, email) SELECT n, n || '@x' FROM generate_series(1, 2500) AS n",
    )
    .unwrap();
    sql.run("UPDATE accounts SET role = 'admin' WHERE id = 7")
        .unwrap();
    let before = all(&store, &sql).last().unwrap().timestamp;
    sql.run(
        "BEGIN; SET LOCAL auditlog.actor = 'ann'; TRUNCATE accounts; COMMIT; TRUNCATE accounts",
    )
    .unwrap();
    let found = all(&store, &sql);
    let deleted = found.iter().filter(|entry| entry.action == Action::Delete);
    assert!(deleted.clone().all(|entry| entry.actor() == "ann"));
    assert_eq!(deleted.count(), 2_500);

    let log = AuditLog::builder().store(store.clone()).build();
    log.register::<Account>();
    assert_eq!(log.objects_as_of::<Account>(before).unwrap().count(), 2_500);
    let history = log.history::<Account>(7).unwrap();
    assert!(history.as_of(before).exists());
    assert!(!history.latest().exists());
    let after = history.entries().last().unwrap();
    assert!(!log.as_of::<Account>(7, after.timestamp).unwrap().exists());
    let states = log.objects_as_of::<Account>(after.timestamp).unwrap();
    assert_eq!(states.count(), 0);
    let back = history.undo(after.id).unwrap().changes;
    assert_eq!(back["$"].new.as_ref().unwrap()["role"], "admin");
}

/// What the context says arrives as it is, and is gone with the transaction.
fn take_the_context_of_the_program(scratch: &Scratch) {
    let (store, sql) = accounts(scratch, |triggers| triggers);
    sql.run(
        "INSERT INTO accounts (id, email) SELECT n, n || '@x' FROM generate_series(1, 50) AS n",
    )
    .unwrap();
    let odd = "it's \"odd\", \\ {}\r\n\t$1 \u{1}\u{7f}\u{2028}\u{1f600}; DROP TABLE accounts --";
    let actor = Actor::service(odd).on_behalf_of("o'neill");
    let context = Context::new()
        .actor(actor.clone())
        .reason(format!("reason {odd}"))
        .correlation_id(format!("correlation {odd}"))
        .trace_id("trace\n1");
    let id = Uuid::from_u128(7);
    let mut writer = scratch.sql();
    writer.with(async |client| {
        let transaction = client.transaction().await.unwrap();
        TriggerContext::of(&Context::new().actor("somebody else").reason("none"))
            .unwrap()
            .set_in(&transaction)
            .await
            .unwrap();
        let given = TriggerContext::of(&context).unwrap().transaction_id(id);
        given.set_in(&transaction).await.unwrap();
        let update = "UPDATE accounts SET city = 'Bonn'";
        transaction.execute(update, &[]).await.unwrap();
        transaction.commit().await.unwrap();

        let transaction = client.transaction().await.unwrap();
        set_context_in(&transaction)
            .in_audit_context(Context::new().actor("ann"))
            .await
            .unwrap();
        let delete = "DELETE FROM accounts WHERE id = 1";
        transaction.execute(delete, &[]).await.unwrap();
        transaction.commit().await.unwrap();
        let delete = "DELETE FROM accounts WHERE id = 2";
        client.execute(delete, &[]).await.unwrap();
    });
    let found = all(&store, &sql);
    let updated: Vec<_> = found.iter().filter(|e| e.action == "update").collect();
    assert_eq!(updated.len(), 50);
    for entry in updated {
        assert_eq!(entry.actor, Some(actor.clone()));
        assert_eq!(entry.reason, Some(format!("reason {odd}")));
        assert_eq!(entry.correlation_id, Some(format!("correlation {odd}")));
        assert_eq!(entry.trace_id.as_deref(), Some("trace\n1"));
        assert_eq!(entry.transaction_id, Some(id));
    }
    let by = |pk: &str| {
        let deleted = found
            .iter()
            .find(|e| e.action == "delete" && e.object_pk == pk);
        let entry = deleted.unwrap();
        (entry.actor().to_string(), entry.reason.clone())
    };
    assert_eq!(by("1"), ("ann".to_owned(), None));
    assert_eq!(by("2"), ("(unknown)".to_owned(), None));

    let error = TriggerContext::of(&Context::new().reason("a\0b")).unwrap_err();
    assert!(
        matches!(error, StoreError::Unsupported { .. }) && error.to_string().contains("U+0000"),
        "{error}"
    );
}

fn leave_nothing_of_a_rollback(scratch: &Scratch) {
    let (store, sql) = accounts(scratch, |triggers| triggers);
    sql.run(
        "BEGIN; INSERT INTO accounts (id, email) VALUES (1, 'a@b'); ROLLBACK; \
         BEGIN; INSERT INTO accounts (id, email) VALUES (2, 'a@b'); SAVEPOINT s; \
         UPDATE accounts SET role = 'x'; ROLLBACK TO s; COMMIT",
    )
    .unwrap();
    let found = all(&store, &sql);
    assert_eq!(found.len(), 1);
    assert_eq!(
        (found[0].object_pk.as_str(), found[0].action.as_str()),
        ("2", "create")
    );
    assert_eq!(sql.value("SELECT count(*) FROM audit_touched"), "0");
}

/// The changes that the library makes of what the table holds.
fn tell_as_the_library_does(scratch: &Scratch) {
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

fn mask_as_the_library_does(scratch: &Scratch) {
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
                 FROM json_array_elements_text('{given}') WITH ORDINALITY AS t(text, place) \
                 ORDER BY place"
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

fn hash_as_the_library_does(scratch: &Scratch) {
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
    #[audit(ignore, rename = "odd \"name")]
    odd: i32,
}

fn same_name(one: &str, other: &str) -> bool {
    one.eq_ignore_ascii_case(other)
}

fn mark_loose_fields_as_the_library_does(scratch: &Scratch) {
    let (store, sql) = (scratch.store(), scratch.sql());
    sql.run(
        "CREATE TABLE gauges (id int PRIMARY KEY, plain int, seen int, level float8, name text, \
         code text, token text, \"odd \"\"name\" int)",
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
        odd: step,
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
         UPDATE gauges SET seen = 2, code = 'code-000002', token = 't2', \"odd \"\"name\" = 2; \
         UPDATE gauges SET plain = 3, seen = 3, level = 3, name = 'n3', code = 'code-000003', \
         token = 't3', \"odd \"\"name\" = 3; DELETE FROM gauges",
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

fn never_see_what_is_skipped(scratch: &Scratch) {
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

const fn field(name: &'static str) -> FieldSchema {
    FieldSchema::new(name, || &[])
}

#[expect(clippy::too_many_lines, reason = "a line for each type")]
fn write_every_type_in_its_form(scratch: &Scratch) {
    const FIELDS: &[FieldSchema] = &[field("id").identity(), field("value")];
    const THING: ModelSchema = ModelSchema::new("Thing", "Thing", FIELDS);
    let store = scratch.store();
    let sql = scratch.sql();
    // In the session everything is otherwise.
    sql.run(
        "SET timezone = 'Asia/Kolkata'; SET datestyle = 'German'; SET bytea_output = 'escape'; \
         SET extra_float_digits = -5; SET intervalstyle = 'postgres_verbose'; \
         CREATE TYPE mood AS ENUM ('so \"so\"', 'well'); CREATE DOMAIN tiny AS numeric(9, 4); \
         CREATE DOMAIN tinier AS tiny CHECK (value < 100); CREATE TYPE pair AS (b text, a int); \
         CREATE TYPE sale AS (amount numeric, at timestamptz, of pair, \"b a\" tiny[])",
    )
    .unwrap();
    let deep = format!("{}1{}", "[".repeat(300), "]".repeat(300));
    let cases: Vec<(&str, String, Value)> =
        vec![
        ("integer", "-5".into(), json!(-5)),
        (
            "bigint",
            "9007199254740992".into(),
            json!(9_007_199_254_740_992_i64),
        ),
        (
            "bigint",
            "9007199254740993".into(),
            json!("9007199254740993"),
        ),
        (
            "bigint",
            "-9223372036854775808".into(),
            json!("-9223372036854775808"),
        ),
        ("numeric", "1.50".into(), json!("1.50")),
        ("numeric", "100".into(), json!("100")),
        ("numeric", "'NaN'".into(), json!("NaN")),
        (
            "numeric",
            "1e30".into(),
            json!("1000000000000000000000000000000"),
        ),
        ("tinier", "1.25".into(), json!("1.2500")),
        ("double precision", "0.1".into(), json!(0.1)),
        ("double precision", "'-0'".into(), json!(0.0)),
        ("double precision", "'Infinity'".into(), json!("Infinity")),
        ("real", "0.1".into(), json!(0.1)),
        ("boolean", "true".into(), json!(true)),
        ("text", "NULL".into(), Value::Null),
        (
            "text",
            "E'\\x01\\x1f\\x7f\\\\u0001 \"''\\t \u{2028}\u{1f600}'".into(),
            json!("\u{1}\u{1f}\u{7f}\\u0001 \"'\t \u{2028}\u{1f600}"),
        ),
        ("char(5)", "'ab'".into(), json!("ab   ")),
        (
            "uuid",
            "'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'".into(),
            json!("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
        ),
        ("mood", "'so \"so\"'".into(), json!("so \"so\"")),
        (
            "timestamptz",
            "'2026-01-31 13:37:00.5+02'".into(),
            json!("2026-01-31T11:37:00.500Z"),
        ),
        (
            "timestamptz",
            "'2026-01-31 13:37:00.000001+00'".into(),
            json!("2026-01-31T13:37:00.000001Z"),
        ),
        (
            "timestamptz",
            "'12026-01-31 13:37:00+00'".into(),
            json!("+12026-01-31T13:37:00Z"),
        ),
        ("timestamptz", "'infinity'".into(), json!("infinity")),
        (
            "timestamp",
            "'2026-01-31 13:37:00'".into(),
            json!("2026-01-31T13:37:00"),
        ),
        ("date", "'2026-01-31'".into(), json!("2026-01-31")),
        ("time", "'13:37:00.25'".into(), json!("13:37:00.250")),
        ("interval", "'90 seconds'".into(), json!("PT1M30S")),
        ("bytea", "'\\xdeadbeef'".into(), json!("deadbeef")),
        ("inet", "'10.0.0.1'".into(), json!("10.0.0.1")),
        ("inet", "'10.0.0.0/8'".into(), json!("10.0.0.0/8")),
        (
            "text[]",
            "ARRAY['a', NULL, '{', '\"']".into(),
            json!(["a", null, "{", "\""]),
        ),
        ("text[]", "'{}'".into(), json!([])),
        ("integer[]", "'[0:1]={1,2}'".into(), json!([1, 2])),
        (
            "bigint[]",
            "'{{1,2},{3,9007199254740993}}'".into(),
            json!([[1, 2], [3, "9007199254740993"]]),
        ),
        (
            "timestamptz[]",
            "ARRAY['2026-01-31 13:37:00+02'::timestamptz]".into(),
            json!(["2026-01-31T11:37:00Z"]),
        ),
        ("numeric[]", "'{1.50,NaN}'".into(), json!(["1.50", "NaN"])),
        ("float8[]", "'{1,NaN}'".into(), json!([1.0, "NaN"])),
        (
            "jsonb[]",
            "ARRAY['[1]'::jsonb, '{\"b\": 1, \"a\": [2]}']".into(),
            json!([[1], {"a": [2], "b": 1}]),
        ),
        (
            "jsonb",
            "'{\"b\": 1.50, \"aa\": [null, true, \"\\u0001\"], \"\": {}, \"a\": 9007199254740993}'"
                .into(),
            json!({"": {}, "a": 9_007_199_254_740_993_i64, "aa": [null, true, "\u{1}"], "b": 1.5}),
        ),
        (
            "jsonb",
            "'[1e400, 1e-400, 1e30, 0.0, -0.1e-7]'".into(),
            json!([
                "1E400",
                "1E-400",
                1e30,
                0.0,
                -1e-8
            ]),
        ),
        ("jsonb", "'null'".into(), Value::Null),
        ("jsonb", format!("'{deep}'"), json!(deep)),
        ("json", "'{ \"a\" : 1, \"a\" : 2 }'".into(), json!({"a": 2})),
        ("json", "'\"\\u0000\"'".into(), json!("\"\\u0000\"")),
        ("json", "'\"\\ud83d\"'".into(), json!("\"\\ud83d\"")),
        ("json", "'[1e1000000]'".into(), json!("[1e1000000]")),
        ("pair", "ROW('x', 1)".into(), json!({"a": 1, "b": "x"})),
        (
            "sale",
            "ROW(1.50, '2026-01-31 13:37+02', ROW(NULL, 1), ARRAY[0.50])".into(),
            json!({
                "amount": "1.50", "at": "2026-01-31T11:37:00Z", "b a": ["0.5000"],
                "of": {"a": 1, "b": null}
            }),
        ),
        (
            "pair[]",
            "ARRAY[ROW('{', 1), NULL]::pair[]".into(),
            json!([{"a": 1, "b": "{"}, null]),
        ),
        ("mood[]", "ARRAY['well', 'so \"so\"']::mood[]".into(), json!(["well", "so \"so\""])),
        ("tiny[]", "ARRAY[1.50, NULL]".into(), json!(["1.5000", null])),
        ("jsonb[]", "ARRAY['{\"b\": 1.0}', 'null']::jsonb[]".into(), json!([{"b": 1.0}, null])),
        ("boolean[]", "ARRAY[true, false]".into(), json!([true, false])),
        ("box[]", "'{(1,1),(0,0);(2,2),(1,1)}'".into(), json!("{(1,1),(0,0);(2,2),(1,1)}")),
        ("int8range", "'[1,4)'".into(), json!("[1,4)")),
    ];
    for (number, (kind, literal, expected)) in cases.iter().enumerate() {
        let table = format!("things_{number}");
        sql.run(&format!(
            "CREATE TABLE {table} (id integer PRIMARY KEY, value {kind})"
        ))
        .unwrap();
        sql.run(&on(scratch, THING.describe(), &table).sql().unwrap())
            .unwrap();
        sql.run(&format!(
            "INSERT INTO {table} VALUES ({number}, {literal}); \
             UPDATE {table} SET value = value; UPDATE {table} SET value = NULL; \
             UPDATE {table} SET value = {literal}; DELETE FROM {table}"
        ))
        .unwrap_or_else(|error| panic!("{kind} {literal}: {error:?}"));
        let found = store
            .find(&Query::new().object_pk(number).oldest_first())
            .unwrap()
            .entries;
        let values: Vec<_> = found
            .iter()
            .filter_map(|entry| entry.changes.get("value"))
            .map(|change| (change.old.clone(), change.new.clone()))
            .collect();
        let (value, null) = (Some(expected.clone()), Some(Value::Null));
        let changed = vec![
            (None, value.clone()),
            (value.clone(), null.clone()),
            (null, value.clone()),
            (value, None),
        ];
        if expected.is_null() {
            assert_eq!(
                values,
                [changed[0].clone(), changed[3].clone()],
                "{kind} {literal}"
            );
        } else {
            assert_eq!(values, changed, "{kind} {literal}");
        }
    }
    all(&store, &sql);
}

fn write_floats_as_the_library_does(scratch: &Scratch) {
    let (_store, sql) = accounts(scratch, |triggers| triggers);
    let mut numbers = vec![
        0.1,
        1e15,
        1e16,
        1e17,
        123_456_789_012_345_680.0,
        1e-4,
        1e-5,
        1e-6,
        5e-324,
        1e22,
        1e23,
        2e23,
        f64::MAX,
    ];
    numbers.extend((-1074..1024).map(|power| 2_f64.powi(power)));
    numbers.extend((-323..308).map(|power| format!("1e{power}").parse::<f64>().unwrap()));
    let mut bits = 0x9e37_79b9_7f4a_7c15_u64;
    for _ in 0..20_000 {
        bits = bits
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        numbers.push(f64::from_bits(bits ^ (bits >> 29)));
    }
    numbers.extend((0..2_000).map(|number| f64::from(number) / 100.0));
    numbers.retain(|number| number.is_finite() && *number != 0.0);
    let given: Vec<_> = numbers.iter().map(|number| format!("{number:e}")).collect();
    let rows = sql
        .run(&format!(
            "SELECT audit_float(t.number) FROM unnest('{{{}}}'::float8[]) WITH ORDINALITY \
             AS t(number, place) ORDER BY place",
            given.join(",")
        ))
        .unwrap();
    for (row, number) in rows.iter().zip(&numbers) {
        assert_eq!(
            row[0].as_deref(),
            Some(&*json!(number).to_string()),
            "{number:e}"
        );
    }
}

/// Numbers of JSON, and what an entry holds of each: those of the library.
const JSON_NUMBERS: &str = include_str!("../../../../audit-core/tests/fixtures/numbers.tsv");

fn keep_numbers_of_json_exact(scratch: &Scratch) {
    const FIELDS: &[FieldSchema] = &[field("id").identity(), field("value")];
    const READING: ModelSchema = ModelSchema::new("Reading", "Reading", FIELDS);
    let store = scratch.store();
    let sql = scratch.sql();
    sql.run("CREATE TABLE readings (id integer PRIMARY KEY, value jsonb)")
        .unwrap();
    install(&sql, &on(scratch, READING.describe(), "readings"));
    let rows = JSON_NUMBERS.lines().filter(|row| !row.starts_with('#'));
    let rows: Vec<_> = rows.map(|row| row.split_once('\t').unwrap()).collect();
    assert!(rows.len() > 50);
    for (number, (given, form)) in rows.iter().enumerate() {
        sql.run(&format!(
            "INSERT INTO readings VALUES ({number}, '{{\"n\": {given}}}')"
        ))
        .unwrap();
        let stored = sql.value(&format!(
            "SELECT substring(body FROM '\"value\":.\"new\":.\"n\":([^}}]*)') FROM audit_entry \
             WHERE object_pk = '{number}'"
        ));
        if form.starts_with('"') {
            assert_eq!(&stored, form, "{given}");
        } else {
            // The number may be spelled in another way.
            let same = sql.value(&format!("SELECT {stored}::numeric = {form}::numeric"));
            assert_eq!(same, "t", "{given} is {stored}");
        }
    }
    // Those that differ by less than a double can tell.
    let pairs = [
        (
            "123456789012345678901234567890",
            "123456789012345678901234567891",
        ),
        ("18446744073709551615", "18446744073709551616"),
        ("0.12345678901234567890", "0.12345678901234567891"),
        ("9007199254740993.5", "9007199254740993.25"),
    ];
    for (number, (old, new)) in (1000..).zip(pairs) {
        sql.run(&format!(
            "INSERT INTO readings VALUES ({number}, '{old}'); \
             UPDATE readings SET value = '{new}' WHERE id = {number}"
        ))
        .unwrap();
        let updates = Query::new()
            .model_name("Reading")
            .object_pk(number)
            .action("update");
        assert_eq!(store.count(&updates).unwrap(), 1, "{old} to {new}");
    }
    all(&store, &sql);
}

/// Two spellings of one number are no change, whatever holds it.
fn compare_numbers_by_value(scratch: &Scratch) {
    const FIELDS: &[FieldSchema] = &[
        field("id").identity(),
        field("price"),
        field("prices"),
        field("facts"),
    ];
    const ITEM: ModelSchema = ModelSchema::new("Item", "Item", FIELDS);
    let store = scratch.store();
    let sql = scratch.sql();
    sql.run(
        "CREATE DOMAIN price AS numeric; CREATE TABLE items (id integer PRIMARY KEY, \
         price price, prices numeric[], facts jsonb); \
         CREATE TABLE watched (LIKE items INCLUDING ALL)",
    )
    .unwrap();
    install(&sql, &on(scratch, ITEM.describe(), "items"));
    install(&sql, &on(scratch, ITEM.describe(), "watched").watch());
    for table in ["items", "watched"] {
        sql.run(&format!(
            "INSERT INTO {table} VALUES (1, 10.50, '{{1.0,NULL}}', '{{\"a\": [1.0, 1e0]}}'); \
             UPDATE {table} SET price = 10.5, prices = '{{1.00,NULL}}', \
                 facts = '{{\"a\": [1.00, 1.0]}}'; \
             UPDATE {table} SET price = 10.51"
        ))
        .unwrap();
    }
    let found = all(&store, &sql);
    let [created, updated] = &found[..] else {
        panic!("{found:?}");
    };
    assert_eq!(created.changes["price"].new, Some(json!("10.50")));
    assert_eq!(updated.changes.len(), 1);
    assert_eq!(updated.changes["price"].old, Some(json!("10.5")));
    let noted = "SELECT string_agg(action, ' ' ORDER BY at) FROM audit_touched";
    assert_eq!(sql.value(noted), "create update");
}

fn follow_a_row_that_gets_another_key(scratch: &Scratch) {
    const FIELDS: &[FieldSchema] = &[
        field("shop").identity(),
        field("number").identity(),
        field("total").with_level(Level::Warning),
        field("customer").referring_to(Some("Customer")),
    ];
    const ORDER: ModelSchema =
        ModelSchema::new("Order", "Order", FIELDS).with_parent("Customer", "customer");
    let store = scratch.store();
    let sql = scratch.sql();
    sql.run("CREATE TABLE \"Or\"\"ders\" (shop text, \"no\" int, total int, customer int, PRIMARY KEY (\"no\", shop))")
        .unwrap();
    install(
        &sql,
        &on(scratch, ORDER.describe(), "Or\"ders").column("number", "no"),
    );
    sql.run(
        "INSERT INTO \"Or\"\"ders\" VALUES ('a|b\\', 1, 10, 5), ('x', 2, 20, NULL); \
         UPDATE \"Or\"\"ders\" SET \"no\" = 9, total = 11 WHERE \"no\" = 1; \
         UPDATE \"Or\"\"ders\" SET total = 21 WHERE shop = 'x'",
    )
    .unwrap();
    let told: Vec<_> = all(&store, &sql)
        .into_iter()
        .map(|entry| {
            let parent = entry.parent.map(|parent| parent.object_pk);
            (
                entry.action.to_string(),
                entry.object_pk,
                parent,
                entry.level,
            )
        })
        .collect();
    let expect = |action: &str, pk: &str, parent: Option<&str>, level| {
        (
            action.to_owned(),
            pk.to_owned(),
            parent.map(str::to_owned),
            level,
        )
    };
    for expected in [
        expect("create", "a\\|b\\\\|1", Some("5"), Level::Info),
        expect("create", "x|2", None, Level::Info),
        expect("delete", "a\\|b\\\\|1", Some("5"), Level::Warning),
        // The total raises both.
        expect("create", "a\\|b\\\\|9", Some("5"), Level::Warning),
        expect("update", "x|2", None, Level::Warning),
    ] {
        assert!(told.contains(&expected), "{expected:?} in {told:?}");
    }
    assert_eq!(told.len(), 5);
    let found = store
        .find(&Query::new().object_pk("a\\|b\\\\|9"))
        .unwrap()
        .entries;
    assert_eq!(found[0].changes["customer"].new, Some(json!("5")));
}

fn make_one_history_with_the_program(scratch: &Scratch) {
    let (store, sql) = accounts(scratch, |triggers| triggers);
    let log = AuditLog::builder().store(scratch.store()).build();
    log.register::<Account>();
    let account = Account {
        id: 1,
        email: "ann@example.com".to_owned(),
        phone: None,
        city: "Bonn".to_owned(),
        secret: false,
        token: None,
        password: "x".to_owned(),
        role: "user".to_owned(),
        seen: 0,
    };
    log.created(&account).record().unwrap();
    sql.run(
        "SET auditlog.audited = 'on'; INSERT INTO accounts (id, email, city) \
         VALUES (1, 'ann@example.com', 'Bonn'); SET auditlog.audited = ''; \
         UPDATE accounts SET role = 'admin'",
    )
    .unwrap();
    let admin = Account {
        role: "admin".to_owned(),
        ..account
    };
    let owner = Account {
        role: "owner".to_owned(),
        ..admin.clone()
    };
    log.updated(&admin, &owner).record().unwrap();
    sql.run("UPDATE accounts SET seen = 3, role = 'gone'; DELETE FROM accounts")
        .unwrap();
    log.flush().unwrap();
    assert_eq!(all(&store, &sql).len(), 5);
    let history = log
        .history_of(audit_core::ObjectRef::new("Account", "1"))
        .unwrap();
    let roles: Vec<_> = history
        .versions()
        .map(|version| history.at_version(version.number).unwrap().state["role"].clone())
        .collect();
    assert_eq!(
        roles[..4],
        ["user", "admin", "owner", "gone"].map(Value::from)
    );
    assert!(!history.latest().exists());
    let before_last = history.entries()[3].timestamp;
    let then = history.as_of(before_last);
    assert_eq!(
        (&then.state["seen"], &then.state["role"]),
        (&json!(3), &json!("gone"))
    );
}

fn quote_every_name(scratch: &Scratch) {
    const ODD: &str = "we'ird \"col.umn\\ {schema}";
    const FIELDS: &[FieldSchema] = &[field("id").identity(), FieldSchema::new(ODD, || &[])];
    const THING: ModelSchema = ModelSchema::new("Th'i\"ng\\", "Thing", FIELDS);
    let store = scratch.store();
    let sql = scratch.sql();
    let column = ODD.replace('"', "\"\"");
    sql.run(&format!(
        "CREATE TABLE things (id text PRIMARY KEY, \"{column}\" text)"
    ))
    .unwrap();
    install(&sql, &on(scratch, THING.describe(), "things"));
    let long = "ü\u{1}".repeat(800);
    sql.run(&format!(
        "INSERT INTO things VALUES ('{long}', 'a'); UPDATE things SET \"{column}\" = 'b'"
    ))
    .unwrap();
    let found = all(&store, &sql);
    assert_eq!(found.len(), 2);
    assert_eq!(found[1].model, "Th'i\"ng\\");
    assert_eq!(found[1].object_pk, long);
    let change = found[1].changes.iter().next().unwrap();
    assert_eq!(change.path.field(), ODD);
    assert_eq!(change.new, Some(json!("b")));
    assert_eq!(store.count(&Query::new().object_pk(&long)).unwrap(), 2);
}

fn record_for_roles_that_may_not(scratch: &Scratch) {
    let (store, sql) = accounts(scratch, |triggers| triggers);
    let role = format!("{}_app", scratch.schema);
    sql.run(&format!(
        "CREATE ROLE {role}; GRANT USAGE ON SCHEMA {0} TO {role}; \
         GRANT SELECT, INSERT, UPDATE ON {0}.accounts TO {role}; SET ROLE {role}",
        scratch.schema
    ))
    .unwrap();
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        sql.run("INSERT INTO accounts (id, email) VALUES (1, 'a@b'); UPDATE accounts SET seen = 1, role = 'x'")
            .unwrap();
        for attempt in [
            "SELECT * FROM audit_entry",
            "SELECT * FROM audit_touched",
            "SELECT * FROM audit_hash_key",
            "SELECT audit_set_hash_key(1, decode(repeat('ab', 32), 'hex'))",
            "SELECT audit_hashed_change('', 'a', 'b', '', true)",
            "DELETE FROM audit_touched",
            "SELECT audit_capture('create', 'Account', 1, ARRAY['9'], ARRAY['x'], NULL, \
             ARRAY[NULL], ARRAY[NULL], ARRAY[''], ARRAY[''], ARRAY[20::smallint], NULL, '', NULL)",
        ] {
            assert_eq!(sql.state(attempt), "42501", "{attempt}");
        }
    }));
    sql.run(&format!(
        "RESET ROLE; DROP OWNED BY {role}; DROP ROLE {role}"
    ))
    .unwrap();
    if let Err(panic) = outcome {
        std::panic::resume_unwind(panic);
    }
    assert_eq!(all(&store, &sql).len(), 2);
}

fn are_removed(scratch: &Scratch) {
    let (store, sql) = accounts(scratch, |triggers| triggers);
    sql.run("INSERT INTO accounts (id, email) VALUES (1, 'a@b')")
        .unwrap();
    let triggers = on(scratch, Account::schema().describe(), "accounts");
    for _again in 0..2 {
        sql.run(&triggers.drop_sql().unwrap()).unwrap();
    }
    sql.run("UPDATE accounts SET role = 'x'; DELETE FROM accounts; TRUNCATE accounts")
        .unwrap();
    assert_eq!(all(&store, &sql).len(), 1);
    let functions = "SELECT count(*) FROM pg_proc WHERE proname LIKE 'audit_on_%' \
         AND pronamespace = current_schema()::regnamespace";
    assert_eq!(sql.value(functions), "0");
    let other = triggers.column("emial", "x").sql().unwrap_err();
    assert_eq!(
        other.to_string(),
        "`Account` has no field `emial`; did you mean `email`?"
    );
}

/// Writes with entries in the same transaction, in one of their own, and with none.
fn finds_what_was_not_audited(scratch: &Scratch) {
    let (store, sql) = accounts(scratch, Triggers::watch);
    let entry = |pk: &str| LogEntry::new("update", "Account", pk, "Account");
    sql.run(
        "INSERT INTO accounts (id, email) SELECT n, 'a@b' FROM generate_series(1, 5) AS n; \
         DELETE FROM audit_touched",
    )
    .unwrap();
    assert!(store.reconcile(Reconcile::all()).unwrap().is_ok());
    // Audited in the transaction: the row of an entry, as an adapter writes it.
    let kept = entry("1");
    store.append(std::slice::from_ref(&kept)).unwrap();
    let template = "INSERT INTO audit_entry (id, ts, level, action, outcome, model, object_pk, \
         fields, body, checksum) SELECT gen_random_uuid(), ts, level, action, outcome, model, '2', fields, \
         body, checksum FROM audit_entry LIMIT 1";
    sql.run(&format!(
        "BEGIN; UPDATE accounts SET role = 'a' WHERE id = 2; {template}; COMMIT"
    ))
    .unwrap();
    // Not at all; one that changes nothing; one that is ignored.
    sql.run(
        "BEGIN; SET LOCAL auditlog.actor = 'mallory'; SET application_name = 'psql'; \
         UPDATE accounts SET role = 'b' WHERE id = 3; DELETE FROM accounts WHERE id = 3; COMMIT; \
         UPDATE accounts SET role = role; UPDATE accounts SET seen = 1 WHERE id = 4; \
         BEGIN; UPDATE accounts SET role = 'c' WHERE id = 5; ROLLBACK",
    )
    .unwrap();
    // Audited by another connection.
    sql.run("UPDATE accounts SET role = 'd' WHERE id = 4")
        .unwrap();
    store.append(&[entry("4")]).unwrap();

    let strict = store.reconcile(Reconcile::all()).unwrap();
    let objects: Vec<_> = strict
        .writes
        .iter()
        .map(|write| write.object_pk.as_str())
        .collect();
    assert_eq!(objects, ["3", "4"]);
    let found = store
        .reconcile(Reconcile::all().within(Duration::from_secs(60)))
        .unwrap();
    assert_eq!(found.unaudited, 1);
    let write = &found.writes[0];
    assert_eq!(
        (write.model.as_str(), write.object_pk.as_str()),
        ("Account", "3")
    );
    assert_eq!(write.actions, ["delete", "update"]);
    assert_eq!(write.actor.as_deref(), Some("mallory"));
    assert_eq!(write.application.as_deref(), Some("psql"));
    assert!(!found.is_ok());
    let limited = store.reconcile(Reconcile::all().limit(1)).unwrap();
    assert_eq!((limited.unaudited, limited.writes.len()), (2, 1));
    let later = write.at + chrono::TimeDelta::hours(1);
    assert!(store.reconcile(Reconcile::since(later)).unwrap().is_ok());
    // No entry was made.
    assert_eq!(store.count(&Query::new()).unwrap(), 3);
    assert_eq!(store.forget_touched(later).unwrap(), 4);
    assert!(store.reconcile(Reconcile::all()).unwrap().is_ok());
}

fn compares_what_triggers_record(scratch: &Scratch) {
    let (store, sql) = accounts(scratch, |triggers| triggers);
    store.append(&entries(20, 1)).unwrap();
    for statement in [
        "INSERT INTO accounts (id, email) VALUES (1, 'a@b'), (2, 'a@b')",
        "SET auditlog.audited = 'on'",
        "UPDATE accounts SET role = 'x' WHERE id = 2",
        "TRUNCATE accounts",
    ] {
        sql.run(statement).unwrap();
    }
    let found = store.reconcile(Reconcile::all()).unwrap();
    let writes: Vec<_> = found
        .writes
        .iter()
        .map(|write| (write.object_pk.as_str(), write.actions.join(" ")))
        .collect();
    // Of one statement in the order of the keys; said to be audited and not.
    let expected = [
        ("1", "create"),
        ("2", "create"),
        ("2", "update"),
        ("", "delete"),
    ];
    assert_eq!(
        writes,
        expected.map(|(pk, actions)| (pk, actions.to_owned()))
    );
    // The program's entry of a bulk statement is for all of it, one of an access for nothing.
    let mut bulk = LogEntry::new(Action::Access, "Account", "", "Account in bulk");
    let transaction = sql.value("SELECT transaction_id FROM audit_touched WHERE object_pk = '2'");
    bulk.transaction_id = Some(transaction.parse().unwrap());
    store.append(&[bulk.clone()]).unwrap();
    assert_eq!(store.reconcile(Reconcile::all()).unwrap().unaudited, 4);
    bulk.id = uuid::Uuid::from_u128(bulk.id.as_u128() + 1);
    bulk.action = Action::Update;
    store.append(&[bulk]).unwrap();
    assert_eq!(store.reconcile(Reconcile::all()).unwrap().unaudited, 3);
}

fn needs_triggers(scratch: &Scratch) {
    let error = scratch.store().reconcile(Reconcile::all()).unwrap_err();
    assert!(matches!(error, StoreError::Unsupported { .. }), "{error:?}");
}

//! The entries that triggers record of SQL statements.

use audit_core::{
    Action, Actor, AuditLog, Auditable as _, Context, FieldSchema, FutureExt as _, Level,
    ModelSchema, Query, Redaction, Store, StoreError,
};
use audit_postgres::{TriggerContext, Triggers, set_context_in};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::Test;
use crate::scratch::{Scratch, Sql};
use crate::trigger_accounts::{Account, accounts, all, field, install, on};

pub(crate) const TESTS: &[Test] = tests![
    sql_statements_are_recorded,
    bulk_statements_are_recorded,
    truncate_deletes_each_object,
    entries_carry_the_context_of_the_program,
    a_rollback_leaves_no_entries,
    a_changed_key_is_a_delete_and_a_create,
    triggers_and_program_share_a_history,
    names_are_quoted,
    roles_without_privileges_are_recorded,
    triggers_are_dropped,
];

fn sql_statements_are_recorded(scratch: &Scratch) {
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
    // Outside of the transaction the actor is unknown, and each statement is one.
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

fn bulk_statements_are_recorded(scratch: &Scratch) {
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

fn truncate_deletes_each_object(scratch: &Scratch) {
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

/// The values of the context are recorded unchanged, and end with the transaction.
fn entries_carry_the_context_of_the_program(scratch: &Scratch) {
    let (store, sql) = accounts(scratch, |triggers| triggers);
    sql.run(
        "INSERT INTO accounts (id, email) SELECT n, n || '@x' FROM generate_series(1, 50) AS n",
    )
    .unwrap();
    let special =
        "it's \"special\", \\ {}\r\n\t$1 \u{1}\u{7f}\u{2028}\u{1f600}; DROP TABLE accounts --";
    let actor = Actor::service(special).on_behalf_of("o'neill");
    let context = Context::new()
        .actor(actor.clone())
        .reason(format!("reason {special}"))
        .correlation_id(format!("correlation {special}"))
        .trace_id("trace\n1");
    let id = Uuid::from_u128(7);
    let mut writer = scratch.sql();
    writer.with(async |client| {
        let transaction = client.transaction().await.unwrap();
        TriggerContext::of(&Context::new().actor("another user").reason("none"))
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
        assert_eq!(entry.reason, Some(format!("reason {special}")));
        assert_eq!(entry.correlation_id, Some(format!("correlation {special}")));
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

fn a_rollback_leaves_no_entries(scratch: &Scratch) {
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

fn a_changed_key_is_a_delete_and_a_create(scratch: &Scratch) {
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
    let summaries: Vec<_> = all(&store, &sql)
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
        assert!(
            summaries.contains(&expected),
            "{expected:?} in {summaries:?}"
        );
    }
    assert_eq!(summaries.len(), 5);
    let found = store
        .find(&Query::new().object_pk("a\\|b\\\\|9"))
        .unwrap()
        .entries;
    assert_eq!(found[0].changes["customer"].new, Some(json!("5")));
}

fn triggers_and_program_share_a_history(scratch: &Scratch) {
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

fn names_are_quoted(scratch: &Scratch) {
    const SPECIAL: &str = "we'ird \"col.umn\\ {schema}";
    const FIELDS: &[FieldSchema] = &[field("id").identity(), FieldSchema::new(SPECIAL, || &[])];
    const THING: ModelSchema = ModelSchema::new("Th'i\"ng\\", "Thing", FIELDS);
    let store = scratch.store();
    let sql = scratch.sql();
    let column = SPECIAL.replace('"', "\"\"");
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
    assert_eq!(change.path.field(), SPECIAL);
    assert_eq!(change.new, Some(json!("b")));
    assert_eq!(store.count(&Query::new().object_pk(&long)).unwrap(), 2);
}

fn roles_without_privileges_are_recorded(scratch: &Scratch) {
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

fn triggers_are_dropped(scratch: &Scratch) {
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

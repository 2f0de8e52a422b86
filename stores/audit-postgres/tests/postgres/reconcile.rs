//! Reconciliation finds writes without an entry.

use std::time::Duration;

use audit_core::{Action, LogEntry, Query, Store, StoreError};
use audit_postgres::{Reconcile, Triggers};
use audit_testkit::entries;

use crate::Test;
use crate::scratch::Scratch;
use crate::trigger_accounts::accounts;

pub(crate) const TESTS: &[Test] = tests![
    unaudited_writes_are_found,
    notes_of_recording_triggers_are_compared,
    reconciling_without_triggers_is_an_error,
];

/// Writes with entries in the same transaction, in one of their own, and with none.
fn unaudited_writes_are_found(scratch: &Scratch) {
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

fn notes_of_recording_triggers_are_compared(scratch: &Scratch) {
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

fn reconciling_without_triggers_is_an_error(scratch: &Scratch) {
    let error = scratch.store().reconcile(Reconcile::all()).unwrap_err();
    assert!(matches!(error, StoreError::Unsupported { .. }), "{error:?}");
}

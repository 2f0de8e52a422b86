//! A table of accounts with triggers, for tests of what these record.

use audit_core::{Auditable as _, FieldSchema, LogEntry, ModelDescription, Query, Store};
use audit_derive::Auditable;
use audit_postgres::{PostgresStore, Triggers};

use crate::scratch::{Scratch, Sql};

#[derive(Auditable, Clone)]
#[audit(crate = audit_core, levels(delete = "error"), version = 3)]
pub(crate) struct Account {
    pub(crate) id: i64,
    #[audit(mask = "email")]
    pub(crate) email: String,
    #[audit(mask = "last4")]
    pub(crate) phone: Option<String>,
    #[audit(mask = "first_half")]
    pub(crate) city: String,
    #[audit(mask)]
    pub(crate) secret: bool,
    #[audit(hash)]
    pub(crate) token: Option<String>,
    #[audit(skip)]
    #[expect(dead_code, reason = "what is not recorded is not read either")]
    pub(crate) password: String,
    #[audit(level = "critical")]
    pub(crate) role: String,
    #[audit(ignore)]
    pub(crate) seen: i32,
}

pub(crate) const ACCOUNTS: &str = "CREATE TABLE accounts (id bigint PRIMARY KEY, email text NOT NULL, \
     phone text, city text NOT NULL DEFAULT '', secret boolean NOT NULL DEFAULT false, \
     token text, password text NOT NULL DEFAULT 'pw', role text NOT NULL DEFAULT 'user', \
     seen integer NOT NULL DEFAULT 0)";

/// A store, and a table of accounts with triggers beside its tables.
pub(crate) fn accounts(
    scratch: &Scratch,
    change: impl FnOnce(Triggers) -> Triggers,
) -> (PostgresStore, Sql) {
    let store = scratch.store();
    let sql = scratch.sql();
    sql.run(ACCOUNTS).unwrap();
    install(
        &sql,
        &change(on(scratch, Account::schema().describe(), "accounts")),
    );
    (store, sql)
}

pub(crate) fn on(scratch: &Scratch, model: ModelDescription, table: &str) -> Triggers {
    Triggers::new(model, format!("{}.{table}", scratch.schema)).schema(&scratch.schema)
}

pub(crate) fn install(sql: &Sql, triggers: &Triggers) {
    // Twice: it may be run again.
    for _again in 0..2 {
        sql.run(&triggers.sql().unwrap()).unwrap();
    }
}

/// All entries, oldest first, each the canonical form of itself.
pub(crate) fn all(store: &PostgresStore, sql: &Sql) -> Vec<LogEntry> {
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

pub(crate) const fn field(name: &'static str) -> FieldSchema {
    FieldSchema::new(name, || &[])
}

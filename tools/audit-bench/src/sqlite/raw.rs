//! Diff, JSON and INSERT, written for one type and without the store.

use std::path::Path;

use auditlog::prelude::*;
use auditlog::sqlite::rusqlite::{Connection, params};
use sha2::{Digest as _, Sha256};

use crate::by_hand::two_fields;
use crate::history::Outcome;
use crate::model::Account;

/// How much of the trail's tables a raw table has.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Extent {
    /// Their columns, checksum included, and their indexes.
    Same,
    /// Their columns but the checksum, and the index of the id.
    Lean,
}

/// A table of entries, and a connection to it.
pub(super) struct Raw {
    pub(super) connection: Connection,
    extent: Extent,
}

/// Opens a database of an application, with an account.
pub(super) fn open(file: &Path) -> Outcome<Connection> {
    let connection = Connection::open(file)?;
    connection.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
         CREATE TABLE account (id INTEGER PRIMARY KEY, email TEXT NOT NULL, logins INTEGER NOT NULL);
         INSERT INTO account VALUES (42, 'ann@example.com', 17);",
    )?;
    Ok(connection)
}

impl Raw {
    pub(super) fn open(file: &Path, extent: Extent) -> Outcome<Self> {
        let connection = open(file)?;
        connection.execute_batch(
            "CREATE TABLE entry (seq INTEGER PRIMARY KEY AUTOINCREMENT, id BLOB NOT NULL UNIQUE,
                ts INTEGER NOT NULL, level INTEGER NOT NULL, action TEXT NOT NULL,
                outcome TEXT NOT NULL, model TEXT NOT NULL, object_pk TEXT NOT NULL,
                parent_model TEXT, parent_pk TEXT, actor TEXT, correlation_id TEXT,
                transaction_id BLOB, checksum BLOB NOT NULL, body TEXT NOT NULL) STRICT;",
        )?;
        if extent == Extent::Same {
            connection.execute_batch(
                "CREATE INDEX entry_time ON entry (ts);
                 CREATE INDEX entry_object ON entry (model, object_pk, ts);
                 CREATE INDEX entry_model ON entry (model, ts);
                 CREATE INDEX entry_actor ON entry (actor, ts) WHERE actor IS NOT NULL;
                 CREATE INDEX entry_correlation ON entry (correlation_id, ts)
                    WHERE correlation_id IS NOT NULL;
                 CREATE INDEX entry_parent ON entry (parent_model, parent_pk, ts)
                    WHERE parent_model IS NOT NULL;
                 CREATE INDEX entry_transaction ON entry (transaction_id, ts)
                    WHERE transaction_id IS NOT NULL;
                 CREATE TABLE change (field TEXT NOT NULL, ts INTEGER NOT NULL,
                    seq INTEGER NOT NULL, PRIMARY KEY (field, ts, seq)) STRICT, WITHOUT ROWID;",
            )?;
        }
        Ok(Self { connection, extent })
    }

    /// Inserts entries in transactions of some rows each.
    pub(super) fn batches(
        &self,
        rows: u32,
        size: u32,
        old: &Account,
        new: &Account,
    ) -> Outcome<()> {
        let mut left = rows;
        while left > 0 {
            let size = left.min(size);
            self.connection.execute_batch("BEGIN IMMEDIATE")?;
            (0..size).try_for_each(|_| insert(&self.connection, self.extent, old, new))?;
            self.connection.execute_batch("COMMIT")?;
            left -= size;
        }
        Ok(())
    }
}

/// Inserts the entry of an update of two fields.
pub(super) fn insert(
    connection: &Connection,
    extent: Extent,
    old: &Account,
    new: &Account,
) -> Outcome<()> {
    let changes = two_fields(old, new);
    // A field that is not compared cannot be recorded.
    if old.username != new.username
        || old.bio != new.bio
        || old.phone != new.phone
        || old.first_name != new.first_name
        || old.last_name != new.last_name
        || old.active != new.active
        || old.last_login != new.last_login
        || old.status != new.status
        || old.balance.to_bits() != new.balance.to_bits()
    {
        return Err("a field that this benchmark does not change".into());
    }
    let entry = LogEntry::new("update", "Account", "42", &new.username);
    let body = serde_json::json!({
        "action": "update", "actor": {"id": "alice", "kind": "user"}, "changes": changes,
        "correlation_id": "req-4711", "id": entry.id, "level": "INFO", "model": "Account",
        "object_pk": "42", "object_repr": new.username, "outcome": "success",
        "schema_version": 1, "timestamp": entry.timestamp, "v": 1,
    })
    .to_string();
    let checksum = match extent {
        Extent::Same => Sha256::digest(&body).to_vec(),
        Extent::Lean => Vec::new(),
    };
    let ts = entry.timestamp.timestamp_micros();
    connection
        .prepare_cached(
            "INSERT INTO entry (id, ts, level, action, outcome, model, object_pk, actor,
             correlation_id, checksum, body) VALUES (?, ?, 20, 'update', 'success', 'Account',
             '42', 'alice', 'req-4711', ?, ?)",
        )?
        .execute(params![&entry.id.as_bytes()[..], ts, checksum, body])?;
    if extent == Extent::Same {
        let seq = connection.last_insert_rowid();
        let mut statement =
            connection.prepare_cached("INSERT INTO change (field, ts, seq) VALUES (?, ?, ?)")?;
        for field in changes.keys() {
            statement.execute(params![field, ts, seq])?;
        }
    }
    Ok(())
}

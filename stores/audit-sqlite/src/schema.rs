//! The tables, and the migration of a file.

use audit_core::StoreError;
use rusqlite::{Connection, OptionalExtension};

use crate::error::at;

/// The value of SQLite's header field `application_id` in a file of this store: `AUDT`.
pub const APPLICATION_ID: i32 = i32::from_be_bytes(*b"AUDT");

/// The highest schema version this library knows, and the one it writes: SQLite's header
/// field `user_version` in a file of its own, `audit_schema.version` beside other tables.
#[expect(clippy::cast_possible_truncation, reason = "there are few steps")]
pub const SCHEMA_VERSION: u32 = STEPS.len() as u32;

/// The migration from each version to the next. A released step never changes.
const STEPS: [&[&str]; 1] = [&[VERSION_1, audit_sql::sqlite::SCHEMA]];

/// `body` is the entry, and `checksum` the SHA-256 of its bytes; every other column of
/// `audit_entry` and the table `audit_change` are projections of it. `seq` grows in the order of commits and is never used again.
const VERSION_1: &str = "
CREATE TABLE main.audit_schema (
    version INTEGER NOT NULL
) STRICT;
INSERT INTO main.audit_schema (version) VALUES (1);

CREATE TABLE main.audit_entry (
    seq            INTEGER PRIMARY KEY AUTOINCREMENT,
    id             BLOB    NOT NULL UNIQUE,
    ts             INTEGER NOT NULL,
    level          INTEGER NOT NULL,
    action         TEXT    NOT NULL,
    outcome        TEXT    NOT NULL,
    model          TEXT    NOT NULL,
    object_pk      TEXT    NOT NULL,
    parent_model   TEXT,
    parent_pk      TEXT,
    actor          TEXT,
    correlation_id TEXT,
    transaction_id BLOB,
    checksum       BLOB    NOT NULL DEFAULT x'',
    body           TEXT    NOT NULL
) STRICT;
CREATE INDEX main.audit_entry_time ON audit_entry (ts);
CREATE INDEX main.audit_entry_object ON audit_entry (model, object_pk, ts);
CREATE INDEX main.audit_entry_model ON audit_entry (model, ts);
CREATE INDEX main.audit_entry_actor ON audit_entry (actor, ts)
    WHERE actor IS NOT NULL;
CREATE INDEX main.audit_entry_correlation ON audit_entry (correlation_id, ts)
    WHERE correlation_id IS NOT NULL;
CREATE INDEX main.audit_entry_parent ON audit_entry (parent_model, parent_pk, ts)
    WHERE parent_model IS NOT NULL;
CREATE INDEX main.audit_entry_transaction ON audit_entry (transaction_id, ts)
    WHERE transaction_id IS NOT NULL;

CREATE TABLE main.audit_change (
    field TEXT    NOT NULL,
    ts    INTEGER NOT NULL,
    seq   INTEGER NOT NULL,
    PRIMARY KEY (field, ts, seq)
) STRICT, WITHOUT ROWID;

-- Holds a row only inside a transaction of `purge`: entries from before it may go, and all if
-- it is the last time there is.
CREATE TABLE main.audit_retention (
    before INTEGER NOT NULL
) STRICT;

CREATE TRIGGER main.audit_entry_keep_updated BEFORE UPDATE ON audit_entry BEGIN
    SELECT RAISE(ABORT, 'an audit entry cannot be changed');
END;
CREATE TRIGGER main.audit_entry_keep_deleted BEFORE DELETE ON audit_entry
WHEN NOT EXISTS (SELECT 1 FROM audit_retention WHERE before > OLD.ts OR before = 9223372036854775807) BEGIN
    SELECT RAISE(ABORT, 'an audit entry can be removed only by retention');
END;
-- INSERT OR REPLACE removes rows without asking the trigger above.
CREATE TRIGGER main.audit_entry_keep_replaced BEFORE INSERT ON audit_entry
WHEN EXISTS (SELECT 1 FROM audit_entry WHERE id = NEW.id)
  OR EXISTS (SELECT 1 FROM audit_entry WHERE seq = NEW.seq) BEGIN
    SELECT RAISE(IGNORE);
END;
CREATE TRIGGER main.audit_change_keep_updated BEFORE UPDATE ON audit_change BEGIN
    SELECT RAISE(ABORT, 'an audit entry cannot be changed');
END;
CREATE TRIGGER main.audit_change_keep_deleted BEFORE DELETE ON audit_change
WHEN NOT EXISTS (SELECT 1 FROM audit_retention WHERE before > OLD.ts OR before = 9223372036854775807) BEGIN
    SELECT RAISE(ABORT, 'an audit entry can be removed only by retention');
END;

CREATE VIEW main.audit_log AS SELECT
    seq,
    json_extract(body, '$.timestamp') AS time,
    CASE level WHEN 10 THEN 'DEBUG' WHEN 20 THEN 'INFO' WHEN 30 THEN 'WARNING'
               WHEN 40 THEN 'ERROR' WHEN 50 THEN 'CRITICAL' ELSE level END AS level,
    actor,
    action,
    outcome,
    model,
    object_pk,
    json_extract(body, '$.object_repr') AS object_repr,
    json_extract(body, '$.changes') AS changes,
    json_extract(body, '$.reason') AS reason,
    correlation_id,
    json_extract(body, '$.id') AS id
FROM audit_entry;
";

/// The content of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// A database without a trail.
    Nothing,
    /// A trail of this version, which the library supports.
    Version(u32),
}

impl Found {
    /// Returns an error unless the file needs no migration.
    pub(crate) fn require_current(self, location: &str) -> Result<(), StoreError> {
        match self {
            Self::Version(SCHEMA_VERSION) => Ok(()),
            Self::Version(_) => Err(StoreError::ReadOnly {
                location: location.to_owned(),
            }),
            Self::Nothing => Err(StoreError::Foreign {
                location: location.to_owned(),
                found: "a database without a trail; open it once for writing to create one"
                    .to_owned(),
            }),
        }
    }
}

/// The owner of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    /// This store's.
    Store,
    /// An application's, whose tables lie beside those of the trail.
    Application,
}

/// Reads the version of a file and changes nothing.
///
/// # Errors
/// Returns an error if the file is another program's, or of a later version.
pub(crate) fn look(
    connection: &Connection,
    owner: Owner,
    location: &str,
) -> Result<Found, StoreError> {
    let version = || match owner {
        Owner::Store => own_version(connection, location),
        Owner::Application => installed_version(connection, location),
    };
    let version = if connection.is_autocommit() {
        // One transaction, so that all values are of one moment.
        connection.execute_batch("BEGIN").map_err(at(location))?;
        let version = version();
        connection.execute_batch("ROLLBACK").map_err(at(location))?;
        version?
    } else {
        version()?
    };
    match version {
        None => Ok(Found::Nothing),
        Some(version) => match u32::try_from(version) {
            Ok(found) if found > SCHEMA_VERSION => Err(StoreError::NewerSchema {
                location: location.to_owned(),
                found,
                supported: SCHEMA_VERSION,
            }),
            Ok(found @ 1..) => Ok(Found::Version(found)),
            _ => Err(StoreError::Corrupt {
                location: location.to_owned(),
                detail: format!("its schema version is {version}"),
            }),
        },
    }
}

fn own_version(connection: &Connection, location: &str) -> Result<Option<i64>, StoreError> {
    let integer = |sql: &str| {
        connection
            .query_row(sql, [], |row| row.get::<_, i64>(0))
            .map_err(at(location))
    };
    let application = integer("PRAGMA main.application_id")?;
    if application == i64::from(APPLICATION_ID) {
        return integer("PRAGMA main.user_version").map(Some);
    }
    let table: Option<String> = connection
        .query_row("SELECT name FROM main.sqlite_master LIMIT 1", [], |row| {
            row.get(0)
        })
        .optional()
        .map_err(at(location))?;
    let found = match table {
        None if application == 0 => return Ok(None),
        None => format!("an SQLite database with the application id {application}"),
        Some(table) if application == 0 => {
            format!("an SQLite database that holds `{}`", table.escape_debug())
        }
        Some(table) => format!(
            "an SQLite database with the application id {application} that holds `{}`",
            table.escape_debug()
        ),
    };
    Err(StoreError::Foreign {
        location: location.to_owned(),
        found,
    })
}

fn installed_version(connection: &Connection, location: &str) -> Result<Option<i64>, StoreError> {
    let exists = connection
        .query_row(
            "SELECT 1 FROM main.sqlite_master WHERE name = 'audit_schema'",
            [],
            |_| Ok(()),
        )
        .optional()
        .map_err(at(location))?
        .is_some();
    if !exists {
        return Ok(None);
    }
    connection
        .query_row("SELECT max(version) FROM main.audit_schema", [], |row| {
            row.get::<_, Option<i64>>(0)
        })
        .map_err(at(location))
        .map(|version| Some(version.unwrap_or(0)))
}

/// Runs the missing migrations; the caller holds a write transaction.
pub(crate) fn migrate(
    connection: &Connection,
    owner: Owner,
    location: &str,
) -> Result<(), StoreError> {
    // Read again under the write lock: another process may have migrated the file first.
    let from = match look(connection, owner, location)? {
        Found::Nothing => 0,
        Found::Version(version) => version,
    };
    if from == SCHEMA_VERSION {
        return Ok(());
    }
    run_steps(connection, from).map_err(at(location))?;
    connection
        .execute_batch(&format!(
            "UPDATE main.audit_schema SET version = {SCHEMA_VERSION}"
        ))
        .map_err(at(location))?;
    if owner == Owner::Store {
        connection
            .execute_batch(&format!(
                "PRAGMA main.application_id = {APPLICATION_ID};
                 PRAGMA main.user_version = {SCHEMA_VERSION};"
            ))
            .map_err(at(location))?;
    }
    Ok(())
}

/// Creates the tables in an empty database.
pub(crate) fn create(connection: &Connection) -> rusqlite::Result<()> {
    run_steps(connection, 0)
}

fn run_steps(connection: &Connection, from: u32) -> rusqlite::Result<()> {
    STEPS[from as usize..]
        .iter()
        .copied()
        .flatten()
        .try_for_each(|step| connection.execute_batch(step))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_steps_make_the_schema_of_the_version() {
        let connection = Connection::open_in_memory().unwrap();
        assert_eq!(
            look(&connection, Owner::Store, "x").unwrap(),
            Found::Nothing
        );
        migrate(&connection, Owner::Store, "x").unwrap();
        let found = look(&connection, Owner::Store, "x").unwrap();
        assert_eq!(found, Found::Version(SCHEMA_VERSION));
        migrate(&connection, Owner::Store, "x").unwrap();
        assert_eq!(
            look(&connection, Owner::Application, "x").unwrap(),
            Found::Version(SCHEMA_VERSION)
        );
    }
}

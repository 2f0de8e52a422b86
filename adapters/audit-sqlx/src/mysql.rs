//! A trail in MySQL and MariaDB.
//!
//! There is no store for them yet. [`create_trail`] creates the tables, `record_in` writes entries into
//! transactions as with every driver, and [`entries_after`] reads them in order, such as to copy them into
//! a store that can be queried. With SQL, read the view `audit_log`; on MariaDB it shows no changes of an
//! entry that is nested deeper than 32. docs/format.md describes the tables.
//!
//! The statements need MariaDB 10.6 or MySQL 8.0.29, or later. The tests run on MariaDB 10.11.
//!
//! Triggers refuse every change of an entry, and a DELETE in a session that has not set
//! `@auditlog_retention` to 1. They prevent accidents; they do not refuse TRUNCATE, and the owner of the
//! tables can remove them. Grant the application INSERT, SELECT and UPDATE on `audit_entry`, SELECT on
//! `audit_schema`, and nothing else. The insertion of a stored id needs UPDATE; the trigger refuses all
//! other updates.
//!
//! Entries are written to the current database of the connection, in any character set. The statement is
//! prepared for each call, so it also follows a `USE`; that costs one more exchange with the server. It is
//! a single packet: if the entries are together longer than the server's `max_allowed_packet`, 16 MB or
//! more by default, none is written, and the server may close the connection. Write them in several calls.
//!
//! # Example: a change and its entry
//! ```no_run
//! use audit_sqlx::{RecordIn as _, mysql};
//! use sqlx::{Connection as _, MySqlConnection};
//!
//! # async fn charge() -> Result<(), Box<dyn std::error::Error>> {
//! let mut connection = MySqlConnection::connect("mysql://app@db.example/app").await?;
//! mysql::create_trail(&mut connection).await?; // once
//!
//! let mut transaction = connection.begin().await?;
//! sqlx::query("UPDATE account SET balance = balance - 1").execute(&mut *transaction).await?;
//! auditlog::event("charged").record_in(&mut transaction).await?;
//! transaction.commit().await?;
//!
//! let trail = mysql::entries_after(&mut connection, None, 100).await?;
//! assert_eq!(trail.len(), 1);
//! # Ok(())
//! # }
//! ```

use audit_core::{Cursor, LogEntry, StoreError};
use audit_sql::mysql::{self, SCHEMA, SCHEMA_VERSION};
use sqlx::mysql::MySqlDatabaseError;
use sqlx::{MySqlConnection, Row as _};

use crate::{Error, Target, message};

/// A lock that is the server's, by a name for the connection's database.
const LOCK: &str = "SELECT GET_LOCK(CONCAT('auditlog ', SHA1(DATABASE())), 10)";
const UNLOCK: &str = "DO RELEASE_LOCK(CONCAT('auditlog ', SHA1(DATABASE())))";

/// The error `ER_BINLOG_CREATE_ROUTINE_NEED_SUPER`, which is of triggers too.
const NO_TRIGGERS: u16 = 1419;

impl Target for MySqlConnection {
    async fn append(&mut self, entries: &[LogEntry]) -> Result<(), Error> {
        if entries.is_empty() {
            return Ok(());
        }
        // A prepared statement that is kept would write to the database that was chosen then.
        let query = sqlx::query(mysql::APPEND).persistent(false);
        let query = query.bind(mysql::rows(entries)?.into_bytes());
        query.execute(self).await.map_err(|error| {
            let conflict = mysql::conflict(message(&error));
            crate::failure(conflict, error)
        })?;
        Ok(())
    }
}

/// Creates the trail's tables in the connection's database, if they do not exist. Several
/// processes may do so at the same time.
///
/// Do not call it in a transaction: the statements commit it, as DDL does on MySQL. The role needs ALTER,
/// CREATE, CREATE VIEW, DROP, INSERT, SELECT and TRIGGER on the database, and SUPER where the
/// server writes a binary log and its variable `log_bin_trust_function_creators` is 0.
///
/// The session holds a lock meanwhile. If the future is dropped, close the connection, which releases the
/// lock: other sessions wait for it and then return [`StoreError::Busy`].
///
/// # Errors
/// - Returns [`StoreError::Unsupported`] if the connection has no current database, or the role may not
///   create triggers because the server writes a binary log.
/// - Returns [`StoreError::Foreign`] if tables of another program have the trail's names.
/// - Returns [`StoreError::NewerSchema`] if a later version of this library made the tables.
/// - Returns [`StoreError::Busy`] if another process creates them for more than 10 s.
/// - Returns [`StoreError::Backend`] with other errors of the server.
pub async fn create_trail(connection: &mut MySqlConnection) -> Result<(), StoreError> {
    let name: Option<String> = sqlx::query_scalar("SELECT CONVERT(DATABASE() USING utf8mb4)")
        .fetch_one(&mut *connection)
        .await
        .map_err(|error| StoreError::backend("the server", error))?;
    let Some(name) = name else {
        return Err(StoreError::Unsupported {
            operation: "create its tables, as the connection has no current database: name one in \
                        its URL",
        });
    };
    let place = format!("database `{name}`");
    create_or_tell(connection, &place)
        .await
        .map_err(|failure| match failure {
            Failure::Store(error) => error,
            Failure::Driver(error) => StoreError::backend(place, error),
        })
}

/// The error of the server, or its meaning for a store.
enum Failure {
    Store(StoreError),
    Driver(sqlx::Error),
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        Self::Driver(error)
    }
}

async fn create_or_tell(connection: &mut MySqlConnection, place: &str) -> Result<(), Failure> {
    if is_there(connection, place).await? {
        return Ok(());
    }
    let locked: Option<i64> = sqlx::query_scalar(LOCK).fetch_one(&mut *connection).await?;
    if locked != Some(1) {
        let place = place.to_owned();
        return Err(StoreError::Busy { location: place }.into());
    }
    let created = create(connection, place).await;
    let unlocked = sqlx::query(UNLOCK).execute(connection).await;
    created?;
    unlocked?;
    Ok(())
}

async fn create(connection: &mut MySqlConnection, place: &str) -> Result<(), Failure> {
    // Somebody else may have been faster.
    if is_there(connection, place).await? {
        return Ok(());
    }
    let versions = "CREATE TABLE IF NOT EXISTS audit_schema (
        single tinyint NOT NULL DEFAULT 1 PRIMARY KEY,
        version int NOT NULL,
        program varchar(32) NOT NULL DEFAULT 'auditlog'
    ) ENGINE = InnoDB";
    sqlx::raw_sql(versions).execute(&mut *connection).await?;
    for (name, script) in SCHEMA {
        let made: i64 = sqlx::query_scalar(
            "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = DATABASE() \
             AND table_name = ?",
        )
        .bind(name)
        .fetch_one(&mut *connection)
        .await?;
        if made == 0 {
            let made = sqlx::raw_sql(script).execute(&mut *connection).await;
            made.map_err(about_triggers)?;
        }
    }
    sqlx::query("INSERT INTO audit_schema (version) VALUES (?)")
        .bind(SCHEMA_VERSION)
        .execute(connection)
        .await?;
    Ok(())
}

/// Converts the error of a server on which only superusers may create triggers.
fn about_triggers(error: sqlx::Error) -> Failure {
    let number = error
        .as_database_error()
        .and_then(|error| error.try_downcast_ref::<MySqlDatabaseError>())
        .map(MySqlDatabaseError::number);
    if number != Some(NO_TRIGGERS) {
        return error.into();
    }
    let operation = "create its triggers with this role, as the server writes a binary log: grant SUPER \
        to the role, or set `log_bin_trust_function_creators = 1` on the server";
    StoreError::Unsupported { operation }.into()
}

/// Returns whether the tables are complete.
async fn is_there(connection: &mut MySqlConnection, place: &str) -> Result<bool, Failure> {
    const ALONE: &str = "it has `audit_entry` or `audit_log`, and no `audit_schema` that this \
        role may read";
    const OTHER: &str = "`audit_schema` in it belongs to another program";
    let foreign = |found: &str| StoreError::Foreign {
        location: place.to_owned(),
        found: found.to_owned(),
    };
    let tables: i64 = sqlx::query_scalar(
        "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = DATABASE() \
         AND table_name IN ('audit_entry', 'audit_log')",
    )
    .fetch_one(&mut *connection)
    .await?;
    let columns = sqlx::query_as::<_, (i64, i64)>(
        "SELECT COUNT(*), COUNT(CASE WHEN column_name IN ('single', 'version', 'program') \
         THEN 1 END) FROM information_schema.columns \
         WHERE table_schema = DATABASE() AND table_name = 'audit_schema'",
    );
    match columns.fetch_one(&mut *connection).await? {
        (0, _) if tables == 0 => return Ok(false),
        (0, _) => return Err(foreign(ALONE).into()),
        (3, 3) => {}
        _ => return Err(foreign(OTHER).into()),
    }
    let version = sqlx::query("SELECT version, program FROM audit_schema")
        .fetch_optional(connection)
        .await?;
    // Without a version, the creation of the tables was not completed.
    let Some(row) = version else {
        return Ok(false);
    };
    let (version, program): (i32, String) = (row.try_get(0)?, row.try_get(1)?);
    if program != "auditlog" {
        return Err(foreign(OTHER).into());
    }
    match u32::try_from(version) {
        Ok(SCHEMA_VERSION) => Ok(true),
        found => Err(StoreError::NewerSchema {
            location: place.to_owned(),
            found: found.unwrap_or_default(),
            supported: SCHEMA_VERSION,
        }
        .into()),
    }
}

/// Returns at most `limit` of the trail's entries, by time and id: from the beginning, or after
/// a place, which is [`Cursor::of`] the last entry that was read.
///
/// The order is that of times and not of commits: an entry whose transaction takes long may
/// appear before a place that was read already.
///
/// # Errors
/// Returns [`StoreError::Corrupt`] if an entry cannot be read, and the error of the server.
pub async fn entries_after(
    connection: &mut MySqlConnection,
    after: Option<Cursor>,
    limit: u32,
) -> Result<Vec<LogEntry>, StoreError> {
    // As bytes, which no character set of the connection changes.
    const ALL: &str = "SELECT CAST(`body` AS BINARY) FROM audit_entry ORDER BY ts, id LIMIT ?";
    const AFTER: &str = "SELECT CAST(`body` AS BINARY) FROM audit_entry \
        WHERE ts >= ? AND (ts > ? OR id > ?) ORDER BY ts, id LIMIT ?";
    let query = match after {
        None => sqlx::query_scalar(ALL),
        Some(cursor) => {
            let micros = cursor.timestamp().timestamp_micros();
            sqlx::query_scalar(AFTER)
                .bind(micros)
                .bind(micros)
                .bind(cursor.id().as_bytes().to_vec())
        }
    };
    let query = query.bind(limit).persistent(false);
    let bodies: Result<Vec<Vec<u8>>, _> = query.fetch_all(connection).await;
    let bodies = bodies.map_err(|error| StoreError::backend("audit_entry", error))?;
    let corrupt = |error: &dyn std::error::Error| StoreError::Corrupt {
        location: "audit_entry".to_owned(),
        detail: format!("an entry cannot be read: {error}"),
    };
    let entries = bodies.iter().map(|body| {
        let body = str::from_utf8(body).map_err(|error| corrupt(&error))?;
        LogEntry::from_json(body).map_err(|error| corrupt(&error))
    });
    entries.collect()
}

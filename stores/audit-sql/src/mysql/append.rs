//! The statement with which a driver keeps entries.

use audit_core::{LogEntry, StoreError};
use serde::Serialize;
use uuid::Uuid;
use uuid::fmt::Simple;

use crate::checksum::hex;
use crate::postgres::Row;

/// The statement that keeps entries, all or none. Its only parameter is the text that [`rows`]
/// makes, bound as bytes: a text would be converted to the connection's character set, which may
/// lack characters.
///
/// The server finds the table when it prepares the statement, which must not be used again after
/// another database is chosen (`USE`).
///
/// An entry that is there already is "updated" to what it is; a trigger fails the statement if
/// that would change it. In the order of the ids, so that two writers of the same entries
/// cannot lock each other out. The texts have a character set of their own: that of the database
/// may lack characters, for which there would be question marks. `body` is quoted, since it is a
/// keyword where MariaDB's `sql_mode` is `ORACLE`.
pub const APPEND: &str = "INSERT INTO audit_entry (id, ts, level, action, outcome, model, \
    object_pk, parent_model, parent_pk, actor, correlation_id, transaction_id, fields, `body`, \
    checksum) \
    SELECT UNHEX(j.id), j.ts, j.level, j.action, j.outcome, j.model, j.object_pk, \
    j.parent_model, j.parent_pk, j.actor, j.correlation_id, UNHEX(j.transaction_id), j.fields, \
    j.`body`, UNHEX(j.checksum) FROM JSON_TABLE(CONVERT(? USING utf8mb4), '$[*]' COLUMNS (\
    id char(32) CHARSET utf8mb4 PATH '$.id' ERROR ON EMPTY ERROR ON ERROR, \
    ts bigint PATH '$.ts' ERROR ON EMPTY ERROR ON ERROR, \
    level smallint PATH '$.level' ERROR ON EMPTY ERROR ON ERROR, \
    action varchar(1000) CHARSET utf8mb4 PATH '$.action' ERROR ON EMPTY ERROR ON ERROR, \
    outcome varchar(20) CHARSET utf8mb4 PATH '$.outcome' ERROR ON EMPTY ERROR ON ERROR, \
    model varchar(1000) CHARSET utf8mb4 PATH '$.model' ERROR ON EMPTY ERROR ON ERROR, \
    object_pk varchar(1000) CHARSET utf8mb4 PATH '$.object_pk' ERROR ON EMPTY ERROR ON ERROR, \
    parent_model varchar(1000) CHARSET utf8mb4 PATH '$.parent_model' ERROR ON ERROR, \
    parent_pk varchar(1000) CHARSET utf8mb4 PATH '$.parent_pk' ERROR ON ERROR, \
    actor varchar(1000) CHARSET utf8mb4 PATH '$.actor' ERROR ON ERROR, \
    correlation_id varchar(1000) CHARSET utf8mb4 PATH '$.correlation_id' ERROR ON ERROR, \
    transaction_id char(32) CHARSET utf8mb4 PATH '$.transaction_id' ERROR ON ERROR, \
    fields longtext CHARSET utf8mb4 PATH '$.fields' ERROR ON EMPTY ERROR ON ERROR, \
    `body` longtext CHARSET utf8mb4 PATH '$.body' ERROR ON EMPTY ERROR ON ERROR, \
    checksum char(64) CHARSET utf8mb4 PATH '$.checksum' ERROR ON EMPTY ERROR ON ERROR)) AS j \
    ORDER BY j.id ON DUPLICATE KEY UPDATE ts = VALUES(ts), `body` = VALUES(`body`)";

/// The beginning of the message of a failed statement if another entry has the id.
const CONFLICT: &str = "another audit entry has the id ";

/// The columns of a row.
#[derive(Serialize)]
struct Columns<'r> {
    id: Simple,
    ts: i64,
    level: i16,
    action: &'r str,
    outcome: &'r str,
    model: &'r str,
    object_pk: &'r str,
    parent_model: Option<&'r str>,
    parent_pk: Option<&'r str>,
    actor: Option<&'r str>,
    correlation_id: Option<&'r str>,
    transaction_id: Option<Simple>,
    /// A JSON array.
    fields: String,
    body: &'r str,
    checksum: String,
}

/// Returns entries as the statement's parameter.
///
/// # Errors
/// Returns [`StoreError::Invalid`] if an entry has no canonical form.
pub fn rows(entries: &[LogEntry]) -> Result<String, StoreError> {
    let invalid = |error| StoreError::backend("the entries", error);
    let rows = entries.iter().map(Row::of).collect::<Result<Vec<_>, _>>()?;
    let columns = rows.iter().map(|row| {
        Ok(Columns {
            id: row.id.simple(),
            ts: row.ts,
            level: row.level,
            action: &row.action,
            outcome: row.outcome,
            model: &row.model,
            object_pk: &row.object_pk,
            parent_model: row.parent_model.as_deref(),
            parent_pk: row.parent_pk.as_deref(),
            actor: row.actor.as_deref(),
            correlation_id: row.correlation_id.as_deref(),
            transaction_id: row.transaction_id.map(Uuid::simple),
            fields: serde_json::to_string(&row.fields)?,
            body: &row.body,
            checksum: hex(&row.checksum),
        })
    });
    let columns = columns.collect::<Result<Vec<_>, _>>().map_err(invalid)?;
    serde_json::to_string(&columns).map_err(invalid)
}

/// Returns the id that the message of a failed statement says is taken.
pub fn conflict(message: &str) -> Option<Uuid> {
    let (id, _) = message.strip_prefix(CONFLICT)?.split_once(',')?;
    id.parse().ok()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn the_message_names_the_id() {
        let id = Uuid::from_u128(7);
        let message = format!("{CONFLICT}{}, and an entry cannot be changed", id.simple());
        assert_eq!(conflict(&message), Some(id));
        assert_eq!(conflict("Deadlock found"), None);
    }

    #[test]
    fn a_row_is_an_object_with_a_text_for_each_column() {
        let mut entry = LogEntry::new("create", "a\0b", "\u{1}", "\0");
        entry.transaction_id = Some(Uuid::from_u128(7));
        let rows: Value = serde_json::from_str(&rows(&[entry.clone()]).expect("rows")).unwrap();
        let row = rows[0].as_object().expect("a row");
        assert_eq!(row["id"], entry.id.simple().to_string());
        assert_eq!(row["transaction_id"], format!("{:032x}", 7));
        assert_eq!(row["model"], "a\u{1}\u{2}b");
        assert_eq!(row["actor"], Value::Null);
        assert_eq!(row["fields"], "[]");
        assert_eq!(row["body"], entry.to_canonical_json().unwrap());
        for column in row.keys() {
            assert!(APPEND.contains(&format!("PATH '$.{column}'")), "{column}");
        }
    }
}

//! The statement with which a driver keeps entries.

use std::borrow::Cow;

use audit_core::{LogEntry, StoreError};
use uuid::Uuid;

use super::row::Row;
use super::schema::Schema;

/// One parameter, a text that [`rows`] makes: every driver can bind that.
macro_rules! append {
    ($schema:literal) => {
        concat!(
            "SELECT ",
            $schema,
            "audit_append(array_agg(g.id), array_agg(g.ts), array_agg(g.level), \
             array_agg(g.action), array_agg(g.outcome), array_agg(g.model), \
             array_agg(g.object_pk), array_agg(g.parent_model), array_agg(g.parent_pk), \
             array_agg(g.actor), array_agg(g.correlation_id), array_agg(g.transaction_id), \
             array_agg(g.fields), array_agg(g.changes), array_agg(g.body), \
             array_agg(g.checksum)) \
             FROM pg_catalog.json_to_recordset($1::text::json) AS g (id uuid, ts bigint, \
             level smallint, action text, outcome text, model text, object_pk text, \
             parent_model text, parent_pk text, actor text, correlation_id text, \
             transaction_id uuid, fields text, changes text, body text, \
             checksum bytea)"
        )
    };
}

/// As `audit_append` inserts, without the work of a function that takes many.
macro_rules! append_one {
    ($schema:literal) => {
        concat!(
            "INSERT INTO ",
            $schema,
            "audit_entry (id, ts, level, action, outcome, model, object_pk, parent_model, \
             parent_pk, actor, correlation_id, transaction_id, fields, changes, body, \
             checksum) VALUES ($1::text::pg_catalog.uuid, $2::text::pg_catalog.int8, \
             $3::text::pg_catalog.int2, $4::text, $5::text, $6::text, $7::text, $8::text, \
             $9::text, $10::text, $11::text, $12::text::pg_catalog.uuid, \
             (pg_catalog.string_to_array($13::text, E'\\x01\\x05'))[2:], \
             $14::text::pg_catalog.jsonb, $15::text, $16::text::pg_catalog.bytea) ON CONFLICT DO NOTHING"
        )
    };
}

/// The beginning of the message of `audit_append` if another entry has the id.
const CONFLICT: &str = "another audit entry has the id ";

/// Returns the statement that keeps entries, all or none. Its only parameter is the text that
/// [`rows`] makes. Without a schema the function is found by the connection's search path.
pub fn append(schema: Option<&Schema>) -> Cow<'static, str> {
    match schema {
        None => Cow::Borrowed(append!("")),
        Some(schema) => Cow::Owned(schema.fill(append!("{schema}."))),
    }
}

/// Returns the statement that keeps one entry, in less time. Its parameters are the
/// [texts of its row](Row::texts). It inserts no row if the id is taken: by the same entry or by
/// another one, which [`append`] distinguishes.
pub fn append_one(schema: Option<&Schema>) -> Cow<'static, str> {
    match schema {
        None => Cow::Borrowed(append_one!("")),
        Some(schema) => Cow::Owned(schema.fill(append_one!("{schema}."))),
    }
}

/// Returns entries as the statement's parameter.
///
/// # Errors
/// Returns [`StoreError::Invalid`] if an entry has no canonical form.
pub fn rows(entries: &[LogEntry]) -> Result<String, StoreError> {
    let rows = entries.iter().map(Row::of).collect::<Result<Vec<_>, _>>()?;
    serde_json::to_string(&rows).map_err(|error| StoreError::backend("the entries", error))
}

/// Returns the id that the message of a failed statement says is taken.
pub fn conflict(message: &str) -> Option<Uuid> {
    message.strip_prefix(CONFLICT)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_stands_before_the_function() {
        let audit = Schema::named("audit").expect("a name");
        assert!(append(None).starts_with("SELECT audit_append("));
        assert!(append(Some(&audit)).starts_with("SELECT \"audit\".audit_append("));
        assert!(append_one(None).starts_with("INSERT INTO audit_entry ("));
        assert!(append_one(Some(&audit)).starts_with("INSERT INTO \"audit\".audit_entry ("));
    }

    #[test]
    fn the_message_names_the_id() {
        let id = Uuid::from_u128(7);
        assert_eq!(conflict(&format!("{CONFLICT}{id}")), Some(id));
        assert_eq!(conflict("deadlock detected"), None);
    }

    #[test]
    fn no_parameter_holds_a_nul() {
        let entry = LogEntry::new("create", "a\0b", "\u{1}", "\0");
        let rows = rows(&[entry]).expect("rows");
        let read: serde_json::Value = serde_json::from_str(&rows).expect("JSON");
        let row = read[0].as_object().expect("a row");
        assert!(
            row.values()
                .all(|value| !value.as_str().unwrap_or("").contains('\0'))
        );
        assert_eq!(row["model"], "a\u{1}\u{2}b");
    }
}

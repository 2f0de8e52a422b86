//! The statement with which a driver keeps entries.

use std::borrow::Cow;
use std::collections::HashMap;

use audit_core::{LogEntry, StoreError};
use serde_json::{Value, json};

use super::row::Row;

/// The number of bytes in the blob of [`Batch`] for each entry: the id, the transaction's id, and the
/// checksum.
const IDS: usize = 64;

/// The message of the trigger if another entry has one of the ids.
const CONFLICT: &str = "another audit entry has one of these ids";

/// The column of an element in the JSON of a [`Batch`], with U+0000 and U+0001 as themselves.
macro_rules! text {
    ($at:literal) => {
        concat!(
            "replace(replace(json_extract(j.value, '$[",
            $at,
            "]'), char(1, 2), char(0)), char(1, 3), char(1))"
        )
    };
}

/// The part of the tables' schema that [`APPEND`] needs: a view to insert into, whose trigger
/// fills `audit_entry` and `audit_change`, all or nothing. What is there already with the same
/// content counts as written. It belongs to a version of the schema: once released, it never
/// changes.
pub const SCHEMA: &str = concat!(
    "
-- Each row that is inserted is a batch of entries (docs/format.md).
CREATE VIEW main.audit_append (ids, entries) AS SELECT NULL, NULL WHERE 0;
CREATE TRIGGER main.audit_append_entries INSTEAD OF INSERT ON audit_append BEGIN
    INSERT INTO audit_entry (id, ts, level, action, outcome, model, object_pk, parent_model,
                             parent_pk, actor, correlation_id, transaction_id, checksum, body)
    SELECT substr(NEW.ids, j.key * 64 + 1, 16), json_extract(j.value, '$[0]'),
           json_extract(j.value, '$[1]'), ",
    text!(2),
    ", ",
    text!(3),
    ", ",
    text!(4),
    ", ",
    text!(5),
    ", ",
    text!(6),
    ", ",
    text!(7),
    ", ",
    text!(8),
    ", ",
    text!(9),
    ",
           CASE json_extract(j.value, '$[10]')
               WHEN 1 THEN substr(NEW.ids, j.key * 64 + 17, 16) END,
           substr(NEW.ids, j.key * 64 + 33, 32),
           json_extract(j.value, '$[12]')
    FROM json_each(NEW.entries) AS j
    WHERE true ORDER BY j.key
    ON CONFLICT (id) DO NOTHING;
    SELECT RAISE(ABORT, 'another audit entry has one of these ids') WHERE EXISTS (
        SELECT 1 FROM json_each(NEW.entries) AS j
        JOIN audit_entry AS e ON e.id = substr(NEW.ids, j.key * 64 + 1, 16)
        WHERE e.body <> json_extract(j.value, '$[12]')
    );
    INSERT INTO audit_change (field, ts, seq)
    SELECT replace(replace(f.value, char(1, 2), char(0)), char(1, 3), char(1)), e.ts, e.seq
    FROM json_each(NEW.entries) AS j, json_each(j.value, '$[11]') AS f
    JOIN audit_entry AS e ON e.id = substr(NEW.ids, j.key * 64 + 1, 16)
    WHERE true
    ON CONFLICT DO NOTHING;
END;
"
);

/// The statement that keeps a [`Batch`]: its parameters are the batch's ids and entries.
pub const APPEND: &str = "INSERT INTO main.audit_append (ids, entries) VALUES (?1, ?2)";

/// The query that returns the id that is taken, with the same parameters.
pub const FIND_CONFLICT: &str = "SELECT e.id FROM json_each(?2) AS j \
    JOIN main.audit_entry AS e ON e.id = substr(?1, j.key * 64 + 1, 16) \
    WHERE e.body <> json_extract(j.value, '$[12]') ORDER BY j.key LIMIT 1";

/// Entries as the parameters of [`APPEND`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// A blob: for each entry its id, that of its transaction, or zeros if it has no
    /// transaction, and the checksum of its bytes.
    pub ids: Vec<u8>,
    /// A text: the other columns as JSON, where a text has U+0000 as U+0001 U+0002 and U+0001
    /// as U+0001 U+0003, since SQLite's functions end a text at U+0000.
    pub entries: String,
}

impl Batch {
    /// Makes the parameters of entries.
    ///
    /// # Errors
    /// Returns [`StoreError::Invalid`] if an entry has no canonical form, and [`StoreError::Conflict`] if
    /// two of them have one id and not the same content.
    pub fn of(entries: &[LogEntry]) -> Result<Self, StoreError> {
        let mut ids = Vec::with_capacity(entries.len() * IDS);
        let mut rows = Vec::with_capacity(entries.len());
        let mut bodies = HashMap::new();
        for entry in entries {
            let row = Row::of(entry)?;
            ids.extend(row.id.as_bytes());
            ids.extend(row.transaction_id.unwrap_or_default().as_bytes());
            ids.extend(row.checksum);
            rows.push(columns(&row));
            if let Some(other) = bodies.insert(row.id, row.body.clone())
                && other != row.body
            {
                return Err(StoreError::Conflict { id: row.id });
            }
        }
        Ok(Self {
            ids,
            entries: Value::Array(rows).to_string(),
        })
    }
}

/// Returns whether a statement failed because an id is taken, by its message.
pub fn is_conflict(message: &str) -> bool {
    message.contains(CONFLICT)
}

fn columns(row: &Row<'_>) -> Value {
    let fields: Vec<_> = row.fields.iter().map(|field| escaped(field)).collect();
    json!([
        row.ts,
        row.level,
        escaped(&row.action),
        row.outcome,
        escaped(&row.model),
        escaped(&row.object_pk),
        optional(row.parent_model.as_deref()),
        optional(row.parent_pk.as_deref()),
        optional(row.actor.as_deref()),
        optional(row.correlation_id.as_deref()),
        row.transaction_id.is_some(),
        fields,
        row.body,
    ])
}

fn optional(text: Option<&str>) -> Option<Cow<'_, str>> {
    text.map(escaped)
}

fn escaped(text: &str) -> Cow<'_, str> {
    if !text.contains(['\0', '\u{1}']) {
        return Cow::Borrowed(text);
    }
    // In this order: what the second makes has no U+0001 that the first could take.
    Cow::Owned(
        text.replace('\u{1}', "\u{1}\u{3}")
            .replace('\0', "\u{1}\u{2}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_contents_of_one_id_are_a_conflict() {
        let entry = LogEntry::new("create", "User", "1", "bob");
        let mut other = entry.clone();
        assert!(Batch::of(&[entry.clone(), other.clone()]).is_ok());
        other.reason = Some("another".to_owned());
        assert!(matches!(
            Batch::of(&[entry.clone(), other]),
            Err(StoreError::Conflict { id }) if id == entry.id
        ));
    }

    #[test]
    fn no_text_holds_a_nul() {
        let entry = LogEntry::new("create", "a\0b", "\u{1}", "\0");
        let batch = Batch::of(&[entry]).expect("a batch");
        let read: Value = serde_json::from_str(&batch.entries).expect("JSON");
        let texts: Vec<_> = read[0]
            .as_array()
            .expect("columns")
            .iter()
            .filter_map(Value::as_str)
            .collect();
        assert!(texts.iter().all(|text| !text.contains('\0')), "{texts:?}");
        assert!(texts.contains(&"a\u{1}\u{2}b"), "{texts:?}");
        assert_eq!(batch.ids.len(), IDS);
    }
}

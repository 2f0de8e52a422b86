//! An entry as a row: its canonical bytes, and the columns that are projections of it.

use std::borrow::Cow;

use audit_core::{Changes, LogEntry, StoreError};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::checksum;
use crate::checksum::push_hex;

/// The longest key, in bytes; two of them, a time and an id fit one row of an index.
const KEY_BYTES: usize = 1000;
/// The number of bytes of a longer text that its key begins with.
const KEY_PREFIX_BYTES: usize = 900;
/// Leads each field in the text that `audit_append` takes for all of them.
const FIELD: &str = "\u{1}\u{5}";

/// The row of an entry; the texts but the body are in their [key form](key).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// The entry's id.
    pub id: Uuid,
    /// Its time, in microseconds since 1970.
    pub ts: i64,
    /// Its level's number.
    pub level: i16,
    /// Its action.
    pub action: String,
    /// The outcome of the action.
    pub outcome: &'static str,
    /// The model.
    pub model: String,
    /// The object's key.
    pub object_pk: String,
    /// The model of the parent.
    pub parent_model: Option<String>,
    /// The parent's key.
    pub parent_pk: Option<String>,
    /// The actor's id.
    pub actor: Option<String>,
    /// The id of the request.
    pub correlation_id: Option<String>,
    /// The id that entries of one transaction share.
    pub transaction_id: Option<Uuid>,
    /// The top-level fields that changed, sorted, each once.
    #[serde(serialize_with = "joined")]
    pub fields: Vec<String>,
    /// The changes as JSON without U+0000.
    pub changes: Option<String>,
    /// The canonical JSON.
    pub body: String,
    /// The checksum of its bytes.
    #[serde(serialize_with = "as_bytea")]
    pub checksum: [u8; 32],
}

impl Row {
    /// Makes the row of an entry.
    ///
    /// # Errors
    /// Returns [`StoreError::Invalid`] if the entry has no canonical form.
    pub fn of(entry: &LogEntry) -> Result<Self, StoreError> {
        let body = entry.to_canonical_json()?;
        let parent = entry.parent.as_ref();
        Ok(Self {
            id: entry.id,
            ts: entry.timestamp.timestamp_micros(),
            level: i16::from(entry.level as u8),
            action: key(entry.action.as_str()).into_owned(),
            outcome: entry.outcome.as_str(),
            model: key(&entry.model).into_owned(),
            object_pk: key(&entry.object_pk).into_owned(),
            parent_model: parent.map(|parent| key(&parent.model).into_owned()),
            parent_pk: parent.map(|parent| key(&parent.object_pk).into_owned()),
            actor: entry
                .actor
                .as_ref()
                .map(|actor| key(&actor.id).into_owned()),
            correlation_id: entry
                .correlation_id
                .as_deref()
                .map(|id| key(id).into_owned()),
            transaction_id: entry.transaction_id,
            fields: changed_fields(entry),
            changes: changes_json(&entry.changes).map_err(|error| StoreError::Invalid {
                id: entry.id,
                detail: error.to_string(),
            })?,
            checksum: checksum(body.as_bytes()),
            body,
        })
    }

    /// About how many bytes the row takes in a message to the server.
    pub fn bytes(&self) -> usize {
        200 + self.body.len() + self.changes.as_ref().map_or(0, String::len)
    }

    /// The columns as the texts that [`append_one`](super::append_one) takes, in its order.
    pub fn texts(&self) -> [Option<Cow<'_, str>>; 16] {
        fn optional(text: Option<&String>) -> Option<Cow<'_, str>> {
            text.map(|text| text.as_str().into())
        }
        [
            Some(self.id.to_string().into()),
            Some(self.ts.to_string().into()),
            Some(self.level.to_string().into()),
            Some(self.action.as_str().into()),
            Some(self.outcome.into()),
            Some(self.model.as_str().into()),
            Some(self.object_pk.as_str().into()),
            optional(self.parent_model.as_ref()),
            optional(self.parent_pk.as_ref()),
            optional(self.actor.as_ref()),
            optional(self.correlation_id.as_ref()),
            self.transaction_id.map(|id| id.to_string().into()),
            Some(self.joined_fields().into()),
            optional(self.changes.as_ref()),
            Some(self.body.as_str().into()),
            Some(bytea(&self.checksum).into()),
        ]
    }

    /// The fields as `audit_append` takes them.
    pub fn joined_fields(&self) -> String {
        join(&self.fields)
    }
}

/// Returns the top-level fields that an entry changed, in their [key form](key), sorted, each once.
pub fn changed_fields(entry: &LogEntry) -> Vec<String> {
    let paths = entry.changes.paths();
    let mut fields: Vec<_> = paths.map(|path| key(&path.field()).into_owned()).collect();
    fields.sort_unstable();
    fields.dedup();
    fields
}

/// Returns bytes as the text of a `bytea`.
fn bytea(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 + 2 * bytes.len());
    text.push_str("\\x");
    push_hex(bytes, &mut text);
    text
}

fn as_bytea<S: Serializer>(bytes: &[u8; 32], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&bytea(bytes))
}

fn joined<S: Serializer>(fields: &[String], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&join(fields))
}

fn join(fields: &[String]) -> String {
    fields.iter().fold(String::new(), |mut text, field| {
        text.push_str(FIELD);
        text.push_str(field);
        text
    })
}

/// Returns the form in which a text is stored in a column that is searched.
///
/// The text itself, with what a `text` cannot hold escaped (U+0000 as U+0001 U+0002, and
/// U+0001 as U+0001 U+0003), and with the end of a long one replaced by U+0001 U+0004 and the
/// SHA-256 of all of it, so that it fits an index. Different texts have different keys, and
/// but for the ends of long ones they have the texts' order.
pub fn key(text: &str) -> Cow<'_, str> {
    let escaped = escaped(text);
    if escaped.len() <= KEY_BYTES {
        return escaped;
    }
    let mut end = KEY_PREFIX_BYTES;
    while !escaped.is_char_boundary(end) {
        end -= 1;
    }
    if escaped[..end].ends_with('\u{1}') {
        end -= 1;
    }
    let mut key = escaped[..end].to_owned();
    key.push_str("\u{1}\u{4}");
    push_hex(&checksum(text.as_bytes()), &mut key);
    Cow::Owned(key)
}

fn escaped(text: &str) -> Cow<'_, str> {
    if !text.contains(['\0', '\u{1}']) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '\0' => escaped.push_str("\u{1}\u{2}"),
            '\u{1}' => escaped.push_str("\u{1}\u{3}"),
            c => escaped.push(c),
        }
    }
    Cow::Owned(escaped)
}

/// Returns the changes as `jsonb` takes them: with the texts in them escaped where they hold
/// U+0000 or U+0001.
fn changes_json(changes: &Changes) -> Result<Option<String>, serde_json::Error> {
    if changes.is_empty() {
        return Ok(None);
    }
    let text = serde_json::to_string(changes)?;
    if !text.contains("\\u000") {
        return Ok(Some(text));
    }
    json(&serde_json::from_str(&text)?).map(Some)
}

/// Returns a value as text for a `jsonb` column, which cannot hold U+0000.
///
/// # Errors
/// Returns an error if the value cannot be serialized.
pub fn json(value: &Value) -> Result<String, serde_json::Error> {
    serde_json::to_string(&without_nul(value))
}

fn without_nul(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(escaped(text).into_owned()),
        Value::Array(items) => items.iter().map(without_nul).collect(),
        Value::Object(fields) => Value::Object(
            fields
                .iter()
                .map(|(name, value)| (escaped(name).into_owned(), without_nul(value)))
                .collect::<Map<_, _>>(),
        ),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use audit_core::Change;
    use serde_json::json;

    use super::*;

    #[test]
    fn keys_are_different_where_texts_are_and_in_their_order() {
        let long = "x".repeat(5000);
        let texts = [
            "",
            "\0",
            "\0\0",
            "\0\u{1}",
            "\0a",
            "\u{1}",
            "\u{1}\0",
            "\u{1}\u{1}",
            "\u{1}\u{2}",
            "\u{2}",
            "\u{3}",
            "a",
            "a\0",
            "a\u{1}",
            "a\u{1}\u{4}",
            "a\u{4}",
            &long,
            "ü",
        ];
        let keys: Vec<_> = texts.iter().map(|text| key(text)).collect();
        assert!(texts.is_sorted());
        assert!(keys.is_sorted_by(|a, b| a < b), "{keys:?}");
        assert!(
            keys.iter()
                .all(|key| !key.contains('\0') && key.len() <= KEY_BYTES)
        );
    }

    #[test]
    fn a_long_text_has_a_key_of_its_own() {
        for end in ["", "é", "\0", "\u{1}", "a\u{1}\0"] {
            for filling in 880..1010 {
                let text = "a".repeat(filling) + &end.repeat(60);
                let other = text.clone() + "b";
                assert_ne!(key(&text), key(&other));
                assert!(key(&other).len() <= KEY_BYTES);
                assert_eq!(key(&text), key(&text.clone()));
            }
        }
        assert_eq!(key(&"ü".repeat(500)), "ü".repeat(500));
    }

    #[test]
    fn changes_hold_no_nul() {
        let mut entry = LogEntry::new("update", "User", "1", "bob");
        entry.changes = [Change::new(
            "['a\\u0000']".parse().unwrap(),
            None,
            Some(json!({"k\0": ["\0", "\\u0000", "plain"]})),
        )]
        .into_iter()
        .collect();
        let row = Row::of(&entry).expect("a row");
        let changes: Value = serde_json::from_str(&row.changes.expect("changes")).expect("JSON");
        let new = &changes["['a\\u0000']"]["new"];
        assert_eq!(
            new,
            &json!({"k\u{1}\u{2}": ["\u{1}\u{2}", "\\u0000", "plain"]})
        );
        assert_eq!(row.fields, ["a\u{1}\u{2}"]);
        assert!(row.body.contains("\\u0000"));
    }

    #[test]
    fn a_row_has_each_changed_field_once() {
        let mut entry = LogEntry::new("update", "User", "1", "bob");
        entry.changes = ["b", "a.x", "a.y", "['a']"]
            .into_iter()
            .map(|path| Change::new(path.parse().unwrap(), None, None))
            .collect();
        let row = Row::of(&entry).expect("a row");
        assert_eq!(row.fields, ["a", "b"]);
        assert_eq!(row.joined_fields(), "\u{1}\u{5}a\u{1}\u{5}b");
    }
}

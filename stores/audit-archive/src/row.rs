//! An entry as a row of a Parquet file: its canonical bytes, and the columns that are projections
//! of it.

use audit_core::{ENTRY_FORMAT, LogEntry, Stored};
use audit_sql::postgres::{changed_fields, key};
use bytes::Bytes;
use chrono::{DateTime, Datelike, Utc};
use serde::Deserialize;
use uuid::Uuid;

use crate::error::Error;

/// Separates the model from the identity in an object key.
const SEPARATOR: char = '\u{1f}';
/// The date of entries outside the years that a date can name.
const NO_DATE: &str = "__HIVE_DEFAULT_PARTITION__";

/// The values of all columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) seq: u64,
    pub(crate) id: Uuid,
    pub(crate) ts: i64,
    pub(crate) level: i32,
    pub(crate) action: String,
    pub(crate) outcome: String,
    pub(crate) model: String,
    pub(crate) object_pk: String,
    pub(crate) object_key: String,
    pub(crate) parent_model: Option<String>,
    pub(crate) parent_pk: Option<String>,
    pub(crate) actor: Option<String>,
    pub(crate) correlation_id: Option<String>,
    pub(crate) transaction_id: Option<Uuid>,
    pub(crate) fields: Vec<String>,
    pub(crate) body: Bytes,
}

impl Row {
    /// Makes the row of an entry; `body` is its canonical form.
    pub(crate) fn new(seq: u64, entry: &LogEntry, body: Bytes) -> Self {
        let parent = entry.parent.as_ref();
        Self {
            seq,
            id: entry.id,
            ts: entry.timestamp.timestamp_micros(),
            level: i32::from(entry.level as u8),
            action: key(entry.action.as_str()).into_owned(),
            outcome: entry.outcome.as_str().to_owned(),
            model: key(&entry.model).into_owned(),
            object_pk: key(&entry.object_pk).into_owned(),
            object_key: object_key(&entry.model, &entry.object_pk),
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
            body,
        }
    }

    /// Orders rows as a file does. A compacted file may have an entry more than once, each with its number.
    pub(crate) fn order(&self) -> (&str, i64, Uuid, u64) {
        (&self.object_key, self.ts, self.id, self.seq)
    }

    /// Returns the keys that a filter has of the row: names of columns and values.
    pub(crate) fn keys(&self) -> impl Iterator<Item = (&'static str, &[u8])> {
        [
            Some((OBJECT_KEY, self.object_key.as_bytes())),
            self.actor.as_ref().map(|id| (ACTOR, id.as_bytes())),
            self.correlation_id
                .as_ref()
                .map(|id| (CORRELATION_ID, id.as_bytes())),
            self.transaction_id
                .as_ref()
                .map(|id| (TRANSACTION_ID, &id.as_bytes()[..])),
        ]
        .into_iter()
        .flatten()
    }

    /// Returns the name of a column in which two rows differ.
    pub(crate) fn difference(&self, other: &Self) -> Option<&'static str> {
        // Without `..`: a new column does not compile until it is compared.
        let Self {
            seq,
            id,
            ts,
            level,
            action,
            outcome,
            model,
            object_pk,
            object_key,
            parent_model,
            parent_pk,
            actor,
            correlation_id,
            transaction_id,
            fields,
            body,
        } = self;
        let columns = [
            ("seq", *seq == other.seq),
            ("id", *id == other.id),
            ("ts", *ts == other.ts),
            ("level", *level == other.level),
            ("action", *action == other.action),
            ("outcome", *outcome == other.outcome),
            ("model", *model == other.model),
            ("object_pk", *object_pk == other.object_pk),
            (OBJECT_KEY, *object_key == other.object_key),
            ("parent_model", *parent_model == other.parent_model),
            ("parent_pk", *parent_pk == other.parent_pk),
            (ACTOR, *actor == other.actor),
            (CORRELATION_ID, *correlation_id == other.correlation_id),
            (TRANSACTION_ID, *transaction_id == other.transaction_id),
            ("fields", *fields == other.fields),
            ("body", *body == other.body),
        ];
        let differing = columns.into_iter().find(|(_, equal)| !equal);
        differing.map(|(name, _)| name)
    }
}

/// Sorts rows as a file has them. Their indices are sorted, since a row has some 300 bytes.
pub(crate) fn sort(rows: Vec<Row>) -> Vec<Row> {
    let mut order: Vec<usize> = (0..rows.len()).collect();
    order.sort_unstable_by(|a, b| rows[*a].order().cmp(&rows[*b].order()));
    let mut rows: Vec<Option<Row>> = rows.into_iter().map(Some).collect();
    let sorted = order.into_iter().filter_map(|index| rows[index].take());
    sorted.collect()
}

pub(crate) const OBJECT_KEY: &str = "object_key";
pub(crate) const ACTOR: &str = "actor";
pub(crate) const CORRELATION_ID: &str = "correlation_id";
pub(crate) const TRANSACTION_ID: &str = "transaction_id";

/// Returns the value of the column `object_key`.
pub(crate) fn object_key(model: &str, object_pk: &str) -> String {
    let (model, object_pk) = (key(model), key(object_pk));
    let mut text = String::with_capacity(model.len() + 1 + object_pk.len());
    text.push_str(&model);
    text.push(SEPARATOR);
    text.push_str(&object_pk);
    text
}

/// Returns the date of a time as it is in names of files.
pub(crate) fn date(time: DateTime<Utc>) -> String {
    if (1..=9999).contains(&time.year()) {
        time.format("%Y-%m-%d").to_string()
    } else {
        NO_DATE.to_owned()
    }
}

/// Parses the bytes of a row of the hot store.
///
/// # Errors
/// Returns [`Error::NewerEntry`] if a later version of this library wrote the entry. Bytes that are
/// not an entry are `Ok(Err(reason))`.
pub(crate) fn parse(stored: &Stored) -> Result<Result<LogEntry, String>, Error> {
    #[derive(Deserialize)]
    struct Format {
        v: u64,
    }
    let error = match stored.entry() {
        Ok(entry) => return Ok(Ok(entry)),
        Err(error) => error,
    };
    match serde_json::from_slice::<Format>(stored.bytes()) {
        Ok(Format { v }) if v > u64::from(ENTRY_FORMAT) => Err(Error::NewerEntry {
            id: stored.id(),
            found: v,
        }),
        _ => Ok(Err(error.to_string())),
    }
}

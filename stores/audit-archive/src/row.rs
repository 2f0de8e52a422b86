//! An entry as a row of a Parquet file: its canonical bytes, and the columns that are projections
//! of it.

use audit_core::{ENTRY_FORMAT, LogEntry, Stored};
use audit_sql::postgres::{changed_fields, key};
use bytes::Bytes;
use chrono::{DateTime, Datelike, Utc};
use serde::Deserialize;
use uuid::Uuid;

use crate::error::Error;
use crate::schema::Column;

/// Separates the model from the identity in an object key.
const SEPARATOR: char = '\u{1f}';
/// The date of entries outside the years that a date can name.
const NO_DATE: &str = "__HIVE_DEFAULT_PARTITION__";

/// The columns of texts that are no lists, in the order of the schema, and their names.
const TEXTS: [(Column, &str); 9] = [
    (Column::Action, "action"),
    (Column::Outcome, "outcome"),
    (Column::Model, "model"),
    (Column::ObjectPk, "object_pk"),
    (Column::ObjectKey, OBJECT_KEY),
    (Column::ParentModel, "parent_model"),
    (Column::ParentPk, "parent_pk"),
    (Column::Actor, ACTOR),
    (Column::CorrelationId, CORRELATION_ID),
];

/// The values of all columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) seq: u64,
    pub(crate) id: Uuid,
    pub(crate) ts: i64,
    pub(crate) level: i32,
    pub(crate) transaction_id: Option<Uuid>,
    pub(crate) texts: Texts,
}

/// The values of the other columns, in one buffer: a segment has 100,000 rows in memory, of which small allocations
/// would leave it in pieces that the system does not get back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Texts {
    /// The body, the values of [`TEXTS`], and the names of `fields`, each after its length.
    buffer: Bytes,
    body: usize,
    /// The end of each value of [`TEXTS`].
    ends: [usize; TEXTS.len()],
    /// Whether each value of [`TEXTS`] is not null.
    present: [bool; TEXTS.len()],
}

/// The bytes of the length of a field.
const LENGTH: usize = size_of::<usize>();

impl Texts {
    pub(crate) fn new<'f>(
        body: &[u8],
        columns: [Option<&str>; TEXTS.len()],
        fields: impl Iterator<Item = &'f str> + Clone,
    ) -> Self {
        let texts = || columns.into_iter().map(Option::unwrap_or_default);
        let of_fields = fields.clone().map(|field| LENGTH + field.len());
        let bytes = body.len() + texts().map(str::len).chain(of_fields).sum::<usize>();
        let mut buffer = Vec::with_capacity(bytes);
        buffer.extend_from_slice(body);
        let mut ends = [0; TEXTS.len()];
        for (text, end) in texts().zip(&mut ends) {
            buffer.extend_from_slice(text.as_bytes());
            *end = buffer.len();
        }
        for field in fields {
            buffer.extend_from_slice(&field.len().to_ne_bytes());
            buffer.extend_from_slice(field.as_bytes());
        }
        Self {
            buffer: buffer.into(),
            body: body.len(),
            ends,
            present: columns.map(|text| text.is_some()),
        }
    }
}

impl Row {
    /// Makes the row of an entry; `body` is its canonical form.
    pub(crate) fn new(seq: u64, entry: &LogEntry, body: &[u8]) -> Self {
        let parent = entry.parent.as_ref();
        let [parent_model, parent_pk, actor, correlation_id] = [
            parent.map(|parent| parent.model.as_str()),
            parent.map(|parent| parent.object_pk.as_str()),
            entry.actor.as_ref().map(|actor| actor.id.as_str()),
            entry.correlation_id.as_deref(),
        ]
        .map(|text| text.map(key));
        let fields = changed_fields(entry);
        let texts = [
            Some(&*key(entry.action.as_str())),
            Some(entry.outcome.as_str()),
            Some(&*key(&entry.model)),
            Some(&*key(&entry.object_pk)),
            Some(&*object_key(&entry.model, &entry.object_pk)),
            parent_model.as_deref(),
            parent_pk.as_deref(),
            actor.as_deref(),
            correlation_id.as_deref(),
        ];
        Self {
            seq,
            id: entry.id,
            ts: entry.timestamp.timestamp_micros(),
            level: i32::from(entry.level as u8),
            transaction_id: entry.transaction_id,
            texts: Texts::new(body, texts, fields.iter().map(String::as_str)),
        }
    }

    /// Returns the canonical form of the entry.
    pub(crate) fn body(&self) -> Bytes {
        self.texts.buffer.slice(..self.texts.body)
    }

    /// Returns the value of a column of texts, as UTF-8; `None` for null and for other columns.
    pub(crate) fn text(&self, column: Column) -> Option<&[u8]> {
        let Texts {
            buffer,
            body,
            ends,
            present,
        } = &self.texts;
        let index = column.index().checked_sub(TEXTS[0].0.index())?;
        present.get(index)?.then(|| {
            let start = index.checked_sub(1).map_or(*body, |before| ends[before]);
            &buffer[start..ends[index]]
        })
    }

    pub(crate) fn object_key(&self) -> &[u8] {
        self.text(Column::ObjectKey).unwrap_or_default()
    }

    /// Returns the values of the column `fields`, as UTF-8.
    pub(crate) fn fields(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = &self.texts.buffer[self.texts.ends[TEXTS.len() - 1]..];
        std::iter::from_fn(move || {
            let (length, after) = rest.split_first_chunk()?;
            let field;
            (field, rest) = after.split_at(usize::from_ne_bytes(*length));
            Some(field)
        })
    }

    /// Orders rows as a file does. A compacted file may have an entry more than once, each with its number.
    pub(crate) fn order(&self) -> (&[u8], i64, Uuid, u64) {
        (self.object_key(), self.ts, self.id, self.seq)
    }

    /// Returns the keys that a filter has of the row: names of columns and values.
    pub(crate) fn keys(&self) -> impl Iterator<Item = (&'static str, &[u8])> {
        let text = |name, column| Some((name, self.text(column)?));
        let transaction = self.transaction_id.as_ref();
        [
            text(OBJECT_KEY, Column::ObjectKey),
            text(ACTOR, Column::Actor),
            text(CORRELATION_ID, Column::CorrelationId),
            transaction.map(|id| (TRANSACTION_ID, &id.as_bytes()[..])),
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
            transaction_id,
            texts: _,
        } = self;
        let texts = TEXTS.map(|(column, name)| (name, self.text(column) == other.text(column)));
        let columns = [
            ("seq", *seq == other.seq),
            ("id", *id == other.id),
            ("ts", *ts == other.ts),
            ("level", *level == other.level),
        ];
        let last = [
            (TRANSACTION_ID, *transaction_id == other.transaction_id),
            ("fields", self.fields().eq(other.fields())),
            ("body", self.body() == other.body()),
        ];
        let mut columns = columns.into_iter().chain(texts).chain(last);
        let differing = columns.find(|(_, equal)| !equal);
        differing.map(|(name, _)| name)
    }
}

/// Sorts rows as a file has them. Their indices are sorted, since a row has more than 100 bytes.
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

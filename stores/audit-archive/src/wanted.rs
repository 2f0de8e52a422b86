//! What a query asks of the columns of a file: which files, row groups and rows cannot have an entry of
//! it. The entry itself is compared with the query afterwards.

use std::ops::RangeInclusive;

use audit_core::Query;
use audit_core::backend::projection::{is_whole_field as is_field, micros_up};
use audit_sql::postgres::key;
use parquet::errors::ParquetError;
use parquet::file::metadata::RowGroupMetaData;
use parquet::file::statistics::Statistics;
use uuid::Uuid;

use crate::decode::Selection;
use crate::filter::Filter;
use crate::group::{Group, PageBounds};
use crate::manifest::ArchiveFile;
use crate::row::{ACTOR, CORRELATION_ID, OBJECT_KEY, TRANSACTION_ID, object_key};
use crate::schema::Column;

/// The time and the id of a row, by which queries are ordered.
pub(crate) type SortKey = (i64, Uuid);

/// The conditions of a query on columns.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    /// The times, in microseconds.
    pub(crate) times: RangeInclusive<i64>,
    /// The entry of the cursor.
    pub(crate) cursor: Option<SortKey>,
    pub(crate) newest_first: bool,
    pub(crate) texts: Vec<(Column, String)>,
    pub(crate) optional_texts: Vec<(Column, String)>,
    pub(crate) transaction_id: Option<Uuid>,
    pub(crate) fields: Vec<String>,
    /// The values that filters have, by the names of their columns.
    keys: Vec<(&'static str, Column, Vec<u8>)>,
    model: Option<String>,
    /// Whether a row that meets the conditions is an entry of the query.
    pub(crate) exact: bool,
}

impl Wanted {
    pub(crate) fn of(query: &Query) -> Self {
        let filter = query.filter();
        let mut wanted = Self {
            times: filter.since.map_or(i64::MIN, micros_up)
                ..=filter
                    .until
                    .map_or(i64::MAX, |until| micros_up(until).saturating_sub(1)),
            cursor: query
                .cursor()
                .map(|cursor| (cursor.timestamp().timestamp_micros(), cursor.id())),
            newest_first: query.is_newest_first(),
            texts: Vec::new(),
            optional_texts: Vec::new(),
            transaction_id: filter.transaction_id,
            fields: Vec::new(),
            keys: Vec::new(),
            model: filter.model.as_deref().map(|model| key(model).into_owned()),
            exact: filter.changed.iter().all(is_field)
                && filter.changed_from.is_empty()
                && filter.changed_to.is_empty()
                && filter.parent.is_none()
                && filter.level_at_least.is_none()
                && filter.level_below.is_none()
                && filter.text.is_none()
                && filter.groups.is_empty(),
        };
        wanted.add_texts(query);
        if let Some(id) = filter.transaction_id {
            let id = id.as_bytes().to_vec();
            wanted
                .keys
                .push((TRANSACTION_ID, Column::TransactionId, id));
        }
        let changed = filter.changed.iter().filter(|path| is_field(path));
        wanted.fields = changed
            .map(|path| key(&path.field()).into_owned())
            .collect();
        wanted
    }

    fn add_texts(&mut self, query: &Query) {
        let filter = query.filter();
        let text = |text: &str| key(text).into_owned();
        match (&filter.model, &filter.object_pk) {
            (Some(model), Some(pk)) => {
                let object = object_key(model, pk);
                self.keys
                    .push((OBJECT_KEY, Column::ObjectKey, object.clone().into_bytes()));
                self.texts.push((Column::ObjectKey, object));
                // A text with the separator has more than one reading.
                self.texts.push((Column::Model, text(model)));
            }
            (Some(model), None) => self.texts.push((Column::Model, text(model))),
            (None, Some(pk)) => self.texts.push((Column::ObjectPk, text(pk))),
            (None, None) => {}
        }
        if let Some(action) = &filter.action {
            self.texts.push((Column::Action, text(action.as_str())));
        }
        if let Some(outcome) = filter.outcome {
            self.texts.push((Column::Outcome, text(outcome.as_str())));
        }
        let optional = [
            (ACTOR, Column::Actor, &filter.actor),
            (
                CORRELATION_ID,
                Column::CorrelationId,
                &filter.correlation_id,
            ),
        ];
        for (name, column, value) in optional {
            if let Some(value) = value {
                let value = text(value);
                self.keys.push((name, column, value.clone().into_bytes()));
                self.optional_texts.push((column, value));
            }
        }
    }

    /// Returns whether filters say more about the query than manifests do.
    pub(crate) fn has_keys(&self) -> bool {
        !self.keys.is_empty()
    }

    /// Returns whether a file may have an entry, as far as its manifest says.
    pub(crate) fn may_be_in_file(&self, file: &ArchiveFile) -> bool {
        let has_model = match (&self.model, &file.models) {
            (Some(model), Some(models)) => models.binary_search(model).is_ok(),
            _ => true,
        };
        has_model && self.may_be_in_times(file.min_ts, file.max_ts)
    }

    /// Returns whether a file may have an entry, as far as its filter says.
    pub(crate) fn may_be_in_filter(&self, filter: &Filter) -> bool {
        self.keys
            .iter()
            .all(|(name, _, value)| filter.may_have(name, value))
    }

    /// Returns whether a row group may have an entry, as far as its statistics say.
    pub(crate) fn may_be_in_group(&self, group: &RowGroupMetaData) -> bool {
        let times = match group.column(Column::Ts.index()).statistics() {
            Some(Statistics::Int64(times)) => times.min_opt().zip(times.max_opt()),
            _ => None,
        };
        times.is_none_or(|(min, max)| self.may_be_in_times(*min, *max))
            && self.keys.iter().all(|(_, column, value)| {
                let statistics = group.column(column.index()).statistics();
                let min = statistics.and_then(Statistics::min_bytes_opt);
                let max = statistics.and_then(Statistics::max_bytes_opt);
                min.is_none_or(|min| min <= &value[..]) && max.is_none_or(|max| max >= &value[..])
            })
    }

    /// Returns the keys that Bloom filters of row groups have.
    pub(crate) fn keys(&self) -> impl Iterator<Item = (Column, &[u8])> {
        self.keys
            .iter()
            .map(|(_, column, value)| (*column, &value[..]))
    }

    /// Returns the columns of the conditions without that of the times.
    pub(crate) fn columns(&self) -> Vec<Column> {
        let texts = self.texts.iter().chain(&self.optional_texts);
        let mut columns: Vec<Column> = texts.map(|(column, _)| *column).collect();
        columns.extend(self.transaction_id.map(|_| Column::TransactionId));
        if !self.fields.is_empty() {
            columns.push(Column::Fields);
        }
        columns
    }

    /// Returns the rows of the pages of a row group that may have an entry, as far as the page index says.
    pub(crate) fn pages(&self, group: &Group<'_>) -> Result<Selection, ParquetError> {
        let texts = self.texts.iter().chain(&self.optional_texts);
        let texts = texts.map(|(column, text)| (*column, text.as_bytes()));
        let ids = self.transaction_id.as_ref();
        let ids = ids.map(|id| (Column::TransactionId, &id.as_bytes()[..]));
        let mut rows = Selection::first(group.rows()?);
        for (column, value) in texts.chain(ids) {
            rows = rows.and(&group.pages(column, |bounds| match bounds {
                PageBounds::Bytes(min, max) => {
                    min.is_none_or(|min| min <= value) && max.is_none_or(|max| max >= value)
                }
                PageBounds::Int(..) => true,
            })?);
        }
        let times = group.pages(Column::Ts, |bounds| match bounds {
            PageBounds::Int(min, max) => {
                let min = min.copied().unwrap_or(i64::MIN);
                self.may_be_in_times(min, max.copied().unwrap_or(i64::MAX))
            }
            PageBounds::Bytes(..) => true,
        })?;
        Ok(rows.and(&times))
    }

    /// Returns whether an entry between two times may be one of the query.
    pub(crate) fn may_be_in_times(&self, min: i64, max: i64) -> bool {
        min <= *self.times.end()
            && max >= *self.times.start()
            && self.cursor.is_none_or(|(ts, _)| {
                if self.newest_first {
                    min <= ts
                } else {
                    max >= ts
                }
            })
    }

    /// Returns the position of a row in the order of the query.
    pub(crate) fn rank(&self, (ts, id): SortKey) -> Rank {
        let id = id.as_u128();
        if self.newest_first {
            Rank(!ts, half(!id))
        } else {
            Rank(ts, half(id))
        }
    }

    /// Returns the time and the id of a row by its position.
    pub(crate) fn key(&self, Rank(ts, (high, low)): Rank) -> SortKey {
        let id = u128::from(high) << 64 | u128::from(low);
        if self.newest_first {
            (!ts, Uuid::from_u128(!id))
        } else {
            (ts, Uuid::from_u128(id))
        }
    }

    /// Returns the first and the last time of two in the order of the query.
    pub(crate) fn in_order(&self, min_ts: i64, max_ts: i64) -> (i64, i64) {
        if self.newest_first {
            (!max_ts, !min_ts)
        } else {
            (min_ts, max_ts)
        }
    }
}

/// The position of a row in the order of a query: lower ranks come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rank(pub(crate) i64, (u64, u64));

impl Rank {
    /// The last position of a time.
    pub(crate) fn end_of(time: i64) -> Self {
        Self(time, (u64::MAX, u64::MAX))
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the low half")]
fn half(id: u128) -> (u64, u64) {
    ((id >> 64) as u64, id as u64)
}

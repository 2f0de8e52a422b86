//! What a query asks of the columns of a file: which files, row groups and rows cannot have an entry of
//! it. The entry itself is compared with the query afterwards.

use std::ops::RangeInclusive;

use audit_core::Query;
use audit_core::backend::projection::{is_whole_field as is_field, micros_up};
use audit_sql::postgres::key;
use parquet::bloom_filter::Sbbf;
use parquet::file::metadata::RowGroupMetaData;
use parquet::file::statistics::Statistics;
use uuid::Uuid;

use crate::filter::Filter;
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

    /// Returns whether a row group may have an entry, as far as its bloom filters say.
    pub(crate) fn may_be_in_bloom_filters<'b>(
        &self,
        bloom_filter: impl Fn(usize) -> Option<&'b Sbbf>,
    ) -> bool {
        self.keys.iter().all(|(_, column, value)| {
            bloom_filter(column.index()).is_none_or(|filter| filter.check(&value[..]))
        })
    }

    fn may_be_in_times(&self, min: i64, max: i64) -> bool {
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

    /// Returns whether a row's time and id are among those of the query.
    pub(crate) fn admits(&self, key: SortKey) -> bool {
        self.times.contains(&key.0) && self.cursor.is_none_or(|cursor| self.precedes(cursor, key))
    }

    /// Returns whether a row comes before another one in the order of the query.
    pub(crate) fn precedes(&self, before: SortKey, after: SortKey) -> bool {
        if self.newest_first {
            before > after
        } else {
            before < after
        }
    }
}

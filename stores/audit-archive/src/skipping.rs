//! Checks the parts of a file by which readers skip row groups and pages: statistics, page index and Bloom filters. If
//! one excluded a value that exists, queries would miss entries without an error.

use std::collections::BTreeSet;
use std::ops::Range;

use bytes::Bytes;
use parquet::errors::ParquetError;
use parquet::file::metadata::{ColumnChunkMetaData, RowGroupMetaData};
use parquet::file::page_index::column_index::ColumnIndexMetaData;
use parquet::file::reader::FileReader as _;
use parquet::file::serialized_reader::SerializedFileReader;
use parquet::file::statistics::Statistics;

use crate::decode::invalid;
use crate::row::Row;
use crate::schema::Column;

/// The columns that have statistics.
const COLUMNS: [Column; 14] = [
    Column::Seq,
    Column::Id,
    Column::Ts,
    Column::Level,
    Column::Action,
    Column::Outcome,
    Column::Model,
    Column::ObjectPk,
    Column::ObjectKey,
    Column::ParentModel,
    Column::ParentPk,
    Column::Actor,
    Column::CorrelationId,
    Column::TransactionId,
];

/// A value of a column, in the order of the column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Value<'v> {
    Number(i64),
    Bytes(&'v [u8]),
}

impl<'v> Value<'v> {
    /// Returns the value of a row; `None` for null and for columns without statistics.
    fn of(row: &'v Row, column: Column) -> Option<Self> {
        match column {
            Column::Seq => Some(Self::Number(row.seq.cast_signed())),
            Column::Id => Some(Self::Bytes(row.id.as_bytes())),
            Column::Ts => Some(Self::Number(row.ts)),
            Column::Level => Some(Self::Number(row.level.into())),
            Column::TransactionId => row
                .transaction_id
                .as_ref()
                .map(|id| Self::Bytes(id.as_bytes())),
            Column::Fields | Column::Body => None,
            texts => row.text(texts).map(Self::Bytes),
        }
    }
}

/// Bounds of values, of which a long one may be shortened: then it is lower or higher.
type Bounds<'v> = (Option<Value<'v>>, Option<Value<'v>>);

/// Returns the columns of a row group whose statistics, page index or Bloom filter exclude a value of its rows. The
/// reader must have read all three.
pub(crate) fn contradictions(
    reader: &SerializedFileReader<Bytes>,
    index: usize,
    rows: &[Row],
) -> Result<Vec<String>, ParquetError> {
    let group = reader.get_row_group(index)?;
    let metadata = group.metadata();
    let mut found = Vec::new();
    for column in COLUMNS {
        let chunk = metadata.column(column.index());
        let mut add = |part: &str| {
            let name = chunk.column_path().string();
            found.push(format!(
                "the {part} of column `{name}` excludes values of row group {index}"
            ));
        };
        if !is_within(rows, column, statistics(chunk))
            || !has_nulls(rows, column, chunk.statistics())
        {
            add("range in the statistics");
        }
        if !fits_page_index(reader, (index, metadata), column, rows)? {
            add("page index");
        }
        if let Some(filter) = group.get_column_bloom_filter(column.index()) {
            let values: BTreeSet<_> = rows
                .iter()
                .filter_map(|row| Value::of(row, column))
                .collect();
            let has = |value: &Value<'_>| match value {
                Value::Number(number) => filter.check(number),
                Value::Bytes(bytes) => filter.check(*bytes),
            };
            if !values.iter().all(has) {
                add("Bloom filter");
            }
        }
    }
    Ok(found)
}

fn is_within(rows: &[Row], column: Column, (min, max): Bounds<'_>) -> bool {
    let mut values = rows.iter().filter_map(|row| Value::of(row, column));
    values.all(|value| min.is_none_or(|min| min <= value) && max.is_none_or(|max| max >= value))
}

/// Returns whether statistics have the right count of nulls, if they have one.
fn has_nulls(rows: &[Row], column: Column, statistics: Option<&Statistics>) -> bool {
    let nulls = statistics.and_then(Statistics::null_count_opt);
    nulls.is_none_or(|nulls| {
        let found = rows.iter().filter(|row| Value::of(row, column).is_none());
        found.count() as u64 == nulls
    })
}

fn statistics(chunk: &ColumnChunkMetaData) -> Bounds<'_> {
    let number = |number: Option<&i64>| number.map(|number| Value::Number(*number));
    let small = |number: Option<&i32>| number.map(|number| Value::Number((*number).into()));
    match chunk.statistics() {
        Some(Statistics::Int64(values)) => (number(values.min_opt()), number(values.max_opt())),
        Some(Statistics::Int32(values)) => (small(values.min_opt()), small(values.max_opt())),
        Some(values) => (
            values.min_bytes_opt().map(Value::Bytes),
            values.max_bytes_opt().map(Value::Bytes),
        ),
        None => (None, None),
    }
}

fn fits_page_index(
    reader: &SerializedFileReader<Bytes>,
    (group, metadata): (usize, &RowGroupMetaData),
    column: Column,
    rows: &[Row],
) -> Result<bool, ParquetError> {
    let indexes = reader.metadata().page_index_for_row_group(group);
    let (Some(index), Some(offsets)) = (
        indexes.column_index(column.index()),
        indexes.offset_index(column.index()),
    ) else {
        return Ok(true);
    };
    let starts = offsets
        .page_locations()
        .iter()
        .map(|page| page.first_row_index);
    let mut starts: Vec<i64> = starts.collect();
    if starts.first() != Some(&0) || index.num_pages() != starts.len() as u64 {
        return Ok(false);
    }
    starts.push(metadata.num_rows());
    for (page, ends) in starts.windows(2).enumerate() {
        let &[start, end] = ends else { continue };
        let range = range(start, end)?;
        let Some(rows) = rows.get(range) else {
            return Ok(false);
        };
        let has_values = rows.iter().any(|row| Value::of(row, column).is_some());
        if (index.is_null_page(page) && has_values)
            || !is_within(rows, column, page_of(index, page))
        {
            return Ok(false);
        }
    }
    Ok(true)
}

fn page_of(index: &ColumnIndexMetaData, page: usize) -> Bounds<'_> {
    let number = |number: Option<&i64>| number.map(|number| Value::Number(*number));
    let small = |number: Option<&i32>| number.map(|number| Value::Number((*number).into()));
    match index {
        ColumnIndexMetaData::INT64(values) => (
            number(values.min_value(page)),
            number(values.max_value(page)),
        ),
        ColumnIndexMetaData::INT32(values) => {
            (small(values.min_value(page)), small(values.max_value(page)))
        }
        ColumnIndexMetaData::BYTE_ARRAY(values)
        | ColumnIndexMetaData::FIXED_LEN_BYTE_ARRAY(values) => (
            values.min_value(page).map(Value::Bytes),
            values.max_value(page).map(Value::Bytes),
        ),
        _ => (None, None),
    }
}

fn range(start: i64, end: i64) -> Result<Range<usize>, ParquetError> {
    let index =
        |at: i64| usize::try_from(at).map_err(|_| invalid("a page begins before its group"));
    Ok(index(start)?..index(end)?)
}

#[cfg(test)]
mod tests {
    use audit_core::{Actor, LogEntry};

    use super::*;
    use crate::decode;
    use crate::encode::encode;
    use crate::schema::ROW_GROUP;

    const TIMES: [&str; 3] = [
        "2026-01-01T12:00:00.123456Z",
        "2026-01-01T12:00:01.234567Z",
        "2026-01-01T12:00:02.345678Z",
    ];

    fn rows() -> Vec<Row> {
        let rows = TIMES.iter().zip(1..).map(|(time, seq)| {
            let mut entry = LogEntry::new("update", "User", seq.to_string(), "bob");
            entry.id = uuid::Uuid::from_u128(seq.into());
            entry.timestamp = time.parse().expect("a time");
            entry.actor = Some(Actor::user(format!("actor {seq}")));
            let body = entry.to_canonical_json().expect("JSON");
            Row::new(seq, &entry, body.as_bytes())
        });
        rows.collect()
    }

    fn found(bytes: Vec<u8>) -> Vec<String> {
        let reader = decode::open(Bytes::from(bytes)).expect("a file");
        contradictions(&reader, 0, &rows()).expect("checked")
    }

    fn file() -> Vec<u8> {
        encode(&rows(), ROW_GROUP, 1, 3).expect("a file").to_vec()
    }

    #[test]
    fn a_written_file_has_no_contradiction() {
        assert_eq!(found(file()), [""; 0]);
    }

    #[test]
    fn each_changed_bound_is_found() {
        let rows = rows();
        let (first, last) = (&rows[0], &rows[2]);
        let bounds = [
            ("ts", first.ts.to_le_bytes().to_vec(), 0, 1_i8),
            ("ts", last.ts.to_le_bytes().to_vec(), 0, -1),
            ("actor", b"actor 1".to_vec(), 6, 1),
            ("object_key", last.object_key().to_vec(), 5, -1),
        ];
        for (column, bound, at, change) in bounds {
            let bytes = file();
            let mut changed = bound.clone();
            changed[at] = changed[at].wrapping_add_signed(change);
            let mut parts = BTreeSet::new();
            // Pages are not read.
            for offset in 0..bytes.len() - bound.len() {
                if bytes[offset..].starts_with(&bound) {
                    let mut bytes = bytes.clone();
                    bytes[offset..offset + bound.len()].copy_from_slice(&changed);
                    parts.extend(found(bytes));
                }
            }
            for part in ["statistics", "page index"] {
                let has = |text: &String| text.contains(part) && text.contains(column);
                assert!(parts.iter().any(has), "{column} {part}: {parts:?}");
            }
        }
    }

    #[test]
    fn a_bloom_filter_without_a_key_is_found() {
        for column in [Column::ObjectKey, Column::Actor] {
            let mut bytes = file();
            let reader = decode::open(Bytes::from(bytes.clone())).expect("a file");
            let chunk = reader.metadata().row_group(0).column(column.index());
            let offset = chunk.bloom_filter_offset().expect("a filter");
            let length = chunk.bloom_filter_length().expect("a length");
            let begin = usize::try_from(offset).expect("an offset");
            let end = begin + usize::try_from(length).expect("a length");
            // The header has fewer bytes.
            bytes[begin + 24..end].fill(0);
            let found = found(bytes);
            assert_eq!(found.len(), 1, "{found:?}");
            assert!(found[0].contains("Bloom filter"), "{found:?}");
        }
    }
}

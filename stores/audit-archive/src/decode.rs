//! Parquet to rows: all of a file for `verify`, and some rows of some columns for queries.

use bytes::Bytes;
use parquet::column::reader::get_typed_column_reader;
use parquet::data_type::{
    ByteArray, ByteArrayType, DataType, FixedLenByteArray, FixedLenByteArrayType, Int32Type,
    Int64Type,
};
use parquet::errors::ParquetError;
use parquet::file::properties::ReaderProperties;
use parquet::file::reader::{ChunkReader, FileReader as _, RowGroupReader};
use parquet::file::serialized_reader::{ReadOptionsBuilder, SerializedFileReader};
use uuid::Uuid;

use crate::row::{Row, Texts};
use crate::schema::{Column, is_schema};

/// The number of rows that are decoded at once.
const AT_ONCE: usize = 2_048;

/// Opens a file with its page index and Bloom filters, and checks its schema.
pub(crate) fn open<R: ChunkReader + 'static>(
    bytes: R,
) -> Result<SerializedFileReader<R>, ParquetError> {
    let properties = ReaderProperties::builder().set_read_bloom_filter(true);
    let options = ReadOptionsBuilder::new()
        .with_page_index()
        .with_reader_properties(properties.build());
    let file = SerializedFileReader::new_with_options(bytes, options.build())?;
    if is_schema(file.metadata().file_metadata().schema_descr())? {
        Ok(file)
    } else {
        Err(invalid("it has other columns than a file of an archive"))
    }
}

/// Returns all rows of a row group.
pub(crate) fn rows(group: &dyn RowGroupReader) -> Result<Vec<Row>, ParquetError> {
    let some = Selection::all(group)?;
    let seq = required::<Int64Type>(group, Column::Seq, &some)?;
    let id = required::<FixedLenByteArrayType>(group, Column::Id, &some)?;
    let ts = required::<Int64Type>(group, Column::Ts, &some)?;
    let level = required::<Int32Type>(group, Column::Level, &some)?;
    let action = texts(group, Column::Action, &some)?;
    let outcome = texts(group, Column::Outcome, &some)?;
    let model = texts(group, Column::Model, &some)?;
    let object_pk = texts(group, Column::ObjectPk, &some)?;
    let object_key = texts(group, Column::ObjectKey, &some)?;
    let parent_model = optional_texts(group, Column::ParentModel, &some)?;
    let parent_pk = optional_texts(group, Column::ParentPk, &some)?;
    let actor = optional_texts(group, Column::Actor, &some)?;
    let correlation_id = optional_texts(group, Column::CorrelationId, &some)?;
    let transaction_id = optional::<FixedLenByteArrayType>(group, Column::TransactionId, &some)?;
    let fields = lists(group, Column::Fields, &some)?;
    let body = bodies(group, &some)?;
    let rows = body.into_iter().enumerate().map(|(at, body)| {
        Ok(Row {
            seq: seq[at].cast_unsigned(),
            id: uuid(&id[at])?,
            ts: ts[at],
            level: level[at],
            transaction_id: transaction_id[at].as_ref().map(uuid).transpose()?,
            texts: Texts::new(
                &body,
                [
                    Some(&action[at]),
                    Some(&outcome[at]),
                    Some(&model[at]),
                    Some(&object_pk[at]),
                    Some(&object_key[at]),
                    parent_model[at].as_deref(),
                    parent_pk[at].as_deref(),
                    actor[at].as_deref(),
                    correlation_id[at].as_deref(),
                ],
                fields[at].iter().map(String::as_str),
            ),
        })
    });
    rows.collect()
}

/// Some rows of a row group: ranges in ascending order.
#[derive(Clone, Debug)]
pub(crate) struct Selection(Vec<std::ops::Range<usize>>);

impl Selection {
    /// Selects all rows.
    pub(crate) fn all(group: &dyn RowGroupReader) -> Result<Self, ParquetError> {
        let rows = usize::try_from(group.metadata().num_rows())
            .map_err(|_| invalid("a row group has a negative count of rows"))?;
        Ok(Self::first(rows))
    }

    /// Selects the first rows.
    pub(crate) fn first(rows: usize) -> Self {
        Self::ranges(std::iter::once(0..rows))
    }

    /// Selects ascending ranges of rows.
    pub(crate) fn ranges(ranges: impl IntoIterator<Item = std::ops::Range<usize>>) -> Self {
        let mut selected: Vec<std::ops::Range<usize>> = Vec::new();
        for range in ranges.into_iter().filter(|range| !range.is_empty()) {
            match selected.last_mut() {
                Some(last) if last.end == range.start => last.end = range.end,
                _ => selected.push(range),
            }
        }
        Self(selected)
    }

    /// Selects rows by their ascending indices.
    pub(crate) fn of(indices: impl IntoIterator<Item = usize>) -> Self {
        Self::ranges(indices.into_iter().map(|index| index..index + 1))
    }

    /// Selects the rows that both select.
    pub(crate) fn and(&self, other: &Self) -> Self {
        let (mut ranges, mut at) = (Vec::new(), 0);
        for range in &self.0 {
            while other
                .0
                .get(at)
                .is_some_and(|other| other.end <= range.start)
            {
                at += 1;
            }
            let others = other.0[at..].iter();
            for other in others.take_while(|other| other.start < range.end) {
                ranges.push(range.start.max(other.start)..range.end.min(other.end));
            }
        }
        Self::ranges(ranges)
    }

    /// Returns the rows in ascending order.
    pub(crate) fn rows(&self) -> impl Iterator<Item = usize> {
        self.0.iter().cloned().flatten()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.iter().map(ExactSizeIterator::len).sum()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns whether one of the rows is in a range.
    pub(crate) fn overlaps(&self, rows: &std::ops::Range<usize>) -> bool {
        let at = self.0.partition_point(|range| range.end <= rows.start);
        self.0.get(at).is_some_and(|range| range.start < rows.end)
    }
}

/// Returns the values of a column without nulls.
pub(crate) fn required<T: DataType>(
    group: &dyn RowGroupReader,
    column: Column,
    some: &Selection,
) -> Result<Vec<T::T>, ParquetError> {
    let values = levels::<T>(group, column, some)?;
    if values.values.len() == values.rows {
        Ok(values.values)
    } else {
        Err(invalid("a column has fewer values than rows"))
    }
}

/// Returns the values of a column with nulls.
pub(crate) fn optional<T: DataType>(
    group: &dyn RowGroupReader,
    column: Column,
    some: &Selection,
) -> Result<Vec<Option<T::T>>, ParquetError> {
    let found = levels::<T>(group, column, some)?;
    if found.definitions.len() != found.rows {
        return Err(missing());
    }
    let mut values = found.values.into_iter();
    let rows = found.definitions.iter().map(|definition| match definition {
        0 => Ok(None),
        _ => values.next().map(Some).ok_or_else(missing),
    });
    rows.collect()
}

pub(crate) fn texts(
    group: &dyn RowGroupReader,
    column: Column,
    some: &Selection,
) -> Result<Vec<String>, ParquetError> {
    let values = required::<ByteArrayType>(group, column, some)?;
    values.iter().map(text).collect()
}

pub(crate) fn optional_texts(
    group: &dyn RowGroupReader,
    column: Column,
    some: &Selection,
) -> Result<Vec<Option<String>>, ParquetError> {
    let values = optional::<ByteArrayType>(group, column, some)?;
    let texts = values
        .iter()
        .map(|value| value.as_ref().map(text).transpose());
    texts.collect()
}

/// Returns the bodies of rows.
pub(crate) fn bodies(
    group: &dyn RowGroupReader,
    some: &Selection,
) -> Result<Vec<Bytes>, ParquetError> {
    let values = required::<ByteArrayType>(group, Column::Body, some)?;
    // Copied: a part of a page would keep all of it in memory.
    let bodies = values
        .iter()
        .map(|value| Bytes::copy_from_slice(value.data()));
    Ok(bodies.collect())
}

/// Returns the values of a column of lists.
pub(crate) fn lists(
    group: &dyn RowGroupReader,
    column: Column,
    some: &Selection,
) -> Result<Vec<Vec<String>>, ParquetError> {
    let found = levels::<ByteArrayType>(group, column, some)?;
    let mut values = found.values.iter();
    let mut lists: Vec<Vec<String>> = Vec::with_capacity(found.rows);
    for (definition, repetition) in found.definitions.iter().zip(&found.repetitions) {
        if *repetition == 0 {
            lists.push(Vec::new());
        }
        if *definition > 0 {
            let value = text(values.next().ok_or_else(missing)?)?;
            lists.last_mut().ok_or_else(missing)?.push(value);
        }
    }
    if lists.len() != found.rows {
        return Err(missing());
    }
    Ok(lists)
}

/// The values of some rows of a column.
struct Levels<T> {
    values: Vec<T>,
    definitions: Vec<i16>,
    repetitions: Vec<i16>,
    rows: usize,
}

fn levels<T: DataType>(
    group: &dyn RowGroupReader,
    column: Column,
    some: &Selection,
) -> Result<Levels<T::T>, ParquetError> {
    let mut reader = get_typed_column_reader::<T>(group.get_column_reader(column.index())?);
    let mut found = Levels {
        values: Vec::new(),
        definitions: Vec::new(),
        repetitions: Vec::new(),
        rows: 0,
    };
    let mut at = 0;
    for range in &some.0 {
        if reader.skip_records(range.start - at)? != range.start - at {
            return Err(missing());
        }
        at = range.start;
        while at < range.end {
            let (rows, _, _) = reader.read_records(
                AT_ONCE.min(range.end - at),
                Some(&mut found.definitions),
                Some(&mut found.repetitions),
                &mut found.values,
            )?;
            if rows == 0 {
                return Err(missing());
            }
            at += rows;
            found.rows += rows;
        }
    }
    Ok(found)
}

pub(crate) fn uuid(value: &FixedLenByteArray) -> Result<Uuid, ParquetError> {
    Uuid::from_slice(value.data()).map_err(|error| invalid(&error.to_string()))
}

fn text(value: &ByteArray) -> Result<String, ParquetError> {
    let text = std::str::from_utf8(value.data()).map_err(|error| invalid(&error.to_string()))?;
    Ok(text.to_owned())
}

fn missing() -> ParquetError {
    invalid("a column has fewer values than the row group has rows")
}

pub(crate) fn invalid(detail: &str) -> ParquetError {
    ParquetError::General(detail.to_owned())
}

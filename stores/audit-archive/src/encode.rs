//! Rows to Parquet. Columns are encoded by several threads; the bytes do not depend on their number.

use bytes::Bytes;
use parquet::column::writer::{ColumnCloseResult, get_column_writer, get_typed_column_writer};
use parquet::data_type::{
    ByteArray, ByteArrayType, DataType, FixedLenByteArray, FixedLenByteArrayType, Int32Type,
    Int64Type,
};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterPropertiesPtr;
use parquet::file::writer::{SerializedFileWriter, SerializedPageWriter, TrackedWrite};
use parquet::schema::types::{ColumnDescPtr, SchemaDescriptor};
use uuid::Uuid;

use crate::parallel::{Threads, each_of};
use crate::row::Row;
use crate::schema::{Column, properties, schema};

/// The count of rows from which the threads that compute are used.
const SHARED: usize = 1_024;
/// The number of values that share a buffer.
const OF_BUFFER: usize = 256;
/// About the bytes of the footer, the page index and the Bloom filters of a row group.
const FOOTER: usize = 128 << 10;

/// Returns the threads that encode some entries.
pub(crate) fn threads(entries: usize) -> Threads {
    if entries < SHARED {
        Threads::Own
    } else {
        Threads::Computing
    }
}

/// Returns the bytes of a file with rows, which are in the order of a file, and at most `row_group` of them in a row
/// group.
pub(crate) fn encode(
    rows: &[Row],
    row_group: usize,
    first: u64,
    last: u64,
) -> Result<Bytes, ParquetError> {
    let row_group = row_group.max(1);
    let properties = properties(row_group, first, last)?;
    let columns = SchemaDescriptor::new(schema()?).columns().to_vec();
    let groups: Vec<&[Row]> = rows.chunks(row_group).collect();
    let encoded = each_of(groups.len() * columns.len(), threads(rows.len()), |index| {
        // The last column, which takes longest, is first.
        let column = columns.len() - 1 - index % columns.len();
        Chunk {
            rows: groups[index / columns.len()],
            column: &columns[column],
            properties: &properties,
        }
        .encode(Column::ALL[column])
    });
    let mut encoded: Vec<_> = encoded.into_iter().collect::<Result<_, _>>()?;
    let bytes = encoded.iter().map(|(bytes, _)| bytes.len()).sum::<usize>();
    let buffer = Vec::with_capacity(bytes + groups.len() * FOOTER);
    let mut file = SerializedFileWriter::new(buffer, schema()?, properties.clone())?;
    for _ in groups {
        let mut group = file.next_row_group()?;
        let rest = encoded.split_off(columns.len());
        for (bytes, close) in std::mem::replace(&mut encoded, rest).into_iter().rev() {
            group.append_column(&bytes, close)?;
        }
        group.close()?;
    }
    file.into_inner().map(Bytes::from)
}

/// Returns values, of which some share a buffer each: not all, since statistics keep single ones.
fn shared<'v>(values: impl Iterator<Item = &'v [u8]>) -> Vec<ByteArray> {
    fn add(bytes: &[u8], ends: &mut Vec<usize>, values: &mut Vec<ByteArray>) {
        let (bytes, mut start) = (Bytes::copy_from_slice(bytes), 0);
        values.extend(ends.drain(..).map(|end| {
            let value = bytes.slice(start..end);
            start = end;
            ByteArray::from(value)
        }));
    }
    let (mut bytes, mut ends, mut shared) = (Vec::new(), Vec::with_capacity(OF_BUFFER), Vec::new());
    for value in values {
        bytes.extend_from_slice(value);
        ends.push(bytes.len());
        if ends.len() == OF_BUFFER {
            add(&bytes, &mut ends, &mut shared);
            bytes.clear();
        }
    }
    add(&bytes, &mut ends, &mut shared);
    shared
}

/// A column of a row group.
struct Chunk<'c> {
    rows: &'c [Row],
    column: &'c ColumnDescPtr,
    properties: &'c WriterPropertiesPtr,
}

type Encoded = Result<(Bytes, ColumnCloseResult), ParquetError>;

impl Chunk<'_> {
    fn encode(&self, column: Column) -> Encoded {
        match column {
            Column::Seq => self.required::<Int64Type>(|row| row.seq.cast_signed()),
            Column::Id => self.ids(|row| Some(&row.id), false),
            Column::Ts => self.required::<Int64Type>(|row| row.ts),
            Column::Level => self.required::<Int32Type>(|row| row.level),
            Column::ParentModel | Column::ParentPk | Column::Actor | Column::CorrelationId => {
                self.texts(column, true)
            }
            Column::TransactionId => self.ids(|row| row.transaction_id.as_ref(), true),
            Column::Fields => self.fields(),
            Column::Body => self.required::<ByteArrayType>(|row| ByteArray::from(row.body())),
            Column::Action
            | Column::Outcome
            | Column::Model
            | Column::ObjectPk
            | Column::ObjectKey => self.texts(column, false),
        }
    }

    fn texts(&self, column: Column, is_optional: bool) -> Encoded {
        let values = self.rows.iter().filter_map(|row| row.text(column));
        let values = shared(values);
        let definitions = is_optional.then(|| self.definitions(|row| row.text(column).is_some()));
        self.write::<ByteArrayType>(&values, definitions.as_deref(), None)
    }

    fn ids(&self, value: impl Fn(&Row) -> Option<&Uuid>, is_optional: bool) -> Encoded {
        let values = self.rows.iter().filter_map(&value);
        let values = shared(values.map(|id| &id.as_bytes()[..])).into_iter();
        let values: Vec<FixedLenByteArray> = values.map(Into::into).collect();
        let definitions = is_optional.then(|| self.definitions(|row| value(row).is_some()));
        self.write::<FixedLenByteArrayType>(&values, definitions.as_deref(), None)
    }

    fn definitions(&self, has_value: impl Fn(&Row) -> bool) -> Vec<i16> {
        self.rows
            .iter()
            .map(|row| i16::from(has_value(row)))
            .collect()
    }

    fn required<T: DataType>(&self, value: impl Fn(&Row) -> T::T) -> Encoded {
        let values: Vec<T::T> = self.rows.iter().map(value).collect();
        self.write::<T>(&values, None, None)
    }

    /// Writes the column `fields`: an empty list has one level and no value.
    fn fields(&self) -> Encoded {
        let (mut definitions, mut repetitions) = (Vec::new(), Vec::new());
        for row in self.rows {
            let count = row.fields().count();
            if count == 0 {
                definitions.push(0);
                repetitions.push(0);
            }
            for index in 0..count {
                definitions.push(1);
                repetitions.push(i16::from(index > 0));
            }
        }
        let fields = self.rows.iter().flat_map(Row::fields);
        let values = shared(fields);
        self.write::<ByteArrayType>(&values, Some(&definitions), Some(&repetitions))
    }

    fn write<T: DataType>(
        &self,
        values: &[T::T],
        definitions: Option<&[i16]>,
        repetitions: Option<&[i16]>,
    ) -> Encoded {
        let mut bytes = TrackedWrite::new(Vec::new());
        let pages = Box::new(SerializedPageWriter::new(&mut bytes));
        let column = get_column_writer(self.column.clone(), self.properties.clone(), pages);
        let mut column = get_typed_column_writer::<T>(column);
        column.write_batch(values, definitions, repetitions)?;
        let close = column.close()?;
        let mut bytes = bytes.into_inner()?;
        bytes.shrink_to_fit();
        Ok((bytes.into(), close))
    }
}

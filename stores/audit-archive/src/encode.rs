//! Rows to Parquet.

use std::io::Write;

use bytes::Bytes;
use parquet::data_type::{
    ByteArray, ByteArrayType, DataType, FixedLenByteArray, FixedLenByteArrayType, Int32Type,
    Int64Type,
};
use parquet::errors::ParquetError;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use uuid::Uuid;

use crate::row::Row;
use crate::schema::{properties, schema};

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
    let mut file = SerializedFileWriter::new(Vec::new(), schema()?, properties)?;
    for rows in rows.chunks(row_group) {
        let mut group = Group {
            writer: file.next_row_group()?,
            rows,
        };
        group.required::<Int64Type>(|row| row.seq.cast_signed())?;
        group.required::<FixedLenByteArrayType>(|row| uuid(&row.id))?;
        group.required::<Int64Type>(|row| row.ts)?;
        group.required::<Int32Type>(|row| row.level)?;
        group.required::<ByteArrayType>(|row| text(&row.action))?;
        group.required::<ByteArrayType>(|row| text(&row.outcome))?;
        group.required::<ByteArrayType>(|row| text(&row.model))?;
        group.required::<ByteArrayType>(|row| text(&row.object_pk))?;
        group.required::<ByteArrayType>(|row| text(&row.object_key))?;
        group.optional::<ByteArrayType>(|row| row.parent_model.as_deref().map(text))?;
        group.optional::<ByteArrayType>(|row| row.parent_pk.as_deref().map(text))?;
        group.optional::<ByteArrayType>(|row| row.actor.as_deref().map(text))?;
        group.optional::<ByteArrayType>(|row| row.correlation_id.as_deref().map(text))?;
        group.optional::<FixedLenByteArrayType>(|row| row.transaction_id.as_ref().map(uuid))?;
        group.fields()?;
        group.required::<ByteArrayType>(|row| ByteArray::from(row.body.clone()))?;
        group.writer.close()?;
    }
    file.into_inner().map(Bytes::from)
}

fn text(text: &str) -> ByteArray {
    ByteArray::from(text)
}

fn uuid(id: &Uuid) -> FixedLenByteArray {
    FixedLenByteArray::from(id.as_bytes().to_vec())
}

/// A row group, written column by column in the order of the schema.
struct Group<'g, W: Write + Send> {
    writer: SerializedRowGroupWriter<'g, W>,
    rows: &'g [Row],
}

impl<W: Write + Send> Group<'_, W> {
    fn required<T: DataType>(&mut self, value: impl Fn(&Row) -> T::T) -> Result<(), ParquetError> {
        let values: Vec<T::T> = self.rows.iter().map(value).collect();
        self.write::<T>(&values, None, None)
    }

    fn optional<T: DataType>(
        &mut self,
        value: impl Fn(&Row) -> Option<T::T>,
    ) -> Result<(), ParquetError> {
        let mut definitions = Vec::with_capacity(self.rows.len());
        let mut values = Vec::new();
        for row in self.rows {
            let value = value(row);
            definitions.push(i16::from(value.is_some()));
            values.extend(value);
        }
        self.write::<T>(&values, Some(&definitions), None)
    }

    /// Writes the column `fields`: an empty list has one level and no value.
    fn fields(&mut self) -> Result<(), ParquetError> {
        let (mut values, mut definitions, mut repetitions) = (Vec::new(), Vec::new(), Vec::new());
        for row in self.rows {
            if row.fields.is_empty() {
                definitions.push(0);
                repetitions.push(0);
            }
            for (index, field) in row.fields.iter().enumerate() {
                definitions.push(1);
                repetitions.push(i16::from(index > 0));
                values.push(text(field));
            }
        }
        self.write::<ByteArrayType>(&values, Some(&definitions), Some(&repetitions))
    }

    fn write<T: DataType>(
        &mut self,
        values: &[T::T],
        definitions: Option<&[i16]>,
        repetitions: Option<&[i16]>,
    ) -> Result<(), ParquetError> {
        let mut column = self
            .writer
            .next_column()?
            .ok_or_else(|| ParquetError::General("the schema has no more columns".to_owned()))?;
        column
            .typed::<T>()
            .write_batch(values, definitions, repetitions)?;
        column.close()
    }
}

//! The columns of an archive written with the crate `parquet` alone: files in the same order and encoding, without
//! manifests, filters beside the files, checksums and leases.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

use auditlog::{LogEntry, Stored};
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::data_type::{
    ByteArray, ByteArrayType, DataType, FixedLenByteArray, FixedLenByteArrayType, Int32Type,
    Int64Type,
};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::ColumnPath;
use uuid::Uuid;

use crate::history::Outcome;

const SCHEMA: &str = "message entry {
    required int64 seq;
    required fixed_len_byte_array(16) id (UUID);
    required int64 ts (TIMESTAMP(MICROS,true));
    required int32 level;
    required binary action (STRING);
    required binary outcome (STRING);
    required binary model (STRING);
    required binary object_pk (STRING);
    required binary object_key (STRING);
    optional binary parent_model (STRING);
    optional binary parent_pk (STRING);
    optional binary actor (STRING);
    optional binary correlation_id (STRING);
    optional fixed_len_byte_array(16) transaction_id (UUID);
    required group fields (LIST) { repeated group list { required binary element (STRING); } }
    required binary body (STRING);
}";
const ROW_GROUP: usize = 16_384;

/// The values of a row.
pub(super) struct Row {
    seq: i64,
    id: Uuid,
    ts: i64,
    level: i32,
    action: String,
    outcome: String,
    model: String,
    object_pk: String,
    object_key: String,
    actor: Option<String>,
    correlation_id: Option<String>,
    transaction_id: Option<Uuid>,
    fields: Vec<String>,
    body: ByteArray,
}

/// Reads the rows of entries, by date and in the order of a file.
pub(super) fn rows(entries: &[Stored]) -> Outcome<BTreeMap<String, Vec<Row>>> {
    let mut dates: BTreeMap<String, Vec<Row>> = BTreeMap::new();
    for (number, stored) in (1..).zip(entries) {
        let entry = stored.entry()?;
        let date = entry.timestamp.format("%Y-%m-%d").to_string();
        let body = ByteArray::from(stored.bytes().to_vec());
        dates
            .entry(date)
            .or_default()
            .push(row(number, &entry, body));
    }
    for rows in dates.values_mut() {
        rows.sort_unstable_by(|a, b| (&a.object_key, a.ts, a.id).cmp(&(&b.object_key, b.ts, b.id)));
    }
    Ok(dates)
}

fn row(seq: i64, entry: &LogEntry, body: ByteArray) -> Row {
    let mut fields: Vec<String> = entry
        .changes
        .iter()
        .map(|change| change.path.field().into_owned())
        .collect();
    fields.sort_unstable();
    fields.dedup();
    Row {
        seq,
        id: entry.id,
        ts: entry.timestamp.timestamp_micros(),
        level: i32::from(entry.level as u8),
        action: entry.action.as_str().to_owned(),
        outcome: entry.outcome.as_str().to_owned(),
        model: entry.model.clone(),
        object_pk: entry.object_pk.clone(),
        object_key: format!("{}\u{1f}{}", entry.model, entry.object_pk),
        actor: entry.actor.as_ref().map(|actor| actor.id.clone()),
        correlation_id: entry.correlation_id.clone(),
        transaction_id: entry.transaction_id,
        fields,
        body,
    }
}

fn properties() -> Outcome<WriterProperties> {
    let column = |name: &str| ColumnPath::from(name);
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(3)?))
        .set_data_page_row_count_limit(2_048)
        .set_write_batch_size(1_024)
        .set_column_statistics_enabled(column("body"), EnabledStatistics::None)
        .set_column_dictionary_enabled(column("body"), false)
        .set_column_dictionary_enabled(column("id"), false);
    for name in ["seq", "ts"] {
        properties = properties
            .set_column_dictionary_enabled(column(name), false)
            .set_column_encoding(column(name), Encoding::DELTA_BINARY_PACKED);
    }
    for name in ["object_key", "actor", "correlation_id", "transaction_id"] {
        properties = properties
            .set_column_bloom_filter_enabled(column(name), true)
            .set_column_bloom_filter_fpp(column(name), 0.01)
            .set_column_bloom_filter_max_ndv(column(name), ROW_GROUP as u64);
    }
    Ok(properties.build())
}

/// Writes the rows of each date to a file in a folder, synced to the disk. Returns the bytes of the files.
pub(super) fn write(folder: &Path, dates: &BTreeMap<String, Vec<Row>>) -> Outcome<u64> {
    let schema = Arc::new(parse_message_type(SCHEMA)?);
    let properties = Arc::new(properties()?);
    let mut bytes = 0;
    for (date, rows) in dates {
        let schema = Arc::clone(&schema);
        let mut file = SerializedFileWriter::new(Vec::new(), schema, Arc::clone(&properties))?;
        for rows in rows.chunks(ROW_GROUP) {
            let mut group = file.next_row_group()?;
            write_group(&mut group, rows)?;
            group.close()?;
        }
        let encoded = file.into_inner()?;
        bytes += encoded.len() as u64;
        let path = folder.join(format!("{date}.parquet"));
        fs::write(&path, encoded)?;
        File::open(&path)?.sync_all()?;
    }
    File::open(folder)?.sync_all()?;
    Ok(bytes)
}

fn write_group<W: std::io::Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    rows: &[Row],
) -> Outcome<()> {
    let text = |text: &String| ByteArray::from(text.as_str());
    let uuid = |id: &Uuid| FixedLenByteArray::from(id.as_bytes().to_vec());
    required::<Int64Type, _>(group, rows, |row| row.seq)?;
    required::<FixedLenByteArrayType, _>(group, rows, |row| uuid(&row.id))?;
    required::<Int64Type, _>(group, rows, |row| row.ts)?;
    required::<Int32Type, _>(group, rows, |row| row.level)?;
    required::<ByteArrayType, _>(group, rows, |row| text(&row.action))?;
    required::<ByteArrayType, _>(group, rows, |row| text(&row.outcome))?;
    required::<ByteArrayType, _>(group, rows, |row| text(&row.model))?;
    required::<ByteArrayType, _>(group, rows, |row| text(&row.object_pk))?;
    required::<ByteArrayType, _>(group, rows, |row| text(&row.object_key))?;
    optional::<ByteArrayType, _>(group, rows, |_| None)?;
    optional::<ByteArrayType, _>(group, rows, |_| None)?;
    optional::<ByteArrayType, _>(group, rows, |row| row.actor.as_ref().map(text))?;
    optional::<ByteArrayType, _>(group, rows, |row| row.correlation_id.as_ref().map(text))?;
    optional::<FixedLenByteArrayType, _>(group, rows, |row| row.transaction_id.as_ref().map(uuid))?;
    fields(group, rows)?;
    required::<ByteArrayType, _>(group, rows, |row| row.body.clone())
}

fn required<T: DataType, W: std::io::Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    rows: &[Row],
    value: impl Fn(&Row) -> T::T,
) -> Outcome<()> {
    let values: Vec<T::T> = rows.iter().map(value).collect();
    column::<T, W>(group, &values, None, None)
}

fn optional<T: DataType, W: std::io::Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    rows: &[Row],
    value: impl Fn(&Row) -> Option<T::T>,
) -> Outcome<()> {
    let values: Vec<Option<T::T>> = rows.iter().map(value).collect();
    let levels: Vec<i16> = values.iter().map(|value| value.is_some().into()).collect();
    let values: Vec<T::T> = values.into_iter().flatten().collect();
    column::<T, W>(group, &values, Some(&levels), None)
}

fn fields<W: std::io::Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    rows: &[Row],
) -> Outcome<()> {
    let (mut values, mut definitions, mut repetitions) = (Vec::new(), Vec::new(), Vec::new());
    for row in rows {
        if row.fields.is_empty() {
            definitions.push(0);
            repetitions.push(0);
        }
        for (index, field) in row.fields.iter().enumerate() {
            definitions.push(1);
            repetitions.push((index > 0).into());
            values.push(ByteArray::from(field.as_str()));
        }
    }
    column::<ByteArrayType, W>(group, &values, Some(&definitions), Some(&repetitions))
}

fn column<T: DataType, W: std::io::Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    values: &[T::T],
    definitions: Option<&[i16]>,
    repetitions: Option<&[i16]>,
) -> Outcome<()> {
    let mut column = group
        .next_column()?
        .ok_or("the schema has no more columns")?;
    column
        .typed::<T>()
        .write_batch(values, definitions, repetitions)?;
    Ok(column.close()?)
}

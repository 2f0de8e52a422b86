//! The columns of a Parquet file, and how they are encoded (docs/format.md, "Parquet file").

use std::sync::{Arc, LazyLock};

use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesPtr};
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::{ColumnPath, SchemaDescriptor, Type, TypePtr};

use crate::manifest::FORMAT;
use crate::row::{ACTOR, CORRELATION_ID, OBJECT_KEY, TRANSACTION_ID};

/// The number of rows of a row group.
pub(crate) const ROW_GROUP: usize = 16_384;
/// The number of rows of a data page.
const PAGE: usize = 2_048;
/// Values are written in parts of this length, after each of which a page may end.
const WRITE_BATCH: usize = 1_024;
/// The false positives of bloom filters.
const FALSE_POSITIVES: f64 = 0.01;
const ZSTD_LEVEL: i32 = 3;

/// The keys of the metadata that a file has about itself.
pub(crate) const KEY_FORMAT: &str = "auditlog.format";
pub(crate) const KEY_FIRST: &str = "auditlog.first";
pub(crate) const KEY_LAST: &str = "auditlog.last";

const MESSAGE: &str = "message audit_entry {
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
    required group fields (LIST) {
        repeated group list {
            required binary element (STRING);
        }
    }
    required binary body (STRING);
}";

/// The position of a column in the schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Column {
    Seq,
    Id,
    Ts,
    Level,
    Action,
    Outcome,
    Model,
    ObjectPk,
    ObjectKey,
    ParentModel,
    ParentPk,
    Actor,
    CorrelationId,
    TransactionId,
    Fields,
    Body,
}

impl Column {
    /// All columns in the order of the schema.
    pub(crate) const ALL: [Self; 16] = [
        Self::Seq,
        Self::Id,
        Self::Ts,
        Self::Level,
        Self::Action,
        Self::Outcome,
        Self::Model,
        Self::ObjectPk,
        Self::ObjectKey,
        Self::ParentModel,
        Self::ParentPk,
        Self::Actor,
        Self::CorrelationId,
        Self::TransactionId,
        Self::Fields,
        Self::Body,
    ];

    pub(crate) fn index(self) -> usize {
        self as usize
    }
}

static SCHEMA: LazyLock<Result<TypePtr, ParquetError>> =
    LazyLock::new(|| parse_message_type(MESSAGE).map(Arc::new));

/// Returns the schema of a file.
pub(crate) fn schema() -> Result<TypePtr, ParquetError> {
    SCHEMA
        .as_ref()
        .map(Arc::clone)
        .map_err(|error| ParquetError::General(error.to_string()))
}

/// Returns whether a file has the schema.
pub(crate) fn is_schema(found: &SchemaDescriptor) -> Result<bool, ParquetError> {
    let schema: &Type = &*schema()?;
    Ok(found.root_schema().get_fields() == schema.get_fields())
}

/// Returns how the file of a segment is encoded, with at most `row_group` rows in a row group.
pub(crate) fn properties(
    row_group: usize,
    first: u64,
    last: u64,
) -> Result<WriterPropertiesPtr, ParquetError> {
    let column = |name: &str| ColumnPath::from(name);
    let mut properties = WriterProperties::builder()
        // No version, so that equal entries give equal bytes with any version of this crate that
        // uses the same Parquet library.
        .set_created_by("auditlog audit-archive".to_owned())
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(ZSTD_LEVEL)?))
        .set_data_page_row_count_limit(PAGE)
        .set_write_batch_size(WRITE_BATCH)
        .set_column_statistics_enabled(column("body"), EnabledStatistics::None)
        .set_column_dictionary_enabled(column("body"), false)
        .set_column_dictionary_enabled(column("id"), false)
        .set_key_value_metadata(Some(vec![
            KeyValue::new(KEY_FORMAT.to_owned(), FORMAT.to_string()),
            KeyValue::new(KEY_FIRST.to_owned(), first.to_string()),
            KeyValue::new(KEY_LAST.to_owned(), last.to_string()),
        ]));
    for name in ["seq", "ts"] {
        properties = properties
            .set_column_dictionary_enabled(column(name), false)
            .set_column_encoding(column(name), Encoding::DELTA_BINARY_PACKED);
    }
    for name in [OBJECT_KEY, ACTOR, CORRELATION_ID, TRANSACTION_ID] {
        properties = properties
            .set_column_bloom_filter_enabled(column(name), true)
            .set_column_bloom_filter_fpp(column(name), FALSE_POSITIVES)
            .set_column_bloom_filter_max_ndv(column(name), row_group as u64);
    }
    Ok(Arc::new(properties.build()))
}

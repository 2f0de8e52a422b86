//! Rows as the parameters of statements.

use std::error::Error as StdError;

pub(crate) use audit_sql::postgres::{Row, json, key};
use bytes::{BufMut as _, BytesMut};
use tokio_postgres::types::{IsNull, Kind, ToSql, Type, to_sql_checked};
use uuid::Uuid;

/// The columns of a row, each a [`Value`](Values).
macro_rules! columns {
    () => {
        "id, ts, level, action, outcome, model, object_pk, parent_model, parent_pk, actor, \
         correlation_id, transaction_id, fields, changes, body, checksum"
    };
}

/// Takes [`Values`] of any number of rows.
pub(crate) const COPY: &str = concat!(
    "COPY {schema}.audit_entry (",
    columns!(),
    ") FROM STDIN (FORMAT binary)"
);

/// Takes [`Values`]: what [`APPEND`] inserts, without the work of a function that takes many.
/// It inserts no row if the id is taken, by the same entry or another one.
pub(crate) const INSERT: &str = concat!(
    "INSERT INTO {schema}.audit_entry (",
    columns!(),
    ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16) \
     ON CONFLICT DO NOTHING"
);

/// The types of [`Values`].
pub(crate) const VALUE_TYPES: [Type; 16] = [
    Type::UUID,
    Type::INT8,
    Type::INT2,
    Type::TEXT,
    Type::TEXT,
    Type::TEXT,
    Type::TEXT,
    Type::TEXT,
    Type::TEXT,
    Type::TEXT,
    Type::TEXT,
    Type::UUID,
    Type::TEXT_ARRAY,
    Type::JSONB,
    Type::TEXT,
    Type::BYTEA,
];

/// The call that takes [`Columns`].
pub(crate) const APPEND: &str = "SELECT {schema}.audit_append($1, $2, $3, $4, $5, $6, $7, $8, \
     $9, $10, $11, $12, $13, $14, $15, $16)";

/// Takes [`Records`]: what [`APPEND`] inserts, in less time. It is an error if an id is taken, by the same entry or
/// another one. Rows are inserted in the order of the array, which is that of the ids: two writers of the same entries
/// cannot lock each other out.
pub(crate) const INSERT_ALL: &str = concat!(
    "INSERT INTO {schema}.audit_entry (",
    columns!(),
    ") SELECT ",
    columns!(),
    " FROM pg_catalog.unnest($1::{schema}.audit_row[])"
);

/// The types of [`Columns`].
pub(crate) const COLUMN_TYPES: [Type; 16] = [
    Type::UUID_ARRAY,
    Type::INT8_ARRAY,
    Type::INT2_ARRAY,
    Type::TEXT_ARRAY,
    Type::TEXT_ARRAY,
    Type::TEXT_ARRAY,
    Type::TEXT_ARRAY,
    Type::TEXT_ARRAY,
    Type::TEXT_ARRAY,
    Type::TEXT_ARRAY,
    Type::TEXT_ARRAY,
    Type::UUID_ARRAY,
    Type::TEXT_ARRAY,
    Type::TEXT_ARRAY,
    Type::TEXT_ARRAY,
    Type::BYTEA_ARRAY,
];

/// A row, value by value.
pub(crate) struct Values<'r> {
    row: &'r Row,
    changes: Option<Jsonb<'r>>,
    checksum: &'r [u8],
}

impl<'r> Values<'r> {
    pub(crate) fn of(row: &'r Row) -> Self {
        Self {
            row,
            changes: row.changes.as_deref().map(Jsonb),
            checksum: &row.checksum,
        }
    }

    /// The parameters with their types, which the server need not resolve.
    pub(crate) fn typed(&self) -> Vec<(&(dyn ToSql + Sync), Type)> {
        self.params().into_iter().zip(VALUE_TYPES).collect()
    }

    /// The parameters in the order of the columns.
    pub(crate) fn params(&self) -> [&(dyn ToSql + Sync); 16] {
        let Self {
            row,
            changes,
            checksum,
        } = self;
        [
            &row.id,
            &row.ts,
            &row.level,
            &row.action,
            &row.outcome,
            &row.model,
            &row.object_pk,
            &row.parent_model,
            &row.parent_pk,
            &row.actor,
            &row.correlation_id,
            &row.transaction_id,
            &row.fields,
            changes,
            &row.body,
            checksum,
        ]
    }
}

/// Rows as an array of `audit_row`, which the server unpacks faster than [`Columns`].
#[derive(Debug)]
pub(crate) struct Records<'r>(pub(crate) &'r [&'r Row]);

impl ToSql for Records<'_> {
    /// Writes what `array_recv` and `record_recv` of the server read.
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Written {
        let Kind::Array(record) = ty.kind() else {
            return Err("the rows are an array".into());
        };
        // One dimension from 1, without nulls.
        for number in [1, 0, record.oid(), u32::try_from(self.0.len())?, 1] {
            out.put_u32(number);
        }
        for row in self.0 {
            put_sized(out, |out| {
                out.put_u32(u32::try_from(VALUE_TYPES.len())?);
                let values = Values::of(row);
                for (value, ty) in values.params().into_iter().zip(VALUE_TYPES) {
                    out.put_u32(ty.oid());
                    put_sized(out, |out| value.to_sql_checked(&ty, out))?;
                }
                Ok(IsNull::No)
            })?;
        }
        Ok(IsNull::No)
    }

    fn accepts(ty: &Type) -> bool {
        matches!(ty.kind(), Kind::Array(record) if matches!(record.kind(), Kind::Composite(_)))
    }

    to_sql_checked!();
}

type Written = Result<IsNull, Box<dyn StdError + Sync + Send>>;

/// Writes a value after the number of its bytes, which is -1 for null.
fn put_sized(out: &mut BytesMut, write: impl FnOnce(&mut BytesMut) -> Written) -> Written {
    let before = out.len();
    out.put_i32(-1);
    if let IsNull::No = write(out)? {
        let size = i32::try_from(out.len() - before - 4)?;
        out[before..before + 4].copy_from_slice(&size.to_be_bytes());
    }
    Ok(IsNull::No)
}

/// Rows column by column, as `audit_append` takes them.
pub(crate) struct Columns<'r> {
    ids: Vec<Uuid>,
    times: Vec<i64>,
    levels: Vec<i16>,
    actions: Vec<&'r str>,
    outcomes: Vec<&'r str>,
    models: Vec<&'r str>,
    object_pks: Vec<&'r str>,
    parent_models: Vec<Option<&'r str>>,
    parent_pks: Vec<Option<&'r str>>,
    actors: Vec<Option<&'r str>>,
    correlation_ids: Vec<Option<&'r str>>,
    transaction_ids: Vec<Option<Uuid>>,
    fields: Vec<String>,
    changes: Vec<Option<&'r str>>,
    bodies: Vec<&'r str>,
    checksums: Vec<&'r [u8]>,
}

impl<'r> Columns<'r> {
    pub(crate) fn of(rows: &[&'r Row]) -> Self {
        fn column<'r, T>(rows: &[&'r Row], value: impl Fn(&'r Row) -> T) -> Vec<T> {
            rows.iter().map(|row| value(row)).collect()
        }
        Self {
            ids: column(rows, |row| row.id),
            times: column(rows, |row| row.ts),
            levels: column(rows, |row| row.level),
            actions: column(rows, |row| row.action.as_str()),
            outcomes: column(rows, |row| row.outcome),
            models: column(rows, |row| row.model.as_str()),
            object_pks: column(rows, |row| row.object_pk.as_str()),
            parent_models: column(rows, |row| row.parent_model.as_deref()),
            parent_pks: column(rows, |row| row.parent_pk.as_deref()),
            actors: column(rows, |row| row.actor.as_deref()),
            correlation_ids: column(rows, |row| row.correlation_id.as_deref()),
            transaction_ids: column(rows, |row| row.transaction_id),
            fields: column(rows, Row::joined_fields),
            changes: column(rows, |row| row.changes.as_deref()),
            bodies: column(rows, |row| row.body.as_str()),
            checksums: column(rows, |row| &row.checksum[..]),
        }
    }

    /// The parameters with their types, which the server need not resolve.
    pub(crate) fn typed(&self) -> Vec<(&(dyn ToSql + Sync), Type)> {
        self.params().into_iter().zip(COLUMN_TYPES).collect()
    }

    /// The parameters in the order of the function's.
    pub(crate) fn params(&self) -> [&(dyn ToSql + Sync); 16] {
        [
            &self.ids,
            &self.times,
            &self.levels,
            &self.actions,
            &self.outcomes,
            &self.models,
            &self.object_pks,
            &self.parent_models,
            &self.parent_pks,
            &self.actors,
            &self.correlation_ids,
            &self.transaction_ids,
            &self.fields,
            &self.changes,
            &self.bodies,
            &self.checksums,
        ]
    }
}

/// A text that is JSON, in the binary form of `jsonb`.
#[derive(Debug)]
struct Jsonb<'j>(&'j str);

impl ToSql for Jsonb<'_> {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Written {
        // The version of the form.
        out.extend_from_slice(&[1]);
        out.extend_from_slice(self.0.as_bytes());
        Ok(IsNull::No)
    }

    fn accepts(ty: &Type) -> bool {
        *ty == Type::JSONB
    }

    to_sql_checked!();
}

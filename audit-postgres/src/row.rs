//! Rows column by column.

pub(crate) use audit_sql::postgres::{Row, json, key};
use tokio_postgres::types::{ToSql, Type};
use uuid::Uuid;

/// The call that takes [`Columns`].
pub(crate) const APPEND: &str = "SELECT {schema}.audit_append($1, $2, $3, $4, $5, $6, $7, $8, \
     $9, $10, $11, $12, $13, $14, $15)";

/// The types of its parameters.
const TYPES: [Type; 15] = [
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
];

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
        }
    }

    /// The parameters with their types, which need no asking for.
    pub(crate) fn typed(&self) -> Vec<(&(dyn ToSql + Sync), Type)> {
        self.params().into_iter().zip(TYPES).collect()
    }

    /// The parameters in the order of the function's.
    pub(crate) fn params(&self) -> [&(dyn ToSql + Sync); 15] {
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
        ]
    }
}

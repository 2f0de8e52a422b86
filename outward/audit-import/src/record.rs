//! A row of a table.

use chrono::{DateTime, Utc};
use rusqlite::Connection;
use rusqlite::types::{Value as Sql, ValueRef};
use serde_json::Value;
use uuid::Uuid;

use crate::error::ImportError;
use crate::losses::Losses;
use crate::schema::{Kind, Table};
use crate::time;
use crate::value::{self, Zone};

/// A row of a table.
#[derive(Debug)]
pub(crate) struct Record<'t> {
    table: &'t Table,
    values: Vec<Sql>,
    /// The row's id as the library counts.
    id: String,
}

impl<'t> Record<'t> {
    /// Reads the row of a table that has this number.
    pub(crate) fn read(
        table: &'t Table,
        connection: &Connection,
        row: i64,
    ) -> Result<Option<Self>, ImportError> {
        let failed = |error| ImportError::read(&table.name, error);
        let mut statement = connection.prepare_cached(&table.select).map_err(failed)?;
        let mut rows = statement.query([row]).map_err(failed)?;
        let Some(found) = rows.next().map_err(failed)? else {
            return Ok(None);
        };
        let mut values = Vec::with_capacity(table.columns.len());
        for index in 0..table.columns.len() {
            values.push(owned(found.get_ref(index).map_err(failed)?));
        }
        Ok(Some(Self {
            table,
            values,
            id: String::new(),
        }))
    }

    pub(crate) fn with_id(mut self, id: String) -> Self {
        self.id = id;
        self
    }

    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    pub(crate) fn table(&self) -> &'t Table {
        self.table
    }

    /// Returns a column's value, or a null if the column is missing.
    pub(crate) fn value(&self, column: &str) -> &Sql {
        let index = self.table.columns.iter().position(|c| c.name == column);
        index
            .and_then(|index| self.values.get(index))
            .unwrap_or(&Sql::Null)
    }

    /// Returns a column's value as JSON, of its declared type.
    pub(crate) fn typed(
        &self,
        column: &str,
        zone: Zone,
        losses: &mut Losses<'_>,
    ) -> Result<Value, ImportError> {
        let kind = self.table.column(column).map_or(Kind::Text, |c| c.kind);
        value::typed(self.value(column), kind, zone, column, losses)
            .map_err(|detail| self.error(column, detail))
    }

    /// Returns a value as text, `None` for a null.
    pub(crate) fn text(&self, column: &str) -> Result<Option<String>, ImportError> {
        match self.value(column) {
            Sql::Null => Ok(None),
            Sql::Text(text) => Ok(Some(text.clone())),
            Sql::Integer(number) => Ok(Some(number.to_string())),
            Sql::Real(number) => Ok(Some(number.to_string())),
            Sql::Blob(_) => Err(self.error(column, "is bytes, expected text")),
        }
    }

    /// Returns a key as text; a UUID with dashes.
    pub(crate) fn key(&self, column: &str) -> Result<Option<String>, ImportError> {
        let text = self.text(column)?;
        let uuid = self
            .table
            .column(column)
            .is_some_and(|c| c.kind == Kind::Uuid);
        Ok(text.map(|text| match Uuid::try_parse(&text) {
            Ok(key) if uuid => key.to_string(),
            _ => text,
        }))
    }

    pub(crate) fn integer(&self, column: &str) -> Result<Option<i64>, ImportError> {
        match self.value(column) {
            Sql::Null => Ok(None),
            Sql::Integer(number) => Ok(Some(*number)),
            Sql::Text(text) => match text.parse() {
                Ok(number) => Ok(Some(number)),
                Err(_) => Err(self.error(column, "is text, expected an integer")),
            },
            _ => Err(self.error(column, "is not an integer")),
        }
    }

    /// Returns a time; a text without an offset is in UTC.
    pub(crate) fn time(&self, column: &str) -> Result<DateTime<Utc>, ImportError> {
        let text = self
            .text(column)?
            .ok_or_else(|| self.error(column, "is null, expected a time"))?;
        let read = time::parse(&text).ok_or_else(|| self.error(column, "is not a time"))?;
        // Entries have microseconds.
        DateTime::from_timestamp_micros(read.utc.timestamp_micros())
            .ok_or_else(|| self.error(column, "is not a time"))
    }

    pub(crate) fn error(&self, column: &str, detail: impl Into<String>) -> ImportError {
        ImportError::Row {
            table: self.table.name.clone(),
            row: self.id.clone(),
            column: column.to_owned(),
            detail: detail.into(),
        }
    }
}

/// Copies a value out of a row. Text that is not UTF-8 becomes bytes.
pub(crate) fn owned(value: ValueRef<'_>) -> Sql {
    match value {
        ValueRef::Null => Sql::Null,
        ValueRef::Integer(number) => Sql::Integer(number),
        ValueRef::Real(number) => Sql::Real(number),
        ValueRef::Text(text) => match std::str::from_utf8(text) {
            Ok(text) => Sql::Text(text.to_owned()),
            Err(_) => Sql::Blob(text.to_owned()),
        },
        ValueRef::Blob(bytes) => Sql::Blob(bytes.to_owned()),
    }
}

//! Reads Django's table of content types.

use rusqlite::Connection;

use crate::error::ImportError;
use crate::schema::{Schema, Table};

/// The current and former models of a project, by the id of their content type.
#[derive(Clone, Debug, Default)]
pub(crate) struct ContentTypes {
    models: Vec<(i64, String, String)>,
}

impl ContentTypes {
    /// Reads the table of content types; without one there are no models.
    pub(crate) fn read(
        connection: &Connection,
        table: Option<&Table>,
    ) -> Result<Self, ImportError> {
        let Some(table) = table else {
            return Ok(Self::default());
        };
        let read = || {
            let mut statement = connection.prepare(&format!(
                "SELECT id, app_label, model FROM {}",
                crate::schema::quoted(&table.name)
            ))?;
            let models =
                statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
            models.collect::<rusqlite::Result<_>>()
        };
        let models = read().map_err(|error| ImportError::read(&table.name, error))?;
        Ok(Self { models })
    }

    /// Finds the table of content types.
    pub(crate) fn table(schema: &Schema) -> Option<&Table> {
        schema.with(&["id", "app_label", "model"]).next()
    }

    /// Returns the name of a model, such as `shop.product`.
    pub(crate) fn name(&self, id: i64) -> Option<String> {
        let (_, app, model) = self.models.iter().find(|(known, ..)| *known == id)?;
        Some(format!("{app}.{model}"))
    }

    /// Returns app and model whose table has this name by default.
    pub(crate) fn of_table(&self, table: &str) -> Option<(&str, &str)> {
        self.iter()
            .find(|(app, model)| format!("{app}_{model}").eq_ignore_ascii_case(table))
    }

    pub(crate) fn has(&self, app: &str, model: &str) -> bool {
        self.iter().any(|known| known == (app, model))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.models
            .iter()
            .map(|(_, app, model)| (app.as_str(), model.as_str()))
    }
}

//! The tables of a database, and the declared types of their columns.

use rusqlite::{Connection, OptionalExtension};

use crate::error::ImportError;

/// The kind of a column, by its declared type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Boolean,
    Integer,
    Real,
    /// With the digits after the point, where the type says how many.
    Decimal(Option<usize>),
    Date,
    Instant,
    Json,
    Uuid,
    Binary,
    Text,
}

#[derive(Clone, Debug)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    /// Its position in the primary key, from 1; 0 if it is not part of the key.
    pub(crate) key: u32,
    /// The default as SQL.
    pub(crate) default: Option<String>,
}

#[derive(Clone, Debug)]
pub(crate) struct ForeignKey {
    pub(crate) column: String,
    pub(crate) table: String,
    /// The column it refers to; `None` for the primary key.
    pub(crate) target: Option<String>,
}

#[derive(Clone, Debug)]
pub(crate) struct Table {
    pub(crate) name: String,
    pub(crate) columns: Vec<Column>,
    pub(crate) foreign_keys: Vec<ForeignKey>,
    /// Reads a row by its number.
    pub(crate) select: String,
}

/// All tables of a database.
#[derive(Clone, Debug)]
pub(crate) struct Schema {
    pub(crate) tables: Vec<Table>,
}

impl Schema {
    pub(crate) fn read(connection: &Connection) -> rusqlite::Result<Self> {
        let mut tables = connection.prepare(
            "SELECT name, coalesce(sql, '') FROM main.sqlite_master \
             WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name",
        )?;
        let named: Vec<(String, String)> = tables
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<rusqlite::Result<_>>()?;
        let tables = named
            .into_iter()
            .map(|(name, sql)| Table::read(connection, name, &sql))
            .collect::<rusqlite::Result<_>>()?;
        Ok(Self { tables })
    }

    pub(crate) fn table(&self, name: &str) -> Option<&Table> {
        // As SQLite compares names.
        self.tables
            .iter()
            .find(|table| table.name.eq_ignore_ascii_case(name))
    }

    /// Returns the tables that have all these columns.
    pub(crate) fn with(&self, columns: &[&str]) -> impl Iterator<Item = &Table> {
        self.tables
            .iter()
            .filter(move |table| columns.iter().all(|column| table.has(column)))
    }
}

impl Table {
    fn read(connection: &Connection, name: String, sql: &str) -> rusqlite::Result<Self> {
        let mut columns = connection.prepare_cached(
            "SELECT name, type, pk, dflt_value FROM pragma_table_info(?1) ORDER BY cid",
        )?;
        let columns: Vec<Column> = columns
            .query_map([&name], |row| {
                let column: String = row.get(0)?;
                let declared: String = row.get(1)?;
                let json = checked_as_json(sql, &column);
                Ok(Column {
                    kind: if json { Kind::Json } else { kind(&declared) },
                    name: column,
                    key: row.get(2)?,
                    default: row.get(3)?,
                })
            })?
            .collect::<rusqlite::Result<_>>()?;
        let mut keys = connection.prepare_cached(
            "SELECT \"from\", \"table\", \"to\" FROM pragma_foreign_key_list(?1)",
        )?;
        let foreign_keys = keys
            .query_map([&name], |row| {
                Ok(ForeignKey {
                    column: row.get(0)?,
                    table: row.get(1)?,
                    target: row.get(2)?,
                })
            })?
            .collect::<rusqlite::Result<_>>()?;
        let names: Vec<String> = columns.iter().map(|c| quoted(&c.name)).collect();
        Ok(Self {
            select: format!(
                "SELECT {} FROM {} WHERE rowid = ?1",
                names.join(", "),
                quoted(&name)
            ),
            name,
            columns,
            foreign_keys,
        })
    }

    pub(crate) fn has(&self, column: &str) -> bool {
        self.column(column).is_some()
    }

    pub(crate) fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// Returns the columns of the primary key, in its order.
    pub(crate) fn key(&self) -> Vec<&Column> {
        let mut key: Vec<&Column> = self.columns.iter().filter(|c| c.key > 0).collect();
        key.sort_by_key(|column| column.key);
        key
    }

    pub(crate) fn refers(&self, column: &str) -> Option<&ForeignKey> {
        self.foreign_keys.iter().find(|key| key.column == column)
    }

    /// Checks that rows have row ids, as in the tables of all these libraries.
    pub(crate) fn check_rows(&self, connection: &Connection) -> Result<(), ImportError> {
        let without: bool = connection
            .query_row(
                "SELECT wr FROM pragma_table_list WHERE schema = 'main' AND name = ?1",
                [&self.name],
                |row| row.get(0),
            )
            .map_err(|error| ImportError::read(&self.name, error))?;
        if !without {
            return Ok(());
        }
        Err(ImportError::Unsupported {
            table: self.name.clone(),
            detail: "it was made WITHOUT ROWID; copy it into a table that has row ids".to_owned(),
        })
    }

    /// Finds the number of the row that has a number in a column.
    pub(crate) fn row_of(
        &self,
        connection: &Connection,
        column: &str,
        number: i64,
    ) -> Result<Option<i64>, ImportError> {
        let sql = format!(
            "SELECT rowid FROM {} WHERE {} = ?1",
            quoted(&self.name),
            quoted(column)
        );
        let read = || {
            let mut statement = connection.prepare_cached(&sql)?;
            statement.query_row([number], |row| row.get(0)).optional()
        };
        read().map_err(|error| ImportError::read(&self.name, error))
    }
}

/// Quotes a name for SQL.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Returns whether a table checks that a column is JSON, as Django's tables do.
fn checked_as_json(sql: &str, column: &str) -> bool {
    let check = format!("json_valid({})", quoted(column)).to_lowercase();
    sql.to_lowercase().contains(&check)
}

fn kind(declared: &str) -> Kind {
    let declared = declared.trim().to_lowercase();
    let (name, arguments) = match declared.split_once('(') {
        Some((name, rest)) => (name.trim(), rest.split(')').next().unwrap_or_default()),
        None => (declared.as_str(), ""),
    };
    let argument =
        |index: usize| -> Option<usize> { arguments.split(',').nth(index)?.trim().parse().ok() };
    match name {
        "bool" | "boolean" => Kind::Boolean,
        "uuid" => Kind::Uuid,
        "char" if argument(0) == Some(32) => Kind::Uuid,
        "decimal" | "numeric" => Kind::Decimal(
            argument(1)
                .or_else(|| argument(0).map(|_| 0))
                .map(|scale| scale.min(1000)),
        ),
        "real" | "float" | "double" | "double precision" => Kind::Real,
        "date" => Kind::Date,
        "json" | "jsonb" => Kind::Json,
        "blob" | "binary" | "varbinary" | "bytea" => Kind::Binary,
        _ if name.starts_with("datetime") || name.starts_with("timestamp") => Kind::Instant,
        _ if name.contains("int") => Kind::Integer,
        _ => Kind::Text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn declared_types_of_django_rails_and_sqlalchemy() {
        for (declared, expected) in [
            ("bool", Kind::Boolean),
            ("BOOLEAN", Kind::Boolean),
            ("integer", Kind::Integer),
            ("smallint unsigned", Kind::Integer),
            ("bigint", Kind::Integer),
            ("real", Kind::Real),
            ("decimal", Kind::Decimal(None)),
            ("decimal(12,2)", Kind::Decimal(Some(2))),
            ("NUMERIC(12, 2)", Kind::Decimal(Some(2))),
            ("NUMERIC(8)", Kind::Decimal(Some(0))),
            ("date", Kind::Date),
            ("datetime(6)", Kind::Instant),
            ("DATETIME", Kind::Instant),
            ("char(32)", Kind::Uuid),
            ("char(39)", Kind::Text),
            ("varchar(32)", Kind::Text),
            ("JSON", Kind::Json),
            ("BLOB", Kind::Binary),
            ("text(1073741823)", Kind::Text),
            ("", Kind::Text),
        ] {
            assert_eq!(kind(declared), expected, "{declared}");
        }
    }

    #[test]
    fn a_check_makes_text_json() {
        let sql = r#"CREATE TABLE t ("a""b" text CHECK ((JSON_VALID("a""b") OR "a""b" IS NULL)), "c" text)"#;
        assert!(checked_as_json(sql, "a\"b"));
        assert!(!checked_as_json(sql, "c"));
    }
}

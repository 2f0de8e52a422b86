//! Why triggers cannot be made.

use std::fmt;

/// Why [`Triggers`](crate::Triggers) cannot be made of what was given.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TriggerError {
    /// The model has no such field.
    UnknownField {
        /// The model.
        model: String,
        /// The field that was named.
        field: String,
        /// A field of a similar name.
        near: Option<String>,
    },
    /// No field is the identity, or it was left out.
    NoIdentity {
        /// The model.
        model: String,
    },
    /// The field of the parent's key is no field of the model, or it was left out.
    NoParentKey {
        /// The model.
        model: String,
        /// The field.
        field: String,
    },
    /// The field is hidden, and identities stand in clear; or it is hidden by the model, and
    /// cannot be shown.
    Hidden {
        /// The model.
        model: String,
        /// The field.
        field: String,
        /// The requested operation.
        wanted: &'static str,
    },
    /// A table has one name, or a schema's and its own.
    Table {
        /// The given name.
        name: String,
    },
    /// A name cannot stand in SQL.
    Name {
        /// The name.
        name: String,
    },
}

impl TriggerError {
    pub(crate) fn name(name: &str) -> Self {
        Self::Name {
            name: name.to_owned(),
        }
    }
}

impl fmt::Display for TriggerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownField { model, field, near } => {
                write!(f, "`{model}` has no field `{}`", field.escape_debug())?;
                near.as_ref()
                    .map_or(Ok(()), |near| write!(f, "; did you mean `{near}`?"))
            }
            Self::NoIdentity { model } => write!(
                f,
                "`{model}` has no identity, by which rows are found: name the fields of its key with `key`"
            ),
            Self::NoParentKey { model, field } => write!(
                f,
                "the field `{field}` of `{model}`, the key of its parent, has no column: name one with \
                 `column`"
            ),
            Self::Hidden {
                model,
                field,
                wanted,
            } => write!(
                f,
                "the field `{field}` of `{model}` is hidden and cannot be {wanted}"
            ),
            Self::Table { name } => write!(
                f,
                "`{}` is not a table name; give `table` or `schema.table`",
                name.escape_debug()
            ),
            Self::Name { name } => write!(
                f,
                "`{}` cannot be a name in SQL; use one of 1 to 63 bytes without `$audit$`",
                name.escape_debug()
            ),
        }
    }
}

impl std::error::Error for TriggerError {}

//! [`RegistrationError`].

use std::error::Error as StdError;
use std::fmt;

use super::suggest;

/// The error of registering a type. The message names the type and the attribute or setting that fixes
/// the error.
///
/// # Example: an identity that would be hidden
/// ```
/// use auditlog::{RegistrationError, prelude::*};
///
/// #[derive(Auditable)]
/// struct User {
///     id: u32,
/// }
///
/// let _audit = auditlog::testing::capture();
/// let error = auditlog::register_with::<User>(|user| user.exclude("id")).unwrap_err();
/// assert!(matches!(error, RegistrationError::HiddenKey { .. }));
/// assert!(error.to_string().contains("#[audit(hash)]"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RegistrationError {
    /// Another type is registered under the model name.
    ModelTaken {
        /// The model name.
        model: String,
        /// The registered type.
        registered: String,
        /// The rejected type.
        rejected: String,
    },
    /// The identity or the key of the parent, by which entries are found, would be hidden or has a
    /// masked part.
    HiddenKey {
        /// The model.
        model: String,
        /// The field.
        field: String,
    },
    /// The identity or the key of the parent is hashed and the log has no hash key, so that no
    /// object would be found after a restart.
    NoHashKey {
        /// The model.
        model: String,
    },
    /// A field of a flattened value has the name of another field of the same object, or of the
    /// tag of an enum.
    NameTaken {
        /// The model.
        model: String,
        /// The flattened field, or the enum's variant.
        field: String,
        /// The name.
        name: String,
    },
    /// Two maps are flattened into one object.
    TwoMaps {
        /// The model.
        model: String,
        /// The first field.
        field: String,
        /// The second field.
        other: String,
    },
    /// The options set [`SnapshotPolicy::Every(0)`](crate::SnapshotPolicy::Every).
    SnapshotInterval {
        /// The model.
        model: String,
    },
    /// The options name an action other than the four.
    UnknownAction {
        /// The model.
        model: String,
        /// The name that was given.
        action: String,
    },
    /// The options name a field that the model does not have.
    UnknownField {
        /// The model.
        model: String,
        /// The name that was given.
        field: String,
        /// A field with a similar name.
        suggestion: Option<String>,
    },
}

/// Returns the name of a generic type without its arguments.
fn generic(type_name: &str) -> Option<&str> {
    type_name.split_once('<').map(|(name, _)| name)
}

impl fmt::Display for RegistrationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ModelTaken {
                model,
                registered,
                rejected,
            } if generic(registered).is_some() && generic(registered) == generic(rejected) => {
                write!(
                    f,
                    "`{registered}` and `{rejected}` are both stored as `{model}`, since an \
                     attribute of a generic type holds for every instance: register one, and put \
                     the other in a struct of its own with #[audit(model = \"...\")]"
                )
            }
            Self::ModelTaken {
                model,
                registered,
                rejected,
            } => write!(
                f,
                "the model name `{model}` is taken by `{registered}`: give `{rejected}` its own with #[audit(model = \"...\")]"
            ),
            Self::HiddenKey { model, field } => write!(
                f,
                "`{model}.{field}` is in the key, by which entries are found, so it cannot be hidden: mark it `#[audit(hash)]` to record a token, or give `{model}` another key"
            ),
            Self::NoHashKey { model } => write!(
                f,
                "the key of `{model}` is hashed, and the log has no hash key: set `AuditLog::builder().hash_key(..)`"
            ),
            Self::NameTaken { model, field, name } => write!(
                f,
                "`{model}` would record two values as `{name}`, one of them from inside `{field}`: rename one of the fields with #[audit(rename = \"...\")], or do not flatten `{field}`"
            ),
            Self::TwoMaps {
                model,
                field,
                other,
            } => write!(
                f,
                "`{model}` flattens the maps `{field}` and `{other}` into one object, in which a key would not identify its map: flatten one of them only"
            ),
            Self::SnapshotInterval { model } => write!(
                f,
                "`{model}` cannot have a snapshot every 0 updates: use `Never`, or `Every(1)` or more"
            ),
            Self::UnknownAction { model, action } => write!(
                f,
                "unknown action `{}` for `{model}`; expected create, update, delete or access",
                action.escape_debug()
            ),
            Self::UnknownField {
                model,
                field,
                suggestion,
            } => {
                write!(f, "`{model}` has no field `{}`", field.escape_debug())?;
                suggest(f, suggestion.as_deref())
            }
        }
    }
}

impl StdError for RegistrationError {}

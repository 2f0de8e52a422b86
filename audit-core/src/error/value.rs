//! [`ValueError`].

use std::error::Error as StdError;
use std::fmt;

/// The error of a value that cannot be recorded. It never contains the value.
///
/// # Example: a value that nests too deeply
/// ```
/// use auditlog::ValueError;
/// use serde_json::{Value, json};
///
/// let deep = (0..200).fold(json!(1), |inner, _| json!([inner]));
/// let error = auditlog::try_snapshot(&deep).unwrap_err();
/// assert!(matches!(error, ValueError::TooDeep { limit: 100, .. }));
/// assert!(auditlog::try_diff(&Value::Null, &deep).is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ValueError {
    /// The value nests too deeply.
    TooDeep {
        /// The path at the limit; empty inside a value that is recorded as a whole.
        path: String,
        /// The limit, in objects and arrays.
        limit: usize,
    },
    /// The value has too many parts, for example because parts are shared many times.
    TooLarge {
        /// The limit, in objects and arrays.
        limit: usize,
    },
    /// The value has no JSON form.
    Unrepresentable {
        /// The reason.
        message: String,
    },
}

impl fmt::Display for ValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooDeep { path, limit } => {
                write!(f, "it nests deeper than {limit} levels")?;
                // The path has as many steps as the limit, so only its beginning is shown.
                match path.char_indices().nth(60) {
                    _ if path.is_empty() => Ok(()),
                    Some((end, _)) => write!(f, ", at `{}...`", &path[..end]),
                    None => write!(f, ", at `{path}`"),
                }
            }
            Self::TooLarge { limit } => write!(f, "it has more than {limit} parts"),
            Self::Unrepresentable { message } => f.write_str(message),
        }
    }
}

impl StdError for ValueError {}

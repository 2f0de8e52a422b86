//! Why a value cannot be recorded.

use std::error::Error as StdError;
use std::fmt;

/// Why a value cannot be recorded. Never holds the value.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ValueError {
    /// The value nests too deep.
    TooDeep {
        /// Where the limit was reached; empty inside a value that is recorded whole.
        path: String,
        /// The limit, in objects and arrays.
        limit: usize,
    },
    /// The value has too many parts, as one does whose parts are shared many times over.
    TooLarge {
        /// The limit, in objects and arrays.
        limit: usize,
    },
    /// The value has no JSON form.
    Unrepresentable {
        /// Why not.
        message: String,
    },
}

impl fmt::Display for ValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooDeep { path, limit } => {
                write!(f, "it nests deeper than {limit} levels")?;
                // The path of the limit is as long as the limit is high: its beginning will do.
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

//! [`TypedError`], and the missing parts of a state.

use std::error::Error as StdError;
use std::fmt;

use crate::path::Path;

/// The maximum number of missing parts in an error's message.
const MAX_SHOWN: usize = 10;

/// The error of deserializing a state as an object of a type.
#[derive(Debug)]
#[non_exhaustive]
pub enum TypedError {
    /// The state is not complete.
    /// [`Reconstruction::typed_lossy`](crate::Reconstruction::typed_lossy) reads it nevertheless.
    Incomplete {
        /// The parts that are missing.
        missing: Vec<Missing>,
    },
    /// A part of the state is recorded, but serde does not deserialize it and would use a default,
    /// as for an identity field marked `#[serde(skip)]`.
    NotRead {
        /// The part.
        path: Path,
        /// A hint on how to fix the error.
        help: &'static str,
    },
    /// The state does not have the form that the type is deserialized from.
    Form {
        /// The innermost value that cannot be deserialized.
        path: Path,
        /// The error of serde.
        source: serde_json::Error,
        /// A hint on how to fix the error.
        help: &'static str,
    },
}

impl fmt::Display for TypedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Incomplete { missing } => {
                f.write_str("the state is not complete: ")?;
                for (number, part) in missing.iter().take(MAX_SHOWN).enumerate() {
                    let comma = if number > 0 { ", " } else { "" };
                    write!(f, "{comma}`{}` ({})", part.path, part.reason)?;
                }
                if missing.len() > MAX_SHOWN {
                    write!(f, " and {} more", missing.len() - MAX_SHOWN)?;
                }
                f.write_str("; `typed_lossy` reads an incomplete state")
            }
            Self::NotRead { path, help } => {
                write!(
                    f,
                    "`{path}` is recorded, but serde does not read it: {help}"
                )
            }
            Self::Form { path, source, help } => {
                write!(f, "`{path}` cannot be read: {source}; {help}")
            }
        }
    }
}

impl StdError for TypedError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Form { source, .. } => Some(source),
            Self::Incomplete { .. } | Self::NotRead { .. } => None,
        }
    }
}

/// A part of a state that the trail lacks in clear.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Missing {
    /// The path of the part; `$` for everything that no entry mentions.
    pub path: Path,
    /// The reason.
    pub reason: MissingReason,
}

/// The reason why a part of a state is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MissingReason {
    /// The field is not recorded.
    Skipped,
    /// Only a masked form is recorded.
    Masked,
    /// Only a token is recorded.
    Hashed,
    /// The object is older than the trail.
    StartsLater,
    /// An entry starts from another value than the previous entries led to, because a change was
    /// not recorded. The state has the value of that entry if it could be applied.
    Unrecorded,
}

impl fmt::Display for MissingReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Skipped => "not recorded",
            Self::Masked => "recorded masked",
            Self::Hashed => "recorded as a token",
            Self::StartsLater => "the trail begins later",
            Self::Unrecorded => "changed without an entry",
        })
    }
}

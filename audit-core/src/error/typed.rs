//! Why a state makes no object of a type.

use std::error::Error as StdError;
use std::fmt;

use crate::path::Path;

/// How many missing parts an error names.
const NAMED: usize = 10;

/// Why a state makes no object of a type.
#[derive(Debug)]
#[non_exhaustive]
pub enum TypedError {
    /// The state is not complete. [`Reconstruction::typed_lossy`](crate::Reconstruction::typed_lossy) reads what there is.
    Incomplete {
        /// The parts that are missing.
        missing: Vec<Missing>,
    },
    /// A part of the state is recorded, but serde does not read it and would set a default, as
    /// for a field that is marked `#[serde(skip)]` and is the identity.
    NotRead {
        /// The part.
        path: Path,
        /// What helps.
        help: &'static str,
    },
    /// The state is not in the form that the type is read from.
    Form {
        /// The innermost value that cannot be read.
        path: Path,
        /// The message of serde.
        source: serde_json::Error,
        /// Which attribute helps.
        help: &'static str,
    },
}

impl fmt::Display for TypedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Incomplete { missing } => {
                f.write_str("the state is not complete: ")?;
                for (number, part) in missing.iter().take(NAMED).enumerate() {
                    let comma = if number > 0 { ", " } else { "" };
                    write!(f, "{comma}`{}` ({})", part.path, part.reason)?;
                }
                if missing.len() > NAMED {
                    write!(f, " and {} more", missing.len() - NAMED)?;
                }
                f.write_str("; `typed_lossy` reads what there is")
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

/// A part of a state that the trail does not tell.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Missing {
    /// Where; `$` for all that no entry mentions.
    pub path: Path,
    /// Why.
    pub reason: MissingReason,
}

/// Why a part of a state is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MissingReason {
    /// The field is not recorded.
    Skipped,
    /// Only a masked form is recorded.
    Masked,
    /// Only a token is recorded.
    Hashed,
    /// The trail begins after the object did.
    StartsLater,
    /// An entry started from another value than the entries before it led to: something changed
    /// in between without an entry. The state has what that entry says, where it could be put
    /// into place.
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

//! [`TypedError`], and the missing parts of a state.

use std::error::Error as StdError;
use std::fmt;

use crate::path::Path;

/// The maximum number of missing parts in an error's message.
const MAX_SHOWN: usize = 10;

/// The error of deserializing a state as an object of a type.
///
/// # Example: a field that has another type now
/// ```
/// use auditlog::{TypedError, prelude::*};
///
/// #[derive(Auditable)]
/// #[audit(model = "Item")]
/// struct OldItem {
///     id: u32,
///     size: String,
/// }
///
/// #[derive(Auditable, Deserialize)]
/// struct Item {
///     id: u32,
///     size: u32,
/// }
///
/// let audit = auditlog::testing::capture();
/// auditlog::register::<OldItem>();
/// auditlog::created(&OldItem { id: 1, size: "large".into() }).record()?;
///
/// let latest = auditlog::history::<Item>(1)?.latest();
/// let Err(TypedError::Form { path, .. }) = latest.typed::<Item>() else { panic!("an error") };
/// assert_eq!(path, "size");
/// # assert_eq!(audit.entries().len(), 1);
/// # Ok::<(), auditlog::Error>(())
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum TypedError {
    /// The state is not complete.
    /// [`Reconstruction::typed_lossy`](crate::Reconstruction::typed_lossy) reads it nevertheless, unless the
    /// trail has no part of it.
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
///
/// # Example: a masked field and a skipped one
/// ```
/// use auditlog::{MissingReason, prelude::*};
///
/// #[derive(Auditable)]
/// struct User {
///     id: u32,
///     #[audit(mask)]
///     phone: String,
///     #[audit(skip)]
///     password_hash: String,
/// }
///
/// let audit = auditlog::testing::capture();
/// auditlog::register::<User>();
/// let user = User { id: 1, phone: "+1555".into(), password_hash: "$2b$..".into() };
/// auditlog::created(&user).record()?;
///
/// let latest = auditlog::history::<User>(1)?.latest();
/// let reason = |path: &str| {
///     let part = latest.missing.iter().find(|part| part.path == path);
///     part.map(|part| part.reason)
/// };
/// assert_eq!(reason("phone"), Some(MissingReason::Masked));
/// assert_eq!(reason("password_hash"), Some(MissingReason::Skipped));
/// assert_eq!(reason("id"), None);
/// # assert_eq!(audit.entries().len(), 1);
/// # Ok::<(), auditlog::Error>(())
/// ```
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
            Self::StartsLater => "the object is older than the trail",
            Self::Unrecorded => "changed without an entry",
        })
    }
}

//! Errors of setting up the logger.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::path::PathBuf;

use crate::field::Names;

/// Why the logger could not be set up or flushed.
///
/// It converts into [`audit_core::Error`], so `?` works in a
/// `fn main() -> auditlog::Result<()>`.
#[derive(Debug)]
#[non_exhaustive]
pub enum LoggingError {
    /// The program already has a logger, of this crate or another one.
    AlreadySet,
    /// The format has an unknown placeholder.
    UnknownPlaceholder {
        /// The name in the format.
        name: String,
        /// The most similar placeholder, if one is similar enough.
        suggestion: Option<&'static str>,
    },
    /// The format is malformed.
    MalformedFormat {
        /// The format.
        format: String,
        /// The fault and its correction.
        reason: &'static str,
    },
    /// The date format is not a strftime format.
    DateFormat {
        /// The date format.
        format: String,
    },
    /// Both a file and a stream are set.
    StreamAndFile,
    /// A rotation is set, but no file.
    RotationWithoutFile,
    /// The rotation has a size of zero bytes.
    RotationAtZero,
    /// The file cannot be opened, written or flushed.
    File {
        /// The file.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// Another process has the file open, and one of the two rotates it.
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// The stream cannot be written.
    Stream {
        /// The error of the system.
        source: io::Error,
    },
}

impl fmt::Display for LoggingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AlreadySet => f.write_str(
                "the program already has a logger; a logger can be set once, so keep one of the two",
            ),
            Self::UnknownPlaceholder { name, suggestion } => {
                write!(f, "the format has an unknown placeholder `{}`", name.escape_debug())?;
                match suggestion {
                    Some(near) => write!(f, "; did you mean `{near}`?"),
                    None => write!(f, "; the placeholders are {Names}"),
                }
            }
            Self::MalformedFormat { format, reason } => {
                write!(f, "the format `{}` is malformed: {reason}", format.escape_debug())
            }
            Self::DateFormat { format } => write!(
                f,
                "the date format `{}` is not a strftime format; an example is `%Y-%m-%d %H:%M:%S`",
                format.escape_debug()
            ),
            Self::StreamAndFile => {
                f.write_str("both `stream` and `filename` are given; choose one")
            }
            Self::RotationWithoutFile => {
                f.write_str("`rotate` needs a file to rotate; add `filename`")
            }
            Self::RotationAtZero => {
                f.write_str("a log file cannot be rotated at 0 bytes; give `Rotation::size` the size of a file")
            }
            Self::File { path, source } => {
                write!(f, "the log file {} cannot be used: {source}", path.display())
            }
            Self::InUse { path } => write!(
                f,
                "the log file {} is in use by another process, and one of the two rotates it; \
                 give each process a file, or add `.shared()`, which does not rotate",
                path.display()
            ),
            Self::Stream { source } => write!(f, "the output stream cannot be used: {source}"),
        }
    }
}

impl StdError for LoggingError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::File { source, .. } | Self::Stream { source } => Some(source),
            _ => None,
        }
    }
}

impl From<LoggingError> for audit_core::Error {
    fn from(error: LoggingError) -> Self {
        Self::Logging {
            source: Box::new(error),
        }
    }
}

//! Maps SQLite's errors to [`StoreError`].

use std::io;
use std::sync::Arc;

use audit_core::StoreError;
use rusqlite::{Error, ErrorCode};

/// `SQLITE_IOERR_SHMSIZE`: the file of the shared memory cannot grow.
const IOERR_SHMSIZE: i32 = 4874;

/// Returns [`from_driver`] for a location, as `map_err` takes it.
pub(crate) fn at(location: &str) -> impl Fn(Error) -> StoreError + Copy + '_ {
    move |error| from_driver(location, error)
}

/// Maps a driver's error to a store's.
pub(crate) fn from_driver(location: &str, error: Error) -> StoreError {
    let location = || location.to_owned();
    let (failure, message) = match &error {
        Error::SqliteFailure(failure, message) => (failure, message),
        // A column of another type than the schema's.
        Error::Utf8Error(..)
        | Error::FromSqlConversionFailure(..)
        | Error::InvalidColumnType(..)
        | Error::IntegralValueOutOfRange(..) => {
            return StoreError::Corrupt {
                location: location(),
                detail: error.to_string(),
            };
        }
        _ => return StoreError::backend(location(), error),
    };
    let detail = || message.clone().unwrap_or_else(|| failure.to_string());
    match failure.code {
        // Only the progress handler of a cancelled query interrupts.
        ErrorCode::OperationInterrupted => StoreError::Cancelled,
        ErrorCode::DiskFull => StoreError::Full {
            location: location(),
        },
        ErrorCode::SystemIoFailure if failure.extended_code == IOERR_SHMSIZE => StoreError::Full {
            location: location(),
        },
        ErrorCode::ReadOnly => StoreError::ReadOnly {
            location: location(),
        },
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => StoreError::Busy {
            location: location(),
        },
        ErrorCode::NotADatabase => StoreError::Foreign {
            location: location(),
            found: "a file that is not an SQLite database".to_owned(),
        },
        ErrorCode::DatabaseCorrupt => StoreError::Corrupt {
            location: location(),
            detail: detail(),
        },
        ErrorCode::SystemIoFailure | ErrorCode::CannotOpen => StoreError::Io {
            location: location(),
            source: Arc::new(io::Error::other(error)),
        },
        _ => StoreError::backend(location(), error),
    }
}

/// Returns whether the error is about one batch rather than about the store, so that other
/// batches may well succeed.
pub(crate) fn concerns_one_batch(error: &StoreError) -> bool {
    match error {
        StoreError::Conflict { .. } => true,
        StoreError::Backend { source, .. } => matches!(
            source.downcast_ref::<Error>(),
            Some(Error::SqliteFailure(failure, _))
                if matches!(
                    failure.code,
                    ErrorCode::ConstraintViolation | ErrorCode::TooBig | ErrorCode::TypeMismatch
                )
        ),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::ffi;

    use super::*;

    fn of(code: i32) -> StoreError {
        from_driver("x.db", Error::SqliteFailure(ffi::Error::new(code), None))
    }

    #[test]
    fn each_kind_of_failure_has_its_variant() {
        assert!(matches!(of(13), StoreError::Full { .. }));
        assert!(matches!(of(IOERR_SHMSIZE), StoreError::Full { .. }));
        assert!(matches!(of(8), StoreError::ReadOnly { .. }));
        assert!(matches!(of(5), StoreError::Busy { .. }));
        assert!(matches!(of(6), StoreError::Busy { .. }));
        assert!(matches!(of(26), StoreError::Foreign { .. }));
        assert!(matches!(of(11), StoreError::Corrupt { .. }));
        assert!(matches!(of(10), StoreError::Io { .. }));
        assert!(matches!(of(14), StoreError::Io { .. }));
        assert!(matches!(of(1), StoreError::Backend { .. }));
    }

    #[test]
    fn only_errors_of_the_content_concern_one_batch() {
        assert!(concerns_one_batch(&of(19)));
        assert!(concerns_one_batch(&of(18)));
        assert!(!concerns_one_batch(&of(13)));
        assert!(!concerns_one_batch(&of(10)));
        assert!(concerns_one_batch(&StoreError::Conflict {
            id: uuid::Uuid::nil()
        }));
    }
}

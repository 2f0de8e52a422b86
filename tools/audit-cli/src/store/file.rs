//! A trail in a SQLite file.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use audit_core::StoreError;
use audit_sqlite::{SqliteOptions, SqliteStore};

use super::Need;

/// Opens the file, as it is or to be made.
pub(super) fn open(path: &Path, need: Need) -> Result<SqliteStore, StoreError> {
    require_file(path)?;
    if need == Need::Create && !path.exists() {
        return options().open(path);
    }
    open_existing(path, need != Need::Read).map_err(|error| explained(error, path))
}

/// Returns the settings of a command: it shows what is left of a damaged file, and what it writes, it
/// writes in bulk.
fn options() -> SqliteOptions {
    SqliteOptions::new()
        .pass_over_damaged()
        .checkpoint_pages(16_000)
}

/// Refuses what is no file before anything waits for it, as for the other end of a pipe.
fn require_file(path: &Path) -> Result<(), StoreError> {
    let found = match path.metadata() {
        Ok(found) if found.is_dir() => "a folder",
        Ok(found) if !found.is_file() => "a pipe, a socket or a device",
        // A file that cannot be examined cannot be opened either, which is reported.
        _ => return Ok(()),
    };
    Err(StoreError::Foreign {
        location: path.display().to_string(),
        found: found.to_owned(),
    })
}

/// Puts what the system says in the place of what SQLite makes of it.
fn explained(error: StoreError, path: &Path) -> StoreError {
    if !matches!(error, StoreError::Io { .. }) {
        return error;
    }
    // Nothing of the file is open any more, so that no lock is lost when this closes it.
    match File::open(path) {
        Ok(_) => error,
        Err(source) => StoreError::Io {
            location: path.display().to_string(),
            source: Arc::new(source),
        },
    }
}

/// Opens a file of the store's own, or an application's that has the trail's tables in it.
fn open_existing(path: &Path, writes: bool) -> Result<SqliteStore, StoreError> {
    let own = options().create(false);
    let reading = own.clone().read_only().open(path);
    let (options, store) = match reading {
        Err(foreign @ StoreError::Foreign { .. }) => {
            let shared = own.shared_file();
            match shared.clone().read_only().open(path) {
                Ok(store) => (shared, Ok(store)),
                // Not the trail's tables either: what was found first says more.
                Err(StoreError::Foreign { .. }) => return Err(foreign),
                Err(error) => (shared, Err(error)),
            }
        }
        reading => (own, reading),
    };
    match store {
        // An older schema is upgraded by whoever may write.
        Err(StoreError::ReadOnly { .. }) if writes => options.open(path),
        Ok(store) if writes => {
            drop(store);
            options.open(path)
        }
        store => store,
    }
}

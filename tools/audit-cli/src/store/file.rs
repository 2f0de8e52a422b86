//! A trail in a SQLite file.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

use audit_core::StoreError;
use audit_sqlite::{SqliteOptions, SqliteStore};

use super::AccessMode;

/// Opens the file, and creates a missing one if the mode is [`AccessMode::Create`].
pub(super) fn open(path: &Path, mode: AccessMode) -> Result<SqliteStore, StoreError> {
    require_file(path)?;
    if mode == AccessMode::Create && !path.exists() {
        return options().open(path);
    }
    open_existing(path, mode != AccessMode::Read).map_err(|error| explained(error, path))
}

/// Returns the options of all commands: reads skip damaged rows, and checkpoints are rare because
/// commands write in bulk.
fn options() -> SqliteOptions {
    SqliteOptions::new().skip_damaged().checkpoint_pages(16_000)
}

/// Returns an error if the path is a folder, a pipe, a socket or a device. Opening a pipe would wait
/// for its other end.
fn require_file(path: &Path) -> Result<(), StoreError> {
    let found = match path.metadata() {
        Ok(found) if found.is_dir() => "a folder",
        Ok(found) if !found.is_file() => "a pipe, a socket or a device",
        // Opening a file without readable metadata fails with an error.
        _ => return Ok(()),
    };
    Err(StoreError::Foreign {
        location: path.display().to_string(),
        found: found.to_owned(),
    })
}

/// Replaces SQLite's error by the system's, which names the cause.
fn explained(error: StoreError, path: &Path) -> StoreError {
    match &error {
        // The store's error of a missing file already names the cause.
        StoreError::Io { source, .. } if source.kind() != io::ErrorKind::NotFound => {}
        _ => return error,
    }
    // No connection has the file open, so closing it releases no lock.
    match File::open(path) {
        Ok(_) => error,
        Err(source) => StoreError::Io {
            location: path.display().to_string(),
            source: Arc::new(source),
        },
    }
}

/// Opens an existing file of a store, or of an application with the tables of a store.
fn open_existing(path: &Path, writes: bool) -> Result<SqliteStore, StoreError> {
    let own = options().create(false);
    let reading = own.clone().read_only().open(path);
    let (options, store) = match reading {
        Err(foreign @ StoreError::Foreign { .. }) => {
            let shared = own.shared_file();
            match shared.clone().read_only().open(path) {
                Ok(store) => (shared, Ok(store)),
                // The file has no tables of a store. The first error has more detail.
                Err(StoreError::Foreign { .. }) => return Err(foreign),
                Err(error) => (shared, Err(error)),
            }
        }
        reading => (own, reading),
    };
    match store {
        // A command with write access upgrades an older schema.
        Err(StoreError::ReadOnly { .. }) if writes => options.open(path),
        Ok(store) if writes => {
            drop(store);
            options.open(path)
        }
        store => store,
    }
}

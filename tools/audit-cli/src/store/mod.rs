//! Opens the store that a command works on.

#[cfg(feature = "archive")]
mod archive;
mod file;
mod location;
#[cfg(feature = "postgres")]
mod server;

use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use audit_core::{StoreError, TrailStore};

#[cfg(all(feature = "archive", feature = "web"))]
pub(crate) use self::archive::archive_position;
#[cfg(feature = "archive")]
pub(crate) use self::archive::{archive, with_archive};
pub(crate) use self::location::StoreLocation;
#[cfg(feature = "postgres")]
pub(crate) use self::location::{Server, schema, url};
use crate::error::Error;
#[cfg(not(feature = "archive"))]
use crate::global::Global;

/// Access of a command to the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AccessMode {
    /// Reads only: not even the access is recorded.
    Read,
    /// Reads and writes an existing store.
    Write,
    /// Reads and writes, and creates a missing store.
    Create,
}

/// The stores that the command has opened. [`skipped_rows`] reads and closes them.
static OPENED: Mutex<Vec<Arc<dyn TrailStore>>> = Mutex::new(Vec::new());

/// Opens a store.
///
/// # Errors
/// Returns an error if the store cannot be opened, or if it is a database and this build has no
/// `postgres` feature.
pub(crate) fn open(
    location: &StoreLocation,
    mode: AccessMode,
) -> Result<Arc<dyn TrailStore>, Error> {
    let store: Arc<dyn TrailStore> = match location {
        StoreLocation::File(path) => Arc::new(file::open(path, mode)?),
        #[cfg(feature = "postgres")]
        StoreLocation::Server(server) => Arc::new(server.open(mode)?),
        #[cfg(not(feature = "postgres"))]
        StoreLocation::Server(server) => return Err(server.absent()),
    };
    let mut opened = OPENED.lock().unwrap_or_else(PoisonError::into_inner);
    opened.push(Arc::clone(&store));
    Ok(store)
}

/// Returns the store, or the error of a build without the `archive` feature if an archive is named.
#[cfg(not(feature = "archive"))]
pub(crate) fn with_archive(
    global: &Global,
    store: Arc<dyn TrailStore>,
) -> Result<Arc<dyn TrailStore>, Error> {
    match global.archive.as_deref() {
        None | Some("") => Ok(store),
        Some(_) => Err(Error::absent("`--archive`")),
    }
}

/// The maximum number of skipped rows that a command reports.
const MAX_SKIPPED: usize = 1_000;
/// The damaged rows that a command skipped, in addition to those that its stores skipped.
static SKIPPED: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Records a row that a command skips. [`skipped_rows`] returns it.
pub(crate) fn skip(row: impl fmt::Display, error: &StoreError) {
    let detail = match error {
        StoreError::Corrupt { detail, .. } => detail.clone(),
        error => error.to_string(),
    };
    let mut rows = SKIPPED.lock().unwrap_or_else(PoisonError::into_inner);
    match rows.len() {
        // A follower may run for years, so the list has a limit.
        MAX_SKIPPED.. => {}
        _ => rows.push(message(row, detail)),
    }
}

fn message(row: impl fmt::Display, detail: impl fmt::Display) -> String {
    format!("row {row} is not an entry and is skipped: {detail}")
}

/// Closes the opened stores, and returns a message for each skipped row, without duplicates.
pub(crate) fn skipped_rows() -> Vec<String> {
    let mut opened = OPENED.lock().unwrap_or_else(PoisonError::into_inner);
    let stores = std::mem::take(&mut *opened);
    let mut messages = Vec::new();
    for store in &stores {
        let damaged = store.damaged();
        messages.extend(
            damaged
                .rows
                .iter()
                .map(|row| message(&row.key, &row.detail)),
        );
        if damaged.more {
            messages.push("there are more such rows".to_owned());
        }
    }
    messages.append(&mut SKIPPED.lock().unwrap_or_else(PoisonError::into_inner));
    let mut unique = HashSet::new();
    messages.retain(|message| unique.insert(message.clone()));
    messages
}

/// Returns whether the store exists.
///
/// # Errors
/// Returns an error if the database cannot be reached, or if this build has no `postgres` feature.
pub(crate) fn exists(location: &StoreLocation) -> Result<bool, Error> {
    match location {
        StoreLocation::File(path) => Ok(path.exists()),
        #[cfg(feature = "postgres")]
        StoreLocation::Server(server) => Ok(server.exists()?),
        #[cfg(not(feature = "postgres"))]
        StoreLocation::Server(server) => Err(server.absent()),
    }
}

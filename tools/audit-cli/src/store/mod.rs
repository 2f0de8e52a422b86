//! Opens the store that a command works on.

mod file;
mod place;
#[cfg(feature = "postgres")]
mod server;

use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use audit_core::{StoreError, TrailStore};

pub(crate) use self::place::Place;
#[cfg(feature = "postgres")]
pub(crate) use self::place::{Server, schema, url};
use crate::error::Error;

/// The access of a command to the trail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// It reads, and writes nothing, not even that it reads.
    Read,
    /// It writes.
    Write,
    /// It writes, and a store that does not exist is made.
    Create,
}

/// The stores that the command has opened, to ask in the end what they passed over.
static OPENED: Mutex<Vec<Arc<dyn TrailStore>>> = Mutex::new(Vec::new());

/// Opens a store.
pub(crate) fn open(place: &Place, need: Need) -> Result<Arc<dyn TrailStore>, Error> {
    let store: Arc<dyn TrailStore> = match place {
        Place::File(path) => Arc::new(file::open(path, need)?),
        #[cfg(feature = "postgres")]
        Place::Server(server) => Arc::new(server.open(need)?),
        #[cfg(not(feature = "postgres"))]
        Place::Server(server) => return Err(server.absent()),
    };
    let mut opened = OPENED.lock().unwrap_or_else(PoisonError::into_inner);
    opened.push(Arc::clone(&store));
    Ok(store)
}

/// The maximum number of damaged rows that are named.
const MAX_SKIPPED: usize = 1_000;
/// The damaged rows that a command skipped by itself.
static SKIPPED: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Notes that a command skips a row, to report it in the end.
pub(crate) fn skip(row: impl fmt::Display, error: &StoreError) {
    let detail = match error {
        StoreError::Corrupt { detail, .. } => detail.clone(),
        error => error.to_string(),
    };
    let mut rows = SKIPPED.lock().unwrap_or_else(PoisonError::into_inner);
    match rows.len() {
        // A follower may run for years.
        MAX_SKIPPED.. => {}
        _ => rows.push(skipped(row, detail)),
    }
}

fn skipped(row: impl fmt::Display, detail: impl fmt::Display) -> String {
    format!("row {row} is not an entry and is passed over: {detail}")
}

/// Closes what was opened, and returns what was passed over, each once.
pub(crate) fn passed_over() -> Vec<String> {
    let mut opened = OPENED.lock().unwrap_or_else(PoisonError::into_inner);
    let stores = std::mem::take(&mut *opened);
    let mut told = Vec::new();
    for store in &stores {
        let damaged = store.damaged();
        told.extend(
            damaged
                .rows
                .iter()
                .map(|row| skipped(&row.key, &row.detail)),
        );
        if damaged.more {
            told.push("there are more such rows".to_owned());
        }
    }
    told.append(&mut SKIPPED.lock().unwrap_or_else(PoisonError::into_inner));
    let mut known = HashSet::new();
    told.retain(|row| known.insert(row.clone()));
    told
}

/// Returns whether there is a store.
pub(crate) fn exists(place: &Place) -> Result<bool, Error> {
    match place {
        Place::File(path) => Ok(path.exists()),
        #[cfg(feature = "postgres")]
        Place::Server(server) => Ok(server.exists()?),
        #[cfg(not(feature = "postgres"))]
        Place::Server(server) => Err(server.absent()),
    }
}

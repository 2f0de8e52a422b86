//! The pool of read-only connections.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use audit_core::{Query, StoreError};
use rusqlite::Connection;

use crate::cancel::until_cancelled;
use crate::file::OpenFile;
use crate::options::{self, Access, SqliteOptions};

/// The most idle connections of the pool.
const IDLE: usize = 4;

/// Read-only connections, one for each reading thread.
///
/// A read sees the commits before it and never blocks the writer.
pub(crate) struct Readers {
    path: PathBuf,
    access: Access,
    options: SqliteOptions,
    /// The file that the store writes; `None` if it is read-only.
    file: Option<Arc<OpenFile>>,
    /// `None` once closed.
    idle: Mutex<Option<Vec<Connection>>>,
}

impl fmt::Debug for Readers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Readers").finish_non_exhaustive()
    }
}

impl Readers {
    pub(crate) fn new(
        path: PathBuf,
        access: Access,
        options: SqliteOptions,
        file: Option<Arc<OpenFile>>,
    ) -> Self {
        Self {
            path,
            access,
            options,
            file,
            idle: Mutex::new(Some(Vec::new())),
        }
    }

    /// Reads with a connection of the pool, or a new one.
    pub(crate) fn with<T>(
        &self,
        read: impl FnOnce(&mut Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let idle = self.lock().as_mut().ok_or(StoreError::Closed)?.pop();
        // A file that replaced this one must not be read with this one's write-ahead log.
        if let Some(file) = &self.file
            && (idle.is_none() || file.was_moved())
        {
            file.check()?;
        }
        let mut connection = match idle {
            Some(connection) => connection,
            None => options::connect(&self.path, self.access, &self.options)?,
        };
        let done = read(&mut connection);
        // An immutable file may be replaced before the next read, and a failed connection may be
        // the cause of the failure.
        if done.is_ok()
            && self.access == Access::Read
            && let Some(idle) = &mut *self.lock()
            && idle.len() < IDLE
        {
            idle.push(connection);
        }
        done
    }

    /// Runs a query with a connection of the pool, or a new one, until the query is cancelled.
    pub(crate) fn run<T>(
        &self,
        query: &Query,
        location: &str,
        run: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.with(|connection| until_cancelled(connection, query, location, run))
    }

    pub(crate) fn close(&self) {
        *self.lock() = None;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Vec<Connection>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

//! The connections that read.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use audit_core::StoreError;
use rusqlite::Connection;

use crate::file::OpenFile;
use crate::options::{self, Access, SqliteOptions};

/// How many connections are kept for the next reader.
const KEPT: usize = 4;

/// Read-only connections, one for each thread that reads at the moment.
///
/// They see what was committed before they began and never block the writer.
pub(crate) struct Readers {
    path: PathBuf,
    access: Access,
    options: SqliteOptions,
    /// The file that the store writes to, if it does.
    file: Option<Arc<OpenFile>>,
    /// Empty once closed.
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

    /// Reads with a connection of one's own.
    pub(crate) fn with<T>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let idle = self.lock().as_mut().ok_or(StoreError::Closed)?.pop();
        // Another file in its place, and the write-ahead log of this one, make no trail.
        if let Some(file) = &self.file
            && (idle.is_none() || file.was_moved())
        {
            file.check()?;
        }
        let connection = match idle {
            Some(connection) => connection,
            None => options::connect(&self.path, self.access, &self.options)?,
        };
        let done = read(&connection);
        // What is immutable may have been replaced by the next time; a failed connection
        // may be what failed.
        if done.is_ok()
            && self.access == Access::Read
            && let Some(idle) = &mut *self.lock()
            && idle.len() < KEPT
        {
            idle.push(connection);
        }
        done
    }

    pub(crate) fn close(&self) {
        *self.lock() = None;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Vec<Connection>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

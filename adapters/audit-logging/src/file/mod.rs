//! The log file: appended to line by line, rotated, and reopened after a rotation.

mod lock;
mod rotation;
#[cfg(test)]
mod tests;

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use self::lock::{FileId, Lock, open_locked, open_to_append};
pub use self::rotation::Rotation;
pub(crate) use self::rotation::Trigger;
use crate::time::Instant;

/// A log file. Each line is one write to the system, without a buffer.
#[derive(Debug)]
pub(crate) struct LogFile {
    /// Absolute, because the program may change its working directory.
    path: PathBuf,
    file: File,
    size: u64,
    /// The open file, if another process may rotate it.
    watched: Option<FileId>,
    rotation: Option<Rotation>,
    /// The time at which the current file was begun, as [`Rotation::period`] prints it.
    period: String,
    /// Whether the last write ended in the middle of a line.
    partial_line: bool,
}

/// Why a log file could not be opened.
#[derive(Debug)]
pub(crate) enum OpenError {
    /// Another process holds a lock on it.
    InUse,
    /// The error of the system.
    Io(io::Error),
}

impl From<io::Error> for OpenError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl LogFile {
    /// Opens a file for appending. Its content stays until [`truncate`](Self::truncate).
    ///
    /// A shared file is not rotated by this process.
    pub(crate) fn open(
        path: &Path,
        rotation: Option<Rotation>,
        shared: bool,
        now: Instant,
        utc: bool,
    ) -> Result<Self, OpenError> {
        let path = std::path::absolute(path)?;
        let lock = match (shared, rotation) {
            (true, _) => Lock::Unlocked,
            (false, None) => Lock::Shared,
            (false, Some(_)) => Lock::Exclusive,
        };
        let rotation = rotation.filter(|_| !shared);
        let file = open_locked(&path, lock)?;
        let metadata = file.metadata()?;
        let mut period = String::new();
        if let Some(rotation) = rotation {
            if !metadata.is_file() {
                return Err(OpenError::Io(io::Error::new(
                    io::ErrorKind::InvalidInput,
                    "only a regular file can be rotated",
                )));
            }
            period = rotation.period(match metadata.modified() {
                Ok(modified) if metadata.len() > 0 => Instant::from_system(modified, utc),
                _ => now,
            });
        }
        Ok(Self {
            path,
            file,
            size: metadata.len(),
            watched: shared.then(|| FileId::of(&metadata)).flatten(),
            rotation,
            period,
            partial_line: false,
        })
    }

    /// Removes the content of an earlier run.
    pub(crate) fn truncate(&mut self, now: Instant) -> io::Result<()> {
        // Through a second handle: some systems do not let an appending one truncate.
        OpenOptions::new()
            .write(true)
            .truncate(true)
            .open(&self.path)?;
        self.begin(now);
        Ok(())
    }

    fn begin(&mut self, now: Instant) {
        self.size = 0;
        self.partial_line = false;
        self.period = self
            .rotation
            .map(|rotation| rotation.period(now))
            .unwrap_or_default();
    }

    /// Writes a line, to a new file if a rotation is due.
    ///
    /// # Errors
    /// - Returns the error of the write.
    /// - Returns the error of a failed rotation; the line is written nevertheless.
    pub(crate) fn write_line(&mut self, line: &[u8], now: Instant) -> io::Result<()> {
        let rotated = self
            .reopen_if_replaced()
            .and_then(|()| self.rotate_if_due(line.len(), now));
        if self.partial_line {
            self.write(b"\n")?;
        }
        self.write(line)?;
        rotated
    }

    fn rotate_if_due(&mut self, line: usize, now: Instant) -> io::Result<()> {
        match self.rotation {
            Some(rotation) if rotation.is_due(self.size, &self.period, line, now) => {
                let rotated = rotation.rotate(&self.path, &self.period);
                // A rotation that fails late has renamed the current file already.
                if rotated.is_ok() || !self.path.try_exists()? {
                    self.open_next(now)?;
                }
                rotated
            }
            _ => Ok(()),
        }
    }

    /// Opens the file that follows the rotated one.
    fn open_next(&mut self, now: Instant) -> io::Result<()> {
        match open_locked(&self.path, Lock::Exclusive) {
            Ok(file) => {
                self.file = file;
                self.begin(now);
                Ok(())
            }
            // Another process has just opened the file: write to it as to a shared one, so that
            // no line is lost, and leave rotation to that process.
            Err(OpenError::InUse) => {
                self.rotation = None;
                self.file = open_to_append(&self.path)?;
                self.begin(now);
                self.watched = FileId::of(&self.file.metadata()?);
                Err(io::Error::other(
                    "another process writes to it; this one no longer rotates it",
                ))
            }
            Err(OpenError::Io(error)) => Err(error),
        }
    }

    /// Opens the file at the path if another process has replaced the open one.
    fn reopen_if_replaced(&mut self) -> io::Result<()> {
        let Some(open) = &self.watched else {
            return Ok(());
        };
        let at_path = match std::fs::metadata(&self.path) {
            Ok(metadata) => FileId::of(&metadata),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        if at_path.as_ref() == Some(open) {
            return Ok(());
        }
        let file = open_to_append(&self.path)?;
        let metadata = file.metadata()?;
        self.watched = FileId::of(&metadata);
        self.size = metadata.len();
        self.partial_line = false;
        self.file = file;
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut rest = bytes;
        while !rest.is_empty() {
            match self.file.write(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => {
                    let (written, after) = rest.split_at(count);
                    self.size = self
                        .size
                        .saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
                    self.partial_line = !written.ends_with(b"\n");
                    rest = after;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    pub(crate) fn sync(&self) -> io::Result<()> {
        match self.file.sync_all() {
            // Pipes and devices have nothing to sync.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(()),
            other => other,
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

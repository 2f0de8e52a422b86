//! Opens a log file under an advisory lock.

use std::fs::{File, Metadata, OpenOptions, TryLockError};
use std::io;
use std::path::Path;

use super::OpenError;

/// The lock that this process takes on its log file.
#[derive(Clone, Copy, Debug)]
pub(super) enum Lock {
    /// None: other processes may write to the file and rotate it.
    Unlocked,
    /// Other processes may write to the file, but not rotate it.
    Shared,
    /// Other processes may do neither.
    Exclusive,
}

/// Limits the retries while another process keeps rotating the file.
const ATTEMPTS: usize = 16;

/// Opens a file for appending, and creates it if it is missing.
pub(super) fn open_to_append(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).open(path)
}

/// Opens a file for appending and locks it.
///
/// Only Unix has advisory locks; a lock on Windows would keep other programs from reading the
/// file, so none is taken there.
pub(super) fn open_locked(path: &Path, lock: Lock) -> Result<File, OpenError> {
    let mut file = open_to_append(path)?;
    for _ in 0..ATTEMPTS {
        if !cfg!(unix) || !file.metadata()?.is_file() {
            return Ok(file);
        }
        let locked = match lock {
            Lock::Unlocked => return Ok(file),
            Lock::Shared => file.try_lock_shared(),
            Lock::Exclusive => file.try_lock(),
        };
        match locked {
            Err(TryLockError::WouldBlock) => return Err(OpenError::InUse),
            // Some file systems have no locks.
            Err(TryLockError::Error(_)) => return Ok(file),
            Ok(()) => {}
        }
        // Another process may have rotated the file between opening and locking it.
        let at_path = std::fs::metadata(path).ok();
        if at_path.as_ref().and_then(FileId::of) == FileId::of(&file.metadata()?) {
            return Ok(file);
        }
        file = open_to_append(path)?;
    }
    Err(OpenError::InUse)
}

/// Identifies a file independently of its path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FileId {
    device: u64,
    inode: u64,
}

impl FileId {
    #[cfg(unix)]
    #[expect(clippy::unnecessary_wraps, reason = "not every system has inodes")]
    pub(super) fn of(metadata: &Metadata) -> Option<Self> {
        use std::os::unix::fs::MetadataExt;
        Some(Self {
            device: metadata.dev(),
            inode: metadata.ino(),
        })
    }

    #[cfg(not(unix))]
    pub(super) fn of(_: &Metadata) -> Option<Self> {
        None
    }
}

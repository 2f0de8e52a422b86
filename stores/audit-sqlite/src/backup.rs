//! Copies the file.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use audit_core::StoreError;
use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};

use crate::error::at;
use crate::file;

/// Copies the database of a connection to a new file, which appears when it is complete.
pub(crate) fn to_file(from: &Connection, to: &Path, location: &str) -> Result<(), StoreError> {
    let shown = to.display().to_string();
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::StorageFull => StoreError::Full {
            location: shown.clone(),
        },
        _ => StoreError::Io {
            location: shown.clone(),
            source: Arc::new(error),
        },
    };
    if to.symlink_metadata().is_ok() {
        return Err(failed(io::ErrorKind::AlreadyExists.into()));
    }
    let part = beside(to, &format!("-part-{}", std::process::id()));
    file::create(&part, 0o600);
    let written = File::options()
        .write(true)
        .create(!cfg!(unix))
        .truncate(false)
        .open(&part)
        .map(drop)
        // An error of SQLite would name the temporary file.
        .map_err(failed)
        .and_then(|()| write(from, &part, location, &shown))
        // No connection has the copy open any more.
        .and_then(|()| {
            File::options()
                .write(true)
                .open(&part)
                .and_then(|file| file.sync_all())
                .map_err(failed)
        })
        .and_then(|()| publish(&part, to).map_err(failed));
    for ending in ["", "-wal", "-shm", "-journal"] {
        let rest = beside(&part, ending);
        if let Err(error) = fs::remove_file(&rest)
            && error.kind() != io::ErrorKind::NotFound
        {
            log::warn!("{} could not be removed: {error}", rest.display());
        }
    }
    written
}

fn write(from: &Connection, part: &Path, location: &str, shown: &str) -> Result<(), StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
    let mut copy = Connection::open_with_flags(part, flags).map_err(at(shown))?;
    {
        let backup = Backup::new(from, &mut copy).map_err(at(location))?;
        // In one step, so that the copy is of one moment.
        match backup.step(-1).map_err(at(shown))? {
            StepResult::Done => {}
            _ => {
                return Err(StoreError::Busy {
                    location: location.to_owned(),
                });
            }
        }
    }
    let finding: String = copy
        .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
        .map_err(at(shown))?;
    if finding != "ok" {
        return Err(StoreError::Corrupt {
            location: location.to_owned(),
            detail: finding,
        });
    }
    copy.close().map_err(|(_, error)| at(shown)(error))
}

/// Renames the file, unless the name is taken.
fn publish(part: &Path, to: &Path) -> io::Result<()> {
    match fs::hard_link(part, to) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(error),
        // Not every file system has hard links.
        Err(_) => fs::rename(part, to)?,
        Ok(()) => {}
    }
    #[cfg(unix)]
    if let Some(folder) = to.parent() {
        let folder = if folder.as_os_str().is_empty() {
            Path::new(".")
        } else {
            folder
        };
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

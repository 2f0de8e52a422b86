//! The destination of an export: standard output, or a file that appears when it is complete.

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::error::Error;
use crate::output::Output;

/// The destination of an export.
pub(super) enum Target<'o> {
    Output(&'o mut Output),
    File {
        file: Box<BufWriter<NamedTempFile>>,
        path: PathBuf,
        replace: bool,
    },
}

impl<'o> Target<'o> {
    /// Opens the file, under a temporary name until it is complete, or uses standard output.
    ///
    /// # Errors
    /// - Returns [`Error::Usage`] if the file exists, or belongs to the store.
    /// - Returns [`Error::File`] if the file cannot be created.
    pub(super) fn open(
        path: Option<&Path>,
        replace: bool,
        store: Option<&Path>,
        out: &'o mut Output,
    ) -> Result<Self, Error> {
        let Some(path) = path else {
            return Ok(Self::Output(out));
        };
        if store.is_some_and(|store| is_of_store(path, store)) {
            return Err(Error::Usage {
                message: format!("{} is a file of the store itself", path.display()),
                hint: "give another name; --force does not replace the store",
            });
        }
        if path.exists() && !replace {
            return Err(exists(path));
        }
        require_folder(path)?;
        let file = tempfile::Builder::new()
            .prefix(".auditlog-")
            .suffix(".part")
            .tempfile_in(folder(path))
            // The message of the system has the temporary name.
            .map_err(|error| failed(path, error.kind().into()))?;
        Ok(Self::File {
            file: Box::new(BufWriter::new(file)),
            path: path.to_owned(),
            replace,
        })
    }

    /// Writes bytes that are safe for a terminal.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        match self {
            Self::Output(out) => Ok(out.write_all(bytes)?),
            Self::File { file, path, .. } => {
                file.write_all(bytes).map_err(|source| failed(path, source))
            }
        }
    }

    /// Writes a line of JSON, unchanged unless on a terminal.
    pub(super) fn json_line(&mut self, json: &str) -> Result<(), Error> {
        match self {
            Self::Output(out) => out.json_line(json),
            Self::File { file, path, .. } => {
                writeln!(file, "{json}").map_err(|source| failed(path, source))
            }
        }
    }

    /// Makes the file durable and gives it its name.
    pub(super) fn finish(self) -> Result<(), Error> {
        let Self::File {
            file,
            path,
            replace,
        } = self
        else {
            return Ok(());
        };
        let file = file
            .into_inner()
            .map_err(|error| failed(&path, error.into_error()))?;
        file.as_file()
            .sync_all()
            .map_err(|source| failed(&path, source))?;
        let renamed = if replace {
            file.persist(&path)
        } else {
            file.persist_noclobber(&path)
        };
        renamed
            .map(|_file| ())
            .map_err(|error| match error.error.kind() {
                io::ErrorKind::AlreadyExists => exists(&path),
                _ => failed(&path, error.error),
            })
    }
}

/// The endings that SQLite appends to the name of a database for the files beside it.
const BESIDE: [&str; 4] = ["", "-wal", "-shm", "-journal"];

/// Returns whether a path is one of the store's files, or a name that SQLite uses for one.
fn is_of_store(path: &Path, store: &Path) -> bool {
    let path = resolved(path);
    let store = resolved(store);
    BESIDE.iter().any(|ending| {
        let mut own = store.clone().into_os_string();
        own.push(ending);
        let own = PathBuf::from(own);
        path == own || is_same_file(&path, &own)
    })
}

/// Follows all links of a path whose last part need not exist.
fn resolved(path: &Path) -> PathBuf {
    if let Ok(path) = path.canonicalize() {
        return path;
    }
    let folder = folder(path).canonicalize();
    match (folder, path.file_name()) {
        (Ok(folder), Some(name)) => folder.join(name),
        _ => path.to_owned(),
    }
}

/// Returns whether both are names of one file.
#[cfg(unix)]
fn is_same_file(one: &Path, other: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let file = |path: &Path| {
        let metadata = path.metadata().ok()?;
        Some((metadata.dev(), metadata.ino()))
    };
    matches!((file(one), file(other)), (Some(one), Some(other)) if one == other)
}

/// Returns `false`: on this system only the resolved paths are compared.
#[cfg(not(unix))]
fn is_same_file(_one: &Path, _other: &Path) -> bool {
    false
}

fn folder(path: &Path) -> &Path {
    path.parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

/// Checks that the folder of a new file exists.
///
/// # Errors
/// Returns [`Error::File`] with the name of the folder.
pub(in crate::command) fn require_folder(path: &Path) -> Result<(), Error> {
    let folder = folder(path);
    match folder.metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let message = format!("the folder {} does not exist", folder.display());
            Err(failed(path, io::Error::new(error.kind(), message)))
        }
        _ => Ok(()),
    }
}

fn failed(path: &Path, source: io::Error) -> Error {
    Error::File {
        path: path.to_owned(),
        source,
    }
}

fn exists(path: &Path) -> Error {
    Error::Usage {
        message: format!("{} exists already", path.display()),
        hint: "give another name, or --force to replace it",
    }
}

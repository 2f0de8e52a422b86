//! Where an export goes to: the standard output, or a file that appears when it is complete.

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::error::Error;
use crate::output::Output;

/// Where an export goes to.
pub(super) enum Target<'o> {
    Output(&'o mut Output),
    File {
        file: Box<BufWriter<NamedTempFile>>,
        path: PathBuf,
        replace: bool,
    },
}

impl<'o> Target<'o> {
    /// Opens the file, under another name until it is complete, or takes the standard output.
    ///
    /// # Errors
    /// Also if the file is one of the store's own, which must not be replaced by what it is
    /// read for.
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
        let file = tempfile::Builder::new()
            .prefix(".auditlog-")
            .suffix(".part")
            .tempfile_in(folder(path))
            .map_err(|error| failed(path, without_name(&error, folder(path))))?;
        Ok(Self::File {
            file: Box::new(BufWriter::new(file)),
            path: path.to_owned(),
            replace,
        })
    }

    /// Writes what is harmless for a terminal already.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        match self {
            Self::Output(out) => Ok(out.write_all(bytes)?),
            Self::File { file, path, .. } => {
                file.write_all(bytes).map_err(|source| failed(path, source))
            }
        }
    }

    /// Writes a line of JSON, byte for byte but on a terminal.
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

/// Returns whether a path leads to one of the store's files, or to where SQLite would look
/// for one.
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

/// Returns whether both are names of one file: elsewhere the resolved paths tell.
#[cfg(not(unix))]
fn is_same_file(_one: &Path, _other: &Path) -> bool {
    false
}

fn folder(path: &Path) -> &Path {
    path.parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

/// Leaves the name under which the file would have been written out of an error.
fn without_name(error: &io::Error, folder: &Path) -> io::Error {
    match error.kind() {
        kind @ io::ErrorKind::NotFound => {
            let message = format!("the folder {} does not exist", folder.display());
            io::Error::new(kind, message)
        }
        kind => kind.into(),
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

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
    pub(super) fn open(
        path: Option<&Path>,
        replace: bool,
        out: &'o mut Output,
    ) -> Result<Self, Error> {
        let Some(path) = path else {
            return Ok(Self::Output(out));
        };
        if path.exists() && !replace {
            return Err(exists(path));
        }
        let folder = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        let file = tempfile::Builder::new()
            .prefix(".auditlog-")
            .suffix(".part")
            .tempfile_in(folder.unwrap_or(Path::new(".")))
            .map_err(|source| failed(path, source))?;
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

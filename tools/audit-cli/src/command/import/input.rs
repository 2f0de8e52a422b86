//! The input of an import: a file, a pipe, or standard input. It is opened once, because a pipe has
//! its bytes only once.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek};
use std::path::Path;

use crate::error::Error;

/// An open input.
#[derive(Debug)]
pub(super) struct Input<'p> {
    path: &'p Path,
    source: Source,
}

#[derive(Debug)]
enum Source {
    Standard,
    /// A pipe, a socket or a device.
    Stream(File),
    File(File),
}

impl<'p> Input<'p> {
    /// Opens a file; `-` is standard input.
    pub(super) fn open(path: &'p Path) -> Result<Self, Error> {
        let source = if path == Path::new("-") {
            Ok(Source::Standard)
        } else {
            File::open(path).and_then(Source::of)
        };
        source
            .map(|source| Self { path, source })
            .map_err(|source| Error::Input {
                input: path.display().to_string(),
                source,
            })
    }

    /// Returns the name for messages.
    pub(super) fn name(&self) -> String {
        match self.source {
            Source::Standard => "standard input".to_owned(),
            _ => self.path.display().to_string(),
        }
    }

    /// Returns the kind for messages.
    pub(super) fn kind(&self) -> &'static str {
        match self.source {
            Source::Standard => "the standard input",
            Source::Stream(_) => "a pipe, a socket or a device",
            Source::File(_) => "a file",
        }
    }

    /// Returns the path if the file can be opened again by it, as SQLite does.
    pub(super) fn file(&self) -> Option<&'p Path> {
        matches!(self.source, Source::File(_)).then_some(self.path)
    }

    /// Returns whether a file begins with these bytes. A stream is not read, because it
    /// cannot be rewound.
    pub(super) fn begins_with(&mut self, bytes: &[u8]) -> Result<bool, Error> {
        let Source::File(file) = &mut self.source else {
            return Ok(false);
        };
        let mut first = Vec::new();
        let read = file
            .take(bytes.len() as u64)
            .read_to_end(&mut first)
            .and_then(|_| file.rewind());
        read.map_err(|source| self.error(source))?;
        Ok(first == bytes)
    }

    /// Makes the error of a failed read.
    fn error(&self, source: io::Error) -> Error {
        Error::Input {
            input: self.name(),
            source,
        }
    }

    /// Reads the input from its beginning.
    pub(super) fn into_reader(self) -> Box<dyn BufRead> {
        match self.source {
            Source::Standard => Box::new(io::stdin().lock()),
            Source::Stream(file) | Source::File(file) => Box::new(BufReader::new(file)),
        }
    }
}

impl Source {
    fn of(file: File) -> io::Result<Self> {
        let metadata = file.metadata()?;
        // Reading a folder fails with an error that names it.
        Ok(if metadata.is_file() || metadata.is_dir() {
            Self::File(file)
        } else {
            Self::Stream(file)
        })
    }
}

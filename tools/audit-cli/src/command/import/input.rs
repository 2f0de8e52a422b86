//! The input of an import: a file, a pipe, or standard input. It is opened once, because a pipe has
//! its bytes only once.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Seek};
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
    Stream(BufReader<File>),
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

    /// Returns whether the input begins with these bytes, which stay unread. Of a stream, only the bytes of its
    /// first read count.
    pub(super) fn begins_with(&mut self, bytes: &[u8]) -> Result<bool, Error> {
        let begins = match &mut self.source {
            Source::Standard => begins(&mut io::stdin().lock(), bytes),
            Source::Stream(stream) => begins(stream, bytes),
            Source::File(file) => {
                let begins = begins(&mut BufReader::new(&mut *file), bytes);
                begins.and_then(|begins| file.rewind().map(|()| begins))
            }
        };
        begins.map_err(|source| self.error(source))
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
            Source::Stream(stream) => Box::new(stream),
            Source::File(file) => Box::new(BufReader::new(file)),
        }
    }
}

fn begins(input: &mut impl BufRead, bytes: &[u8]) -> io::Result<bool> {
    Ok(input.fill_buf()?.starts_with(bytes))
}

impl Source {
    fn of(file: File) -> io::Result<Self> {
        let metadata = file.metadata()?;
        // Reading a folder fails with an error that names it.
        Ok(if metadata.is_file() || metadata.is_dir() {
            Self::File(file)
        } else {
            Self::Stream(BufReader::new(file))
        })
    }
}

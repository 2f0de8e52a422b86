//! The logger behind the macros of the `log` crate.

use std::fmt;
use std::io::{self, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};

use log::{Log, Metadata, Record};

use crate::error::LoggingError;
use crate::file::LogFile;
use crate::json;
use crate::severity::{Thresholds, level_of};
use crate::template::{Line, Template};
use crate::time::{Instant, TimeFormat};

/// One of the two standard streams.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error, the default as in Python.
    #[default]
    Stderr,
}

/// The form of a line.
#[derive(Debug)]
pub(crate) enum Layout {
    Text(Template),
    Json,
}

#[derive(Debug)]
pub(crate) enum Destination {
    Stream(Stream),
    File(LogFile),
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stream(Stream::Stdout) => f.write_str("standard output"),
            Self::Stream(Stream::Stderr) => f.write_str("standard error"),
            Self::File(file) => file.path().display().fmt(f),
        }
    }
}

/// Formats each record that passes the thresholds and writes it as one line, without a buffer.
#[derive(Debug)]
pub(crate) struct Logger {
    pub(crate) thresholds: Thresholds,
    pub(crate) layout: Layout,
    pub(crate) time_format: TimeFormat,
    pub(crate) utc: bool,
    pub(crate) destination: Mutex<Destination>,
}

impl Logger {
    pub(crate) fn destination(&self) -> MutexGuard<'_, Destination> {
        // A destination is consistent between any two writes, also after a panic.
        self.destination
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, record: &Record<'_>) -> io::Result<()> {
        let Some(level) = level_of(record) else {
            return Ok(());
        };
        let now = Instant::now(self.utc);
        let mut text = String::with_capacity(120);
        let line = Line {
            record,
            level,
            now,
            time_format: &self.time_format,
        };
        // Before the lock: formatting a value may log.
        match &self.layout {
            Layout::Text(template) => template.write(&mut text, &line),
            Layout::Json => json::write(&mut text, &line),
        }
        .map_err(|_| io::Error::other("a value of the record could not be formatted"))?;
        text.push('\n');
        match &mut *self.destination() {
            Destination::Stream(Stream::Stdout) => {
                let mut stdout = io::stdout().lock();
                stdout.write_all(text.as_bytes())?;
                stdout.flush()
            }
            Destination::Stream(Stream::Stderr) => io::stderr().lock().write_all(text.as_bytes()),
            Destination::File(file) => file.write_line(text.as_bytes(), now),
        }
    }

    /// Waits until a file's lines are on the disk.
    pub(crate) fn sync(&self) -> Result<(), LoggingError> {
        match &*self.destination() {
            Destination::Stream(Stream::Stdout) => io::stdout().flush(),
            Destination::Stream(Stream::Stderr) => io::stderr().flush(),
            Destination::File(file) => {
                return file.sync().map_err(|source| LoggingError::File {
                    path: file.path().to_owned(),
                    source,
                });
            }
        }
        .map_err(|source| LoggingError::Stream { source })
    }

    /// Reports a failure on standard error, as Python does: a logging call returns nothing.
    fn report(&self, failure: &str, error: &dyn fmt::Display) {
        let destination = self.destination().to_string();
        // A closed standard error cannot be reported.
        drop(writeln!(
            io::stderr(),
            "auditlog: failed to {failure} {destination}: {error}"
        ));
    }
}

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.thresholds.may_pass(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        if self.thresholds.pass(record)
            && let Err(error) = self.write(record)
        {
            self.report("write a log line to", &error);
        }
    }

    fn flush(&self) {
        if let Err(error) = self.sync() {
            self.report("flush", &error);
        }
    }
}

//! Where lines go.

use std::fmt;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use flexi_logger::DeferredNow;
use flexi_logger::writers::LogWriter;
use log::Record;

use crate::error::LoggingError;
use crate::file::LogFile;
use crate::json;
use crate::severity::level_of;
use crate::template::{Line, Template};
use crate::time::{Instant, TimeFormat};

/// One of the two standard streams.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error, as by default in Python.
    #[default]
    Stderr,
}

/// How a line looks.
#[derive(Debug)]
pub(crate) enum Layout {
    Text(Template),
    Json,
}

#[derive(Debug)]
pub(crate) enum Place {
    Stream(Stream),
    File(LogFile),
}

/// Makes lines of records and writes them, each at once and whole.
#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) layout: Layout,
    pub(crate) time_format: TimeFormat,
    pub(crate) utc: bool,
    pub(crate) place: Mutex<Place>,
}

impl Output {
    pub(crate) fn place(&self) -> MutexGuard<'_, Place> {
        // No line is half counted in here, so a panic of another thread leaves nothing amiss.
        self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes a record as a line. What goes wrong is told to standard error, as Python does:
    /// a logging call has no other way to say it.
    pub(crate) fn log(&self, record: &Record<'_>) {
        if let Err(error) = self.write(record) {
            let place = match &*self.place() {
                Place::Stream(Stream::Stdout) => "standard output".to_owned(),
                Place::Stream(Stream::Stderr) => "standard error".to_owned(),
                Place::File(file) => file.path().display().to_string(),
            };
            // If standard error is gone as well, there is nobody left to tell.
            drop(writeln!(
                io::stderr(),
                "auditlog: failed to write a log line to {place}: {error}"
            ));
        }
    }

    fn write(&self, record: &Record<'_>) -> io::Result<()> {
        let Some(level) = level_of(record) else {
            return Ok(());
        };
        let now = Instant::now(self.utc);
        let mut line = String::with_capacity(120);
        // Before the lock: a value may log something itself when it is formatted.
        self.format(
            &mut line,
            &Line {
                record,
                level,
                now,
                time_format: &self.time_format,
            },
        )
        .map_err(|_| io::Error::other("a value of the record could not be formatted"))?;
        line.push('\n');
        match &mut *self.place() {
            Place::Stream(Stream::Stdout) => {
                let mut stdout = io::stdout().lock();
                stdout.write_all(line.as_bytes())?;
                stdout.flush()
            }
            Place::Stream(Stream::Stderr) => io::stderr().lock().write_all(line.as_bytes()),
            Place::File(file) => file.write_line(line.as_bytes(), now),
        }
    }

    fn format(&self, line: &mut String, of: &Line<'_, '_>) -> fmt::Result {
        match &self.layout {
            Layout::Text(template) => template.write(line, of),
            Layout::Json => json::write(line, of),
        }
    }

    pub(crate) fn flush(&self) -> Result<(), LoggingError> {
        match &*self.place() {
            Place::Stream(Stream::Stdout) => io::stdout().flush(),
            Place::Stream(Stream::Stderr) => io::stderr().flush(),
            Place::File(file) => {
                return file.sync().map_err(|source| LoggingError::File {
                    path: file.path().to_owned(),
                    source,
                });
            }
        }
        .map_err(|source| LoggingError::Stream { source })
    }
}

/// The output as the writer of a `flexi_logger`.
pub(crate) struct SharedOutput(pub(crate) Arc<Output>);

impl LogWriter for SharedOutput {
    fn write(&self, _now: &mut DeferredNow, record: &Record<'_>) -> io::Result<()> {
        // Not left to `flexi_logger`, which drops the errors of such a writer.
        self.0.log(record);
        Ok(())
    }

    fn flush(&self) -> io::Result<()> {
        self.0.flush().map_err(io::Error::other)
    }
}

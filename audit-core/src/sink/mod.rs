//! Sinks: where entries are mirrored to, beside the store.

mod filtered;
mod json_lines;
mod log_sink;

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::sync::Arc;

use crate::entry::LogEntry;
use crate::level::Level;

pub use filtered::Filtered;
pub use json_lines::JsonLinesSink;
pub use log_sink::LogSink;

/// Receives every recorded entry: a mirror of the trail, never the trail.
///
/// The log calls its sinks after the store has the entry, from the thread that recorded it,
/// and possibly from several threads at once. An error is reported and counted by the log;
/// it never makes the entry fail.
///
/// # Example: two sinks, each with its own level and filter
/// ```
/// use audit_core::{Level, LogEntry, LogSink, Sink, sink_fn};
///
/// let alarms = sink_fn(|entry: &LogEntry| {
///     println!("alarm: {entry}");
///     Ok(())
/// })
/// .min_level(Level::Critical);
/// let log = LogSink::new().filter(|entry| entry.model != "Heartbeat");
///
/// let entry = LogEntry::new("update", "User", "42", "bob");
/// alarms.emit(&entry)?;
/// log.emit(&entry)?;
/// # Ok::<(), audit_core::SinkError>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a sink for audit entries",
    note = "use `LogSink`, `JsonLinesSink` or `sink_fn(|entry| ..)`, or implement `Sink`"
)]
pub trait Sink: Send + Sync + fmt::Debug {
    /// Takes one entry.
    ///
    /// # Errors
    /// If the entry did not arrive where the sink passes it on to.
    fn emit(&self, entry: &LogEntry) -> Result<(), SinkError>;

    /// Passes on whatever the sink still holds.
    ///
    /// # Errors
    /// If something it held did not arrive.
    fn flush(&self) -> Result<(), SinkError> {
        Ok(())
    }

    /// Lets only entries of this level or higher through.
    fn min_level(self, level: Level) -> Filtered<Self>
    where
        Self: Sized,
    {
        Filtered::by_level(self, level)
    }

    /// Lets only entries through for which `keep` returns true.
    fn filter<F>(self, keep: F) -> Filtered<Self>
    where
        Self: Sized,
        F: Fn(&LogEntry) -> bool + Send + Sync + 'static,
    {
        Filtered::by_predicate(self, keep)
    }
}

impl<S: Sink + ?Sized> Sink for Arc<S> {
    fn emit(&self, entry: &LogEntry) -> Result<(), SinkError> {
        (**self).emit(entry)
    }

    fn flush(&self) -> Result<(), SinkError> {
        (**self).flush()
    }
}

impl<S: Sink + ?Sized> Sink for Box<S> {
    fn emit(&self, entry: &LogEntry) -> Result<(), SinkError> {
        (**self).emit(entry)
    }

    fn flush(&self) -> Result<(), SinkError> {
        (**self).flush()
    }
}

/// Makes a sink of a closure.
///
/// # Example: count entries
/// ```
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicUsize, Ordering};
///
/// use audit_core::{LogEntry, Sink, sink_fn};
///
/// let count = Arc::new(AtomicUsize::new(0));
/// let sink = sink_fn({
///     let count = Arc::clone(&count);
///     move |_| {
///         count.fetch_add(1, Ordering::Relaxed);
///         Ok(())
///     }
/// });
/// sink.emit(&LogEntry::new("create", "User", "1", "ann"))?;
/// assert_eq!(count.load(Ordering::Relaxed), 1);
/// # Ok::<(), audit_core::SinkError>(())
/// ```
pub fn sink_fn<F>(emit: F) -> SinkFn<F>
where
    F: Fn(&LogEntry) -> Result<(), SinkError> + Send + Sync,
{
    SinkFn { emit }
}

/// A closure as a sink, made by [`sink_fn`].
#[derive(Clone)]
pub struct SinkFn<F> {
    emit: F,
}

impl<F> fmt::Debug for SinkFn<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SinkFn").finish_non_exhaustive()
    }
}

impl<F> Sink for SinkFn<F>
where
    F: Fn(&LogEntry) -> Result<(), SinkError> + Send + Sync,
{
    fn emit(&self, entry: &LogEntry) -> Result<(), SinkError> {
        (self.emit)(entry)
    }
}

/// Why an entry did not arrive at a sink.
#[derive(Debug)]
#[non_exhaustive]
pub enum SinkError {
    /// Writing failed.
    Io {
        /// The file or writer.
        location: String,
        /// What the system said.
        source: io::Error,
    },
    /// The sink failed in another way.
    Other {
        /// What it said.
        source: Box<dyn StdError + Send + Sync>,
    },
}

impl SinkError {
    /// Wraps a failure to write, with the name of the file or writer.
    pub fn io(location: impl Into<String>, source: io::Error) -> Self {
        Self::Io {
            location: location.into(),
            source,
        }
    }

    /// Wraps any other failure: an error or a text.
    pub fn other(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::Other {
            source: source.into(),
        }
    }
}

impl fmt::Display for SinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { location, source } => {
                write!(f, "writing to {location}: {source}")
            }
            Self::Other { source } => write!(f, "the sink failed: {source}"),
        }
    }
}

impl StdError for SinkError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            Self::Other { source } => Some(&**source),
        }
    }
}

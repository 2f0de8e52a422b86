//! Sinks: mirrors of the trail, beside the store.
//!
//! A log passes each entry to its sinks after the store has accepted it. [`LogSink`] makes a record of
//! the `log` crate of it, [`JsonLinesSink`] a line of JSON, and [`sink_fn`] calls a closure. A sink has
//! its own level and filter ([`Sink::min_level`], [`Sink::filter`]).

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

/// Receives every recorded entry: a mirror of the trail, not the trail itself.
///
/// The log calls its sinks after the store has accepted the entry, on the thread that recorded it, and
/// possibly from several threads at once. The log counts an error of a sink
/// ([`LogStats::sink_failures`](crate::LogStats::sink_failures)) and reports it; the entry stays
/// recorded.
///
/// # Example: two sinks, each with its own level and filter
/// ```
/// use auditlog::{AuditLog, Level, LogSink, Sink, sink_fn};
///
/// let alarms = sink_fn(|entry| {
///     println!("alarm: {entry}");
///     Ok(())
/// })
/// .min_level(Level::Critical);
/// let log = AuditLog::builder()
///     .sink(alarms)
///     .sink(LogSink::new().filter(|entry| entry.model != "Heartbeat"))
///     .build();
///
/// log.event("disk full").level(Level::Critical).record()?;
/// assert_eq!(log.stats().sink_failures, 0);
/// # Ok::<(), auditlog::Error>(())
/// ```
///
/// # Example: a sink that fails
/// ```
/// use auditlog::{AuditLog, SinkError, sink_fn};
///
/// let log = AuditLog::builder()
///     .sink(sink_fn(|_| Err(SinkError::other("no connection"))))
///     .build();
/// assert!(log.event("login").record()?.is_recorded());
/// assert_eq!(log.stats().sink_failures, 1);
/// # Ok::<(), auditlog::Error>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a sink for audit entries",
    note = "use `LogSink`, `JsonLinesSink` or `sink_fn(|entry| ..)`, or implement `Sink`"
)]
pub trait Sink: Send + Sync + fmt::Debug {
    /// Receives one entry.
    ///
    /// # Errors
    /// Returns [`SinkError`] if the entry did not reach the sink's target.
    fn emit(&self, entry: &LogEntry) -> Result<(), SinkError>;

    /// Passes on the entries that the sink still buffers. The default does nothing.
    ///
    /// # Errors
    /// Returns [`SinkError`] if a buffered entry did not reach the sink's target.
    fn flush(&self) -> Result<(), SinkError> {
        Ok(())
    }

    /// Passes only entries of this level or a higher one.
    fn min_level(self, level: Level) -> Filtered<Self>
    where
        Self: Sized,
    {
        Filtered::by_level(self, level)
    }

    /// Passes only entries for which `keep` returns `true`.
    ///
    /// # Example: one model
    /// ```
    /// use std::sync::{Arc, Mutex};
    /// use auditlog::{LogEntry, Sink, sink_fn};
    ///
    /// let seen = Arc::new(Mutex::new(Vec::new()));
    /// let keys = Arc::clone(&seen);
    /// let sink = sink_fn(move |entry: &LogEntry| {
    ///     keys.lock().unwrap().push(entry.object_pk.clone());
    ///     Ok(())
    /// })
    /// .filter(|entry| entry.model == "User");
    ///
    /// sink.emit(&LogEntry::new("create", "User", "1", "ann"))?;
    /// sink.emit(&LogEntry::new("create", "Item", "2", "bolt"))?;
    /// assert_eq!(*seen.lock().unwrap(), ["1"]);
    /// # Ok::<(), auditlog::SinkError>(())
    /// ```
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

/// Creates a sink from a closure.
///
/// # Example: count entries
/// ```
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicUsize, Ordering};
///
/// use auditlog::{LogEntry, Sink, sink_fn};
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
/// # Ok::<(), auditlog::SinkError>(())
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

/// The reason why an entry did not reach the target of a sink.
#[derive(Debug)]
#[non_exhaustive]
pub enum SinkError {
    /// Writing failed.
    Io {
        /// The file or writer.
        location: String,
        /// The error of the system.
        source: io::Error,
    },
    /// The sink failed in another way.
    Other {
        /// The error of the sink.
        source: Box<dyn StdError + Send + Sync>,
    },
}

impl SinkError {
    /// Creates the error of a failed write, with the name of the file or writer.
    pub fn io(location: impl Into<String>, source: io::Error) -> Self {
        Self::Io {
            location: location.into(),
            source,
        }
    }

    /// Creates any other error, from an error or a text.
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

//! Sinks: who else hears of an entry.

use std::fmt;

use crate::entry::LogEntry;

/// Hears of every entry that the store has kept.
pub trait Sink: Send + Sync + fmt::Debug {
    /// Passes an entry on.
    fn emit(&self, entry: &LogEntry) -> Result<(), SinkError>;

    /// Returns when everything emitted is passed on.
    fn flush(&self) -> Result<(), SinkError> {
        Ok(())
    }
}

/// x
#[derive(Debug)]
pub struct SinkError;
impl fmt::Display for SinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sink")
    }
}

/// x
#[macro_export]
macro_rules! critical {
    (target: $t:expr, $($arg:tt)*) => { log::error!(target: $t, $($arg)*) };
}

//! The settings and the output of a command.

use chrono::{DateTime, Utc};

use crate::error::Error;
use crate::global::Global;
use crate::output::Output;
use crate::trail::Trail;

/// The settings and output of a command.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) global: Global,
    pub(crate) out: Output,
    /// The start of the command, from which relative times count.
    pub(crate) now: DateTime<Utc>,
}

impl Session {
    /// Opens the trail with its archive to read it.
    pub(crate) fn read(&self, command: &str, query: &str) -> Result<Trail, Error> {
        Trail::read(&self.global, command, query)
    }

    /// Opens the store alone to read it.
    pub(crate) fn read_store(&self, command: &str, query: &str) -> Result<Trail, Error> {
        Trail::read_store(&self.global, command, query)
    }

    /// Parses the time in an argument.
    pub(crate) fn time(&self, argument: &'static str, text: &str) -> Result<DateTime<Utc>, Error> {
        audit_core::parse_time(text, &self.global.tz.at(self.now))
            .map_err(|error| Error::time(argument, &error))
    }
}

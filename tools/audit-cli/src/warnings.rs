//! Prints the warnings that libraries log.

use std::io::Write;

use log::{LevelFilter, Log, Metadata, Record};

use crate::text;

struct Warnings;

impl Log for Warnings {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= log::Level::Warn
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            let message = record.args().to_string();
            // There is no other output.
            let _lost = writeln!(std::io::stderr(), "warning: {}", text::safe(&message));
        }
    }

    fn flush(&self) {}
}

/// Prints warnings on standard error from here on.
pub(crate) fn print() {
    if log::set_logger(&Warnings).is_ok() {
        log::set_max_level(LevelFilter::Warn);
    }
}

//! The logger that `log` knows.

use std::sync::Arc;

use log::{Log, Metadata, Record};

use crate::output::Output;
use crate::severity::Thresholds;

/// Lets those records through to the logger underneath that pass the thresholds. The logger
/// underneath knows `log`'s levels only, so it cannot tell critical records from errors.
pub(crate) struct Gate {
    pub(crate) thresholds: Thresholds,
    pub(crate) logger: Box<dyn Log>,
    pub(crate) output: Arc<Output>,
}

impl Log for Gate {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.thresholds.may_pass(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        if !self.thresholds.pass(record) {
            return;
        }
        if record.target().starts_with('{') {
            // To `flexi_logger` such a target is a list of writers, and a target of `{` alone
            // makes it panic. Here it is a name like others.
            self.output.log(record);
        } else {
            self.logger.log(record);
        }
    }

    fn flush(&self) {
        self.logger.flush();
    }
}

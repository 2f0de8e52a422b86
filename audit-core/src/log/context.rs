//! What a context takes from the current log.

use super::AuditLog;
use crate::context::Context;
use crate::value::AuditValue;

impl Context {
    /// Adds something to the `additional_data` of entries.
    pub fn extra(self, key: impl Into<String>, value: impl AuditValue) -> Self {
        // A context cannot return an error; the entry has its text then.
        let value = AuditLog::current()
            .snapshot(&value)
            .unwrap_or_else(|error| format!("(not recorded: {error})").into());
        self.with_extra(key.into(), value)
    }
}

//! Values that a context takes from the current log.

use super::AuditLog;
use crate::context::Context;
use crate::value::AuditValue;

impl Context {
    /// Adds a member to the [`additional_data`](crate::LogEntry::additional_data) of entries, in masked form
    /// if its type is [`Sensitive`](crate::Sensitive) or has masked fields.
    ///
    /// A value that cannot be recorded is replaced by a text with the reason, since a context cannot return
    /// an error.
    ///
    /// # Example: the tenant of a request
    /// ```
    /// let audit = auditlog::testing::capture();
    /// let _request = auditlog::context().extra("tenant", "acme").enter();
    /// auditlog::event("login").extra("attempt", 2).record()?;
    ///
    /// let entry = audit.last().expect("an entry");
    /// assert_eq!(entry.additional_data["tenant"], "acme");
    /// assert_eq!(entry.additional_data["attempt"], 2);
    /// # Ok::<(), auditlog::Error>(())
    /// ```
    pub fn extra(self, key: impl Into<String>, value: impl AuditValue) -> Self {
        // A context cannot return an error; the entry has its text then.
        let value = AuditLog::current()
            .snapshot(&value)
            .unwrap_or_else(|error| format!("(not recorded: {error})").into());
        self.with_extra(key.into(), value)
    }
}

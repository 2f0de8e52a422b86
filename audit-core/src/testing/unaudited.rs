//! The guard that detects unrecorded changes.

use crate::log::AuditLog;

/// Panics on drop if an object was dropped with unrecorded changes since it was made; see
/// [`Capture::no_unaudited_changes`](super::Capture::no_unaudited_changes).
#[derive(Debug)]
#[must_use = "the guard watches until it is dropped; bind it to a name"]
pub struct NoUnauditedChanges {
    log: AuditLog,
    before: u64,
}

impl NoUnauditedChanges {
    pub(super) fn watch(log: &AuditLog) -> Self {
        Self {
            log: log.clone(),
            before: log.stats().unrecorded,
        }
    }

    /// Asserts that there was none so far.
    ///
    /// # Panics
    /// Panics if there was one.
    #[track_caller]
    pub fn check(&self) {
        let count = self.log.stats().unrecorded - self.before;
        if count > 0 {
            let pipeline = &self.log.shared().pipeline;
            panic!(
                "tracked objects dropped with unrecorded changes ({count}):\n  {}",
                pipeline.last_unrecorded(count).join("\n  ")
            );
        }
    }
}

impl Drop for NoUnauditedChanges {
    fn drop(&mut self) {
        // A test that has failed already has its own message.
        if !std::thread::panicking() {
            self.check();
        }
    }
}

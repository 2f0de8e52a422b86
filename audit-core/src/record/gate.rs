//! The gate that every entry passes before it is written, however it is recorded.
//!
//! The checks run in this order: unchanged, minimum level, `before` hooks, required reason, required actor,
//! maximum size. Hooks run before the requirements, so that a hook may add a reason. Both entries of an
//! identity change are recorded, or neither.

use super::ready::Ready;
use crate::action::Outcome;
use crate::entry::{LogEntry, size};
use crate::error::{Error, Result};
use crate::log::{AuditLog, Flow};
use crate::pipeline::receipt::{Receipt, SkipReason};

/// The decision about a draft.
pub(super) enum Gated {
    /// Its entries are to be written.
    Passed(Box<Ready>),
    /// There is nothing to write.
    Stopped(Receipt),
}

impl Ready {
    /// Checks the entries against the log's lowest level, the `before` hooks, and what the log
    /// and the type require.
    pub(super) fn gated(mut self: Box<Self>, log: &AuditLog) -> Result<Gated> {
        if self.is_unchanged() {
            return Ok(Gated::Stopped(Receipt::Unchanged));
        }
        let shared = log.shared();
        // Both entries of an identity change are recorded, or neither.
        if self.each().all(|entry| entry.level < shared.min_level) {
            return Ok(Gated::Stopped(Receipt::Skipped(SkipReason::BelowLevel)));
        }
        for hook in &shared.before {
            for entry in self.each_mut() {
                if hook(entry) == Flow::Veto {
                    return Ok(Gated::Stopped(Receipt::Skipped(SkipReason::Vetoed)));
                }
            }
        }
        let no_reason = |entry: &LogEntry| {
            let reason = entry.reason.as_ref();
            reason.is_none_or(|reason| reason.trim().is_empty())
        };
        if self.required.reason && self.each().any(no_reason) {
            return Err(Error::ReasonRequired {
                model: self.model(),
                action: self.entry.action.clone(),
            });
        }
        if self.required.actor && self.each().any(|entry| entry.actor.is_none()) {
            return Err(Error::ActorRequired {
                model: self.model(),
                action: self.entry.action.clone(),
            });
        }
        for entry in self.each() {
            size::check(entry, shared.max_entry_bytes)?;
        }
        if self.counted {
            for entry in self.each_mut() {
                if entry.outcome != Outcome::Success {
                    // An entry of a failure does not change the object's state.
                    entry.snapshot = None;
                }
                shared.snapshot_schedule.count(entry);
            }
        }
        Ok(Gated::Passed(self))
    }
}

//! Receipts: the result of recording.

use uuid::Uuid;

/// The result of recording a draft.
///
/// # Example: three drafts
/// ```
/// use auditlog::{Flow, Receipt, SkipReason, prelude::*};
///
/// let log = AuditLog::builder()
///     .before(|entry| match entry.action.as_str() {
///         "probe" => Flow::Veto,
///         _ => Flow::Continue,
///     })
///     .build();
/// let receipt = log.event("login").record()?;
/// assert!(receipt.is_recorded());
/// assert_eq!(log.query().first()?.map(|entry| entry.id), receipt.id());
///
/// let receipt = log.event("probe").record()?;
/// assert_eq!(receipt, Receipt::Skipped(SkipReason::Vetoed));
/// assert_eq!(receipt.id(), None);
/// # Ok::<(), auditlog::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Receipt {
    /// The store has the entry with this id. Inside a transaction the entry is staged, and the store has it
    /// after the commit.
    Recorded(Uuid),
    /// Nothing changed, so there is no entry.
    Unchanged,
    /// There is no entry for another reason.
    Skipped(SkipReason),
    /// The store failed, and the entry waits for it
    /// ([`FailurePolicy::FailOpen`](crate::FailurePolicy::FailOpen)).
    Spooled(Uuid),
    /// The store did not confirm the entry, and the entry was written to the log output
    /// ([`FailurePolicy::FailOpen`](crate::FailurePolicy::FailOpen), and a [`Ticket`](crate::Ticket) that
    /// was dropped in a full queue). The store has the entry only if its answer was lost.
    Lost(Uuid),
}

impl Receipt {
    /// Returns the id of the entry, if the store has or is to have it.
    pub fn id(&self) -> Option<Uuid> {
        match self {
            Self::Recorded(id) | Self::Spooled(id) => Some(*id),
            _ => None,
        }
    }

    /// Returns whether the store has the entry.
    pub fn is_recorded(&self) -> bool {
        matches!(self, Self::Recorded(_))
    }
}

/// The reason why a draft has no entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SkipReason {
    /// The type is not registered; see [`UnregisteredPolicy`](crate::UnregisteredPolicy).
    NotRegistered,
    /// The context is disabled.
    Disabled,
    /// The model does not record this action, or not this object
    /// ([`RegisterOptions::when`](crate::RegisterOptions::when)).
    ActionExcluded,
    /// A [`before`](crate::AuditLogBuilder::before) hook vetoed the entry.
    Vetoed,
    /// The entry is below the [minimum level](crate::AuditLogBuilder::min_level) of the log.
    BelowLevel,
}

/// The receipts of what is recorded together: a [`Receipt`], or one for each of many drafts.
pub trait Receipts: Sized {
    /// Replaces each receipt of a recorded entry.
    #[doc(hidden)]
    fn map_recorded(self, receipt: &dyn Fn(Uuid) -> Receipt) -> Self;
}

impl Receipts for Receipt {
    fn map_recorded(self, receipt: &dyn Fn(Uuid) -> Receipt) -> Self {
        match self {
            Self::Recorded(id) => receipt(id),
            other => other,
        }
    }
}

impl Receipts for Vec<Receipt> {
    fn map_recorded(mut self, receipt: &dyn Fn(Uuid) -> Receipt) -> Self {
        for recorded in &mut self {
            *recorded = recorded.map_recorded(receipt);
        }
        self
    }
}

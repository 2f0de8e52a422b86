//! [`EntryMark`]: identifies an entry of the hot store.

use audit_core::{Follow, Position, Stored};
use uuid::Uuid;

use crate::error::Error;

/// Identifies an entry of the hot store by its id and its position. Damaged rows may share the nil id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EntryMark {
    id: Uuid,
    position: Position,
}

impl EntryMark {
    pub(crate) fn of(stored: &Stored) -> Self {
        Self {
            id: stored.id(),
            position: stored.position().clone(),
        }
    }

    /// Returns whether an entry is this one.
    pub(crate) fn is(&self, stored: &Stored) -> bool {
        self.id == stored.id() && self.position == *stored.position()
    }

    /// Returns the first entry after a position.
    pub(crate) fn first_after(
        store: &dyn Follow,
        position: &Position,
    ) -> Result<Option<Self>, Error> {
        let batch = store.committed_after(position, 1)?;
        Ok(batch.entries.first().map(Self::of))
    }
}

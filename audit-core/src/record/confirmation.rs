//! The outcome of writing entries, for the tracked objects and transactions that depend on it.
//!
//! A tracked object counts its changes as recorded when it drafts them. The draft may still fail later: in
//! the transaction that it is staged in, or on the writer thread. The object keeps a [`Confirmation`] of
//! each draft and counts the changes as unrecorded again once it says so.
//!
//! ```text
//! Open -> Written | NotWritten
//!      -> Staged(transaction) -> as the transaction
//!      -> Queued(slot)        -> as the slot of the submission
//! ```

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::pipeline::receipt::Receipt;
use crate::pipeline::slot::Slot;

/// The outcome of writing entries, once it is decided.
#[derive(Debug, Default)]
pub(super) struct Confirmation {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Open,
    Written,
    NotWritten,
    /// A transaction holds the entries, which are written with the others of it or not at all.
    Staged(Arc<Confirmation>),
    /// The writer thread has the entries, and leaves the result in the slot.
    Queued(Arc<Slot>),
}

impl Confirmation {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, state: State) {
        *self.lock() = state;
    }

    pub(super) fn set_written(&self) {
        self.set(State::Written);
    }

    pub(super) fn set_not_written(&self) {
        self.set(State::NotWritten);
    }

    pub(super) fn set_staged(&self, transaction: &Arc<Self>) {
        self.set(State::Staged(Arc::clone(transaction)));
    }

    pub(super) fn set_queued(&self, slot: &Arc<Slot>) {
        self.set(State::Queued(Arc::clone(slot)));
    }

    /// Returns whether the entries were written; `None` while it is not decided.
    pub(super) fn is_written(&self) -> Option<bool> {
        match &*self.lock() {
            State::Open => None,
            State::Written => Some(true),
            State::NotWritten => Some(false),
            State::Staged(transaction) => transaction.is_written(),
            State::Queued(slot) => slot.is_kept(),
        }
    }

    /// Returns whether the entries were part of a transaction that was rolled back.
    pub(super) fn is_rolled_back(&self) -> bool {
        match &*self.lock() {
            State::Staged(transaction) => transaction.is_written() == Some(false),
            _ => false,
        }
    }
}

/// Confirms the entry of a tracked object; the entry of another draft confirms nothing.
///
/// Dropped without a call, it confirms that the entry was not written.
#[derive(Debug, Default)]
pub(super) struct Confirmer {
    confirmation: Option<Arc<Confirmation>>,
}

impl Confirmer {
    pub(super) fn of(confirmation: &Arc<Confirmation>) -> Self {
        Self {
            confirmation: Some(Arc::clone(confirmation)),
        }
    }

    /// Returns whether a tracked object depends on it.
    pub(super) fn is_needed(&self) -> bool {
        self.confirmation.is_some()
    }

    pub(super) fn written(mut self) {
        if let Some(confirmation) = self.confirmation.take() {
            confirmation.set_written();
        }
    }

    pub(super) fn staged(mut self, transaction: &Arc<Confirmation>) {
        if let Some(confirmation) = self.confirmation.take() {
            confirmation.set_staged(transaction);
        }
    }

    pub(super) fn queued(mut self, slot: &Arc<Slot>) {
        if let Some(confirmation) = self.confirmation.take() {
            confirmation.set_queued(slot);
        }
    }

    /// Confirms that there is nothing to write; what was skipped stays unrecorded.
    pub(super) fn without_entry(self, receipt: Receipt) {
        if !matches!(receipt, Receipt::Skipped(_)) {
            self.written();
        }
    }
}

impl Drop for Confirmer {
    fn drop(&mut self) {
        if let Some(confirmation) = self.confirmation.take() {
            confirmation.set_not_written();
        }
    }
}

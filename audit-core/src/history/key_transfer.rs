//! Orders the entries of a key that passes from one object to another within a batch, as when two
//! objects swap their keys or rows are renumbered.
//!
//! An identity change is a deletion under the old key and a creation under the new one. If a batch
//! records the creation of the new object before the deletion of the former one, the history of
//! the key would end with a deleted object.

use chrono::TimeDelta;

use super::breaks::Earlier;
use super::rebuild::{Fold, holds_full_state, makes_version};
use crate::action::Action;
use crate::entry::LogEntry;
use crate::value::schema_lookup::Schema;

/// The maximum time between two drafts of one batch without a transaction.
const BATCH: TimeDelta = TimeDelta::seconds(10);

/// Moves the deletion of the former object before the creation of the next one, if the entries of
/// the key form an unbroken chain in that order.
pub(crate) fn order(fields: Schema, entries: &mut [LogEntry]) {
    if entries.iter().all(|entry| entry.counterpart.is_none()) {
        return;
    }
    let mut fold = Fold::of(fields);
    let mut start = 0;
    for index in 0..entries.len() {
        // The former object exists, and the second entry deletes it.
        if !fold.state.is_null()
            && is_transfer(&entries[index..])
            && fold
                .breaks(earlier(&entries[..index], start), &entries[index + 1])
                .is_empty()
        {
            entries.swap(index, index + 1);
        }
        let entry = &entries[index];
        if makes_version(entry) {
            fold.step(earlier(&entries[..index], start), entry);
        }
        if holds_full_state(entry) {
            start = index;
        }
    }
}

fn earlier(all: &[LogEntry], start: usize) -> Earlier<'_> {
    Earlier { all, start }
}

/// Returns whether the first two entries are a creation and a deletion of an identity change in
/// one batch.
fn is_transfer(entries: &[LogEntry]) -> bool {
    let [creation, deletion, ..] = entries else {
        return false;
    };
    let of = |entry: &LogEntry, action| {
        entry.counterpart.is_some() && entry.action == action && makes_version(entry)
    };
    of(creation, Action::Create)
        && of(deletion, Action::Delete)
        && creation.transaction_id == deletion.transaction_id
        && (creation.transaction_id.is_some() || deletion.timestamp - creation.timestamp <= BATCH)
}

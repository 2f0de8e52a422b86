//! Keys that are handed over within a batch: two objects swap their keys, or rows are renumbered.
//!
//! Each identity change is an end under the old key and a beginning under the new one. If the
//! batch gives a key to an object before it takes the key from its former holder, the history of
//! the key has the beginning first, and would end with an object that does not exist.

use chrono::TimeDelta;

use super::chain::Earlier;
use super::rebuild::{Fold, makes_version, stands_alone};
use crate::action::Action;
use crate::entry::LogEntry;
use crate::value::member::Level;

/// The longest time between two drafts of one batch that has no transaction.
const BATCH: TimeDelta = TimeDelta::seconds(10);

/// Puts the end of a former holder before the beginning of the next one, if that is the order in
/// which the entries of a key make a chain.
pub(crate) fn order(fields: Level, entries: &mut [LogEntry]) {
    if entries.iter().all(|entry| entry.counterpart.is_none()) {
        return;
    }
    let mut fold = Fold::of(fields);
    let mut start = 0;
    for index in 0..entries.len() {
        // The former holder is known, and the second entry is its end.
        if !fold.state.is_null()
            && is_handover(&entries[index..])
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
        if stands_alone(entry) {
            start = index;
        }
    }
}

fn earlier(all: &[LogEntry], start: usize) -> Earlier<'_> {
    Earlier { all, start }
}

/// Whether entries begin with the beginning of one object and the end of another, or of the same,
/// in one batch.
fn is_handover(entries: &[LogEntry]) -> bool {
    let [came, went, ..] = entries else {
        return false;
    };
    let of = |entry: &LogEntry, action| {
        entry.counterpart.is_some() && entry.action == action && makes_version(entry)
    };
    of(came, Action::Create)
        && of(went, Action::Delete)
        && came.transaction_id == went.transaction_id
        && (came.transaction_id.is_some() || went.timestamp - came.timestamp <= BATCH)
}

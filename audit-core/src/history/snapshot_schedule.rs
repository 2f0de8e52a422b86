//! Decides when the next periodic snapshot of an object is due (`SnapshotPolicy::Every`).

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{holds_full_state, makes_version};
use crate::entry::LogEntry;
use crate::store::Store;
use crate::store::query::Query;

/// The maximum number of objects with a cached count.
const MAX_OBJECTS: usize = 4_096;

/// Counts the entries of each object since the last one with its full state.
#[derive(Debug, Default)]
pub(crate) struct SnapshotSchedule {
    /// By a hash of the object. A collision only shifts the snapshots of the two objects.
    counts: Mutex<HashMap<u64, u32>>,
    hasher: RandomState,
}

impl SnapshotSchedule {
    /// Returns whether the next update of an object is due for a snapshot.
    pub(crate) fn is_due(&self, store: &dyn Store, entry: &LogEntry, every: u32) -> bool {
        let key = self.key(entry);
        let cached = self.lock().get(&key).copied();
        let before = cached.unwrap_or_else(|| {
            let count = since_last(store, entry, every);
            self.set(key, count);
            count
        });
        before.saturating_add(1) >= every
    }

    /// Counts an entry that is about to be recorded.
    pub(crate) fn count(&self, entry: &LogEntry) {
        let key = self.key(entry);
        if holds_full_state(entry) {
            self.set(key, 0);
        } else if makes_version(entry) {
            let count = self.lock().get(&key).copied();
            // A count that is not cached is read from the store on demand.
            if let Some(count) = count {
                self.set(key, count.saturating_add(1));
            }
        }
    }

    fn set(&self, key: u64, count: u32) {
        let mut counts = self.lock();
        if counts.len() >= MAX_OBJECTS && !counts.contains_key(&key) {
            // Evicted counts are read from the store again.
            counts.clear();
        }
        counts.insert(key, count);
    }

    fn key(&self, entry: &LogEntry) -> u64 {
        self.hasher.hash_one((&entry.model, &entry.object_pk))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, u32>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the number of an object's entries after the last one with its full state. If the store
/// fails, returns a number for which a snapshot is due.
fn since_last(store: &dyn Store, entry: &LogEntry, every: u32) -> u32 {
    let query = Query::new()
        .model_name(&entry.model)
        .object_pk(&entry.object_pk)
        .newest_first()
        .limit(usize::try_from(every).unwrap_or(usize::MAX));
    let Ok(page) = store.find(&query) else {
        return every;
    };
    let entries = &page.entries;
    let count = entries
        .iter()
        .position(holds_full_state)
        .unwrap_or(entries.len());
    u32::try_from(count).unwrap_or(u32::MAX)
}

//! When the next snapshot of an object is due.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{makes_version, stands_alone};
use crate::entry::LogEntry;
use crate::store::Store;
use crate::store::query::Query;

/// How many objects are remembered.
const OBJECTS: usize = 4_096;

/// Counts the entries of objects since the last that says all of one.
#[derive(Debug, Default)]
pub(crate) struct Cadence {
    /// By a hash of the object: two that share one only get their snapshots at other times.
    counts: Mutex<HashMap<u64, u32>>,
    hasher: RandomState,
}

impl Cadence {
    /// Returns whether the next update of an object is the one that holds a snapshot.
    pub(crate) fn is_due(&self, store: &dyn Store, entry: &LogEntry, every: u32) -> bool {
        let key = self.key(entry);
        let known = self.lock().get(&key).copied();
        let before = known.unwrap_or_else(|| {
            let count = since_last(store, entry, every);
            self.set(key, count);
            count
        });
        before.saturating_add(1) >= every
    }

    /// Counts an entry that is about to be recorded.
    pub(crate) fn count(&self, entry: &LogEntry) {
        let key = self.key(entry);
        if stands_alone(entry) {
            self.set(key, 0);
        } else if makes_version(entry) {
            let count = self.lock().get(&key).copied();
            // What is not known is read from the store when it is asked for.
            if let Some(count) = count {
                self.set(key, count.saturating_add(1));
            }
        }
    }

    fn set(&self, key: u64, count: u32) {
        let mut counts = self.lock();
        if counts.len() >= OBJECTS && !counts.contains_key(&key) {
            // What is forgotten is read from the store again.
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

/// How many entries of an object the store has after the last that says all of it; if it
/// cannot tell, so many that a snapshot is due.
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
        .position(stands_alone)
        .unwrap_or(entries.len());
    u32::try_from(count).unwrap_or(u32::MAX)
}

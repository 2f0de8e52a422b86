//! A store in memory, for tests and for programs that have not chosen one yet.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::query::Query;
use super::{Page, Store};
use crate::entry::{LogEntry, ObjectRef, to_micros};
use crate::error::StoreError;

/// Keeps the trail in memory: durable as long as the process lives.
///
/// It holds each entry in its canonical form and reads it back on every query, so what a
/// test sees is what a real store would return.
///
/// Cloning makes another handle of the same entries.
#[derive(Clone, Default)]
pub struct MemoryStore {
    kept: Arc<Mutex<Kept>>,
}

#[derive(Default)]
struct Kept {
    entries: BTreeMap<(DateTime<Utc>, Uuid), String>,
    times: HashMap<Uuid, DateTime<Utc>>,
}

impl Kept {
    fn find(&self, id: Uuid) -> Option<&String> {
        self.entries.get(&(*self.times.get(&id)?, id))
    }
}

impl MemoryStore {
    /// Makes an empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the number of entries.
    pub fn len(&self) -> usize {
        self.lock().entries.len()
    }

    /// Returns whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.lock().entries.is_empty()
    }

    /// Asks this store.
    pub fn query(&self) -> Query {
        Query::of(Arc::new(self.clone()))
    }

    pub(crate) fn clear(&self) {
        *self.lock() = Kept::default();
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        // Nothing between the first insert of a batch and the last can panic.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore")
            .field("len", &self.len())
            .finish()
    }
}

impl Store for MemoryStore {
    fn append(&self, entries: &[LogEntry]) -> Result<(), StoreError> {
        let texts: Vec<String> = entries
            .iter()
            .map(LogEntry::to_canonical_json)
            .collect::<Result<_, _>>()?;
        let mut kept = self.lock();
        let mut batch: HashMap<Uuid, &String> = HashMap::new();
        for (entry, text) in entries.iter().zip(&texts) {
            let twin = if entries.len() > 1 {
                batch.insert(entry.id, text)
            } else {
                None
            };
            if twin
                .or(kept.find(entry.id))
                .is_some_and(|known| known != text)
            {
                return Err(StoreError::Conflict { id: entry.id });
            }
        }
        for (entry, text) in entries.iter().zip(texts) {
            let time = to_micros(entry.timestamp);
            kept.entries.insert((time, entry.id), text);
            kept.times.insert(entry.id, time);
        }
        Ok(())
    }

    fn find(&self, query: &Query) -> Result<Page, StoreError> {
        let kept = self.lock();
        let cursor = query
            .cursor()
            .map(|cursor| (cursor.timestamp(), cursor.id()));
        let (after, before) = match (cursor, query.is_newest_first()) {
            (Some(cursor), false) => (Bound::Excluded(cursor), Bound::Unbounded),
            (Some(cursor), true) => (Bound::Unbounded, Bound::Excluded(cursor)),
            (None, _) => (Bound::Unbounded, Bound::Unbounded),
        };
        let texts = kept.entries.range((after, before)).map(|(_, text)| text);
        if query.is_newest_first() {
            Page::collect(query, texts.rev().map(|text| read(text)))
        } else {
            Page::collect(query, texts.map(|text| read(text)))
        }
    }

    fn objects(
        &self,
        query: &Query,
        after: Option<&ObjectRef>,
    ) -> Result<Vec<LogEntry>, StoreError> {
        query.check()?;
        let kept = self.lock();
        let mut entries = Vec::new();
        for text in kept.entries.values() {
            let entry = read(text)?;
            let later = after.is_none_or(|after| {
                (&entry.model, &entry.object_pk) > (&after.model, &after.object_pk)
            });
            if later && !entry.object_pk.is_empty() && query.matches(&entry) {
                entries.push(entry);
            }
        }
        // Stable: by time within an object. All are in memory anyway.
        entries.sort_by(|a, b| (&a.model, &a.object_pk).cmp(&(&b.model, &b.object_pk)));
        Ok(entries)
    }

    fn purge(&self, query: &Query) -> Result<u64, StoreError> {
        query.check()?;
        let mut kept = self.lock();
        let mut gone = Vec::new();
        for (key, text) in &kept.entries {
            if query.matches(&read(text)?) {
                gone.push(*key);
            }
        }
        for key in &gone {
            kept.entries.remove(key);
            kept.times.remove(&key.1);
        }
        Ok(gone.len() as u64)
    }
}

fn read(text: &str) -> Result<LogEntry, StoreError> {
    LogEntry::from_json(text).map_err(|error| StoreError::Corrupt {
        location: "the memory store".to_owned(),
        detail: error.to_string(),
    })
}

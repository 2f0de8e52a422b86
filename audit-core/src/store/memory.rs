//! A store in memory, for tests and for programs that have not chosen one yet.

use std::collections::{BTreeMap, BTreeSet, HashMap, btree_map};
use std::fmt;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use hmac_sha256::Hash;
use uuid::Uuid;

use super::follow::{Batch, Follow, Position, SequencePosition, Stored};
use super::health::{Engine, Health, Location};
use super::projection::{id_range, id_suffix};
use super::query::Query;
use super::trail::TrailStore;
use super::{Page, Store};
use crate::entry::{LogEntry, ObjectRef, to_micros};
use crate::error::StoreError;

/// Keeps the trail in memory, as long as the process runs.
///
/// It holds each entry in its canonical form and parses it on every query, so a test sees what a durable
/// store would return. A clone is another handle of the same entries.
///
/// A [`Position`] of another `MemoryStore` is an error, unless the entry that it names was purged and it
/// cannot be compared.
///
/// # Example: two handles
/// ```
/// use auditlog::{LogEntry, MemoryStore, Store};
///
/// let store = MemoryStore::new();
/// let handle = store.clone();
/// store.append(&[LogEntry::new("create", "User", "42", "bob")])?;
/// assert_eq!(handle.len(), 1);
/// # Ok::<(), auditlog::StoreError>(())
/// ```
#[derive(Clone, Default)]
pub struct MemoryStore {
    kept: Arc<Mutex<Kept>>,
}

/// The name of this kind of store in positions.
const KIND: &str = "memory";
/// The location in errors.
const LOCATION: &str = "the memory store";

#[derive(Default)]
struct Kept {
    entries: BTreeMap<(DateTime<Utc>, Uuid), String>,
    /// Ordered: the next id is mostly the highest, which takes fewer cache misses than a hash table.
    times: BTreeMap<Uuid, DateTime<Utc>>,
    /// The entries by their numbers in the order of appending.
    order: Vec<(u64, Uuid)>,
    /// The number of the last entry appended, removed ones included.
    last: u64,
}

impl Kept {
    fn find(&self, id: Uuid) -> Option<&String> {
        self.entries.get(&(*self.times.get(&id)?, id))
    }

    /// Inserts an entry, unless it is there with the same text.
    fn insert(&mut self, time: DateTime<Utc>, id: Uuid, text: String) -> Result<(), StoreError> {
        match self.times.entry(id) {
            btree_map::Entry::Vacant(vacant) => {
                vacant.insert(time);
                self.entries.insert((time, id), text);
                self.last += 1;
                self.order.push((self.last, id));
                Ok(())
            }
            btree_map::Entry::Occupied(known) => match self.entries.get(&(*known.get(), id)) {
                Some(known) if *known == text => Ok(()),
                _ => Err(StoreError::Conflict { id }),
            },
        }
    }

    /// Checks that each entry of a batch can be inserted, so that all of them are or none.
    fn check(&self, entries: &[LogEntry], texts: &[String]) -> Result<(), StoreError> {
        let mut batch: HashMap<Uuid, &String> = HashMap::new();
        for (entry, text) in entries.iter().zip(texts) {
            let known = batch.insert(entry.id, text).or(self.find(entry.id));
            if known.is_some_and(|known| known != text) {
                return Err(StoreError::Conflict { id: entry.id });
            }
        }
        Ok(())
    }

    fn remove(&mut self, gone: &[(DateTime<Utc>, Uuid)]) {
        for key in gone {
            self.entries.remove(key);
            self.times.remove(&key.1);
        }
        if !gone.is_empty() {
            let Self { times, order, .. } = self;
            order.retain(|(_, id)| times.contains_key(id));
        }
    }

    /// Returns the entries whose ids meet a condition, by id.
    fn by_id(
        &self,
        limit: usize,
        wanted: impl Fn(Uuid) -> bool,
    ) -> Result<Vec<LogEntry>, StoreError> {
        let keys = self.times.iter().filter(|(id, _)| wanted(**id));
        let texts = keys.filter_map(|(id, time)| self.entries.get(&(*time, *id)));
        texts.take(limit).map(|text| read(text)).collect()
    }
}

impl MemoryStore {
    /// Creates an empty store.
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
        let mut kept = self.lock();
        *kept = Kept {
            last: kept.last,
            ..Kept::default()
        };
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
        if entries.len() > 1 {
            kept.check(entries, &texts)?;
        }
        for (entry, text) in entries.iter().zip(texts) {
            kept.insert(to_micros(entry.timestamp), entry.id, text)?;
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

    fn description(&self) -> String {
        "a store in memory; its entries are lost when the process exits".to_owned()
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
            if query.is_cancelled() {
                return Err(StoreError::Cancelled);
            }
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
        kept.remove(&gone);
        Ok(gone.len() as u64)
    }

    fn as_trail(&self) -> Option<&dyn TrailStore> {
        Some(self)
    }
}

impl Follow for MemoryStore {
    fn position(&self) -> Result<Position, StoreError> {
        let kept = self.lock();
        let newest = kept.order.last();
        let id = newest.filter(|(number, _)| *number == kept.last);
        SequencePosition {
            number: kept.last,
            id: id.map(|(_, id)| *id),
        }
        .position(KIND)
    }

    /// A position is one of this store and its clones: it ends with the process.
    fn committed_after(&self, at: &Position, limit: usize) -> Result<Batch, StoreError> {
        let kept = self.lock();
        let sequence = SequencePosition::read(at, KIND, LOCATION)?;
        let after = kept
            .order
            .partition_point(|(number, _)| *number <= sequence.number);
        let found = kept.order[..after].last();
        let found = found.filter(|(number, _)| *number == sequence.number);
        sequence.check(kept.last, found.map(|(_, id)| *id), at, LOCATION)?;
        let mut batch = Batch::new(Vec::new(), at.clone());
        for (number, id) in kept.order[after..].iter().take(limit) {
            let position = SequencePosition {
                number: *number,
                id: Some(*id),
            };
            batch.next = position.position(KIND)?;
            let bytes = kept.find(*id).map(String::as_str).unwrap_or_default();
            batch
                .entries
                .push(Stored::new(*id, bytes, batch.next.clone()));
        }
        Ok(batch)
    }
}

impl TrailStore for MemoryStore {
    fn by_ids(&self, ids: &[Uuid]) -> Result<Vec<LogEntry>, StoreError> {
        let kept = self.lock();
        let texts = ids.iter().filter_map(|id| kept.find(*id));
        texts.map(|text| read(text)).collect()
    }

    fn with_id_prefix(&self, prefix: &str, limit: usize) -> Result<Vec<LogEntry>, StoreError> {
        match id_range(prefix) {
            Some([first, last]) => self.lock().by_id(limit, |id| (first..=last).contains(&id)),
            None => Ok(Vec::new()),
        }
    }

    fn with_id_suffix(&self, suffix: &str, limit: usize) -> Result<Vec<LogEntry>, StoreError> {
        match id_suffix(suffix) {
            Some(digits) => {
                let ends = |id: Uuid| id.simple().to_string().ends_with(&digits);
                self.lock().by_id(limit, ends)
            }
            None => Ok(Vec::new()),
        }
    }

    fn models(&self) -> Result<Vec<String>, StoreError> {
        let kept = self.lock();
        let models: Result<BTreeSet<String>, StoreError> = kept
            .entries
            .values()
            .map(|text| read(text).map(|entry| entry.model))
            .collect();
        Ok(models?.into_iter().collect())
    }

    fn schema_version(&self) -> Result<Option<u32>, StoreError> {
        Ok(None)
    }

    fn purge_exact(&self, entries: &[(Uuid, [u8; 32])]) -> Result<u64, StoreError> {
        let mut kept = self.lock();
        let entries: BTreeSet<_> = entries.iter().collect();
        let keys = entries.into_iter().filter_map(|(id, checksum)| {
            let is_exact = Hash::hash(kept.find(*id)?.as_bytes()) == *checksum;
            is_exact.then_some((*kept.times.get(id)?, *id))
        });
        let gone: Vec<_> = keys.collect();
        kept.remove(&gone);
        Ok(gone.len() as u64)
    }

    /// Reports the number of entries. There are no plans: a query reads all entries.
    fn health(&self, _: &[(&'static str, Query)]) -> Result<Health, StoreError> {
        let engine = Engine::new(KIND, "memory", env!("CARGO_PKG_VERSION"));
        let mut health = Health::new(Location::Memory, engine);
        health.entries = self.len() as u64;
        Ok(health)
    }
}

fn read(text: &str) -> Result<LogEntry, StoreError> {
    LogEntry::from_json(text).map_err(|error| StoreError::Corrupt {
        location: LOCATION.to_owned(),
        detail: error.to_string(),
    })
}

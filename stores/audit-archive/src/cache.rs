//! A cache with a limit of bytes.

use std::borrow::Borrow;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::hash::Hash;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Of this number of values that a full cache does not have, one is added.
const ADMITTED: u64 = 8;

/// The values that a full cache adds, in exchange for those whose last use is longest ago.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// All: what was read last is often read again.
    All,
    /// Few: a repeated scan of more than the limit finds most of the cached values again.
    Few,
}

/// Keeps values up to a limit of bytes.
pub(crate) struct Cache<K: ToOwned + ?Sized, V> {
    limit: AtomicU64,
    admission: Admission,
    cached: Mutex<Values<K, V>>,
}

struct Values<K: ToOwned + ?Sized, V> {
    by_key: HashMap<K::Owned, Cached<V>>,
    /// The keys by their last use.
    by_use: BTreeMap<u64, K::Owned>,
    uses: u64,
    bytes: u64,
    /// The count of values that the full cache did not have.
    missed: u64,
}

#[derive(Debug)]
struct Cached<V> {
    found: Arc<V>,
    bytes: u64,
    last_use: u64,
}

impl<K, V> Cache<K, V>
where
    K: ToOwned<Owned: Hash + Eq> + Hash + Eq + ?Sized,
{
    pub(crate) fn new(limit: u64, admission: Admission) -> Self {
        Self {
            limit: limit.into(),
            admission,
            cached: Mutex::new(Values {
                by_key: HashMap::new(),
                by_use: BTreeMap::new(),
                uses: 0,
                bytes: 0,
                missed: 0,
            }),
        }
    }

    /// Sets the limit, and drops values beyond it.
    pub(crate) fn set_limit(&self, limit: u64) {
        self.limit.store(limit, Ordering::Relaxed);
        self.lock().shrink(limit);
    }

    /// Drops the values whose keys do not meet a condition.
    pub(crate) fn retain(&self, wanted: impl Fn(&K) -> bool) {
        let mut cached = self.lock();
        let keys = cached.by_key.keys().map(Borrow::borrow);
        let unwanted: Vec<K::Owned> = keys
            .filter(|key| !wanted(key))
            .map(ToOwned::to_owned)
            .collect();
        for key in unwanted {
            cached.remove(key.borrow());
        }
    }

    /// Returns a value that is in the cache.
    pub(crate) fn find(&self, key: &K) -> Option<Arc<V>> {
        self.lock().find(key)
    }

    /// Returns a value. If it is not in the cache, `make` returns it and its size.
    pub(crate) fn get<E>(
        &self,
        key: &K,
        make: impl FnOnce() -> Result<(V, u64), E>,
    ) -> Result<Arc<V>, E> {
        if let Some(value) = self.find(key) {
            return Ok(value);
        }
        // Without the lock: threads that need the same value at once make it twice.
        let (value, bytes) = make()?;
        Ok(self.add(key, value, bytes))
    }

    /// Adds a value unless the cache is full.
    pub(crate) fn add(&self, key: &K, value: V, bytes: u64) -> Arc<V> {
        let value = Arc::new(value);
        let limit = self.limit.load(Ordering::Relaxed);
        if bytes > limit {
            return value;
        }
        let mut cached = self.lock();
        cached.remove(key);
        if cached.bytes.saturating_add(bytes) > limit && self.admission == Admission::Few {
            cached.missed += 1;
            if !cached.missed.is_multiple_of(ADMITTED) {
                return value;
            }
        }
        cached.shrink(limit - bytes);
        cached.insert(key, Arc::clone(&value), bytes);
        value
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Values<K, V>> {
        self.cached.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: ToOwned + ?Sized, V> fmt::Debug for Cache<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache").finish_non_exhaustive()
    }
}

impl<K, V> Values<K, V>
where
    K: ToOwned<Owned: Hash + Eq> + Hash + Eq + ?Sized,
{
    fn find(&mut self, key: &K) -> Option<Arc<V>> {
        let found = self.by_key.get_mut(key)?;
        self.uses += 1;
        let key = self.by_use.remove(&found.last_use)?;
        found.last_use = self.uses;
        self.by_use.insert(self.uses, key);
        Some(Arc::clone(&found.found))
    }

    fn insert(&mut self, key: &K, value: Arc<V>, bytes: u64) {
        self.uses += 1;
        self.bytes += bytes;
        self.by_use.insert(self.uses, key.to_owned());
        let last_use = self.uses;
        let cached = Cached {
            found: value,
            bytes,
            last_use,
        };
        self.by_key.insert(key.to_owned(), cached);
    }

    fn remove(&mut self, key: &K) {
        if let Some(removed) = self.by_key.remove(key) {
            self.by_use.remove(&removed.last_use);
            self.bytes -= removed.bytes;
        }
    }

    fn shrink(&mut self, limit: u64) {
        while self.bytes > limit
            && let Some((_, key)) = self.by_use.pop_first()
        {
            self.remove(key.borrow());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    fn get(cache: &Cache<str, i32>, key: &str, value: i32) -> i32 {
        let Ok(found) = cache.get(key, || Ok::<_, Infallible>((value, 4)));
        *found
    }

    #[test]
    fn the_values_that_were_used_longest_ago_are_dropped() {
        let cache = Cache::new(10, Admission::All);
        assert_eq!((get(&cache, "a", 1), get(&cache, "a", 2)), (1, 1));
        get(&cache, "b", 1);
        assert_eq!(get(&cache, "a", 2), 1);
        get(&cache, "c", 1);
        assert_eq!(get(&cache, "a", 2), 1, "used after b");
        assert_eq!(get(&cache, "b", 3), 3);
        let Ok(large) = cache.get("large", || Ok::<_, Infallible>((5, 11)));
        assert_eq!(*large, 5, "larger than the cache");
        assert_eq!(get(&cache, "b", 4), 3, "a large value drops no others");
        cache.retain(|key| key != "b");
        assert_eq!(get(&cache, "b", 4), 4);
        cache.set_limit(0);
        assert_eq!(get(&cache, "b", 5), 5);
    }

    #[test]
    fn repeated_scans_of_more_than_the_limit_find_values() {
        let cache = Cache::new(40, Admission::Few);
        let mut found = 0;
        for round in 0..10 {
            let keys = (0..20).map(|key| key.to_string());
            found += keys.filter(|key| get(&cache, key, round) < round).count();
        }
        assert!(found > 40, "{found} of 200, where 10 of 20 fit");
        let late = (0..20).any(|round| get(&cache, "late", round) < round);
        assert!(late, "a new value is added at last");
    }
}

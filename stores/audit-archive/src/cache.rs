//! A cache with a limit of bytes.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

/// Keeps values up to a limit of bytes, and discards the oldest.
#[derive(Debug)]
pub(crate) struct Cache<V> {
    limit: u64,
    cached: Mutex<Values<V>>,
}

#[derive(Debug)]
struct Values<V> {
    by_key: HashMap<String, (Arc<V>, u64)>,
    /// The keys in the order in which they were added.
    order: VecDeque<String>,
    bytes: u64,
}

impl<V> Cache<V> {
    pub(crate) fn new(limit: u64) -> Self {
        Self {
            limit,
            cached: Mutex::new(Values {
                by_key: HashMap::new(),
                order: VecDeque::new(),
                bytes: 0,
            }),
        }
    }

    /// Returns a value. If it is not in the cache, `make` returns it and its size.
    pub(crate) fn get<E>(
        &self,
        key: &str,
        make: impl FnOnce() -> Result<(V, u64), E>,
    ) -> Result<Arc<V>, E> {
        if let Some((value, _)) = self.lock().by_key.get(key) {
            return Ok(Arc::clone(value));
        }
        // Without the lock: threads that need the same value at once make it twice.
        let (value, bytes) = make()?;
        let value = Arc::new(value);
        let mut cached = self.lock();
        let added = (Arc::clone(&value), bytes);
        cached.bytes = cached.bytes.saturating_add(bytes);
        match cached.by_key.insert(key.to_owned(), added) {
            Some((_, replaced)) => cached.bytes -= replaced,
            None => cached.order.push_back(key.to_owned()),
        }
        while cached.bytes > self.limit
            && let Some(oldest) = cached.order.pop_front()
        {
            let removed = cached.by_key.remove(&oldest);
            cached.bytes -= removed.map_or(0, |(_, bytes)| bytes);
        }
        Ok(value)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Values<V>> {
        self.cached.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    #[test]
    fn the_oldest_values_are_discarded() {
        let cache = Cache::new(10);
        let get = |key: &str, value: i32| {
            let Ok(found) = cache.get(key, || Ok::<_, Infallible>((value, 4)));
            *found
        };
        assert_eq!((get("a", 1), get("a", 2)), (1, 1));
        get("b", 1);
        get("c", 1);
        assert_eq!(get("b", 2), 1);
        assert_eq!(get("a", 3), 3);
        let Ok(large) = cache.get("large", || Ok::<_, Infallible>((5, 11)));
        assert_eq!((*large, get("large", 6)), (5, 6), "larger than the cache");
    }
}

//! Rows that are no entries.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use audit_core::StoreError;

/// How many rows are named: a hostile writer can add any number.
const NAMED: usize = 1_000;

/// The rows that readers of a store passed over because they are no entries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Damaged<Key> {
    /// The damage of each of the first 1,000 rows, by the key of the row.
    pub rows: BTreeMap<Key, String>,
    /// Whether there were more.
    pub more: bool,
}

/// Whether the readers of a store pass over damaged rows, and which rows they passed over.
#[derive(Clone, Debug, Default)]
pub struct Tolerance<Key>(Option<Arc<Mutex<Damaged<Key>>>>);

impl<Key: Clone + Default + Ord> Tolerance<Key> {
    /// Makes readers pass over damaged rows, or return an error.
    pub fn new(passes_over: bool) -> Self {
        Self(passes_over.then(Arc::default))
    }

    /// Returns whether readers pass over damaged rows.
    pub fn passes_over(&self) -> bool {
        self.0.is_some()
    }

    /// Returns the rows that readers passed over.
    pub fn damaged(&self) -> Damaged<Key> {
        self.0.as_ref().map_or_else(Damaged::default, |damaged| {
            damaged
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone()
        })
    }

    /// Returns the value that was read of a row; `None` if the row is damaged and passed over.
    ///
    /// # Errors
    /// The error of the read, unless it is [`StoreError::Corrupt`] and passed over.
    pub fn read<T>(&self, key: Key, found: Result<T, StoreError>) -> Result<Option<T>, StoreError> {
        let (Some(damaged), Err(StoreError::Corrupt { detail, .. })) = (&self.0, &found) else {
            return found.map(Some);
        };
        let mut damaged = damaged.lock().unwrap_or_else(PoisonError::into_inner);
        if damaged.rows.contains_key(&key) || damaged.rows.len() < NAMED {
            damaged.rows.insert(key, detail.clone());
        } else {
            damaged.more = true;
        }
        Ok(None)
    }
}

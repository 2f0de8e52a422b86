//! Rows that are no entries.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::{Arc, Mutex, PoisonError};

use audit_core::{DamageReport, DamagedRow, StoreError};

/// How many rows are named: a hostile writer can add any number.
const NAMED: usize = 1_000;

/// Whether the readers of a store pass over damaged rows, and which rows they passed over.
#[derive(Clone, Debug, Default)]
pub struct Tolerance<Key>(Option<Arc<Mutex<Damaged<Key>>>>);

/// The damage of the rows that are named, by their keys.
#[derive(Debug)]
struct Damaged<Key> {
    rows: BTreeMap<Key, String>,
    /// Whether there were more.
    more: bool,
}

impl<Key: Display + Ord> Tolerance<Key> {
    /// Makes readers pass over damaged rows, or return an error.
    pub fn new(passes_over: bool) -> Self {
        let empty = || {
            Arc::new(Mutex::new(Damaged {
                rows: BTreeMap::new(),
                more: false,
            }))
        };
        Self(passes_over.then(empty))
    }

    /// Returns whether readers pass over damaged rows.
    pub fn passes_over(&self) -> bool {
        self.0.is_some()
    }

    /// Returns the rows that readers passed over, by their keys.
    pub fn damaged(&self) -> DamageReport {
        let Some(damaged) = &self.0 else {
            return DamageReport::default();
        };
        let damaged = damaged.lock().unwrap_or_else(PoisonError::into_inner);
        let rows = damaged
            .rows
            .iter()
            .map(|(key, detail)| DamagedRow::new(key.to_string(), detail));
        DamageReport::new(rows.collect(), damaged.more)
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

//! Rows that are no entries.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::{Arc, Mutex, PoisonError};

use audit_core::{DamageReport, DamagedRow, StoreError};

/// The number of rows that are named: a hostile writer can add any number.
const NAMED: usize = 1_000;

/// A record of damaged rows, and the setting that decides if readers skip them.
#[derive(Clone, Debug, Default)]
pub struct Tolerance<Key>(Option<Arc<Mutex<Damaged<Key>>>>);

/// The damage of the rows that are named, by their keys.
#[derive(Debug)]
struct Damaged<Key> {
    rows: BTreeMap<Key, String>,
    /// Whether there are more damaged rows than these.
    more: bool,
}

impl<Key: Display + Ord> Tolerance<Key> {
    /// Makes readers skip damaged rows, or return an error.
    pub fn new(skips: bool) -> Self {
        let empty = || {
            Arc::new(Mutex::new(Damaged {
                rows: BTreeMap::new(),
                more: false,
            }))
        };
        Self(skips.then(empty))
    }

    /// Returns whether readers skip damaged rows.
    pub fn skips_damaged(&self) -> bool {
        self.0.is_some()
    }

    /// Returns the rows that readers skipped, by their keys.
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

    /// Returns the value that was read of a row, or `None` if the row is damaged and skipped. `key` is
    /// called only then.
    ///
    /// # Errors
    /// Returns the error of the read, unless it is [`StoreError::Corrupt`] and the row is skipped, or the
    /// error of `key`.
    pub fn read<T>(
        &self,
        key: impl FnOnce() -> Result<Key, StoreError>,
        found: Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        let (Some(damaged), Err(StoreError::Corrupt { detail, .. })) = (&self.0, &found) else {
            return found.map(Some);
        };
        let key = key()?;
        let mut damaged = damaged.lock().unwrap_or_else(PoisonError::into_inner);
        if damaged.rows.contains_key(&key) || damaged.rows.len() < NAMED {
            damaged.rows.insert(key, detail.clone());
        } else {
            damaged.more = true;
        }
        Ok(None)
    }
}

//! Rows that are no entries.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use audit_core::StoreError;
use uuid::Uuid;

/// How many rows are named: a hostile writer can add any number.
const NAMED: usize = 1_000;

/// The rows that readers passed over because they are no entries; see
/// [`PostgresStore::damaged`](crate::PostgresStore::damaged).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Damaged {
    /// What is wrong with each of the first 1,000 rows, by their `id`.
    pub rows: BTreeMap<Uuid, String>,
    /// Whether there were more.
    pub more: bool,
}

/// Whether readers pass over a row that is no entry, and which they did.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tolerance(Option<Arc<Mutex<Damaged>>>);

impl Tolerance {
    pub(crate) fn new(passes_over: bool) -> Self {
        Self(passes_over.then(Arc::default))
    }

    /// Returns whether rows are passed over.
    pub(crate) fn passes_over(&self) -> bool {
        self.0.is_some()
    }

    pub(crate) fn damaged(&self) -> Damaged {
        self.0.as_ref().map_or_else(Damaged::default, |damaged| {
            damaged
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone()
        })
    }

    /// Returns what was read of a row; `None` if it is no entry and is passed over.
    pub(crate) fn read<T>(
        &self,
        id: Uuid,
        found: Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        let (Some(damaged), Err(StoreError::Corrupt { detail, .. })) = (&self.0, &found) else {
            return found.map(Some);
        };
        let mut damaged = damaged.lock().unwrap_or_else(PoisonError::into_inner);
        if damaged.rows.contains_key(&id) || damaged.rows.len() < NAMED {
            damaged.rows.insert(id, detail.clone());
        } else {
            damaged.more = true;
        }
        Ok(None)
    }
}

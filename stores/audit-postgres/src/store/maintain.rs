//! Imports, retention, partitions, indexes, and what the trail is checked for.

use audit_core::{LogEntry, Query, Store, StoreError};
use chrono::{DateTime, Utc};

use super::PostgresStore;
use crate::background::{self, GivenUp};
use crate::check::{self, Check};
use crate::import::{self, Months};
use crate::indexes;
use crate::reconcile::{self, Reconcile, Reconciliation};
use crate::retention;
use crate::writer::rows;

/// How many entries a step of an import has.
const IMPORT: usize = 10_000;

impl PostgresStore {
    /// Keeps many entries, such as those of another store: by `COPY`, in steps of 10,000, each
    /// of which is kept as a whole or not at all. Returns how many entries there were.
    ///
    /// What is stored already with the same content counts as kept, at the cost of
    /// [`append`](Store::append). Blocks the thread.
    ///
    /// A month of which there are 2,000 entries or more gets a partition, if the role owns the
    /// tables; the entries of others are kept in `audit_entry_rest`.
    ///
    /// # Errors
    /// As [`append`](Store::append); the steps before stay done, and to call it again with all
    /// of the entries goes on. The entries of the next step are taken from the iterator while the
    /// server keeps the last one, whose error comes after that.
    pub fn import(&self, entries: impl IntoIterator<Item = LogEntry>) -> Result<u64, StoreError> {
        if self.shared.read_only {
            return Err(self.read_only());
        }
        let mut entries = entries.into_iter();
        let (mut imported, mut fresh) = (0, true);
        let mut months = Months::default();
        let mut under_way: Option<(Vec<LogEntry>, GivenUp<bool>)> = None;
        loop {
            // While the server takes the last step.
            let step: Vec<_> = entries.by_ref().take(IMPORT).collect();
            let made = if fresh { rows(&step) } else { Ok(Vec::new()) };
            if let Some((last, copied)) = under_way.take() {
                // Where one step has known entries, the next ones may well have, too.
                fresh = background::wait(copied)?;
                if !fresh {
                    self.append_known(&last)?;
                }
                imported += last.len() as u64;
            }
            let rows = made?;
            if step.is_empty() {
                return Ok(imported);
            }
            let due = months.count(&step);
            if self.shared.migrate && !due.is_empty() {
                months = background::wait(self.with(|connections, schema| async move {
                    months.make(&connections, &schema, &due).await;
                    Ok(months)
                }))?;
            }
            if fresh {
                let copied = self.begin(|connections, schema| async move {
                    import::copy(&connections, &schema, &rows).await
                })?;
                under_way = Some((step, copied));
            } else {
                self.append_known(&step)?;
                imported += step.len() as u64;
            }
        }
    }

    fn append_known(&self, entries: &[LogEntry]) -> Result<(), StoreError> {
        self.shared.known.expect();
        self.append(entries)
    }

    /// Removes entries as [`purge`](Store::purge) does, without blocking. Dropped, it stops; of
    /// the step it is at all is removed or nothing.
    ///
    /// # Errors
    /// As [`purge`](Store::purge).
    pub async fn purge_async(&self, query: &Query) -> Result<u64, StoreError> {
        if self.shared.read_only {
            return Err(self.read_only());
        }
        query.check()?;
        let query = query.clone();
        self.with(|connections, schema| async move {
            retention::purge(&connections, &schema, &query).await
        })
        .await
    }

    /// Makes the partitions of this month and of as many as
    /// [`months_ahead`](PostgresOptions::months_ahead) says, and returns how many were
    /// missing.
    ///
    /// A store whose role owns the tables does so when it connects and every six hours; for
    /// others call this from a job of the owner, or `SELECT audit_maintain()` with any client.
    /// While a month has no partition its entries are kept in `audit_entry_rest`.
    ///
    /// # Errors
    /// If the server cannot make them. A role that does not own the tables makes none.
    pub fn maintain(&self, months_ahead: u8) -> Result<u32, StoreError> {
        background::wait(self.with(move |connections, schema| async move {
            retention::maintain(&connections, &schema, months_ahead).await
        }))
    }

    /// Builds the indexes that a trail of an earlier version lacks, while others write and
    /// read, and returns how many were missing. Takes as long as the server needs for it, and
    /// goes on where it was when it was interrupted.
    ///
    /// A store whose role owns the tables does so in the background when it connects; the trail
    /// is complete without them, and some questions take longer. To wait for it, or to learn of
    /// an error, call this. While one process builds, others return 0.
    ///
    /// # Errors
    /// If the server cannot build them. A role that does not own the tables builds none.
    pub fn build_indexes(&self) -> Result<u32, StoreError> {
        background::wait(
            self.with(
                |connections, schema| async move { indexes::build(&connections, &schema).await },
            ),
        )
    }

    /// Checks for every entry that its bytes match their checksum and are a canonical form, and
    /// that all columns match the bytes. Reads all of the trail.
    ///
    /// The checksum finds damage, not tampering: a user who can change the bytes can change it.
    ///
    /// # Errors
    /// If the entries cannot be read. What is wrong with them is in the [`Check`].
    pub fn check(&self) -> Result<Check, StoreError> {
        self.block_on(async |store| store.with(check::check).await)
    }

    /// Finds what was written to tables with [`Triggers`](crate::Triggers) without an entry of
    /// the program.
    ///
    /// # Errors
    /// [`StoreError::Unsupported`] if no triggers were installed, and if the role may not read
    /// `audit_touched` or the entries.
    pub fn reconcile(&self, options: Reconcile) -> Result<Reconciliation, StoreError> {
        background::wait(self.with(move |connections, schema| async move {
            reconcile::reconcile(&connections, &schema, options).await
        }))
    }

    /// Removes what triggers noted in `audit_touched` before a time, and returns how many
    /// notes that were. Entries stay.
    ///
    /// # Errors
    /// As [`reconcile`](Self::reconcile), and if the role may not remove notes.
    pub fn forget_touched(&self, before: DateTime<Utc>) -> Result<u64, StoreError> {
        background::wait(self.with(move |connections, schema| async move {
            reconcile::forget(&connections, &schema, before).await
        }))
    }
}

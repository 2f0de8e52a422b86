//! A store that fails on demand.

use std::io;
use std::path::Path;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use audit_core::health::Health;
use audit_core::{
    Batch, DamageReport, Follow, LogEntry, ObjectRef, Page, Position, Query, Store, StoreError,
    TrailStore,
};
use uuid::Uuid;

/// A failure of an append of a [`FaultStore`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Fault {
    /// Nothing is kept.
    Before(StoreError),
    /// The entries are kept, yet the caller is told otherwise: as when the answer of a
    /// server is lost.
    After(StoreError),
}

/// Wraps a store, and fails the appends it was told to.
///
/// # Example: the second append fails, and nothing of it is kept
/// ```
/// use audit_core::{MemoryStore, Query, Store, StoreError};
/// use audit_testkit::{Fault, FaultStore, entries};
///
/// let store = FaultStore::new(MemoryStore::new());
/// store.fail_append(2, Fault::Before(StoreError::Full { location: "the disk".into() }));
///
/// assert!(store.append(&entries(1, 1)).is_ok());
/// assert!(matches!(store.append(&entries(1, 2)), Err(StoreError::Full { .. })));
/// assert!(store.append(&entries(1, 3)).is_ok());
/// assert_eq!(store.count(&Query::new())?, 2);
/// # Ok::<(), StoreError>(())
/// ```
#[derive(Debug)]
pub struct FaultStore<S> {
    inner: S,
    plan: Mutex<Plan>,
    released: Condvar,
}

#[derive(Debug, Default)]
struct Plan {
    appends: u64,
    once: Vec<(u64, Fault)>,
    always: Option<Fault>,
    reads: Option<StoreError>,
    held: bool,
}

impl<S: Store> FaultStore<S> {
    /// Wraps a store; nothing fails yet.
    pub fn new(inner: S) -> Self {
        Self {
            inner,
            plan: Mutex::default(),
            released: Condvar::new(),
        }
    }

    /// Makes the `nth` append from now on fail, counted from 1.
    pub fn fail_append(&self, nth: u64, fault: Fault) {
        let mut plan = self.plan();
        let at = plan.appends + nth;
        plan.once.push((at, fault));
    }

    /// Makes every append fail until [`heal`](Self::heal).
    pub fn fail_appends(&self, fault: Fault) {
        self.plan().always = Some(fault);
    }

    /// Makes every append wait until [`heal`](Self::heal), as in a store that is very slow.
    /// Those that wait are counted already.
    pub fn hold_appends(&self) {
        self.plan().held = true;
    }

    /// Makes everything that reads fail until [`heal`](Self::heal).
    pub fn fail_reads(&self, error: StoreError) {
        self.plan().reads = Some(error);
    }

    /// Makes nothing fail or wait any more.
    pub fn heal(&self) {
        let mut plan = self.plan();
        *plan = Plan {
            appends: plan.appends,
            ..Plan::default()
        };
        drop(plan);
        self.released.notify_all();
    }

    /// Returns how many appends there were, failed ones included.
    pub fn appends(&self) -> u64 {
        self.plan().appends
    }

    /// Returns the wrapped store.
    pub fn inner(&self) -> &S {
        &self.inner
    }

    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next_fault(&self) -> Option<Fault> {
        let mut plan = self.plan();
        plan.appends += 1;
        let now = plan.appends;
        while plan.held {
            plan = self
                .released
                .wait(plan)
                .unwrap_or_else(PoisonError::into_inner);
        }
        match plan.once.iter().position(|(at, _)| *at == now) {
            Some(planned) => Some(plan.once.swap_remove(planned).1),
            None => plan.always.clone(),
        }
    }

    fn check_read(&self) -> Result<(), StoreError> {
        self.plan().reads.clone().map_or(Ok(()), Err)
    }
}

impl<S: Store> Store for FaultStore<S> {
    fn append(&self, entries: &[LogEntry]) -> Result<(), StoreError> {
        match self.next_fault() {
            None => self.inner.append(entries),
            Some(Fault::Before(error)) => Err(error),
            Some(Fault::After(error)) => self.inner.append(entries).and(Err(error)),
        }
    }

    fn find(&self, query: &Query) -> Result<Page, StoreError> {
        self.check_read()?;
        self.inner.find(query)
    }

    fn count(&self, query: &Query) -> Result<u64, StoreError> {
        self.check_read()?;
        self.inner.count(query)
    }

    fn objects(
        &self,
        query: &Query,
        after: Option<&ObjectRef>,
    ) -> Result<Vec<LogEntry>, StoreError> {
        self.check_read()?;
        self.inner.objects(query, after)
    }

    fn export(
        &self,
        query: &Query,
        line: &mut dyn FnMut(&str) -> io::Result<()>,
    ) -> Result<u64, StoreError> {
        self.check_read()?;
        self.inner.export(query, line)
    }

    fn purge(&self, query: &Query) -> Result<u64, StoreError> {
        self.inner.purge(query)
    }

    fn flush(&self) -> Result<(), StoreError> {
        self.inner.flush()
    }
}

impl<S: Follow> Follow for FaultStore<S> {
    fn position(&self) -> Result<Position, StoreError> {
        self.check_read()?;
        self.inner.position()
    }

    fn committed_after(&self, at: &Position, limit: usize) -> Result<Batch, StoreError> {
        self.check_read()?;
        self.inner.committed_after(at, limit)
    }
}

impl<S: TrailStore> TrailStore for FaultStore<S> {
    fn by_ids(&self, ids: &[Uuid]) -> Result<Vec<LogEntry>, StoreError> {
        self.check_read()?;
        self.inner.by_ids(ids)
    }

    fn with_id_prefix(&self, prefix: &str, limit: usize) -> Result<Vec<LogEntry>, StoreError> {
        self.check_read()?;
        self.inner.with_id_prefix(prefix, limit)
    }

    fn with_id_suffix(&self, suffix: &str, limit: usize) -> Result<Vec<LogEntry>, StoreError> {
        self.check_read()?;
        self.inner.with_id_suffix(suffix, limit)
    }

    fn models(&self) -> Result<Vec<String>, StoreError> {
        self.check_read()?;
        self.inner.models()
    }

    fn schema_version(&self) -> Result<Option<u32>, StoreError> {
        self.check_read()?;
        self.inner.schema_version()
    }

    fn health(&self, queries: &[(&'static str, Query)]) -> Result<Health, StoreError> {
        self.check_read()?;
        self.inner.health(queries)
    }

    fn purge_exact(&self, entries: &[(Uuid, [u8; 32])]) -> Result<u64, StoreError> {
        self.inner.purge_exact(entries)
    }

    fn followed(&self) -> Option<&dyn TrailStore> {
        self.inner.followed()
    }

    fn damaged(&self) -> DamageReport {
        self.inner.damaged()
    }

    fn file(&self) -> Option<&Path> {
        self.inner.file()
    }

    fn backup(&self, to: &Path) -> Result<(), StoreError> {
        self.check_read()?;
        self.inner.backup(to)
    }
}

//! The audit log: a store, its registry, its sinks and its rules.

pub(crate) mod ask;
mod ask_async;
#[cfg(feature = "auto")]
pub(crate) mod auto;
pub(crate) mod builder;
mod context;
pub(crate) mod histories;
pub(crate) mod past;
mod registration;

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, LazyLock, Mutex, OnceLock, PoisonError};
use std::thread::{self, LocalKey};
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

use self::builder::AuditLogBuilder;
use crate::context::ambient::{Ambient, Entered, Stack};
use crate::critical::log_or_print;
use crate::entry::clock::Clock;
use crate::entry::{LogEntry, ObjectRef, Source};
use crate::error::{Error, Result, StoreError, ValueError};
use crate::history::snapshot_schedule::SnapshotSchedule;
use crate::level::Level;
use crate::pipeline::receipt::{Receipt, Receipts};
use crate::pipeline::ticket::Ticket;
use crate::pipeline::writer::Writer;
use crate::pipeline::{LogStats, Pipeline, Written};
use crate::registry::{Registry, UnregisteredPolicy};
use crate::store::Store;
use crate::store::query::Query;
use crate::value::AuditValue;
use crate::value::auditable::Auditable;
use crate::value::env::Env;
use crate::value::hash::HashKeys;
use crate::value::shared_fields::SharedFields;
use crate::value::snapshot::Snapshot;

/// An audit log: a store, the registered types, and the rules of recording.
///
/// A program usually [installs](AuditLogBuilder::install) one log and uses the free functions
/// ([`created`](crate::created), [`LogEntry::objects`], ..). They act on the *current* log: the one
/// that is entered on this thread ([`enter`](Self::enter)), else the installed one, else one in memory.
///
/// Logs are independent of each other, including their registries. A clone is another handle of the
/// same log. All methods may be called from many threads at once.
///
/// # Example: two independent logs
/// ```
/// use auditlog::prelude::*;
///
/// let log = AuditLog::builder().store(MemoryStore::new()).build();
/// let other = AuditLog::builder().store(MemoryStore::new()).build();
/// log.event("started").record()?;
/// assert_eq!(log.query().count()?, 1);
/// assert_eq!(other.query().count()?, 0);
/// # Ok::<(), auditlog::Error>(())
/// ```
#[derive(Clone)]
pub struct AuditLog {
    shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) pipeline: Arc<Pipeline>,
    pub(crate) registry: Registry,
    pub(crate) snapshot_schedule: SnapshotSchedule,
    pub(crate) keys: Arc<HashKeys>,
    pub(crate) min_level: Level,
    pub(crate) require_actor: bool,
    pub(crate) max_entry_bytes: usize,
    pub(crate) unregistered: UnregisteredPolicy,
    pub(crate) clock: Clock,
    pub(crate) ids: Box<dyn Fn(DateTime<Utc>) -> Uuid + Send + Sync>,
    pub(crate) before: Vec<BeforeHook>,
    pub(crate) source: Source,
    pub(crate) queue: usize,
    pub(crate) writer: OnceLock<Writer>,
    /// Held while the writer is started.
    pub(crate) starting: Mutex<()>,
    pub(crate) closed: AtomicBool,
    /// Whether a store was given; else entries are kept in memory.
    pub(crate) has_store: bool,
    pub(crate) warned_of_memory: AtomicBool,
    pub(crate) warned_of_keys: AtomicBool,
}

/// A hook that is called with an entry before it is written, and may change or veto it.
pub(crate) type BeforeHook = Box<dyn Fn(&mut LogEntry) -> Flow + Send + Sync>;

/// The decision of a [`before`](AuditLogBuilder::before) hook about an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Flow {
    /// Records the entry.
    Continue,
    /// Does not record the entry: the receipt is `Skipped(Vetoed)`.
    Veto,
}

/// The time that [`AuditLog::shutdown`] waits for a store that does not respond.
const SHUTDOWN_PATIENCE: Duration = Duration::from_secs(25);

static INSTALLED: OnceLock<AuditLog> = OnceLock::new();

/// The current log before any install.
static FALLBACK: LazyLock<AuditLog> = LazyLock::new(|| AuditLog::builder().build());

thread_local! {
    static LOGS: Stack<AuditLog> = const { Stack::new() };
}

impl Ambient for AuditLog {
    const NAME: &'static str = "log";

    fn stack() -> &'static LocalKey<Stack<Self>> {
        &LOGS
    }
}

impl AuditLog {
    /// Starts building a log.
    pub fn builder() -> AuditLogBuilder {
        AuditLogBuilder::new()
    }

    pub(crate) fn from_shared(shared: Shared) -> Self {
        HashKeys::set_current(|| Self::current().hash_keys());
        Self {
            shared: Arc::new(shared),
        }
    }

    /// Returns the current log: the one that is entered on this thread, else the installed one, else one in
    /// memory.
    pub fn current() -> Self {
        Self::entered().unwrap_or_else(|| INSTALLED.get().unwrap_or(&FALLBACK).clone())
    }

    /// Returns the log entered on this thread.
    pub(crate) fn entered() -> Option<Self> {
        Self::innermost()
    }

    /// Makes this log the global one. Types that were registered before, in the log in memory, are
    /// registered in this one too.
    ///
    /// One record of the `log` crate, of level INFO and target `auditlog`, names the store, its
    /// location and durability, and the [failure policy](AuditLogBuilder::on_error).
    ///
    /// The log warns if it was [built](AuditLogBuilder::build) without a store, since its entries are kept in
    /// memory; [`AuditLogBuilder::install`] makes a log that refuses to record instead.
    ///
    /// The global log is never dropped. A program that [submits](crate::Draft::submit) entries calls
    /// [`shutdown`](Self::shutdown) at its end, or keeps the guard of
    /// [`shutdown_on_drop`](Self::shutdown_on_drop) in `main`.
    ///
    /// # Errors
    /// - Returns [`Error::AlreadyInstalled`] if a global log is installed.
    /// - Returns [`Error::Store`] if the log in memory cannot be read.
    pub fn install(self) -> Result<Self> {
        let mut fresh = false;
        let installed = INSTALLED.get_or_init(|| {
            fresh = true;
            self.clone()
        });
        if !fresh {
            return Err(Error::AlreadyInstalled);
        }
        log::info!(
            target: "auditlog",
            "audit log installed with {}",
            installed.shared.pipeline.description(),
        );
        if !installed.shared.has_store {
            log_or_print(
                log::Level::Warn,
                "the installed audit log was built without a store, so entries are kept in memory only and lost when the program ends: give the builder a store, or `MemoryStore::new()` to keep them so",
            );
        }
        installed.shared.registry.adopt(&FALLBACK.shared.registry);
        if FALLBACK.query().first()?.is_some() {
            log_or_print(
                log::Level::Warn,
                "entries were recorded before the audit log was installed; they are in memory only",
            );
        }
        Ok(self)
    }

    /// Makes this log the current one on this thread until the guard is dropped.
    ///
    /// # Example: another log in a scope
    /// ```
    /// use auditlog::prelude::*;
    ///
    /// let tenant = AuditLog::builder().store(MemoryStore::new()).build();
    /// {
    ///     let _log = tenant.enter();
    ///     auditlog::event("login").record()?;
    /// }
    /// assert_eq!(tenant.query().count()?, 1);
    /// # Ok::<(), auditlog::Error>(())
    /// ```
    #[must_use = "the log is current until the guard is dropped; bind it to a name"]
    pub fn enter(&self) -> LogGuard {
        LogGuard {
            _entered: Ambient::enter(self.clone()),
        }
    }

    /// Returns whether both are handles of one log.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }

    pub(crate) fn hash_keys(&self) -> Arc<HashKeys> {
        Arc::clone(&self.shared.keys)
    }

    /// Returns what values are walked with: the keys of this log, and the rules of its models.
    pub(crate) fn env(&self) -> Env {
        Env::with_keys(self.hash_keys()).under(self.shared.registry.model_rules())
    }

    /// Takes a snapshot of a value under the rules of this log's models.
    pub(crate) fn snapshot<T: AuditValue + ?Sized>(&self, value: &T) -> Result<Value, ValueError> {
        let mut env = self.env();
        let value = value.snapshot(&mut Snapshot::at_depth(&mut env, 0));
        env.into_error().map_or(Ok(value), Err)
    }

    /// Returns the store, for operations that the log does not offer, such as
    /// [`Store::export`] and [`Store::purge`].
    ///
    /// # Example: entries as JSON lines
    /// ```
    /// use auditlog::{AuditLog, Query};
    ///
    /// let log = AuditLog::builder().build();
    /// log.event("started").record()?;
    /// let mut lines = Vec::new();
    /// log.store().export(&Query::new(), &mut |line| {
    ///     lines.push(line.to_owned());
    ///     Ok(())
    /// })?;
    /// assert!(lines[0].starts_with(r#"{"action":"started","#));
    /// # Ok::<(), auditlog::Error>(())
    /// ```
    pub fn store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.shared.pipeline.store)
    }

    /// Returns the application that the entries of this log come from, as set by
    /// [`source`](AuditLogBuilder::source).
    ///
    /// # Example: the service of a log
    /// ```
    /// use auditlog::AuditLog;
    ///
    /// let log = AuditLog::builder().source("billing").build();
    /// assert_eq!(log.source().service.as_deref(), Some("billing"));
    /// ```
    pub fn source(&self) -> &Source {
        &self.shared.source
    }

    /// Starts a query of this log's store; see [`Query`].
    pub fn query(&self) -> Query {
        Query::of(self.store()).with_keys(self.hash_keys())
    }

    /// Returns the counters of the log since it was built.
    ///
    /// # Example: for a metrics endpoint
    /// ```
    /// use auditlog::AuditLog;
    ///
    /// let log = AuditLog::builder().build();
    /// log.event("started").record()?;
    /// let stats = log.stats();
    /// assert_eq!((stats.recorded, stats.failed, stats.lost), (1, 0, 0));
    /// # Ok::<(), auditlog::Error>(())
    /// ```
    pub fn stats(&self) -> LogStats {
        self.shared.pipeline.stats()
    }

    /// Captures what clones of an object share with it; `None` for most types, which share nothing.
    pub(crate) fn before<T: Auditable>(
        &self,
        object: &T,
    ) -> Option<Result<SharedFields, ValueError>> {
        let shared = self.shared.registry.shared(T::MODEL)?;
        Some(self.naming::<T, _>(|| SharedFields::capture(object, &shared, self.env())))
    }

    /// Runs a function that names an object of a type: a token in its key is this log's.
    pub(crate) fn naming<T: Auditable, R>(&self, run: impl FnOnce() -> R) -> R {
        if T::HASHES_KEYS {
            self.hash_keys().entered(run)
        } else {
            run()
        }
    }

    /// Returns the object that entries of this log name, given its key in clear or as stored.
    pub(crate) fn object_ref<T: Auditable>(&self, pk: String) -> ObjectRef {
        ObjectRef::keyed::<T>(Some(&self.shared.keys), pk)
    }

    /// Writes entries and returns when the store has them.
    pub(crate) fn write(&self, entries: &[LogEntry]) -> Result<Written> {
        if entries.is_empty() {
            return Ok(Written::Stored);
        }
        self.open()?;
        self.shared.pipeline.write(entries)
    }

    /// Leaves entries to the writer thread, with the receipts if the store keeps them.
    pub(crate) fn enqueue<R: Receipts>(&self, entries: Vec<LogEntry>, receipts: R) -> Ticket<R> {
        if entries.is_empty() {
            return Ticket::ready(Ok(receipts));
        }
        match self.open().and_then(|()| self.writer()) {
            Ok(writer) => writer.submit(entries, receipts),
            Err(error) => Ticket::ready(Err(error)),
        }
    }

    fn writer(&self) -> Result<&Writer> {
        if let Some(writer) = self.shared.writer.get() {
            return Ok(writer);
        }
        // Only one of two concurrent callers starts it.
        let _starting = self
            .shared
            .starting
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(writer) = self.shared.writer.get() {
            return Ok(writer);
        }
        self.open()?;
        let writer = Writer::start(Arc::clone(&self.shared.pipeline), self.shared.queue)?;
        Ok(self.shared.writer.get_or_init(|| writer))
    }

    fn open(&self) -> Result<()> {
        if self.shared.closed.load(Ordering::Acquire) {
            return Err(Error::ShutDown);
        }
        if self.is(&FALLBACK) && !self.shared.warned_of_memory.swap(true, Ordering::Relaxed) {
            log_or_print(
                log::Level::Warn,
                "no audit log is installed, so entries are kept in memory only and lost when the program ends: build one with a store and call `install`",
            );
        }
        Ok(())
    }

    /// Waits until everything that was submitted before is written and durable.
    ///
    /// # Errors
    /// - Returns [`Error::Store`] if the store fails, or if entries still wait in the spool of
    ///   [`FailurePolicy::FailOpen`].
    ///
    /// [`FailurePolicy::FailOpen`]: crate::FailurePolicy::FailOpen
    pub fn flush(&self) -> Result<()> {
        if let Some(writer) = self.shared.writer.get()
            && !writer.is_current()
        {
            writer.submit(Vec::new(), Receipt::Unchanged).wait()?;
        }
        self.shared.pipeline.flush()
    }

    /// Accepts no more entries, and waits until the accepted ones are written and durable. Drafts that are
    /// recorded afterwards fail with [`Error::ShutDown`]; the trail can still be read.
    ///
    /// Waits as long as entries are being written, and up to 25 s for a store that does not respond;
    /// [`shutdown_within`](Self::shutdown_within) sets another limit.
    ///
    /// # Errors
    /// - Returns [`Error::ShutdownTimedOut`] if the store does not respond in time.
    /// - Returns the errors of [`flush`](Self::flush).
    ///
    /// # Example: no entry after the end
    /// ```
    /// use auditlog::{AuditLog, Error};
    ///
    /// let log = AuditLog::builder().build();
    /// let ticket = log.event("stopped").submit();
    /// log.shutdown()?;
    /// assert!(ticket.wait()?.is_recorded());
    /// assert!(matches!(log.event("late").record(), Err(Error::ShutDown)));
    /// assert_eq!(log.query().count()?, 1);
    /// # Ok::<(), auditlog::Error>(())
    /// ```
    pub fn shutdown(&self) -> Result<()> {
        self.shut_down(SHUTDOWN_PATIENCE, true)
    }

    /// Shuts the log down as [`shutdown`](Self::shutdown) does, but waits no longer than `limit`. The store
    /// continues the writes that it has begun while the process runs.
    ///
    /// # Errors
    /// - Returns [`Error::ShutdownTimedOut`] if entries are not confirmed within `limit`.
    /// - Returns the errors of [`flush`](Self::flush).
    ///
    /// # Example: the end of a program
    /// ```
    /// use std::time::Duration;
    /// use auditlog::AuditLog;
    ///
    /// let log = AuditLog::builder().build();
    /// let ticket = log.event("stopped").submit();
    /// log.shutdown_within(Duration::from_secs(10))?;
    /// assert!(ticket.wait()?.is_recorded());
    /// # Ok::<(), auditlog::Error>(())
    /// ```
    pub fn shutdown_within(&self, limit: Duration) -> Result<()> {
        self.shut_down(limit, false)
    }

    /// Waits for a thread that shuts the log down; with `patient`, as long as that gets on.
    fn shut_down(&self, limit: Duration, patient: bool) -> Result<()> {
        self.shared.closed.store(true, Ordering::Release);
        // The writer cannot wait for itself, as when a sink shuts the log down.
        if self.shared.writer.get().is_some_and(Writer::is_current) {
            return self.end();
        }
        let (done, result) = mpsc::sync_channel(1);
        let log = self.clone();
        let ending = thread::Builder::new()
            .name("auditlog-shutdown".to_owned())
            .spawn(move || {
                let ended = log.end();
                // Before the caller goes on: it may hold the last handle.
                drop(log);
                // If the caller has stopped waiting, it knows what it needs to.
                done.send(ended).ok();
            });
        if ending.is_err() {
            return self.end();
        }
        let written = || {
            let stats = self.stats();
            stats.recorded + stats.failed + stats.lost
        };
        loop {
            let before = written();
            match result.recv_timeout(limit) {
                Ok(ended) => return ended,
                Err(RecvTimeoutError::Timeout) if patient && written() != before => {}
                Err(RecvTimeoutError::Timeout) => {
                    return Err(Error::ShutdownTimedOut { waited: limit });
                }
                Err(RecvTimeoutError::Disconnected) => {
                    let error = StoreError::backend("the shutdown", "it panicked");
                    return Err(error.unconfirmed("the store").into());
                }
            }
        }
    }

    fn end(&self) -> Result<()> {
        // One that is being started is stopped too.
        drop(self.shared.starting.lock());
        if let Some(writer) = self.shared.writer.get() {
            writer.stop();
        }
        self.shared.pipeline.flush()
    }

    /// Returns a guard that shuts the log down when it is dropped, as at the end of `main`, so that submitted
    /// entries are written before the process exits. A failure is logged.
    #[must_use = "the log is shut down when the guard is dropped; bind it to a name"]
    pub fn shutdown_on_drop(&self) -> ShutdownGuard {
        ShutdownGuard { log: self.clone() }
    }

    pub(crate) fn now(&self) -> DateTime<Utc> {
        self.shared.clock.now()
    }

    pub(crate) fn fresh_id(&self) -> Uuid {
        (self.shared.ids)(self.now())
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if let Some(writer) = self.writer.get() {
            writer.stop();
        }
        self.pipeline.close();
    }
}

impl fmt::Debug for AuditLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuditLog")
            .field("store", &self.shared.pipeline.store)
            .field(
                "registered",
                &self
                    .registered()
                    .iter()
                    .map(|s| s.name())
                    .collect::<Vec<_>>(),
            )
            .finish_non_exhaustive()
    }
}

/// Shuts a log down when dropped.
#[derive(Debug)]
#[must_use = "the log is shut down when the guard is dropped; bind it to a name"]
pub struct ShutdownGuard {
    log: AuditLog,
}

impl Drop for ShutdownGuard {
    fn drop(&mut self) {
        if let Err(error) = self.log.shutdown() {
            crate::critical!(target: "auditlog", "the audit log could not be shut down: {error}");
        }
    }
}

/// Restores the previous log when dropped. It stays on its thread; [`ContextGuard`](crate::ContextGuard)
/// explains why it must not be held across `.await`.
#[must_use = "the log is current until the guard is dropped; bind it to a name"]
pub struct LogGuard {
    _entered: Entered<AuditLog>,
}

impl fmt::Debug for LogGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogGuard").finish_non_exhaustive()
    }
}

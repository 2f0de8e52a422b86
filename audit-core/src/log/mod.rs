//! The audit log: a store, its registry, its sinks and its rules.

pub(crate) mod ask;
mod ask_async;
#[cfg(feature = "auto")]
pub(crate) mod auto;
pub(crate) mod builder;
mod context;
pub(crate) mod past;

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
use crate::error::{Error, RegistrationError, Result, StoreError, ValueError};
use crate::history::snapshot_schedule::SnapshotSchedule;
use crate::level::Level;
use crate::pipeline::receipt::{Receipt, Receipts};
use crate::pipeline::ticket::Ticket;
use crate::pipeline::writer::Writer;
use crate::pipeline::{LogStats, Pipeline, Written};
use crate::registry::description::ModelDescription;
use crate::registry::options::RegisterOptions;
use crate::registry::{Registry, UnregisteredDraft, UnregisteredPolicy};
use crate::store::Store;
use crate::store::query::Query;
use crate::value::AuditValue;
use crate::value::auditable::Auditable;
use crate::value::env::Env;
use crate::value::hash::HashKeys;
use crate::value::model::ModelSchema;
use crate::value::schema::{FieldSchema, Sensitivity};
use crate::value::schema_walk::any_field;
use crate::value::shared_fields::SharedFields;
use crate::value::snapshot::Snapshot;

/// An audit log: where entries go, and which types are recorded.
///
/// A program usually [installs](AuditLogBuilder::install) one and uses the free functions
/// ([`created`](crate::created), [`LogEntry::objects`], ..), which act on the *current* log:
/// the one entered on this thread ([`enter`](Self::enter)), else the installed one, else one
/// in memory. Logs are independent of each other, registry included. Cloning makes another
/// handle of the same log.
///
/// # Example: a log of one's own
/// ```
/// use audit_core::{AuditLog, MemoryStore};
///
/// let log = AuditLog::builder().store(MemoryStore::new()).build();
/// log.event("started").record()?;
/// assert_eq!(log.query().count()?, 1);
/// # Ok::<(), audit_core::Error>(())
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

/// The decision of a hook about an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Flow {
    /// Go on.
    Continue,
    /// Do not record the entry: the receipt is `Skipped(Vetoed)`.
    Veto,
}

/// How long [`AuditLog::shutdown`] waits for a store that does not answer.
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

    /// Returns the current log: the one entered on this thread, else the installed one,
    /// else one in memory.
    pub fn current() -> Self {
        Self::entered().unwrap_or_else(|| INSTALLED.get().unwrap_or(&FALLBACK).clone())
    }

    /// Returns the log entered on this thread.
    pub(crate) fn entered() -> Option<Self> {
        Self::innermost()
    }

    /// Makes this log the global one. Types registered before, in the log in memory, are
    /// registered in this one too.
    ///
    /// Installing a log that was [built](AuditLogBuilder::build) without a store is reported as a
    /// warning, as its entries are kept in memory; [`AuditLogBuilder::install`] makes one that refuses
    /// to record.
    ///
    /// The global log is never dropped: a program that [submits](crate::Draft::submit) entries ends
    /// with [`shutdown`](Self::shutdown), or keeps the guard of
    /// [`shutdown_on_drop`](Self::shutdown_on_drop) in `main`.
    ///
    /// # Errors
    /// [`Error::AlreadyInstalled`]; a program installs once.
    pub fn install(self) -> Result<Self> {
        let mut fresh = false;
        let installed = INSTALLED.get_or_init(|| {
            fresh = true;
            self.clone()
        });
        if !fresh {
            return Err(Error::AlreadyInstalled);
        }
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

    /// Returns the store.
    pub fn store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.shared.pipeline.store)
    }

    /// Queries this log's store.
    pub fn query(&self) -> Query {
        Query::of(self.store()).with_keys(self.hash_keys())
    }

    /// Returns what the log has counted since it was built.
    pub fn stats(&self) -> LogStats {
        self.shared.pipeline.stats()
    }

    /// Registers a type: from now on its objects are recorded. Registering a type twice has no
    /// effect: it keeps the options of the first time.
    ///
    /// # Panics
    /// Panics with the error that [`try_register`](Self::try_register) returns.
    pub fn register<T: Auditable + 'static>(&self) {
        if let Err(error) = self.try_register::<T>() {
            panic!("{error}");
        }
    }

    /// Registers a type as [`register`](Self::register) does.
    ///
    /// # Errors
    /// Those of [`try_register`](crate::try_register).
    pub fn try_register<T: Auditable + 'static>(&self) -> Result<(), RegistrationError> {
        self.check_hashes::<T>()?;
        self.shared.registry.register::<T>(None)
    }

    /// Registers a type with options on top of its attributes, in place of those it had.
    ///
    /// # Errors
    /// Those of [`register_with`](crate::register_with).
    pub fn register_with<T: Auditable + 'static>(
        &self,
        options: impl FnOnce(RegisterOptions<T>) -> RegisterOptions<T>,
    ) -> Result<(), RegistrationError> {
        self.check_hashes::<T>()?;
        self.shared
            .registry
            .register(Some(options(RegisterOptions::new())))
    }

    /// Ends the recording of a type; returns whether it was registered. Drafts of it are then
    /// skipped without a warning, also where it never was registered.
    pub fn unregister<T: Auditable>(&self) -> bool {
        self.shared.registry.unregister::<T>()
    }

    /// Returns whether a type is registered.
    pub fn is_registered<T: Auditable>(&self) -> bool {
        self.shared.registry.get(T::MODEL).is_some()
    }

    /// Returns the schemas of the registered types, by model name.
    pub fn registered(&self) -> Vec<&'static ModelSchema> {
        self.shared.registry.schemas()
    }

    /// Returns the registered models as data, with what `register_with` set.
    pub fn described(&self) -> Vec<ModelDescription> {
        self.shared.registry.described()
    }

    /// Checks that the tokens of a type outlive the process if its objects are found by them, and
    /// warns of other tokens that do not.
    fn check_hashes<T: Auditable>(&self) -> Result<(), RegistrationError> {
        if T::HASHES_KEYS && self.shared.keys.is_ephemeral() {
            return Err(RegistrationError::NoHashKey {
                model: T::MODEL.to_owned(),
            });
        }
        let hashed = |field: &FieldSchema| field.sensitivity == Sensitivity::Hashed;
        if self.shared.keys.is_ephemeral()
            && any_field(T::schema().fields(), hashed)
            && !self.shared.warned_of_keys.swap(true, Ordering::Relaxed)
        {
            let message = format!(
                "`{}` has hashed fields and the log has no hash key: their tokens can be compared within this process only; set `AuditLog::builder().hash_key(..)`",
                T::MODEL
            );
            log_or_print(log::Level::Warn, &message);
        }
        Ok(())
    }

    /// Reports a type of which something was to be recorded and that is not registered, as the
    /// log's policy says.
    #[cold]
    pub(crate) fn report_unregistered(&self, schema: &ModelSchema) -> Result<()> {
        let unknown = self.shared.registry.note_unregistered(schema.name);
        if unknown == UnregisteredDraft::Expected {
            return Ok(());
        }
        self.shared.pipeline.note_unregistered();
        match self.shared.unregistered {
            UnregisteredPolicy::Warn if unknown == UnregisteredDraft::First => log_or_print(
                log::Level::Warn,
                &format!(
                    "`{name}` is not registered with the audit log, so nothing is recorded of it: call `auditlog::register::<{name}>()` when the program starts, or `auditlog::unregister::<{name}>()` if it is left out on purpose",
                    name = schema.type_name,
                ),
            ),
            UnregisteredPolicy::Warn | UnregisteredPolicy::Ignore => {}
            UnregisteredPolicy::Error => {
                return Err(Error::NotRegistered {
                    model: schema.name.to_owned(),
                    type_name: schema.type_name,
                });
            }
        }
        Ok(())
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

    /// Returns when everything submitted before is written and durable.
    ///
    /// # Errors
    /// If the store failed, or entries are still waiting for it ([`FailurePolicy::FailOpen`]).
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

    /// Takes no more entries, and returns when those it has are written and durable. What is
    /// recorded afterwards is [`Error::ShutDown`]; the trail can still be read.
    ///
    /// Waits as long as entries are being written, and up to 25 s for a store that does not
    /// answer; [`shutdown_within`](Self::shutdown_within) sets a limit.
    ///
    /// # Errors
    /// As [`flush`](Self::flush), and [`Error::ShutdownTimedOut`] if the store does not answer.
    pub fn shutdown(&self) -> Result<()> {
        self.shut_down(SHUTDOWN_PATIENCE, true)
    }

    /// Shuts the log down as [`shutdown`](Self::shutdown) does, but waits no longer than `limit`.
    /// The store goes on with what it has begun as long as the process runs.
    ///
    /// # Errors
    /// As [`flush`](Self::flush), and [`Error::ShutdownTimedOut`] if entries are not confirmed by
    /// then.
    ///
    /// # Example: the end of a program
    /// ```
    /// use std::time::Duration;
    /// use audit_core::AuditLog;
    ///
    /// let log = AuditLog::builder().build();
    /// let ticket = log.event("stopped").submit();
    /// log.shutdown_within(Duration::from_secs(10))?;
    /// assert!(ticket.wait()?.is_recorded());
    /// # Ok::<(), audit_core::Error>(())
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

    /// Shuts the log down when the guard is dropped, as at the end of `main`: what was
    /// submitted is then written before the program ends. A failure goes to `log`.
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

/// Makes another log current again when dropped. Stays on its thread.
#[must_use = "the log is current until the guard is dropped; bind it to a name"]
pub struct LogGuard {
    _entered: Entered<AuditLog>,
}

impl fmt::Debug for LogGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogGuard").finish_non_exhaustive()
    }
}

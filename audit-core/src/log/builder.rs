//! Builds an audit log.

use std::fmt;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, OnceLock};

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::{AuditLog, BeforeHook, Flow, Shared};
use crate::critical::log_or_print;
use crate::entry::clock::Clock;
use crate::entry::{LogEntry, Source, ids};
use crate::error::{Error, Result};
use crate::history::snapshot_schedule::SnapshotSchedule;
use crate::level::Level;
use crate::pipeline::receipt::Receipt;
use crate::pipeline::{AfterHook, FailurePolicy, Pipeline};
use crate::registry::{Registry, UnregisteredPolicy};
use crate::sink::Sink;
use crate::store::memory::MemoryStore;
use crate::store::{NoStore, Store};
use crate::value::hash::{HashKeys, MIN_KEY};

/// The default limit of an entry's size, in bytes.
const MAX_ENTRY_BYTES: usize = 16 << 20;

/// Builds an [`AuditLog`].
///
/// | method | default |
/// |---|---|
/// | [`store`](Self::store) | memory; see there |
/// | [`on_error`](Self::on_error) | [`FailurePolicy::FailClosed`] |
/// | [`unregistered`](Self::unregistered) | [`UnregisteredPolicy::Warn`] |
/// | [`queue`](Self::queue) | 1,024 submissions |
/// | [`spool`](Self::spool) | 10,000 entries |
/// | [`max_entry_bytes`](Self::max_entry_bytes) | 16 MiB |
/// | [`min_level`](Self::min_level) | [`Level::Debug`]: every entry |
/// | [`clock`](Self::clock), [`ids`](Self::ids) | the system's clock, UUIDs of version 7 |
///
/// # Example: a log for a service
/// ```
/// use auditlog::prelude::*;
/// use auditlog::Source;
///
/// let log = AuditLog::builder()
///     .store(MemoryStore::new())
///     .sink(LogSink::new())
///     .on_error(FailClosed)
///     .source(Source::service("billing").version("1.4.0"))
///     .build();
/// log.event("started").record()?;
///
/// let entry = log.query().first()?.expect("an entry");
/// assert_eq!(entry.source.service.as_deref(), Some("billing"));
/// # Ok::<(), auditlog::Error>(())
/// ```
#[must_use = "a builder does nothing until `build` or `install`"]
pub struct AuditLogBuilder {
    store: Option<Arc<dyn Store>>,
    sinks: Vec<Arc<dyn Sink>>,
    policy: FailurePolicy,
    unregistered: UnregisteredPolicy,
    spool: usize,
    queue: usize,
    keys: Option<HashKeys>,
    /// The versions of keys that are too short.
    weak_keys: Vec<u32>,
    min_level: Level,
    require_actor: bool,
    max_entry_bytes: usize,
    clock: Clock,
    ids: Box<dyn Fn(DateTime<Utc>) -> Uuid + Send + Sync>,
    before: Vec<BeforeHook>,
    after: Vec<AfterHook>,
    source: Source,
}

impl AuditLogBuilder {
    pub(crate) fn new() -> Self {
        Self {
            store: None,
            sinks: Vec::new(),
            policy: FailurePolicy::default(),
            unregistered: UnregisteredPolicy::default(),
            spool: 10_000,
            queue: 1024,
            keys: None,
            weak_keys: Vec::new(),
            min_level: Level::Debug,
            require_actor: false,
            max_entry_bytes: MAX_ENTRY_BYTES,
            clock: Clock::System,
            ids: Box::new(ids::fresh),
            before: Vec::new(),
            after: Vec::new(),
            source: Source::default(),
        }
    }

    /// Sets the store of the trail.
    ///
    /// Without a store, [`build`](Self::build) and [`try_build`](Self::try_build) keep the trail in memory.
    /// A log that [`install`](Self::install) made without a store serves `record_in` alone: every other form
    /// of recording, and every query, returns [`StoreError::NoStore`](crate::StoreError::NoStore).
    pub fn store(mut self, store: impl Store + 'static) -> Self {
        self.store = Some(Arc::new(store));
        self
    }

    /// Adds a sink, which gets every entry after the store has accepted it. Sinks get entries in the order
    /// in which they were added; their failures are counted and never fail an entry.
    pub fn sink(mut self, sink: impl Sink + 'static) -> Self {
        self.sinks.push(Arc::new(sink));
        self
    }

    /// Sets the policy for entries that the store does not accept. By default the caller gets the error
    /// ([`FailurePolicy::FailClosed`]).
    ///
    /// # Example: the program continues while the store is down
    /// ```
    /// use auditlog::prelude::*;
    /// use auditlog::{Page, Store, StoreError};
    ///
    /// #[derive(Debug)]
    /// struct Unreachable;
    ///
    /// impl Store for Unreachable {
    ///     fn append(&self, _: &[LogEntry]) -> Result<(), StoreError> {
    ///         Err(StoreError::Busy { location: "the server".into() })
    ///     }
    ///     fn find(&self, _: &Query) -> Result<Page, StoreError> {
    ///         Err(StoreError::Busy { location: "the server".into() })
    ///     }
    /// }
    ///
    /// let log = AuditLog::builder().store(Unreachable).on_error(FailOpen).build();
    /// let receipt = log.event("login").record()?;
    /// assert!(matches!(receipt, Receipt::Spooled(_)));
    /// assert_eq!(log.stats().spooled, 1);
    ///
    /// let log = AuditLog::builder().store(Unreachable).build(); // FailClosed
    /// assert!(log.event("login").record().is_err());
    /// # Ok::<(), auditlog::Error>(())
    /// ```
    pub fn on_error(mut self, policy: FailurePolicy) -> Self {
        self.policy = policy;
        self
    }

    /// Sets the policy for drafts of types that are not registered. By default the log warns once a type
    /// ([`UnregisteredPolicy::Warn`]).
    ///
    /// # Example: a forgotten registration is an error
    /// ```
    /// use auditlog::{Error, UnregisteredPolicy, prelude::*};
    ///
    /// #[derive(Auditable)]
    /// struct User {
    ///     id: u32,
    /// }
    ///
    /// let log = AuditLog::builder().unregistered(UnregisteredPolicy::Error).build();
    /// let error = log.created(&User { id: 1 }).record().unwrap_err();
    /// assert!(matches!(error, Error::NotRegistered { .. }));
    /// ```
    pub fn unregistered(mut self, policy: UnregisteredPolicy) -> Self {
        self.unregistered = policy;
        self
    }

    /// Sets the capacity of the spool of [`FailurePolicy::FailOpen`], in entries: 10,000 by default. If the
    /// spool is full, further entries go to the log output in full.
    pub fn spool(mut self, entries: usize) -> Self {
        self.spool = entries;
        self
    }

    /// Sets the capacity of the queue of the writer thread, in
    /// [submissions](crate::Draft::submit): 1,024 by default. A transaction or a batch is one
    /// submission. [`Ticket`](crate::Ticket) says what happens while the queue is full.
    pub fn queue(mut self, submissions: usize) -> Self {
        self.queue = submissions;
        self
    }

    /// Adds the key for fields marked `#[audit(hash)]`. Of several the one with the highest
    /// version is used; earlier ones stay so that their tokens can be made again. Hashed
    /// identities use the one with the lowest version, so that objects keep their histories when
    /// a key is added.
    ///
    /// Without a key each process makes up its own, and tokens of different processes
    /// cannot be compared. A key should have 32 random bytes and live where secrets do. A key of
    /// fewer than 16 bytes, such as that of an unset variable, is never used:
    /// [`install`](Self::install) and [`try_build`](Self::try_build) return
    /// [`Error::WeakHashKey`], and [`build`](Self::build) logs an error and goes without it.
    ///
    /// # Example: a token in place of an e-mail address
    /// ```
    /// use auditlog::prelude::*;
    ///
    /// #[derive(Auditable)]
    /// struct Subscriber {
    ///     id: u32,
    ///     #[audit(hash)]
    ///     email: String,
    /// }
    ///
    /// # let key_from_the_vault = [7; 32];
    /// let log = AuditLog::builder().hash_key(1, key_from_the_vault).build();
    /// log.register::<Subscriber>();
    /// for id in [1, 2] {
    ///     log.created(&Subscriber { id, email: "ann@example.com".into() }).record()?;
    /// }
    /// let entries = log.query().all()?;
    /// let token = entries[0].changes["email"].new.as_ref().expect("a token");
    /// assert!(token.as_str().is_some_and(|token| token.starts_with("h1:")));
    /// assert_eq!(entries[1].changes["email"].new.as_ref(), Some(token)); // equal inputs, equal tokens
    /// # Ok::<(), auditlog::Error>(())
    /// ```
    pub fn hash_key(mut self, version: u32, key: impl Into<Vec<u8>>) -> Self {
        let key = key.into();
        if key.len() < MIN_KEY {
            self.weak_keys.push(version);
            return self;
        }
        match &mut self.keys {
            Some(keys) => keys.add(version, key),
            None => self.keys = Some(HashKeys::new(version, key)),
        }
        self
    }

    /// Makes every entry without a known actor an error
    /// ([`Error::ActorRequired`](crate::Error::ActorRequired)), including events. A program that acts on its
    /// own uses an [`Actor::system`](crate::Actor::system).
    /// [`RegisterOptions::require_actor`](crate::RegisterOptions::require_actor) sets it for one type.
    ///
    /// # Example: an unknown actor is rejected
    /// ```
    /// use auditlog::{Error, prelude::*};
    ///
    /// let log = AuditLog::builder().require_actor().build();
    /// let error = log.event("swept").record().unwrap_err();
    /// assert!(matches!(error, Error::ActorRequired { .. }));
    /// log.event("swept").actor(Actor::system("cleanup")).record()?;
    /// # Ok::<(), auditlog::Error>(())
    /// ```
    pub fn require_actor(mut self) -> Self {
        self.require_actor = true;
        self
    }

    /// Sets the lowest level that is recorded. Drafts below it are `Skipped(BelowLevel)`.
    ///
    /// # Example: no accesses
    /// ```
    /// use auditlog::{SkipReason, prelude::*};
    ///
    /// let log = AuditLog::builder().min_level(Level::Info).build();
    /// let receipt = log.event("viewed").level(Level::Debug).record()?;
    /// assert_eq!(receipt, Receipt::Skipped(SkipReason::BelowLevel));
    /// # Ok::<(), auditlog::Error>(())
    /// ```
    pub fn min_level(mut self, level: Level) -> Self {
        self.min_level = level;
        self
    }

    /// Sets the source of times, instead of the system's clock.
    ///
    /// The timestamps of a log never decrease. If the clock steps back, entries get the previous timestamp
    /// until the clock has caught up, and their ids keep them in order. Only
    /// [`Draft::at`](crate::Draft::at) sets an earlier time. [`testing::capture`](crate::testing::capture)
    /// has a clock for tests.
    pub fn clock(mut self, clock: impl Fn() -> DateTime<Utc> + Send + Sync + 'static) -> Self {
        self.clock = Clock::custom(clock);
        self
    }

    /// Sets the source of ids, instead of UUIDs of version 7. Ids must be unique and should increase: entries
    /// of one time are ordered by id.
    pub fn ids(mut self, ids: impl Fn() -> Uuid + Send + Sync + 'static) -> Self {
        self.ids = Box::new(move |_| ids());
        self
    }

    /// Adds a hook that gets each entry before it is written, and may change or veto it.
    ///
    /// Secrets are redacted already. Hooks run in the order in which they were added, on the thread that
    /// records; after a veto the remaining hooks do not run, and the receipt is `Skipped(Vetoed)`.
    ///
    /// # Example: a note in each entry, and no health checks
    /// ```
    /// use auditlog::{Flow, prelude::*};
    ///
    /// let log = AuditLog::builder()
    ///     .before(|entry| {
    ///         entry.additional_data.insert("region".into(), "eu-1".into());
    ///         if entry.actor() == "probe" { Flow::Veto } else { Flow::Continue }
    ///     })
    ///     .build();
    /// log.event("login").actor("alice").record()?;
    /// log.event("login").actor("probe").record()?;
    ///
    /// let entries = log.query().all()?;
    /// assert_eq!(entries.len(), 1);
    /// assert_eq!(entries[0].additional_data["region"], "eu-1");
    /// # Ok::<(), auditlog::Error>(())
    /// ```
    pub fn before(mut self, hook: impl Fn(&mut LogEntry) -> Flow + Send + Sync + 'static) -> Self {
        self.before.push(Box::new(hook));
        self
    }

    /// Adds a hook that is called with the result of writing each entry, after the sinks. Its panic is
    /// counted in [`LogStats::sink_failures`](crate::LogStats::sink_failures) and does not fail the entry.
    ///
    /// # Example: count failures
    /// ```
    /// use std::sync::Arc;
    /// use std::sync::atomic::{AtomicU64, Ordering};
    /// use auditlog::AuditLog;
    ///
    /// let written = Arc::new(AtomicU64::new(0));
    /// let count = Arc::clone(&written);
    /// let log = AuditLog::builder()
    ///     .after(move |_entry, result| {
    ///         if result.is_ok() {
    ///             count.fetch_add(1, Ordering::Relaxed);
    ///         }
    ///     })
    ///     .build();
    /// log.event("login").record()?;
    /// assert_eq!(written.load(Ordering::Relaxed), 1);
    /// # Ok::<(), auditlog::Error>(())
    /// ```
    pub fn after(
        mut self,
        hook: impl Fn(&LogEntry, &Result<Receipt>) + Send + Sync + 'static,
    ) -> Self {
        self.after.push(Box::new(hook));
        self
    }

    /// Sets the application that entries come from: a [`Source`], or the name of the service.
    pub fn source(mut self, source: impl Into<Source>) -> Self {
        self.source = source.into();
        self
    }

    /// Sets the maximum size of an entry's canonical form, in bytes: 16 MiB by default. A draft of a larger
    /// entry fails with [`Error::TooLarge`](crate::Error::TooLarge) before the store is called.
    ///
    /// # Example: a value that does not belong in a trail
    /// ```
    /// use auditlog::{AuditLog, Error};
    ///
    /// let log = AuditLog::builder().max_entry_bytes(1_000).build();
    /// let error = log.event("uploaded").extra("body", "x".repeat(2_000)).record().unwrap_err();
    /// assert!(matches!(error, Error::TooLarge { limit: 1_000, .. }));
    /// assert_eq!(log.query().count()?, 0);
    /// # Ok::<(), auditlog::Error>(())
    /// ```
    pub fn max_entry_bytes(mut self, bytes: usize) -> Self {
        self.max_entry_bytes = bytes;
        self
    }

    /// Builds the log and checks its settings.
    ///
    /// # Errors
    /// Returns [`Error::WeakHashKey`] if a hash key has fewer than 16 bytes.
    ///
    /// # Example: a key from an unset variable
    /// ```
    /// use auditlog::{AuditLog, Error};
    ///
    /// let error = AuditLog::builder().hash_key(1, "").try_build().unwrap_err();
    /// assert!(matches!(error, Error::WeakHashKey { version: 1 }));
    /// ```
    pub fn try_build(self) -> Result<AuditLog> {
        match self.weak_keys.first() {
            Some(&version) => Err(Error::WeakHashKey { version }),
            None => Ok(self.build()),
        }
    }

    /// Builds the log. A hash key of fewer than 16 bytes is logged as an error and not used;
    /// [`try_build`](Self::try_build) returns the error.
    pub fn build(self) -> AuditLog {
        for &version in &self.weak_keys {
            let error = Error::WeakHashKey { version };
            log_or_print(log::Level::Error, &error.to_string());
        }
        let has_store = self.store.is_some();
        let store = self.store.unwrap_or_else(|| Arc::new(MemoryStore::new()));
        AuditLog::from_shared(Shared {
            pipeline: Arc::new(Pipeline::new(
                store,
                self.sinks,
                self.after,
                self.policy,
                self.spool,
            )),
            registry: Registry::default(),
            snapshot_schedule: SnapshotSchedule::default(),
            keys: self.keys.map_or_else(HashKeys::ephemeral, Arc::new),
            min_level: self.min_level,
            require_actor: self.require_actor,
            max_entry_bytes: self.max_entry_bytes,
            unregistered: self.unregistered,
            clock: self.clock,
            ids: self.ids,
            before: self.before,
            source: self.source,
            queue: self.queue,
            writer: OnceLock::new(),
            starting: Mutex::default(),
            closed: AtomicBool::new(false),
            has_store,
            warned_of_memory: AtomicBool::new(false),
            warned_of_keys: AtomicBool::new(false),
        })
    }

    /// Builds the log and makes it the global one; see [`AuditLog::install`]. Without a
    /// [`store`](Self::store) it serves `record_in` alone.
    ///
    /// # Errors
    /// - Returns [`Error::AlreadyInstalled`] if a global log is installed.
    /// - Returns [`Error::WeakHashKey`] if a hash key has fewer than 16 bytes.
    ///
    /// # Example: the first lines of a program
    /// ```
    /// use auditlog::prelude::*;
    ///
    /// # fn main() -> auditlog::Result<()> {
    /// let log = AuditLog::builder().store(MemoryStore::new()).install()?;
    /// let _shutdown = log.shutdown_on_drop();
    ///
    /// auditlog::event("started").record()?;
    /// assert_eq!(LogEntry::objects().count()?, 1);
    /// assert!(AuditLog::builder().install().is_err()); // a program installs once
    /// # Ok(())
    /// # }
    /// ```
    pub fn install(mut self) -> Result<AuditLog> {
        self.store.get_or_insert_with(|| Arc::new(NoStore));
        self.try_build()?.install()
    }
}

impl fmt::Debug for AuditLogBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuditLogBuilder")
            .field("store", &self.store)
            .field("sinks", &self.sinks)
            .field("policy", &self.policy)
            .field("min_level", &self.min_level)
            .finish_non_exhaustive()
    }
}

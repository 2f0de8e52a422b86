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

/// How many bytes an entry has at most, unless the builder sets another limit.
const MAX_ENTRY_BYTES: usize = 16 << 20;

/// Builds an [`AuditLog`].
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

    /// Sets where the trail is kept.
    ///
    /// Without a store, [`build`](Self::build) and [`try_build`](Self::try_build) keep the trail in
    /// memory. A log that [`install`](Self::install) made serves `record_in` alone: every other way
    /// to record, and every query, returns [`StoreError::NoStore`](crate::StoreError::NoStore).
    pub fn store(mut self, store: impl Store + 'static) -> Self {
        self.store = Some(Arc::new(store));
        self
    }

    /// Adds a sink, which gets every entry that the store has kept.
    pub fn sink(mut self, sink: impl Sink + 'static) -> Self {
        self.sinks.push(Arc::new(sink));
        self
    }

    /// Sets what happens to an entry that the store does not take; by default the caller
    /// gets the error ([`FailurePolicy::FailClosed`]).
    pub fn on_error(mut self, policy: FailurePolicy) -> Self {
        self.policy = policy;
        self
    }

    /// Sets what happens when something is to be recorded of a type that is not registered; by
    /// default a warning for each type ([`UnregisteredPolicy::Warn`]).
    pub fn unregistered(mut self, policy: UnregisteredPolicy) -> Self {
        self.unregistered = policy;
        self
    }

    /// Sets how many entries the spool of [`FailurePolicy::FailOpen`] holds at most: 10,000 by
    /// default.
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
    /// ([`Error::ActorRequired`](crate::Error::ActorRequired)), events too. A program that acts by
    /// itself says so with an actor of its own, [`Actor::system`](crate::Actor::system).
    /// [`RegisterOptions::require_actor`](crate::RegisterOptions::require_actor) asks it of one type.
    pub fn require_actor(mut self) -> Self {
        self.require_actor = true;
        self
    }

    /// Records nothing below this level.
    pub fn min_level(mut self, level: Level) -> Self {
        self.min_level = level;
        self
    }

    /// Sets where times come from; the system's clock unless given.
    ///
    /// The times that a log gives never go back. If the clock steps back, entries get the last
    /// time given until the clock has caught up, and their ids keep them in order. Only
    /// [`Draft::at`](crate::Draft::at) dates an entry back.
    pub fn clock(mut self, clock: impl Fn() -> DateTime<Utc> + Send + Sync + 'static) -> Self {
        self.clock = Clock::custom(clock);
        self
    }

    /// Sets where ids come from. They must be unique, and should grow: entries of one time are
    /// ordered by id.
    pub fn ids(mut self, ids: impl Fn() -> Uuid + Send + Sync + 'static) -> Self {
        self.ids = Box::new(move |_| ids());
        self
    }

    /// Adds a hook that sees each entry before it is written, and may change or veto it.
    ///
    /// The entry is redacted already. Hooks run in the order they were added; after a veto
    /// no other does.
    pub fn before(mut self, hook: impl Fn(&mut LogEntry) -> Flow + Send + Sync + 'static) -> Self {
        self.before.push(Box::new(hook));
        self
    }

    /// Adds a hook that is called with the result of writing each entry.
    pub fn after(
        mut self,
        hook: impl Fn(&LogEntry, &Result<Receipt>) + Send + Sync + 'static,
    ) -> Self {
        self.after.push(Box::new(hook));
        self
    }

    /// Sets which program entries come from: a [`Source`] or the service's name.
    pub fn source(mut self, source: impl Into<Source>) -> Self {
        self.source = source.into();
        self
    }

    /// Sets how many bytes the canonical form of an entry has at most (16 MiB by default). A draft
    /// of a larger one fails with [`Error::TooLarge`](crate::Error::TooLarge) before the store is
    /// asked, whichever store that is.
    ///
    /// # Example: a value that does not belong into a trail
    /// ```
    /// use audit_core::{AuditLog, Error};
    ///
    /// let log = AuditLog::builder().max_entry_bytes(1_000).build();
    /// let error = log.event("uploaded").extra("body", "x".repeat(2_000)).record().unwrap_err();
    /// assert!(matches!(error, Error::TooLarge { limit: 1_000, .. }));
    /// assert_eq!(log.query().count()?, 0);
    /// # Ok::<(), audit_core::Error>(())
    /// ```
    pub fn max_entry_bytes(mut self, bytes: usize) -> Self {
        self.max_entry_bytes = bytes;
        self
    }

    /// Builds the log, and returns what is wrong with the settings as an error.
    ///
    /// # Errors
    /// [`Error::WeakHashKey`] if a hash key has fewer than 16 bytes.
    pub fn try_build(self) -> Result<AuditLog> {
        match self.weak_keys.first() {
            Some(&version) => Err(Error::WeakHashKey { version }),
            None => Ok(self.build()),
        }
    }

    /// Builds the log.
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
    /// - [`Error::AlreadyInstalled`]: a program installs once.
    /// - [`Error::WeakHashKey`] if a hash key has fewer than 16 bytes.
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

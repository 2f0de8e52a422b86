//! Testing the trail of a program.
//!
//! [`capture`] gives a test a log of its own; [`assert_audited!`](crate::assert_audited) and
//! [`Capture::matching`] look for entries, [`Capture::redacted`] makes a snapshot of them that
//! is the same on every run, and [`Capture::no_unaudited_changes`] detects unrecorded
//! changes.

mod expected;
mod matching;
mod redacted;
mod unaudited;

use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

pub use self::expected::Expected;
pub use self::matching::Matching;
pub use self::unaudited::NoUnauditedChanges;
use crate::entry::{LogEntry, clock};
use crate::log::{AuditLog, LogGuard};
use crate::store::memory::MemoryStore;

/// Gives this thread a log of its own, in memory and with an empty registry, until the
/// capture is dropped. Tests that run in parallel never see each other's entries.
///
/// # Example: what a function records
/// ```
/// use audit_core as auditlog;
///
/// let audit = auditlog::testing::capture().at("2026-01-01T00:00:00Z");
/// auditlog::event("login_failed").actor("mallory").record()?;
/// let entry = audit.last().expect("an entry");
/// assert_eq!(entry.to_string(), "2026-01-01T00:00:00.000000Z: login_failed: login_failed by mallory");
/// # Ok::<(), auditlog::Error>(())
/// ```
pub fn capture() -> Capture {
    let store = MemoryStore::new();
    let fixed = Arc::new(Fixed::default());
    let (time, ids) = (Arc::clone(&fixed), Arc::clone(&fixed));
    let log = AuditLog::builder()
        .store(store.clone())
        .clock(move || time.now())
        .ids(move || ids.id())
        .hash_key(1, *b"the key of logs that are tested.")
        .build();
    let guard = log.enter();
    Capture {
        log,
        store,
        fixed,
        _guard: guard,
    }
}

/// What this thread recorded since [`capture`].
#[derive(Debug)]
#[must_use = "the capture ends when it is dropped; bind it to a name"]
pub struct Capture {
    log: AuditLog,
    store: MemoryStore,
    fixed: Arc<Fixed>,
    _guard: LogGuard,
}

/// A clock that stands still once it is set, and ids that count up from then on.
#[derive(Debug, Default)]
struct Fixed {
    time: Mutex<Option<DateTime<Utc>>>,
    /// The last id. Ids that count up begin after those of the running clock, if there are any:
    /// entries of one time are ordered by id.
    last: Mutex<u128>,
}

impl Fixed {
    fn time(&self) -> Option<DateTime<Utc>> {
        *self.time.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> DateTime<Utc> {
        self.time().unwrap_or_else(clock::now)
    }

    fn id(&self) -> Uuid {
        let stopped = self.time().is_some();
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        *last = if stopped {
            // Version and variant as a real one has, so that nothing stumbles.
            (*last).max((0x7 << 76) | (0b10 << 62)) + 1
        } else {
            crate::entry::ids::fresh(clock::now()).as_u128()
        };
        Uuid::from_u128(*last)
    }
}

impl Capture {
    /// Stops the clock at a time (RFC 3339), and makes ids count up from 1.
    ///
    /// # Panics
    /// If the text is not a time.
    pub fn at(self, time: &str) -> Self {
        match time.parse() {
            Ok(time) => self.set_time(time),
            Err(error) => panic!("`{time}` is not an RFC 3339 time: {error}"),
        }
        self
    }

    /// Stops the clock at a time. One before the last entry's moves no timestamp back: those of
    /// a log never go back, and [`Draft::at`](crate::Draft::at) dates an entry back.
    pub fn set_time(&self, time: DateTime<Utc>) {
        *self
            .fixed
            .time
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(time);
    }

    /// Moves the stopped clock on; one that runs is stopped first.
    pub fn advance(&self, by: TimeDelta) {
        self.set_time(self.fixed.now() + by);
    }

    /// Returns the log, to enter it in other threads or to record on it directly.
    pub fn log(&self) -> &AuditLog {
        &self.log
    }

    /// Returns all entries, in the order of the trail.
    ///
    /// # Panics
    /// If the log in memory cannot be read, which would be a fault of this crate.
    pub fn entries(&self) -> Vec<LogEntry> {
        match self.log.query().all() {
            Ok(entries) => entries,
            Err(error) => panic!("the captured log cannot be read: {error}"),
        }
    }

    /// Returns the newest entry.
    pub fn last(&self) -> Option<LogEntry> {
        self.entries().pop()
    }

    /// Forgets all entries.
    pub fn clear(&self) {
        self.store.clear();
    }

    /// Starts looking for entries; conditions and an expectation follow.
    ///
    /// # Example: who was let in
    /// ```
    /// # use audit_core as auditlog;
    /// let audit = auditlog::testing::capture();
    /// auditlog::event("login").actor("alice").record()?;
    /// auditlog::event("login_failed").actor("mallory").record()?;
    ///
    /// let login = audit.matching().action("login").by("alice").one();
    /// assert_eq!(login.level, auditlog::Level::Info);
    /// audit.matching().action("login").by("mallory").none();
    /// # Ok::<(), auditlog::Error>(())
    /// ```
    pub fn matching(&self) -> Matching {
        Matching::of(self.entries())
    }

    /// Returns the entries as JSON in which what differs from run to run is replaced: ids,
    /// times and transactions by a number each, such as `"[time 1]"`, equal ones by the same
    /// number, and the source by nothing. For snapshot tests, as of `insta`.
    ///
    /// # Panics
    /// If an entry has no canonical form, which would be a fault of this crate.
    ///
    /// # Example: the same on every run
    /// ```
    /// # use audit_core as auditlog;
    /// let audit = auditlog::testing::capture();
    /// auditlog::event("started").record()?;
    /// let entries = audit.redacted();
    /// assert_eq!(entries[0]["id"], "[id 1]");
    /// assert_eq!(entries[0]["timestamp"], "[time 1]");
    /// assert_eq!(entries[0]["action"], "started");
    /// # Ok::<(), auditlog::Error>(())
    /// ```
    pub fn redacted(&self) -> serde_json::Value {
        redacted::redacted(&self.entries())
    }

    /// Watches for [`Tracked`](crate::Tracked) objects of this log that are dropped with
    /// unrecorded changes: the guard panics when it is dropped, and lists them. Bind it
    /// before the objects, so that it is dropped after them.
    pub fn no_unaudited_changes(&self) -> NoUnauditedChanges {
        NoUnauditedChanges::watch(&self.log)
    }
}

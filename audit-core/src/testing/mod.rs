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

/// Gives this thread a log of its own, in memory and with an empty registry, until the capture is
/// dropped. Tests that run in parallel never see each other's entries.
///
/// The log has a fixed hash key, so that hashed fields and identities can be tested. Threads and tasks
/// that the test spawns need the log too: [`Capture::log`] is the handle to
/// [enter](crate::AuditLog::enter) there, and a future
/// [in a context](crate::FutureExt::in_audit_context) takes it along.
///
/// # Example: what a function records
/// ```
/// use auditlog::{assert_audited, prelude::*};
///
/// #[derive(Auditable, Clone)]
/// struct User {
///     id: u32,
///     email: String,
/// }
///
/// fn change_email(user: &mut User, email: &str) -> auditlog::Result<()> {
///     auditlog::update(user, |user| user.email = email.into()).record()?;
///     Ok(())
/// }
///
/// let audit = auditlog::testing::capture();
/// auditlog::register::<User>();
/// let mut user = User { id: 42, email: "a@example.com".into() };
/// auditlog::context()
///     .actor("alice")
///     .scope(|| change_email(&mut user, "b@example.com"))?;
///
/// assert_eq!(audit.entries().len(), 1);
/// assert_audited!(audit, update User "42" { "email": "a@example.com" => "b@example.com" } by "alice");
/// # Ok::<(), auditlog::Error>(())
/// ```
///
/// # Example: a fixed clock
/// ```
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

/// The entries that this thread recorded since [`capture`].
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
    /// Panics if the text is not a time.
    pub fn at(self, time: &str) -> Self {
        match time.parse() {
            Ok(time) => self.set_time(time),
            Err(error) => panic!("`{time}` is not an RFC 3339 time: {error}"),
        }
        self
    }

    /// Stops the clock at a time. One before the last entry's moves no timestamp back: those of
    /// a log never go back, and [`Draft::at`](crate::Draft::at) dates an entry back.
    ///
    /// # Example: two days
    /// ```
    /// let audit = auditlog::testing::capture();
    /// audit.set_time("2026-01-01T00:00:00Z".parse()?);
    /// auditlog::event("opened").record()?;
    /// audit.set_time("2026-01-02T00:00:00Z".parse()?);
    /// auditlog::event("closed").record()?;
    /// assert_eq!(audit.last().expect("an entry").timestamp.to_rfc3339(), "2026-01-02T00:00:00+00:00");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn set_time(&self, time: DateTime<Utc>) {
        *self
            .fixed
            .time
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(time);
    }

    /// Moves the stopped clock on; one that runs is stopped first.
    ///
    /// # Example: an hour later
    /// ```
    /// use chrono::TimeDelta;
    ///
    /// let audit = auditlog::testing::capture().at("2026-01-01T00:00:00Z");
    /// auditlog::event("opened").record()?;
    /// audit.advance(TimeDelta::hours(1));
    /// auditlog::event("closed").record()?;
    ///
    /// let [opened, closed] = &audit.entries()[..] else { panic!("two entries") };
    /// assert_eq!(closed.timestamp - opened.timestamp, TimeDelta::hours(1));
    /// # Ok::<(), auditlog::Error>(())
    /// ```
    pub fn advance(&self, by: TimeDelta) {
        self.set_time(self.fixed.now() + by);
    }

    /// Returns the log, to enter it in other threads or to record on it directly.
    ///
    /// # Example: another thread
    /// ```
    /// let audit = auditlog::testing::capture();
    /// let log = audit.log().clone();
    /// std::thread::spawn(move || {
    ///     let _log = log.enter();
    ///     auditlog::event("swept").record()
    /// })
    /// .join()
    /// .expect("the thread ends")?;
    /// assert_eq!(audit.entries().len(), 1);
    /// # Ok::<(), auditlog::Error>(())
    /// ```
    pub fn log(&self) -> &AuditLog {
        &self.log
    }

    /// Returns all entries, oldest first.
    ///
    /// # Panics
    /// Panics if the log in memory cannot be read, which would be an error in this crate.
    pub fn entries(&self) -> Vec<LogEntry> {
        match self.log.query().all() {
            Ok(entries) => entries,
            Err(error) => panic!("the captured log cannot be read: {error}"),
        }
    }

    /// Returns the newest entry.
    ///
    /// # Example: nothing, then one entry
    /// ```
    /// let audit = auditlog::testing::capture();
    /// assert!(audit.last().is_none());
    /// auditlog::event("login").record()?;
    /// assert_eq!(audit.last().expect("an entry").action, "login");
    /// # Ok::<(), auditlog::Error>(())
    /// ```
    pub fn last(&self) -> Option<LogEntry> {
        self.entries().pop()
    }

    /// Removes all entries. Registrations and the clock stay.
    ///
    /// # Example: only the entries of the second step
    /// ```
    /// let audit = auditlog::testing::capture();
    /// auditlog::event("prepared").record()?;
    /// audit.clear();
    /// auditlog::event("login").record()?;
    /// assert_eq!(audit.entries().len(), 1);
    /// # Ok::<(), auditlog::Error>(())
    /// ```
    pub fn clear(&self) {
        self.store.clear();
    }

    /// Starts looking for entries; conditions and an expectation follow.
    ///
    /// # Example: who was let in
    /// ```
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
    /// Panics if an entry has no canonical form, which would be a fault of this crate.
    ///
    /// # Example: the same on every run
    /// ```
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
    ///
    /// # Example: a change that is recorded, and one that is not
    /// ```
    /// use auditlog::prelude::*;
    ///
    /// #[derive(Auditable, Clone)]
    /// struct User {
    ///     id: u32,
    ///     email: String,
    /// }
    ///
    /// let audit = auditlog::testing::capture();
    /// auditlog::register::<User>();
    /// let guard = audit.no_unaudited_changes();
    ///
    /// let mut user = Tracked::new(User { id: 1, email: "a@example.com".into() });
    /// user.email = "b@example.com".into();
    /// user.record()?;
    /// drop(user);
    /// guard.check();
    ///
    /// let mut user = Tracked::new(User { id: 2, email: "a@example.com".into() });
    /// user.email = "b@example.com".into();
    /// drop(user); // forgotten
    /// let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| guard.check()));
    /// assert!(panicked.is_err());
    /// # std::mem::forget(guard);
    /// # Ok::<(), auditlog::Error>(())
    /// ```
    pub fn no_unaudited_changes(&self) -> NoUnauditedChanges {
        NoUnauditedChanges::watch(&self.log)
    }
}

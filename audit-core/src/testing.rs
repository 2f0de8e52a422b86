//! Testing the trail of a program.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use crate::clock;
use crate::entry::LogEntry;
use crate::log::{AuditLog, LogGuard};
use crate::memory::MemoryStore;

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
    ids: AtomicU64,
}

impl Fixed {
    fn time(&self) -> Option<DateTime<Utc>> {
        *self.time.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> DateTime<Utc> {
        self.time().unwrap_or_else(clock::now)
    }

    fn id(&self) -> Uuid {
        match self.time() {
            Some(_) => {
                let number = self.ids.fetch_add(1, Ordering::Relaxed) + 1;
                // Version and variant as a real one has, so that nothing stumbles.
                Uuid::from_u128((0x7 << 76) | (0b10 << 62) | u128::from(number))
            }
            None => crate::ids::fresh(clock::now()),
        }
    }
}

impl Capture {
    /// Stops the clock at a time (RFC 3339), and makes ids count up from 1.
    ///
    /// # Panics
    /// If the text is no time.
    pub fn at(self, time: &str) -> Self {
        match time.parse() {
            Ok(time) => self.set_time(time),
            Err(error) => panic!("`{time}` is no RFC 3339 time: {error}"),
        }
        self
    }

    /// Stops the clock at a time.
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
}

/// What [`assert_audited!`](crate::assert_audited) looks for.
#[doc(hidden)]
#[derive(Debug)]
pub struct Expected {
    pub action: &'static str,
    pub model: &'static str,
    pub object_pk: Option<String>,
    pub changes: Vec<(&'static str, serde_json::Value, serde_json::Value)>,
    pub actor: Option<String>,
}

impl Expected {
    fn misses(&self, entry: &LogEntry) -> Vec<String> {
        let mut misses = Vec::new();
        let mut expect = |what: &str, wanted: &str, found: &str| {
            if wanted != found {
                misses.push(format!("{what} is {found}, not {wanted}"));
            }
        };
        expect("the action", self.action, entry.action.as_str());
        expect("the model", self.model, &entry.model);
        if let Some(pk) = &self.object_pk {
            expect("the object", pk, &entry.object_pk);
        }
        if let Some(actor) = &self.actor {
            let found = entry
                .actor
                .as_ref()
                .map_or("system", |actor| actor.id.as_str());
            expect("the actor", actor, found);
        }
        for (path, old, new) in &self.changes {
            match entry.changes.get(path) {
                Some(change) => {
                    let side = |side: &Option<serde_json::Value>| {
                        side.clone().unwrap_or(serde_json::Value::Null)
                    };
                    if side(&change.old) != *old || side(&change.new) != *new {
                        misses.push(format!("`{change}`, not `{path}: {old} -> {new}`"));
                    }
                }
                None => misses.push(format!("`{path}` did not change")),
            }
        }
        misses
    }

    /// # Panics
    /// If no entry is as expected.
    #[doc(hidden)]
    #[track_caller]
    pub fn check(&self, entries: &[LogEntry]) {
        if entries.iter().any(|entry| self.misses(entry).is_empty()) {
            return;
        }
        let mut lines = vec![format!(
            "no entry is {} {}{}",
            self.action,
            self.model,
            self.object_pk
                .as_ref()
                .map_or(String::new(), |pk| format!(" {pk:?}"))
        )];
        for (path, old, new) in &self.changes {
            lines.push(format!("    {path}: {old} -> {new}"));
        }
        if let Some(actor) = &self.actor {
            lines.push(format!("    by {actor}"));
        }
        lines.push(format!("{} entries were recorded:", entries.len()));
        for entry in entries {
            lines.push(format!(
                "  {} {} {:?} by {}: {}",
                entry.action,
                entry.model,
                entry.object_pk,
                entry.actor(),
                self.misses(entry).join("; ")
            ));
        }
        panic!("{}", lines.join("\n"));
    }
}

/// Asserts that an entry was recorded: its action, its type and key, and, if given, some of
/// its changes (old and new value; `()` for none) and its actor.
///
/// The first argument has a method `entries`, as [`Capture`] has. The key is a literal, or an
/// expression in parentheses.
///
/// ```text
/// assert_audited!(audit, update User "42" { "email": "a@x" => "b@x" } by "alice");
/// assert_audited!(audit, delete User (user.id));
/// ```
#[macro_export]
macro_rules! assert_audited {
    (
        $audit:expr, $action:ident $model:ident $($pk:literal)? $(($key:expr))?
        $({ $($path:literal : $old:expr => $new:expr),* $(,)? })?
        $(by $actor:expr)? $(,)?
    ) => {
        $crate::testing::Expected {
            action: ::core::stringify!($action),
            model: <$model as $crate::Auditable>::MODEL,
            object_pk: $crate::assert_audited!(@text $($pk)? $($key)?),
            changes: ::std::vec![$($((
                $path,
                $crate::snapshot(&$old),
                $crate::snapshot(&$new),
            )),*)?],
            actor: $crate::assert_audited!(@text $($actor)?),
        }
        .check(&$audit.entries())
    };
    (@text) => { ::core::option::Option::None };
    (@text $value:expr) => { ::core::option::Option::Some(::std::string::ToString::to_string(&$value)) };
}

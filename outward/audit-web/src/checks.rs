//! Checks of the store: one at a time, each on a thread of its own, since it reads all entries and may take longer
//! than a request.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use audit_core::health::Health;
use audit_core::{Store, StoreError};
use chrono::{DateTime, Utc};

use crate::panics;

/// The check that runs, and the result of the last one.
#[derive(Debug, Default)]
pub(crate) struct Checks {
    progress: Mutex<Progress>,
    /// Signalled when a check ends.
    ended: Condvar,
}

/// The state of the checks at a time.
#[derive(Clone, Debug, Default)]
pub(crate) struct Progress {
    /// The start of the check that runs.
    pub(crate) running_since: Option<DateTime<Utc>>,
    pub(crate) last: Option<Arc<Checked>>,
}

/// A check that has ended.
#[derive(Debug)]
pub(crate) struct Checked {
    pub(crate) ended: DateTime<Utc>,
    /// `None` if the store could not be checked; the reason is logged.
    pub(crate) health: Option<Health>,
}

impl Checks {
    fn lock(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn progress(&self) -> Progress {
        self.lock().clone()
    }

    /// Starts a check, unless one is running. It continues without a viewer.
    pub(crate) fn start(self: &Arc<Self>, store: Arc<dyn Store>) -> io::Result<()> {
        let mut progress = self.lock();
        if progress.running_since.is_some() {
            return Ok(());
        }
        let checks = Arc::clone(self);
        thread::Builder::new()
            .name("auditlog-viewer-check".to_owned())
            .spawn(move || {
                let health = check(&*store);
                // Closed before the result is there.
                drop(store);
                checks.end(health);
            })?;
        progress.running_since = Some(now());
        Ok(())
    }

    fn end(&self, health: Option<Health>) {
        let mut progress = self.lock();
        progress.running_since = None;
        progress.last = Some(Arc::new(Checked {
            ended: now(),
            health,
        }));
        drop(progress);
        self.ended.notify_all();
    }

    /// Waits until no check runs, `is_wanted` returns false, or the time is over.
    pub(crate) fn wait(&self, time: Duration, is_wanted: impl Fn() -> bool) {
        /// The time between two looks at whether the result is wanted.
        const TICK: Duration = Duration::from_millis(50);
        let started = Instant::now();
        let mut progress = self.lock();
        while progress.running_since.is_some() && is_wanted() {
            let left = time.saturating_sub(started.elapsed());
            if left.is_zero() {
                break;
            }
            let waited = self.ended.wait_timeout(progress, left.min(TICK));
            progress = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

fn now() -> DateTime<Utc> {
    SystemTime::now().into()
}

/// Reads all of a store; `None` after an error, which is logged.
fn check(store: &dyn Store) -> Option<Health> {
    let check = || match store.as_trail() {
        Some(trail) => trail.health(&[]),
        None => Err(StoreError::Unsupported {
            operation: "be checked",
        }),
    };
    match catch_unwind(AssertUnwindSafe(check)) {
        Ok(Ok(health)) => Some(health),
        Ok(Err(error)) => {
            log::error!(target: "auditlog::web", "the store could not be checked: {error}");
            None
        }
        Err(panic) => {
            let message = panics::message(&*panic);
            log::error!(target: "auditlog::web", "the check of the store panicked: {message}");
            None
        }
    }
}

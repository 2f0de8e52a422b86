//! [`RunningArchiver`]: an archiver on a thread of its own.

use std::panic::{self, AssertUnwindSafe};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use audit_core::Follow;

use crate::archiver::{Archiver, RunReport};
use crate::error::Error;

/// How long a started archiver waits after the first failed run; it waits twice as long each time.
const FIRST_WAIT: Duration = Duration::from_secs(1);

impl<S: Follow + 'static> Archiver<S> {
    /// Runs on a thread of its own, at once and then in the interval of
    /// [`ArchiveOptions::every`](crate::ArchiveOptions::every). After a failed run it backs off, from 1 s up to that interval.
    ///
    /// # Errors
    /// - Returns [`Error::InvalidOption`] if an option is invalid.
    /// - Returns [`Error::Location`] if the thread cannot be started.
    pub fn start(self) -> Result<RunningArchiver, Error> {
        self.options.check()?;
        let shared = Arc::new(Shared::default());
        let name = self.location.to_string();
        let thread = thread::Builder::new().name("audit-archiver".to_owned());
        let spawned = thread.spawn({
            let shared = Arc::clone(&shared);
            move || self.run_until_stopped(&shared)
        });
        let thread = spawned.map_err(|error| Error::Location {
            location: name,
            detail: error.to_string(),
        })?;
        Ok(RunningArchiver {
            shared,
            thread: Some(thread),
        })
    }

    fn run_until_stopped(&self, shared: &Shared) {
        let every = self.options.every;
        let mut wait = FIRST_WAIT.min(every);
        loop {
            let result = self.run_once_for(shared);
            let pause = match &result {
                Ok(()) => {
                    wait = FIRST_WAIT.min(every);
                    every
                }
                Err(error) => {
                    log::error!("the trail was not archived: {error}");
                    let pause = wait;
                    wait = wait.saturating_mul(2).min(every);
                    pause
                }
            };
            let mut status = shared.lock();
            status.archived.runs += u64::from(result.is_ok());
            status.archived.last_error = result.err();
            let (status, _) = shared
                .changed
                .wait_timeout_while(status, pause, |status| !status.stopped)
                .unwrap_or_else(PoisonError::into_inner);
            if status.stopped {
                return;
            }
        }
    }

    /// Runs once, adds each segment to the statistics, and ends after a segment when it is stopped.
    fn run_once_for(&self, shared: &Shared) -> Result<(), Error> {
        let mut before = RunReport::default();
        let mut on_segment = |report: &RunReport| {
            let mut status = shared.lock();
            status.archived.entries += report.entries - before.entries;
            status.archived.skipped += report.skipped - before.skipped;
            before = *report;
            !status.stopped
        };
        let run = AssertUnwindSafe(|| self.run_with(&mut on_segment).map(drop));
        panic::catch_unwind(run).unwrap_or_else(|payload| {
            let text = payload.downcast_ref::<&str>().map(ToString::to_string);
            let text = text.or_else(|| payload.downcast_ref::<String>().cloned());
            Err(Error::Panicked {
                detail: text.unwrap_or_else(|| "no message".to_owned()),
            })
        })
    }
}

/// An archiver that runs on a thread of its own. Dropping it stops it as
/// [`stop`](Self::stop) does.
#[derive(Debug)]
pub struct RunningArchiver {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    status: Mutex<Status>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Status {
    stopped: bool,
    archived: ArchiverStats,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Status> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The statistics of a [`RunningArchiver`].
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ArchiverStats {
    /// The count of runs that succeeded.
    pub runs: u64,
    /// The count of archived entries, those of runs that failed later included.
    pub entries: u64,
    /// The count of rows that are not entries.
    pub skipped: u64,
    /// The error of the last run, if it failed or panicked.
    pub last_error: Option<Error>,
}

impl RunningArchiver {
    /// Returns the statistics so far.
    pub fn stats(&self) -> ArchiverStats {
        self.shared.lock().archived.clone()
    }

    /// Stops the archiver after the segment that it writes, and returns the statistics.
    pub fn stop(mut self) -> ArchiverStats {
        self.end();
        self.stats()
    }

    fn end(&mut self) {
        self.shared.lock().stopped = true;
        self.shared.changed.notify_all();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            let detail = "outside of a run".to_owned();
            self.shared.lock().archived.last_error = Some(Error::Panicked { detail });
        }
    }
}

impl Drop for RunningArchiver {
    fn drop(&mut self) {
        self.end();
    }
}

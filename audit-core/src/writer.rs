//! The thread behind `submit`, which writes what comes in batches.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use crate::entry::LogEntry;
use crate::error::{Result, StoreError};
use crate::pipeline::{Kept, Pipeline};
use crate::queue::{Job, Queue};
use crate::receipt::Receipt;
use crate::ticket::{Slot, Ticket};

/// How many entries one batch holds at most, unless one job has more.
const BATCH: usize = 512;

/// A thread that writes entries in batches, in the order in which they came.
#[derive(Debug)]
pub(crate) struct Writer {
    queue: Arc<Queue>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Writer {
    /// Starts the thread, with room for so many jobs.
    pub(crate) fn start(pipeline: Arc<Pipeline>, room: usize) -> Result<Self> {
        let queue = Arc::new(Queue::new(Arc::clone(&pipeline), room));
        let own = Arc::clone(&queue);
        let thread = thread::Builder::new()
            .name("auditlog-writer".to_owned())
            .spawn(move || write(&pipeline, &own))
            .map_err(|error| StoreError::Io {
                place: "the writer thread".to_owned(),
                source: Arc::new(error),
            })?;
        Ok(Self {
            queue,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Whether this is the writer's own thread, as in a sink or a hook: it cannot wait for
    /// itself.
    pub(crate) fn is_current(&self) -> bool {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        thread
            .as_ref()
            .is_some_and(|thread| thread.thread().id() == thread::current().id())
    }

    pub(crate) fn submit(&self, entries: Vec<LogEntry>) -> Ticket {
        self.queue.push(|slot| Job::Write(entries, slot))
    }

    /// Returns a ticket that is settled when everything submitted before is.
    pub(crate) fn barrier(&self) -> Ticket {
        self.queue.push(Job::Barrier)
    }

    /// Takes no more jobs and returns when those it has are done.
    pub(crate) fn stop(&self) {
        self.queue.close();
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(thread) = thread
            && thread.thread().id() != thread::current().id()
            && thread.join().is_err()
        {
            log::error!(target: "auditlog", "the audit writer thread panicked");
        }
    }
}

fn write(pipeline: &Pipeline, queue: &Queue) {
    while let Some(jobs) = queue.take(BATCH) {
        let mut entries = Vec::new();
        let mut slots = Vec::new();
        for job in jobs {
            match job {
                Job::Write(batch, slot) => {
                    slots.push((slot, entries.len()..entries.len() + batch.len()));
                    entries.extend(batch);
                }
                Job::Barrier(slot) => slots.push((slot, 0..0)),
            }
        }
        let waiting: Vec<_> = slots.iter().map(|(slot, _)| Arc::clone(slot)).collect();
        let settled = AssertUnwindSafe(|| settle(pipeline, &entries, slots));
        if catch_unwind(settled).is_err() {
            // Those that were settled before keep their result; nobody waits for ever.
            for slot in waiting {
                let error = StoreError::backend("the store", "it panicked");
                // Nobody knows how far it had come.
                let error = error.unconfirmed("the store");
                slot.settle(Err(error.into()));
            }
        }
    }
}

/// Writes a batch; if it fails as a whole, each part alone, so that a bad entry harms
/// nobody else's.
fn settle(
    pipeline: &Pipeline,
    entries: &[LogEntry],
    slots: Vec<(Arc<Slot>, std::ops::Range<usize>)>,
) {
    let mut doubt = None;
    if slots.len() > 1 {
        match pipeline.write_quietly(entries) {
            Ok(()) => {
                for (slot, part) in slots {
                    slot.settle(Ok(receipt(Kept::Stored, &entries[part])));
                }
                return;
            }
            Err(error @ StoreError::Unconfirmed { .. }) => doubt = Some(error),
            Err(_) => {}
        }
    }
    for (slot, part) in slots {
        let part = &entries[part];
        let written = if part.is_empty() {
            Ok(Kept::Stored)
        } else {
            pipeline.write_after(doubt.as_ref(), part)
        };
        slot.settle(written.map(|kept| receipt(kept, part)));
    }
}

fn receipt(kept: Kept, entries: &[LogEntry]) -> Receipt {
    entries
        .first()
        .map_or(Receipt::Unchanged, |entry| kept.receipt(entry.id))
}

//! The thread behind `submit`, which writes what comes in batches.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle, ThreadId};

use super::queue::{Job, Queue};
use super::receipt::Receipt;
use super::slot::Slot;
use super::ticket::Ticket;
use super::{Kept, Pipeline};
use crate::critical::log_or_print;
use crate::entry::LogEntry;
use crate::error::{Result, StoreError};

/// How many entries one batch holds at most, unless one job has more.
const BATCH: usize = 512;

/// A thread that writes entries in batches, in the order in which they came.
#[derive(Debug)]
pub(crate) struct Writer {
    queue: Arc<Queue>,
    id: ThreadId,
    /// There until the thread has ended and was waited for.
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
                location: "the writer thread".to_owned(),
                source: Arc::new(error),
            })?;
        Ok(Self {
            queue,
            id: thread.thread().id(),
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Whether this is the writer's own thread, as in a sink or a hook: it cannot wait for
    /// itself.
    pub(crate) fn is_current(&self) -> bool {
        self.id == thread::current().id()
    }

    pub(crate) fn submit(&self, entries: Vec<LogEntry>) -> Ticket {
        self.push(|slot| Job::Write(entries, slot))
    }

    /// Returns a ticket that is settled when everything submitted before is.
    pub(crate) fn barrier(&self) -> Ticket {
        self.push(Job::Barrier)
    }

    fn push(&self, job: impl FnOnce(Arc<Slot>) -> Job) -> Ticket {
        let (mut ticket, slot) = Ticket::open();
        if let Some(number) = self.queue.push(job(slot)) {
            ticket.waits_in(&self.queue, number);
        }
        ticket
    }

    /// Takes no more jobs and returns when those it has are done, to each who calls it. On the
    /// writer's own thread it returns at once.
    pub(crate) fn stop(&self) {
        self.queue.close();
        if self.is_current() {
            return;
        }
        // Held meanwhile, so that whoever else stops it waits as long.
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(thread) = thread.take()
            && thread.join().is_err()
        {
            log_or_print(log::Level::Error, "the audit writer thread panicked");
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
        let write = AssertUnwindSafe(|| write_batch(pipeline, &entries, slots));
        if catch_unwind(write).is_err() {
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

/// Writes a batch. If one entry may be why the store does not take it, each part is tried
/// alone, so that a bad entry harms nobody else's. Any other failure is everybody's: to try
/// each alone would take as many times as long, and fail as well.
fn write_batch(pipeline: &Pipeline, entries: &[LogEntry], slots: Vec<(Arc<Slot>, Range<usize>)>) {
    let (barriers, slots): (Vec<_>, Vec<_>) =
        slots.into_iter().partition(|(_, part)| part.is_empty());
    match &slots[..] {
        [] => {}
        [(slot, _)] => slot.settle(receipt(pipeline.write(entries), entries)),
        _ => match pipeline.attempt(entries) {
            Ok(kept) => {
                for (slot, part) in slots {
                    slot.settle(receipt(Ok(kept), &entries[part]));
                }
            }
            Err(error) if error.may_concern_entries() => write_each(pipeline, entries, &slots),
            Err(error) => refuse(pipeline, entries, &slots, &error),
        },
    }
    for (barrier, _) in barriers {
        barrier.settle(Ok(Receipt::Unchanged));
    }
}

/// Writes each part alone, until the store fails.
fn write_each(pipeline: &Pipeline, entries: &[LogEntry], slots: &[(Arc<Slot>, Range<usize>)]) {
    for (at, (slot, part)) in slots.iter().enumerate() {
        let part = &entries[part.clone()];
        match pipeline.attempt(part) {
            Ok(kept) => slot.settle(receipt(Ok(kept), part)),
            Err(error)
                if error.may_concern_entries()
                    // Of the next ones it is known that they are not kept.
                    || matches!(error, StoreError::Unconfirmed { .. }) =>
            {
                refuse(pipeline, entries, &slots[at..=at], &error);
            }
            Err(error) => return refuse(pipeline, entries, &slots[at..], &error),
        }
    }
}

fn refuse(
    pipeline: &Pipeline,
    entries: &[LogEntry],
    slots: &[(Arc<Slot>, Range<usize>)],
    error: &StoreError,
) {
    let part = |(_, part): &(Arc<Slot>, Range<usize>)| &entries[part.clone()];
    let parts: Vec<_> = slots.iter().map(part).collect();
    let refused = pipeline.refuse(&parts, error);
    for (((slot, _), part), refused) in slots.iter().zip(parts).zip(refused) {
        slot.settle(receipt(refused, part));
    }
}

fn receipt(written: Result<Kept>, entries: &[LogEntry]) -> Result<Receipt> {
    let kept = written?;
    // Of the two entries of an identity change the last one is the new object's.
    Ok(entries
        .last()
        .map_or(Receipt::Unchanged, |entry| kept.receipt(entry.id)))
}

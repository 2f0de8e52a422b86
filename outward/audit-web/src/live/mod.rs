//! Live streams: the entries that a query matches, as they are committed, by server-sent events.
//!
//! One thread follows the trail for all streams. A stream holds up to 256 KB of events at its start, and later up to
//! 128 KB: the thread reads further for it when the client has taken them.

mod stream;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use audit_core::{AuditLog, LogEntry, Position, Store};

use self::stream::{End, Stream};
pub(crate) use self::stream::{Opening, Receiver};
use crate::html::Labels;
use crate::not_opened::NotOpened;
use crate::panics;
use crate::viewer::Viewer;

/// The highest number of entries that are read from the store at once, and their size in bytes as far
/// as the entries before them show it.
const MAX_BATCH: usize = 500;
const BATCH_BYTES: usize = 4 << 20;
/// The number of entries that are read first, when their size is unknown.
const FIRST_BATCH: usize = 16;
/// The number of bytes of events at which a stream reads no further until the client takes them.
const BUFFER: usize = 64 * 1024;
/// The number of bytes of the first events of a stream.
const FIRST: usize = 256 * 1024;
/// The number of bytes of the event of an entry. A larger one has the id of the entry alone.
const EVENT: usize = 64 * 1024;

/// Follows the trail for the open streams. Dropping it ends them.
#[derive(Debug)]
pub(crate) struct Live {
    shared: Arc<Shared>,
}

/// The limits of live streams.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LiveLimits {
    /// The number of open streams.
    pub(crate) streams: usize,
    /// The number of open streams of one reader.
    pub(crate) reader_streams: usize,
    /// The time between two reads of the store.
    pub(crate) interval: Duration,
    /// The time after which an idle stream sends a comment.
    pub(crate) heartbeat: Duration,
    /// The time in which a client takes the events of a stream.
    pub(crate) patience: Duration,
    /// The time after which a stream ends, so that the next one is authorized and recorded.
    pub(crate) lifetime: Duration,
}

impl Default for LiveLimits {
    fn default() -> Self {
        Self {
            streams: 16,
            reader_streams: 8,
            interval: Duration::from_secs(1),
            heartbeat: Duration::from_secs(15),
            patience: Duration::from_secs(30),
            lifetime: Duration::from_secs(15 * 60),
        }
    }
}

struct Shared {
    limits: LiveLimits,
    log: AuditLog,
    state: Mutex<State>,
    /// Signalled when a stream opens, when a client has taken events, and when the streams end.
    wake: Condvar,
}

#[derive(Default)]
struct State {
    streams: Vec<Arc<Stream>>,
    /// Whether a stream may have events before the next interval.
    is_due: bool,
    is_closed: bool,
}

impl Live {
    pub(crate) fn start(log: AuditLog, limits: LiveLimits) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            limits,
            log,
            state: Mutex::default(),
            wake: Condvar::new(),
        });
        let following = Arc::clone(&shared);
        thread::Builder::new()
            .name("auditlog-viewer-live".to_owned())
            .spawn(move || following.follow())?;
        Ok(Self { shared })
    }

    /// Opens a stream.
    pub(crate) fn open(&self, opening: Opening) -> Result<Receiver, NotOpened> {
        let stream = Arc::new(Stream::new(opening, &self.shared.log));
        let mut state = self.shared.lock();
        if state.is_closed {
            return Err(NotOpened::Closed);
        }
        state.streams.retain(|stream| !stream.has_ended());
        let limits = &self.shared.limits;
        if state.streams.len() >= limits.streams {
            return Err(NotOpened::Full);
        }
        let is_own = |open: &&Arc<Stream>| open.reader() == stream.reader();
        if state.streams.iter().filter(is_own).count() >= limits.reader_streams {
            return Err(NotOpened::ReaderFull(limits.reader_streams));
        }
        state.streams.push(Arc::clone(&stream));
        drop(state);
        self.shared.signal();
        Ok(Receiver::new(stream, Arc::clone(&self.shared)))
    }

    /// Ends the open streams. Further ones are not opened.
    pub(crate) fn close(&self) {
        self.shared.close();
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.close();
    }
}

impl Viewer {
    /// Ends the open live streams and exports. Requests for further ones have status 503.
    ///
    /// A live stream stays open until the client disconnects or its lifetime of 15 minutes is over, and an
    /// export until the client has taken it. A server that waits for its connections when it shuts down
    /// calls this first. A client receives an error at the end of an incomplete export.
    pub fn close_streams(&self) {
        let inner = self.shared();
        inner.live.close();
        inner.exports.close();
    }
}

/// Entries that were read at once.
struct Read {
    /// Each with the position after it.
    entries: Vec<(LogEntry, Position)>,
    /// The number of stored entries, and of their bytes.
    count: usize,
    bytes: usize,
    next: Position,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while the lock is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets the thread look at the streams now.
    fn signal(&self) {
        self.lock().is_due = true;
        self.wake.notify_one();
    }

    fn close(&self) {
        let mut state = self.lock();
        state.is_closed = true;
        let streams = std::mem::take(&mut state.streams);
        drop(state);
        self.wake.notify_one();
        for stream in streams {
            stream.end(End::Closed);
        }
    }

    /// Follows the trail until the streams are closed.
    fn follow(&self) {
        let store = self.log.store();
        let mut limit = FIRST_BATCH;
        let mut state = self.lock();
        while !state.is_closed {
            state.streams.retain(|stream| !stream.has_ended());
            state.is_due = false;
            if state.streams.is_empty() {
                let waited = self.wake.wait(state);
                state = waited.unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let streams = state.streams.clone();
            drop(state);
            let round = AssertUnwindSafe(|| self.advance_all(&streams, &*store, &mut limit));
            let is_behind = catch_unwind(round).unwrap_or_else(|panic| {
                // The store, or an entry that cannot be shown: later streams are not affected.
                let message = panics::message(&*panic);
                log::error!(target: "auditlog::web", "the live streams end because their thread panicked: {message}");
                for stream in &streams {
                    stream.end(End::Failed);
                }
                false
            });
            drop(streams);
            state = self.lock();
            if !state.is_closed && !state.is_due && !is_behind {
                let waited = self.wake.wait_timeout(state, self.limits.interval);
                state = waited.unwrap_or_else(PoisonError::into_inner).0;
            }
        }
    }

    /// Gives the streams their next events, and returns whether the trail may have more for one of them.
    /// `limit` is the number of entries to read at once, and is set for the next time.
    fn advance_all(&self, streams: &[Arc<Stream>], store: &dyn Store, limit: &mut usize) -> bool {
        // Streams at the same position share a read.
        let mut reads = HashMap::new();
        let mut is_behind = false;
        for stream in streams {
            is_behind |= self.advance(stream, store, *limit, &mut reads);
        }
        if let Some(read) = reads.values().flatten().max_by_key(|read| read.bytes) {
            let bytes = read.bytes.div_ceil(read.count.max(1)).max(1);
            *limit = (BATCH_BYTES / bytes).clamp(1, MAX_BATCH.min(*limit * 4));
        }
        is_behind
    }

    /// Gives a stream its next events, and returns whether the trail may have more for it.
    fn advance(
        &self,
        stream: &Stream,
        store: &dyn Store,
        limit: usize,
        reads: &mut HashMap<Position, Option<Read>>,
    ) -> bool {
        let Some(position) = stream.position_to_read(&self.limits, Instant::now()) else {
            return false;
        };
        let read = reads
            .entry(position)
            .or_insert_with_key(|position| read(store, position, limit));
        let Some(read) = read else {
            stream.end(End::Failed);
            return false;
        };
        let labels = Labels::of(&self.log);
        let mut events = String::new();
        let mut next = &read.next;
        for (entry, position) in &read.entries {
            stream.write_event(&mut events, entry, &labels);
            if events.len() >= BUFFER {
                next = position;
                break;
            }
        }
        stream.advance(next.clone(), &events, self.limits.heartbeat);
        read.count > 0
    }
}

/// Reads the entries committed after a position; `None` after an error, which is logged.
fn read(store: &dyn Store, position: &Position, limit: usize) -> Option<Read> {
    let batch = match store.as_trail()?.committed_after(position, limit) {
        Ok(batch) => batch,
        Err(error) => {
            log::error!(target: "auditlog::web", "a live stream ends because the trail could not be read: {error}");
            return None;
        }
    };
    let mut entries = Vec::with_capacity(batch.entries.len());
    for stored in &batch.entries {
        match stored.entry() {
            Ok(entry) => entries.push((entry, stored.position().clone())),
            Err(error) => {
                log::error!(target: "auditlog::web", "a live stream leaves out a damaged entry: {error}");
            }
        }
    }
    Some(Read {
        entries,
        count: batch.entries.len(),
        bytes: batch.entries.iter().map(|entry| entry.bytes().len()).sum(),
        next: batch.next,
    })
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

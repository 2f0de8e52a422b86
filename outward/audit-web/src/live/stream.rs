//! An open stream, and its receiving end.

use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use audit_core::backend::escape_misleading;
use audit_core::{AuditLog, LogEntry, Position, Query};
use bytes::Bytes;
use serde_json::json;

use super::{EVENT, FIRST, LiveLimits, Shared};
use crate::access::Grant;
use crate::conceal::Concealer;
use crate::html::{Labels, live_rows};
use crate::request::Format;
use crate::terms::Terms;
use crate::texts::Selected;

/// The time after which a browser reconnects, as the first event states it.
const RETRY: &str = "retry: 3000\n\n";

/// The settings of a stream, and its first entries.
pub(crate) struct Opening {
    pub(crate) grant: Grant,
    pub(crate) query: Query,
    pub(crate) format: Format,
    /// The language of rows.
    pub(crate) selected: Selected,
    /// The position from which the stream follows the trail.
    pub(crate) position: Position,
    /// The entries before that position that are sent first, newest first.
    pub(crate) first: Vec<LogEntry>,
    /// Whether there are more such entries.
    pub(crate) has_more: bool,
    /// Whether the client has entries of an earlier stream. It removes them if it does not receive all
    /// entries after them.
    pub(crate) is_resumed: bool,
}

/// An open stream.
pub(super) struct Stream {
    /// The id of the reader.
    reader: String,
    scope: Query,
    query: Query,
    terms: Terms,
    concealer: Option<Arc<Concealer>>,
    format: Format,
    selected: Selected,
    opened: Instant,
    state: Mutex<State>,
}

struct State {
    position: Position,
    /// The events that the client has not taken.
    events: String,
    /// The time of the last event, or of the last time that the client took events.
    active: Instant,
    end: Option<End>,
    waker: Option<Waker>,
}

/// Why a stream has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The viewer or the lifetime of the stream has ended, or the client has disconnected.
    Closed,
    /// The trail could not be read, or the client did not take its events.
    Failed,
}

impl Stream {
    pub(super) fn new(opening: Opening, log: &AuditLog) -> Self {
        let now = Instant::now();
        let labels = Labels::of(log);
        let concealer = opening.grant.hides_values();
        let concealer = concealer.then(|| Arc::new(Concealer::of(log)));
        let terms = Terms::of(&opening.query, concealer.clone());
        let mut first = Vec::new();
        let mut bytes = 0;
        let mut has_more = opening.has_more;
        for entry in &opening.first {
            let mut event = String::new();
            write_event(&mut event, opening.format, entry, &labels, &terms);
            bytes += event.len();
            if bytes > FIRST {
                has_more = true;
                break;
            }
            first.push(event);
        }
        let mut events = RETRY.to_owned();
        if opening.is_resumed && has_more {
            // An event without data is ignored.
            events.push_str("event: reset\ndata: reset\n\n");
        }
        events.extend(first.iter().rev().map(String::as_str));
        let grant = opening.grant;
        Self {
            concealer,
            reader: grant.reader.id,
            scope: grant.scope,
            query: opening.query,
            terms,
            format: opening.format,
            selected: opening.selected,
            opened: now,
            state: Mutex::new(State {
                position: opening.position,
                events,
                active: now,
                end: None,
                waker: None,
            }),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn reader(&self) -> &str {
        &self.reader
    }

    pub(super) fn has_ended(&self) -> bool {
        self.lock().end.is_some()
    }

    /// Returns the position to read from; `None` if the client has events to take or the stream ends.
    pub(super) fn position_to_read(&self, limits: &LiveLimits, now: Instant) -> Option<Position> {
        let state = self.lock();
        let end = if state.events.is_empty() {
            let age = now.saturating_duration_since(self.opened);
            (age >= limits.lifetime).then_some(End::Closed)
        } else {
            let waited = now.saturating_duration_since(state.active);
            if waited < limits.patience {
                return None;
            }
            Some(End::Failed)
        };
        let Some(end) = end else {
            return Some(state.position.clone());
        };
        drop(state);
        if end == End::Failed {
            log::info!(
                target: "auditlog::web",
                "the live stream of `{}` ends: the client took nothing for {} s",
                escape_misleading(&self.reader),
                limits.patience.as_secs()
            );
        }
        self.end(end);
        None
    }

    /// Writes the event of an entry that is in the reader's scope and that the query matches.
    pub(super) fn write_event(&self, events: &mut String, entry: &LogEntry, labels: &Labels) {
        if !self.scope.matches(entry) || !self.query.matches(entry) {
            return;
        }
        let mut entry = Cow::Borrowed(entry);
        if let Some(concealer) = &self.concealer {
            concealer.entry(entry.to_mut());
        }
        self.selected
            .make(|| write_event(events, self.format, &entry, labels, &self.terms));
    }

    /// Adds the events up to a position. A stream without an event for some time gets a comment.
    pub(super) fn advance(&self, position: Position, events: &str, heartbeat: Duration) {
        let now = Instant::now();
        let mut state = self.lock();
        state.position = position;
        if events.is_empty() {
            if now.saturating_duration_since(state.active) < heartbeat {
                return;
            }
            state.events.push_str(":\n\n");
        } else {
            state.events.push_str(events);
        }
        state.active = now;
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    pub(super) fn end(&self, end: End) {
        let mut state = self.lock();
        state.end.get_or_insert(end);
        if end == End::Failed {
            state.events = String::new();
        }
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// Writes an entry as an event with the id of the entry: an event `large` without the entry if its text is long.
pub(super) fn write_event(
    events: &mut String,
    format: Format,
    entry: &LogEntry,
    labels: &Labels,
    terms: &Terms,
) {
    let data = match format {
        Format::Html => live_rows(entry, labels, terms).into_string(),
        Format::Json => match entry.to_canonical_json() {
            Ok(text) => text,
            Err(error) => {
                log::error!(target: "auditlog::web", "a live stream leaves out an entry: {error}");
                return;
            }
        },
    };
    events.push_str("id: ");
    events.push_str(&entry.id.to_string());
    if data.len() > EVENT {
        let large = json!({"id": entry.id, "bytes": data.len()});
        events.push_str("\nevent: large\ndata: ");
        events.push_str(&large.to_string());
        events.push_str("\n\n");
        return;
    }
    // A line end in the data would begin another field.
    for line in data.split(['\n', '\r']) {
        events.push_str("\ndata: ");
        events.push_str(line);
    }
    events.push_str("\n\n");
}

/// The receiving end of a stream. Dropping it ends the stream.
pub(crate) struct Receiver {
    stream: Arc<Stream>,
    shared: Arc<Shared>,
}

impl Receiver {
    pub(super) fn new(stream: Arc<Stream>, shared: Arc<Shared>) -> Self {
        Self { stream, shared }
    }

    /// Returns the next events: an error if the stream ended early, and `None` after its end.
    pub(crate) fn poll(&self, context: &Context<'_>) -> Poll<Option<Result<Bytes, ()>>> {
        let mut state = self.stream.lock();
        if !state.events.is_empty() {
            let events = std::mem::take(&mut state.events);
            state.active = Instant::now();
            drop(state);
            self.shared.signal();
            return Poll::Ready(Some(Ok(events.into())));
        }
        match state.end {
            Some(End::Closed) => Poll::Ready(None),
            Some(End::Failed) => {
                state.end = Some(End::Closed);
                Poll::Ready(Some(Err(())))
            }
            None => {
                state.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }

    #[cfg(test)]
    pub(super) fn has_ended(&self) -> bool {
        self.stream.has_ended()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.stream.end(End::Closed);
    }
}

impl fmt::Debug for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").finish_non_exhaustive()
    }
}

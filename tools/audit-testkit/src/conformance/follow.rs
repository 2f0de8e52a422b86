//! The contract of [`Follow`]: the order of commits, and positions in it.

use std::cell::Cell;
use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use audit_core::{Batch, Follow, LogEntry, Position, Query, StoreError, Stored};
use uuid::Uuid;

use super::access::{append, must, sorted};
use crate::sample::entries;

thread_local! {
    /// The longest time that entries may be held back, as by the transactions of others on the same server.
    static PATIENCE: Cell<Duration> = const { Cell::new(Duration::from_secs(60)) };
}
/// The pause before the next read.
const PAUSE: Duration = Duration::from_millis(2);

/// Sets how long the checks of [`Follow`] that run on this thread wait for an entry that a store holds
/// back: 60 s by default.
pub fn set_patience(patience: Duration) {
    PATIENCE.set(patience);
}

/// Rules 1 and 3: all entries come, each once and in one order, whatever the limit.
pub fn follows_each_entry_once(store: &dyn Follow) {
    let sample = entries(120, 80);
    append(store, &sample[..40]);
    for entry in &sample[40..80] {
        append(store, std::slice::from_ref(entry));
    }
    append(store, &sample[80..]);
    let mut order: Option<Vec<Uuid>> = None;
    for limit in [500, 1, 7, 40, 119, 120] {
        let mut follower = Follower::new(store, Position::START);
        let found = ids(&follower.next(sample.len(), limit));
        follower.assert_end(limit);
        assert_same(&found, &sample);
        assert_eq!(*order.get_or_insert(found.clone()), found, "limit {limit}");
    }
}

/// Rule 1: appending an entry again, alone or among new ones, does not return it again.
pub fn follows_once_what_is_appended_twice(store: &dyn Follow) {
    let sample = entries(30, 81);
    append(store, &sample[..20]);
    let mut follower = Follower::new(store, Position::START);
    follower.next(20, 100);
    append(store, &sample[..20]);
    append(store, &sample[10..]);
    assert_same(&ids(&follower.next(10, 100)), &sample[20..]);
    follower.assert_end(100);
}

/// Rule 2: entries with earlier times and ids come after those that were committed before them.
pub fn follows_what_is_written_late(store: &dyn Follow) {
    let sample = sorted(entries(60, 82));
    let mut follower = Follower::new(store, Position::START);
    append(store, &sample[40..]);
    assert_same(&ids(&follower.next(20, 100)), &sample[40..]);
    append(store, &sample[..20]);
    assert_same(&ids(&follower.next(20, 100)), &sample[..20]);
    for entry in sample[20..40].iter().rev() {
        append(store, std::slice::from_ref(entry));
        assert_same(&ids(&follower.next(1, 100)), std::slice::from_ref(entry));
    }
    follower.assert_end(100);
}

/// From the present position come the entries that are committed later, and no others.
pub fn follows_from_the_present_position(store: &dyn Follow) {
    let sample = entries(40, 83);
    let mut first = Follower::new(store, must(store.position()));
    append(store, &sample[..20]);
    assert_same(&ids(&first.next(20, 100)), &sample[..20]);
    // Nothing is held back any more.
    let mut second = Follower::new(store, must(store.position()));
    second.assert_end(100);
    append(store, &sample[20..]);
    for mut follower in [first, second] {
        assert_same(&ids(&follower.next(20, 100)), &sample[20..]);
        follower.assert_end(100);
    }
}

/// Rules 1 and 3: what follows the position of an entry is what follows the entry.
pub fn follows_from_each_position(store: &dyn Follow) {
    let sample = entries(30, 84);
    for part in sample.chunks(12) {
        append(store, part);
    }
    let all = Follower::new(store, Position::START).next(sample.len(), 100);
    for (number, stored) in all.iter().enumerate() {
        let mut follower = Follower::new(store, stored.position().clone());
        let rest = &all[number + 1..];
        assert_eq!(follower.next(rest.len(), 7), rest, "after entry {number}");
        follower.assert_end(7);
        let first = must(store.committed_after(&Position::START, number + 1));
        assert_eq!(first.entries, all[..=number]);
        let mut follower = Follower::new(store, first.next);
        assert_eq!(follower.next(rest.len(), 100), rest, "after batch {number}");
    }
}

/// Rule 4: the bytes are the canonical form.
pub fn follows_stored_bytes(store: &dyn Follow) {
    let sample = entries(50, 85);
    append(store, &sample);
    let mut found = Follower::new(store, Position::START).next(sample.len(), 100);
    found.sort_by_key(Stored::id);
    let mut expected = sample;
    expected.sort_by_key(|entry| entry.id);
    for (stored, entry) in found.iter().zip(&expected) {
        assert_eq!(stored.id(), entry.id);
        let json = must(entry.to_canonical_json());
        assert_eq!(stored.bytes(), json.as_bytes(), "the bytes of {}", entry.id);
        assert_eq!(must(stored.entry()), *entry);
    }
}

/// Rule 6: entries are removed before, at and after the position of a follower.
pub fn follows_past_a_purge(store: &dyn Follow) {
    let sample = entries(90, 86);
    for part in sample.chunks(30) {
        append(store, part);
    }
    let mut follower = Follower::new(store, Position::START);
    let seen = follower.next(40, 10);
    let last = must(seen[39].entry());
    let removed = Query::new().model_name(&last.model);
    match store.purge(&removed) {
        Err(StoreError::Unsupported { .. }) => return,
        purged => assert!(must(purged) > 1),
    }
    let seen: HashSet<Uuid> = seen.iter().map(Stored::id).collect();
    let mut left = sample;
    left.retain(|entry| !seen.contains(&entry.id) && entry.model != last.model);
    assert!(!left.is_empty(), "the sample has several models");
    let before = follower.position.clone();
    assert_same(&ids(&follower.next(left.len(), 10)), &left);
    follower.assert_end(10);
    // All of it, up to the position and beyond.
    must(store.purge(&Query::new()));
    follower.assert_end(10);
    let new = entries(15, 87);
    append(store, &new);
    for mut follower in [
        follower,
        Follower::new(store, before),
        Follower::new(store, Position::START),
    ] {
        assert_same(&ids(&follower.next(new.len(), 10)), &new);
        follower.assert_end(10);
    }
}

/// Rule 7: nothing for a limit of 0, and the position remains.
pub fn follows_nothing_for_a_limit_of_zero(store: &dyn Follow) {
    append(store, &entries(20, 88));
    let mut follower = Follower::new(store, Position::START);
    let at = follower.next(7, 7)[6].position().clone();
    for at in [Position::START, at, must(store.position())] {
        let batch = must(store.committed_after(&at, 0));
        assert_eq!(batch, Batch::new(Vec::new(), at));
    }
}

/// Rule 9: a position of another kind of store is an error, also for a limit of 0.
pub fn refuses_a_position_of_another_kind(store: &dyn Follow) {
    append(store, &entries(5, 90));
    let position = must(Position::new("another-kind", 1));
    for limit in [0, 10] {
        assert_invalid(store.committed_after(&position, limit), &position);
    }
}

/// Rules 1 and 2: each entry comes once while four threads append, in step with the follower.
pub fn follows_while_threads_append(store: &dyn Follow) {
    let samples: Vec<_> = (0..4).map(|number| entries(60, 500 + number)).collect();
    let number = samples.iter().map(Vec::len).sum();
    let asked = AtomicUsize::new(0);
    let found = thread::scope(|scope| {
        for sample in &samples {
            scope.spawn(|| {
                let mut seen = 0;
                for part in sample.chunks(4) {
                    append(store, part);
                    let mut now = asked.load(Ordering::SeqCst);
                    while now <= seen && now != usize::MAX {
                        thread::yield_now();
                        now = asked.load(Ordering::SeqCst);
                    }
                    seen = now;
                }
            });
        }
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            let mut follower = Follower::new(store, Position::START);
            let mut found = Vec::new();
            let mut deadline = Instant::now() + PATIENCE.get();
            while found.len() < number {
                asked.fetch_add(1, Ordering::SeqCst);
                let entries = follower.read(5);
                if entries.is_empty() {
                    let missing = number - found.len();
                    assert!(Instant::now() < deadline, "{missing} entries do not come");
                    thread::sleep(PAUSE);
                } else {
                    deadline = Instant::now() + PATIENCE.get();
                    found.extend(entries);
                }
            }
            follower.assert_end(5);
            found
        }));
        // The threads go on, also after a failure.
        asked.store(usize::MAX, Ordering::SeqCst);
        match outcome {
            Ok(found) => found,
            Err(panic) => resume_unwind(panic),
        }
    });
    assert_same(&ids(&found), &samples.concat());
}

/// Rule 8: a follower and its store that restart between any two calls get each entry once.
///
/// Not part of [`FOLLOW_CHECKS`](super::FOLLOW_CHECKS): `open` opens the same place again and
/// again, after what it returned before was dropped.
///
/// # Panics
/// Panics if an entry is missing or comes twice.
pub fn follows_after_reopening(open: &dyn Fn() -> Box<dyn Follow>) {
    let sample = entries(60, 91);
    let mut saved = Position::START.to_string();
    let mut found = Vec::new();
    for part in sample.chunks(20) {
        append(&*open(), part);
        let number = found.len() + 15;
        while found.len() < number {
            let store = open();
            let limit = 4.min(number - found.len());
            let at = must(saved.parse().map_err(|_| StoreError::Closed));
            let mut follower = Follower::new(&*store, at);
            found.extend(ids(&follower.next(1, limit)));
            saved = follower.position.to_string();
        }
    }
    let store = open();
    let at = must(saved.parse().map_err(|_| StoreError::Closed));
    let mut follower = Follower::new(&*store, at);
    found.extend(ids(&follower.next(sample.len() - found.len(), 4)));
    follower.assert_end(4);
    assert_same(&found, &sample);
}

/// Rule 9: a position of one trail is an error in another one, shorter or longer.
///
/// Not part of [`FOLLOW_CHECKS`](super::FOLLOW_CHECKS): `store` and `other` are two empty stores.
///
/// # Panics
/// Panics if the other store takes the position.
pub fn refuses_a_position_of_another_trail(store: &dyn Follow, other: &dyn Follow) {
    append(store, &entries(10, 92));
    let found = Follower::new(store, Position::START).next(10, 100);
    let at = found[9].position();
    append(other, &entries(3, 93));
    for limit in [0, 100] {
        assert_invalid(other.committed_after(at, limit), at);
    }
    append(other, &entries(20, 94));
    Follower::new(other, Position::START).next(23, 100);
    for stored in &found {
        for limit in [0, 100] {
            assert_invalid(
                other.committed_after(stored.position(), limit),
                stored.position(),
            );
        }
    }
}

/// Reads a store from a position on, which it keeps as text.
struct Follower<'s> {
    store: &'s dyn Follow,
    position: Position,
}

impl<'s> Follower<'s> {
    fn new(store: &'s dyn Follow, position: Position) -> Self {
        Self { store, position }
    }

    #[track_caller]
    fn read(&mut self, limit: usize) -> Vec<Stored> {
        let batch = must(self.store.committed_after(&self.position, limit));
        let entries = batch.entries;
        assert!(entries.len() <= limit, "{} of {limit}", entries.len());
        let text = batch.next.to_string();
        self.position = must(text.parse().map_err(|_| StoreError::Closed));
        entries
    }

    /// Reads until there are so many, or nothing comes for too long.
    #[track_caller]
    fn next(&mut self, number: usize, limit: usize) -> Vec<Stored> {
        let mut deadline = Instant::now() + PATIENCE.get();
        let mut found = Vec::new();
        while found.len() < number {
            let entries = self.read(limit.min(number - found.len()));
            if entries.is_empty() {
                let missing = number - found.len();
                assert!(Instant::now() < deadline, "{missing} entries do not come");
                thread::sleep(PAUSE);
            } else {
                deadline = Instant::now() + PATIENCE.get();
                found.extend(entries);
            }
        }
        found
    }

    /// Checks that nothing more comes.
    #[track_caller]
    fn assert_end(&mut self, limit: usize) {
        for _ in 0..3 {
            assert_eq!(self.read(limit), [], "after the last entry");
        }
    }
}

fn ids(found: &[Stored]) -> Vec<Uuid> {
    found.iter().map(Stored::id).collect()
}

/// Checks that what came is each of some entries, once.
#[track_caller]
fn assert_same(found: &[Uuid], expected: &[LogEntry]) {
    let mut found = found.to_vec();
    found.sort_unstable();
    let mut expected: Vec<Uuid> = expected.iter().map(|entry| entry.id).collect();
    expected.sort_unstable();
    assert_eq!(found, expected);
}

#[track_caller]
fn assert_invalid(result: Result<Batch, StoreError>, position: &Position) {
    match result {
        Err(error @ StoreError::InvalidPosition { .. }) => {
            let text = error.to_string();
            assert!(text.contains(&position.to_string()), "{text}");
        }
        other => panic!("expected an invalid position, got {other:?}"),
    }
}

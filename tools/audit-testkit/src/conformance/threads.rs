//! Rule 7: all methods from many threads at once.

use std::collections::BTreeMap;
use std::sync::Barrier;
use std::thread;

use audit_core::{LogEntry, Query, Store};
use uuid::Uuid;

use super::access::{all, append, assert_conflict, count, must, sorted};
use crate::sample::entries;

/// Rule 7: single entries and batches from eight threads, each kept once.
pub fn keeps_what_threads_append_at_once(store: &dyn Store) {
    let samples: Vec<_> = (0..8).map(|thread| entries(60, 100 + thread)).collect();
    at_once(&samples, |sample| {
        for single in sample[..20].chunks(1) {
            append(store, single);
        }
        for batch in sample[20..].chunks(8) {
            append(store, batch);
        }
    });
    assert_eq!(all(store), sorted(samples.concat()));
}

/// Rules 3 and 7: the same entries from eight threads; of a contradiction one side wins.
pub fn keeps_once_what_threads_append_twice(store: &dyn Store) {
    let sample = entries(40, 26);
    at_once(&[(); 8], |()| {
        for part in sample.chunks(4) {
            append(store, part);
        }
    });
    assert_eq!(all(store), sorted(sample));

    let rivals: Vec<_> = (0..8)
        .map(|number| {
            let mut entry = entries(1, 27).remove(0);
            entry.reason = Some(format!("reason {number}"));
            entry
        })
        .collect();
    let kept = std::sync::Mutex::new(Vec::new());
    at_once(&rivals, |rival| {
        match store.append(std::slice::from_ref(rival)) {
            Ok(()) => kept.lock().unwrap().push(rival.clone()),
            conflict => assert_conflict(conflict, rival.id),
        }
    });
    let kept = kept.into_inner().unwrap();
    assert_eq!(kept.len(), 1, "one of the rivals is kept");
    assert!(all(store).contains(&kept[0]));
}

/// Rules 1 and 7: whoever reads while others write sees all of a batch or nothing of it.
pub fn shows_whole_batches_only(store: &dyn Store) {
    const BATCH: usize = 20;
    let batches: Vec<Vec<_>> = (0..24)
        .map(|number| {
            let mut batch = entries(BATCH, 200 + number);
            for entry in &mut batch {
                entry.transaction_id = Some(Uuid::from_u64_pair(8, number));
            }
            batch
        })
        .collect();
    let (writers, readers) = (batches.chunks(6), 4);
    let mut work: Vec<Option<&[Vec<LogEntry>]>> = writers.map(Some).collect();
    work.extend(std::iter::repeat_n(None, readers));
    at_once(&work, |work| match work {
        Some(batches) => batches.iter().for_each(|batch| append(store, batch)),
        None => {
            for _ in 0..20 {
                let mut seen: BTreeMap<Uuid, usize> = BTreeMap::new();
                for entry in must(store.find(&Query::new().limit(10_000))).entries {
                    *seen
                        .entry(entry.transaction_id.expect("all have one"))
                        .or_default() += 1;
                }
                for (batch, seen) in seen {
                    assert_eq!(seen, BATCH, "a part of batch {batch} was seen");
                }
            }
        }
    });
    assert_eq!(count(store, Query::new()), 24 * BATCH as u64);
}

/// A flush succeeds and changes nothing.
pub fn flushes(store: &dyn Store) {
    must(store.flush());
    let sample = entries(5, 28);
    append(store, &sample);
    must(store.flush());
    assert_eq!(all(store), sorted(sample));
}

pub(crate) fn at_once<T: Sync>(work: &[T], run: impl Fn(&T) + Sync) {
    let start = Barrier::new(work.len());
    thread::scope(|scope| {
        let threads: Vec<_> = work
            .iter()
            .map(|work| {
                scope.spawn(|| {
                    start.wait();
                    run(work);
                })
            })
            .collect();
        for thread in threads {
            if let Err(panic) = thread.join() {
                std::panic::resume_unwind(panic);
            }
        }
    });
}

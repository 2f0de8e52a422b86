//! [`Parser`]: entries of a trail to rows, on several threads.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::panic::resume_unwind;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::{Scope, ScopedJoinHandle};

use audit_core::Stored;
use uuid::Uuid;

use crate::encode::threads;
use crate::error::Error;
use crate::manifest::{SkippedRow, sha256};
use crate::options::{Classes, class_of};
use crate::row::{Row, date, parse};

/// How long the reason for a skipped row is, in characters.
const DETAIL: usize = 200;
/// The seconds of a day.
const DAY: i64 = 86_400;
/// The number of batches that wait for a thread.
const WAITING: usize = 4;
/// The count of entries from which a batch is parsed by another thread: a smaller one is the last.
const SHARED: usize = 250;

/// The class and the date of a file.
pub(crate) type Day = (String, String);
/// The rows of a segment.
pub(crate) type Rows = BTreeMap<Day, Vec<Row>>;

/// Parsed entries.
#[derive(Debug, Default)]
pub(crate) struct Parsed {
    pub(crate) rows: Rows,
    pub(crate) skipped: Vec<SkippedRow>,
    /// The number and the id of the last row that is an entry.
    pub(crate) anchor: Option<(u64, Uuid)>,
    /// The first error, and the number of its entry.
    failed: Option<(u64, Error)>,
    /// The day of the last row, and its class and date.
    last: Option<(i64, Day)>,
}

type Numbered = (u64, Vec<Stored>);

/// Parses batches of entries while others are read.
pub(crate) struct Parser<'scope, 'env> {
    scope: &'scope Scope<'scope, 'env>,
    classes: &'env Classes,
    batches: Option<mpsc::SyncSender<Numbered>>,
    threads: Vec<ScopedJoinHandle<'scope, Parsed>>,
    parsed: Parsed,
}

impl<'scope, 'env> Parser<'scope, 'env> {
    pub(crate) fn new(scope: &'scope Scope<'scope, 'env>, classes: &'env Classes) -> Self {
        Self {
            scope,
            classes,
            batches: None,
            threads: Vec::new(),
            parsed: Parsed::default(),
        }
    }

    /// Adds entries; `first` is the number of the first one. Threads start with the first large batch.
    pub(crate) fn add(&mut self, first: u64, entries: Vec<Stored>) {
        if entries.len() < SHARED {
            self.parsed.add(first, &entries, self.classes);
            return;
        }
        if self.batches.is_none() {
            self.batches = Some(self.start());
        }
        if let Some(batches) = &self.batches {
            // If all threads have panicked, `finish` panics.
            batches.send((first, entries)).ok();
        }
    }

    fn start(&mut self) -> mpsc::SyncSender<Numbered> {
        let (sender, receiver) = mpsc::sync_channel::<Numbered>(WAITING);
        let receiver = Arc::new(Mutex::new(receiver));
        for _ in 0..threads(usize::MAX) {
            let (receiver, classes) = (Arc::clone(&receiver), self.classes);
            self.threads.push(self.scope.spawn(move || {
                let mut parsed = Parsed::default();
                loop {
                    let batch = receiver
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .recv();
                    let Ok((first, entries)) = batch else {
                        return parsed;
                    };
                    parsed.add(first, &entries, classes);
                }
            }));
        }
        sender
    }

    /// Returns the rows of all entries.
    ///
    /// # Errors
    /// Returns the first error among the entries.
    pub(crate) fn finish(self) -> Result<Parsed, Error> {
        drop(self.batches);
        let mut parsed = self.parsed;
        for thread in self.threads {
            let other = thread.join();
            parsed.merge(other.unwrap_or_else(|panic| resume_unwind(panic)));
        }
        if let Some((_, error)) = parsed.failed {
            return Err(error);
        }
        parsed.skipped.sort_unstable_by_key(|row| row.seq);
        Ok(parsed)
    }
}

impl Parsed {
    fn add(&mut self, first: u64, entries: &[Stored], classes: &Classes) {
        for (seq, stored) in (first..).zip(entries) {
            if self.failed.is_some() {
                return;
            }
            if let Err(error) = self.add_one(seq, stored, classes) {
                self.failed = Some((seq, error));
            }
        }
    }

    fn add_one(&mut self, seq: u64, stored: &Stored, classes: &Classes) -> Result<(), Error> {
        match parse(stored)? {
            Ok(entry) => {
                self.anchor = self.anchor.max(Some((seq, entry.id)));
                let row = Row::new(seq, &entry, stored.bytes());
                let class = class_of(classes, &entry.model);
                let day = entry.timestamp.timestamp().div_euclid(DAY);
                // Most entries follow one of the same class and date.
                if let Some((last, name)) = &self.last
                    && *last == day
                    && name.0 == class
                    && let Some(rows) = self.rows.get_mut(name)
                {
                    rows.push(row);
                    return Ok(());
                }
                let name = (class.to_owned(), date(entry.timestamp));
                self.rows.entry(name.clone()).or_default().push(row);
                self.last = Some((day, name));
            }
            Err(reason) => {
                log::error!(
                    "row {} is not an entry and is not archived: {reason}",
                    stored.id()
                );
                self.skipped.push(SkippedRow {
                    seq,
                    id: stored.id(),
                    position: stored.position().clone(),
                    bytes: stored.bytes().len() as u64,
                    sha256: sha256(stored.bytes()),
                    detail: reason.chars().take(DETAIL).collect(),
                });
            }
        }
        Ok(())
    }

    fn merge(&mut self, other: Self) {
        for (name, rows) in other.rows {
            match self.rows.entry(name) {
                Entry::Vacant(vacant) => {
                    vacant.insert(rows);
                }
                Entry::Occupied(mut occupied) => {
                    occupied.get_mut().reserve_exact(rows.len());
                    occupied.get_mut().extend(rows);
                }
            }
        }
        self.skipped.extend(other.skipped);
        self.anchor = self.anchor.max(other.anchor);
        let failed = [self.failed.take(), other.failed].into_iter().flatten();
        self.failed = failed.min_by_key(|(seq, _)| *seq);
    }
}

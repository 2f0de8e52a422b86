//! [`Parser`]: entries of a trail to rows, on several threads.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, mpsc};

use audit_core::Stored;
use rayon::Scope;
use uuid::Uuid;

use crate::error::Error;
use crate::manifest::{SkippedRow, sha256};
use crate::options::{Classes, class_of};
use crate::row::{Row, date, parse};

/// How long the reason for a skipped row is, in characters.
const DETAIL: usize = 200;
/// The seconds of a day.
const DAY: i64 = 86_400;
/// The number of batches that other threads parse or have parsed before they are merged.
const WAITING: usize = 8;
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

/// Parses batches of entries while others are read.
pub(crate) struct Parser<'p, 's> {
    scope: Option<&'p Scope<'s>>,
    classes: &'p Arc<Classes>,
    /// Receives the result of each batch that another thread parses, in their order.
    waiting: VecDeque<mpsc::Receiver<Parsed>>,
    parsed: Parsed,
}

impl<'p, 's> Parser<'p, 's> {
    /// Creates a parser, which uses the threads of a scope if there is one.
    pub(crate) fn new(scope: Option<&'p Scope<'s>>, classes: &'p Arc<Classes>) -> Self {
        Self {
            scope,
            classes,
            waiting: VecDeque::new(),
            parsed: Parsed::default(),
        }
    }

    /// Adds entries; `first` is the number of the first one. Other threads parse large batches, and wait for none:
    /// they are those of all archives of the process.
    pub(crate) fn add(&mut self, first: u64, entries: Vec<Stored>) {
        let Some(scope) = self.scope.filter(|_| entries.len() >= SHARED) else {
            return self.parsed.add(first, &entries, self.classes);
        };
        if self.waiting.len() >= WAITING {
            self.merge_next();
        }
        let (done, receiver) = mpsc::sync_channel(1);
        let classes = Arc::clone(self.classes);
        scope.spawn(move |_| {
            let mut parsed = Parsed::default();
            parsed.add(first, &entries, &classes);
            // Without a receiver, reading the segment has failed.
            done.send(parsed).ok();
        });
        self.waiting.push_back(receiver);
    }

    /// Waits for the first of the batches and adds its rows; returns false after the last one.
    fn merge_next(&mut self) -> bool {
        let Some(next) = self.waiting.pop_front() else {
            return false;
        };
        // If its thread has panicked, the scope panics.
        if let Ok(parsed) = next.recv() {
            self.parsed.merge(parsed);
        }
        true
    }

    /// Returns the rows of all entries.
    ///
    /// # Errors
    /// Returns the first error among the entries.
    pub(crate) fn finish(mut self) -> Result<Parsed, Error> {
        while self.merge_next() {}
        let mut parsed = self.parsed;
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

//! The only access of the pages to the trail: inside the reader's scope.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use audit_core::backend::approximate_bytes;
use audit_core::{
    Action, AuditLog, Cancellation, Cursor, LogEntry, ObjectRef, Outcome, ParseQueryError, Path,
    Query, Redaction, Store, TrailStore,
};
use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use crate::access::Grant;
use crate::conceal::Concealer;
use crate::error::Failure;
use crate::object_history::ObjectHistory;
use crate::terms::{Terms, parse_search};

/// The longest query, in bytes, and the highest number of its conditions.
pub(crate) const MAX_QUERY: usize = 2_000;
pub(crate) const MAX_CONDITIONS: usize = 30;

/// The number of entries that are read first, when their size is unknown.
pub(crate) const FIRST: usize = 16;
/// The number up to which entries are counted.
pub(crate) const COUNTED: Bound = Bound {
    first: FIRST,
    entries: 10_000,
    bytes: 64 << 20,
};
/// The number of entries of an object up to which its history is shown.
pub(crate) const HISTORY: Bound = Bound {
    first: FIRST,
    entries: 5_000,
    bytes: 32 << 20,
};
/// The highest number of entries that are read at once, and their size in bytes as far as the
/// entries before them show it.
const MAX_PAGE: usize = 64;
const PAGE_BYTES: usize = 4 << 20;

/// Reads the trail for one reader.
pub(crate) struct Reader<'c> {
    log: AuditLog,
    store: Arc<dyn Store>,
    pub(crate) grant: Grant,
    concealer: Option<Arc<Concealer>>,
    /// The entry that no page has, although it may be stored.
    excluded: Option<Uuid>,
    cancellation: &'c Cancellation,
}

/// How much of a query is read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bound {
    /// The number of entries that are read first, when their size is unknown.
    pub(crate) first: usize,
    /// The highest number of entries.
    pub(crate) entries: usize,
    /// The approximate size after which no more entries are read.
    pub(crate) bytes: usize,
}

/// A number of entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) entries: usize,
    /// Whether there are more.
    pub(crate) has_more: bool,
}

impl<'c> Reader<'c> {
    pub(crate) fn new(log: AuditLog, grant: Grant, cancellation: &'c Cancellation) -> Self {
        Self {
            store: log.store(),
            concealer: grant.hides_values().then(|| Arc::new(Concealer::of(&log))),
            log,
            grant,
            excluded: None,
            cancellation,
        }
    }

    /// Excludes the record of the view itself, which is stored while the page is made: whether a page has it must
    /// not depend on when it is committed.
    pub(crate) fn without(self, view: Uuid) -> Self {
        Self {
            excluded: Some(view),
            ..self
        }
    }

    pub(crate) fn log(&self) -> &AuditLog {
        &self.log
    }

    /// Parses the query of the parameter `q`, which the reader wrote.
    pub(crate) fn parse(&self, text: &str) -> Result<Query, Failure> {
        self.parse_as(text, Query::parse)
    }

    /// Parses the query of a search, whose default order is the newest first.
    pub(crate) fn parse_search(&self, text: &str) -> Result<Query, Failure> {
        self.parse_as(text, parse_search)
    }

    fn parse_as(
        &self,
        text: &str,
        parse: impl FnOnce(&str) -> Result<Query, ParseQueryError>,
    ) -> Result<Query, Failure> {
        if text.len() > MAX_QUERY {
            return Err(Failure::Parameter {
                name: "q".into(),
                message: "is longer than 2,000 bytes".to_owned(),
            });
        }
        let query = parse(text).map_err(|error| Failure::query(text, &error))?;
        if query.terms().len() > MAX_CONDITIONS {
            return Err(Failure::Parameter {
                name: "q".into(),
                message: "has more than 30 conditions".to_owned(),
            });
        }
        if let Some(key) = self
            .concealer
            .as_ref()
            .and_then(|concealer| concealer.guessing(&query))
        {
            return Err(Failure::Query {
                text: text.to_owned(),
                column: None,
                message: match key {
                    "changed" => {
                        "`changed` needs the `model:` that has the field, without keys or \
                         positions inside it, since values are hidden from you"
                            .to_owned()
                    }
                    key => format!("`{key}` searches in values, and values are hidden from you"),
                },
            });
        }
        Ok(query)
    }

    /// Returns the terms of a query, for links of the reader.
    pub(crate) fn terms(&self, query: &Query) -> Terms {
        Terms::of(query, self.concealer.clone())
    }

    /// Returns whether an object has an entry.
    pub(crate) fn has_entries(&self, object: &ObjectRef) -> Result<bool, Failure> {
        Ok(self.first(&of_object(object))?.is_some())
    }

    /// Adds the scope to the conditions of a query.
    pub(crate) fn scoped(&self, query: Query) -> Query {
        if self.grant.is_unrestricted() {
            query
        } else {
            query.any_of([self.grant.scope.clone()])
        }
    }

    /// Returns an error if the result is not wanted any more.
    pub(crate) fn check_wanted(&self) -> Result<(), Failure> {
        if self.cancellation.is_cancelled() {
            return Err(Failure::Cancelled);
        }
        Ok(())
    }

    /// Reads entries until `take` returns `false` or a bound is reached. Returns the cursor to
    /// continue from if the query has more.
    pub(crate) fn read(
        &self,
        query: &Query,
        bound: Bound,
        mut take: impl FnMut(LogEntry) -> Result<bool, Failure>,
    ) -> Result<Option<Cursor>, Failure> {
        let Some(concealer) = &self.concealer else {
            return self.read_clear(query, bound, take);
        };
        // The end of a page must not depend on the sizes of hidden values.
        let mut bytes = 0;
        let entries = Bound {
            bytes: usize::MAX,
            ..bound
        };
        self.read_clear(query, entries, |mut entry| {
            concealer.entry(&mut entry);
            bytes += approximate_bytes(&entry);
            Ok(take(entry)? && bytes < bound.bytes)
        })
    }

    /// Reads entries with their values, also for a reader from whom they are hidden.
    fn read_clear(
        &self,
        query: &Query,
        bound: Bound,
        mut take: impl FnMut(LogEntry) -> Result<bool, Failure>,
    ) -> Result<Option<Cursor>, Failure> {
        let scoped = self.scoped(query.clone());
        let scoped = scoped.cancelled_by(self.cancellation);
        let mut after = query.cursor();
        let mut limit = bound.first.min(bound.entries).max(1);
        let (mut entries, mut bytes) = (0, 0);
        loop {
            self.check_wanted()?;
            let page = scoped.clone().limit(limit);
            let page = self.store.find(&match after {
                Some(after) => page.after(after),
                None => page,
            })?;
            let found = page.entries.len();
            let mut found_bytes = 0;
            let mut left = page.entries.into_iter();
            while let Some(entry) = left.next() {
                if self.excluded == Some(entry.id) {
                    continue;
                }
                entries += 1;
                found_bytes += approximate_bytes(&entry);
                let cursor = Cursor::of(&entry);
                let is_full = entries >= bound.entries || bytes + found_bytes >= bound.bytes;
                if !take(entry)? || is_full {
                    let has_more = left.any(|entry| self.excluded != Some(entry.id))
                        || self.has_others_after(&scoped, page.next)?;
                    return Ok(has_more.then_some(cursor));
                }
            }
            if page.next.is_none() {
                return Ok(None);
            }
            after = page.next;
            bytes += found_bytes;
            let fitting = PAGE_BYTES * found / found_bytes.max(1);
            let highest = (found * 4).min(MAX_PAGE).min(bound.entries - entries);
            limit = fitting.min(highest).max(1);
        }
    }

    /// Returns whether a query has an entry after a cursor besides the excluded one. That is the newest entry, so
    /// only the oldest first end with it.
    fn has_others_after(&self, query: &Query, next: Option<Cursor>) -> Result<bool, Failure> {
        let (Some(next), Some(excluded)) = (next, self.excluded) else {
            return Ok(next.is_some());
        };
        if query.is_newest_first() {
            return Ok(true);
        }
        let page = self.store.find(&query.clone().after(next).limit(2))?;
        Ok(page.entries.iter().any(|entry| entry.id != excluded))
    }

    /// Returns the first entry of a query.
    pub(crate) fn first(&self, query: &Query) -> Result<Option<LogEntry>, Failure> {
        let mut first = None;
        let bound = Bound {
            first: 1,
            entries: 1,
            bytes: usize::MAX,
        };
        self.read(query, bound, |entry| {
            first = Some(entry);
            Ok(false)
        })?;
        Ok(first)
    }

    /// Counts entries.
    pub(crate) fn count(&self, query: Query) -> Result<Count, Failure> {
        let mut entries = 0;
        let mut bound = COUNTED;
        if self.concealer.is_some() {
            bound.bytes = usize::MAX;
        }
        let next = self.read_clear(&query.without_limits(), bound, |_| {
            entries += 1;
            Ok(true)
        })?;
        Ok(Count {
            entries,
            has_more: next.is_some(),
        })
    }

    /// Returns the store as one that finds entries by id.
    pub(crate) fn trail(&self) -> Result<&dyn TrailStore, Failure> {
        self.store.as_trail().ok_or(Failure::Unsupported(
            "The store of this trail does not find entries by id.",
        ))
    }

    /// Returns an entry by its id.
    pub(crate) fn entry(&self, id: Uuid) -> Result<LogEntry, Failure> {
        self.check_wanted()?;
        // An invalid scope lacks a condition.
        self.grant.scope.check()?;
        let found = self.trail()?.by_ids(&[id])?.pop();
        let mut entry = found
            .filter(|entry| self.grant.scope.matches(entry))
            .ok_or(Failure::NotFound("entry"))?;
        if let Some(concealer) = &self.concealer {
            concealer.entry(&mut entry);
        }
        Ok(entry)
    }

    /// Returns the history of an object, of the entries inside the scope: up to a time, and of a
    /// long history the newest part.
    pub(crate) fn history(
        &self,
        object: &ObjectRef,
        until: Option<DateTime<Utc>>,
    ) -> Result<ObjectHistory, Failure> {
        let mut query = of_object(object).newest_first();
        // Entries have microseconds, and `until` excludes its time.
        let end = until.and_then(|time| time.checked_add_signed(TimeDelta::microseconds(1)));
        if let Some(end) = end {
            query = query.until(end);
        }
        let (entries, next) = if let Some(concealer) = &self.concealer {
            self.concealed_entries(object, &query, concealer)?
        } else {
            let mut entries = Vec::new();
            let next = self.read_clear(&query, HISTORY, |entry| {
                entries.push(entry);
                Ok(true)
            })?;
            (entries, next)
        };
        if entries.is_empty() && until.is_none() {
            return Err(Failure::NotFound("object"));
        }
        let history = self.log.history_from(object.clone(), entries)?;
        Ok(ObjectHistory::new(
            history,
            next.is_some(),
            self.grant.is_unrestricted(),
            self.concealer.clone(),
        ))
    }

    /// Returns the entries of a history without their values, whose sizes decide nothing, and the
    /// cursor to continue from if there are more.
    fn concealed_entries(
        &self,
        object: &ObjectRef,
        newest_first: &Query,
        concealer: &Concealer,
    ) -> Result<(Vec<LogEntry>, Option<Cursor>), Failure> {
        let unbounded = Bound {
            bytes: usize::MAX,
            ..HISTORY
        };
        let mut entries = Vec::new();
        let mut partly = Vec::new();
        let mut bytes = 0;
        let next = self.read_clear(newest_first, unbounded, |entry| {
            // Upcasters of the application convert values, so they run before these are removed.
            let upgraded = self.log.history_from(object.clone(), vec![entry])?;
            for entry in upgraded.entries() {
                let mut entry = entry.clone();
                partly.push(concealer.entry_of_history(&mut entry));
                bytes += approximate_bytes(&entry);
                entries.push(entry);
            }
            Ok(bytes < HISTORY.bytes)
        })?;
        entries.reverse();
        keep_redactions(&mut entries, partly.iter().rev());
        Ok((entries, next))
    }

    /// Returns the history of an object if it consists of all entries inside the scope.
    pub(crate) fn complete_history(&self, object: &ObjectRef) -> Result<ObjectHistory, Failure> {
        let history = self.history(object, None)?;
        if history.is_partial() {
            return Err(Failure::TooLarge(
                "This object has too many entries for this page: more than 5,000, or 32 MB. Open \
                 its history at a time, or search in its entries.",
            ));
        }
        Ok(history)
    }
}

/// Repeats the redaction of a part of a field in later changes of the field's other parts, of which
/// the history would take one without a redaction for a value in clear. The entries are the oldest
/// first, with the fields of which they changed a part.
fn keep_redactions<'p>(entries: &mut [LogEntry], partly: impl Iterator<Item = &'p BTreeSet<Path>>) {
    let mut kept: HashMap<Path, Redaction> = HashMap::new();
    for (entry, partly) in entries.iter_mut().zip(partly) {
        let holds_full_state = matches!(entry.action, Action::Create | Action::Delete);
        if entry.outcome != Outcome::Success {
            continue;
        }
        if holds_full_state || entry.snapshot.is_some() {
            kept.clear();
        }
        let changes = std::mem::take(&mut entry.changes);
        let changes = changes.iter().cloned().map(|mut change| {
            if partly.contains(&change.path) {
                change.redaction = change.redaction.or(kept.get(&change.path).copied());
            }
            match change.redaction {
                Some(redaction) => kept.insert(change.path.clone(), redaction),
                None => kept.remove(&change.path),
            };
            change
        });
        entry.changes = changes.collect();
    }
}

/// Returns the query of all entries of an object.
pub(crate) fn of_object(object: &ObjectRef) -> Query {
    Query::new()
        .model_name(&object.model)
        .object_pk(&object.object_pk)
}

//! Appends, queries, exports and purges of the broken store.

use std::sync::Mutex;

use audit_core::{Cursor, LogEntry, MemoryStore, ObjectRef, Page, Query, Store, StoreError};
use chrono::DateTime;

use crate::flaw::Flaw;

/// A store in memory with one flaw.
#[derive(Debug)]
pub(crate) struct Broken {
    pub(crate) inner: MemoryStore,
    pub(crate) flaw: Flaw,
    pub(crate) appended: Mutex<Vec<LogEntry>>,
}

impl Broken {
    pub(crate) fn new(flaw: Flaw) -> Self {
        Self {
            inner: MemoryStore::new(),
            flaw,
            appended: Mutex::default(),
        }
    }

    fn spoil(&self, entry: &LogEntry) -> LogEntry {
        let mut entry = entry.clone();
        match self.flaw {
            Flaw::CutsTexts => {
                if let Some(end) = entry.object_repr.find('\0') {
                    entry.object_repr.truncate(end);
                }
            }
            Flaw::RoundsNumbers => {
                if let Some(snapshot) = &mut entry.snapshot
                    && let Some(number) = snapshot.get_mut(2)
                    && let Some(float) = number.as_f64()
                {
                    *number = float.into();
                }
            }
            Flaw::DropsNulls => entry.snapshot = entry.snapshot.filter(|value| !value.is_null()),
            Flaw::CutsMilliseconds => {
                let micros = entry.timestamp.timestamp_micros();
                entry.timestamp = DateTime::from_timestamp_millis(micros.div_euclid(1000)).unwrap();
            }
            _ => {}
        }
        entry
    }

    /// Finds entries as if some conditions of the query were not there.
    fn without(&self, query: &Query, condition: &str) -> Result<Page, StoreError> {
        let (filter, mut loose) = (query.filter(), Query::new());
        macro_rules! copy {
            ($($name:literal $field:ident $method:ident;)*) => {$(
                if condition != $name && let Some(value) = filter.$field.clone() {
                    loose = loose.$method(value);
                }
            )*};
        }
        copy! {
            "model" model model_name;
            "object_pk" object_pk object_pk;
            "parent" parent parent;
            "action" action action;
            "actor" actor actor;
            "level" level_at_least level_at_least;
            "below" level_below level_below;
            "outcome" outcome outcome;
            "correlation_id" correlation_id correlation_id;
            "transaction" transaction_id transaction;
            "since" since since;
            "until" until until;
            "text" text text;
        }
        if condition != "changed" {
            for path in &filter.changed {
                let path = match condition {
                    "path" => path.field().into_owned(),
                    _ => path.as_str().to_owned(),
                };
                loose = loose.changed(path);
            }
        }
        if condition != "from" {
            for (path, value) in &filter.changed_from {
                loose = loose.changed_from(path, value.clone());
            }
        }
        if condition != "to" {
            for (path, value) in &filter.changed_to {
                loose = loose.changed_to(path, value.clone());
            }
        }
        if query.is_newest_first() {
            loose = loose.newest_first();
        }
        if let Some(cursor) = query.cursor() {
            loose = loose.after(cursor);
        }
        self.inner.find(&loose.limit(query.page_size()))
    }
}

impl Store for Broken {
    fn append(&self, entries: &[LogEntry]) -> Result<(), StoreError> {
        let spoiled: Vec<_> = entries.iter().map(|entry| self.spoil(entry)).collect();
        let entries = &spoiled[..];
        self.appended.lock().unwrap().extend_from_slice(entries);
        match self.flaw {
            Flaw::LosesAnEntry if entries.len() > 9 => self.inner.append(&entries[1..]),
            Flaw::LosesUnderLoad if std::thread::current().name().is_none() => {
                self.inner.append(&entries[..entries.len().min(7)])
            }
            Flaw::KeepsHalfABatch => entries
                .chunks(1)
                .try_for_each(|entry| self.inner.append(entry)),
            Flaw::ForgetsOnFailure => {
                let outcome = self.inner.append(entries);
                if outcome.is_err() {
                    self.inner.purge(&Query::new())?;
                }
                outcome
            }
            Flaw::AcceptsConflicts => match self.inner.append(entries) {
                Err(StoreError::Conflict { .. }) => Ok(()),
                outcome => outcome,
            },
            Flaw::ReplacesOnConflict => {
                for entry in entries {
                    let kept = self.inner.find(&Query::new().limit(10_000))?.entries;
                    if kept.iter().any(|known| known.id == entry.id) {
                        self.inner.purge(&Query::new())?;
                        let others: Vec<_> = kept
                            .into_iter()
                            .filter(|known| known.id != entry.id)
                            .collect();
                        self.inner.append(&others)?;
                    }
                    self.inner.append(std::slice::from_ref(entry))?;
                }
                Ok(())
            }
            Flaw::RefusesTwins => {
                let kept = self.inner.find(&Query::new().limit(10_000))?.entries;
                match entries.iter().find(|entry| kept.contains(entry)) {
                    Some(twin) => Err(StoreError::Conflict { id: twin.id }),
                    None => self.inner.append(entries),
                }
            }
            Flaw::RefusesEmptyBatches if entries.is_empty() => Err(StoreError::Unsupported {
                operation: "keep nothing",
            }),
            _ => self.inner.append(entries),
        }
    }

    fn find(&self, query: &Query) -> Result<Page, StoreError> {
        let plain = |query: &Query| self.inner.find(query);
        let mut page = match self.flaw {
            Flaw::Ignores(condition) => return self.without(query, condition),
            Flaw::AnswersAnything if query.check().is_err() => plain(&Query::new())?,
            Flaw::MatchesPrefixes => {
                if query.filter().object_pk.as_deref() == Some("") {
                    return self.without(query, "object_pk");
                }
                plain(query)?
            }
            Flaw::OrdersByAppending | Flaw::OrdersById => {
                let mut all = self.appended.lock().unwrap().clone();
                if self.flaw == Flaw::OrdersById {
                    all.sort_by_key(|entry| entry.id);
                }
                if query.is_newest_first() {
                    all.reverse();
                }
                let start = query.cursor().map_or(0, |cursor| {
                    let known = all.iter().position(|entry| Cursor::of(entry) == cursor);
                    known.map_or(all.len(), |place| place + 1)
                });
                let rest = all.split_off(start).into_iter().map(Ok);
                return Page::collect(
                    &query.clone().without_limits().limit(query.page_size()),
                    rest,
                );
            }
            Flaw::IgnoresNewestFirst if query.is_newest_first() => {
                let mut page = plain(query)?;
                page.entries.reverse();
                page
            }
            Flaw::IgnoresTheCursor => {
                plain(&query.clone().without_limits().limit(query.page_size()))?
            }
            Flaw::PagesByOffset => {
                // Counts how many entries come before the cursor now, not which.
                let mut page = plain(query)?;
                if query.cursor().is_some() && page.entries.len() > 1 {
                    page.entries.remove(0);
                }
                page
            }
            Flaw::IgnoresTheLimit => plain(&query.clone().limit(100_000))?,
            Flaw::IncludesUntil | Flaw::ExcludesSince => {
                let step = chrono::TimeDelta::microseconds(1);
                let mut query = query.clone();
                match (self.flaw, query.filter().since, query.filter().until) {
                    (Flaw::IncludesUntil, _, Some(until)) => query = query.until(until + step),
                    (Flaw::ExcludesSince, Some(since), _) => query = query.since(since + step),
                    _ => {}
                }
                plain(&query)?
            }
            _ => plain(query)?,
        };
        match self.flaw {
            Flaw::RepeatsTheCursor => {
                if let Some(cursor) = query.cursor() {
                    let all = plain(&Query::new().limit(100_000))?.entries;
                    let at = all.into_iter().find(|entry| Cursor::of(entry) == cursor);
                    page.entries.splice(0..0, at);
                    page.entries.truncate(query.page_size());
                }
            }
            Flaw::NeverEnds => page.next = page.entries.last().map(Cursor::of).or(page.next),
            _ => {}
        }
        Ok(page)
    }

    fn count(&self, query: &Query) -> Result<u64, StoreError> {
        match self.flaw {
            Flaw::CountsThePage => Ok(self.find(query)?.entries.len() as u64),
            _ => self.inner.count(query),
        }
    }

    fn objects(
        &self,
        query: &Query,
        after: Option<&ObjectRef>,
    ) -> Result<Vec<LogEntry>, StoreError> {
        let mut entries = self.inner.objects(query, after)?;
        match self.flaw {
            Flaw::CutsAnObject => entries.truncate(entries.len() / 2),
            Flaw::MixesObjects => entries.sort_by_key(|entry| (entry.timestamp, entry.id)),
            Flaw::CountsEvents => {
                let events = self.inner.find(&query.clone().object_pk(""))?;
                entries.splice(0..0, events.entries);
            }
            _ => {}
        }
        Ok(entries)
    }

    fn export(
        &self,
        query: &Query,
        line: &mut dyn FnMut(&str) -> std::io::Result<()>,
    ) -> Result<u64, StoreError> {
        match self.flaw {
            Flaw::ExportsEverything => self.inner.export(&Query::new(), line),
            Flaw::ExportsOtherBytes => self
                .inner
                .export(query, &mut |json| line(&json.replace(':', ": "))),
            // The last of the entries with one time is first.
            Flaw::ExportsByTimeAlone => {
                let mut lines = Vec::new();
                self.inner.export(query, &mut |json| {
                    lines.push(LogEntry::from_json(json).map_err(std::io::Error::other)?);
                    Ok(())
                })?;
                lines.reverse();
                lines.sort_by_key(|entry| entry.timestamp);
                if query.is_newest_first() {
                    lines.reverse();
                }
                for entry in &lines {
                    let json = entry.to_canonical_json()?;
                    line(&json).map_err(audit_core::backend::output_failed)?;
                }
                Ok(lines.len() as u64)
            }
            Flaw::SwallowsOutputErrors => self.inner.export(query, &mut |json| {
                drop(line(json));
                Ok(())
            }),
            _ => self.inner.export(query, line),
        }
    }

    fn purge(&self, query: &Query) -> Result<u64, StoreError> {
        match (self.flaw, query.filter().until) {
            (Flaw::PurgesWhatIsEqual, Some(before)) => self.inner.purge(
                &query
                    .clone()
                    .until(before + chrono::TimeDelta::microseconds(1)),
            ),
            (Flaw::PurgesByTimeOnly, Some(before)) => self.inner.purge(&Query::new().until(before)),
            (Flaw::PurgesNothing, _) => Ok(0),
            _ => self.inner.purge(query),
        }
    }
}

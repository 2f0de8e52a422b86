//! The suite notices a store that breaks the contract: each way of breaking it, by the
//! check that is there for it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::time::Duration;

use audit_core::health::Health;
use audit_core::{
    Batch, Cursor, Follow, LogEntry, MemoryStore, ObjectRef, Page, Position, Query, Store,
    StoreError, Stored, TrailStore,
};
use audit_testkit::conformance::{
    CHECKS, FOLLOW_CHECKS, TRAIL_CHECKS, follows_after_reopening, keeps_after_reopening,
    refuses_a_position_of_another_trail, set_patience,
};
use chrono::DateTime;
use uuid::Uuid;

/// How a store breaks the contract.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Flaw {
    None,
    LosesAnEntry,
    KeepsHalfABatch,
    ForgetsOnFailure,
    AcceptsConflicts,
    ReplacesOnConflict,
    RefusesTwins,
    RefusesEmptyBatches,
    OrdersByAppending,
    OrdersById,
    IgnoresNewestFirst,
    IgnoresTheCursor,
    RepeatsTheCursor,
    PagesByOffset,
    IgnoresTheLimit,
    NeverEnds,
    CountsThePage,
    Ignores(&'static str),
    MatchesPrefixes,
    IncludesUntil,
    ExcludesSince,
    CutsTexts,
    RoundsNumbers,
    DropsNulls,
    CutsMilliseconds,
    PurgesWhatIsEqual,
    PurgesNothing,
    PurgesByTimeOnly,
    CutsAnObject,
    MixesObjects,
    CountsEvents,
    ExportsEverything,
    ExportsOtherBytes,
    SwallowsOutputErrors,
    AnswersAnything,
    LosesUnderLoad,
    FollowsByTime,
    FollowsAgain,
    FollowsTwins,
    FollowsInAnotherOrder,
    ReadsThePositionLate,
    RepeatsThePosition,
    SkipsAfterThePosition,
    FollowsOtherBytes,
    FollowsOtherIds,
    StopsAtAPurge,
    BreaksAtAPurge,
    IgnoresTheFollowersLimit,
    MovesForALimitOfZero,
    GivesWrongPositions,
    TakesAnyKind,
    TakesAnyPosition,
    SkipsToTheEnd,
    StartsAgain,
    SortsTheIdsAsked,
    IgnoresHyphens,
    IgnoresTheIdsLimit,
    FindsAnyId,
    FindsAllForNoDigits,
    ListsModelsTwice,
    CountsNothing,
}

#[derive(Debug)]
struct Broken {
    inner: MemoryStore,
    flaw: Flaw,
    appended: Mutex<Vec<LogEntry>>,
}

impl Broken {
    fn new(flaw: Flaw) -> Self {
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

impl Broken {
    /// Follows by (timestamp, id), as a cursor does: what is written late is passed over.
    fn by_time(&self, at: &Position, limit: usize) -> Result<Batch, StoreError> {
        let mut query = Query::new().limit(limit.max(1));
        if let Some(state) = at.state("time", "here")? {
            let (micros, id) = state.split_once('_').unwrap();
            let time = DateTime::from_timestamp_micros(micros.parse().unwrap()).unwrap();
            let mut entry = LogEntry::new("x", "x", "x", "x");
            (entry.timestamp, entry.id) = (time, id.parse().unwrap());
            query = query.after(Cursor::of(&entry));
        }
        let mut batch = Batch::new(Vec::new(), at.clone());
        for entry in self.inner.find(&query)?.entries.iter().take(limit) {
            let micros = entry.timestamp.timestamp_micros();
            batch.next = Position::new("time", format_args!("{micros}_{}", entry.id.simple()))?;
            let bytes = entry.to_canonical_json()?;
            batch
                .entries
                .push(Stored::new(entry.id, bytes, batch.next.clone()));
        }
        Ok(batch)
    }
}

/// Makes an entry of another one, at its position.
fn altered(stored: &Stored, id: Uuid, bytes: Vec<u8>) -> Stored {
    Stored::new(id, bytes, stored.position().clone())
}

impl Follow for Broken {
    fn position(&self) -> Result<Position, StoreError> {
        match self.flaw {
            Flaw::FollowsByTime => {
                let all = self.inner.find(&Query::new().limit(10_000))?.entries.len();
                Ok(self.by_time(&Position::START, all)?.next)
            }
            Flaw::StartsAgain => Ok(Position::START),
            _ => self.inner.position(),
        }
    }

    fn committed_after(&self, at: &Position, limit: usize) -> Result<Batch, StoreError> {
        let inner = &self.inner;
        let mut batch = match self.flaw {
            Flaw::FollowsByTime => return self.by_time(at, limit),
            Flaw::IgnoresTheFollowersLimit if limit > 0 => inner.committed_after(at, usize::MAX)?,
            Flaw::MovesForALimitOfZero => inner.committed_after(at, limit.max(1))?,
            Flaw::SkipsAfterThePosition if *at != Position::START => {
                let skipped = inner.committed_after(at, 1)?;
                inner.committed_after(&skipped.next, limit)?
            }
            Flaw::TakesAnyKind if at.state("memory", "here").is_err() => {
                Batch::new(Vec::new(), at.clone())
            }
            Flaw::TakesAnyPosition => match inner.committed_after(at, limit) {
                Err(StoreError::InvalidPosition { .. }) => Batch::new(Vec::new(), at.clone()),
                batch => batch?,
            },
            Flaw::StopsAtAPurge | Flaw::BreaksAtAPurge if *at != Position::START => {
                let id = at.to_string();
                let id = id
                    .split_once('_')
                    .and_then(|(_, id)| id.parse::<Uuid>().ok());
                let gone = match id {
                    Some(id) => inner.by_ids(&[id])?.is_empty(),
                    None => false,
                };
                match (gone, self.flaw) {
                    (true, Flaw::StopsAtAPurge) => Batch::new(Vec::new(), at.clone()),
                    (true, _) => return Err(at.invalid("here", "its entry is gone")),
                    _ => inner.committed_after(at, limit)?,
                }
            }
            _ => inner.committed_after(at, limit)?,
        };
        match self.flaw {
            // The last entry of a full batch comes again.
            Flaw::FollowsAgain if batch.entries.len() == limit && limit > 1 => {
                batch.next = batch.entries[limit - 2].position().clone();
            }
            Flaw::FollowsTwins => {
                let first = inner.committed_after(&Position::START, 1)?.entries;
                let appended = self.appended.lock().unwrap();
                let is_first = |entry: &&LogEntry| entry.id == first[0].id();
                if appended.iter().filter(is_first).count() > 1 {
                    batch.entries.splice(0..0, first);
                    batch.entries.truncate(limit);
                }
            }
            Flaw::FollowsInAnotherOrder => batch.entries.sort_by_key(Stored::id),
            Flaw::ReadsThePositionLate if batch.entries.len() < limit => {
                // As where a number is drawn before the commit.
                std::thread::sleep(Duration::from_millis(20));
                batch.next = inner.position()?;
            }
            Flaw::RepeatsThePosition => {
                if let [.., before, _] = &batch.entries[..] {
                    batch.next = before.position().clone();
                }
            }
            Flaw::FollowsOtherBytes => {
                for stored in &mut batch.entries {
                    let bytes = [stored.bytes(), b" "].concat();
                    *stored = altered(stored, stored.id(), bytes);
                }
            }
            Flaw::FollowsOtherIds => {
                for (number, stored) in batch.entries.iter_mut().enumerate() {
                    let id = Uuid::from_u128(number as u128);
                    *stored = altered(stored, id, stored.bytes().to_vec());
                }
            }
            Flaw::GivesWrongPositions => {
                for stored in &mut batch.entries {
                    let bytes = stored.bytes().to_vec();
                    *stored = Stored::new(stored.id(), bytes, batch.next.clone());
                }
            }
            Flaw::SkipsToTheEnd => batch.next = inner.position()?,
            _ => {}
        }
        Ok(batch)
    }
}

impl TrailStore for Broken {
    fn by_ids(&self, ids: &[Uuid]) -> Result<Vec<LogEntry>, StoreError> {
        let mut found = self.inner.by_ids(ids)?;
        if self.flaw == Flaw::SortsTheIdsAsked {
            found.sort_by_key(|entry| entry.id);
        }
        Ok(found)
    }

    fn with_id_prefix(&self, prefix: &str, limit: usize) -> Result<Vec<LogEntry>, StoreError> {
        match self.flaw {
            Flaw::IgnoresHyphens if prefix.contains('-') => Ok(Vec::new()),
            Flaw::IgnoresTheIdsLimit => self.inner.with_id_prefix(prefix, usize::MAX),
            Flaw::FindsAnyId if !prefix.is_ascii() => self.inner.with_id_prefix("", limit),
            _ => self.inner.with_id_prefix(prefix, limit),
        }
    }

    fn with_id_suffix(&self, suffix: &str, limit: usize) -> Result<Vec<LogEntry>, StoreError> {
        match self.flaw {
            Flaw::IgnoresHyphens if suffix.contains('-') => Ok(Vec::new()),
            Flaw::IgnoresTheIdsLimit => self.inner.with_id_suffix(suffix, usize::MAX),
            Flaw::FindsAllForNoDigits if suffix.is_empty() => self.inner.with_id_prefix("", limit),
            _ => self.inner.with_id_suffix(suffix, limit),
        }
    }

    fn models(&self) -> Result<Vec<String>, StoreError> {
        let mut models = self.inner.models()?;
        if self.flaw == Flaw::ListsModelsTwice {
            models.extend(models.clone());
        }
        Ok(models)
    }

    fn schema_version(&self) -> Result<Option<u32>, StoreError> {
        self.inner.schema_version()
    }

    fn health(&self, queries: &[(&'static str, Query)]) -> Result<Health, StoreError> {
        let mut health = self.inner.health(queries)?;
        if self.flaw == Flaw::CountsNothing {
            health.entries = 0;
        }
        Ok(health)
    }
}

/// The check that is there for each flaw.
const FLAWS: &[(Flaw, &str)] = &[
    (Flaw::LosesAnEntry, "keeps_all_of_a_batch"),
    (Flaw::KeepsHalfABatch, "keeps_nothing_of_a_failed_batch"),
    (
        Flaw::ForgetsOnFailure,
        "refuses_another_entry_with_a_known_id",
    ),
    (
        Flaw::AcceptsConflicts,
        "refuses_another_entry_with_a_known_id",
    ),
    (
        Flaw::AcceptsConflicts,
        "refuses_a_batch_that_contradicts_itself",
    ),
    (
        Flaw::AcceptsConflicts,
        "keeps_once_what_threads_append_twice",
    ),
    (
        Flaw::ReplacesOnConflict,
        "refuses_another_entry_with_a_known_id",
    ),
    (Flaw::RefusesTwins, "appends_again_without_effect"),
    (Flaw::RefusesEmptyBatches, "keeps_nothing_of_an_empty_batch"),
    (Flaw::OrdersByAppending, "orders_by_time_and_id"),
    (Flaw::OrdersById, "orders_by_time_and_id"),
    (Flaw::IgnoresNewestFirst, "returns_the_newest_first"),
    (Flaw::IgnoresTheCursor, "returns_pages"),
    (Flaw::RepeatsTheCursor, "returns_pages"),
    (Flaw::PagesByOffset, "goes_on_in_spite_of_appends"),
    (Flaw::IgnoresTheLimit, "returns_pages"),
    (Flaw::IgnoresTheLimit, "returns_nothing_for_a_limit_of_zero"),
    (Flaw::NeverEnds, "ends_with_the_last_full_page"),
    (Flaw::CountsThePage, "counts_apart_from_limit_and_cursor"),
    (Flaw::Ignores("model"), "filters_by_model"),
    (Flaw::Ignores("object_pk"), "filters_by_object"),
    (Flaw::Ignores("object_pk"), "filters_by_object_pk"),
    (Flaw::Ignores("parent"), "filters_by_parent"),
    (Flaw::Ignores("action"), "filters_by_action"),
    (Flaw::Ignores("actor"), "filters_by_actor"),
    (Flaw::Ignores("level"), "filters_by_level"),
    (Flaw::Ignores("below"), "filters_by_level"),
    (Flaw::Ignores("outcome"), "filters_by_outcome"),
    (Flaw::Ignores("correlation_id"), "filters_by_correlation_id"),
    (Flaw::Ignores("transaction"), "filters_by_transaction"),
    (Flaw::Ignores("changed"), "filters_by_changed_field"),
    (Flaw::Ignores("path"), "filters_by_changed_path"),
    (Flaw::Ignores("from"), "filters_by_old_value"),
    (Flaw::Ignores("to"), "filters_by_new_value"),
    (Flaw::Ignores("since"), "filters_from_a_time_on"),
    (Flaw::Ignores("until"), "filters_up_to_a_time"),
    (Flaw::Ignores("text"), "filters_by_text"),
    (Flaw::Ignores("actor"), "filters_by_several"),
    (Flaw::Ignores("groups"), "filters_by_groups"),
    (Flaw::Ignores("groups"), "filters_by_many_alternatives"),
    (Flaw::Ignores("groups"), "filters_by_random_queries"),
    (Flaw::MatchesPrefixes, "filters_exactly"),
    (Flaw::ExcludesSince, "filters_from_a_time_on"),
    (Flaw::IncludesUntil, "filters_up_to_a_time"),
    (Flaw::CutsTexts, "keeps_odd_texts"),
    (Flaw::RoundsNumbers, "keeps_numbers"),
    (Flaw::DropsNulls, "keeps_nulls_and_absence"),
    (Flaw::CutsMilliseconds, "keeps_microseconds"),
    (Flaw::CutsMilliseconds, "keeps_bytes"),
    (Flaw::PurgesWhatIsEqual, "purges_what_is_older"),
    (Flaw::PurgesNothing, "purges_what_is_older"),
    (Flaw::PurgesByTimeOnly, "purges_what_a_query_asks_for"),
    (Flaw::PurgesNothing, "purges_what_a_query_asks_for"),
    (Flaw::PurgesByTimeOnly, "purges_what_random_queries_ask_for"),
    (Flaw::CutsAnObject, "groups_by_object"),
    (Flaw::MixesObjects, "groups_by_object"),
    (Flaw::CountsEvents, "groups_by_object"),
    (Flaw::MixesObjects, "groups_by_object_what_a_query_asks_for"),
    (Flaw::CutsAnObject, "goes_on_after_any_object"),
    (Flaw::ExportsEverything, "exports_what_a_query_asks_for"),
    (Flaw::ExportsOtherBytes, "exports_bytes"),
    (Flaw::SwallowsOutputErrors, "stops_an_export_that_fails"),
    (Flaw::AnswersAnything, "refuses_a_query_with_no_path"),
    (Flaw::LosesUnderLoad, "keeps_what_threads_append_at_once"),
    (Flaw::LosesUnderLoad, "shows_whole_batches_only"),
    (Flaw::FollowsAgain, "follows_each_entry_once"),
    (Flaw::SkipsToTheEnd, "follows_each_entry_once"),
    (Flaw::SkipsAfterThePosition, "follows_each_entry_once"),
    (Flaw::FollowsInAnotherOrder, "follows_each_entry_once"),
    (Flaw::IgnoresTheFollowersLimit, "follows_each_entry_once"),
    (Flaw::FollowsTwins, "follows_once_what_is_appended_twice"),
    (Flaw::FollowsByTime, "follows_what_is_written_late"),
    (Flaw::StartsAgain, "follows_from_the_present_position"),
    (Flaw::RepeatsThePosition, "follows_from_each_position"),
    (Flaw::GivesWrongPositions, "follows_from_each_position"),
    (Flaw::FollowsOtherBytes, "follows_stored_bytes"),
    (Flaw::FollowsOtherIds, "follows_stored_bytes"),
    (Flaw::StopsAtAPurge, "follows_past_a_purge"),
    (Flaw::BreaksAtAPurge, "follows_past_a_purge"),
    (
        Flaw::MovesForALimitOfZero,
        "follows_nothing_for_a_limit_of_zero",
    ),
    (Flaw::TakesAnyKind, "refuses_a_position_of_another_kind"),
    (Flaw::ReadsThePositionLate, "follows_while_threads_append"),
    (Flaw::SortsTheIdsAsked, "finds_by_ids"),
    (Flaw::IgnoresHyphens, "finds_by_the_beginning_of_an_id"),
    (Flaw::IgnoresTheIdsLimit, "finds_by_the_beginning_of_an_id"),
    (Flaw::FindsAnyId, "finds_by_the_beginning_of_an_id"),
    (Flaw::IgnoresHyphens, "finds_by_the_end_of_an_id"),
    (Flaw::IgnoresTheIdsLimit, "finds_by_the_end_of_an_id"),
    (Flaw::FindsAllForNoDigits, "finds_by_the_end_of_an_id"),
    (Flaw::ListsModelsTwice, "lists_models"),
    (Flaw::CountsNothing, "reports_its_health"),
];

/// Returns the checks that a store fails.
fn failed(flaw: Flaw) -> Vec<&'static str> {
    let fails = |check: &dyn Fn(&Broken)| {
        catch_unwind(AssertUnwindSafe(|| check(&Broken::new(flaw)))).is_err()
    };
    checks()
        .into_iter()
        .filter(|(_, check)| fails(check))
        .map(|(name, _)| name)
        .collect()
}

/// A check by its name.
type Check = (&'static str, Box<dyn Fn(&Broken)>);

/// Returns all checks.
fn checks() -> Vec<Check> {
    let mut checks: Vec<Check> = Vec::new();
    for (name, check) in CHECKS {
        checks.push((name, Box::new(|store| check(store))));
    }
    for (name, check) in FOLLOW_CHECKS {
        checks.push((name, Box::new(|store| check(store))));
    }
    for (name, check) in TRAIL_CHECKS {
        checks.push((name, Box::new(|store| check(store))));
    }
    checks
}

#[test]
fn a_store_without_a_flaw_passes() {
    assert_eq!(failed(Flaw::None), [""; 0]);
}

#[test]
fn every_flaw_is_noticed_by_the_check_for_it() {
    // What the checks say when they fail would drown the output of this test.
    std::panic::set_hook(Box::new(|info| {
        if std::thread::current().name() == Some("every_flaw_is_noticed_by_the_check_for_it")
            && info
                .location()
                .is_some_and(|place| place.file().ends_with("broken.rs"))
        {
            eprintln!("{info}");
        }
    }));
    // Entries that are passed over never come.
    set_patience(Duration::from_millis(200));
    let checks = checks();
    for (flaw, check) in FLAWS {
        let (_, run) = checks.iter().find(|(name, _)| name == check).unwrap();
        let outcome = catch_unwind(AssertUnwindSafe(|| run(&Broken::new(*flaw))));
        assert!(outcome.is_err(), "`{check}` does not notice {flaw:?}");
    }
}

#[test]
fn a_store_that_forgets_when_it_is_reopened_is_noticed() {
    let reopened = || -> Box<dyn Store> { Box::new(MemoryStore::new()) };
    let outcome = catch_unwind(AssertUnwindSafe(|| keeps_after_reopening(&reopened)));
    assert!(outcome.is_err());
    set_patience(Duration::from_millis(200));
    let reopened = || -> Box<dyn Follow> { Box::new(MemoryStore::new()) };
    let outcome = catch_unwind(AssertUnwindSafe(|| follows_after_reopening(&reopened)));
    assert!(outcome.is_err());
}

#[test]
fn a_store_that_takes_the_positions_of_others_is_noticed() {
    let run = |flaw| {
        let (store, other) = (Broken::new(flaw), Broken::new(flaw));
        let check = || refuses_a_position_of_another_trail(&store, &other);
        catch_unwind(AssertUnwindSafe(check)).is_ok()
    };
    assert!(run(Flaw::None));
    assert!(!run(Flaw::TakesAnyPosition));
}

#[test]
fn the_list_names_each_check_once() {
    let mut names: Vec<_> = checks().into_iter().map(|(name, _)| name).collect();
    let number = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), number);
}

//! Queries: conditions, order, limit and cursor; their text form and their SQL conditions.

mod display;
mod group;
mod parser;
pub(crate) mod sql_condition;
mod terms;
mod time;
mod tokenizer;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use uuid::Uuid;

use crate::action::{Action, Outcome};
use crate::entry::{LogEntry, ObjectRef, to_micros};
use crate::error::{Result, StoreError};
use crate::json::{canonical, nesting};
use crate::level::Level;
use crate::path::{ParsePathError, Path};
use crate::store::Store;
use crate::value::AuditValue;
use crate::value::auditable::Auditable;
use crate::value::hash::HashKeys;

pub use self::group::Group;
pub use self::terms::ParseQueryError;
pub use self::time::{ParseTimeError, parse_time};

/// The number of entries that [`Query::iter`] reads at a time, and the default size of a page.
pub(crate) const PAGE: usize = 500;

/// Returns the limit of a query, if it has one, for a store that reads no pages, as in
/// [`Store::export`].
pub fn limit(query: &Query) -> Option<usize> {
    query.limit
}

/// A query of the trail: conditions on entries, and their order.
///
/// A new query matches all entries, oldest first, ordered by timestamp and id. Each method adds a
/// condition or sets an option. A query from [`LogEntry::objects`] runs on the log that is current
/// at that time.
#[derive(Clone, Debug, Default)]
#[must_use = "a query does nothing until `all`, `iter`, `first`, `count` or `page` runs it"]
pub struct Query {
    pub(crate) store: Option<Arc<dyn Store>>,
    /// The keys for tokens of hashed identities, instead of those of the current log.
    keys: Option<Arc<HashKeys>>,
    filter: Filter,
    newest_first: bool,
    pub(crate) limit: Option<usize>,
    after: Option<Cursor>,
    pub(crate) invalid: Option<ParsePathError>,
    /// Whether groups nested too deeply and were left out.
    pub(crate) too_deep: bool,
}

/// The conditions of a [`Query`]. A matching entry satisfies all of them.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Filter {
    /// The model's stored name.
    pub model: Option<String>,
    /// The object's identity.
    pub object_pk: Option<String>,
    /// The aggregate root: entries of the root itself and of the objects that belong to it.
    pub parent: Option<ObjectRef>,
    /// The action.
    pub action: Option<Action>,
    /// The actor's id.
    pub actor: Option<String>,
    /// The lowest level.
    pub level_at_least: Option<Level>,
    /// The level that all entries are below.
    pub level_below: Option<Level>,
    /// The outcome.
    pub outcome: Option<Outcome>,
    /// The correlation id.
    pub correlation_id: Option<String>,
    /// The transaction.
    pub transaction_id: Option<Uuid>,
    /// Paths at or inside which a value changed.
    pub changed: Vec<Path>,
    /// Paths that changed from a value.
    pub changed_from: Vec<(Path, Value)>,
    /// Paths that changed to a value.
    pub changed_to: Vec<(Path, Value)>,
    /// The earliest time, inclusive.
    pub since: Option<DateTime<Utc>>,
    /// The latest time, exclusive.
    pub until: Option<DateTime<Utc>>,
    /// A text that the object's repr, the reason, the actor or a changed value contains, ignoring
    /// ASCII case.
    pub text: Option<String>,
    /// Alternatives and negations, which must hold in addition to the other conditions.
    pub groups: Vec<Group>,
}

impl Query {
    /// Creates a query that runs on the log that is current at that time.
    pub fn new() -> Self {
        Self::default()
    }

    /// Creates a query that runs on a store.
    pub fn of(store: Arc<dyn Store>) -> Self {
        Self {
            store: Some(store),
            ..Self::default()
        }
    }

    /// Sets the keys for tokens of hashed identities.
    pub(crate) fn with_keys(mut self, keys: Arc<HashKeys>) -> Self {
        self.keys = Some(keys);
        self
    }

    /// Keeps entries of a model.
    pub fn model<T: Auditable>(self) -> Self {
        self.model_name(T::MODEL)
    }

    /// Keeps entries of the model with this stored name.
    pub fn model_name(mut self, name: impl Into<String>) -> Self {
        self.filter.model = Some(name.into());
        self
    }

    /// Keeps entries of one object. A part of the key that the type hashes is given in clear or
    /// as a token.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "`42` reads better than `&42`"
    )]
    pub fn object<T: Auditable>(self, pk: impl ToString) -> Self {
        let keys = self.keys.clone();
        let object = ObjectRef::keyed::<T>(keys.as_deref(), pk.to_string());
        self.model::<T>().object_pk(object.object_pk)
    }

    /// Keeps entries of objects with this identity.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "`42` reads better than `&42`"
    )]
    pub fn object_pk(mut self, pk: impl ToString) -> Self {
        self.filter.object_pk = Some(pk.to_string());
        self
    }

    /// Keeps entries of an aggregate: of its root and of the objects that belong to it.
    ///
    /// If the root's type hashes its key, entries contain the token.
    /// [`ObjectRef::of::<Root>(key)`](ObjectRef::of) computes it from the key in clear with the hash
    /// key of the current log, and accepts a token. [`ObjectRef::new`] does not hash, so a key in
    /// clear would match no entry.
    pub fn parent(mut self, root: ObjectRef) -> Self {
        self.filter.parent = Some(root);
        self
    }

    /// Keeps entries of an action: one of the four, or a custom one by name.
    pub fn action(mut self, action: impl Into<Action>) -> Self {
        self.filter.action = Some(action.into());
        self
    }

    /// Keeps entries of the actor with this id.
    pub fn actor(mut self, id: impl Into<String>) -> Self {
        self.filter.actor = Some(id.into());
        self
    }

    /// Keeps entries of this level or a higher one.
    pub fn level_at_least(mut self, level: Level) -> Self {
        self.filter.level_at_least = Some(level);
        self
    }

    /// Keeps entries of a lower level.
    pub fn level_below(mut self, level: Level) -> Self {
        self.filter.level_below = Some(level);
        self
    }

    /// Keeps entries with this outcome.
    pub fn outcome(mut self, outcome: Outcome) -> Self {
        self.filter.outcome = Some(outcome);
        self
    }

    /// Keeps entries with this correlation id.
    pub fn correlation_id(mut self, id: impl Into<String>) -> Self {
        self.filter.correlation_id = Some(id.into());
        self
    }

    /// Keeps entries of one transaction.
    pub fn transaction(mut self, id: Uuid) -> Self {
        self.filter.transaction_id = Some(id);
        self
    }

    /// Keeps entries with a change at a path or inside it: `address` also matches `address.city`.
    /// Creations and deletions change every field of the object.
    ///
    /// The query fails when it runs if the text is not a path.
    pub fn changed(mut self, path: impl AsRef<str>) -> Self {
        if let Some(path) = self.read_path(path.as_ref()) {
            self.filter.changed.push(path);
        }
        self
    }

    /// Keeps entries in which the value at a path changed from `old`.
    ///
    /// The query fails when it runs if the text is not a path.
    pub fn changed_from(mut self, path: impl AsRef<str>, old: impl AuditValue) -> Self {
        if let Some(path) = self.read_path(path.as_ref()) {
            self.filter
                .changed_from
                .push((path, crate::value::snapshot::comparable_value(&old)));
        }
        self
    }

    /// Keeps entries in which the value at a path changed to `new`.
    ///
    /// Numbers compare by value, including decimals and large integers, which are stored as
    /// strings.
    ///
    /// The query fails when it runs if the text is not a path.
    pub fn changed_to(mut self, path: impl AsRef<str>, new: impl AuditValue) -> Self {
        if let Some(path) = self.read_path(path.as_ref()) {
            self.filter
                .changed_to
                .push((path, crate::value::snapshot::comparable_value(&new)));
        }
        self
    }

    /// Keeps entries at or after this time.
    pub fn since(mut self, time: impl Into<DateTime<Utc>>) -> Self {
        self.filter.since = Some(round_up_to_micros(time.into()));
        self
    }

    /// Keeps entries before this time.
    pub fn until(mut self, time: impl Into<DateTime<Utc>>) -> Self {
        self.filter.until = Some(round_up_to_micros(time.into()));
        self
    }

    /// Keeps entries that contain a text in the object's repr, the reason, the actor or a changed
    /// value, ignoring ASCII case.
    pub fn text(mut self, text: impl Into<String>) -> Self {
        self.filter.text = Some(text.into());
        self
    }

    /// Returns the newest entries first instead of the oldest.
    pub fn newest_first(mut self) -> Self {
        self.newest_first = true;
        self
    }

    /// Returns the oldest entries first, which is the default.
    pub fn oldest_first(mut self) -> Self {
        self.newest_first = false;
        self
    }

    /// Returns at most `limit` entries.
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Continues after a page, given its [`Page::next`](crate::Page::next).
    pub fn after(mut self, cursor: Cursor) -> Self {
        self.after = Some(cursor);
        self
    }

    fn read_path(&mut self, path: &str) -> Option<Path> {
        match path.parse() {
            Ok(path) => Some(path),
            Err(error) => {
                self.invalid.get_or_insert(error);
                None
            }
        }
    }

    /// Returns the conditions.
    pub fn filter(&self) -> &Filter {
        &self.filter
    }

    /// Returns whether the newest entries come first.
    pub fn is_newest_first(&self) -> bool {
        self.newest_first
    }

    /// Returns the maximum number of entries in a page of this query.
    pub fn page_size(&self) -> usize {
        self.limit.unwrap_or(PAGE)
    }

    /// Returns the cursor after which the query continues.
    pub fn cursor(&self) -> Option<Cursor> {
        self.after
    }

    /// Checks the query. Stores call this first, since an invalid query lacks a condition.
    ///
    /// # Errors
    /// - Returns [`StoreError::InvalidQuery`] if a path of the query is invalid.
    /// - Returns [`StoreError::QueryTooDeep`] if groups nest too deeply.
    pub fn check(&self) -> Result<(), StoreError> {
        match &self.invalid {
            None if self.too_deep => Err(StoreError::QueryTooDeep),
            Some(source) => Err(StoreError::InvalidQuery {
                source: source.clone(),
            }),
            None => Ok(()),
        }
    }

    /// Returns the query without its limit and cursor.
    pub fn without_limits(mut self) -> Self {
        self.limit = None;
        self.after = None;
        self
    }

    /// Returns whether an entry satisfies the conditions, ignoring limit and cursor.
    pub fn matches(&self, entry: &LogEntry) -> bool {
        self.filter.matches(entry)
    }

    /// Returns whether an entry comes after the cursor, in the query's order.
    pub fn follows_cursor(&self, entry: &LogEntry) -> bool {
        self.after.is_none_or(|cursor| {
            let order = Cursor::of(entry).cmp(&cursor);
            if self.newest_first {
                order.is_lt()
            } else {
                order.is_gt()
            }
        })
    }
}

impl Filter {
    /// Returns whether an entry satisfies all conditions.
    pub fn matches(&self, entry: &LogEntry) -> bool {
        fn is<T: PartialEq<U> + ?Sized, U: ?Sized>(wanted: Option<&T>, found: &U) -> bool {
            wanted.is_none_or(|wanted| wanted == found)
        }
        is(self.model.as_deref(), entry.model.as_str())
            && is(self.object_pk.as_deref(), entry.object_pk.as_str())
            && is(self.action.as_ref(), &entry.action)
            && is(self.outcome.as_ref(), &entry.outcome)
            && self.level_at_least.is_none_or(|level| entry.level >= level)
            && self.level_below.is_none_or(|level| entry.level < level)
            && self.since.is_none_or(|since| entry.timestamp >= since)
            && self.until.is_none_or(|until| entry.timestamp < until)
            && self
                .transaction_id
                .is_none_or(|id| entry.transaction_id == Some(id))
            && self
                .actor
                .as_ref()
                .is_none_or(|id| entry.actor.as_ref().is_some_and(|actor| actor.id == *id))
            && self
                .correlation_id
                .as_ref()
                .is_none_or(|id| entry.correlation_id.as_ref() == Some(id))
            && self.parent.as_ref().is_none_or(|root| {
                entry.parent.as_ref() == Some(root)
                    || (entry.model == root.model && entry.object_pk == root.object_pk)
            })
            && self.changed.iter().all(|path| entry.changes.touches(path))
            && self.changed_from.iter().all(|(path, old)| {
                entry.changes.get(path).is_some_and(|change| {
                    change
                        .old
                        .as_ref()
                        .is_some_and(|found| nesting::equal_ignoring_scale(found, old))
                })
            })
            && self.changed_to.iter().all(|(path, new)| {
                entry.changes.get(path).is_some_and(|change| {
                    change
                        .new
                        .as_ref()
                        .is_some_and(|found| nesting::equal_ignoring_scale(found, new))
                })
            })
            && self
                .text
                .as_ref()
                .is_none_or(|text| contains_text(entry, text))
            && self.groups.iter().all(|group| group.matches(entry))
    }
}

/// Rounds a time up to the microsecond. Entries have microsecond resolution, so the query in text
/// form has the same result.
fn round_up_to_micros(time: DateTime<Utc>) -> DateTime<Utc> {
    let cut = to_micros(time);
    if cut < time {
        let next = cut.checked_add_signed(TimeDelta::microseconds(1));
        return next.unwrap_or(cut);
    }
    cut
}

/// Returns whether an entry contains a text in one of the searched fields.
fn contains_text(entry: &LogEntry, text: &str) -> bool {
    let wanted = text.to_ascii_lowercase();
    let has = |text: &str| text.to_ascii_lowercase().contains(&wanted);
    has(&entry.object_repr)
        || entry.reason.as_deref().is_some_and(has)
        || entry
            .actor
            .as_ref()
            .is_some_and(|actor| has(&actor.id) || has(actor.name()))
        || entry.changes.iter().any(|change| {
            [&change.old, &change.new]
                .into_iter()
                .flatten()
                .any(|value| has(&crate::mask::scalar_text(value)))
        })
}

/// A position in the order of entries: right after an entry.
///
/// The order is by timestamp, not by commit. An entry that is written late, such as at the end of
/// a long transaction, may come before a cursor that a reader already holds. A reader that must not miss
/// entries starts each time a little earlier than the last entry it saw.
///
/// The text form consists of the entry's time and id and is safe in a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cursor {
    timestamp: DateTime<Utc>,
    id: Uuid,
}

impl Cursor {
    /// Returns the position right after an entry.
    pub fn of(entry: &LogEntry) -> Self {
        Self {
            timestamp: entry.timestamp,
            id: entry.id,
        }
    }

    /// Returns the entry's time.
    pub fn timestamp(&self) -> DateTime<Utc> {
        self.timestamp
    }

    /// Returns the entry's id.
    pub fn id(&self) -> Uuid {
        self.id
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}_{}",
            canonical::timestamp(self.timestamp),
            self.id.simple()
        )
    }
}

impl FromStr for Cursor {
    type Err = ParseCursorError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || ParseCursorError {
            text: text.to_owned(),
        };
        let (timestamp, id) = text.split_once('_').ok_or_else(error)?;
        Ok(Self {
            timestamp: to_micros(timestamp.parse().map_err(|_| error())?),
            id: id.parse().map_err(|_| error())?,
        })
    }
}

/// The error of parsing a text that is not a cursor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseCursorError {
    text: String,
}

impl fmt::Display for ParseCursorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` is not a cursor; expected the text of a page's `next`",
            self.text.escape_debug()
        )
    }
}

impl std::error::Error for ParseCursorError {}

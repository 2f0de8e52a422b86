//! Questions to the trail.

mod display;
mod grammar;
mod group;
mod language;
pub(crate) mod narrow;
mod time;
mod tokens;

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
pub use self::language::ParseQueryError;
pub use self::time::{ParseTimeError, parse_time};

/// How many entries [`Query::iter`] reads at a time, and a page holds without a limit.
pub(crate) const PAGE: usize = 500;

/// Returns the limit of a query, if it has one, for a store that reads no pages, as in
/// [`Store::export`].
pub fn limit(query: &Query) -> Option<usize> {
    query.limit
}

/// A question to the trail: which entries, in which order.
///
/// Begins with everything, oldest first, by (timestamp, id); every method narrows it down.
/// A query from [`LogEntry::objects`] asks the log that is current when it is run.
#[derive(Clone, Debug, Default)]
#[must_use = "a query does nothing until `all`, `iter`, `first`, `count` or `page` runs it"]
pub struct Query {
    pub(crate) store: Option<Arc<dyn Store>>,
    /// What makes the tokens of hashed identities, if not the current log's keys.
    keys: Option<Arc<HashKeys>>,
    filter: Filter,
    newest_first: bool,
    pub(crate) limit: Option<usize>,
    after: Option<Cursor>,
    pub(crate) invalid: Option<ParsePathError>,
    /// Whether groups were nested deeper than is allowed, and left out.
    pub(crate) too_deep: bool,
}

/// The conditions of a [`Query`], all of which an entry meets.
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
    /// The level that all are below.
    pub level_below: Option<Level>,
    /// The outcome.
    pub outcome: Option<Outcome>,
    /// The correlation id.
    pub correlation_id: Option<String>,
    /// The transaction.
    pub transaction_id: Option<Uuid>,
    /// Paths that changed, or inside which something did.
    pub changed: Vec<Path>,
    /// Paths that changed from a value.
    pub changed_from: Vec<(Path, Value)>,
    /// Paths that changed to a value.
    pub changed_to: Vec<(Path, Value)>,
    /// The earliest time, inclusive.
    pub since: Option<DateTime<Utc>>,
    /// The latest time, exclusive.
    pub until: Option<DateTime<Utc>>,
    /// A text that the object's repr, the reason, the actor or a changed value contains,
    /// in any case of ASCII letters.
    pub text: Option<String>,
    /// Alternatives and negations, all of which hold besides the other conditions.
    pub groups: Vec<Group>,
}

impl Query {
    /// Asks the log that is current when the query is run.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks one store.
    pub fn of(store: Arc<dyn Store>) -> Self {
        Self {
            store: Some(store),
            ..Self::default()
        }
    }

    /// Makes the tokens of hashed identities with these keys.
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
    /// Entries name a root whose type hashes its key by the token:
    /// [`ObjectRef::of::<Root>(key)`](ObjectRef::of) makes it from the key in clear with the hash key
    /// of the current log, and takes a token as it is. [`ObjectRef::new`] hashes nothing, so a key in
    /// clear finds no entry.
    pub fn parent(mut self, root: ObjectRef) -> Self {
        self.filter.parent = Some(root);
        self
    }

    /// Keeps entries of an action, one of the four or a custom one by its name.
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

    /// Keeps entries that changed something at a path or inside it: `address` finds
    /// `address.city` too. Creations and deletions change every field they have.
    ///
    /// A text that is not a path makes the query fail when it is run.
    pub fn changed(mut self, path: impl AsRef<str>) -> Self {
        if let Some(path) = self.read_path(path.as_ref()) {
            self.filter.changed.push(path);
        }
        self
    }

    /// Keeps entries in which the value at a path was `old` before.
    ///
    /// A text that is not a path makes the query fail when it is run.
    pub fn changed_from(mut self, path: impl AsRef<str>, old: impl AuditValue) -> Self {
        if let Some(path) = self.read_path(path.as_ref()) {
            self.filter
                .changed_from
                .push((path, crate::value::snapshot::comparable_value(&old)));
        }
        self
    }

    /// Keeps entries in which the value at a path became `new`.
    ///
    /// Numbers are compared by value, also those that the trail holds as texts: decimals and
    /// large integers.
    ///
    /// A text that is not a path makes the query fail when it is run.
    pub fn changed_to(mut self, path: impl AsRef<str>, new: impl AuditValue) -> Self {
        if let Some(path) = self.read_path(path.as_ref()) {
            self.filter
                .changed_to
                .push((path, crate::value::snapshot::comparable_value(&new)));
        }
        self
    }

    /// Keeps entries from this time on.
    pub fn since(mut self, time: impl Into<DateTime<Utc>>) -> Self {
        self.filter.since = Some(whole_micros(time.into()));
        self
    }

    /// Keeps entries from before this time.
    pub fn until(mut self, time: impl Into<DateTime<Utc>>) -> Self {
        self.filter.until = Some(whole_micros(time.into()));
        self
    }

    /// Keeps entries that have a text in the object's repr, the reason, the actor or a
    /// changed value, in any case of ASCII letters.
    pub fn text(mut self, text: impl Into<String>) -> Self {
        self.filter.text = Some(text.into());
        self
    }

    /// Returns the newest entries first instead of the oldest.
    pub fn newest_first(mut self) -> Self {
        self.newest_first = true;
        self
    }

    /// Returns the oldest entries first, as a query does from the start.
    pub fn oldest_first(mut self) -> Self {
        self.newest_first = false;
        self
    }

    /// Returns no more than `limit` entries.
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Goes on after a page: [`Page::next`](crate::Page::next) of the one before.
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

    /// Returns how many entries a page of this query holds at most.
    pub fn page_size(&self) -> usize {
        self.limit.unwrap_or(PAGE)
    }

    /// Returns where the query goes on.
    pub fn cursor(&self) -> Option<Cursor> {
        self.after
    }

    /// Returns an error if a path of the query is invalid or its groups are nested too deep,
    /// for stores to begin with: such a query says less than was meant.
    ///
    /// # Errors
    /// - [`StoreError::InvalidQuery`], with the path's error.
    /// - [`StoreError::QueryTooDeep`].
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

    /// Returns whether an entry meets the conditions; limit and cursor aside.
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
    /// Returns whether an entry meets all conditions.
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

/// The first microsecond that is not before a time: entries have no others, so that nothing
/// else is asked for, and the query as text asks for the same.
fn whole_micros(time: DateTime<Utc>) -> DateTime<Utc> {
    let cut = to_micros(time);
    if cut < time {
        let next = cut.checked_add_signed(TimeDelta::microseconds(1));
        return next.unwrap_or(cut);
    }
    cut
}

/// Whether a text occurs where people would look for it.
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

/// A place in the order of entries: right after one of them.
///
/// The order is that of time, not of writing: an entry that was drafted earlier and written
/// later, as at the end of a long transaction, comes before a cursor that has passed its time.
/// Whoever follows the trail starts each time a little earlier than the last entry seen.
///
/// As text it is the entry's time and id, so that it can travel in a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cursor {
    timestamp: DateTime<Utc>,
    id: Uuid,
}

impl Cursor {
    /// The place right after an entry.
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

/// The text is not a cursor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseCursorError {
    text: String,
}

impl fmt::Display for ParseCursorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` is not a cursor; expected what a page's `next` printed",
            self.text.escape_debug()
        )
    }
}

impl std::error::Error for ParseCursorError {}

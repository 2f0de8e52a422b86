//! Queries: conditions, order, limit and cursor; their text form and their SQL conditions.
//!
//! A [`Query`] is data: a [`Filter`] and options. [`Query::matches`] defines its meaning, and every store
//! returns the entries that it returns. A store in a database narrows them by an index or by SQL
//! (`sql_condition`), and checks the rest with `matches`.
//!
//! - `conditions`, `group`: the methods that add conditions
//! - `cancellation`: ends a running query
//! - `tokenizer`, `parser`, `terms`, `time`: from text
//! - `display`: to text; parsing the text gives an equal query

mod cancellation;
mod conditions;
mod display;
mod group;
mod notation;
mod parser;
pub(crate) mod sql_condition;
mod terms;
mod time;
mod tokenizer;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

use crate::action::{Action, Outcome};
use crate::entry::{LogEntry, ObjectRef, to_micros};
use crate::error::{ParseTimeError, Result, StoreError};
use crate::json::{canonical, nesting};
use crate::level::Level;
use crate::path::{ParsePathError, Path};
use crate::store::Store;
use crate::value::hash::HashKeys;

pub use self::cancellation::Cancellation;
pub use self::group::Group;
pub use self::terms::ParseQueryError;
pub use self::time::{QueryTime, parse_time};

/// The number of entries that [`Query::iter`] reads at a time, and the default size of a page.
pub(crate) const PAGE: usize = 500;

/// Returns the limit of a query, if it has one, for a store that reads no pages, as in
/// [`Store::export`].
pub fn limit(query: &Query) -> Option<usize> {
    query.limit
}

/// A query of the trail: conditions on entries, their order, and a limit.
///
/// A new query matches all entries, oldest first, ordered by timestamp and id. Each method adds a
/// condition, and an entry satisfies all of them; [`any_of`](Self::any_of) and [`not`](Self::not) add
/// alternatives and negations. [`parse`](Self::parse) reads a query from text, and `Display` prints it.
///
/// | to run it | returns |
/// |---|---|
/// | [`all`](Self::all), [`all_async`](Self::all_async) | a list of entries |
/// | [`iter`](Self::iter) | an iterator that reads 500 entries at a time |
/// | [`first`](Self::first) | one entry, if any |
/// | [`count`](Self::count) | the number of matching entries |
/// | [`page`](Self::page) | one page, and the cursor of the next one |
///
/// A query from [`LogEntry::objects`] runs on the log that is current when it runs, one from
/// [`AuditLog::query`](crate::AuditLog::query) on that log, and one from [`Query::of`] on that store.
///
/// # Example: failed changes of one user's objects
/// ```
/// use auditlog::prelude::*;
///
/// #[derive(Auditable, Clone)]
/// struct User {
///     id: u32,
///     email: String,
/// }
///
/// let _audit = auditlog::testing::capture();
/// auditlog::register::<User>();
/// let mut user = User { id: 42, email: "ann@old.example".into() };
/// auditlog::created(&user).actor("alice").record()?;
/// auditlog::update(&mut user, |user| user.email = "ann@new.example".into()).actor("bob").record()?;
///
/// let entries = LogEntry::objects()
///     .object::<User>(42)
///     .changed_to("email", "ann@new.example")
///     .newest_first()
///     .limit(10)
///     .all()?;
/// assert_eq!(entries.len(), 1);
/// assert_eq!(entries[0].actor(), "bob");
///
/// let query = LogEntry::objects().model::<User>().actor("bob");
/// assert_eq!(query.to_string(), "model:User actor:bob");
/// # Ok::<(), auditlog::Error>(())
/// ```
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
    pub(crate) invalid: Option<InvalidCondition>,
    /// Whether groups nested too deeply and were left out.
    pub(crate) too_deep: bool,
    cancellation: Option<Cancellation>,
}

/// A condition that could not be parsed, so that the query lacks it.
#[derive(Clone, Debug)]
pub(crate) enum InvalidCondition {
    Path(ParsePathError),
    Time(ParseTimeError),
}

/// The conditions of a [`Query`]. A matching entry satisfies all of them.
///
/// # Example: the conditions of a parsed query
/// ```
/// use auditlog::{Level, Query};
///
/// let query = Query::parse("model:User changed:email level:>=warning")?;
/// let filter = query.filter();
/// assert_eq!(filter.model.as_deref(), Some("User"));
/// assert_eq!(filter.changed[0], "email");
/// assert_eq!(filter.level_at_least, Some(Level::Warning));
/// assert_eq!(filter.actor, None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
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
    /// Creates a query that runs on the log that is current when it runs.
    pub fn new() -> Self {
        Self::default()
    }

    /// Creates a query that runs on a store.
    ///
    /// # Example: a store without a log
    /// ```
    /// use std::sync::Arc;
    /// use auditlog::{LogEntry, MemoryStore, Query, Store};
    ///
    /// let store = Arc::new(MemoryStore::new());
    /// store.append(&[LogEntry::new("create", "User", "42", "bob")])?;
    /// assert_eq!(Query::of(store).model_name("User").count()?, 1);
    /// # Ok::<(), auditlog::Error>(())
    /// ```
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

    /// Returns the newest entries first instead of the oldest.
    ///
    /// # Example: the last three entries
    /// ```
    /// use auditlog::AuditLog;
    ///
    /// let log = AuditLog::builder().build();
    /// for number in 1..=5 {
    ///     log.event("step").extra("number", number).record()?;
    /// }
    /// let last = log.query().newest_first().limit(3).all()?;
    /// let numbers: Vec<_> = last.iter().map(|entry| entry.additional_data["number"].clone()).collect();
    /// assert_eq!(numbers, [5, 4, 3]);
    /// # Ok::<(), auditlog::Error>(())
    /// ```
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
    /// - Returns [`StoreError::InvalidTime`] if a time of the query is invalid.
    /// - Returns [`StoreError::QueryTooDeep`] if groups nest too deeply.
    /// - Returns [`StoreError::Cancelled`] if the query is cancelled.
    pub fn check(&self) -> Result<(), StoreError> {
        if self.is_cancelled() {
            return Err(StoreError::Cancelled);
        }
        match self.invalid.clone() {
            None if self.too_deep => Err(StoreError::QueryTooDeep),
            Some(InvalidCondition::Path(source)) => Err(StoreError::InvalidQuery { source }),
            Some(InvalidCondition::Time(source)) => Err(StoreError::InvalidTime { source }),
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
    ///
    /// # Example: a filter on a stream of entries
    /// ```
    /// use auditlog::{LogEntry, Query};
    ///
    /// let query = Query::parse("model:User NOT action:access")?;
    /// assert!(query.matches(&LogEntry::new("update", "User", "42", "bob")));
    /// assert!(!query.matches(&LogEntry::new("access", "User", "42", "bob")));
    /// # Ok::<(), auditlog::ParseQueryError>(())
    /// ```
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
///
/// # Example: a cursor as text
/// ```
/// use auditlog::{Cursor, LogEntry};
///
/// let cursor = Cursor::of(&LogEntry::new("create", "User", "42", "bob"));
/// assert_eq!(cursor.to_string().parse::<Cursor>()?, cursor);
/// # Ok::<(), auditlog::ParseCursorError>(())
/// ```
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

//! The past of objects, read from a log.

use chrono::{DateTime, TimeDelta, Utc};

use super::AuditLog;
use super::histories::{Histories, ObjectStates};
use crate::action::Outcome;
use crate::entry::{LogEntry, ObjectRef};
use crate::error::Result;
use crate::history::{
    Evolution, History, Reconstruction, holds_full_state, makes_version, order, rebuild,
};
use crate::store::Page;
use crate::store::query::{Cursor, Query};
use crate::value::auditable::Auditable;

/// How many entries the search for a state reads at first, and then at a time: sizes for which
/// stores keep plans. Each page costs a server that has many partitions a look at all of them.
const FIRST: usize = 100;
const MORE: usize = 1000;

/// Reads the history of an object from the current log: all of its entries, oldest first.
///
/// The result holds every entry of the object in memory. [`as_of`] reads only the entries that one state
/// needs.
///
/// An object without entries has an empty history, which is not an error: such an object never existed, or
/// exists since before the trail began, or its type was not [registered](crate::register()) when it
/// changed. Its state is null, and [`exists`](crate::Reconstruction::exists) returns false.
///
/// # Errors
/// - Returns [`Error::Store`](crate::Error::Store) if the store cannot be read.
/// - Returns [`Error::Query`](crate::Error::Query) if an [`upcast`](crate::RegisterOptions::upcast)
///   names a field by a text that is not a path.
///
/// # Example: versions, blame and revert
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
/// let mut user = User { id: 42, email: "a@example.com".into() };
/// auditlog::created(&user).actor("alice").record()?;
/// auditlog::update(&mut user, |user| user.email = "b@example.com".into()).actor("bob").record()?;
///
/// let history = auditlog::history::<User>(42)?;
/// assert_eq!(history.versions().count(), 2);
/// assert_eq!(history.at_version(1).expect("a version").state["email"], "a@example.com");
///
/// let blame = history.blame();
/// let email = blame.iter().find(|blame| blame.path == "email").expect("a field");
/// assert_eq!(email.entry.actor(), "bob");
///
/// let back = history.revert_to(1).expect("a version");
/// assert_eq!(back["email"].new, Some("a@example.com".into()));
/// # Ok::<(), auditlog::Error>(())
/// ```
pub fn history<T: Auditable>(pk: impl ToString) -> Result<History> {
    AuditLog::current().history::<T>(pk)
}

/// Reads the history of an object from the current log as [`history`] does, without blocking
/// the thread.
///
/// Needs no particular runtime, as [`Query::all_async`](crate::Query::all_async).
///
/// # Errors
/// Returns the errors of [`history`].
pub async fn history_async<T: Auditable>(pk: impl ToString) -> Result<History> {
    AuditLog::current().history_async::<T>(pk).await
}

impl AuditLog {
    /// Reads the history of an object from this log; see [`history`].
    ///
    /// # Errors
    /// Returns the errors of [`history`].
    #[expect(
        clippy::needless_pass_by_value,
        reason = "`42` reads better than `&42`"
    )]
    pub fn history<T: Auditable>(&self, pk: impl ToString) -> Result<History> {
        let object = self.object_ref::<T>(pk.to_string());
        let evolution = self.evolution(T::MODEL).with_fields(T::FIELDS);
        self.read(object, &evolution)
    }

    /// Reads the history of an object from this log as [`history`](Self::history) does,
    /// without blocking the thread.
    ///
    /// # Errors
    /// Returns the errors of [`history`](Self::history).
    pub async fn history_async<T: Auditable>(&self, pk: impl ToString) -> Result<History> {
        let object = self.object_ref::<T>(pk.to_string());
        let evolution = self.evolution(T::MODEL).with_fields(T::FIELDS);
        self.read_async(object, &evolution).await
    }

    /// Reads the history of an object by the stored name of its model, which needs no Rust type. The aliases
    /// and upcasters of a registered type apply.
    ///
    /// # Errors
    /// Returns the errors of [`history`].
    ///
    /// # Example: a model whose type no longer exists
    /// ```
    /// use auditlog::prelude::*;
    ///
    /// let log = AuditLog::builder().build();
    /// log.store().append(&[LogEntry::new("create", "Fax", "7", "Fax 7")])?;
    /// let history = log.history_of(ObjectRef::new("Fax", "7"))?;
    /// assert_eq!(history.entries().len(), 1);
    /// # Ok::<(), auditlog::Error>(())
    /// ```
    pub fn history_of(&self, object: ObjectRef) -> Result<History> {
        let evolution = self.evolution(&object.model);
        self.read(object, &evolution)
    }

    /// Builds the history of an object from entries that were read before, such as those of a query,
    /// as [`history_of`](Self::history_of) does from all of them. Their order has no effect.
    ///
    /// # Errors
    /// Returns [`Error::Query`](crate::Error::Query) if an
    /// [`upcast`](crate::RegisterOptions::upcast) names a field by a text that is not a path.
    ///
    /// # Example: the newest entries of a long history
    /// ```
    /// use auditlog::prelude::*;
    ///
    /// let log = AuditLog::builder().build();
    /// for _ in 0..5 {
    ///     log.store().append(&[LogEntry::new("update", "Fax", "7", "Fax 7")])?;
    /// }
    /// let object = ObjectRef::new("Fax", "7");
    /// let newest = log.query().model_name("Fax").object_pk("7").newest_first().limit(3).all()?;
    /// let history = log.history_from(object, newest)?;
    /// assert_eq!(history.entries().len(), 3);
    /// # Ok::<(), auditlog::Error>(())
    /// ```
    pub fn history_from(&self, object: ObjectRef, mut entries: Vec<LogEntry>) -> Result<History> {
        entries.sort_by_key(Cursor::of);
        let evolution = self.evolution(&object.model);
        History::of(object, entries, &evolution)
    }

    /// Reads the history of an object as [`history_of`](Self::history_of) does, without
    /// blocking the thread.
    ///
    /// # Errors
    /// Returns the errors of [`history_of`](Self::history_of).
    pub async fn history_of_async(&self, object: ObjectRef) -> Result<History> {
        let evolution = self.evolution(&object.model);
        self.read_async(object, &evolution).await
    }

    fn read(&self, object: ObjectRef, evolution: &Evolution) -> Result<History> {
        let entries = match self.entries_of(&object) {
            Some(query) => query.all()?,
            None => Vec::new(),
        };
        History::of(object, entries, evolution)
    }

    async fn read_async(&self, object: ObjectRef, evolution: &Evolution) -> Result<History> {
        let entries = match self.entries_of(&object) {
            Some(query) => query.all_async().await?,
            None => Vec::new(),
        };
        History::of(object, entries, evolution)
    }

    /// Queries the entries of an object; one without a key has none.
    fn entries_of(&self, object: &ObjectRef) -> Option<Query> {
        let query = self.query().model_name(&object.model);
        (!object.object_pk.is_empty()).then(|| query.object_pk(&object.object_pk))
    }

    /// Returns how entries of a model are read in its present schema.
    pub(super) fn evolution(&self, model: &str) -> Evolution {
        Evolution::of(self.shared().registry.get(model))
    }
}

/// Returns the state of an object as of a time, from the current log; see [`AuditLog::as_of`].
///
/// # Errors
/// Returns the errors of [`history`].
///
/// # Example: the address of last month
/// ```
/// use auditlog::prelude::*;
/// use chrono::{DateTime, TimeDelta, Utc};
///
/// #[derive(Auditable, Clone)]
/// struct User {
///     id: u32,
///     email: String,
/// }
///
/// let audit = auditlog::testing::capture().at("2026-01-01T00:00:00Z");
/// auditlog::register::<User>();
/// let mut user = User { id: 42, email: "a@example.com".into() };
/// auditlog::created(&user).record()?;
/// audit.advance(TimeDelta::days(30));
/// auditlog::update(&mut user, |user| user.email = "b@example.com".into()).record()?;
///
/// let then: DateTime<Utc> = "2026-01-15T00:00:00Z".parse()?;
/// let past = auditlog::as_of::<User>(42, then)?;
/// assert!(past.complete);
/// assert_eq!(past.state["email"], "a@example.com");
///
/// let before: DateTime<Utc> = "2025-12-31T00:00:00Z".parse()?;
/// assert!(!auditlog::as_of::<User>(42, before)?.exists());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn as_of<T: Auditable>(
    pk: impl ToString,
    time: impl Into<DateTime<Utc>>,
) -> Result<Reconstruction> {
    AuditLog::current().as_of::<T>(pk, time)
}

/// Returns the state of an object as of a time as [`as_of`] does, without blocking the thread; see
/// [`AuditLog::as_of_async`].
///
/// # Errors
/// Returns the errors of [`history`].
pub async fn as_of_async<T: Auditable>(
    pk: impl ToString,
    time: impl Into<DateTime<Utc>>,
) -> Result<Reconstruction> {
    AuditLog::current().as_of_async::<T>(pk, time).await
}

/// Returns the states of all objects of a type as of a time, from the current log; see
/// [`AuditLog::objects_as_of`].
///
/// # Errors
/// Returns no error at present; a failure while reading is an item of the iterator.
///
/// # Example: all users of a day
/// ```
/// use auditlog::prelude::*;
/// use chrono::{DateTime, TimeDelta, Utc};
///
/// #[derive(Auditable)]
/// struct User {
///     id: u32,
/// }
///
/// let audit = auditlog::testing::capture().at("2026-01-01T00:00:00Z");
/// auditlog::register::<User>();
/// auditlog::created_many(&[User { id: 1 }, User { id: 2 }]).record()?;
/// audit.advance(TimeDelta::days(1));
/// auditlog::deleted(&User { id: 1 }).record()?;
///
/// let then: DateTime<Utc> = "2026-01-02T00:00:00Z".parse()?;
/// let mut keys = Vec::new();
/// for state in auditlog::objects_as_of::<User>(then)? {
///     keys.push(state?.object.object_pk);
/// }
/// assert_eq!(keys, ["2"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn objects_as_of<T: Auditable>(time: impl Into<DateTime<Utc>>) -> Result<ObjectStates> {
    AuditLog::current().objects_as_of::<T>(time)
}

impl AuditLog {
    /// Returns the state of an object as of a time, including entries at exactly that time.
    ///
    /// Reads back from that time to the last entry with the full state of the object (a creation or a
    /// [snapshot](crate::SnapshotPolicy)), and no further: 100 entries at first, then 1,000 at a time. If the
    /// object has no version at that time, reads on to its first one: only a creation shows that the object did
    /// not exist before. Before any other entry, the state is null and not complete.
    ///
    /// Entries without an object, such as those of [bulk](crate::bulk) statements, are part of no object.
    ///
    /// # Errors
    /// Returns the errors of [`history`].
    #[expect(
        clippy::needless_pass_by_value,
        reason = "`42` reads better than `&42`"
    )]
    pub fn as_of<T: Auditable>(
        &self,
        pk: impl ToString,
        time: impl Into<DateTime<Utc>>,
    ) -> Result<Reconstruction> {
        let object = self.object_ref::<T>(pk.to_string());
        let evolution = self.evolution(T::MODEL).with_fields(T::FIELDS);
        self.state_of(&object, time.into(), &evolution)
    }

    /// Returns the state of an object as of a time as [`as_of`](Self::as_of) does, without blocking the
    /// thread.
    ///
    /// # Errors
    /// Returns the errors of [`history`].
    pub async fn as_of_async<T: Auditable>(
        &self,
        pk: impl ToString,
        time: impl Into<DateTime<Utc>>,
    ) -> Result<Reconstruction> {
        let object = self.object_ref::<T>(pk.to_string());
        let evolution = self.evolution(T::MODEL).with_fields(T::FIELDS);
        self.state_of_async(&object, time.into(), &evolution).await
    }

    /// Returns the state of an object as of a time as [`as_of`](Self::as_of) does, by the stored name of its
    /// model.
    ///
    /// # Errors
    /// Returns the errors of [`history`].
    ///
    /// # Example: follow a reference
    /// ```
    /// use auditlog::prelude::*;
    ///
    /// #[derive(Auditable, Clone)]
    /// struct Customer {
    ///     id: u32,
    ///     name: String,
    /// }
    ///
    /// #[derive(Auditable)]
    /// struct Order {
    ///     id: u32,
    ///     #[audit(reference)]
    ///     customer: Customer,
    /// }
    ///
    /// let log = AuditLog::builder().build();
    /// log.register::<Customer>();
    /// log.register::<Order>();
    /// let customer = Customer { id: 7, name: "Ann".into() };
    /// log.created(&customer).record()?;
    /// log.created(&Order { id: 1, customer }).record()?;
    /// let placed = log.query().newest_first().first()?.expect("an entry").timestamp;
    ///
    /// let order = log.as_of::<Order>(1, placed)?;
    /// let (path, customer) = &order.references[0];
    /// assert_eq!(path, "customer");
    /// assert_eq!(log.object_as_of(customer, placed)?.state["name"], "Ann");
    /// # Ok::<(), auditlog::Error>(())
    /// ```
    pub fn object_as_of(
        &self,
        object: &ObjectRef,
        time: impl Into<DateTime<Utc>>,
    ) -> Result<Reconstruction> {
        self.state_of(object, time.into(), &self.evolution(&object.model))
    }

    /// Returns the state of an object as of a time as [`object_as_of`](Self::object_as_of) does, without
    /// blocking the thread.
    ///
    /// # Errors
    /// Returns the errors of [`history`].
    pub async fn object_as_of_async(
        &self,
        object: &ObjectRef,
        time: impl Into<DateTime<Utc>>,
    ) -> Result<Reconstruction> {
        let evolution = self.evolution(&object.model);
        self.state_of_async(object, time.into(), &evolution).await
    }

    fn state_of(
        &self,
        object: &ObjectRef,
        time: DateTime<Utc>,
        evolution: &Evolution,
    ) -> Result<Reconstruction> {
        let mut reading = Backwards::of(self, object, time);
        while let Some(query) = reading.next.take() {
            let page = query.clone().page()?;
            reading.add(query, page, evolution)?;
        }
        Ok(reading.state(evolution))
    }

    async fn state_of_async(
        &self,
        object: &ObjectRef,
        time: DateTime<Utc>,
        evolution: &Evolution,
    ) -> Result<Reconstruction> {
        let mut reading = Backwards::of(self, object, time);
        while let Some(query) = reading.next.take() {
            let page = query.clone().page_async().await?;
            reading.add(query, page, evolution)?;
        }
        Ok(reading.state(evolution))
    }

    /// Returns the histories of all objects that have entries in a query, ordered by model and identity.
    ///
    /// A history contains only the entries of the query. The limit and the order of the query have no effect.
    /// The iterator reads as it advances: memory holds some objects at a time.
    ///
    /// # Errors
    /// Returns [`Error::Store`](crate::Error::Store) if a path of the query cannot be parsed. A failure while
    /// reading is an item of the iterator, and the last one.
    ///
    /// # Example: objects that were changed most
    /// ```
    /// use auditlog::prelude::*;
    ///
    /// #[derive(Auditable, Clone)]
    /// struct Item {
    ///     id: u32,
    ///     stock: u32,
    /// }
    ///
    /// let log = AuditLog::builder().build();
    /// log.register::<Item>();
    /// let mut item = Item { id: 1, stock: 0 };
    /// log.created(&item).record()?;
    /// log.update(&mut item, |item| item.stock = 5).record()?;
    /// log.created(&Item { id: 2, stock: 0 }).record()?;
    ///
    /// let mut versions = Vec::new();
    /// for history in log.histories(log.query().model::<Item>())? {
    ///     let history = history?;
    ///     versions.push((history.object().object_pk.clone(), history.versions().count()));
    /// }
    /// assert_eq!(versions, [("1".to_owned(), 2), ("2".to_owned(), 1)]);
    /// # Ok::<(), auditlog::Error>(())
    /// ```
    pub fn histories(&self, query: Query) -> Result<Histories> {
        query.check()?;
        Ok(Histories::new(self, query))
    }

    /// Returns the states of all objects of a type as of a time, ordered by identity, without those that did
    /// not exist. The iterator reads as it advances: memory holds some objects at a time.
    ///
    /// Reads no entry after the time: an object whose first entry is later is left out, even if it is older
    /// than the trail, which [`as_of`](Self::as_of) reports.
    ///
    /// # Errors
    /// Returns no error at present; a failure while reading is an item of the iterator, and the last one.
    pub fn objects_as_of<T: Auditable>(
        &self,
        time: impl Into<DateTime<Utc>>,
    ) -> Result<ObjectStates> {
        self.states(self.query().model::<T>(), time)
    }

    /// Returns the states as of a time of all objects that have entries in a query: of a model by its name
    /// (`log.query().model_name("User")`), of an aggregate (`log.query().parent(root)`), or of everything. A
    /// query that excludes some entries of an object makes its state incomplete. An object without an entry up
    /// to the time is left out, as in [`objects_as_of`](Self::objects_as_of).
    ///
    /// # Errors
    /// Returns [`Error::Store`](crate::Error::Store) if a path of the query cannot be parsed. A failure while
    /// reading is an item of the iterator, and the last one.
    pub fn states(&self, query: Query, time: impl Into<DateTime<Utc>>) -> Result<ObjectStates> {
        self.histories(up_to(query, time.into()))
            .map(ObjectStates::new)
    }
}

/// The entries of an object, read page by page from a time back to one with every field. If none of them
/// makes a version, the entries after the time are read up to the first that does.
struct Backwards {
    /// The entries up to the time, newest first.
    entries: Vec<LogEntry>,
    /// Of the entries after the time, oldest first, those that make a version, and one that succeeded.
    later: Vec<LogEntry>,
    /// The query of the next page.
    next: Option<Query>,
    /// The query of the first page after the time, until it is the next one.
    forwards: Option<Query>,
    /// Whether the pages are those after the time.
    is_forwards: bool,
}

impl Backwards {
    fn of(log: &AuditLog, object: &ObjectRef, time: DateTime<Utc>) -> Self {
        let query = log.entries_of(object);
        let forwards = query.clone().zip(after(time));
        Self {
            entries: Vec::new(),
            later: Vec::new(),
            next: query.map(|query| up_to(query, time).newest_first().limit(FIRST)),
            forwards: forwards.map(|(query, start)| query.since(start).limit(FIRST)),
            is_forwards: false,
        }
    }

    /// Adds the answer to what was asked for.
    fn add(&mut self, query: Query, page: Page, evolution: &Evolution) -> Result<()> {
        let next = page.next.map(|next| query.after(next).limit(MORE));
        if self.is_forwards {
            for mut entry in page.entries {
                evolution.upgrade(&mut entry)?;
                // Of the others, one shows that the object existed: memory does not grow with their number.
                if makes_version(&entry) || self.later.is_empty() && is_successful(&entry) {
                    self.later.push(entry);
                }
            }
            self.next = next.filter(|_| !self.later.iter().any(makes_version));
            return Ok(());
        }
        for mut entry in page.entries {
            evolution.upgrade(&mut entry)?;
            // A key may have been handed over: the end of the former object comes before.
            let enough = holds_full_state(&entry) && entry.counterpart.is_none();
            self.entries.push(entry);
            if enough {
                return Ok(());
            }
        }
        self.is_forwards = next.is_none() && !self.entries.iter().any(makes_version);
        self.next = if self.is_forwards {
            self.forwards.take()
        } else {
            next
        };
        Ok(())
    }

    fn state(mut self, evolution: &Evolution) -> Reconstruction {
        self.entries.reverse();
        let end = self.entries.len();
        self.entries.append(&mut self.later);
        order(evolution.fields, &mut self.entries);
        rebuild(evolution.fields, &self.entries, end)
    }
}

fn is_successful(entry: &LogEntry) -> bool {
    entry.outcome == Outcome::Success
}

/// Narrows a query down to what is not after a time, which entries have in microseconds.
fn up_to(query: Query, time: DateTime<Utc>) -> Query {
    match after(time) {
        Some(end) => query.until(end),
        None => query,
    }
}

/// Returns the first time of an entry after a time.
fn after(time: DateTime<Utc>) -> Option<DateTime<Utc>> {
    time.checked_add_signed(TimeDelta::microseconds(1))
}

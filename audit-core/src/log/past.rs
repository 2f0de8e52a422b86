//! The past of objects, read from a log.

use chrono::{DateTime, TimeDelta, Utc};

use super::AuditLog;
use crate::entry::{LogEntry, ObjectRef};
use crate::error::Result;
use crate::history::{Evolution, History, Reconstruction, holds_full_state, order, rebuild};
use crate::store::Page;
use crate::store::query::Query;
use crate::value::auditable::Auditable;

/// How many entries the search for a state reads at first, and then at a time: sizes for which
/// stores keep plans. Each page costs a server that has many partitions a look at all of them.
const FIRST: usize = 100;
const MORE: usize = 1000;

/// Reads the history of an object from the current log.
///
/// # Errors
/// If the store cannot be read.
///
/// # Example: what it was, and who set it
/// ```
/// # use audit_core as auditlog;
/// # use auditlog::{AuditValue, Snapshot, FieldSchema, ModelSchema};
/// # #[derive(Clone)] struct User { id: u32, email: String }
/// # const FIELDS: &[FieldSchema] = &[FieldSchema::new("id", <u32 as AuditValue>::fields), FieldSchema::new("email", <String as AuditValue>::fields)];
/// # impl AuditValue for User {
/// #     const COMPOSITE: bool = true;
/// #     const FIELDS: &'static [FieldSchema] = FIELDS;
/// #     fn diff(&self, new: &Self, cx: &mut auditlog::Diff<'_>) { cx.visit(&FIELDS[0], &self.id, &new.id); cx.visit(&FIELDS[1], &self.email, &new.email); }
/// #     fn snapshot(&self, cx: &mut Snapshot<'_>) -> serde_json::Value { cx.object(|o| { o.visit(&FIELDS[0], &self.id); o.visit(&FIELDS[1], &self.email); }) }
/// # }
/// # impl auditlog::Auditable for User {
/// #     const MODEL: &'static str = "User";
/// #     fn object_pk(&self) -> String { self.id.to_string() }
/// #     fn schema() -> &'static ModelSchema { const { &ModelSchema::new("User", "User", FIELDS) } }
/// # }
/// let audit = auditlog::testing::capture();
/// auditlog::register::<User>();
/// let mut user = User { id: 42, email: "a@example.com".into() };
/// auditlog::created(&user).actor("alice").record()?;
/// auditlog::update(&mut user, |user| user.email = "b@example.com".into()).actor("bob").record()?;
///
/// let history = auditlog::history::<User>(42)?;
/// assert_eq!(history.versions().count(), 2);
/// assert_eq!(history.at_version(1).expect("a version").state["email"], "a@example.com");
/// let email = history.blame().into_iter().find(|blame| blame.path == "email").expect("a field");
/// assert_eq!(email.entry.actor(), "bob");
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
/// As [`history`].
pub async fn history_async<T: Auditable>(pk: impl ToString) -> Result<History> {
    AuditLog::current().history_async::<T>(pk).await
}

impl AuditLog {
    /// Reads the history of an object from this log; see [`history`].
    ///
    /// # Errors
    /// If the store cannot be read.
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
    /// As [`history`](Self::history).
    pub async fn history_async<T: Auditable>(&self, pk: impl ToString) -> Result<History> {
        let object = self.object_ref::<T>(pk.to_string());
        let evolution = self.evolution(T::MODEL).with_fields(T::FIELDS);
        self.read_async(object, &evolution).await
    }

    /// Reads the history of an object by the model's stored name, such as one whose type is
    /// gone. Former names and upcasters of a registered type apply.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn history_of(&self, object: ObjectRef) -> Result<History> {
        let evolution = self.evolution(&object.model);
        self.read(object, &evolution)
    }

    /// Reads the history of an object as [`history_of`](Self::history_of) does, without
    /// blocking the thread.
    ///
    /// # Errors
    /// As [`history_of`](Self::history_of).
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
    fn evolution(&self, model: &str) -> Evolution {
        Evolution::of(self.shared().registry.get(model))
    }
}

/// Returns what an object was at a time, from the current log: see [`AuditLog::as_of`].
///
/// # Errors
/// If the store cannot be read.
pub fn as_of<T: Auditable>(
    pk: impl ToString,
    time: impl Into<DateTime<Utc>>,
) -> Result<Reconstruction> {
    AuditLog::current().as_of::<T>(pk, time)
}

/// Returns what an object was at a time as [`as_of`] does, without blocking the thread: see
/// [`AuditLog::as_of_async`].
///
/// # Errors
/// As [`as_of`].
pub async fn as_of_async<T: Auditable>(
    pk: impl ToString,
    time: impl Into<DateTime<Utc>>,
) -> Result<Reconstruction> {
    AuditLog::current().as_of_async::<T>(pk, time).await
}

/// Returns what all objects of a type were at a time, from the current log: see
/// [`AuditLog::objects_as_of`].
///
/// # Errors
/// If the store cannot be read.
pub fn objects_as_of<T: Auditable>(time: impl Into<DateTime<Utc>>) -> Result<ObjectStates> {
    AuditLog::current().objects_as_of::<T>(time)
}

impl AuditLog {
    /// Returns what an object was at a time, entries of that very time included.
    ///
    /// Reads back from that time to the last entry with every field of the object, a creation or
    /// a [snapshot](crate::SnapshotPolicy), and no further. Entries without an object, such as
    /// those of [bulk](crate::bulk) statements, are not part of any object.
    ///
    /// # Errors
    /// If the store cannot be read.
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

    /// Returns what an object was at a time as [`as_of`](Self::as_of) does, without blocking
    /// the thread.
    ///
    /// # Errors
    /// As [`as_of`](Self::as_of).
    pub async fn as_of_async<T: Auditable>(
        &self,
        pk: impl ToString,
        time: impl Into<DateTime<Utc>>,
    ) -> Result<Reconstruction> {
        let object = self.object_ref::<T>(pk.to_string());
        let evolution = self.evolution(T::MODEL).with_fields(T::FIELDS);
        self.state_of_async(&object, time.into(), &evolution).await
    }

    /// Returns what an object was at a time, as [`as_of`](Self::as_of) does, by the model's
    /// stored name.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn object_as_of(
        &self,
        object: &ObjectRef,
        time: impl Into<DateTime<Utc>>,
    ) -> Result<Reconstruction> {
        self.state_of(object, time.into(), &self.evolution(&object.model))
    }

    /// Returns what an object was at a time as [`object_as_of`](Self::object_as_of) does,
    /// without blocking the thread.
    ///
    /// # Errors
    /// As [`object_as_of`](Self::object_as_of).
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

    /// Returns the histories of all objects that a query finds entries of, by model and
    /// identity. They hold those entries only; the query's limit and order do not count.
    ///
    /// # Errors
    /// If a path of the query cannot be parsed. A failure while reading comes as an item, after
    /// which there is no other.
    pub fn histories(&self, query: Query) -> Result<Histories> {
        query.check()?;
        Ok(Histories {
            log: self.clone(),
            query,
            entries: Vec::new().into_iter(),
            ahead: None,
            last: None,
            evolution: None,
            done: false,
        })
    }

    /// Returns what all objects of a type were at a time, by identity; those that did not
    /// exist are left out. Reads as it goes: memory holds some objects at a time.
    ///
    /// # Errors
    /// None at present. What goes wrong while reading comes as an item, after which there is
    /// no other.
    pub fn objects_as_of<T: Auditable>(
        &self,
        time: impl Into<DateTime<Utc>>,
    ) -> Result<ObjectStates> {
        self.states(self.query().model::<T>(), time)
    }

    /// Returns what the objects were that a query finds entries of: a model by its name
    /// (`log.query().model_name("User")`), an aggregate with all that belongs to it
    /// (`log.query().parent(root)`), or everything. A query that leaves out some entries of
    /// an object makes its state incomplete.
    ///
    /// # Errors
    /// If a path of the query cannot be parsed. A failure while reading comes as an item, after
    /// which there is no other.
    pub fn states(&self, query: Query, time: impl Into<DateTime<Utc>>) -> Result<ObjectStates> {
        Ok(ObjectStates {
            histories: self.histories(up_to(query, time.into()))?,
        })
    }
}

/// The entries of an object, read page by page from a time back to one with every field.
struct Backwards {
    entries: Vec<LogEntry>,
    /// What to ask for next.
    next: Option<Query>,
}

impl Backwards {
    fn of(log: &AuditLog, object: &ObjectRef, time: DateTime<Utc>) -> Self {
        let query = log.entries_of(object);
        Self {
            entries: Vec::new(),
            next: query.map(|query| up_to(query, time).newest_first().limit(FIRST)),
        }
    }

    /// Adds the answer to what was asked for.
    fn add(&mut self, query: Query, page: Page, evolution: &Evolution) -> Result<()> {
        for mut entry in page.entries {
            evolution.upgrade(&mut entry)?;
            // A key may have been handed over: the end of the former object comes before.
            let enough = holds_full_state(&entry) && entry.counterpart.is_none();
            self.entries.push(entry);
            if enough {
                return Ok(());
            }
        }
        self.next = page.next.map(|next| query.after(next).limit(MORE));
        Ok(())
    }

    fn state(mut self, evolution: &Evolution) -> Reconstruction {
        self.entries.reverse();
        order(evolution.fields, &mut self.entries);
        rebuild(evolution.fields, &self.entries)
    }
}

/// Narrows a query down to what is not after a time, which entries have in microseconds.
fn up_to(query: Query, time: DateTime<Utc>) -> Query {
    match time.checked_add_signed(TimeDelta::microseconds(1)) {
        Some(end) => query.until(end),
        None => query,
    }
}

/// The histories of many objects, one by one.
#[derive(Debug)]
pub struct Histories {
    log: AuditLog,
    query: Query,
    entries: std::vec::IntoIter<LogEntry>,
    /// The first entry of the next object.
    ahead: Option<LogEntry>,
    last: Option<ObjectRef>,
    /// That of the model of the last object.
    evolution: Option<(String, Evolution)>,
    done: bool,
}

impl Histories {
    fn read(&mut self) -> Result<Option<History>> {
        let mut first = self.next_entry()?;
        // What has no key is of no object: events and bulk statements.
        while let Some(entry) = first.take_if(|entry| entry.object_pk.is_empty()) {
            self.last = Some(ObjectRef::new(entry.model, entry.object_pk));
            first = self.next_entry()?;
        }
        let Some(first) = first else {
            return Ok(None);
        };
        let object = ObjectRef::new(first.model.as_str(), first.object_pk.as_str());
        let mut entries = vec![first];
        // The store does not split an object over two pages: the rest is in this one.
        for entry in self.entries.by_ref() {
            if entry.object_pk != object.object_pk || entry.model != object.model {
                self.ahead = Some(entry);
                break;
            }
            entries.push(entry);
        }
        self.last = Some(object.clone());
        let evolution = match self.evolution.take() {
            Some((model, evolution)) if model == object.model => evolution,
            _ => self.log.evolution(&object.model),
        };
        let history = History::of(object, entries, &evolution)?;
        self.evolution = Some((history.object().model.clone(), evolution));
        Ok(Some(history))
    }

    fn next_entry(&mut self) -> Result<Option<LogEntry>> {
        if let Some(entry) = self.ahead.take().or_else(|| self.entries.next()) {
            return Ok(Some(entry));
        }
        let answer = self.log.store().objects(&self.query, self.last.as_ref())?;
        self.entries = answer.into_iter();
        Ok(self.entries.next())
    }
}

impl Iterator for Histories {
    type Item = Result<History>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let next = self.read().transpose();
        self.done = !matches!(next, Some(Ok(_)));
        next
    }
}

/// An object and what it was.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ObjectState {
    /// The object.
    pub object: ObjectRef,
    /// What it was.
    pub at: Reconstruction,
}

/// What many objects were at one time, one by one.
#[derive(Debug)]
pub struct ObjectStates {
    histories: Histories,
}

impl Iterator for ObjectStates {
    type Item = Result<ObjectState>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let history = match self.histories.next()? {
                Ok(history) => history,
                Err(error) => return Some(Err(error)),
            };
            let at = history.latest();
            if at.exists() {
                let object = history.object().clone();
                return Some(Ok(ObjectState { object, at }));
            }
        }
    }
}

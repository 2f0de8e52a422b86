//! The conditions of a query, one method each.

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::{InvalidCondition, Query, QueryTime};
use crate::action::{Action, Outcome};
use crate::entry::{ObjectRef, to_micros};
use crate::level::Level;
use crate::path::Path;
use crate::value::AuditValue;
use crate::value::auditable::Auditable;
use crate::value::snapshot::comparable_value;

impl Query {
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
    ///
    /// # Example: one object
    /// ```
    /// use auditlog::prelude::*;
    ///
    /// #[derive(Auditable)]
    /// #[audit(id(tenant, number))]
    /// struct Invoice {
    ///     tenant: String,
    ///     number: u32,
    /// }
    ///
    /// let _audit = auditlog::testing::capture();
    /// auditlog::register::<Invoice>();
    /// auditlog::created(&Invoice { tenant: "acme".into(), number: 7 }).record()?;
    ///
    /// // The parts of a composite key are joined with `|`.
    /// assert_eq!(LogEntry::objects().object::<Invoice>("acme|7").count()?, 1);
    /// # Ok::<(), auditlog::Error>(())
    /// ```
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
    ///
    /// # Example: a company and its employees
    /// ```
    /// use auditlog::prelude::*;
    ///
    /// #[derive(Auditable)]
    /// struct Company {
    ///     id: u32,
    /// }
    ///
    /// #[derive(Auditable)]
    /// #[audit(parent(Company, key = "company_id"))]
    /// struct Employee {
    ///     id: u32,
    ///     company_id: u32,
    /// }
    ///
    /// let _audit = auditlog::testing::capture();
    /// auditlog::register::<Company>();
    /// auditlog::register::<Employee>();
    /// auditlog::created(&Company { id: 9 }).record()?;
    /// auditlog::created(&Employee { id: 1, company_id: 9 }).record()?;
    /// auditlog::created(&Employee { id: 2, company_id: 8 }).record()?;
    ///
    /// let query = LogEntry::objects().parent(ObjectRef::of::<Company>(9));
    /// assert_eq!(query.to_string(), "parent:Company/9");
    /// assert_eq!(query.count()?, 2);
    /// # Ok::<(), auditlog::Error>(())
    /// ```
    pub fn parent(mut self, root: ObjectRef) -> Self {
        self.filter.parent = Some(root);
        self
    }

    /// Keeps entries of an action: one of the four, or a custom one by name.
    ///
    /// # Example: deletions, and logins
    /// ```
    /// use auditlog::{Action, Query};
    ///
    /// assert_eq!(Query::new().action(Action::Delete).to_string(), "action:delete");
    /// assert_eq!(Query::new().action("login").to_string(), "action:login");
    /// ```
    pub fn action(mut self, action: impl Into<Action>) -> Self {
        self.filter.action = Some(action.into());
        self
    }

    /// Keeps entries of the actor with this id.
    ///
    /// # Example: the id, not the display name
    /// ```
    /// use auditlog::prelude::*;
    ///
    /// let _audit = auditlog::testing::capture();
    /// auditlog::event("login").actor(Actor::user("17").display("Ann")).record()?;
    /// assert_eq!(LogEntry::objects().actor("17").count()?, 1);
    /// assert_eq!(LogEntry::objects().actor("Ann").count()?, 0);
    /// # Ok::<(), auditlog::Error>(())
    /// ```
    pub fn actor(mut self, id: impl Into<String>) -> Self {
        self.filter.actor = Some(id.into());
        self
    }

    /// Keeps entries of this level or a higher one.
    ///
    /// # Example: what needs attention
    /// ```
    /// use auditlog::prelude::*;
    ///
    /// let _audit = auditlog::testing::capture();
    /// auditlog::event("login").record()?;
    /// auditlog::event("login").outcome(Outcome::Failure).record()?;
    /// assert_eq!(LogEntry::objects().level_at_least(Level::Warning).count()?, 1);
    /// assert_eq!(LogEntry::objects().level_below(Level::Warning).count()?, 1);
    /// # Ok::<(), auditlog::Error>(())
    /// ```
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
    ///
    /// # Example: denied accesses
    /// ```
    /// use auditlog::prelude::*;
    ///
    /// let _audit = auditlog::testing::capture();
    /// auditlog::event("export").actor("mallory").outcome(Outcome::Denied).record()?;
    /// auditlog::event("export").actor("alice").record()?;
    /// let denied = LogEntry::objects().outcome(Outcome::Denied).all()?;
    /// assert_eq!(denied.len(), 1);
    /// assert_eq!(denied[0].actor(), "mallory");
    /// # Ok::<(), auditlog::Error>(())
    /// ```
    pub fn outcome(mut self, outcome: Outcome) -> Self {
        self.filter.outcome = Some(outcome);
        self
    }

    /// Keeps entries with this correlation id.
    ///
    /// # Example: everything that one request did
    /// ```
    /// use auditlog::prelude::*;
    ///
    /// let _audit = auditlog::testing::capture();
    /// auditlog::context().correlation_id("req-1").scope(|| auditlog::event("login").record())?;
    /// auditlog::event("sweep").record()?;
    /// assert_eq!(LogEntry::objects().correlation_id("req-1").count()?, 1);
    /// # Ok::<(), auditlog::Error>(())
    /// ```
    pub fn correlation_id(mut self, id: impl Into<String>) -> Self {
        self.filter.correlation_id = Some(id.into());
        self
    }

    /// Keeps entries of one transaction.
    ///
    /// # Example: everything that was committed with an entry
    /// ```
    /// use auditlog::prelude::*;
    ///
    /// let _audit = auditlog::testing::capture();
    /// auditlog::transaction(|| {
    ///     auditlog::event("charged").record()?;
    ///     auditlog::event("shipped").record()?;
    ///     Ok::<_, auditlog::Error>(())
    /// })?;
    ///
    /// let charged = LogEntry::objects().action("charged").first()?.expect("an entry");
    /// let id = charged.transaction_id.expect("a transaction");
    /// assert_eq!(LogEntry::objects().transaction(id).count()?, 2);
    /// # Ok::<(), auditlog::Error>(())
    /// ```
    pub fn transaction(mut self, id: Uuid) -> Self {
        self.filter.transaction_id = Some(id);
        self
    }

    /// Keeps entries with a change at a path or inside it: `address` also matches `address.city`.
    /// Creations and deletions change every field of the object.
    ///
    /// The query fails when it runs if the text is not a path.
    ///
    /// # Example: a nested field
    /// ```
    /// use auditlog::prelude::*;
    ///
    /// #[derive(Auditable, Clone)]
    /// struct Address {
    ///     street: String,
    ///     city: String,
    /// }
    ///
    /// #[derive(Auditable, Clone)]
    /// struct User {
    ///     id: u32,
    ///     address: Address,
    /// }
    ///
    /// let _audit = auditlog::testing::capture();
    /// auditlog::register::<User>();
    /// let address = Address { street: "Long Street 17".into(), city: "Mainz".into() };
    /// let mut user = User { id: 1, address };
    /// auditlog::update(&mut user, |user| user.address.city = "Bonn".into()).record()?;
    ///
    /// assert_eq!(LogEntry::objects().changed("address").count()?, 1);
    /// assert_eq!(LogEntry::objects().changed("address.city").count()?, 1);
    /// assert_eq!(LogEntry::objects().changed("address.street").count()?, 0);
    /// # Ok::<(), auditlog::Error>(())
    /// ```
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
                .push((path, comparable_value(&old)));
        }
        self
    }

    /// Keeps entries in which the value at a path changed to `new`.
    ///
    /// Numbers compare by value, including decimals and large integers, which are stored as
    /// strings.
    ///
    /// The query fails when it runs if the text is not a path.
    ///
    /// # Example: from one status to another
    /// ```
    /// use auditlog::prelude::*;
    ///
    /// #[derive(Auditable, Clone)]
    /// struct Order {
    ///     id: u32,
    ///     status: String,
    /// }
    ///
    /// let _audit = auditlog::testing::capture();
    /// auditlog::register::<Order>();
    /// let mut order = Order { id: 1, status: "open".into() };
    /// auditlog::update(&mut order, |order| order.status = "paid".into()).record()?;
    /// auditlog::update(&mut order, |order| order.status = "open".into()).record()?;
    ///
    /// let paid = LogEntry::objects().changed_from("status", "open").changed_to("status", "paid");
    /// assert_eq!(paid.to_string(), "changed_from:status=open changed_to:status=paid");
    /// assert_eq!(paid.count()?, 1);
    /// # Ok::<(), auditlog::Error>(())
    /// ```
    pub fn changed_to(mut self, path: impl AsRef<str>, new: impl AuditValue) -> Self {
        if let Some(path) = self.read_path(path.as_ref()) {
            self.filter.changed_to.push((path, comparable_value(&new)));
        }
        self
    }

    /// Keeps entries at or after this time.
    ///
    /// `time` is a `DateTime`, a `SystemTime`, or a text such as `2h` (two hours ago), `yesterday` or
    /// `2026-01-31`; see [`QueryTime`]. The query fails when it runs if the text is not a time.
    ///
    /// # Example: the last two hours
    /// ```
    /// use std::time::{Duration, SystemTime};
    /// use auditlog::prelude::*;
    ///
    /// const HOUR: Duration = Duration::from_secs(60 * 60);
    ///
    /// let _audit = auditlog::testing::capture();
    /// auditlog::event("late").at(SystemTime::now() - 3 * HOUR).record()?;
    /// auditlog::event("recent").record()?;
    ///
    /// let entries = LogEntry::objects().since(SystemTime::now() - 2 * HOUR).all()?;
    /// assert_eq!(entries.len(), 1);
    /// assert_eq!(entries[0].action, "recent");
    /// # Ok::<(), auditlog::Error>(())
    /// ```
    pub fn since(mut self, time: impl QueryTime) -> Self {
        self.filter.since = self.read_time(time).or(self.filter.since);
        self
    }

    /// Keeps entries before this time, in the forms of [`since`](Self::since).
    ///
    /// The query fails when it runs if the text is not a time.
    ///
    /// # Example: one month
    /// ```
    /// use auditlog::Query;
    /// use chrono::{DateTime, Utc};
    ///
    /// let start: DateTime<Utc> = "2026-01-01T00:00:00Z".parse()?;
    /// let end: DateTime<Utc> = "2026-02-01T00:00:00Z".parse()?; // not included
    /// let query = Query::new().since(start).until(end);
    /// assert_eq!(query.to_string(), "since:2026-01-01T00:00:00.000000Z until:2026-02-01T00:00:00.000000Z");
    /// # Ok::<(), chrono::ParseError>(())
    /// ```
    pub fn until(mut self, time: impl QueryTime) -> Self {
        self.filter.until = self.read_time(time).or(self.filter.until);
        self
    }

    /// Keeps entries that contain a text in the object's repr, the reason, the actor or a changed
    /// value, ignoring ASCII case.
    ///
    /// # Example: a ticket number
    /// ```
    /// use auditlog::prelude::*;
    ///
    /// let _audit = auditlog::testing::capture();
    /// auditlog::event("exported").reason("Ticket 4711").record()?;
    /// assert_eq!(LogEntry::objects().text("ticket 4711").count()?, 1);
    /// assert_eq!(LogEntry::objects().text("ticket 4712").count()?, 0);
    /// # Ok::<(), auditlog::Error>(())
    /// ```
    pub fn text(mut self, text: impl Into<String>) -> Self {
        self.filter.text = Some(text.into());
        self
    }

    fn read_path(&mut self, path: &str) -> Option<Path> {
        match path.parse() {
            Ok(path) => Some(path),
            Err(error) => {
                self.invalid.get_or_insert(InvalidCondition::Path(error));
                None
            }
        }
    }

    fn read_time(&mut self, time: impl QueryTime) -> Option<DateTime<Utc>> {
        match time.into_time() {
            Ok(time) => Some(round_up_to_micros(time)),
            Err(error) => {
                self.invalid.get_or_insert(InvalidCondition::Time(error));
                None
            }
        }
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

//! The details of a draft: who, why, when and what else.

use chrono::{DateTime, Utc};

use super::{Draft, State};
use crate::action::Outcome;
use crate::change::Changes;
use crate::context::IntoActor;
use crate::entry::to_micros;
use crate::error::Error;
use crate::level::Level;
use crate::path::Path;
use crate::record::ready::Ready;
use crate::registry::options::find_field;
use crate::value::AuditValue;
use crate::value::snapshot::Snapshot;

impl Draft {
    fn edit(mut self, edit: impl FnOnce(&mut Ready)) -> Self {
        if let State::Ready(ready) = &mut self.state {
            ready.complete(&self.log);
            edit(ready);
            ready.share();
            ready.set_level();
        }
        self
    }

    /// Sets the reason, instead of that of the context.
    ///
    /// A model with `require_reason` rejects an entry without one:
    /// [`Error::ReasonRequired`].
    ///
    /// # Example: a reason that is required
    /// ```
    /// use auditlog::{Error, prelude::*};
    ///
    /// #[derive(Auditable)]
    /// #[audit(require_reason)]
    /// struct Patient {
    ///     id: u32,
    /// }
    ///
    /// let audit = auditlog::testing::capture();
    /// auditlog::register::<Patient>();
    /// let error = auditlog::deleted(&Patient { id: 7 }).record().unwrap_err();
    /// assert!(matches!(error, Error::ReasonRequired { .. }));
    ///
    /// auditlog::deleted(&Patient { id: 7 }).reason("retention period ended").record()?;
    /// assert_eq!(audit.entries().len(), 1);
    /// # Ok::<(), auditlog::Error>(())
    /// ```
    pub fn reason(self, reason: impl Into<String>) -> Self {
        self.edit(|ready| ready.entry.reason = Some(reason.into()))
    }

    /// Adds a member to [`additional_data`](crate::LogEntry::additional_data), in masked form if its type is
    /// [`Sensitive`](crate::Sensitive) or has masked fields. A later value replaces that of the same key.
    ///
    /// # Example: a number and a secret
    /// ```
    /// use auditlog::{Sensitive, prelude::*};
    ///
    /// let audit = auditlog::testing::capture();
    /// auditlog::event("login")
    ///     .extra("attempt", 3)
    ///     .extra("password", Sensitive::new("hunter2"))
    ///     .record()?;
    ///
    /// let entry = audit.last().expect("an entry");
    /// assert_eq!(entry.additional_data["attempt"], 3);
    /// assert_eq!(entry.additional_data["password"], "***");
    /// # Ok::<(), auditlog::Error>(())
    /// ```
    pub fn extra(self, key: impl Into<String>, value: impl AuditValue) -> Self {
        let State::Ready(ready) = &self.state else {
            return self;
        };
        let mut env = self.log.env();
        let value = value.snapshot(&mut Snapshot::at_depth(&mut env, 0));
        if let Some(source) = env.into_error() {
            let model = ready.model();
            return Self {
                state: State::Failed(Error::Value { model, source }),
                ..self
            };
        }
        self.edit(|ready| {
            ready.entry.additional_data.insert(key.into(), value);
        })
    }

    /// Sets the actor, instead of that of the context: an [`Actor`](crate::Actor), an id, or an `Option` of
    /// one. An empty id is an unknown actor.
    ///
    /// # Example: a job that acts for a user
    /// ```
    /// use auditlog::prelude::*;
    ///
    /// let audit = auditlog::testing::capture();
    /// auditlog::event("exported")
    ///     .actor(Actor::service("nightly").on_behalf_of("ann"))
    ///     .record()?;
    /// auditlog::event("exported").actor("").record()?;
    ///
    /// let entries = audit.entries();
    /// assert_eq!(entries[0].actor(), "nightly");
    /// assert_eq!(entries[1].actor(), "(unknown)");
    /// # Ok::<(), auditlog::Error>(())
    /// ```
    pub fn actor(self, actor: impl IntoActor) -> Self {
        let actor = actor.into_source().resolve();
        self.edit(|ready| ready.entry.actor = actor)
    }

    /// Sets the outcome; [`Outcome::Success`] by default.
    ///
    /// [`Outcome::Failure`] raises the level of the entry to `ERROR` at least, [`Outcome::Denied`] to
    /// `WARNING`. Neither makes a version in the history of the object.
    ///
    /// # Example: an update that the database rejected
    /// ```
    /// use auditlog::prelude::*;
    ///
    /// #[derive(Auditable, Clone)]
    /// struct Account {
    ///     id: u32,
    ///     limit: u32,
    /// }
    ///
    /// let audit = auditlog::testing::capture();
    /// auditlog::register::<Account>();
    /// let old = Account { id: 7, limit: 100 };
    /// auditlog::created(&old).record()?;
    /// let new = Account { limit: 5_000, ..old.clone() };
    /// auditlog::updated(&old, &new).outcome(Outcome::Failure).record()?;
    ///
    /// assert_eq!(audit.last().expect("an entry").level, Level::Error);
    /// let history = auditlog::history::<Account>(7)?;
    /// assert_eq!(history.latest().state["limit"], 100);
    /// # Ok::<(), auditlog::Error>(())
    /// ```
    pub fn outcome(self, outcome: Outcome) -> Self {
        self.edit(|ready| ready.entry.outcome = outcome)
    }

    /// Sets the level, regardless of the model's level, the changed fields and the outcome.
    ///
    /// # Example: a routine deletion
    /// ```
    /// use auditlog::prelude::*;
    ///
    /// #[derive(Auditable)]
    /// struct Session {
    ///     id: u32,
    /// }
    ///
    /// let audit = auditlog::testing::capture();
    /// auditlog::register::<Session>();
    /// auditlog::deleted(&Session { id: 1 }).level(Level::Debug).record()?;
    /// assert_eq!(audit.last().expect("an entry").level, Level::Debug); // instead of WARNING
    /// # Ok::<(), auditlog::Error>(())
    /// ```
    pub fn level(self, level: Level) -> Self {
        self.edit(|ready| ready.level.fixed = Some(level))
    }

    /// Sets the time of the action, truncated to microseconds. It may be before that of the last entry, for
    /// actions that are recorded later than they happened.
    ///
    /// # Example: a reading that arrived late
    /// ```
    /// use auditlog::prelude::*;
    /// use chrono::{DateTime, Utc};
    ///
    /// let audit = auditlog::testing::capture().at("2026-01-02T00:00:00Z");
    /// let measured: DateTime<Utc> = "2026-01-01T06:30:00Z".parse()?;
    /// auditlog::event("measured").at(measured).record()?;
    /// assert_eq!(audit.entries()[0].timestamp, measured);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn at(self, time: impl Into<DateTime<Utc>>) -> Self {
        self.edit(|ready| ready.entry.timestamp = to_micros(time.into()))
    }

    /// Sets the id that the entries of one request or job share, instead of that of the context.
    pub fn correlation_id(self, id: impl Into<String>) -> Self {
        self.edit(|ready| ready.entry.correlation_id = Some(id.into()))
    }

    /// Limits an update to these fields, given by path, as Django's `update_fields` does. An update of
    /// other fields is then [`Receipt::Unchanged`](crate::Receipt::Unchanged).
    ///
    /// Recording the draft returns [`Error::UnknownField`] if the model has no such field, and
    /// [`Error::IdentityChanged`] if the update changes the identity.
    ///
    /// # Example: the columns that the statement sets
    /// ```
    /// use auditlog::prelude::*;
    ///
    /// #[derive(Auditable, Clone)]
    /// struct User {
    ///     id: u32,
    ///     email: String,
    ///     visits: u32,
    /// }
    ///
    /// let audit = auditlog::testing::capture();
    /// auditlog::register::<User>();
    /// let old = User { id: 1, email: "ann@old.example".into(), visits: 1 };
    /// let new = User { id: 1, email: "ann@new.example".into(), visits: 2 };
    ///
    /// // UPDATE users SET email = ..
    /// auditlog::updated(&old, &new).only(["email"]).record()?;
    /// assert_eq!(audit.last().expect("an entry").changes.len(), 1);
    ///
    /// let error = auditlog::updated(&old, &new).only(["emial"]).record().unwrap_err();
    /// assert_eq!(error.to_string(), "`User` has no field `emial`; did you mean `email`?");
    /// # Ok::<(), auditlog::Error>(())
    /// ```
    pub fn only<F: AsRef<str>>(mut self, fields: impl IntoIterator<Item = F>) -> Self {
        let State::Ready(ready) = &mut self.state else {
            return self;
        };
        if ready.ended.is_some() {
            return self.identity_changed();
        }
        let mut paths: Vec<Path> = Vec::new();
        for field in fields {
            let field = field.as_ref();
            let found = ready
                .schema
                .map_or(Err(None), |schema| find_field(schema, field));
            match (found, field.parse()) {
                (Ok(_), Ok(path)) => paths.push(path),
                (Err(suggestion), _) => return self.unknown_field(field, suggestion),
                (_, Err(_)) => return self.unknown_field(field, None),
            }
        }
        let changes = &mut ready.entry.changes;
        changes.retain(|change| {
            paths
                .iter()
                .any(|path| change.path.is_within(path) || path.is_within(&change.path))
        });
        ready.worth.notable &= !changes.is_empty();
        self
    }

    fn unknown_field(mut self, field: &str, suggestion: Option<String>) -> Self {
        if let State::Ready(ready) = &self.state {
            self.state = State::Failed(Error::UnknownField {
                model: ready.model(),
                field: field.to_owned(),
                suggestion,
            });
        }
        self
    }

    fn identity_changed(mut self) -> Self {
        if let State::Ready(ready) = &self.state {
            let model = ready.model();
            self.state = State::Failed(Error::IdentityChanged { model });
        }
        self
    }

    /// Records the entry even if nothing changed.
    ///
    /// # Example: an update that the database saw
    /// ```
    /// use auditlog::prelude::*;
    ///
    /// #[derive(Auditable)]
    /// struct User {
    ///     id: u32,
    /// }
    ///
    /// let audit = auditlog::testing::capture();
    /// auditlog::register::<User>();
    /// let user = User { id: 1 };
    /// auditlog::updated(&user, &user).record()?;
    /// auditlog::updated(&user, &user).force().record()?;
    /// assert_eq!(audit.entries().len(), 1);
    /// assert!(audit.entries()[0].changes.is_empty());
    /// # Ok::<(), auditlog::Error>(())
    /// ```
    pub fn force(self) -> Self {
        self.edit(|ready| ready.worth.needs_change = false)
    }

    /// Sets the changes, for an action that has changes of its own.
    ///
    /// They are recorded as given: the caller masks secrets. Recording the draft returns
    /// [`Error::IdentityChanged`] if it is an update that changes the identity.
    ///
    /// # Example: an action with a change
    /// ```
    /// use auditlog::prelude::*;
    /// use auditlog::{Change, Changes};
    ///
    /// #[derive(Auditable)]
    /// struct Order {
    ///     id: u32,
    /// }
    ///
    /// let audit = auditlog::testing::capture();
    /// auditlog::register::<Order>();
    /// let status = Change::new("status".parse()?, Some("open".into()), Some("paid".into()));
    /// auditlog::custom("paid", &Order { id: 7 })
    ///     .changes(Changes::from_iter([status]))
    ///     .record()?;
    /// assert_eq!(audit.entries()[0].changes["status"].new, Some("paid".into()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn changes(self, changes: Changes) -> Self {
        if matches!(&self.state, State::Ready(ready) if ready.ended.is_some()) {
            return self.identity_changed();
        }
        self.edit(|ready| {
            ready.worth.notable = !changes.is_empty();
            ready.entry.changes = changes;
        })
    }

    /// Sets `additional_data.matching`: the condition of a [bulk](crate::bulk) statement, as text.
    pub fn matching(self, condition: impl Into<String>) -> Self {
        self.extra("matching", condition.into())
    }

    /// Sets `additional_data.affected`: the number of objects that a [bulk](crate::bulk) statement changed.
    pub fn affected(self, objects: u64) -> Self {
        self.extra("affected", objects)
    }
}

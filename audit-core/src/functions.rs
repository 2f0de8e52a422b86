//! The free functions, which act on the current log.

use std::borrow::Borrow;

use crate::action::Action;
use crate::error::{RegistrationError, Result};
use crate::log::AuditLog;
use crate::pipeline::receipt::Receipt;
use crate::record::draft::Draft;
use crate::record::drafts::Drafts;
use crate::registry::description::ModelDescription;
use crate::registry::lint::{LintFinding, lint_schema};
use crate::registry::options::RegisterOptions;
use crate::value::auditable::Auditable;
use crate::value::model::ModelSchema;

/// Registers a type with the current log: from now on its objects are recorded. Drafts of a type that
/// is not registered record nothing; [`UnregisteredPolicy`](crate::UnregisteredPolicy) sets what the
/// log reports about them.
///
/// Registering a type twice has no effect.
///
/// # Panics
/// Panics with the error that [`try_register`] returns.
///
/// # Example: a type that is registered, and one that is not
/// ```
/// use auditlog::prelude::*;
/// use auditlog::SkipReason;
///
/// #[derive(Auditable)]
/// struct User {
///     id: u32,
/// }
///
/// #[derive(Auditable)]
/// struct Session {
///     id: u32,
/// }
///
/// let audit = auditlog::testing::capture();
/// auditlog::register::<User>();
///
/// assert!(auditlog::created(&User { id: 1 }).record()?.is_recorded());
/// let receipt = auditlog::created(&Session { id: 1 }).record()?;
/// assert_eq!(receipt, Receipt::Skipped(SkipReason::NotRegistered));
/// assert_eq!(audit.entries().len(), 1);
/// # Ok::<(), auditlog::Error>(())
/// ```
pub fn register<T: Auditable + 'static>() {
    AuditLog::current().register::<T>();
}

/// Registers a type with the current log as [`register`] does.
///
/// # Errors
/// - Returns [`RegistrationError::ModelTaken`] if another type has the model name.
/// - Returns [`RegistrationError::HiddenKey`] if the identity or the parent's key has a masked part.
/// - Returns [`RegistrationError::NoHashKey`] if the identity or the parent's key is hashed and the log has
///   no hash key.
/// - [`RegistrationError::NameTaken`] or [`RegistrationError::TwoMaps`] if two fields of one object
///   would have the same recorded name.
///
/// # Example: two types with one stored name
/// ```
/// use auditlog::prelude::*;
/// use auditlog::RegistrationError;
///
/// #[derive(Auditable)]
/// #[audit(model = "user")]
/// struct Employee {
///     id: u32,
/// }
///
/// #[derive(Auditable)]
/// #[audit(model = "user")]
/// struct Customer {
///     id: u32,
/// }
///
/// let _audit = auditlog::testing::capture();
/// auditlog::try_register::<Employee>()?;
/// let error = auditlog::try_register::<Customer>().unwrap_err();
/// assert!(matches!(error, RegistrationError::ModelTaken { .. }));
/// # Ok::<(), auditlog::RegistrationError>(())
/// ```
pub fn try_register<T: Auditable + 'static>() -> Result<(), RegistrationError> {
    AuditLog::current().try_register::<T>()
}

/// Registers a type with the current log, with options on top of its attributes.
///
/// # Errors
/// - [`RegistrationError::UnknownField`] or [`RegistrationError::UnknownAction`] if an option names a
///   field or an action that does not exist.
/// - Returns [`RegistrationError::HiddenKey`] if an option hides the identity or the parent's key.
/// - Returns the errors of [`try_register`].
///
/// # Example: a field that is left out, and one that is masked
/// ```
/// use auditlog::prelude::*;
///
/// #[derive(Auditable)]
/// struct User {
///     id: u32,
///     phone: String,
///     last_seen: u64,
/// }
///
/// let audit = auditlog::testing::capture();
/// auditlog::register_with::<User>(|user| user.exclude("last_seen").mask("phone"))?;
/// auditlog::created(&User { id: 1, phone: "+1555".into(), last_seen: 1_767_225_600 }).record()?;
///
/// let entry = audit.last().expect("an entry");
/// assert_eq!(entry.changes["phone"].new, Some("***".into()));
/// assert!(!entry.changes.contains("last_seen"));
///
/// let error = auditlog::register_with::<User>(|user| user.mask("phnoe")).unwrap_err();
/// assert_eq!(error.to_string(), "`User` has no field `phnoe`; did you mean `phone`?");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn register_with<T: Auditable + 'static>(
    options: impl FnOnce(RegisterOptions<T>) -> RegisterOptions<T>,
) -> Result<(), RegistrationError> {
    AuditLog::current().register_with(options)
}

/// Ends the recording of a type by the current log; returns whether it was registered. Drafts of
/// it are then skipped without a warning.
///
/// # Example: recorded no longer
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
/// assert!(auditlog::unregister::<User>());
/// assert!(!auditlog::unregister::<User>());
///
/// auditlog::created(&User { id: 1 }).record()?;
/// assert!(audit.entries().is_empty());
/// # Ok::<(), auditlog::Error>(())
/// ```
pub fn unregister<T: Auditable>() -> bool {
    AuditLog::current().unregister::<T>()
}

/// Returns whether a type is registered with the current log.
pub fn is_registered<T: Auditable>() -> bool {
    AuditLog::current().is_registered::<T>()
}

/// Returns the schemas of the types registered with the current log, by model name.
///
/// # Example: the names of the recorded types
/// ```
/// use auditlog::prelude::*;
///
/// #[derive(Auditable)]
/// struct User {
///     id: u32,
/// }
///
/// let _audit = auditlog::testing::capture();
/// auditlog::register::<User>();
/// let names: Vec<&str> = auditlog::registered().iter().map(|schema| schema.name()).collect();
/// assert_eq!(names, ["User"]);
/// ```
pub fn registered() -> Vec<&'static ModelSchema> {
    AuditLog::current().registered()
}

/// Returns the registered models as data, for `auditlog triggers` and other programs that do
/// not have the types; see [`AuditLog::described`].
pub fn described() -> Vec<ModelDescription> {
    AuditLog::current().described()
}

/// Drafts the entry of a creation: every recorded field as a new value.
///
/// The entry has the action [`Action::Create`] and, unless the type sets another one, the level `INFO`.
/// Call this after the insert that gives the object its key: an object without a key is an error when
/// the draft is recorded.
///
/// # Example: a user is created
/// ```
/// use auditlog::prelude::*;
///
/// #[derive(Auditable)]
/// struct User {
///     id: u32,
///     email: String,
/// }
///
/// let audit = auditlog::testing::capture();
/// auditlog::register::<User>();
/// auditlog::created(&User { id: 42, email: "ann@example.com".into() })
///     .actor("alice")
///     .record()?;
///
/// let entry = audit.last().expect("an entry");
/// assert_eq!(entry.action, Action::Create);
/// assert_eq!((entry.model.as_str(), entry.object_pk.as_str()), ("User", "42"));
/// assert_eq!(entry.changes["email"].old, None);
/// assert_eq!(entry.changes["email"].new, Some("ann@example.com".into()));
/// # Ok::<(), auditlog::Error>(())
/// ```
pub fn created<T: Auditable + 'static>(new: &T) -> Draft {
    AuditLog::current().created(new)
}

/// Drafts the entry of an update: the differences between two states of an object.
///
/// `old` is the state before the update and `new` the state after it. If nothing that is recorded
/// differs, the receipt is [`Receipt::Unchanged`] and there is no entry. If the key differs, the update
/// is two entries; see [`Draft::record`]. [`update`] is the form for an object that is changed in
/// memory.
///
/// # Example: two states, one changed field
/// ```
/// use auditlog::prelude::*;
///
/// #[derive(Auditable, Clone)]
/// struct User {
///     id: u32,
///     email: String,
/// }
///
/// let audit = auditlog::testing::capture();
/// auditlog::register::<User>();
/// let old = User { id: 42, email: "ann@old.example".into() };
/// let new = User { email: "ann@new.example".into(), ..old.clone() };
/// auditlog::updated(&old, &new).record()?;
/// assert_eq!(auditlog::updated(&new, &new).record()?, Receipt::Unchanged);
///
/// let entry = audit.last().expect("an entry");
/// assert_eq!(entry.changes.len(), 1);
/// assert_eq!(
///     entry.changes.to_string(),
///     r#"email: "ann@old.example" -> "ann@new.example""#,
/// );
/// # Ok::<(), auditlog::Error>(())
/// ```
pub fn updated<T: Auditable + 'static>(old: &T, new: &T) -> Draft {
    AuditLog::current().updated(old, new)
}

/// Drafts the entry of a deletion: every recorded field as an old value.
///
/// The entry has the action [`Action::Delete`] and, unless the type sets another one, the level
/// `WARNING`. The [history](crate::history()) of the object ends with it and can restore the object.
///
/// # Example: a user is deleted
/// ```
/// use auditlog::prelude::*;
///
/// #[derive(Auditable)]
/// struct User {
///     id: u32,
///     email: String,
/// }
///
/// let audit = auditlog::testing::capture();
/// auditlog::register::<User>();
/// auditlog::deleted(&User { id: 42, email: "ann@example.com".into() })
///     .reason("account closed")
///     .record()?;
///
/// let entry = audit.last().expect("an entry");
/// assert_eq!(entry.action, Action::Delete);
/// assert_eq!(entry.level, Level::Warning);
/// assert_eq!(entry.changes["email"].old, Some("ann@example.com".into()));
/// assert_eq!(entry.changes["email"].new, None);
/// # Ok::<(), auditlog::Error>(())
/// ```
pub fn deleted<T: Auditable + 'static>(old: &T) -> Draft {
    AuditLog::current().deleted(old)
}

/// Drafts the entry of an access to an object, such as a read of a patient's file.
///
/// The entry has the action [`Action::Access`], no changes and, unless the type sets another one, the
/// level `DEBUG`.
///
/// # Example: a denied access
/// ```
/// use auditlog::prelude::*;
///
/// #[derive(Auditable)]
/// struct Patient {
///     id: u32,
/// }
///
/// let audit = auditlog::testing::capture();
/// auditlog::register::<Patient>();
/// auditlog::accessed(&Patient { id: 7 })
///     .actor("mallory")
///     .outcome(Outcome::Denied)
///     .record()?;
///
/// let entry = audit.last().expect("an entry");
/// assert_eq!((entry.action, entry.outcome), (Action::Access, Outcome::Denied));
/// assert_eq!(entry.level, Level::Warning); // raised by the outcome
/// # Ok::<(), auditlog::Error>(())
/// ```
pub fn accessed<T: Auditable + 'static>(object: &T) -> Draft {
    AuditLog::current().accessed(object)
}

/// Drafts the entry of an action with its own name, such as `approved`.
///
/// An empty name, or that of one of the four actions, is an error when the draft is recorded:
/// [`Error::ActionName`](crate::Error::ActionName). The entry has no changes unless
/// [`Draft::changes`] sets them.
///
/// # Example: an approval
/// ```
/// use auditlog::prelude::*;
///
/// #[derive(Auditable)]
/// struct Invoice {
///     id: u32,
/// }
///
/// let audit = auditlog::testing::capture();
/// auditlog::register::<Invoice>();
/// auditlog::custom("approved", &Invoice { id: 7 }).extra("limit", 5_000).record()?;
///
/// let entry = audit.last().expect("an entry");
/// assert_eq!(entry.action, Action::Custom("approved".into()));
/// assert_eq!(entry.additional_data["limit"], 5_000);
/// # Ok::<(), auditlog::Error>(())
/// ```
pub fn custom<T: Auditable + 'static>(action: impl Into<Action>, object: &T) -> Draft {
    AuditLog::current().custom(action, object)
}

/// Drafts an entry without an object, such as `login_failed`.
///
/// The entry has an empty [`model`](crate::LogEntry::model) and key, so it is part of no object's
/// history. Events need no registration. The rules for names are those of [`custom`].
///
/// # Example: a failed login
/// ```
/// use auditlog::prelude::*;
///
/// let audit = auditlog::testing::capture();
/// auditlog::event("login_failed")
///     .actor("mallory")
///     .outcome(Outcome::Failure)
///     .extra("attempt", 3)
///     .record()?;
///
/// let entry = audit.last().expect("an entry");
/// assert_eq!(entry.model, "");
/// assert_eq!(entry.level, Level::Error); // raised by the outcome
/// assert_eq!(entry.additional_data["attempt"], 3);
/// # Ok::<(), auditlog::Error>(())
/// ```
pub fn event(name: impl Into<Action>) -> Draft {
    AuditLog::current().event(name)
}

/// Changes an object with `change`, and drafts the entry of the update.
///
/// `change` runs at once, whether or not the draft is recorded. The object is cloned before, so that
/// both states can be compared. Parts that the object shares with its clones, as in an
/// `Rc<RefCell<_>>` or an `Arc<Mutex<_>>`, are captured before the change and compared with their later
/// state; [`updated`] cannot do that.
///
/// # Example: a new address, with a reason
/// ```
/// use auditlog::prelude::*;
///
/// #[derive(Auditable, Clone)]
/// struct User {
///     id: u32,
///     email: String,
/// }
///
/// let audit = auditlog::testing::capture();
/// auditlog::register::<User>();
/// let mut user = User { id: 42, email: "ann@old.example".into() };
/// auditlog::update(&mut user, |user| user.email = "ann@new.example".into())
///     .reason("ticket 4711")
///     .record()?;
///
/// assert_eq!(user.email, "ann@new.example");
/// let entry = audit.last().expect("an entry");
/// assert_eq!(entry.changes["email"].old, Some("ann@old.example".into()));
/// assert_eq!(entry.reason.as_deref(), Some("ticket 4711"));
/// # Ok::<(), auditlog::Error>(())
/// ```
pub fn update<T: Auditable + Clone + 'static>(
    object: &mut T,
    change: impl FnOnce(&mut T),
) -> Draft {
    AuditLog::current().update(object, change)
}

/// Drafts the entry of one statement that changed many objects of a type.
///
/// The entry has no key and no changes; [`Draft::matching`] and [`Draft::affected`] describe the
/// statement in [`additional_data`](crate::LogEntry::additional_data). It is part of no object's
/// history.
///
/// # Example: inactive users are deleted
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
/// // DELETE FROM users WHERE last_login < '2020-01-01'
/// auditlog::bulk::<User>(Action::Delete)
///     .matching("last_login < 2020-01-01")
///     .affected(1_200)
///     .record()?;
///
/// let entry = audit.last().expect("an entry");
/// assert_eq!((entry.model.as_str(), entry.object_pk.as_str()), ("User", ""));
/// assert_eq!(entry.additional_data["affected"], 1_200);
/// # Ok::<(), auditlog::Error>(())
/// ```
pub fn bulk<T: Auditable + 'static>(action: impl Into<Action>) -> Draft {
    AuditLog::current().bulk::<T>(action)
}

/// Drafts the entries of many creations, which are recorded as one batch.
///
/// # Example: an import is one batch
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
/// let users = [User { id: 1 }, User { id: 2 }];
/// let receipts = auditlog::created_many(&users).reason("import").record()?;
/// assert!(receipts.iter().all(Receipt::is_recorded));
/// assert_eq!(audit.entries().len(), 2);
/// # Ok::<(), auditlog::Error>(())
/// ```
pub fn created_many<'o, T: Auditable + 'static>(
    objects: impl IntoIterator<Item = &'o T>,
) -> Drafts {
    AuditLog::current().created_many(objects)
}

/// Drafts the entries of many updates, each of an old and a new object, which are recorded as
/// one batch.
///
/// # Example: prices are raised
/// ```
/// use auditlog::prelude::*;
///
/// #[derive(Auditable, Clone)]
/// struct Item {
///     id: u32,
///     cents: u32,
/// }
///
/// let audit = auditlog::testing::capture();
/// auditlog::register::<Item>();
/// let old = [Item { id: 1, cents: 100 }, Item { id: 2, cents: 0 }];
/// let mut new = old.clone();
/// new.iter_mut().for_each(|item| item.cents *= 2);
///
/// let receipts = auditlog::updated_many(old.iter().zip(&new)).record()?;
/// assert!(receipts[0].is_recorded());
/// assert_eq!(receipts[1], Receipt::Unchanged); // 0 is still 0
/// assert_eq!(audit.entries().len(), 1);
/// # Ok::<(), auditlog::Error>(())
/// ```
pub fn updated_many<'o, T: Auditable + 'static>(
    objects: impl IntoIterator<Item = (&'o T, &'o T)>,
) -> Drafts {
    AuditLog::current().updated_many(objects)
}

/// Drafts the entries of many deletions, which are recorded as one batch.
pub fn deleted_many<'o, T: Auditable + 'static>(
    objects: impl IntoIterator<Item = &'o T>,
) -> Drafts {
    AuditLog::current().deleted_many(objects)
}

/// Records the present state of objects that existed before their trail, so that their history begins
/// with it. Returns the number of entries.
///
/// Each object gets an entry of the action `baseline` with a
/// [snapshot](crate::LogEntry::snapshot), in batches of 1,000. The iterator may stream rows of a query:
/// memory holds one batch. Recording an object again is not an error; its history continues from the
/// new state.
///
/// # Errors
/// Returns the errors of [`Draft::record`] if an entry cannot be made or written. Earlier batches stay
/// recorded.
///
/// # Example: rows that a program begins to audit
/// ```
/// use auditlog::prelude::*;
///
/// #[derive(Auditable)]
/// struct User {
///     id: u32,
///     email: String,
/// }
///
/// let _audit = auditlog::testing::capture();
/// auditlog::register::<User>();
/// let rows = (1..=3).map(|id| User { id, email: format!("{id}@example.com") });
/// assert_eq!(auditlog::baseline::<User>(rows)?, 3);
///
/// let history = auditlog::history::<User>(2)?;
/// assert_eq!(history.latest().state["email"], "2@example.com");
/// # Ok::<(), auditlog::Error>(())
/// ```
pub fn baseline<T: Auditable + 'static>(
    objects: impl IntoIterator<Item = impl Borrow<T>>,
) -> Result<u64> {
    AuditLog::current().baseline(objects)
}

/// Records drafts with the current log as one batch. The receipts have the order of the drafts.
///
/// # Errors
/// Nothing of the batch is recorded if an error is returned, unless
/// [`Error::is_unconfirmed`](crate::Error::is_unconfirmed).
/// - Returns [`Error::OtherLog`](crate::Error::OtherLog) if a draft was made by another log.
/// - Returns the errors of [`Draft::record`] if a draft cannot be recorded or the batch cannot be
///   written.
///
/// # Example: two events, or none
/// ```
/// use auditlog::prelude::*;
///
/// let audit = auditlog::testing::capture();
/// let drafts = ["charged", "shipped"].map(auditlog::event);
/// let receipts = auditlog::record_all(drafts)?;
/// assert_eq!(receipts.len(), 2);
///
/// // `update` is not a name of an event, so nothing of this batch is recorded.
/// let drafts = ["charged", "update"].map(auditlog::event);
/// assert!(auditlog::record_all(drafts).is_err());
/// assert_eq!(audit.entries().len(), 2);
/// # Ok::<(), auditlog::Error>(())
/// ```
pub fn record_all(drafts: impl IntoIterator<Item = Draft>) -> Result<Vec<Receipt>> {
    AuditLog::current().record_all(drafts)
}

/// Checks all types that are registered with the current log as [`lint`](crate::lint()) checks one.
/// Fields that `register_with` masks or excludes are no findings.
///
/// # Example: a field whose name suggests a secret
/// ```
/// use auditlog::prelude::*;
///
/// #[derive(Auditable)]
/// struct User {
///     id: u32,
///     password: String,
/// }
///
/// let _audit = auditlog::testing::capture();
/// auditlog::register::<User>();
/// let findings = auditlog::lint_registered();
/// assert_eq!(findings.len(), 1);
///
/// auditlog::register_with::<User>(|user| user.exclude("password"))?;
/// assert!(auditlog::lint_registered().is_empty());
/// # Ok::<(), auditlog::RegistrationError>(())
/// ```
pub fn lint_registered() -> Vec<LintFinding> {
    let log = AuditLog::current();
    let rules = log.shared().registry.rules();
    let schemas = log.registered().into_iter();
    schemas
        .flat_map(|schema| lint_schema(schema, &rules))
        .collect()
}

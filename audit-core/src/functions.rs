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

/// Registers a type with the current log: from now on its objects are recorded. Nothing is recorded
/// of a type that is not registered; [`UnregisteredPolicy`](crate::UnregisteredPolicy) sets what is
/// reported.
///
/// Registering a type twice has no effect.
///
/// # Panics
/// Panics with the error that [`try_register`] returns.
pub fn register<T: Auditable + 'static>() {
    AuditLog::current().register::<T>();
}

/// Registers a type with the current log as [`register`] does.
///
/// # Errors
/// - [`RegistrationError::ModelTaken`] if another type has the model name.
/// - [`RegistrationError::HiddenKey`] if the identity or the parent's key has a masked part.
/// - [`RegistrationError::NoHashKey`] if the identity or the parent's key is hashed and the log has
///   no hash key.
/// - [`RegistrationError::NameTaken`] or [`RegistrationError::TwoMaps`] if two fields of one object
///   would have the same recorded name.
pub fn try_register<T: Auditable + 'static>() -> Result<(), RegistrationError> {
    AuditLog::current().try_register::<T>()
}

/// Registers a type with the current log, with options on top of its attributes.
///
/// # Errors
/// - [`RegistrationError::UnknownField`] or [`RegistrationError::UnknownAction`] if an option names a
///   field or an action that does not exist.
/// - [`RegistrationError::HiddenKey`] if an option hides the identity or the parent's key.
/// - The errors of [`try_register`].
pub fn register_with<T: Auditable + 'static>(
    options: impl FnOnce(RegisterOptions<T>) -> RegisterOptions<T>,
) -> Result<(), RegistrationError> {
    AuditLog::current().register_with(options)
}

/// Ends the recording of a type by the current log; returns whether it was registered. Drafts of
/// it are then skipped without a warning.
pub fn unregister<T: Auditable>() -> bool {
    AuditLog::current().unregister::<T>()
}

/// Returns whether a type is registered with the current log.
pub fn is_registered<T: Auditable>() -> bool {
    AuditLog::current().is_registered::<T>()
}

/// Returns the schemas of the types registered with the current log, by model name.
pub fn registered() -> Vec<&'static ModelSchema> {
    AuditLog::current().registered()
}

/// Returns the registered models as data, for `auditlog triggers` and other programs that do
/// not have the types; see [`AuditLog::described`].
pub fn described() -> Vec<ModelDescription> {
    AuditLog::current().described()
}

/// Drafts the entry of a creation: every field as new.
pub fn created<T: Auditable + 'static>(new: &T) -> Draft {
    AuditLog::current().created(new)
}

/// Drafts the entry of an update: what differs between two states of an object.
pub fn updated<T: Auditable + 'static>(old: &T, new: &T) -> Draft {
    AuditLog::current().updated(old, new)
}

/// Drafts the entry of a deletion: every field as old.
pub fn deleted<T: Auditable + 'static>(old: &T) -> Draft {
    AuditLog::current().deleted(old)
}

/// Drafts the entry of an access to an object.
pub fn accessed<T: Auditable + 'static>(object: &T) -> Draft {
    AuditLog::current().accessed(object)
}

/// Drafts the entry of an action with a name of its own, such as `approved`.
pub fn custom<T: Auditable + 'static>(action: impl Into<Action>, object: &T) -> Draft {
    AuditLog::current().custom(action, object)
}

/// Drafts an entry without an object, such as `login_failed`.
pub fn event(name: impl Into<Action>) -> Draft {
    AuditLog::current().event(name)
}

/// Changes an object with `change`, and drafts the entry of the update. What the object shares with
/// its clones, as in an `Rc<RefCell<_>>` or an `Arc<Mutex<_>>`, is compared with what it was before;
/// [`updated`] cannot do that.
pub fn update<T: Auditable + Clone + 'static>(
    object: &mut T,
    change: impl FnOnce(&mut T),
) -> Draft {
    AuditLog::current().update(object, change)
}

/// Drafts the entry of a statement that changed many objects of a type at once; say which
/// with [`Draft::matching`] and how many with [`Draft::affected`].
pub fn bulk<T: Auditable + 'static>(action: impl Into<Action>) -> Draft {
    AuditLog::current().bulk::<T>(action)
}

/// Drafts the entries of many creations, which are recorded as one batch.
pub fn created_many<'o, T: Auditable + 'static>(
    objects: impl IntoIterator<Item = &'o T>,
) -> Drafts {
    AuditLog::current().created_many(objects)
}

/// Drafts the entries of many updates, each of an old and a new object, which are recorded as
/// one batch.
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

/// Records the present state of objects that existed before their trail, so that their history
/// begins with it. Returns the number of entries.
///
/// Each object gets an entry of the action `baseline` with a
/// [snapshot](crate::LogEntry::snapshot), in batches of 1,000; the objects may come from a
/// query, one by one. Recording an object again is no error: its history goes on from there.
///
/// # Errors
/// If an entry cannot be made or written. The batches before stay.
///
/// # Example: rows that a program begins to audit
/// ```
/// # use audit_core as auditlog;
/// # use auditlog::{AuditValue, Snapshot, FieldSchema, ModelSchema};
/// # struct User { id: u32, email: String }
/// # const FIELDS: &[FieldSchema] = &[FieldSchema::new("id", <u32 as AuditValue>::fields), FieldSchema::new("email", <String as AuditValue>::fields)];
/// # impl AuditValue for User {
/// #     const COMPOSITE: bool = true;
/// #     const FIELDS: &'static [FieldSchema] = FIELDS;
/// #     fn snapshot(&self, cx: &mut Snapshot<'_>) -> serde_json::Value { cx.object(|o| { o.visit(&FIELDS[0], &self.id); o.visit(&FIELDS[1], &self.email); }) }
/// #     fn diff(&self, new: &Self, cx: &mut auditlog::Diff<'_>) { cx.visit(&FIELDS[0], &self.id, &new.id); cx.visit(&FIELDS[1], &self.email, &new.email); }
/// # }
/// # impl auditlog::Auditable for User {
/// #     const MODEL: &'static str = "User";
/// #     fn object_pk(&self) -> String { self.id.to_string() }
/// #     fn schema() -> &'static ModelSchema { const { &ModelSchema::new("User", "User", FIELDS) } }
/// # }
/// let audit = auditlog::testing::capture();
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

/// Records drafts with the current log as one batch; the receipts come in the same order.
///
/// # Errors
/// If a draft cannot be recorded or the batch not be written; then none is, unless
/// [`Error::is_unconfirmed`](crate::Error::is_unconfirmed).
pub fn record_all(drafts: impl IntoIterator<Item = Draft>) -> Result<Vec<Receipt>> {
    AuditLog::current().record_all(drafts)
}

/// Checks all types that are registered with the current log as [`lint`](crate::lint()) checks one.
/// Fields that `register_with` masks or excludes are no findings.
pub fn lint_registered() -> Vec<LintFinding> {
    let log = AuditLog::current();
    let rules = log.shared().registry.rules();
    let schemas = log.registered().into_iter();
    schemas
        .flat_map(|schema| lint_schema(schema, &rules))
        .collect()
}

//! Objects that remember what they were.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::confirmation::{Confirmation, Confirmer};
use super::draft::Draft;
use super::pending::{IntoPending, Pending};
use super::ready::invalid;
use super::staging::{Staging, report_dropped};
use crate::change::Changes;
use crate::critical::log_or_print_once;
use crate::error::{Error, Result, ValueError};
use crate::log::AuditLog;
use crate::pipeline::receipt::Receipt;
use crate::pipeline::ticket::Ticket;
use crate::registry::Registration;
use crate::value::auditable::Auditable;
use crate::value::diff::{Difference, compare, compare_with};
use crate::value::repr::Repr;
use crate::value::shared_fields::SharedFields;

impl AuditLog {
    /// Wraps an object whose changes are recorded in this log; see [`Tracked`].
    ///
    /// # Example: an object of another log
    /// ```
    /// use auditlog::prelude::*;
    ///
    /// #[derive(Auditable, Clone)]
    /// struct User {
    ///     id: u32,
    ///     email: String,
    /// }
    ///
    /// let log = AuditLog::builder().build();
    /// log.register::<User>();
    /// let mut user = log.track(User { id: 1, email: "a@example.com".into() });
    /// user.email = "b@example.com".into();
    /// user.record()?;
    /// assert_eq!(log.query().changed("email").count()?, 1);
    /// # Ok::<(), auditlog::Error>(())
    /// ```
    pub fn track<T: Auditable + Clone + 'static>(&self, object: T) -> Tracked<T> {
        Tracked::in_log(self.clone(), object)
    }
}

/// An object that remembers its former state, so that its changes can be recorded.
///
/// It dereferences to the object. If it is dropped with unrecorded changes, it warns through `log`, or
/// once on standard error if the program has set up no logger, and counts in
/// [`LogStats::unrecorded`](crate::LogStats::unrecorded). It does not warn about changes that did not
/// happen: after a [`save`](Self::save) that failed, and in a [transaction](crate::transaction()) that
/// is rolled back.
///
/// # Example: change, look, save
/// ```
/// use auditlog::prelude::*;
///
/// #[derive(Auditable, Clone)]
/// struct User {
///     id: u32,
///     email: String,
/// }
///
/// fn update_row(_user: &User) -> auditlog::Result<()> {
///     Ok(()) // UPDATE users SET ..
/// }
///
/// let audit = auditlog::testing::capture();
/// auditlog::register::<User>();
/// let mut user = Tracked::new(User { id: 42, email: "ann@old.example".into() });
/// user.email = "ann@new.example".into();
/// assert_eq!(user.changes()?["email"].old, Some("ann@old.example".into()));
///
/// user.save(|user| update_row(user))?;
/// assert!(user.changes()?.is_empty());
/// assert_eq!(audit.entries().len(), 1);
/// # Ok::<(), auditlog::Error>(())
/// ```
#[must_use = "changes of a tracked object are recorded by `save` or `record`"]
pub struct Tracked<T: Auditable + Clone + 'static> {
    log: AuditLog,
    /// `None` only while it is taken apart.
    object: Option<Both<T>>,
    /// The drafts of changes that may still fail to be recorded, each with the state before.
    drafted: Vec<(Arc<Confirmation>, Original<T>)>,
    /// The last [`save`](Self::save) failed, and nothing changed since.
    unsaved: bool,
}

struct Both<T> {
    original: Original<T>,
    current: T,
}

/// An object as it was.
#[derive(Clone)]
struct Original<T> {
    object: T,
    /// The former values of the parts that the object shares with the present one.
    before: Option<Result<SharedFields, ValueError>>,
}

impl<T: Auditable + Clone> Original<T> {
    fn of(log: &AuditLog, object: &T) -> Self {
        Self {
            object: object.clone(),
            before: log.before(object),
        }
    }

    /// Compares it with what the object is now, as the entry of the update does.
    fn difference(&self, log: &AuditLog, current: &T) -> Result<Difference, ValueError> {
        let registration = log.shared().registry.get(T::MODEL);
        let rules = registration.as_deref().and_then(Registration::rules);
        let env = log.env().excluding_outermost();
        match &self.before {
            None => compare(&self.object, current, env, rules),
            Some(Err(error)) => Err(error.clone()),
            Some(Ok(before)) => {
                let after = SharedFields::capture(current, before.names(), log.env())?;
                compare_with((&self.object, before), (current, &after), env, rules)
            }
        }
    }
}

impl<T: Auditable + Clone + 'static> Tracked<T> {
    /// Wraps an object as it is stored now.
    pub fn new(object: T) -> Self {
        Self::in_log(AuditLog::current(), object)
    }

    fn in_log(log: AuditLog, object: T) -> Self {
        let original = Original::of(&log, &object);
        Self {
            log,
            object: Some(Both {
                original,
                current: object,
            }),
            drafted: Vec::new(),
            unsaved: false,
        }
    }

    fn both(&self) -> &Both<T> {
        match &self.object {
            Some(both) => both,
            // Only `into_inner` takes it, and that consumes `self`.
            None => unreachable!("a tracked object is used after it was taken apart"),
        }
    }

    fn both_mut(&mut self) -> &mut Both<T> {
        match &mut self.object {
            Some(both) => both,
            None => unreachable!("a tracked object is used after it was taken apart"),
        }
    }

    /// Returns the changes since the object was wrapped or last recorded, under the rules that
    /// `register_with` set in the object's log.
    ///
    /// # Errors
    /// Returns [`Error::Value`] if a value cannot be compared, such as one whose lock is held, or one that
    /// contains itself.
    pub fn changes(&self) -> Result<Changes> {
        match self.difference(self.both()) {
            Ok(difference) => Ok(difference.changes),
            Err(source) => Err(invalid(T::schema(), source)),
        }
    }

    /// Compares as the entry of the update does.
    fn difference(&self, both: &Both<T>) -> Result<Difference, ValueError> {
        self.original_of(both).difference(&self.log, &both.current)
    }

    /// Returns the object as it was when it was wrapped or last recorded. An entry of a transaction that
    /// failed does not count. Parts that the object shares with its clones, as in an `Rc<RefCell<_>>`, have
    /// their present state.
    pub fn original(&self) -> &T {
        &self.original_of(self.both()).object
    }

    fn original_of<'o>(&'o self, both: &'o Both<T>) -> &'o Original<T> {
        let mut drafted = self.drafted.iter();
        let before = drafted.find(|(confirmation, _)| confirmation.is_written() == Some(false));
        before.map_or(&both.original, |(_, before)| before)
    }

    /// Drafts the entry of the changes, so that a reason or extra data can be added.
    ///
    /// Later changes are counted from here. If the draft is dropped, skipped or fails to be recorded, or
    /// the transaction in which it is recorded is rolled back, the changes are unrecorded again. A
    /// transaction of a database driver reports no rollback: read the object again after one.
    ///
    /// # Example: a reason
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
    /// let mut user = Tracked::new(User { id: 42, email: "a@example.com".into() });
    /// user.email = "b@example.com".into();
    /// user.draft().reason("ticket 4711").record()?;
    /// assert_eq!(audit.last().expect("an entry").reason.as_deref(), Some("ticket 4711"));
    /// # Ok::<(), auditlog::Error>(())
    /// ```
    pub fn draft(&mut self) -> Draft {
        let both = self.both();
        let original = self.original_of(both);
        let before = original.before.as_ref();
        let draft = self
            .log
            .updated_since(&original.object, before, &both.current);
        if !draft.is_made() {
            return draft;
        }
        let before = original.clone();
        let confirmation = Arc::new(Confirmation::default());
        self.drafted
            .retain(|(confirmation, _)| confirmation.is_written().is_none());
        self.drafted.push((Arc::clone(&confirmation), before));
        let original = Original::of(&self.log, &self.both().current);
        self.both_mut().original = original;
        draft.confirming(Confirmer::of(&confirmation))
    }

    /// Persists the object with `persist`, and records its changes if that succeeds.
    ///
    /// # Errors
    /// The changes stay unrecorded if an error is returned.
    /// - Returns the error of `persist`.
    /// - Returns the errors of [`Draft::record`] if the entry cannot be recorded. `persist` has succeeded
    ///   then.
    pub fn save<R, E: From<Error>>(
        &mut self,
        persist: impl FnOnce(&mut T) -> Result<R, E>,
    ) -> Result<R, E> {
        let saved = match persist(&mut self.both_mut().current) {
            Ok(saved) => saved,
            Err(error) => {
                self.unsaved = true;
                return Err(error);
            }
        };
        self.unsaved = false;
        self.record()?;
        Ok(saved)
    }

    /// Records the changes. Later changes are counted from here, unless the entry was skipped because of
    /// the context or the registration. Inside a transaction that fails, the changes are unrecorded again.
    ///
    /// # Errors
    /// Returns the errors of [`Draft::record`]; the changes then stay unrecorded.
    pub fn record(&mut self) -> Result<Receipt> {
        self.draft().record()
    }

    /// Queues the entry of the changes for the log's writer thread, as [`Draft::submit`] does. If it cannot
    /// be written, the changes are unrecorded again.
    pub fn submit(&mut self) -> Ticket {
        self.draft().submit()
    }

    /// Returns whether the changes were recorded in a transaction that failed, and nothing
    /// changed since.
    fn was_rolled_back(&self, both: &Both<T>) -> bool {
        let mut drafted = self.drafted.iter();
        drafted.any(|(confirmation, _)| confirmation.is_rolled_back())
            && both
                .original
                .difference(&self.log, &both.current)
                .is_ok_and(|difference| !difference.notable)
    }

    /// Restores the object as it was when it was wrapped or last recorded, except for the parts that it
    /// shares with its clones, as in an `Rc<RefCell<_>>`.
    ///
    /// # Example: back to the recorded state
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
    /// let mut user = Tracked::new(User { id: 42, email: "a@example.com".into() });
    /// user.email = "b@example.com".into();
    /// user.discard();
    /// assert_eq!(user.email, "a@example.com");
    /// assert_eq!(user.record()?, Receipt::Unchanged);
    /// # Ok::<(), auditlog::Error>(())
    /// ```
    pub fn discard(&mut self) {
        self.both_mut().current = self.original().clone();
    }

    /// Returns the object. Its unrecorded changes are no longer reported.
    pub fn into_inner(mut self) -> T {
        match self.object.take() {
            Some(both) => both.current,
            None => unreachable!("a tracked object is used after it was taken apart"),
        }
    }
}

/// The changes, as [`Tracked::draft`] drafts them.
impl<T: Auditable + Clone + 'static> IntoPending for &mut Tracked<T> {
    type Receipts = Receipt;

    fn into_pending(self) -> Result<Pending<Receipt>> {
        self.draft().into_pending()
    }
}

impl<T: Auditable + Clone + 'static> Deref for Tracked<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.both().current
    }
}

impl<T: Auditable + Clone + 'static> DerefMut for Tracked<T> {
    fn deref_mut(&mut self) -> &mut T {
        self.unsaved = false;
        &mut self.both_mut().current
    }
}

/// Shows the object as its entries do, secrets masked, and its changes. A value that cannot be read,
/// such as one whose lock is held, is missing from the object, and the error is shown instead of the
/// changes.
impl<T: Auditable + Clone + 'static> fmt::Debug for Tracked<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let both = self.both();
        let registration = self.log.shared().registry.get(T::MODEL);
        let rules = registration.as_deref().and_then(Registration::rules);
        let mut env = self.log.env();
        let mut repr = Repr::new(&mut env, rules);
        self.log
            .naming::<T, _>(|| both.current.repr_into(&mut repr));
        let object = repr.finish();
        let mut shown = f.debug_struct("Tracked");
        shown.field("object", &object);
        match self.difference(both) {
            Ok(difference) => shown.field("changes", &difference.changes),
            Err(error) => shown.field("changes", &format_args!("<{error}>")),
        };
        shown.finish_non_exhaustive()
    }
}

impl<T: Auditable + Clone + 'static> Drop for Tracked<T> {
    fn drop(&mut self) {
        let Some(both) = &self.object else {
            return;
        };
        if self.unsaved || self.was_rolled_back(both) {
            return;
        }
        let paths = match self.difference(both) {
            // Also where only what is ignored or left out changed: that makes no entry.
            Ok(difference) if !difference.notable => return,
            Ok(Difference { changes, .. }) => changes
                .paths()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(", "),
            Err(error) => format!("unknown fields, since {error}"),
        };
        if !self.log.is_registered::<T>() {
            if let Err(error) = self.log.report_unregistered(T::schema()) {
                static PRINTED: AtomicBool = AtomicBool::new(false);
                let message = format!("a tracked object was dropped: {error}");
                log_or_print_once(&PRINTED, log::Level::Warn, &message);
            }
            return;
        }
        let key = self.log.naming::<T, _>(|| both.current.object_pk());
        let what = format!("{} {key}: {paths}", T::MODEL);
        match Staging::of(&self.log) {
            // Whether the changes happened is decided when the transaction ends.
            Some(staging) => staging.note_dropped(what),
            None => report_dropped(&self.log, what),
        }
    }
}

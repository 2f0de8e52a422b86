//! Registration of all derived types.

use super::AuditLog;
use crate::error::RegistrationError;
use crate::value::auditable::Auditable;

/// A type that the derive has met.
#[doc(hidden)]
#[derive(Debug)]
pub struct Derived {
    model: &'static str,
    register: fn(&AuditLog) -> Result<(), RegistrationError>,
}

impl Derived {
    /// Describes a type.
    pub const fn of<T: Auditable + 'static>() -> Self {
        Self {
            model: T::MODEL,
            register: AuditLog::try_register::<T>,
        }
    }
}

inventory::collect!(Derived);

impl AuditLog {
    /// Registers every entity of the program that derives `Auditable` and has no generic
    /// parameters, those of its dependencies too. Types that are registered already keep their
    /// options, and types that were [unregistered](Self::unregister) stay so.
    ///
    /// # Panics
    /// Panics if a type cannot be registered; [`try_register_all`](Self::try_register_all) returns the
    /// error.
    pub fn register_all(&self) {
        if let Err(error) = self.try_register_all() {
            panic!("{error}");
        }
    }

    /// Registers every derived entity as [`register_all`](Self::register_all) does.
    ///
    /// # Errors
    /// Returns the first [`RegistrationError`], by model name, if types cannot be registered, such
    /// as two with one model name. The other types are registered nevertheless.
    pub fn try_register_all(&self) -> Result<(), RegistrationError> {
        let mut derived: Vec<&Derived> = inventory::iter::<Derived>.into_iter().collect();
        derived.sort_by_key(|derived| derived.model);
        let registry = &self.shared().registry;
        derived
            .into_iter()
            .filter(|derived| !registry.is_unregistered(derived.model))
            .map(|derived| (derived.register)(self))
            .fold(Ok(()), Result::and)
    }
}

/// Registers every derived entity with the current log; see [`AuditLog::register_all`].
///
/// # Panics
/// Panics if a type cannot be registered; [`try_register_all`] returns the error.
///
/// # Example: every derived type of the program
/// ```standalone_crate
/// use auditlog::prelude::*;
///
/// #[derive(Auditable)]
/// struct User {
///     id: u32,
/// }
///
/// let audit = auditlog::testing::capture();
/// auditlog::register_all();
/// assert!(auditlog::created(&User { id: 1 }).record()?.is_recorded());
/// # assert_eq!(audit.entries().len(), 1);
/// # Ok::<(), auditlog::Error>(())
/// ```
pub fn register_all() {
    AuditLog::current().register_all();
}

/// Registers every derived entity with the current log; see [`AuditLog::try_register_all`].
///
/// # Errors
/// Returns the errors of [`AuditLog::try_register_all`].
pub fn try_register_all() -> Result<(), RegistrationError> {
    AuditLog::current().try_register_all()
}

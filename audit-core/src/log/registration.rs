//! The registered types of a log.

use std::sync::atomic::Ordering;

use super::AuditLog;
use crate::critical::log_or_print;
use crate::error::{Error, RegistrationError, Result};
use crate::registry::description::ModelDescription;
use crate::registry::options::RegisterOptions;
use crate::registry::{UnregisteredDraft, UnregisteredPolicy};
use crate::value::auditable::Auditable;
use crate::value::model::ModelSchema;
use crate::value::schema::{FieldSchema, Sensitivity};
use crate::value::schema_walk::any_field;

impl AuditLog {
    /// Registers a type; see [`register`](crate::register). Registering a type twice has no effect: it keeps
    /// the options of the first registration.
    ///
    /// # Panics
    /// Panics with the error that [`try_register`](Self::try_register) returns.
    pub fn register<T: Auditable + 'static>(&self) {
        if let Err(error) = self.try_register::<T>() {
            panic!("{error}");
        }
    }

    /// Registers a type as [`register`](Self::register) does.
    ///
    /// # Errors
    /// Returns the errors of [`try_register`](crate::try_register).
    pub fn try_register<T: Auditable + 'static>(&self) -> Result<(), RegistrationError> {
        self.check_hashes::<T>()?;
        self.shared.registry.register::<T>(None)
    }

    /// Registers a type with options on top of its attributes, in place of those it had.
    ///
    /// # Errors
    /// Returns the errors of [`register_with`](crate::register_with).
    pub fn register_with<T: Auditable + 'static>(
        &self,
        options: impl FnOnce(RegisterOptions<T>) -> RegisterOptions<T>,
    ) -> Result<(), RegistrationError> {
        self.check_hashes::<T>()?;
        self.shared
            .registry
            .register(Some(options(RegisterOptions::new())))
    }

    /// Ends the recording of a type. Returns whether the type was registered. Later drafts of the type are
    /// skipped without a warning, even if it was never registered.
    pub fn unregister<T: Auditable>(&self) -> bool {
        self.shared.registry.unregister::<T>()
    }

    /// Returns whether a type is registered.
    pub fn is_registered<T: Auditable>(&self) -> bool {
        self.shared.registry.get(T::MODEL).is_some()
    }

    /// Returns the schemas of the registered types, by model name.
    pub fn registered(&self) -> Vec<&'static ModelSchema> {
        self.shared.registry.schemas()
    }

    /// Returns the registered models as data, with what `register_with` set.
    pub fn described(&self) -> Vec<ModelDescription> {
        self.shared.registry.described()
    }

    /// Checks that the tokens of a type outlive the process if its objects are found by them, and
    /// warns of other tokens that do not.
    fn check_hashes<T: Auditable>(&self) -> Result<(), RegistrationError> {
        if T::HASHES_KEYS && self.shared.keys.is_ephemeral() {
            return Err(RegistrationError::NoHashKey {
                model: T::MODEL.to_owned(),
            });
        }
        let hashed = |field: &FieldSchema| field.sensitivity == Sensitivity::Hashed;
        if self.shared.keys.is_ephemeral()
            && any_field(T::schema().fields(), hashed)
            && !self.shared.warned_of_keys.swap(true, Ordering::Relaxed)
        {
            let message = format!(
                "`{}` has hashed fields and the log has no hash key: their tokens can be compared within this process only; set `AuditLog::builder().hash_key(..)`",
                T::MODEL
            );
            log_or_print(log::Level::Warn, &message);
        }
        Ok(())
    }

    /// Reports a type of which something was to be recorded and that is not registered, as the
    /// log's policy says.
    #[cold]
    pub(crate) fn report_unregistered(&self, schema: &ModelSchema) -> Result<()> {
        let unknown = self.shared.registry.note_unregistered(schema.name);
        if unknown == UnregisteredDraft::Expected {
            return Ok(());
        }
        self.shared.pipeline.note_unregistered();
        match self.shared.unregistered {
            UnregisteredPolicy::Warn if unknown == UnregisteredDraft::First => log_or_print(
                log::Level::Warn,
                &format!(
                    "`{name}` is not registered with the audit log, so nothing is recorded of it: call `auditlog::register::<{name}>()` when the program starts, or `auditlog::unregister::<{name}>()` if it is left out on purpose",
                    name = schema.type_name,
                ),
            ),
            UnregisteredPolicy::Warn | UnregisteredPolicy::Ignore => {}
            UnregisteredPolicy::Error => {
                return Err(Error::NotRegistered {
                    model: schema.name.to_owned(),
                    type_name: schema.type_name,
                });
            }
        }
        Ok(())
    }
}

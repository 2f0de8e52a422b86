//! Which types are recorded.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use crate::auditable::Auditable;
use crate::description::ModelDescription;
use crate::error::RegistrationError;
use crate::history::Upcaster;
use crate::options::{Finished, RegisterOptions, Settings, When};
use crate::schema::{FieldSchema, ModelSchema, Sensitivity};

/// The registered types of a log, by model name.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    models: RwLock<BTreeMap<&'static str, Arc<Registration>>>,
}

/// A registered type.
pub(crate) struct Registration {
    pub(crate) schema: &'static ModelSchema,
    /// The type, by its full name: the registry does not need it to outlive everything.
    type_name: &'static str,
    pub(crate) settings: Settings,
    when: Option<When>,
    /// What leads from each older schema version to the next.
    pub(crate) upcasters: BTreeMap<u32, Upcaster>,
}

impl Registration {
    /// Whether the type's condition holds for an object.
    pub(crate) fn admits(&self, object: &dyn Any) -> bool {
        self.when.as_ref().is_none_or(|when| when(object))
    }
}

impl fmt::Debug for Registration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registration")
            .field("type_name", &self.type_name)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

impl Registry {
    pub(crate) fn register<T: Auditable + 'static>(
        &self,
        options: Option<RegisterOptions<T>>,
    ) -> Result<(), RegistrationError> {
        let type_name = std::any::type_name::<T>();
        let replace = options.is_some();
        let Finished {
            settings,
            when,
            upcasters,
        } = options.map_or(Ok(Finished::default()), RegisterOptions::finish)?;
        let registration = Registration {
            schema: T::schema(),
            type_name,
            settings,
            when,
            upcasters,
        };
        if let Some(field) = hidden_identity(T::schema()) {
            return Err(RegistrationError::HiddenKey {
                model: T::MODEL.to_owned(),
                field: field.to_owned(),
            });
        }
        let mut models = self.models.write().unwrap_or_else(PoisonError::into_inner);
        match models.get(T::MODEL) {
            Some(known) if known.type_name != type_name => {
                return Err(RegistrationError::ModelTaken {
                    model: T::MODEL.to_owned(),
                    registered: known.type_name.to_owned(),
                    rejected: type_name.to_owned(),
                });
            }
            // Registering again without options keeps those it has.
            Some(_) if !replace => {}
            _ => {
                models.insert(T::MODEL, Arc::new(registration));
            }
        }
        Ok(())
    }

    pub(crate) fn unregister<T: Auditable>(&self) -> bool {
        self.models
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(T::MODEL)
            .is_some()
    }

    pub(crate) fn get(&self, model: &str) -> Option<Arc<Registration>> {
        self.models
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(model)
            .cloned()
    }

    pub(crate) fn schemas(&self) -> Vec<&'static ModelSchema> {
        let models = self.models.read().unwrap_or_else(PoisonError::into_inner);
        models
            .values()
            .map(|registration| registration.schema)
            .collect()
    }

    pub(crate) fn described(&self) -> Vec<ModelDescription> {
        let models = self.models.read().unwrap_or_else(PoisonError::into_inner);
        models
            .values()
            .map(|registration| registration.schema.describe_with(&registration.settings))
            .collect()
    }

    /// Takes over what another registry has and this one has not.
    pub(crate) fn adopt(&self, other: &Self) {
        let other = other
            .models
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let mut models = self.models.write().unwrap_or_else(PoisonError::into_inner);
        for (model, registration) in other {
            models.entry(model).or_insert(registration);
        }
    }
}

/// Finds an identity whose type hides what it is: all objects would have one key.
fn hidden_identity(schema: &ModelSchema) -> Option<&'static str> {
    let hides = |field: &FieldSchema| {
        let inner = field.fields();
        inner.iter().any(|inner| {
            inner.is_inline()
                && !matches!(
                    inner.sensitivity(),
                    Sensitivity::Clear | Sensitivity::Skipped
                )
        })
    };
    let mut identity = schema.fields.iter().filter(|field| field.identity);
    identity.find(|field| hides(field)).map(|field| field.name)
}

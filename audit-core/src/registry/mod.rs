//! The registered types of a log.

pub(crate) mod description;
pub(crate) mod lint;
pub(crate) mod options;
pub(crate) mod settings;
pub(crate) mod upcast;

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use self::description::ModelDescription;
use self::options::{Finished, RegisterOptions, When};
use self::settings::Settings;
use self::upcast::Upcaster;
use crate::error::RegistrationError;
use crate::value::auditable::Auditable;
use crate::value::flatten;
use crate::value::model::ModelSchema;
use crate::value::redaction_rules::{ModelRules, Rules, RulesByModel};
use crate::value::schema::FieldSchema;
use crate::value::schema_walk::{any_field, hides};
use crate::value::shared_fields::shared_field_names;

/// The behaviour of a draft whose type is not registered.
///
/// The audit trail covers registered types only; drafts of other types are
/// `Skipped(NotRegistered)`. Drafts of a type that was
/// [unregistered](crate::AuditLog::unregister) are never reported, with any policy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum UnregisteredPolicy {
    /// Logs one warning for each type, through `log` or on standard error if no logger is set.
    /// [`LogStats::unregistered`](crate::LogStats::unregistered) counts the drafts.
    #[default]
    Warn,
    /// Only counts the drafts.
    Ignore,
    /// The draft fails with [`Error::NotRegistered`](crate::Error::NotRegistered).
    Error,
}

/// The registered types of a log, by model name.
///
/// Reads are frequent (each draft) and writes are rare (the start of the program), so a lookup takes a read
/// lock and clones an `Arc`.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    models: RwLock<BTreeMap<&'static str, Arc<Registration>>>,
    /// The rules of all models; `None` if no model has rules.
    rules: RwLock<Option<Arc<RulesByModel>>>,
    has_rules: AtomicBool,
    /// Whether a model with shared fields was ever registered.
    has_shared_fields: AtomicBool,
    /// The state of models that are not registered.
    unregistered: Mutex<BTreeMap<&'static str, Unregistered>>,
}

/// The state of a model that is not registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unregistered {
    /// A draft was reported.
    Reported,
    /// The application unregistered the model.
    Explicitly,
}

/// The effect of a draft of a model that is not registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UnregisteredDraft {
    /// The first draft of the model.
    First,
    /// A later draft.
    Repeated,
    /// A draft of a model that the application unregistered.
    Expected,
}

/// A registered type.
pub(crate) struct Registration {
    pub(crate) schema: &'static ModelSchema,
    /// The full name of the type, which identifies it without a `'static` bound.
    type_name: &'static str,
    pub(crate) settings: Settings,
    /// The fields that an object shares with its clones and that may change through them.
    pub(crate) shared: Arc<[&'static str]>,
    when: Option<When>,
    /// The upcaster from each former schema version to the next.
    pub(crate) upcasters: BTreeMap<u32, Upcaster>,
    /// Whether any field at any depth may change without an entry.
    pub(crate) loose: bool,
}

impl Registration {
    /// Returns the rules, if there are any.
    pub(crate) fn rules(&self) -> Option<&Rules> {
        Some(&self.settings.rules).filter(|rules| !rules.is_empty())
    }

    /// Returns whether the condition of `when` holds for an object.
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
            shared: shared_field_names(T::FIELDS),
            settings,
            when,
            upcasters,
            loose: any_field(T::schema().fields, FieldSchema::may_change_silently),
        };
        flatten::check(T::MODEL, T::schema().fields)?;
        if let Some(field) = hidden_key(T::schema()) {
            return Err(RegistrationError::HiddenKey {
                model: T::MODEL.to_owned(),
                field: field.to_owned(),
            });
        }
        let mut models = self.models.write().unwrap_or_else(PoisonError::into_inner);
        match models.get(T::MODEL) {
            Some(existing) if existing.type_name != type_name => {
                return Err(RegistrationError::ModelTaken {
                    model: T::MODEL.to_owned(),
                    registered: existing.type_name.to_owned(),
                    rejected: type_name.to_owned(),
                });
            }
            // Registering a type again without options keeps the existing ones.
            Some(_) if !replace => {}
            _ => {
                if !registration.shared.is_empty() {
                    self.has_shared_fields.store(true, Ordering::Release);
                }
                models.insert(T::MODEL, Arc::new(registration));
                self.unregistered().remove(T::MODEL);
                self.collect_rules(&models);
            }
        }
        Ok(())
    }

    pub(crate) fn unregister<T: Auditable>(&self) -> bool {
        self.unregistered()
            .insert(T::MODEL, Unregistered::Explicitly);
        let mut models = self.models.write().unwrap_or_else(PoisonError::into_inner);
        let removed = models.remove(T::MODEL).is_some();
        self.collect_rules(&models);
        removed
    }

    /// Collects the rules of all models while the caller holds the lock of the models.
    fn collect_rules(&self, models: &BTreeMap<&'static str, Arc<Registration>>) {
        let rules: RulesByModel = models
            .iter()
            .filter(|(_, registration)| !registration.settings.rules.is_empty())
            .map(|(model, registration)| (*model, registration.settings.rules.clone()))
            .collect();
        let any = !rules.is_empty();
        *self.rules.write().unwrap_or_else(PoisonError::into_inner) = any.then(|| Arc::new(rules));
        self.has_rules.store(any, Ordering::Release);
    }

    /// Returns the rules of all models.
    pub(crate) fn rules(&self) -> Arc<RulesByModel> {
        let rules = self.rules.read().unwrap_or_else(PoisonError::into_inner);
        rules.clone().unwrap_or_default()
    }

    /// Returns the rules for a walk over values; `None` if no model has rules.
    #[inline]
    pub(crate) fn model_rules(&self) -> Option<ModelRules> {
        if !self.has_rules.load(Ordering::Acquire) {
            return None;
        }
        let rules = self.rules.read().unwrap_or_else(PoisonError::into_inner);
        rules.clone().map(ModelRules::new)
    }

    fn unregistered(&self) -> MutexGuard<'_, BTreeMap<&'static str, Unregistered>> {
        self.unregistered
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a draft of a model that is not registered.
    pub(crate) fn note_unregistered(&self, model: &'static str) -> UnregisteredDraft {
        let mut unregistered = self.unregistered();
        match unregistered.get(model) {
            Some(Unregistered::Explicitly) => UnregisteredDraft::Expected,
            Some(Unregistered::Reported) => UnregisteredDraft::Repeated,
            None => {
                unregistered.insert(model, Unregistered::Reported);
                UnregisteredDraft::First
            }
        }
    }

    /// Returns whether the application unregistered a model.
    #[cfg(feature = "auto")]
    pub(crate) fn is_unregistered(&self, model: &str) -> bool {
        self.unregistered().get(model) == Some(&Unregistered::Explicitly)
    }

    /// Returns the fields of a model that clones share; `None` if the model has none.
    #[inline]
    pub(crate) fn shared(&self, model: &str) -> Option<Arc<[&'static str]>> {
        // Fast path for applications without such models, which most are.
        if !self.has_shared_fields.load(Ordering::Acquire) {
            return None;
        }
        let shared = Arc::clone(&self.get(model)?.shared);
        (!shared.is_empty()).then_some(shared)
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
        let rules = self.rules();
        let models = self.models.read().unwrap_or_else(PoisonError::into_inner);
        models
            .values()
            .map(|registration| {
                let (schema, settings) = (registration.schema, &registration.settings);
                schema.describe_with(settings, &rules)
            })
            .collect()
    }

    /// Adds the models of another registry that this one lacks.
    pub(crate) fn adopt(&self, other: &Self) {
        let other_models = other
            .models
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let mut models = self.models.write().unwrap_or_else(PoisonError::into_inner);
        self.has_shared_fields.fetch_or(
            other.has_shared_fields.load(Ordering::Acquire),
            Ordering::AcqRel,
        );
        for (model, registration) in other_models {
            models.entry(model).or_insert(registration);
        }
        self.collect_rules(&models);
        let unregistered = other
            .unregistered()
            .clone()
            .into_iter()
            .filter(|(model, state)| {
                *state == Unregistered::Explicitly && !models.contains_key(model)
            });
        self.unregistered().extend(unregistered);
    }
}

/// Returns an identity or parent key with a hidden part, under which several objects would have
/// the same key.
fn hidden_key(schema: &ModelSchema) -> Option<&'static str> {
    let mut keys = schema
        .fields
        .iter()
        .filter(|field| field.identity || schema.parent_key == Some(field.name));
    keys.find(|field| hides(field.fields()))
        .map(|field| field.name)
}

//! Which types are recorded.

pub(crate) mod description;
pub(crate) mod lint;
pub(crate) mod options;
pub(crate) mod upcast;

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use self::description::ModelDescription;
use self::options::{Finished, RegisterOptions, Settings, When};
use self::upcast::Upcaster;
use crate::error::RegistrationError;
use crate::value::auditable::Auditable;
use crate::value::flatten;
use crate::value::model::ModelSchema;
use crate::value::rules::{ModelRules, Rules, RulesByModel};
use crate::value::schema::FieldSchema;
use crate::value::schema_walk::{any_field, hides};
use crate::value::shared_fields::shared_field_names;

/// The behaviour of a draft whose type is not registered.
///
/// Registration is the switch of the audit trail: a type that is not registered is out of its
/// scope, and its drafts are `Skipped(NotRegistered)`. A type that was
/// [unregistered](crate::AuditLog::unregister) is out of scope on purpose, and nothing is said of
/// it under any policy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum UnregisteredPolicy {
    /// One warning for each type, through `log` or on standard error where the program has set up
    /// no logger; [`LogStats::unregistered`](crate::LogStats::unregistered) counts the drafts.
    #[default]
    Warn,
    /// Nothing but the count.
    Ignore,
    /// The draft fails with [`Error::NotRegistered`](crate::Error::NotRegistered).
    Error,
}

/// The registered types of a log, by model name.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    models: RwLock<BTreeMap<&'static str, Arc<Registration>>>,
    /// The rules of all models; `None` where no model has any.
    rules: RwLock<Option<Arc<RulesByModel>>>,
    ruled: AtomicBool,
    /// Whether a model with shared fields was ever registered.
    shares: AtomicBool,
    /// The state of models that are not registered.
    absent: Mutex<BTreeMap<&'static str, Absent>>,
}

/// Why a model that is not registered is not reported (again).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Absent {
    Reported,
    /// It was unregistered on purpose.
    Unregistered,
}

/// The report about a model that is not registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unknown {
    First,
    Again,
    OnPurpose,
}

/// A registered type.
pub(crate) struct Registration {
    pub(crate) schema: &'static ModelSchema,
    /// The type, by its full name: the registry does not need it to outlive everything.
    type_name: &'static str,
    pub(crate) settings: Settings,
    /// The fields that a clone of an object shares with it, and that may change behind its back.
    pub(crate) shared: Arc<[&'static str]>,
    when: Option<When>,
    /// What leads from each older schema version to the next.
    pub(crate) upcasters: BTreeMap<u32, Upcaster>,
    /// Whether any field, however deep, may change without an entry.
    pub(crate) loose: bool,
}

impl Registration {
    /// Returns the rules, if there are any.
    pub(crate) fn rules(&self) -> Option<&Rules> {
        Some(&self.settings.rules).filter(|rules| !rules.is_empty())
    }

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
                if !registration.shared.is_empty() {
                    self.shares.store(true, Ordering::Release);
                }
                models.insert(T::MODEL, Arc::new(registration));
                self.absent().remove(T::MODEL);
                self.collect_rules(&models);
            }
        }
        Ok(())
    }

    pub(crate) fn unregister<T: Auditable>(&self) -> bool {
        self.absent().insert(T::MODEL, Absent::Unregistered);
        let mut models = self.models.write().unwrap_or_else(PoisonError::into_inner);
        let known = models.remove(T::MODEL).is_some();
        self.collect_rules(&models);
        known
    }

    /// Collects the rules of all models, under the lock of these.
    fn collect_rules(&self, models: &BTreeMap<&'static str, Arc<Registration>>) {
        let rules: RulesByModel = models
            .iter()
            .filter(|(_, registration)| !registration.settings.rules.is_empty())
            .map(|(model, registration)| (*model, registration.settings.rules.clone()))
            .collect();
        let any = !rules.is_empty();
        *self.rules.write().unwrap_or_else(PoisonError::into_inner) = any.then(|| Arc::new(rules));
        self.ruled.store(any, Ordering::Release);
    }

    /// Returns the rules of all models.
    pub(crate) fn rules(&self) -> Arc<RulesByModel> {
        let rules = self.rules.read().unwrap_or_else(PoisonError::into_inner);
        rules.clone().unwrap_or_default()
    }

    /// Returns the rules that values are walked under; `None` where no model has any.
    #[inline]
    pub(crate) fn model_rules(&self) -> Option<ModelRules> {
        if !self.ruled.load(Ordering::Acquire) {
            return None;
        }
        let rules = self.rules.read().unwrap_or_else(PoisonError::into_inner);
        rules.clone().map(ModelRules::new)
    }

    fn absent(&self) -> MutexGuard<'_, BTreeMap<&'static str, Absent>> {
        self.absent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that something was to be recorded of a model that is not registered.
    pub(crate) fn note_unknown(&self, model: &'static str) -> Unknown {
        let mut absent = self.absent();
        match absent.get(model) {
            Some(Absent::Unregistered) => Unknown::OnPurpose,
            Some(Absent::Reported) => Unknown::Again,
            None => {
                absent.insert(model, Absent::Reported);
                Unknown::First
            }
        }
    }

    /// Returns whether a model was unregistered on purpose.
    #[cfg(feature = "auto")]
    pub(crate) fn is_unregistered(&self, model: &str) -> bool {
        self.absent().get(model) == Some(&Absent::Unregistered)
    }

    /// Returns the fields of a model that clones share; `None` if there are none.
    #[inline]
    pub(crate) fn shared(&self, model: &str) -> Option<Arc<[&'static str]>> {
        // No look at the model in a program without any, which most are.
        if !self.shares.load(Ordering::Acquire) {
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

    /// Takes over what another registry has and this one has not.
    pub(crate) fn adopt(&self, other: &Self) {
        let other_models = other
            .models
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let mut models = self.models.write().unwrap_or_else(PoisonError::into_inner);
        self.shares
            .fetch_or(other.shares.load(Ordering::Acquire), Ordering::AcqRel);
        for (model, registration) in other_models {
            models.entry(model).or_insert(registration);
        }
        self.collect_rules(&models);
        let unregistered = other.absent().clone().into_iter();
        let unregistered = unregistered.filter(|(_, absent)| *absent == Absent::Unregistered);
        let unregistered = unregistered.filter(|(model, _)| !models.contains_key(model));
        self.absent().extend(unregistered);
    }
}

/// Finds an identity, or a key of the parent, that hides something inside: several objects
/// would have one key.
fn hidden_key(schema: &ModelSchema) -> Option<&'static str> {
    let mut keys = schema
        .fields
        .iter()
        .filter(|field| field.identity || schema.parent_key == Some(field.name));
    keys.find(|field| hides(field.fields()))
        .map(|field| field.name)
}

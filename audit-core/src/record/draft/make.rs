//! The methods of a log that make drafts.

use super::{Draft, State};
use crate::action::Action;
use crate::context::Context;
use crate::error::{Error, Result, ValueError};
use crate::level::Level;
use crate::log::AuditLog;
use crate::pipeline::receipt::SkipReason;
use crate::record::entity::Former;
use crate::record::ready::{Content, Old, Ready, invalid};
use crate::value::auditable::Auditable;
use crate::value::diff::{compare, compare_with};
use crate::value::redaction_rules::Rules;
use crate::value::shared_fields::SharedFields;

impl AuditLog {
    /// Drafts the entry of a creation; see [`created`](crate::created).
    pub fn created<T: Auditable + 'static>(&self, new: &T) -> Draft {
        Draft::make(self, Action::Create, T::schema(), new, &Content::Created)
    }

    /// Drafts the entry of an update; see [`updated`](crate::updated).
    pub fn updated<T: Auditable + 'static>(&self, old: &T, new: &T) -> Draft {
        let difference = |env, rules: Option<&Rules>| compare(old, new, env, rules);
        let old = Old {
            object: old,
            keeps_key: old.keeps_key(new),
        };
        let content = Content::Changed(&difference, old);
        Draft::make(self, Action::Update, T::schema(), new, &content)
    }

    /// Drafts the entry of a deletion; see [`deleted`](crate::deleted).
    pub fn deleted<T: Auditable + 'static>(&self, old: &T) -> Draft {
        Draft::make(self, Action::Delete, T::schema(), old, &Content::Deleted)
    }

    /// Drafts the entry of an access to an object; see [`accessed`](crate::accessed).
    pub fn accessed<T: Auditable + 'static>(&self, object: &T) -> Draft {
        Draft::make(self, Action::Access, T::schema(), object, &Content::Same)
    }

    /// Drafts the entry of an action with its own name; see [`custom`](crate::custom).
    pub fn custom<T: Auditable + 'static>(&self, action: impl Into<Action>, object: &T) -> Draft {
        let action = action.into();
        match own_name(&action) {
            Ok(()) => Draft::make(self, action, T::schema(), object, &Content::Same),
            Err(error) => Draft::failed(self, error),
        }
    }

    /// Drafts an entry without an object; see [`event`](crate::event).
    pub fn event(&self, name: impl Into<Action>) -> Draft {
        let action = name.into();
        if let Err(error) = own_name(&action) {
            return Draft::failed(self, error);
        }
        if Context::is_current_disabled() {
            return Draft::with(self, State::Skipped(SkipReason::Disabled));
        }
        let mut ready = Ready::new(self, action, None, Level::Info);
        ready.complete(self);
        Draft::with(self, State::Ready(Box::new(ready)))
    }

    /// Changes an object and drafts the entry of the update; see [`update`](crate::update).
    pub fn update<T: Auditable + Clone + 'static>(
        &self,
        object: &mut T,
        change: impl FnOnce(&mut T),
    ) -> Draft {
        let old = object.clone();
        // A clone with shared cells changes with the object.
        let before = self.before(object);
        change(object);
        self.updated_since(&old, before.as_ref(), object)
    }

    /// Drafts the entry of an update, given what was captured before it.
    pub(crate) fn updated_since<T: Auditable + 'static>(
        &self,
        old: &T,
        before: Option<&Result<SharedFields, ValueError>>,
        new: &T,
    ) -> Draft {
        let before = match before {
            None => return self.updated(old, new),
            Some(Ok(before)) => before,
            Some(Err(error)) => return Draft::failed(self, invalid(T::schema(), error.clone())),
        };
        let difference = |env, rules: Option<&Rules>| {
            let after = SharedFields::capture(new, before.names(), self.env())?;
            compare_with((old, before), (new, &after), env, rules)
        };
        let former = Former { old, before };
        let old = Old {
            object: &former,
            keeps_key: false,
        };
        let content = Content::Changed(&difference, old);
        Draft::make(self, Action::Update, T::schema(), new, &content)
    }

    /// Drafts the entry of one statement that changed many objects; see [`bulk`](crate::bulk).
    pub fn bulk<T: Auditable + 'static>(&self, action: impl Into<Action>) -> Draft {
        Draft::bulk(self, action.into(), T::schema())
    }

    /// Drafts the entry of the state of an object that existed before its trail.
    pub(in crate::record) fn baseline_of<T: Auditable + 'static>(&self, object: &T) -> Draft {
        let action = Action::Custom("baseline".into());
        Draft::make(self, action, T::schema(), object, &Content::Present)
    }
}

/// Rejects the names of the four actions, and an empty name.
fn own_name(action: &Action) -> Result<()> {
    match action {
        Action::Custom(name) if !name.trim().is_empty() => Ok(()),
        other => Err(Error::ActionName {
            name: other.as_str().to_owned(),
        }),
    }
}

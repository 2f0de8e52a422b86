//! The environment of a walk over values: its inputs and its results besides the values.
//!
//! Passed by reference through the walk instead of thread-local state, so that diffs are pure functions and
//! may nest. Results that most walks do not have are boxed, since each diff creates an environment.

use std::borrow::Cow;
use std::collections::HashMap;
use std::mem;
use std::sync::Arc;

use serde_json::Value;

use super::capture::Capture;
use super::hash::HashKeys;
use super::redaction_rules::ModelRules;
use super::schema::{FieldSchema, Sensitivity};
use super::schema_walk::any_field;
use crate::change::Redaction;
use crate::error::ValueError;
use crate::path::{Path, PathSegment};

/// The inputs and results of a walk over values.
#[derive(Debug, Default)]
pub(crate) struct Env {
    pub(super) keys: Option<Arc<HashKeys>>,
    /// The number of objects and arrays built.
    pub(super) built: usize,
    /// The rules of registered models. `None` outside of a log and if no model has rules.
    pub(super) model_rules: Option<ModelRules>,
    /// Whether redactions are noted.
    pub(super) noting: bool,
    /// The results of the walk besides its value; `None` for most walks.
    pub(super) notes: Option<Box<Notes>>,
}

/// Results of a walk besides its value. Boxed, since every diff makes and drops an `Env`.
#[derive(Debug, Default)]
pub(super) struct Notes {
    pub(super) error: Option<ValueError>,
    /// The keys of flattened maps that a declared field shadows, as paths.
    pub(super) shadowed_keys: Vec<String>,
    /// The redactions of top-level fields, if the caller requested them and there are any.
    pub(super) redactions: Option<Redactions>,
    /// The field schemas of captured values.
    pub(super) capture: Option<Box<Capture>>,
    /// The fields of the outermost value that are compared through their captured states.
    left_out: Option<Arc<[&'static str]>>,
}

/// Redactions by the name of a top-level field.
#[derive(Debug, Default)]
pub(crate) struct Redactions(HashMap<Cow<'static, str>, Redaction>);

impl Redactions {
    /// Returns how the field of this name is redacted.
    pub(crate) fn of(&self, name: &str) -> Option<Redaction> {
        self.0.get(name).copied()
    }

    /// Notes a redaction. One of the whole value takes precedence over a partial one.
    pub(super) fn note(&mut self, name: Cow<'static, str>, redaction: Redaction) {
        let noted = self.0.entry(name).or_insert(redaction);
        if *noted == Redaction::Partial {
            *noted = redaction;
        }
    }
}

impl Env {
    /// Returns an environment that hashes with these keys instead of those of the current log.
    pub(crate) fn with_keys(keys: Arc<HashKeys>) -> Self {
        Self {
            keys: Some(keys),
            ..Self::default()
        }
    }

    /// Sets the rules of registered models.
    pub(crate) fn under(mut self, model_rules: Option<ModelRules>) -> Self {
        self.model_rules = model_rules;
        self
    }

    /// Leaves the rules of the outermost value to the caller.
    pub(crate) fn excluding_outermost(mut self) -> Self {
        self.model_rules = self.model_rules.map(ModelRules::excluding_outermost);
        self
    }

    /// Returns whether the recorded form of a value with these fields omits or hides a part of it.
    pub(crate) fn hides_parts(&self, fields: &'static [FieldSchema]) -> bool {
        // Fast path for types without fields, which most keys have.
        !fields.is_empty()
            && any_field(fields, |field| {
                field.sensitivity != Sensitivity::Clear
                    || self
                        .model_rules
                        .as_ref()
                        .is_some_and(|model_rules| model_rules.has(field))
            })
    }

    #[inline]
    pub(crate) fn model_rules(&self) -> Option<&ModelRules> {
        self.model_rules.as_ref()
    }

    /// Requests the redactions of the top-level fields.
    pub(crate) fn noting_redactions(mut self) -> Self {
        self.noting = true;
        self
    }

    /// Starts to note the redactions of a flattened value. Returns those of the enclosing value,
    /// for [`take_redactions`](Self::take_redactions).
    pub(crate) fn note_redactions(&mut self) -> (bool, Option<Redactions>) {
        let notes = self.notes.as_mut();
        let outer = notes.and_then(|notes| notes.redactions.take());
        (mem::replace(&mut self.noting, true), outer)
    }

    /// Returns the redactions of a flattened value and restores those of the enclosing one.
    pub(crate) fn take_redactions(
        &mut self,
        (noting, outer): (bool, Option<Redactions>),
    ) -> Redactions {
        self.noting = noting;
        let Some(notes) = &mut self.notes else {
            return Redactions::default();
        };
        mem::replace(&mut notes.redactions, outer).unwrap_or_default()
    }

    /// Notes a key of a flattened map that a declared field shadows.
    pub(crate) fn note_shadowed_key(&mut self, field: &FieldSchema, key: &str) {
        let segments = [field.name, key].map(|name| PathSegment::Name(name.to_owned()));
        let path = Path::from_segments(&segments).to_string();
        let noted = &mut self.notes().shadowed_keys;
        if !noted.contains(&path) {
            noted.push(path);
        }
    }

    pub(crate) fn take_shadowed_keys(&mut self) -> Vec<String> {
        let notes = self.notes.as_mut();
        notes.map_or_else(Vec::new, |notes| mem::take(&mut notes.shadowed_keys))
    }

    /// Captures values, tagged for a later comparison.
    pub(crate) fn capturing(mut self) -> Self {
        self.notes().capture = Some(Box::default());
        self
    }

    pub(crate) fn take_capture(&mut self) -> Capture {
        let notes = self.notes.as_mut();
        notes
            .and_then(|notes| notes.capture.take())
            .map(|capture| *capture)
            .unwrap_or_default()
    }

    /// Keeps the first error.
    pub(crate) fn fail(&mut self, error: ValueError) {
        self.notes().error.get_or_insert(error);
    }

    /// Returns whether the walk used nothing of the environment.
    #[inline]
    pub(crate) fn is_untouched(&self) -> bool {
        self.keys.is_none() && self.model_rules.is_none() && self.notes.is_none()
    }

    #[inline]
    pub(crate) fn into_error(self) -> Option<ValueError> {
        // Destructured, so that most walks have nothing to drop.
        let Notes { error, .. } = *self.notes?;
        error
    }

    #[inline]
    pub(crate) fn take_error(&mut self) -> Option<ValueError> {
        self.notes.as_mut()?.error.take()
    }

    /// Sets the fields of the outermost value that a comparison leaves out.
    pub(super) fn leave_out(&mut self, names: Option<Arc<[&'static str]>>) {
        self.notes().left_out = names;
    }

    /// Returns whether the walk has no result yet besides its value and leaves no field out.
    #[inline]
    pub(super) fn is_without_notes(&self) -> bool {
        self.notes.is_none()
    }

    #[inline]
    pub(super) fn leaves_out(&self, name: &str) -> bool {
        let names = self
            .notes
            .as_ref()
            .and_then(|notes| notes.left_out.as_ref());
        names.is_some_and(|names| names.contains(&name))
    }

    /// Returns whether the walk has failed and can stop.
    #[inline]
    pub(crate) fn failed(&self) -> bool {
        self.notes
            .as_ref()
            .is_some_and(|notes| notes.error.is_some())
    }

    /// Returns the results of the walk besides its value.
    #[cold]
    pub(super) fn notes(&mut self) -> &mut Notes {
        self.notes.get_or_insert_default()
    }

    #[inline]
    pub(super) fn capture(&self) -> Option<&Capture> {
        self.notes.as_ref()?.capture.as_deref()
    }

    pub(super) fn hash(&mut self, domain: &str, value: &Value) -> String {
        self.keys().token(domain, value)
    }

    pub(super) fn keys(&mut self) -> &Arc<HashKeys> {
        self.keys.get_or_insert_with(HashKeys::current)
    }
}

//! What a walk over values is given, and what it leaves behind.

use std::borrow::Cow;
use std::collections::HashMap;
use std::mem;
use std::sync::Arc;

use serde_json::Value;

use super::frozen::Capture;
use super::hash::HashKeys;
use super::rules::Ruling;
use super::schema::{FieldSchema, Sensitivity};
use super::visited::any_inside;
use crate::change::Redaction;
use crate::error::ValueError;
use crate::path::{Path, PathSegment};

/// What taking snapshots needs and leaves behind.
#[derive(Debug, Default)]
pub(crate) struct Env {
    pub(super) keys: Option<Arc<HashKeys>>,
    /// How many objects and arrays were built.
    pub(super) built: usize,
    /// The rules of registered models; `None` outside of a log, and where no model has any.
    pub(super) ruling: Option<Ruling>,
    /// Whether redactions are noted.
    pub(super) noting: bool,
    /// The results of a walk besides its value; `None` for most walks.
    pub(super) notes: Option<Box<Notes>>,
}

/// Results of a walk besides its value. Boxed, since every diff makes and drops an `Env`.
#[derive(Debug, Default)]
pub(super) struct Notes {
    pub(super) error: Option<ValueError>,
    /// The keys of flattened maps that have the name of a declared field, as paths.
    pub(super) passed_over: Vec<String>,
    /// The redactions of top-level fields, where the caller asked for them and there are any.
    pub(super) redactions: Option<Redactions>,
    /// The capture of values that are compared after they changed.
    pub(super) capture: Option<Box<Capture>>,
    /// The fields of the outermost value that are compared with what they were before.
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

    /// Notes a redaction; one of all of the value comes before one of a part.
    pub(super) fn note(&mut self, name: Cow<'static, str>, redaction: Redaction) {
        let known = self.0.entry(name).or_insert(redaction);
        if *known == Redaction::Partial {
            *known = redaction;
        }
    }
}

impl Env {
    /// Hashes with these keys instead of the current log's.
    pub(crate) fn with_keys(keys: Arc<HashKeys>) -> Self {
        Self {
            keys: Some(keys),
            ..Self::default()
        }
    }

    /// Walks values under these rules.
    pub(crate) fn under(mut self, ruling: Option<Ruling>) -> Self {
        self.ruling = ruling;
        self
    }

    /// Leaves the rules of the outermost value to the caller.
    pub(crate) fn below_the_outermost(mut self) -> Self {
        self.ruling = self.ruling.map(Ruling::below_the_outermost);
        self
    }

    /// Whether values with these fields are not recorded with all that they have.
    pub(crate) fn shows_parts(&self, fields: &'static [FieldSchema]) -> bool {
        // No walk for the types without fields, which most keys are of.
        !fields.is_empty()
            && any_inside(fields, |field| {
                field.sensitivity != Sensitivity::Clear
                    || self.ruling.as_ref().is_some_and(|ruling| ruling.has(field))
            })
    }

    #[inline]
    pub(crate) fn ruling(&self) -> Option<&Ruling> {
        self.ruling.as_ref()
    }

    /// Keeps how the top-level fields are redacted.
    pub(crate) fn noting_redactions(mut self) -> Self {
        self.noting = true;
        self
    }

    /// Begins to note the redactions of a flattened value; returns those of what is around it.
    pub(crate) fn note_redactions(&mut self) -> (bool, Option<Redactions>) {
        let around = self.notes.as_mut();
        let around = around.and_then(|notes| notes.redactions.take());
        (mem::replace(&mut self.noting, true), around)
    }

    /// Ends the noting, and goes on with that of `around`.
    pub(crate) fn take_redactions(
        &mut self,
        (noting, around): (bool, Option<Redactions>),
    ) -> Redactions {
        self.noting = noting;
        let Some(notes) = &mut self.notes else {
            return Redactions::default();
        };
        mem::replace(&mut notes.redactions, around).unwrap_or_default()
    }

    /// Notes a key of a flattened map whose name a declared field has.
    pub(crate) fn pass_over(&mut self, field: &FieldSchema, key: &str) {
        let segments = [field.name, key].map(|name| PathSegment::Name(name.to_owned()));
        let path = Path::from_segments(&segments).to_string();
        let known = &mut self.notes().passed_over;
        if !known.contains(&path) {
            known.push(path);
        }
    }

    pub(crate) fn take_passed_over(&mut self) -> Vec<String> {
        let notes = self.notes.as_mut();
        notes.map_or_else(Vec::new, |notes| mem::take(&mut notes.passed_over))
    }

    /// Captures values with what tells how they are compared.
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

    #[inline]
    pub(crate) fn into_error(self) -> Option<ValueError> {
        // Taken apart, so that most walks have nothing to drop.
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

    /// Whether the walk has no result yet besides its value, and leaves nothing out.
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

    /// Returns whether there is an error, after which nothing is worth a further look.
    #[inline]
    pub(crate) fn failed(&self) -> bool {
        self.notes
            .as_ref()
            .is_some_and(|notes| notes.error.is_some())
    }

    /// Returns where the results of the walk are kept.
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

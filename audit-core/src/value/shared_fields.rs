//! Captures the fields that an object shares with its clones, before they change.

use std::sync::Arc;

use serde_json::Value;

use super::auditable::Auditable;
use super::capture::{Captured, CapturedField, Form, diff_struct, shown_struct};
use super::diff::Diff;
use super::env::Env;
use super::schema::{FieldSchema, Indirection, Placement, Sensitivity};
use super::schema_walk::Visited;
use super::snapshot::Snapshot;
use crate::error::ValueError;

/// The captured state of an object's shared fields.
#[derive(Clone, Debug)]
pub(crate) struct SharedFields {
    names: Arc<[&'static str]>,
    form: Form,
    fields: Vec<CapturedField>,
    key: String,
}

impl SharedFields {
    /// Captures the fields with these names.
    pub(crate) fn capture<T: Auditable>(
        object: &T,
        names: &Arc<[&'static str]>,
        env: Env,
    ) -> Result<Self, ValueError> {
        let mut env = env.excluding_outermost().capturing();
        let value = object.snapshot(&mut Snapshot::at_depth(&mut env, 0));
        let capture = env.take_capture();
        if let Some(error) = env.into_error() {
            return Err(error);
        }
        let (form, mut fields) = match Captured::read(value, &capture) {
            Captured::Struct(form, fields) => (form, fields),
            _ => (Form::Object, Vec::new()),
        };
        fields.retain(|field| names.contains(&field.field.name));
        Ok(Self {
            names: Arc::clone(names),
            form,
            fields,
            key: object.object_pk(),
        })
    }

    /// Returns the names of the captured fields.
    pub(crate) fn names(&self) -> &Arc<[&'static str]> {
        &self.names
    }

    /// Returns the object's key at the time of the capture.
    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    /// Compares the fields with those of `new`.
    pub(crate) fn diff(&self, new: &Self, cx: &mut Diff<'_>) {
        diff_struct(&self.fields, &new.fields, cx);
    }

    /// Writes the captured fields into a snapshot of the object.
    pub(crate) fn restore(&self, snapshot: &mut Value) {
        let shown = shown_struct(self.form, &self.fields);
        match (snapshot, shown) {
            (Value::Object(object), Value::Object(before)) => object.extend(before),
            (Value::Array(items), Value::Array(_)) => {
                for CapturedField { field, value, .. } in &self.fields {
                    if let Placement::Indexed(index) = field.placement
                        && let Some(item) = items.get_mut(index)
                    {
                        *item = value.shown();
                    }
                }
            }
            (Value::Object(_) | Value::Array(_), _) => {}
            (snapshot, before) => *snapshot = before,
        }
    }
}

/// Returns the names of the fields that an object shares with its clones and that may change:
/// those with a cell behind a pointer. Visits each type once.
///
/// A cell behind a pointer is shared; a cell in the object itself is cloned with it. The walk distinguishes
/// the two.
pub(crate) fn shared_field_names(fields: &'static [FieldSchema]) -> Arc<[&'static str]> {
    let shared = fields.iter().filter(|field| {
        field.sensitivity != Sensitivity::Skipped && is_shared(field.nested_raw(), false)
    });
    shared.map(|field| field.name).collect()
}

fn is_shared(fields: &'static [FieldSchema], pointed: bool) -> bool {
    let (mut direct, mut behind) = (Visited::default(), Visited::default());
    let mut worklist = vec![(fields, pointed)];
    while let Some((fields, pointed)) = worklist.pop() {
        let visited = if pointed { &mut behind } else { &mut direct };
        if !visited.enter(fields) {
            continue;
        }
        for field in fields {
            if field.indirection == Indirection::Cell && pointed {
                return true;
            }
            if field.sensitivity != Sensitivity::Skipped {
                worklist.push((
                    field.nested_raw(),
                    pointed || field.indirection == Indirection::Pointer,
                ));
            }
        }
    }
    false
}

//! What an object shares with its clones, as it was before a change.

use std::sync::Arc;

use serde_json::Value;

use super::auditable::Auditable;
use super::diff::Diff;
use super::env::Env;
use super::frozen::{Form, Frozen, FrozenField, diff_struct, shown_struct};
use super::schema::{FieldSchema, Place, Sensitivity, Through};
use super::snapshot::Snapshot;
use super::visited::Visited;
use crate::error::ValueError;

/// The shared fields of an object before a change.
#[derive(Clone, Debug)]
pub(crate) struct Before {
    names: Arc<[&'static str]>,
    form: Form,
    fields: Vec<FrozenField>,
    key: String,
}

impl Before {
    /// Captures the fields with these names.
    pub(crate) fn of<T: Auditable>(
        object: &T,
        names: &Arc<[&'static str]>,
        env: Env,
    ) -> Result<Self, ValueError> {
        let mut env = env.below_the_outermost().capturing();
        let value = object.snapshot(&mut Snapshot::at_depth(&mut env, 0));
        let capture = env.take_capture();
        if let Some(error) = env.into_error() {
            return Err(error);
        }
        let (form, mut fields) = match Frozen::read(value, &capture) {
            Frozen::Struct(form, fields) => (form, fields),
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

    /// Returns the names of the fields that are compared with what they were.
    pub(crate) fn names(&self) -> &Arc<[&'static str]> {
        &self.names
    }

    /// Returns the key that the object had.
    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    /// Reports how the fields differ from those of `new`.
    pub(crate) fn diff(&self, new: &Self, cx: &mut Diff<'_>) {
        diff_struct(&self.fields, &new.fields, cx);
    }

    /// Puts what the fields were into a snapshot of the object.
    pub(crate) fn restore(&self, snapshot: &mut Value) {
        let shown = shown_struct(self.form, &self.fields);
        match (snapshot, shown) {
            (Value::Object(object), Value::Object(before)) => object.extend(before),
            (Value::Array(items), Value::Array(_)) => {
                for FrozenField { field, value, .. } in &self.fields {
                    if let Place::Indexed(index) = field.place
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

/// Returns the names of the fields whose values a clone of the object shares and may change: those
/// with a cell behind a pointer. Looks at each type once.
pub(crate) fn shared_fields(fields: &'static [FieldSchema]) -> Arc<[&'static str]> {
    let is_wanted = |field: &&FieldSchema| {
        field.sensitivity != Sensitivity::Skipped && is_shared(field.nested_raw(), false)
    };
    let wanted = fields.iter().filter(is_wanted);
    wanted.map(|field| field.name).collect()
}

fn is_shared(fields: &'static [FieldSchema], pointed: bool) -> bool {
    let (mut direct, mut behind) = (Visited::default(), Visited::default());
    let mut waiting = vec![(fields, pointed)];
    while let Some((fields, pointed)) = waiting.pop() {
        let visited = if pointed { &mut behind } else { &mut direct };
        if !visited.enter(fields) {
            continue;
        }
        for field in fields {
            if field.through == Through::Cell && pointed {
                return true;
            }
            if field.sensitivity != Sensitivity::Skipped {
                waiting.push((
                    field.nested_raw(),
                    pointed || field.through == Through::Pointer,
                ));
            }
        }
    }
    false
}

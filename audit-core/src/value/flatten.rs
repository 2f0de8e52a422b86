//! Flattened fields: values whose fields or keys are members of the parent's object.
//!
//! Such a value has no path of its own. Replacing it is a change of each of its members.

use serde_json::{Map, Value};

use super::env::Redactions;
use super::schema::{FieldSchema, Placement, Sensitivity};
use super::schema_lookup::map_values;
use super::schema_walk::{Visited, any_field, find_in_object};
use crate::change::{Change, Redaction};
use crate::error::RegistrationError;

/// The claim of a flattened value's member to its name in the parent's object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NameClaim {
    /// No other field has the name.
    Free,
    /// Another declared field has the name, and so does a declared field here.
    Conflict,
    /// Another declared field has the name, and here it is the key of a map. The declared field
    /// is recorded.
    Shadowed,
}

/// Returns whether the member `name` of the flattened `field` may be recorded.
pub(crate) fn claim(field: &'static FieldSchema, name: &str) -> NameClaim {
    let Placement::Flattened(siblings) = field.placement else {
        return NameClaim::Free;
    };
    let claims = |sibling: &&FieldSchema| match sibling.placement {
        Placement::Named => sibling.name == name,
        Placement::Inline | Placement::Flattened(_) => {
            sibling.name != field.name && declares(sibling, name)
        }
        Placement::Indexed(_) | Placement::Keys => false,
    };
    let Some(sibling) = siblings().iter().find(claims) else {
        return NameClaim::Free;
    };
    match declares(field, name) {
        false => NameClaim::Shadowed,
        true if sibling.sensitivity == Sensitivity::Skipped => NameClaim::Free,
        true => NameClaim::Conflict,
    }
}

/// Returns whether the type of a flattened field declares a name, as a recorded field or as a
/// unit variant.
fn declares(field: &FieldSchema, name: &str) -> bool {
    (field.units)().contains(&name)
        || declared(field, name).is_some()
        || (field.inside().iter().any(FieldSchema::is_inline)
            && declared_names(field).contains(&name))
}

/// Returns the recorded field of this name that the type of a flattened field declares.
fn declared(field: &FieldSchema, name: &str) -> Option<&'static FieldSchema> {
    find_in_object(field.inside(), &|inner| {
        let named = matches!(inner.placement, Placement::Named) && inner.name == name;
        (named && inner.sensitivity != Sensitivity::Skipped).then_some(inner)
    })
}

/// Returns how a replacement of a field's value is redacted.
pub(crate) fn redaction_of(field: &FieldSchema) -> Option<Redaction> {
    let redacted = |field: &FieldSchema| {
        matches!(
            field.sensitivity,
            Sensitivity::Masked(_) | Sensitivity::Hashed
        )
    };
    match field.sensitivity {
        Sensitivity::Masked(_) => Some(Redaction::Masked),
        Sensitivity::Hashed => Some(Redaction::Hashed),
        _ => any_field(field.fields(), redacted).then_some(Redaction::Partial),
    }
}

/// Returns the description of a flattened field's member: the declared field, or the values of
/// the map.
pub(crate) fn member(field: &FieldSchema, name: &str) -> Option<&'static FieldSchema> {
    declared(field, name).or_else(|| map_values(field.inside()))
}

pub(crate) fn name_conflict(name: &str) -> String {
    format!("two fields of one object are recorded as `{name}`")
}

pub(crate) fn key_conflict(field: &FieldSchema) -> String {
    format!(
        "a key of the flattened field `{}` is a key of another one too",
        field.name
    )
}

pub(crate) fn not_an_object(field: &FieldSchema) -> String {
    format!("the flattened field `{}` is not an object", field.name)
}

/// The old and the new value of one member of a replaced flattened value.
pub(crate) struct Part {
    pub(crate) name: String,
    pub(crate) old: Option<Value>,
    pub(crate) new: Option<Value>,
    pub(crate) redaction: Option<Redaction>,
    /// The field, if the type declares it.
    pub(crate) field: Option<&'static FieldSchema>,
}

/// Splits the replacement of a flattened value into its members, in declaration order and then
/// by key; `redactions` are those of the members. Returns `None` if one of the values is not an
/// object.
pub(crate) fn parts(
    field: &'static FieldSchema,
    change: Change,
    redactions: &Redactions,
) -> Option<Vec<Part>> {
    fn fields(value: Option<Value>) -> Option<Map<String, Value>> {
        match value {
            None | Some(Value::Null) => Some(Map::new()),
            Some(Value::Object(fields)) => Some(fields),
            Some(_) => None,
        }
    }
    let (mut old, mut new) = (fields(change.old)?, fields(change.new)?);
    let mut names: Vec<String> = old.keys().cloned().collect();
    names.extend(new.keys().filter(|name| !old.contains_key(*name)).cloned());
    let mut parts: Vec<Part> = names
        .into_iter()
        .map(|name| {
            let described = member(field, &name);
            let of_type = || change.redaction.and(described).and_then(redaction_of);
            Part {
                old: old.remove(&name),
                new: new.remove(&name),
                redaction: redactions.of(&name).or_else(of_type),
                field: described.filter(|field| matches!(field.placement, Placement::Named)),
                name,
            }
        })
        .collect();
    if change.redaction.is_some() && parts.iter().all(|part| part.redaction.is_none()) {
        // The types do not show which part is redacted, so any of the values may be.
        for part in &mut parts {
            part.redaction = change.redaction;
        }
    }
    let order = declared_names(field);
    parts.sort_by_cached_key(|part| {
        let index = order.iter().position(|name| *name == part.name);
        (index.unwrap_or(order.len()), part.name.clone())
    });
    parts.retain(|part| part.old != part.new || hides(part.redaction));
    Some(parts)
}

/// Returns whether two different values may have the same recorded form.
fn hides(redaction: Option<Redaction>) -> bool {
    matches!(redaction, Some(Redaction::Masked | Redaction::Partial))
}

/// Returns the recorded names that the type of a flattened field declares, including its unit
/// variants.
fn declared_names(field: &FieldSchema) -> Vec<&'static str> {
    names_below(field, &[])
}

/// Returns the recorded names that the type of a flattened field declares, without those of the
/// enclosing type, which it may contain.
fn names_below(field: &FieldSchema, enclosing: &[FieldSchema]) -> Vec<&'static str> {
    let names_of =
        |fields: &[FieldSchema]| -> Vec<&str> { fields.iter().map(|field| field.name).collect() };
    let enclosing = names_of(enclosing);
    let mut names = (field.units)().to_vec();
    let mut visited = Visited::default();
    let mut worklist = vec![field.inside()];
    while let Some(fields) = worklist.pop() {
        if !visited.enter(fields) || names_of(fields) == enclosing {
            continue;
        }
        for inner in fields {
            match inner.placement {
                Placement::Named if inner.sensitivity != Sensitivity::Skipped => {
                    names.push(inner.name);
                }
                Placement::Inline | Placement::Flattened(_) => {
                    names.extend((inner.units)());
                    worklist.push(inner.inside());
                }
                Placement::Named | Placement::Indexed(_) | Placement::Keys => {}
            }
        }
    }
    names
}

/// Rejects a model in which two declared fields of one object have the same name.
pub(crate) fn check(model: &str, fields: &'static [FieldSchema]) -> Result<(), RegistrationError> {
    let mut visited = Visited::default();
    let mut worklist = vec![fields];
    while let Some(fields) = worklist.pop() {
        if !visited.enter(fields) {
            continue;
        }
        for field in fields {
            let siblings = match field.placement {
                Placement::Flattened(siblings) => siblings(),
                // The fields of a variant are siblings of the enum's internal tag.
                Placement::Inline => {
                    let tag = |sibling: &&FieldSchema| Some(sibling.name) == field.tag;
                    fields
                        .iter()
                        .find(tag)
                        .map_or(&[][..], std::slice::from_ref)
                }
                _ => continue,
            };
            if let Some(name) = conflicting_name(field, siblings, fields) {
                return Err(RegistrationError::NameTaken {
                    model: model.to_owned(),
                    field: field.name.to_owned(),
                    name: name.to_owned(),
                });
            }
            if let Some(other) = other_map(field, siblings) {
                return Err(RegistrationError::TwoMaps {
                    model: model.to_owned(),
                    field: field.name.to_owned(),
                    other: other.to_owned(),
                });
            }
        }
        worklist.extend(fields.iter().map(FieldSchema::inside));
    }
    Ok(())
}

/// Returns a name of `field` that a sibling has too. A type flattened into itself conflicts only
/// in a value that actually nests, which is rejected when it is recorded.
fn conflicting_name(
    field: &'static FieldSchema,
    siblings: &'static [FieldSchema],
    enclosing: &'static [FieldSchema],
) -> Option<&'static str> {
    let names = names_below(field, enclosing);
    let inside = siblings.iter().filter(|sibling| {
        sibling.name != field.name
            && sibling.sensitivity != Sensitivity::Skipped
            && matches!(
                sibling.placement,
                Placement::Named | Placement::Inline | Placement::Flattened(_)
            )
    });
    let mut others = inside.flat_map(|sibling| match sibling.placement {
        Placement::Named => vec![sibling.name],
        _ => names_below(sibling, enclosing),
    });
    others.find(|name| names.contains(name))
}

/// Returns a sibling that is a flattened map, if `field` is one too.
fn other_map(
    field: &'static FieldSchema,
    siblings: &'static [FieldSchema],
) -> Option<&'static str> {
    if !matches!(field.placement, Placement::Flattened(_)) || map_values(field.inside()).is_none() {
        return None;
    }
    let mut others = siblings.iter().filter(|sibling| sibling.is_inline());
    let other = others.find(|sibling| map_values(sibling.inside()).is_some());
    other.map(|sibling| sibling.name)
}

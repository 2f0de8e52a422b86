//! Flattened fields: values whose fields or keys stand in the parent's object.
//!
//! Such a value has no path of its own. A replacement of it is a change at each of its names.

use serde_json::{Map, Value};

use super::env::Redactions;
use super::schema::{FieldSchema, Place, Sensitivity};
use super::visited::{Visited, any_inside, in_place};
use crate::change::{Change, Redaction};
use crate::error::RegistrationError;

/// Whether a name of a flattened value may be recorded in the parent's object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// No other field has the name.
    Free,
    /// Another field has the name, and both are declared.
    Taken,
    /// Another field has the name, and here it is the key of a map: the declared field is
    /// recorded.
    PassedOver,
}

/// Returns whether `name`, which is a name of the flattened `field`, may be recorded.
pub(crate) fn standing(field: &'static FieldSchema, name: &str) -> Standing {
    let Place::Flat(siblings) = field.place else {
        return Standing::Free;
    };
    let claims = |sibling: &&FieldSchema| match sibling.place {
        Place::Named => sibling.name == name,
        Place::Inline | Place::Flat(_) => sibling.name != field.name && declares(sibling, name),
        Place::Indexed(_) | Place::Keys => false,
    };
    let Some(sibling) = siblings().iter().find(claims) else {
        return Standing::Free;
    };
    match declares(field, name) {
        false => Standing::PassedOver,
        true if sibling.sensitivity == Sensitivity::Skipped => Standing::Free,
        true => Standing::Taken,
    }
}

/// Whether the type of a flattened field declares a name: as a recorded field or as a variant
/// without data.
fn declares(field: &FieldSchema, name: &str) -> bool {
    (field.units)().contains(&name)
        || declared(field, name).is_some()
        || (field.inside().iter().any(FieldSchema::is_inline)
            && declared_names(field).contains(&name))
}

/// Returns the recorded field of this name that the type of a flattened field declares.
fn declared(field: &FieldSchema, name: &str) -> Option<&'static FieldSchema> {
    in_place(field.inside(), &|inner| {
        let named = matches!(inner.place, Place::Named) && inner.name == name;
        (named && inner.sensitivity != Sensitivity::Skipped).then_some(inner)
    })
}

/// How a field's whole value is redacted.
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
        _ => any_inside(field.fields(), redacted).then_some(Redaction::Partial),
    }
}

/// Returns what describes the value under a name of a flattened field: the declared field, or
/// the values of the map.
pub(crate) fn member(field: &FieldSchema, name: &str) -> Option<&'static FieldSchema> {
    declared(field, name).or_else(|| map_in(field))
}

fn map_in(field: &FieldSchema) -> Option<&'static FieldSchema> {
    in_place(field.inside(), &|inner| {
        matches!(inner.place, Place::Keys).then_some(inner)
    })
}

pub(crate) fn taken(name: &str) -> String {
    format!("two fields of one object are recorded as `{name}`")
}

pub(crate) fn twice(field: &FieldSchema) -> String {
    format!(
        "a key of the flattened field `{}` is a key of another one too",
        field.name
    )
}

pub(crate) fn no_object(field: &FieldSchema) -> String {
    format!("the flattened field `{}` is not an object", field.name)
}

/// The old and the new value of a replaced flattened value under one of its names.
pub(crate) struct Part {
    pub(crate) name: String,
    pub(crate) old: Option<Value>,
    pub(crate) new: Option<Value>,
    pub(crate) redaction: Option<Redaction>,
    /// The field, if the type declares it.
    pub(crate) field: Option<&'static FieldSchema>,
}

/// Splits the replacement of a flattened value into its names, in declaration order and then
/// by key; `redactions` are those of its members. Returns `None` if one of the values is not an
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
                field: described.filter(|field| matches!(field.place, Place::Named)),
                name,
            }
        })
        .collect();
    if change.redaction.is_some() && parts.iter().all(|part| part.redaction.is_none()) {
        // What is redacted is not in the types: any of the values may be.
        for part in &mut parts {
            part.redaction = change.redaction;
        }
    }
    let order = declared_names(field);
    parts.sort_by_cached_key(|part| {
        let place = order.iter().position(|name| *name == part.name);
        (place.unwrap_or(order.len()), part.name.clone())
    });
    parts.retain(|part| part.old != part.new || hides(part.redaction));
    Some(parts)
}

/// Whether two values may differ that are recorded alike.
fn hides(redaction: Option<Redaction>) -> bool {
    matches!(redaction, Some(Redaction::Masked | Redaction::Partial))
}

/// The recorded names that the type of a flattened field declares, with those of its variants
/// without data.
fn declared_names(field: &FieldSchema) -> Vec<&'static str> {
    names_below(field, &[])
}

/// The recorded names that the type of a flattened field declares, without those of the type
/// `around` it, which it may hold.
fn names_below(field: &FieldSchema, around: &[FieldSchema]) -> Vec<&'static str> {
    let names_of =
        |fields: &[FieldSchema]| -> Vec<&str> { fields.iter().map(|field| field.name).collect() };
    let around = names_of(around);
    let mut names = (field.units)().to_vec();
    let mut visited = Visited::default();
    let mut waiting = vec![field.inside()];
    while let Some(level) = waiting.pop() {
        if !visited.enter(level) || names_of(level) == around {
            continue;
        }
        for inner in level {
            match inner.place {
                Place::Named if inner.sensitivity != Sensitivity::Skipped => {
                    names.push(inner.name);
                }
                Place::Inline | Place::Flat(_) => {
                    names.extend((inner.units)());
                    waiting.push(inner.inside());
                }
                Place::Named | Place::Indexed(_) | Place::Keys => {}
            }
        }
    }
    names
}

/// Refuses a model in which two declared fields of one object have one name.
pub(crate) fn check(model: &str, fields: &'static [FieldSchema]) -> Result<(), RegistrationError> {
    let mut visited = Visited::default();
    let mut waiting = vec![fields];
    while let Some(level) = waiting.pop() {
        if !visited.enter(level) {
            continue;
        }
        for field in level {
            let siblings = match field.place {
                Place::Flat(siblings) => siblings(),
                // The fields of a variant stand beside the tag of the enum, if that is here.
                Place::Inline => {
                    let tag = |sibling: &&FieldSchema| Some(sibling.name) == field.tag;
                    level.iter().find(tag).map_or(&[][..], std::slice::from_ref)
                }
                _ => continue,
            };
            if let Some(name) = taken_name(field, siblings, level) {
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
        waiting.extend(level.iter().map(FieldSchema::inside));
    }
    Ok(())
}

/// Returns a name of `field` that a sibling has too. A type that is flattened into itself has
/// its names twice only in a value that does so, which is refused when it is recorded.
fn taken_name(
    field: &'static FieldSchema,
    siblings: &'static [FieldSchema],
    level: &'static [FieldSchema],
) -> Option<&'static str> {
    let names = names_below(field, level);
    let inside = siblings.iter().filter(|sibling| {
        sibling.name != field.name
            && sibling.sensitivity != Sensitivity::Skipped
            && matches!(sibling.place, Place::Named | Place::Inline | Place::Flat(_))
    });
    let mut others = inside.flat_map(|sibling| match sibling.place {
        Place::Named => vec![sibling.name],
        _ => names_below(sibling, level),
    });
    others.find(|name| names.contains(name))
}

/// Returns a sibling that is a flattened map, if `field` is one too.
fn other_map(
    field: &'static FieldSchema,
    siblings: &'static [FieldSchema],
) -> Option<&'static str> {
    if !matches!(field.place, Place::Flat(_)) || map_in(field).is_none() {
        return None;
    }
    let mut others = siblings.iter().filter(|sibling| sibling.is_inline());
    let other = others.find(|sibling| map_in(sibling).is_some());
    other.map(|sibling| sibling.name)
}

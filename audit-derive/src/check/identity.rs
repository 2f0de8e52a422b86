//! What the identity of an entity must keep, and the words that need one.

use crate::ast::{Body, Container, Data};
use crate::errors::Errors;
use crate::setting::Redaction;
use crate::symbol::{
    ACTIONS, FLATTEN, ID, IDENTITY_IS_CLEAR, LEVELS, MASK, MASK_WITH, MODEL, ONLY, PARENT, REPR,
    REQUIRE_REASON, SKIP, SKIP_NONE, TRANSPARENT, VALUE, VERSION,
};

/// The identity stands in every entry, in clear or as a token; an identity found by its name alone gets a
/// way out in the message.
pub(super) fn redacted_identity(container: &Container<'_>, body: &Body<'_>, errors: &mut Errors) {
    for field in container.identity.iter().map(|place| &body.fields[*place]) {
        if field.settings.id {
            // `contradictions` speaks of it.
            continue;
        }
        let redacting = [SKIP, MASK, MASK_WITH, FLATTEN, SKIP_NONE];
        for (word, token) in field.settings.given.iter() {
            if redacting.contains(&word) && !(word == SKIP && field.settings.skip == Some(false)) {
                let name = field.source_name();
                errors.at(
                    token,
                    format!(
                        "`{word}` contradicts that `{name}` is the identity: {IDENTITY_IS_CLEAR}; \
                         put `#[audit(value)]` on the struct if it has none"
                    ),
                );
            }
        }
    }
}

/// The parent's key stands in every entry, so its field is in clear, or hashed as the parent's
/// identity is, which the expansion checks.
pub(super) fn parent_key_is_recorded(
    container: &Container<'_>,
    body: &Body<'_>,
    errors: &mut Errors,
) {
    let (Some((_, key)), Some(place)) = (&container.settings.parent, container.parent_key) else {
        return;
    };
    let field = &body.fields[place];
    if field.skipped || matches!(field.settings.redaction, Redaction::Mask(_)) {
        let name = field.source_name();
        errors.at(
            key,
            format!(
                "`{name}` is skipped or masked, but the parent's key stands in every entry, in \
                 clear or as the token of `hash`"
            ),
        );
    }
}

/// An enum is a value.
pub(super) fn enum_is_no_entity(container: &Container<'_>, errors: &mut Errors) {
    for word in [ID, ONLY, TRANSPARENT] {
        if let Some(token) = container.settings.given.get(word) {
            let why = if word == ID { AN_ENUM_IS_A_VALUE } else { "" };
            errors.at(
                token,
                format!("`{word}` is for structs, not for enums{why}"),
            );
        }
    }
}

const AN_ENUM_IS_A_VALUE: &str = "; an enum is a value: put it in a struct that has an identity";

/// A variant's field cannot be the identity.
pub(super) fn no_identity_in_variant(body: &Body<'_>, errors: &mut Errors) {
    for token in body
        .fields
        .iter()
        .filter_map(|field| field.settings.given.get(ID))
    {
        errors.at(
            token,
            format!("`id` is for structs, not for enums{AN_ENUM_IS_A_VALUE}"),
        );
    }
}

/// What speaks of entries needs a type that has entries of its own.
pub(super) fn needs_identity(container: &Container<'_>, errors: &mut Errors) {
    if !container.identity.is_empty() || !container.settings.id.is_empty() {
        return;
    }
    let is_enum = matches!(container.data, Data::Enum(..));
    for word in [
        MODEL,
        REPR,
        LEVELS,
        ACTIONS,
        VERSION,
        PARENT,
        REQUIRE_REASON,
    ] {
        let Some(token) = container.settings.given.get(word) else {
            continue;
        };
        let advice = if is_enum {
            "an enum is a value: put it in a struct that has one"
        } else if container.settings.value {
            "`value` says that there is none"
        } else {
            "mark the field that is with `#[audit(id)]`"
        };
        errors.at(
            token,
            format!("`{word}` needs a type with an identity; {advice}"),
        );
    }
}

/// The identity is given in one way.
pub(super) fn identity_given_once(container: &Container<'_>, errors: &mut Errors) {
    let Data::Struct(body) = &container.data else {
        return;
    };
    let given = &container.settings.given;
    let on_fields = body
        .fields
        .iter()
        .filter_map(|field| field.settings.given.get(ID));
    if given.get(ID).is_some() || given.get(VALUE).is_some() {
        let why = if given.get(ID).is_some() {
            "the struct's own `id` says which fields are the identity"
        } else {
            "`value` on the struct says that it has no identity"
        };
        for token in on_fields {
            errors.at(
                token,
                format!("`id` contradicts the struct's attributes: {why}"),
            );
        }
    }
    if let (Some(_), Some(token)) = (given.get(ID), given.get(VALUE)) {
        errors.at(
            token,
            "`value` contradicts `id`: a mere value has no identity",
        );
    }
    for names in [
        Some(&container.settings.id),
        container.settings.only.as_ref(),
    ] {
        let mut seen: Vec<&str> = Vec::new();
        for name in names.into_iter().flatten() {
            if seen.contains(&name.text.as_str()) {
                errors.at(name, format!("`{}` is given twice", name.text));
            }
            seen.push(&name.text);
        }
    }
}

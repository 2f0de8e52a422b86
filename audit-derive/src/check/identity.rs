//! Rules about the identity of an entity and the attributes that need one.

use crate::ast::{Body, Container, Data};
use crate::errors::Errors;
use crate::setting::Redaction;
use crate::symbol::{
    ACTIONS, FLATTEN, ID, IDENTITY_IS_CLEAR, LEVELS, MASK, MASK_WITH, MODEL, ONLY, PARENT, REPR,
    REQUIRE_REASON, SKIP, SKIP_NONE, TRANSPARENT, VALUE, VERSION,
};

/// The identity is part of every entry, in clear or as a token. For an identity found by the name
/// `id` alone, the message suggests `#[audit(value)]`.
pub(super) fn redacted_identity(container: &Container<'_>, body: &Body<'_>, errors: &mut Errors) {
    for field in container.identity.iter().map(|index| &body.fields[*index]) {
        if field.settings.id {
            // Reported by `contradictions`.
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

/// The parent's key is part of every entry, so its field must be in clear, or hashed like the
/// parent's identity, which the expansion checks.
pub(super) fn parent_key_is_recorded(
    container: &Container<'_>,
    body: &Body<'_>,
    errors: &mut Errors,
) {
    let (Some((_, key)), Some(index)) = (&container.settings.parent, container.parent_key) else {
        return;
    };
    let field = &body.fields[index];
    if field.skipped || matches!(field.settings.redaction, Redaction::Mask(_)) {
        let name = field.source_name();
        errors.at(
            key,
            format!(
                "`{name}` is skipped or masked, but the parent's key is part of every entry, in \
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

/// Attributes about entries need an entity.
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
            "`value` declares that there is none"
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
            "the struct's own `id` lists the fields of the identity"
        } else {
            "`value` on the struct declares that it has no identity"
        };
        for token in on_fields {
            errors.at(
                token,
                format!("`id` contradicts the struct's attributes: {why}"),
            );
        }
    }
    if let (Some(_), Some(token)) = (given.get(ID), given.get(VALUE)) {
        errors.at(token, "`value` contradicts `id`: a value has no identity");
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

//! The rules that a type must keep, one function each.

use std::collections::HashSet;

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::LitStr;

use crate::ast::{
    Body, Container, Conversion, Data, Field, Presence, Shape, Tagging, Variant, inner_of_option,
};
use crate::errors::Errors;
use crate::setting::{Equality, FieldSettings, Form, Redaction};
use crate::symbol::{
    ACTIONS, ALIAS, DEBUG, DISPLAY, EQ, FLATTEN, HASH, ID, IGNORE, KEY, LEVEL, LEVELS, MASK,
    MASK_WITH, MODEL, NOT_SECRET, ONLY, PARENT, REFERENCE, RENAME, RENAME_ALL, RENAME_ALL_FIELDS,
    REPR, REQUIRE_REASON, SERDE, SERDE_SKIP, SET, SKIP, SKIP_NONE, TOLERANCE, TRANSPARENT, VALUE,
    VERSION, WHOLE, WITH,
};

/// Checks a type against every rule.
pub(crate) fn all(container: &Container<'_>, errors: &mut Errors) {
    match &container.data {
        Data::Struct(body) => {
            redacted_identity(container, body, errors);
            parent_key_is_recorded(container, body, errors);
            transparent_has_one_field(container, body, errors);
            no_variants_no_variant_fields(container, errors);
            body_rules(body, errors);
        }
        Data::Enum(variants, tagging) => {
            enum_is_no_entity(container, errors);
            for variant in variants {
                no_identity_in_variant(&variant.body, errors);
                variant_is_written_by_serde(container, variant, errors);
                body_rules(&variant.body, errors);
            }
            let names: Vec<_> = variants
                .iter()
                .filter(|variant| *variant.tagging(tagging) != Tagging::Untagged)
                .map(|variant| StoredName {
                    name: &variant.name,
                    token: variant.original.ident.to_token_stream(),
                    aliases: &variant.settings.aliases,
                })
                .collect();
            unique_names(&names, "variants", errors);
        }
    }
    needs_identity(container, errors);
    identity_given_once(container, errors);
    converted_type_has_no_fields(container, errors);
    converted_type_is_a_value(container, errors);
}

fn body_rules(body: &Body<'_>, errors: &mut Errors) {
    for field in &body.fields {
        contradictions(field, errors);
        serde_skips_what_is_set(field, errors);
        skip_none_needs_option(field, errors);
        tuple_fields_have_no_name(field, errors);
        key_is_a_field_name(field, errors);
        serde_is_set_aside_with_cause(field, errors);
    }
    if body.shape == Shape::Named {
        let stored = body
            .fields
            .iter()
            .filter(|field| !field.skipped && !field.flatten);
        let names: Vec<_> = stored
            .map(|field| {
                let token = match &field.settings.rename {
                    Some(rename) => rename.to_token_stream(),
                    None => field.member.to_token_stream(),
                };
                StoredName {
                    name: &field.name,
                    token,
                    aliases: &field.settings.aliases,
                }
            })
            .collect();
        unique_names(&names, "fields", errors);
    }
}

/// Words that cannot stand together on one field, and why.
const CONTRADICTIONS: &[(&str, &[&str], &str)] = &[
    (
        SKIP,
        &[
            MASK, MASK_WITH, HASH, LEVEL, IGNORE, REFERENCE, KEY, SET, WHOLE, SERDE, DISPLAY,
            DEBUG, WITH, EQ, TOLERANCE, SKIP_NONE, FLATTEN,
        ],
        "a skipped field is not recorded at all",
    ),
    (
        ID,
        &[SKIP, MASK, MASK_WITH, FLATTEN, SKIP_NONE],
        IDENTITY_IS_CLEAR,
    ),
    (
        NOT_SECRET,
        &[MASK, MASK_WITH, HASH, SKIP],
        "what is hidden is a secret",
    ),
    (MASK, &[MASK_WITH, HASH], "a field is redacted in one way"),
    (MASK_WITH, &[HASH], "a field is redacted in one way"),
    (
        MASK_WITH,
        &[SERDE, DISPLAY, DEBUG, WITH, REFERENCE, KEY, SET],
        "the function's result is what is recorded",
    ),
    (
        FLATTEN,
        &[
            MASK, MASK_WITH, HASH, WHOLE, KEY, SET, SERDE, DISPLAY, DEBUG, WITH, REFERENCE, RENAME,
            ALIAS, SKIP_NONE, TOLERANCE,
        ],
        "a flattened field has no place of its own",
    ),
    (
        WHOLE,
        &[KEY, SET],
        "a value recorded whole has no items to match",
    ),
    (
        SERDE,
        &[DISPLAY, DEBUG, WITH, REFERENCE, KEY, SET],
        ONE_FORM,
    ),
    (DISPLAY, &[DEBUG, WITH, REFERENCE, KEY, SET], ONE_FORM),
    (DEBUG, &[WITH, REFERENCE, KEY, SET], ONE_FORM),
    (WITH, &[REFERENCE, KEY, SET], ONE_FORM),
    (REFERENCE, &[KEY, SET], ONE_FORM),
    (KEY, &[SET], "the items of a list are matched in one way"),
    (EQ, &[TOLERANCE], "two values are compared in one way"),
];

const IDENTITY_IS_CLEAR: &str =
    "the identity names the object in every entry, in clear or as the token of `hash`";
const ONE_FORM: &str = "a field is recorded in one form";

/// No two attributes of a field contradict each other.
fn contradictions(field: &Field<'_>, errors: &mut Errors) {
    let given: Vec<_> = field
        .settings
        .given
        .iter()
        .filter(|(word, _)| *word != SKIP || field.settings.skip == Some(true))
        .collect();
    for (place, (word, token)) in given.iter().enumerate() {
        let earlier = given[..place].iter().find_map(|(other, _)| {
            CONTRADICTIONS
                .iter()
                .find(|(first, rest, _)| {
                    (first == word && rest.contains(other))
                        || (first == other && rest.contains(word))
                })
                .map(|(_, _, why)| (other, why))
        });
        if let Some((other, why)) = earlier {
            errors.at(token, format!("`{word}` contradicts `{other}`: {why}"));
        }
    }
}

/// An attribute that says how a field is recorded needs a field that is recorded: where only
/// serde skips it, the user says which is meant.
fn serde_skips_what_is_set(field: &Field<'_>, errors: &mut Errors) {
    if !field.serde_skipped || !field.skipped || field.settings.skip.is_some() {
        return;
    }
    let recording = CONTRADICTIONS[0].1;
    let set = field
        .settings
        .given
        .iter()
        .find(|(word, _)| recording.contains(word));
    if let Some((word, token)) = set {
        errors.at(
            token,
            format!(
                "`{word}` has no effect, since serde skips the field and so does the trail; \
                 add `skip = false` to record it"
            ),
        );
    }
}

/// `skip_none` and a tolerance on an optional field look into an `Option`.
fn skip_none_needs_option(field: &Field<'_>, errors: &mut Errors) {
    if let Some(token) = field.settings.given.get(SKIP_NONE)
        && inner_of_option(&field.original.ty).is_none()
    {
        errors.at(
            token,
            "`skip_none` needs a field whose type is written as `Option<...>`",
        );
    }
    if let Presence::SkipIf(path) = &field.presence
        && matches!(
            field.settings.equality,
            Some(Equality::Tolerance(_) | Equality::TimeTolerance(_))
        )
    {
        errors.at(
            path,
            "a field with a `tolerance` cannot be left out by a predicate",
        );
    }
}

/// A tuple's fields are stored by their index.
fn tuple_fields_have_no_name(field: &Field<'_>, errors: &mut Errors) {
    if field.original.ident.is_some() {
        return;
    }
    for word in [RENAME, ALIAS, FLATTEN] {
        if let Some(token) = field.settings.given.get(word) {
            errors.at(
                token,
                format!("`{word}` needs a named field; a tuple's field is stored by its index"),
            );
        }
    }
}

/// `serde = false` is for a field with serde's `with` or `serialize_with`.
fn serde_is_set_aside_with_cause(field: &Field<'_>, errors: &mut Errors) {
    let FieldSettings {
        given,
        serde_ignored,
        ..
    } = &field.settings;
    if let Some(token) = given.get(SERDE)
        && *serde_ignored
        && !field.has_serializer
    {
        errors.at(
            token,
            "`serde = false` has no effect, since the field has no `with` or `serialize_with` \
             of serde",
        );
    }
}

/// A variant that serde writes by a function is recorded by serde or not at all.
fn variant_is_written_by_serde(
    container: &Container<'_>,
    variant: &Variant<'_>,
    errors: &mut Errors,
) {
    if let Some(path) = &variant.serializer
        && container.conversion.is_none()
    {
        errors.at(
            path,
            "serde's `with` and `serialize_with` on a variant are not followed; put \
             `#[audit(serde)]` on the enum to record it as serde writes it",
        );
    }
}

/// What is recorded in place of the fields of a type knows nothing of their attributes, so a
/// mask there would hide nothing.
fn converted_type_has_no_fields(container: &Container<'_>, errors: &mut Errors) {
    let Some(conversion) = &container.conversion else {
        return;
    };
    let (form, advice) = match conversion {
        Conversion::Serde => (
            "as serde writes it",
            "put the mask on the field that holds it",
        ),
        Conversion::Display => ("as its text", "put the mask on the field that holds it"),
        Conversion::Into(_) => (
            "as the type of serde's `into`",
            "put the attribute on that type",
        ),
    };
    let bodies: Vec<&Body<'_>> = match &container.data {
        Data::Struct(body) => vec![body],
        Data::Enum(variants, _) => variants.iter().map(|variant| &variant.body).collect(),
    };
    let of_fields = bodies.iter().flat_map(|body| &body.fields);
    let of_fields = of_fields.flat_map(|field| field.settings.given.iter());
    let of_type = [ONLY, RENAME_ALL, RENAME_ALL_FIELDS, TRANSPARENT, SERDE_SKIP]
        .into_iter()
        .filter_map(|word| Some((word, container.settings.given.get(word)?)));
    for (word, token) in of_fields.filter(|(word, _)| *word != ID).chain(of_type) {
        errors.at(
            token,
            format!("`{word}` has no effect, since the type is recorded {form}; {advice}"),
        );
    }
}

/// A type is recorded in one form, and an entity by its fields.
fn converted_type_is_a_value(container: &Container<'_>, errors: &mut Errors) {
    let given = &container.settings.given;
    if let (Some(_), Some(token)) = (given.get(SERDE), given.get(DISPLAY)) {
        errors.at(
            token,
            "`display` contradicts `serde`: a type is recorded in one form",
        );
    }
    for word in [SERDE, DISPLAY] {
        if let Some(token) = given.get(word)
            && !container.identity.is_empty()
        {
            errors.at(
                token,
                format!(
                    "`{word}` is for values, and an entity is recorded by its fields; put it on \
                     the fields, or `value` on the struct if it has no identity"
                ),
            );
        }
    }
}

/// `key` names a field of the list's items.
fn key_is_a_field_name(field: &Field<'_>, errors: &mut Errors) {
    if let Some(Form::Key(key)) = &field.settings.form
        && crate::expand::member(key).is_none()
    {
        errors.at(key, format!("`{}` is not the name of a field", key.value()));
    }
}

/// A name under which a field or a variant is stored, with the token to underline.
struct StoredName<'c> {
    name: &'c str,
    token: TokenStream,
    aliases: &'c [LitStr],
}

/// No two fields or variants are stored under one name, former names included.
fn unique_names(names: &[StoredName<'_>], what: &str, errors: &mut Errors) {
    let mut seen = HashSet::new();
    for stored in names {
        if !seen.insert(stored.name.to_owned()) {
            errors.at(
                &stored.token,
                format!("two {what} are stored as `{}`", stored.name),
            );
        }
    }
    for alias in names.iter().flat_map(|stored| stored.aliases) {
        let name = alias.value();
        if !seen.insert(name.clone()) {
            errors.at(
                alias,
                format!("`{name}` is the name of one of the {what} already"),
            );
        }
    }
}

/// The identity stands in every entry, in clear or as a token; an identity found by its name alone gets a
/// way out in the message.
fn redacted_identity(container: &Container<'_>, body: &Body<'_>, errors: &mut Errors) {
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
fn parent_key_is_recorded(container: &Container<'_>, body: &Body<'_>, errors: &mut Errors) {
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

/// A transparent struct has exactly one recorded field.
fn transparent_has_one_field(container: &Container<'_>, body: &Body<'_>, errors: &mut Errors) {
    let Some(token) = container.settings.given.get(TRANSPARENT) else {
        return;
    };
    if !matches!(body.shape, Shape::Inline(place) if !body.fields[place].skipped) {
        errors.at(
            token,
            "`transparent` needs exactly one recorded field; put `#[audit(skip)]` on the others",
        );
    }
}

/// `rename_all_fields` is for enums.
fn no_variants_no_variant_fields(container: &Container<'_>, errors: &mut Errors) {
    if let Some(token) = container.settings.given.get(RENAME_ALL_FIELDS) {
        errors.at(token, "`rename_all_fields` is for enums; use `rename_all`");
    }
}

/// An enum is a value.
fn enum_is_no_entity(container: &Container<'_>, errors: &mut Errors) {
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
fn no_identity_in_variant(body: &Body<'_>, errors: &mut Errors) {
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
fn needs_identity(container: &Container<'_>, errors: &mut Errors) {
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
fn identity_given_once(container: &Container<'_>, errors: &mut Errors) {
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

//! Rules about the attributes of one field.

use crate::ast::{Field, Presence, option_inner};
use crate::errors::Errors;
use crate::expand;
use crate::setting::{Equality, FieldSettings, Form};
use crate::symbol::{
    ALIAS, FLATTEN, KEY, RECORDING, RENAME, SERDE, SKIP, SKIP_NONE, contradiction,
};

/// No two attributes of a field contradict each other.
pub(super) fn contradictions(field: &Field<'_>, errors: &mut Errors) {
    let given: Vec<_> = field
        .settings
        .given
        .iter()
        .filter(|(word, _)| match *word {
            SKIP => field.settings.skip == Some(true),
            SERDE => !field.settings.serde_ignored,
            _ => true,
        })
        .collect();
    for (index, (word, token)) in given.iter().enumerate() {
        let earlier = given[..index]
            .iter()
            .find_map(|(other, _)| Some((other, contradiction(word, other)?)));
        if let Some((other, why)) = earlier {
            errors.at(token, format!("`{word}` contradicts `{other}`: {why}"));
        }
    }
}

/// A field that only serde flattens rejects the same attributes as one with `flatten`.
pub(super) fn serde_flatten_contradictions(field: &Field<'_>, errors: &mut Errors) {
    let given = &field.settings.given;
    if !field.flatten || field.skipped || given.get(FLATTEN).is_some() {
        return;
    }
    for (word, token) in given.iter().filter(|(word, _)| *word != SKIP) {
        if let Some(why) = contradiction(word, FLATTEN) {
            errors.at(
                token,
                format!("`{word}` contradicts serde's `flatten`: {why}"),
            );
        }
    }
}

/// An attribute about how a field is recorded needs a recorded field. If only serde skips the
/// field, the user must decide.
pub(super) fn serde_skip_contradictions(field: &Field<'_>, errors: &mut Errors) {
    if !field.serde_skipped || !field.skipped || field.settings.skip.is_some() {
        return;
    }
    let set = field
        .settings
        .given
        .iter()
        .find(|(word, _)| RECORDING.contains(word));
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

/// `skip_none` and a tolerance on an optional field need an `Option`.
pub(super) fn skip_none_needs_option(field: &Field<'_>, errors: &mut Errors) {
    if let Some(token) = field.settings.given.get(SKIP_NONE)
        && option_inner(&field.original.ty).is_none()
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
pub(super) fn tuple_fields_have_no_name(field: &Field<'_>, errors: &mut Errors) {
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

/// Attributes about the inside of a value need the type's own form instead of that of serde's
/// function.
pub(super) fn serde_writes_another_form(field: &Field<'_>, errors: &mut Errors) {
    let settings = &field.settings;
    if !field.has_serializer || settings.serde_ignored {
        return;
    }
    for word in [KEY, FLATTEN] {
        if let Some(token) = settings.given.get(word) {
            errors.at(
                token,
                format!(
                    "`{word}` contradicts serde's `with` or `serialize_with`, which writes another \
                     form; add `serde = false` to record the type's own"
                ),
            );
        }
    }
}

/// `serde = false` is for a field with serde's `with` or `serialize_with`.
pub(super) fn serde_false_needs_serializer(field: &Field<'_>, errors: &mut Errors) {
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

/// `key` names a field of the list's items.
pub(super) fn key_is_a_field_name(field: &Field<'_>, errors: &mut Errors) {
    if let Some(Form::Key(key)) = &field.settings.form
        && expand::member(key).is_none()
    {
        errors.at(key, format!("`{}` is not the name of a field", key.value()));
    }
}

//! Rules about types that are recorded in a form of their own.

use crate::ast::{Body, Container, Conversion, Data, Shape, Variant};
use crate::errors::Errors;
use crate::symbol::{
    DISPLAY, HASH, ID, MASK, MASK_WITH, ONLY, RENAME_ALL, RENAME_ALL_FIELDS, SERDE, SERDE_SKIP,
    SKIP, TRANSPARENT,
};

/// A variant that serde serializes by a function needs `#[audit(serde)]` on the enum.
pub(super) fn variant_is_written_by_serde(
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

/// A type recorded in another form ignores the attributes of its fields, so a mask there would
/// hide nothing.
pub(super) fn converted_type_has_no_field_attributes(
    container: &Container<'_>,
    errors: &mut Errors,
) {
    let Some(conversion) = &container.conversion else {
        return;
    };
    let form = match conversion {
        Conversion::Serde => "as serde writes it",
        Conversion::Display => "as its text",
        Conversion::Into(_) => "as the type of serde's `into`",
    };
    let advice = |word: &str| match conversion {
        Conversion::Into(_) => "put it on that type",
        _ if [MASK, MASK_WITH, HASH, SKIP].contains(&word) => {
            "put it on the fields that hold the type"
        }
        _ => "remove it",
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
            format!(
                "`{word}` has no effect, since the type is recorded {form}; {}",
                advice(word)
            ),
        );
    }
}

/// A type is recorded in one form, and an entity by its fields.
pub(super) fn converted_type_is_a_value(container: &Container<'_>, errors: &mut Errors) {
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
                    "`{word}` records a value as a whole, but this struct has an identity and so \
                     is recorded by its fields; put `{word}` on those fields, or add `value` if \
                     the struct is no entity"
                ),
            );
        }
    }
}

/// A transparent struct has exactly one recorded field.
pub(super) fn transparent_has_one_field(
    container: &Container<'_>,
    body: &Body<'_>,
    errors: &mut Errors,
) {
    let Some(token) = container.settings.given.get(TRANSPARENT) else {
        return;
    };
    if !matches!(body.shape, Shape::Inline(index) if !body.fields[index].skipped) {
        errors.at(
            token,
            "`transparent` needs exactly one recorded field; put `#[audit(skip)]` on the others",
        );
    }
}

/// `rename_all_fields` is for enums.
pub(super) fn rename_all_fields_needs_enum(container: &Container<'_>, errors: &mut Errors) {
    if let Some(token) = container.settings.given.get(RENAME_ALL_FIELDS) {
        errors.at(token, "`rename_all_fields` is for enums; use `rename_all`");
    }
}

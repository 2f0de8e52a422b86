//! The rules for types and their attributes, one function each.

mod field;
mod form;
mod identity;
mod names;

use crate::ast::{Body, Container, Data};
use crate::errors::Errors;

/// Checks a type against every rule.
pub(crate) fn all(container: &Container<'_>, errors: &mut Errors) {
    match &container.data {
        Data::Struct(body) => {
            identity::redacted_identity(container, body, errors);
            identity::parent_key_is_recorded(container, body, errors);
            form::transparent_has_one_field(container, body, errors);
            form::rename_all_fields_needs_enum(container, errors);
            fields(body, errors);
        }
        Data::Enum(variants, tagging) => {
            identity::enum_is_no_entity(container, errors);
            for variant in variants {
                identity::no_identity_in_variant(&variant.body, errors);
                form::variant_is_written_by_serde(container, variant, errors);
                fields(&variant.body, errors);
            }
            names::unique_variants(variants, tagging, errors);
        }
    }
    identity::needs_identity(container, errors);
    identity::identity_given_once(container, errors);
    form::converted_type_has_no_field_attributes(container, errors);
    form::converted_type_is_a_value(container, errors);
}

fn fields(body: &Body<'_>, errors: &mut Errors) {
    for field in &body.fields {
        field::contradictions(field, errors);
        field::serde_flatten_contradictions(field, errors);
        field::serde_skip_contradictions(field, errors);
        field::skip_none_needs_option(field, errors);
        field::tuple_fields_have_no_name(field, errors);
        field::key_is_a_field_name(field, errors);
        field::serde_writes_another_form(field, errors);
        field::serde_false_needs_serializer(field, errors);
    }
    names::unique_fields(body, errors);
}

//! A struct or an enum as a whole.

use syn::ext::IdentExt;
use syn::{DeriveInput, Type};

use super::body::{Body, Shape};
use super::variant::{Cases, Tagging, Variant};
use crate::errors::Errors;
use crate::repr::{self, Piece};
use crate::serde_attr::{Directions, SerdeAttrs};
use crate::setting::{ContainerSettings, Form};

/// A struct or an enum.
pub(crate) struct Container<'a> {
    pub(crate) input: &'a DeriveInput,
    pub(crate) settings: ContainerSettings,
    pub(crate) data: Data<'a>,
    /// The fields of the identity, in order; none for a value without identity.
    pub(crate) identity: Vec<usize>,
    pub(crate) repr: Option<Vec<Piece>>,
    /// The field with the parent's key.
    pub(crate) parent_key: Option<usize>,
    /// The form that is recorded instead of the fields.
    pub(crate) conversion: Option<Conversion>,
    /// The key and the name that serde's `tag` adds to a struct.
    pub(crate) struct_tag: Option<(String, String)>,
}

/// The form that is recorded instead of a type's fields.
pub(crate) enum Conversion {
    /// The serialized form.
    Serde,
    /// Its `Display` text.
    Display,
    /// The type into which serde's `into` converts it.
    Into(Box<Type>),
}

/// The content of a type.
pub(crate) enum Data<'a> {
    Struct(Body<'a>),
    Enum(Vec<Variant<'a>>, Tagging),
}

impl<'a> Container<'a> {
    /// Reads a type. Returns `None` for a union, which is an error.
    pub(crate) fn read(input: &'a DeriveInput, errors: &mut Errors) -> Option<Self> {
        let settings = ContainerSettings::read(&input.attrs, errors);
        let serde = SerdeAttrs::read(&input.attrs);
        let case = Directions::both(settings.rename_all).or(&serde.rename_all);
        let mut data = match &input.data {
            syn::Data::Struct(data) => Data::Struct(Body::read(&data.fields, &case, errors)),
            syn::Data::Enum(data) => {
                let fields =
                    Directions::both(settings.rename_all_fields).or(&serde.rename_all_fields);
                let cases = Cases {
                    variants: case,
                    fields,
                };
                let read = |variant| Variant::read(variant, &cases, &settings, errors);
                let variants: Vec<_> = data.variants.iter().map(read).collect();
                let tagging = Tagging::read(&serde, &variants);
                Data::Enum(variants, tagging)
            }
            syn::Data::Union(data) => {
                errors.at(
                    data.union_token,
                    "a union cannot be audited, since its active field is unknown; use an enum",
                );
                return None;
            }
        };
        let mut identity = Vec::new();
        let mut struct_tag = None;
        if let Data::Struct(body) = &mut data {
            if settings.transparent || serde.transparent {
                body.make_transparent();
            }
            identity = self::identity(&settings, body, errors);
            body.skip_fields(&settings, &identity, errors);
            if body.shape == Shape::Named {
                struct_tag = serde.tag.map(|tag| {
                    let name = serde.rename.serialize;
                    (tag, name.unwrap_or_else(|| input.ident.unraw().to_string()))
                });
            }
        }
        let mut container = Self {
            input,
            conversion: conversion(&settings, serde.into),
            settings,
            data,
            identity,
            repr: None,
            parent_key: None,
            struct_tag,
        };
        container.resolve_names(errors);
        Some(container)
    }

    /// Finds the fields named in `repr` and `parent`.
    fn resolve_names(&mut self, errors: &mut Errors) {
        let Data::Struct(body) = &self.data else {
            return;
        };
        if let Some(text) = &self.settings.repr {
            let find = |name: &str, errors: &mut Errors| {
                let index = body.find(name, text, errors)?;
                if body.fields[index].skipped {
                    errors.at(
                        text,
                        format!("`{name}` is a skipped field, which `repr` cannot show"),
                    );
                }
                Some(index)
            };
            self.repr = Some(repr::parse(text, errors, find));
        }
        if let Some((_, key)) = &self.settings.parent {
            self.parent_key = body.find(&key.value(), key, errors);
        }
    }

    /// Returns the stored model name.
    pub(crate) fn model(&self) -> String {
        match &self.settings.model {
            Some(model) => model.value(),
            None => self.input.ident.unraw().to_string(),
        }
    }
}

/// Finds the identity: the fields named in `id(...)` on the struct, else the marked fields, else a
/// field called `id`.
fn identity(settings: &ContainerSettings, body: &Body<'_>, errors: &mut Errors) -> Vec<usize> {
    if !settings.id.is_empty() {
        let named = settings.id.iter();
        return named
            .filter_map(|name| body.find(&name.text, name, errors))
            .collect();
    }
    let marked: Vec<usize> = body
        .fields
        .iter()
        .enumerate()
        .filter(|(_, field)| field.settings.id)
        .map(|(index, _)| index)
        .collect();
    if !marked.is_empty() || settings.value || body.shape != Shape::Named {
        return marked;
    }
    body.fields
        .iter()
        .position(|field| field.source_name() == "id")
        .into_iter()
        .collect()
}

/// Returns the form that is recorded instead of a type's fields, according to its own attribute,
/// else serde's.
fn conversion(settings: &ContainerSettings, into: Option<Type>) -> Option<Conversion> {
    match settings.form {
        Some(Form::Serde) => Some(Conversion::Serde),
        Some(_) => Some(Conversion::Display),
        None => into.map(|into| Conversion::Into(Box::new(into))),
    }
}

//! A struct or an enum as a whole.

use syn::ext::IdentExt;
use syn::{DeriveInput, Type};

use super::body::{Body, Shape};
use super::variant::{Cases, Tagging, Variant};
use crate::errors::Errors;
use crate::repr::{self, Piece};
use crate::serde_attr::{Names, SerdeAttrs};
use crate::setting::{ContainerSettings, Form};

/// A struct or an enum.
pub(crate) struct Container<'a> {
    pub(crate) input: &'a DeriveInput,
    pub(crate) settings: ContainerSettings,
    pub(crate) data: Data<'a>,
    /// The fields that are the identity, in order; none for a mere value.
    pub(crate) identity: Vec<usize>,
    pub(crate) repr: Option<Vec<Piece>>,
    /// The field that holds the parent's key.
    pub(crate) parent_key: Option<usize>,
    /// The form that is recorded in place of the fields.
    pub(crate) conversion: Option<Conversion>,
    /// The key and the name that serde's `tag` adds to a struct.
    pub(crate) struct_tag: Option<(String, String)>,
}

/// The form that is recorded in place of a type's fields.
pub(crate) enum Conversion {
    /// The form that serde writes.
    Serde,
    /// Its `Display` text.
    Display,
    /// The type it is converted into, by serde's `into`.
    Into(Box<Type>),
}

/// What a type is made of.
pub(crate) enum Data<'a> {
    Struct(Body<'a>),
    Enum(Vec<Variant<'a>>, Tagging),
}

impl<'a> Container<'a> {
    /// Reads a type; `None` for a union, which is an error.
    pub(crate) fn read(input: &'a DeriveInput, errors: &mut Errors) -> Option<Self> {
        let settings = ContainerSettings::read(&input.attrs, errors);
        let serde = SerdeAttrs::read(&input.attrs);
        let case = Names::both(settings.rename_all).or(&serde.rename_all);
        let mut data = match &input.data {
            syn::Data::Struct(data) => Data::Struct(Body::read(&data.fields, &case, errors)),
            syn::Data::Enum(data) => {
                let fields = Names::both(settings.rename_all_fields).or(&serde.rename_all_fields);
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
                    "a union cannot be audited, since which of its fields holds is not known; \
                     use an enum",
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
                    let name = serde.rename.writing;
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

    /// Finds the fields that `repr` and `parent` name.
    fn resolve_names(&mut self, errors: &mut Errors) {
        let Data::Struct(body) = &self.data else {
            return;
        };
        if let Some(text) = &self.settings.repr {
            let find = |name: &str, errors: &mut Errors| {
                let place = body.find(name, text, errors)?;
                if body.fields[place].skipped {
                    errors.at(
                        text,
                        format!("`{name}` is a skipped field, which `repr` cannot show"),
                    );
                }
                Some(place)
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

/// Finds the identity: what `id(...)` on the struct names, else the marked fields, else a
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
        .map(|(place, _)| place)
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

/// Returns what is recorded in place of a type's fields: by its own attribute, else by serde's.
fn conversion(settings: &ContainerSettings, into: Option<Type>) -> Option<Conversion> {
    match settings.form {
        Some(Form::Serde) => Some(Conversion::Serde),
        Some(_) => Some(Conversion::Display),
        None => into.map(|into| Conversion::Into(Box::new(into))),
    }
}

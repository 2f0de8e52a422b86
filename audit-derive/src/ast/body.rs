//! The fields of a struct or a variant.

use syn::Fields;

use super::field::Field;
use crate::case::Case;
use crate::errors::Errors;
use crate::serde_attr::Directions;
use crate::setting::ContainerSettings;
use crate::suggest;

/// The fields of a struct or a variant.
pub(crate) struct Body<'a> {
    pub(crate) shape: Shape,
    pub(crate) fields: Vec<Field<'a>>,
}

/// The JSON form of the fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// An object.
    Named,
    /// An array.
    Tuple,
    /// The form of the field at this index: newtypes and `transparent`.
    Inline(usize),
    /// Null.
    Unit,
}

impl<'a> Body<'a> {
    pub(super) fn read(fields: &'a Fields, case: &Directions<Case>, errors: &mut Errors) -> Self {
        let shape = match fields {
            Fields::Named(_) => Shape::Named,
            Fields::Unnamed(fields) if fields.unnamed.len() == 1 => Shape::Inline(0),
            Fields::Unnamed(_) => Shape::Tuple,
            Fields::Unit => Shape::Unit,
        };
        let fields = fields
            .iter()
            .zip(fields.members())
            .map(|(field, member)| Field::read(field, member, case, errors))
            .collect();
        Self { shape, fields }
    }

    /// Returns the fields that are recorded.
    pub(crate) fn tracked(&self) -> impl Iterator<Item = (usize, &Field<'a>)> {
        self.fields
            .iter()
            .enumerate()
            .filter(|(_, field)| !field.skipped)
    }

    /// Finds a field by its own or its stored name.
    pub(crate) fn find(
        &self,
        name: &str,
        token: impl quote::ToTokens,
        errors: &mut Errors,
    ) -> Option<usize> {
        let found = self
            .fields
            .iter()
            .position(|field| field.source_name() == name)
            .or_else(|| self.fields.iter().position(|field| field.name == name));
        if found.is_none() {
            let names: Vec<String> = self.fields.iter().map(Field::source_name).collect();
            let hint = suggest::hint(name, names.iter().map(String::as_str));
            errors.at(token, format!("no field `{name}`{hint}"));
        }
        found
    }

    /// Records the struct as its only relevant field. With none or several the shape is unchanged,
    /// and `check` reports it if the attribute is `#[audit(transparent)]`.
    pub(super) fn make_transparent(&mut self) {
        let mut indices = self.fields.iter().enumerate().filter(|(_, field)| {
            !field.settings.skip.unwrap_or(field.serde_skipped) && !field.is_phantom()
        });
        if let (Some((index, _)), None) = (indices.next(), indices.next()) {
            self.shape = Shape::Inline(index);
        }
    }

    /// Decides which fields are not recorded.
    pub(super) fn skip_fields(
        &mut self,
        settings: &ContainerSettings,
        identity: &[usize],
        errors: &mut Errors,
    ) {
        let only: Option<Vec<usize>> = settings.only.as_ref().map(|names| {
            names
                .iter()
                .filter_map(|name| self.find(&name.text, name, errors))
                .collect()
        });
        let inline = match self.shape {
            Shape::Inline(index) => Some(index),
            _ => None,
        };
        for (index, field) in self.fields.iter_mut().enumerate() {
            let left_out = only.as_ref().is_some_and(|only| !only.contains(&index));
            field.skipped = match field.settings.skip {
                Some(skip) => skip,
                None if identity.contains(&index) => false,
                None => left_out || (field.serde_skipped && !settings.serde_skip_recorded),
            };
            // A transparent struct is recorded as one field only.
            field.skipped |= inline.is_some_and(|inline| inline != index);
        }
        self.number_fields();
    }

    /// Sets the array indices of a tuple's fields. A field that serde skips is not in the array; one
    /// that only the trail skips is a null.
    fn number_fields(&mut self) {
        let mut next = 0;
        for field in &mut self.fields {
            let left_out = field.skipped && field.serde_skipped;
            field.position = (self.shape == Shape::Tuple && !left_out).then_some(next);
            next += usize::from(!left_out);
        }
    }

    /// Records none of the fields.
    pub(super) fn skip_all(&mut self) {
        for field in &mut self.fields {
            field.serde_skipped = true;
            field.skipped = field.settings.skip.unwrap_or(true);
        }
        self.number_fields();
        if self.tracked().next().is_none() {
            self.shape = Shape::Unit;
        }
    }
}

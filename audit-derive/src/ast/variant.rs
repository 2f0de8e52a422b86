//! A variant of an enum.

use syn::ExprPath;
use syn::ext::IdentExt;

use super::body::{Body, Shape};
use super::field::deserialized_name;
use crate::case::Case;
use crate::errors::Errors;
use crate::serde_attr::{Directions, SerdeAttrs};
use crate::setting::{ContainerSettings, VariantSettings};

/// A variant of an enum.
pub(crate) struct Variant<'a> {
    pub(crate) original: &'a syn::Variant,
    pub(crate) settings: VariantSettings,
    pub(crate) body: Body<'a>,
    /// The stored name.
    pub(crate) name: String,
    /// The name that serde deserializes.
    pub(crate) deserialize_name: String,
    /// serde's `untagged` on the variant itself.
    pub(crate) untagged: bool,
    /// serde's `with` or `serialize_with`, which is not followed.
    pub(crate) serializer: Option<ExprPath>,
}

/// The representation of an enum's variant, in serde's terms.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Tagging {
    External,
    Internal(String),
    /// The keys of the name and of the content.
    Adjacent(String, String),
    Untagged,
}

impl Tagging {
    /// Returns serde's representation, ignoring a tag inside a tuple, which serde rejects.
    pub(super) fn read(serde: &SerdeAttrs, variants: &[Variant<'_>]) -> Self {
        match (&serde.tag, &serde.content) {
            _ if serde.untagged => Self::Untagged,
            (Some(tag), Some(content)) => Self::Adjacent(tag.clone(), content.clone()),
            (Some(tag), None) => {
                let tuple = variants
                    .iter()
                    .any(|variant| !variant.untagged && variant.body.shape == Shape::Tuple);
                if tuple {
                    Self::External
                } else {
                    Self::Internal(tag.clone())
                }
            }
            _ => Self::External,
        }
    }
}

/// The cases of an enum's variants and of their fields.
pub(super) struct Cases {
    pub(super) variants: Directions<Case>,
    pub(super) fields: Directions<Case>,
}

impl<'a> Variant<'a> {
    pub(super) fn read(
        original: &'a syn::Variant,
        cases: &Cases,
        container: &ContainerSettings,
        errors: &mut Errors,
    ) -> Self {
        let settings = VariantSettings::read(&original.attrs, errors);
        let serde = SerdeAttrs::read(&original.attrs);
        let own_case = Directions::both(settings.rename_all)
            .or(&serde.rename_all)
            .or(&cases.fields);
        let mut body = Body::read(&original.fields, &own_case, errors);
        let inherited = ContainerSettings {
            serde_skip_recorded: container.serde_skip_recorded,
            ..ContainerSettings::default()
        };
        body.skip_fields(&inherited, &[], errors);
        if serde.skip_serializing && !container.serde_skip_recorded {
            body.skip_all();
        }
        // serde writes a variant whose only field it skips as a unit variant.
        if matches!(body.shape, Shape::Inline(only) if body.fields[only].skipped) {
            body.shape = Shape::Unit;
        }
        let ident = original.ident.unraw().to_string();
        let in_case =
            |case: Option<Case>| case.map_or_else(|| ident.clone(), |case| case.variant(&ident));
        let name = settings
            .rename
            .clone()
            .or(serde.rename.serialize)
            .unwrap_or_else(|| in_case(cases.variants.serialize));
        let deserialize_name = serde
            .rename
            .deserialize
            .unwrap_or_else(|| in_case(cases.variants.deserialize));
        Self {
            original,
            settings,
            body,
            deserialize_name: deserialized_name(&name, deserialize_name, &serde.aliases),
            name,
            untagged: serde.untagged,
            serializer: serde.serializer,
        }
    }

    /// Returns the representation of the variant, given that of its enum.
    pub(crate) fn tagging<'t>(&self, of_enum: &'t Tagging) -> &'t Tagging {
        if self.untagged {
            &Tagging::Untagged
        } else {
            of_enum
        }
    }

    /// Returns whether the variant has fields, recorded or not, and so a schema.
    pub(crate) fn has_fields(&self) -> bool {
        !self.body.fields.is_empty()
    }

    /// Returns whether the variant is recorded as a unit variant.
    pub(crate) fn is_unit(&self) -> bool {
        self.body.shape == Shape::Unit
    }
}

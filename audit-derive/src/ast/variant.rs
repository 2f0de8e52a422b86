//! A variant of an enum.

use syn::ExprPath;
use syn::ext::IdentExt;

use super::body::{Body, Shape};
use super::field::read_as;
use crate::case::Case;
use crate::errors::Errors;
use crate::serde_attr::{Names, SerdeAttrs};
use crate::setting::{ContainerSettings, VariantSettings};

/// A variant of an enum.
pub(crate) struct Variant<'a> {
    pub(crate) original: &'a syn::Variant,
    pub(crate) settings: VariantSettings,
    pub(crate) body: Body<'a>,
    /// The stored name.
    pub(crate) name: String,
    /// The name that serde reads.
    pub(crate) read_name: String,
    /// serde's `untagged` on the variant itself.
    pub(crate) untagged: bool,
    /// serde's `with` or `serialize_with`, which is not followed.
    pub(crate) serializer: Option<ExprPath>,
}

/// Where an enum's variant stands in its JSON form, in serde's words.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Tagging {
    External,
    Internal(String),
    /// The keys of the name and of the content.
    Adjacent(String, String),
    Untagged,
}

impl Tagging {
    /// Follows serde's tagging, but not a tag inside a tuple, which serde refuses.
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

/// How the variants of an enum and the fields of its variants are spelt.
pub(super) struct Cases {
    pub(super) variants: Names<Case>,
    pub(super) fields: Names<Case>,
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
        let own_case = Names::both(settings.rename_all)
            .or(&serde.rename_all)
            .or(&cases.fields);
        let mut body = Body::read(&original.fields, &own_case, errors);
        let inherited = ContainerSettings {
            serde_skip_recorded: container.serde_skip_recorded,
            ..ContainerSettings::default()
        };
        body.skip_fields(&inherited, &[], errors);
        if serde.skip_writing && !container.serde_skip_recorded {
            body.skip_all();
        }
        // serde writes a variant whose only field it skips as one without data.
        if matches!(body.shape, Shape::Inline(only) if body.fields[only].skipped) {
            body.shape = Shape::Unit;
        }
        let ident = original.ident.unraw().to_string();
        let spelt =
            |case: Option<Case>| case.map_or_else(|| ident.clone(), |case| case.variant(&ident));
        let name = settings
            .rename
            .clone()
            .or(serde.rename.writing)
            .unwrap_or_else(|| spelt(cases.variants.writing));
        let read_name = serde
            .rename
            .reading
            .unwrap_or_else(|| spelt(cases.variants.reading));
        Self {
            original,
            settings,
            body,
            read_name: read_as(&name, read_name, &serde.aliases),
            name,
            untagged: serde.untagged,
            serializer: serde.serializer,
        }
    }

    /// Returns where the variant stands in an enum that is tagged so.
    pub(crate) fn tagging<'t>(&self, of_enum: &'t Tagging) -> &'t Tagging {
        if self.untagged {
            &Tagging::Untagged
        } else {
            of_enum
        }
    }

    /// Whether the variant has fields, recorded or not, so that it is described.
    pub(crate) fn has_fields(&self) -> bool {
        !self.body.fields.is_empty()
    }

    /// Whether the variant is recorded as one without data.
    pub(crate) fn is_unit(&self) -> bool {
        self.body.shape == Shape::Unit
    }
}

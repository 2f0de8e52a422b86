//! A field of a struct or a variant.

use syn::ext::IdentExt;
use syn::{ExprPath, Ident, Member, Type};

use super::inner_type::option_inner;
use crate::case::Case;
use crate::errors::Errors;
use crate::serde_attr::{Directions, SerdeAttrs};
use crate::setting::{FieldSettings, Form, Redaction};

/// A field of a struct or a variant.
#[expect(clippy::struct_excessive_bools, reason = "independent flags")]
pub(crate) struct Field<'a> {
    pub(crate) original: &'a syn::Field,
    pub(crate) settings: FieldSettings,
    pub(crate) member: Member,
    /// The stored name.
    pub(crate) name: String,
    /// The name that serde deserializes.
    pub(crate) deserialize_name: String,
    pub(crate) skipped: bool,
    /// Whether serde does not serialize the field.
    pub(crate) serde_skipped: bool,
    /// Whether serde does not deserialize the field.
    pub(crate) serde_unread: bool,
    /// The index in the array of a tuple; `None` for a field that serde leaves out.
    pub(crate) position: Option<usize>,
    pub(crate) flatten: bool,
    /// Whether serde serializes the field by a function.
    pub(crate) has_serializer: bool,
    pub(crate) presence: Presence,
    /// The names of serde's `alias`.
    pub(crate) serde_aliases: Vec<syn::LitStr>,
}

/// The condition under which a field is absent.
pub(crate) enum Presence {
    Always,
    /// Absent if the `Option` is `None`.
    SkipNone,
    /// Absent if the predicate returns `true`.
    SkipIf(ExprPath),
}

impl<'a> Field<'a> {
    pub(super) fn read(
        original: &'a syn::Field,
        member: Member,
        case: &Directions<Case>,
        errors: &mut Errors,
    ) -> Self {
        let mut settings = FieldSettings::read(&original.attrs, errors);
        let serde = SerdeAttrs::read(&original.attrs);
        let flatten = settings.flatten || (serde.flatten && original.ident.is_some());
        let has_serializer = serde.serializer.is_some();
        let written = serde.serializer.filter(|_| !settings.serde_ignored);
        if let (None | Some(Form::Serde), Some(path)) = (&settings.form, written) {
            settings.form = Some(Form::SerdeWith(path));
        }
        let presence = presence(&settings, serde.skip_if, flatten, &original.ty);
        let in_case = |case: Option<Case>| {
            let name = source_name(&member);
            case.filter(|_| original.ident.is_some())
                .map_or_else(|| name.clone(), |case| case.field(&name))
        };
        let (name, deserialize_name) = match (&settings.rename, &original.ident) {
            (_, None) => (source_name(&member), source_name(&member)),
            (rename, Some(_)) => {
                let name = match (rename, serde.rename.serialize) {
                    (Some(name), _) => name.value(),
                    (None, Some(name)) => name,
                    (None, None) => in_case(case.serialize),
                };
                let deserialize = serde.rename.deserialize;
                let deserialize_name = deserialize.unwrap_or_else(|| in_case(case.deserialize));
                (name, deserialize_name)
            }
        };
        Self {
            original,
            member,
            deserialize_name: deserialized_name(&name, deserialize_name, &serde.aliases),
            name,
            skipped: false,
            serde_skipped: serde.skip_serializing,
            serde_unread: serde.skip_deserializing,
            position: None,
            flatten,
            has_serializer,
            presence,
            serde_aliases: serde.aliases,
            settings,
        }
    }

    /// Returns the name in the source, without `r#`; the index for a tuple's field.
    pub(crate) fn source_name(&self) -> String {
        source_name(&self.member)
    }

    pub(crate) fn is_phantom(&self) -> bool {
        matches!(&self.original.ty, Type::Path(path)
            if path.path.segments.last().is_some_and(|last| last.ident == "PhantomData"))
    }

    /// Returns whether the field has no attributes about how it is recorded.
    pub(crate) fn is_plain(&self) -> bool {
        let settings = &self.settings;
        settings.redaction == Redaction::None
            && settings.form.is_none()
            && settings.equality.is_none()
            && settings.level.is_none()
            && settings.label.is_none()
            && !settings.whole
            && !settings.ignore
            && !settings.id
            && matches!(self.presence, Presence::Always)
    }

    /// Whether the field's type need not be an `AuditValue`.
    pub(crate) fn is_foreign(&self) -> bool {
        matches!(
            self.settings.form,
            Some(
                Form::Serde
                    | Form::SerdeWith(_)
                    | Form::Display
                    | Form::Debug
                    | Form::With(_)
                    | Form::Reference
            )
        )
    }
}

fn source_name(member: &Member) -> String {
    match member {
        Member::Named(ident) => ident.unraw().to_string(),
        Member::Unnamed(index) => index.index.to_string(),
    }
}

/// Returns when a field is absent. A flattened field has no member of its own to leave out.
fn presence(
    settings: &FieldSettings,
    skip_if: Option<ExprPath>,
    flatten: bool,
    ty: &Type,
) -> Presence {
    let serialized = matches!(settings.form, Some(Form::SerdeWith(_)));
    match skip_if {
        // serde's function takes the `Option` and not its content.
        _ if settings.skip_none && serialized => {
            Presence::SkipIf(syn::parse_quote!(::core::option::Option::is_none))
        }
        _ if settings.skip_none => Presence::SkipNone,
        Some(_) if flatten => Presence::Always,
        Some(path) if is_none_path(&path) && option_inner(ty).is_some() && !serialized => {
            Presence::SkipNone
        }
        Some(path) => Presence::SkipIf(path),
        None => Presence::Always,
    }
}

/// Returns the name under which serde deserializes the field stored as `name`, which is that name
/// if it is an alias of serde.
pub(super) fn deserialized_name(
    name: &str,
    deserialize_name: String,
    aliases: &[syn::LitStr],
) -> String {
    if aliases.iter().any(|alias| alias.value() == name) {
        name.to_owned()
    } else {
        deserialize_name
    }
}

/// Returns whether a path ends in `Option::is_none`.
fn is_none_path(path: &ExprPath) -> bool {
    let names: Vec<&Ident> = path
        .path
        .segments
        .iter()
        .map(|segment| &segment.ident)
        .collect();
    matches!(names.as_slice(), [.., option, is_none]
        if *option == "Option" && *is_none == "is_none")
}

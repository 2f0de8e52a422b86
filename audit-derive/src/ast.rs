//! The type under the derive, with what its attributes say and its own source kept.

use syn::ext::IdentExt;
use syn::{DeriveInput, ExprPath, Fields, GenericArgument, Ident, Member, PathArguments, Type};

use crate::case::Case;
use crate::errors::Errors;
use crate::repr::{self, Piece};
use crate::serde_attr::SerdeAttrs;
use crate::setting::{ContainerSettings, FieldSettings, Form, Redaction, VariantSettings};
use crate::suggest;

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
}

/// What a type is made of.
pub(crate) enum Data<'a> {
    Struct(Body<'a>),
    Enum(Vec<Variant<'a>>, Tagging),
}

/// The fields of a struct or a variant.
pub(crate) struct Body<'a> {
    pub(crate) shape: Shape,
    pub(crate) fields: Vec<Field<'a>>,
}

/// What the fields become in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// An object.
    Named,
    /// An array.
    Tuple,
    /// What the field at this index becomes: newtypes and `transparent`.
    Inline(usize),
    /// Null.
    Unit,
}

/// Where an enum's variant stands in its JSON form, in serde's words.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Tagging {
    External,
    Internal(String),
    Untagged,
}

/// A variant of an enum.
pub(crate) struct Variant<'a> {
    pub(crate) original: &'a syn::Variant,
    pub(crate) settings: VariantSettings,
    pub(crate) body: Body<'a>,
    /// The stored name.
    pub(crate) name: String,
}

/// A field of a struct or a variant.
pub(crate) struct Field<'a> {
    pub(crate) original: &'a syn::Field,
    pub(crate) settings: FieldSettings,
    pub(crate) member: Member,
    /// The stored name.
    pub(crate) name: String,
    pub(crate) skipped: bool,
    /// serde does not write the field, and `skip = false` does not say otherwise.
    pub(crate) serde_skipped: bool,
    pub(crate) flatten: bool,
    pub(crate) presence: Presence,
    /// Former names that serde's `alias` gives.
    pub(crate) serde_aliases: Vec<syn::LitStr>,
}

/// When a field is absent.
pub(crate) enum Presence {
    Always,
    /// When the `Option` is `None`.
    SkipNone,
    /// When the predicate says so.
    SkipIf(ExprPath),
}

impl<'a> Container<'a> {
    /// Reads a type; `None` for a union, which is an error.
    pub(crate) fn read(input: &'a DeriveInput, errors: &mut Errors) -> Option<Self> {
        let settings = ContainerSettings::read(&input.attrs, errors);
        let serde = SerdeAttrs::read(&input.attrs);
        let fields_case = settings.rename_all_fields.or(serde.rename_all_fields);
        let case = settings.rename_all.or(serde.rename_all);
        let mut data = match &input.data {
            syn::Data::Struct(data) => Data::Struct(Body::read(&data.fields, case, errors)),
            syn::Data::Enum(data) => {
                let variants = data
                    .variants
                    .iter()
                    .map(|variant| Variant::read(variant, case, fields_case, errors))
                    .collect();
                let tagging = tagging(&serde, &variants);
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
        let mut container = match &mut data {
            Data::Struct(body) => {
                if settings.transparent || serde.transparent {
                    body.make_transparent();
                }
                let identity = identity(&settings, body, errors);
                body.skip_fields(&settings, &identity, errors);
                Self {
                    input,
                    settings,
                    data,
                    identity,
                    repr: None,
                    parent_key: None,
                }
            }
            Data::Enum(..) => Self {
                input,
                settings,
                data,
                identity: Vec::new(),
                repr: None,
                parent_key: None,
            },
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
            self.repr = Some(repr::parse(text, body, errors));
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

impl<'a> Body<'a> {
    fn read(fields: &'a Fields, case: Option<Case>, errors: &mut Errors) -> Self {
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

    /// Lets the one field that counts stand in the struct's place. With none or several the
    /// shape stays; `check` reports it where it was our attribute that asked.
    fn make_transparent(&mut self) {
        let mut places = self.fields.iter().enumerate().filter(|(_, field)| {
            !field.settings.skip.unwrap_or(field.serde_skipped) && !field.is_phantom()
        });
        if let (Some((place, _)), None) = (places.next(), places.next()) {
            self.shape = Shape::Inline(place);
        }
    }

    /// Decides which fields are not recorded.
    fn skip_fields(
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
            Shape::Inline(place) => Some(place),
            _ => None,
        };
        for (place, field) in self.fields.iter_mut().enumerate() {
            let left_out = only.as_ref().is_some_and(|only| !only.contains(&place));
            field.skipped = match field.settings.skip {
                Some(skip) => skip,
                None if identity.contains(&place) => false,
                None => left_out || field.serde_skipped,
            };
            // What is not the one field of a transparent struct has no place to stand.
            field.skipped |= inline.is_some_and(|inline| inline != place);
        }
    }
}

impl<'a> Variant<'a> {
    fn read(
        original: &'a syn::Variant,
        case: Option<Case>,
        fields_case: Option<Case>,
        errors: &mut Errors,
    ) -> Self {
        let settings = VariantSettings::read(&original.attrs, errors);
        let serde = SerdeAttrs::read(&original.attrs);
        let own_case = settings.rename_all.or(serde.rename_all).or(fields_case);
        let mut body = Body::read(&original.fields, own_case, errors);
        body.skip_fields(&ContainerSettings::default(), &[], errors);
        let ident = original.ident.unraw().to_string();
        let name = settings
            .rename
            .clone()
            .or(serde.rename)
            .unwrap_or_else(|| case.map_or_else(|| ident.clone(), |case| case.variant(&ident)));
        Self {
            original,
            settings,
            body,
            name,
        }
    }

    pub(crate) fn is_unit(&self) -> bool {
        self.body.shape == Shape::Unit
    }
}

impl<'a> Field<'a> {
    fn read(
        original: &'a syn::Field,
        member: Member,
        case: Option<Case>,
        errors: &mut Errors,
    ) -> Self {
        let settings = FieldSettings::read(&original.attrs, errors);
        let serde = SerdeAttrs::read(&original.attrs);
        let flatten = settings.flatten || (serde.flatten && original.ident.is_some());
        let presence = match serde.skip_if {
            _ if settings.skip_none => Presence::SkipNone,
            // A flattened field that is absent has nothing to leave out.
            Some(_) if flatten => Presence::Always,
            Some(path) if is_none_path(&path) && inner_of_option(&original.ty).is_some() => {
                Presence::SkipNone
            }
            Some(path) => Presence::SkipIf(path),
            None => Presence::Always,
        };
        let name = match (&settings.rename, serde.rename, &original.ident) {
            (_, _, None) => source_name(&member),
            (Some(name), _, _) => name.value(),
            (None, Some(name), _) => name,
            (None, None, Some(ident)) => {
                let ident = ident.unraw().to_string();
                case.map_or_else(|| ident.clone(), |case| case.field(&ident))
            }
        };
        Self {
            original,
            member,
            name,
            skipped: false,
            serde_skipped: serde.skip,
            flatten,
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

    /// Whether nothing was said about the field, so that its type alone says how it is
    /// recorded.
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
            Some(Form::Serde | Form::Display | Form::Debug | Form::With(_) | Form::Reference)
        )
    }
}

fn source_name(member: &Member) -> String {
    match member {
        Member::Named(ident) => ident.unraw().to_string(),
        Member::Unnamed(index) => index.index.to_string(),
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

/// Follows serde's tagging where the trail's form can be the same: not for adjacent tags, and
/// not for a tag inside a tuple, which serde refuses.
fn tagging(serde: &SerdeAttrs, variants: &Vec<Variant<'_>>) -> Tagging {
    match &serde.tag {
        _ if serde.untagged => Tagging::Untagged,
        Some(tag) if !serde.content => {
            let tuple = variants
                .iter()
                .any(|variant| variant.body.shape == Shape::Tuple);
            if tuple {
                Tagging::External
            } else {
                Tagging::Internal(tag.clone())
            }
        }
        _ => Tagging::External,
    }
}

/// Whether a path is `Option::is_none`, however it is reached.
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

/// Returns `T` of a type written as `Option<T>`.
pub(crate) fn inner_of_option(ty: &Type) -> Option<&Type> {
    let path = match ty {
        Type::Group(group) => return inner_of_option(&group.elem),
        Type::Paren(paren) => return inner_of_option(&paren.elem),
        Type::Path(path) if path.qself.is_none() => &path.path,
        _ => return None,
    };
    let last = path.segments.last().filter(|last| last.ident == "Option")?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else {
        return None;
    };
    match arguments.args.first() {
        Some(GenericArgument::Type(inner)) if arguments.args.len() == 1 => Some(inner),
        _ => None,
    }
}

//! The type under the derive, with what its attributes say and its own source kept.

use syn::ext::IdentExt;
use syn::{DeriveInput, ExprPath, Fields, GenericArgument, Ident, Member, PathArguments, Type};

use crate::case::Case;
use crate::errors::Errors;
use crate::repr::{self, Piece};
use crate::serde_attr::{Names, SerdeAttrs};
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
    /// The keys of the name and of the content.
    Adjacent(String, String),
    Untagged,
}

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

/// A field of a struct or a variant.
#[expect(clippy::struct_excessive_bools, reason = "each is asked on its own")]
pub(crate) struct Field<'a> {
    pub(crate) original: &'a syn::Field,
    pub(crate) settings: FieldSettings,
    pub(crate) member: Member,
    /// The stored name.
    pub(crate) name: String,
    /// The name that serde reads.
    pub(crate) read_name: String,
    pub(crate) skipped: bool,
    /// serde does not write the field.
    pub(crate) serde_skipped: bool,
    /// serde does not read the field.
    pub(crate) serde_unread: bool,
    /// The index in the array of a tuple; `None` of a field that serde leaves out of it.
    pub(crate) position: Option<usize>,
    pub(crate) flatten: bool,
    /// serde writes the field by a function of its own.
    pub(crate) has_serializer: bool,
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
                let variants = data.variants.iter().map(read).collect();
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
            self.repr = Some(repr::parse(text, errors, |name, errors| {
                let place = body.find(name, text, errors)?;
                if body.fields[place].skipped {
                    errors.at(
                        text,
                        format!("`{name}` is a skipped field, which `repr` cannot show"),
                    );
                }
                Some(place)
            }));
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
    fn read(fields: &'a Fields, case: &Names<Case>, errors: &mut Errors) -> Self {
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
                None => left_out || (field.serde_skipped && !settings.serde_skip_recorded),
            };
            // What is not the one field of a transparent struct has no place to stand.
            field.skipped |= inline.is_some_and(|inline| inline != place);
        }
        self.place_fields();
    }

    /// Numbers the fields of a tuple as its array has them: serde leaves out what it skips, and
    /// what only the trail skips is a null.
    fn place_fields(&mut self) {
        let mut next = 0;
        for field in &mut self.fields {
            let left_out = field.skipped && field.serde_skipped;
            field.position = (self.shape == Shape::Tuple && !left_out).then_some(next);
            next += usize::from(!left_out);
        }
    }

    /// Records none of the fields.
    fn skip_all(&mut self) {
        for field in &mut self.fields {
            field.serde_skipped = true;
            field.skipped = field.settings.skip.unwrap_or(true);
        }
        self.place_fields();
        if self.tracked().next().is_none() {
            self.shape = Shape::Unit;
        }
    }
}

/// How the variants of an enum and the fields of its variants are spelt.
struct Cases {
    variants: Names<Case>,
    fields: Names<Case>,
}

impl<'a> Variant<'a> {
    fn read(
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

impl<'a> Field<'a> {
    fn read(
        original: &'a syn::Field,
        member: Member,
        case: &Names<Case>,
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
        let spelt = |case: Option<Case>| {
            let name = source_name(&member);
            case.filter(|_| original.ident.is_some())
                .map_or_else(|| name.clone(), |case| case.field(&name))
        };
        let (name, read_name) = match (&settings.rename, &original.ident) {
            (_, None) => (source_name(&member), source_name(&member)),
            (rename, Some(_)) => {
                let name = match (rename, serde.rename.writing) {
                    (Some(name), _) => name.value(),
                    (None, Some(name)) => name,
                    (None, None) => spelt(case.writing),
                };
                let reading = serde.rename.reading;
                let read_name = reading.unwrap_or_else(|| spelt(case.reading));
                (name, read_name)
            }
        };
        Self {
            original,
            member,
            read_name: read_as(&name, read_name, &serde.aliases),
            name,
            skipped: false,
            serde_skipped: serde.skip_writing,
            serde_unread: serde.skip_reading,
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

/// Returns when a field is absent. A flattened field that is absent has nothing to leave out.
fn presence(
    settings: &FieldSettings,
    skip_if: Option<ExprPath>,
    flatten: bool,
    ty: &Type,
) -> Presence {
    let serialized = matches!(settings.form, Some(Form::SerdeWith(_)));
    match skip_if {
        // serde's function takes the `Option` and not what it holds.
        _ if settings.skip_none && serialized => {
            Presence::SkipIf(syn::parse_quote!(::core::option::Option::is_none))
        }
        _ if settings.skip_none => Presence::SkipNone,
        Some(_) if flatten => Presence::Always,
        Some(path) if is_none_path(&path) && inner_of_option(ty).is_some() && !serialized => {
            Presence::SkipNone
        }
        Some(path) => Presence::SkipIf(path),
        None => Presence::Always,
    }
}

/// Returns the name under which serde reads what is stored under `name`, which is that name if
/// serde knows it as an alias.
fn read_as(name: &str, read_name: String, aliases: &[syn::LitStr]) -> String {
    if aliases.iter().any(|alias| alias.value() == name) {
        name.to_owned()
    } else {
        read_name
    }
}

/// Returns what is recorded in place of a type's fields: by its own attribute, else by serde's.
fn conversion(settings: &ContainerSettings, into: Option<Type>) -> Option<Conversion> {
    match settings.form {
        Some(Form::Serde) => Some(Conversion::Serde),
        Some(_) => Some(Conversion::Display),
        None => into.map(|into| Conversion::Into(Box::new(into))),
    }
}

/// Follows serde's tagging, but not a tag inside a tuple, which serde refuses.
fn tagging(serde: &SerdeAttrs, variants: &Vec<Variant<'_>>) -> Tagging {
    match (&serde.tag, &serde.content) {
        _ if serde.untagged => Tagging::Untagged,
        (Some(tag), Some(content)) => Tagging::Adjacent(tag.clone(), content.clone()),
        (Some(tag), None) => {
            let tuple = variants
                .iter()
                .any(|variant| !variant.untagged && variant.body.shape == Shape::Tuple);
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

/// How a type holds values of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Holds {
    /// One or none.
    Option,
    /// In a list.
    Items,
    /// One, behind a pointer.
    One,
}

/// Returns `T` of a type written as `Option<T>`.
pub(crate) fn inner_of_option(ty: &Type) -> Option<&Type> {
    match container(ty)? {
        (Holds::Option, inner) => Some(inner),
        _ => None,
    }
}

/// Returns `T` of a type written as `Option<T>`, `Vec<T>`, `Box<T>` or the like.
pub(crate) fn container(ty: &Type) -> Option<(Holds, &Type)> {
    let path = match ty {
        Type::Group(group) => return container(&group.elem),
        Type::Paren(paren) => return container(&paren.elem),
        Type::Array(array) => return Some((Holds::Items, &array.elem)),
        Type::Slice(slice) => return Some((Holds::Items, &slice.elem)),
        Type::Path(path) if path.qself.is_none() => &path.path,
        _ => return None,
    };
    let last = path.segments.last()?;
    let holds = match last.ident.to_string().as_str() {
        "Option" => Holds::Option,
        "Vec" | "VecDeque" => Holds::Items,
        "Box" | "Rc" | "Arc" => Holds::One,
        _ => return None,
    };
    let PathArguments::AngleBracketed(arguments) = &last.arguments else {
        return None;
    };
    match arguments.args.first() {
        Some(GenericArgument::Type(inner)) if arguments.args.len() == 1 => Some((holds, inner)),
        _ => None,
    }
}

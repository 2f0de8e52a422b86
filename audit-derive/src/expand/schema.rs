//! The constant with the schema of a type's fields.

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::Type;

use super::field::inner;
use super::form::is_concealed;
use crate::ast::{Body, Container, Field, Presence, Shape, Tagging, Variant};
use crate::setting::{Form, Redaction};

/// Describes every field of a struct or a variant, including skipped ones:
///
/// ```text
/// &[
///     __audit::field("name", <String as __audit::AuditValue>::AS_FIELD),
///     __audit::FieldSchema::new("token", __audit::no_fields).skipped(),
/// ]
/// ```
///
/// The tag that serde adds to a struct comes last.
pub(crate) fn of_struct(container: &Container<'_>, body: &Body<'_>) -> TokenStream {
    let tag = container
        .struct_tag
        .as_ref()
        .map(|(tag, _)| described_tag(tag));
    let fields = fields(tag.as_ref(), body, &container.model(), &container.identity);
    quote!(&[#(#fields,)* #tag])
}

fn described_tag(tag: &str) -> TokenStream {
    quote!(__audit::FieldSchema::new(#tag, __audit::no_fields))
}

/// Describes fields. `domain` separates the hash of one field from that of another; `tag` is a
/// sibling of the fields.
fn fields(
    tag: Option<&TokenStream>,
    body: &Body<'_>,
    domain: &str,
    identity: &[usize],
) -> Vec<TokenStream> {
    let describe = |(index, field): (usize, &Field<'_>)| {
        let name = &field.name;
        let nested = nested(field);
        let described = match field.position {
            Some(position) => {
                let described = as_field(field);
                quote!(__audit::indexed_field(#position, #name, #described))
            }
            None if body.shape != Shape::Named => {
                let (described, units) = (as_field(field), units(field));
                quote!(__audit::inline_field(#name, #described) #units)
            }
            None if field.flatten => {
                let (siblings, units) = (siblings(tag, body, index), units(field));
                quote!(__audit::FieldSchema::flattened(#name, #nested, #siblings) #units)
            }
            None if has_fields(field) => {
                let described = as_field(field);
                // Most names are words, which the compiler then need not check.
                if is_word(name) {
                    quote!(__audit::field(#name, #described))
                } else {
                    quote!(__audit::quoted_field(#name, #described))
                }
            }
            None => quote!(__audit::FieldSchema::new(#name, #nested)),
        };
        let settings = settings(field, &format!("{domain}.{name}"));
        let identity = identity
            .contains(&index)
            .then(|| quote!(.identifying(#domain)));
        quote!(#described #settings #identity)
    };
    body.fields.iter().enumerate().map(describe).collect()
}

/// Describes the siblings of a flattened field:
///
/// ```text
/// || const { &[
///     __audit::FieldSchema::new("name", __audit::no_fields),
///     __audit::FieldSchema::inline("other", <Other as __audit::AuditValue>::fields),
/// ] }
/// ```
fn siblings(tag: Option<&TokenStream>, body: &Body<'_>, own: usize) -> TokenStream {
    let others = body.fields.iter().enumerate();
    let others = others.filter(|(index, _)| *index != own);
    let others = others.map(|(_, field)| {
        let name = &field.name;
        let skipped = field.skipped.then(|| quote!(.skipped()));
        if field.flatten {
            let (nested, units) = (nested(field), units(field));
            quote!(__audit::FieldSchema::inline(#name, #nested) #units #skipped)
        } else {
            quote!(__audit::FieldSchema::new(#name, __audit::no_fields) #skipped)
        }
    });
    let all = tag.into_iter().cloned().chain(others);
    quote!(|| const { &[#(#all),*] })
}

/// Describes every variant that has fields, behind the tag where there is one:
///
/// ```text
/// &[
///     __audit::quoted_field("Card", (|| const { &[/* the variant's fields */] }, false)),
///     __audit::quoted_field("Cash", <u64 as __audit::AuditValue>::AS_FIELD),
/// ]
/// ```
pub(crate) fn variants(variants: &[Variant<'_>], tagging: &Tagging, domain: &str) -> TokenStream {
    let described = |untagged: bool| {
        variants
            .iter()
            .filter(move |variant| variant.has_fields() && variant.untagged == untagged)
            .map(|variant| self::variant(variant, tagging, domain))
    };
    let (tagged, untagged) = (described(false), described(true));
    match tagging {
        Tagging::External | Tagging::Untagged => quote!(&[#(#tagged,)* #(#untagged),*]),
        Tagging::Internal(tag) => quote! {
            &[__audit::FieldSchema::new(#tag, __audit::no_fields), #(#tagged,)* #(#untagged),*]
        },
        Tagging::Adjacent(tag, content) => quote! {
            &[
                __audit::FieldSchema::new(#tag, __audit::no_fields),
                __audit::FieldSchema::new(#content, || const { &[#(#tagged),*] }),
                #(#untagged),*
            ]
        },
    }
}

/// Describes one variant.
fn variant(variant: &Variant<'_>, tagging: &Tagging, domain: &str) -> TokenStream {
    let name = &variant.name;
    let domain = format!("{domain}.{name}");
    let tagging = variant.tagging(tagging);
    let beside = match tagging {
        Tagging::Internal(tag) => Some(described_tag(tag)),
        _ => None,
    };
    let (described, inner) = if let Shape::Inline(only) = variant.body.shape {
        let field = &variant.body.fields[only];
        let units = (*tagging != Tagging::External).then(|| units(field));
        let settings = settings(field, &domain);
        (as_field(field), Some(quote!(#units #settings)))
    } else {
        let fields = fields(beside.as_ref(), &variant.body, &domain, &[]);
        (quote!((|| const { &[#(#fields),*] }, false)), None)
    };
    let described = match (tagging, variant.body.shape) {
        (Tagging::External, _) => quote!(quoted_field(#name, #described)),
        // The content's fields are siblings of the tag.
        (Tagging::Internal(_), Shape::Inline(only)) => {
            let nested = nested(&variant.body.fields[only]);
            quote!(FieldSchema::flattened(#name, #nested, || const { &[#beside] }))
        }
        _ => quote!(inline_field(#name, #described)),
    };
    // The variant's label comes last and so overrides that of its field.
    let label = variant
        .settings
        .label
        .as_ref()
        .map(|label| quote!(.with_label(#label)));
    let aliases = &variant.settings.aliases;
    let aliases = (!aliases.is_empty()).then(|| quote!(.with_aliases(&[#(#aliases),*])));
    let tag = match tagging {
        Tagging::Internal(tag) | Tagging::Adjacent(tag, _) => Some(quote!(.tagged(#tag))),
        Tagging::External if variant.deserialize_name != *name => {
            let deserialize_name = &variant.deserialize_name;
            Some(quote!(.read_under(#deserialize_name)))
        }
        Tagging::External | Tagging::Untagged => None,
    };
    let accepted = variant.settings.not_secret.then(|| quote!(.not_secret()));
    quote!(__audit::#described #inner #label #aliases #tag #accepted)
}

/// The indices of the variants in the schema of [`variants`].
pub(crate) struct VariantIndices {
    tagged: usize,
    untagged: usize,
}

impl VariantIndices {
    pub(crate) fn new(variants: &[Variant<'_>], tagging: &Tagging) -> Self {
        let tags = match tagging {
            Tagging::External | Tagging::Untagged => 0,
            Tagging::Internal(_) => 1,
            Tagging::Adjacent(..) => 2,
        };
        let among = !matches!(tagging, Tagging::Adjacent(..));
        let tagged = variants
            .iter()
            .filter(|variant| variant.has_fields() && !variant.untagged && among)
            .count();
        Self {
            tagged: if among { tags } else { 0 },
            untagged: tags + tagged,
        }
    }

    /// Returns the schema of the next variant: `__f[1]`.
    pub(crate) fn next(&mut self, variant: &Variant<'_>, tagging: &Tagging) -> TokenStream {
        let next = if variant.untagged {
            &mut self.untagged
        } else {
            &mut self.tagged
        };
        let index = *next;
        *next += usize::from(variant.has_fields());
        if let Tagging::Adjacent(..) = variant.tagging(tagging) {
            quote!(__audit::FieldSchema::fields(&__f[1])[#index])
        } else {
            quote!(__f[#index])
        }
    }
}

/// Returns whether a name needs no quotes in a path, as the function `field` requires. This holds
/// for every identifier.
fn is_word(name: &str) -> bool {
    let digit = name.starts_with(|first: char| first.is_ascii_digit());
    !name.is_empty() && !digit && name.chars().all(|c| c.is_alphanumeric() || c == '_')
}

/// Returns whether the fields of the field's type describe the recorded form.
fn has_fields(field: &Field<'_>) -> bool {
    !(field.skipped || is_opaque(field) || is_bypassing(field) || is_matched(field))
}

/// Returns whether the field's type is a list whose items are matched. If it is not a list of
/// values, the field's form causes the error.
fn is_matched(field: &Field<'_>) -> bool {
    matches!(field.settings.form, Some(Form::Key(_) | Form::Set))
}

/// Returns whether the value is recorded without its type's `AuditValue`.
fn is_bypassing(field: &Field<'_>) -> bool {
    matches!(
        field.settings.form,
        Some(Form::Serde | Form::SerdeWith(_) | Form::Display | Form::Debug)
    )
}

/// Returns whether the fields of the field's type serve only to find cells shared with clones.
fn is_opaque(field: &Field<'_>) -> bool {
    let form = &field.settings.form;
    matches!(
        form,
        Some(Form::MaskWith(_) | Form::With(_) | Form::Reference)
    ) || is_concealed(field)
}

/// Returns the fields of the field's type:
///
/// ```text
/// <String as __audit::AuditValue>::fields
/// ```
///
/// For a type that may not be an `AuditValue`:
///
/// ```text
/// { use __audit::NoFields as _; __audit::fields_of(FieldsOf::<Phone>::FIELDS, FieldsOf::<Phone>::FIXED) }
/// ```
fn nested(field: &Field<'_>) -> TokenStream {
    if field.skipped {
        return quote!(__audit::no_fields);
    }
    // A value that is compared by `PartialEq` has no cells to capture.
    if !has_fields(field) {
        return fields_of(&field.original.ty, !field.is_foreign());
    }
    let ty = inner(field, &field.presence);
    quote!(<#ty as __audit::AuditValue>::fields)
}

/// Returns the call that sets the unit variants of an inline or flattened field's type.
fn units(field: &Field<'_>) -> Option<TokenStream> {
    has_fields(field).then(|| {
        let ty = inner(field, &field.presence);
        quote!(.with_units(<#ty as __audit::AuditValue>::unit_names))
    })
}

/// Returns the description of the field's type: its fields and whether it is a set.
fn as_field(field: &Field<'_>) -> TokenStream {
    if has_fields(field) {
        let ty = inner(field, &field.presence);
        quote!(<#ty as __audit::AuditValue>::AS_FIELD)
    } else {
        let nested = nested(field);
        quote!((#nested, false))
    }
}

/// Returns the fields of a type that may not be an `AuditValue`. If it is not, its values may share
/// cells with their clones, unless the type is `compared` or certainly has no cells.
pub(super) fn fields_of(ty: &Type, compared: bool) -> TokenStream {
    let fixed = if compared {
        quote!(true)
    } else if names_lock(ty.to_token_stream()) {
        quote!(false)
    } else {
        quote!(__audit::FieldsOf::<#ty>::FIXED)
    };
    quote!({
        use __audit::NoFields as _;
        __audit::fields_of(__audit::FieldsOf::<#ty>::FIELDS, #fixed)
    })
}

/// Returns whether a type mentions a lock of the standard library, which `FIXED` does not detect.
fn names_lock(tokens: TokenStream) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Group(group) => names_lock(group.stream()),
        TokenTree::Ident(ident) => LOCKS.iter().any(|lock| ident == lock),
        TokenTree::Punct(_) | TokenTree::Literal(_) => false,
    })
}

const LOCKS: [&str; 3] = ["Mutex", "OnceLock", "RwLock"];

fn settings(field: &Field<'_>, domain: &str) -> TokenStream {
    let settings = &field.settings;
    let mut out = TokenStream::new();
    let source = field.source_name();
    if source != field.name {
        out.extend(quote!(.with_source(#source)));
    }
    if settings.not_secret {
        out.extend(quote!(.not_secret()));
    }
    if let Some(label) = &settings.label {
        out.extend(quote!(.with_label(#label)));
    }
    let aliases: Vec<_> = settings
        .aliases
        .iter()
        .chain(&field.serde_aliases)
        .collect();
    if !aliases.is_empty() {
        out.extend(quote!(.with_aliases(&[#(#aliases),*])));
    }
    if field.skipped {
        out.extend(quote!(.skipped()));
    }
    // serde cannot deserialize a `Debug` text, except a string's, with its quotes.
    if field.serde_unread || matches!(settings.form, Some(Form::Debug)) {
        out.extend(quote!(.unread()));
    } else if field.deserialize_name != field.name && !field.flatten {
        let name = &field.deserialize_name;
        out.extend(quote!(.read_under(#name)));
    }
    if field.skipped {
        return out;
    }
    match settings.redaction {
        Redaction::None => {}
        Redaction::Mask(mask) => {
            let mask = Ident::new(mask, Span::call_site());
            out.extend(quote!(.with_mask(__audit::Mask::#mask)));
        }
        Redaction::Hash => out.extend(quote!(.with_hash(#domain))),
    }
    if let Some(level) = settings.level {
        let level = Ident::new(level, Span::call_site());
        out.extend(quote!(.with_level(__audit::Level::#level)));
    }
    if settings.ignore {
        out.extend(quote!(.ignored()));
    }
    if settings.whole {
        out.extend(quote!(.whole()));
    }
    if settings.equality.is_some() {
        out.extend(quote!(.approximate()));
    }
    if let Some(Form::Set) = settings.form {
        out.extend(quote!(.as_set()));
    }
    if let Some(Form::With(_) | Form::Display | Form::Debug) = settings.form {
        out.extend(quote!(.converted()));
    }
    if is_bypassing(field) {
        out.extend(quote!(.bypassing()));
    } else if is_opaque(field) {
        out.extend(quote!(.opaque()));
    }
    match field.presence {
        Presence::Always => {}
        Presence::SkipNone => out.extend(quote!(.skipping_none())),
        Presence::SkipIf(_) => out.extend(quote!(.skipping_some())),
    }
    if let Some(Form::Reference) = settings.form {
        let ty = &field.original.ty;
        let model = quote!({ use __audit::NoModel as _; __audit::ModelOf::<#ty>::MODEL });
        out.extend(quote!(.referring_to(#model)));
    }
    out
}

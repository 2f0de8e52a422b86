//! The constant that describes a type's fields.

use proc_macro2::{Ident, Span, TokenStream};
use quote::quote;

use crate::ast::{Body, Field, Shape, Tagging, Variant};
use crate::setting::{Form, Redaction};

/// Describes every field of a struct or a variant, skipped ones too:
///
/// ```text
/// &[
///     __audit::FieldSchema::of::<String>("name"),
///     __audit::FieldSchema::new("token", __audit::no_fields).skipped(),
/// ]
/// ```
///
/// `domain` is what separates the hash of one field from that of another.
pub(crate) fn fields(body: &Body<'_>, domain: &str, identity: &[usize]) -> TokenStream {
    let fields = body.fields.iter().enumerate().map(|(index, field)| {
        let name = &field.name;
        let nested = nested(field);
        let place = match body.shape {
            Shape::Tuple => quote!(indexed(#index, #name, #nested)),
            Shape::Inline(_) => quote!(inline(#name, #nested)),
            _ if field.flatten => quote!(inline(#name, #nested)),
            // The shortest form for the most fields: the compiler reads it once for each.
            _ if has_fields(field) && is_word(name) => {
                let ty = &field.original.ty;
                quote!(of::<#ty>(#name))
            }
            _ => quote!(new(#name, #nested)),
        };
        let settings = settings(field, &format!("{domain}.{name}"));
        let identity = identity.contains(&index).then(|| quote!(.identity()));
        quote!(__audit::FieldSchema::#place #settings #identity)
    });
    quote!(&[#(#fields),*])
}

/// Describes every variant that holds data:
///
/// ```text
/// &[
///     __audit::FieldSchema::new("Card", || const { &[/* the variant's fields */] }),
///     __audit::FieldSchema::new("Cash", <u64 as __audit::AuditValue>::fields),
/// ]
/// ```
pub(crate) fn variants(variants: &[Variant<'_>], tagging: &Tagging, domain: &str) -> TokenStream {
    let tag = match tagging {
        Tagging::Internal(tag) => {
            Some(quote!(__audit::FieldSchema::new(#tag, __audit::no_fields),))
        }
        _ => None,
    };
    let place = match tagging {
        Tagging::External => quote!(new),
        Tagging::Internal(_) | Tagging::Untagged => quote!(inline),
    };
    let variants = variants
        .iter()
        .filter(|variant| !variant.is_unit())
        .map(|variant| {
            let name = &variant.name;
            let domain = format!("{domain}.{name}");
            let (nested, inner) = if let Shape::Inline(only) = variant.body.shape {
                let field = &variant.body.fields[only];
                (nested(field), Some(settings(field, &domain)))
            } else {
                let fields = fields(&variant.body, &domain, &[]);
                (quote!(|| const { #fields }), None)
            };
            // A label of the variant comes last and so stands before its field's.
            let label = variant
                .settings
                .label
                .as_ref()
                .map(|label| quote!(.with_label(#label)));
            let aliases = &variant.settings.aliases;
            let aliases = (!aliases.is_empty()).then(|| quote!(.with_aliases(&[#(#aliases),*])));
            quote!(__audit::FieldSchema::#place(#name, #nested) #inner #label #aliases)
        });
    quote!(&[#tag #(#variants),*])
}

/// Whether a name can stand in a path as it is, as every identifier can: what `of` takes.
fn is_word(name: &str) -> bool {
    let digit = name.starts_with(|first: char| first.is_ascii_digit());
    !name.is_empty() && !digit && name.chars().all(|c| c.is_alphanumeric() || c == '_')
}

/// Whether the fields of the field's type count.
fn has_fields(field: &Field<'_>) -> bool {
    let masked = matches!(field.settings.form, Some(Form::MaskWith(_)));
    !(field.skipped || masked || field.is_foreign())
}

/// Gives the fields of the field's type, unless it has none that count.
fn nested(field: &Field<'_>) -> TokenStream {
    if !has_fields(field) {
        return quote!(__audit::no_fields);
    }
    let ty = &field.original.ty;
    quote!(<#ty as __audit::AuditValue>::fields)
}

fn settings(field: &Field<'_>, domain: &str) -> TokenStream {
    let settings = &field.settings;
    let mut out = TokenStream::new();
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
    if let Some(Form::With(_) | Form::Display | Form::Debug) = settings.form {
        out.extend(quote!(.converted()));
    }
    if let Some(Form::Reference) = settings.form {
        let ty = &field.original.ty;
        let model = quote!({ use __audit::NoModel as _; __audit::ModelOf::<#ty>::MODEL });
        out.extend(quote!(.referring_to(#model)));
    }
    out
}

//! `AuditValue` for enums, in the form that serde gives them.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::Ident;

use super::field::{self, Spot};
use super::{schema, value};
use crate::ast::{Container, Shape, Tagging, Variant};

/// Emits the items of the implementation.
pub(crate) fn items(
    container: &Container<'_>,
    variants: &[Variant<'_>],
    tagging: &Tagging,
) -> TokenStream {
    if variants.is_empty() {
        return quote! {
            #[inline]
            fn same(&self, _: &Self) -> ::core::primitive::bool { true }
            #[inline]
            fn snapshot(&self, _: &mut __audit::Snapshot<'_>) -> __audit::Value { match *self {} }
        };
    }
    if *tagging == Tagging::External && variants.iter().all(Variant::is_unit) {
        return names_only(variants);
    }
    with_data(container, variants, tagging)
}

/// An enum without data is its variant's name:
///
/// ```text
/// fn same(&self, __new: &Self) -> bool { discriminant(self) == discriminant(__new) }
/// fn snapshot(&self, _: &mut __audit::Snapshot<'_>) -> __audit::Value {
///     ::core::convert::From::from(match self { Self::Open { .. } => "Open", /* ... */ })
/// }
/// ```
fn names_only(variants: &[Variant<'_>]) -> TokenStream {
    let arms = variants.iter().map(|variant| {
        let (ident, name) = (&variant.original.ident, &variant.name);
        quote!(Self::#ident { .. } => #name,)
    });
    quote! {
        #[inline]
        fn same(&self, __new: &Self) -> ::core::primitive::bool {
            ::core::mem::discriminant(self) == ::core::mem::discriminant(__new)
        }
        #[inline]
        fn snapshot(&self, _: &mut __audit::Snapshot<'_>) -> __audit::Value {
            ::core::convert::From::from(match self { #(#arms)* })
        }
    }
}

/// An enum with data is compared inside while the variant stays:
///
/// ```text
/// fn diff(&self, __new: &Self, __cx: &mut __audit::Diff<'_>) {
///     let __f = <Self as __audit::AuditValue>::FIELDS;
///     match (self, __new) {
///         (Self::Card { number: __a0, .. }, Self::Card { number: __b0, .. }) => { /* fields */ }
///         _ => if discriminant(self) != discriminant(__new) { /* old and new value */ }
///     }
/// }
/// ```
fn with_data(
    container: &Container<'_>,
    variants: &[Variant<'_>],
    tagging: &Tagging,
) -> TokenStream {
    let schema = schema::variants(variants, tagging, &container.model());
    // The tag has the first place in the fields.
    let mut place = usize::from(matches!(tagging, Tagging::Internal(_)));
    let mut diffs = TokenStream::new();
    let mut snapshots = TokenStream::new();
    for variant in variants {
        snapshots.extend(snapshot_arm(variant, tagging, place));
        if !variant.is_unit() {
            diffs.extend(diff_arm(variant, tagging, place));
            place += 1;
        }
    }
    // After the only variant, which holds data, nothing else can come.
    let rest = (variants.len() > 1 || diffs.is_empty()).then(|| {
        quote! {
            _ => if ::core::mem::discriminant(self) != ::core::mem::discriminant(__new) {
                __audit::Diff::replace(
                    __cx,
                    ::core::option::Option::Some(self),
                    ::core::option::Option::Some(__new),
                );
            }
        }
    });
    quote! {
        const COMPOSITE: ::core::primitive::bool = true;
        const FIELDS: &'static [__audit::FieldSchema] = #schema;
        #[inline]
        fn diff(&self, __new: &Self, __cx: &mut __audit::Diff<'_>) {
            let __f = <Self as __audit::AuditValue>::FIELDS;
            match (self, __new) { #diffs #rest }
        }
        #[inline]
        fn snapshot(&self, __cx: &mut __audit::Snapshot<'_>) -> __audit::Value {
            let __f = <Self as __audit::AuditValue>::FIELDS;
            match self { #snapshots }
        }
    }
}

/// Binds the recorded fields of a variant to `__a0`, `__a1`, ... (or `__b0`, ...).
fn pattern(variant: &Variant<'_>, prefix: &str) -> TokenStream {
    let ident = &variant.original.ident;
    let bindings = variant.body.tracked().map(|(index, field)| {
        let (member, name) = (&field.member, binding(prefix, index));
        quote!(#member: #name,)
    });
    quote!(Self::#ident { #(#bindings)* .. })
}

fn binding(prefix: &str, index: usize) -> Ident {
    format_ident!("__{prefix}{index}")
}

fn diff_arm(variant: &Variant<'_>, tagging: &Tagging, place: usize) -> TokenStream {
    let (old, new) = (pattern(variant, "a"), pattern(variant, "b"));
    let body = &variant.body;
    let field = |index: usize, place: usize| {
        let from = Spot::bound(&binding("a", index));
        let to = Spot::bound(&binding("b", index));
        field::diff(&body.fields[index], body.shape, place, &from, &to)
    };
    let report = if let Shape::Inline(only) = body.shape {
        field(only, place)
    } else {
        let fields = body.tracked().map(|(index, _)| field(index, index));
        let fields = quote! {
            let __f = __audit::FieldSchema::fields(&__f[#place]);
            #(#fields)*
        };
        match tagging {
            _ if body.tracked().next().is_none() => TokenStream::new(),
            Tagging::External => {
                let name = &variant.name;
                quote!(__audit::Diff::variant(__cx, #name, |__cx| { #fields });)
            }
            Tagging::Internal(_) | Tagging::Untagged => fields,
        }
    };
    quote!((#old, #new) => { #report })
}

fn snapshot_arm(variant: &Variant<'_>, tagging: &Tagging, place: usize) -> TokenStream {
    let (pattern, body, name) = (pattern(variant, "a"), &variant.body, &variant.name);
    let spot = |index| Spot::bound(&binding("a", index));
    let tag = quote!(__audit::ObjectSnapshot::visit(__o, &__f[0], #name););
    let shape = (!variant.is_unit()).then_some(body.shape);
    let content = match (shape, tagging) {
        (None, Tagging::External) => quote!(::core::convert::From::from(#name)),
        (None, Tagging::Internal(_)) => value::collection(Shape::Named, &tag),
        (None, Tagging::Untagged) => quote!(__audit::Value::Null),
        (Some(Shape::Inline(only)), Tagging::Internal(_)) => {
            let value = field::shown(&body.fields[only], &spot(only).reference);
            let visit = quote!(__audit::ObjectSnapshot::visit(__o, &__f[#place], #value););
            value::collection(Shape::Named, &quote!(#tag #visit))
        }
        (Some(Shape::Inline(only)), _) => {
            let value = field::shown(&body.fields[only], &spot(only).reference);
            let value = quote!(__audit::Snapshot::field_value(__cx, &__f[#place], #value));
            named(tagging, name, &value)
        }
        (Some(shape), _) => {
            let fields = 0..body.fields.len();
            let values: TokenStream = fields
                .map(|index| value::value(body, index, &spot(index)))
                .collect();
            let bind = (!values.is_empty())
                .then(|| quote!(let __f = __audit::FieldSchema::fields(&__f[#place]);));
            let tag = matches!(tagging, Tagging::Internal(_)).then_some(tag);
            named(
                tagging,
                name,
                &value::collection(shape, &quote!(#tag #bind #values)),
            )
        }
    };
    quote!(#pattern => #content,)
}

/// Puts a variant's content under its name, where serde does.
fn named(tagging: &Tagging, name: &str, content: &TokenStream) -> TokenStream {
    match tagging {
        Tagging::External => quote!(__audit::Snapshot::variant(__cx, #name, |__cx| #content)),
        Tagging::Internal(_) | Tagging::Untagged => content.clone(),
    }
}

//! `AuditValue` for enums, in the form that serde gives them.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::Ident;
use syn::ext::IdentExt;

use super::field::{self, FieldAccess};
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
    let units = unit_names(variants, tagging);
    let bare = |variant: &Variant<'_>| !variant.has_fields() && !variant.untagged;
    if *tagging == Tagging::External && variants.iter().all(bare) {
        let items = names_only(variants);
        return quote!(#items #units);
    }
    let items = with_data(container, variants, tagging);
    quote!(#items #units)
}

/// Emits the names of the unit variants, which are keys if the enum is flattened and externally
/// tagged:
///
/// ```text
/// fn unit_names() -> &'static [&'static str] { &["Open", /* ... */] }
/// ```
fn unit_names(variants: &[Variant<'_>], tagging: &Tagging) -> Option<TokenStream> {
    let units: Vec<&str> = variants
        .iter()
        .filter(|variant| *variant.tagging(tagging) == Tagging::External)
        .filter(|variant| !variant.has_fields())
        .map(|variant| variant.name.as_str())
        .collect();
    (!units.is_empty()).then(|| {
        quote! {
            #[inline]
            fn unit_names() -> &'static [&'static ::core::primitive::str] { &[#(#units),*] }
        }
    })
}

/// An enum of unit variants is recorded as the variant's name:
///
/// ```text
/// fn same(&self, __new: &Self) -> bool { discriminant(self) == discriminant(__new) }
/// fn snapshot(&self, __cx: &mut __audit::Snapshot<'_>) -> __audit::Value {
///     __audit::Snapshot::unit(__cx, match self { Self::Open { .. } => "Open", /* ... */ })
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
        fn snapshot(&self, __cx: &mut __audit::Snapshot<'_>) -> __audit::Value {
            __audit::Snapshot::unit(__cx, match self { #(#arms)* })
        }
    }
}

/// An enum with data is compared inside if both values are of the same variant:
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
    let mut indices = schema::VariantIndices::new(variants, tagging);
    let mut diffs = TokenStream::new();
    let mut snapshots = TokenStream::new();
    for variant in variants {
        let description = indices.next(variant, tagging);
        snapshots.extend(snapshot_arm(variant, tagging, &description));
        if !variant.is_unit() {
            diffs.extend(diff_arm(variant, tagging, &description));
        }
    }
    // A single variant with data needs no other arm.
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

/// Emits the arm that compares a variant, whose schema is `description`, as in `__f[1]`.
fn diff_arm(variant: &Variant<'_>, tagging: &Tagging, description: &TokenStream) -> TokenStream {
    let (old, new) = (pattern(variant, "a"), pattern(variant, "b"));
    let body = &variant.body;
    let field = |index: usize, description: &TokenStream| {
        let from = FieldAccess::bound(&binding("a", index));
        let to = FieldAccess::bound(&binding("b", index));
        field::diff(&body.fields[index], body.shape, description, &from, &to)
    };
    let report = if let Shape::Inline(only) = body.shape {
        field(only, description)
    } else {
        let fields = body
            .tracked()
            .map(|(index, _)| field(index, &quote!(__f[#index])));
        quote! {
            let __f = __audit::FieldSchema::fields(&#description);
            #(#fields)*
        }
    };
    let inline = matches!(body.shape, Shape::Inline(_));
    let report = match variant.tagging(tagging) {
        _ if body.tracked().next().is_none() => TokenStream::new(),
        Tagging::External if !inline => {
            let name = &variant.name;
            quote!(__audit::Diff::variant(__cx, #name, |__cx| { #report });)
        }
        Tagging::Adjacent(_, content) => {
            quote!(__audit::Diff::variant(__cx, #content, |__cx| { #report });)
        }
        Tagging::External | Tagging::Internal(_) | Tagging::Untagged => report,
    };
    quote!((#old, #new) => { #report })
}

fn snapshot_arm(
    variant: &Variant<'_>,
    tagging: &Tagging,
    description: &TokenStream,
) -> TokenStream {
    let (pattern, name) = (pattern(variant, "a"), &variant.name);
    let tag = quote!(__audit::ObjectSnapshot::visit(__o, &__f[0], #name););
    let content = match (variant.tagging(tagging), variant.body.shape) {
        (Tagging::External, Shape::Unit) => quote!(__audit::Snapshot::unit(__cx, #name)),
        (Tagging::Internal(_) | Tagging::Adjacent(..), Shape::Unit) => {
            value::collection(Shape::Named, &tag)
        }
        (Tagging::Untagged, Shape::Unit) => quote!(__audit::Value::Null),
        (Tagging::External, _) => {
            let content = content(variant, description);
            quote!(__audit::Snapshot::variant(__cx, #name, |__cx| #content))
        }
        (Tagging::Untagged, _) => content(variant, description),
        (Tagging::Adjacent(_, key), _) => {
            let content = content(variant, description);
            let put = quote!(__audit::ObjectSnapshot::put(__o, #key, |__cx| #content););
            value::collection(Shape::Named, &quote!(#tag #put))
        }
        (Tagging::Internal(_), Shape::Inline(only)) => {
            let field = &variant.body.fields[only];
            let value = FieldAccess::bound(&binding("a", only)).reference;
            let visit = field::collect(field, description, &value);
            value::collection(Shape::Named, &quote!(#tag #visit))
        }
        (Tagging::Internal(_), shape) => {
            let fields = fields(variant, description);
            value::collection(shape, &quote!(#tag #fields))
        }
    };
    if matches!(variant.tagging(tagging), Tagging::External) {
        return quote!(#pattern => #content,);
    }
    let source = variant.original.ident.unraw().to_string();
    quote!(#pattern => {
        let __value = #content;
        __audit::Snapshot::bare_variant(__cx, #source, __value)
    })
}

/// Records the content of a data variant, without its name.
fn content(variant: &Variant<'_>, description: &TokenStream) -> TokenStream {
    if let Shape::Inline(only) = variant.body.shape {
        let field = &variant.body.fields[only];
        let value = FieldAccess::bound(&binding("a", only)).reference;
        return field::record(field, description, &value);
    }
    value::collection(variant.body.shape, &fields(variant, description))
}

/// Records the fields of a variant in an object or an array called `__o`.
fn fields(variant: &Variant<'_>, description: &TokenStream) -> TokenStream {
    let body = &variant.body;
    let values: TokenStream = (0..body.fields.len())
        .map(|index| value::value(body, index, &FieldAccess::bound(&binding("a", index))))
        .collect();
    let bind = (!values.is_empty())
        .then(|| quote!(let __f = __audit::FieldSchema::fields(&#description);));
    quote!(#bind #values)
}

//! The code that the derive emits.

mod converted;
mod entity;
mod enums;
mod field;
mod form;
mod schema;
mod value;

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Attribute, ExprPath};

use crate::ast::{Container, Data};
use crate::bound;

pub(crate) use self::form::member;

/// Emits the implementations, without the last three for a type without identity:
///
/// ```text
/// const _: () = {
///     use ::auditlog::__private as __audit;
///     impl __audit::AuditValue for User { /* value.rs, enums.rs */ }
///     impl __audit::Fields for User { /* value.rs: only for a struct with fields */ }
///     impl __audit::Auditable for User { /* entity.rs */ }
///     const _: bool = <User as __audit::Auditable>::HASHES_KEYS; // only with `parent(...)`
///     __audit::derived! { User }
/// };
/// ```
///
/// Every method is `#[inline]`, so that unused methods are not compiled to machine code, which is
/// most of the cost of the derive in a release build.
pub(crate) fn expand(container: &Container<'_>) -> TokenStream {
    let generics = bound::with_bounds(container);
    let (params, arguments, clause) = generics.split_for_impl();
    let ident = &container.input.ident;
    let allow = uses_deprecated(container).then(|| quote!(#[allow(deprecated)]));
    let (value, walk, entity) = match &container.data {
        Data::Struct(body) => (
            converted::items(container).unwrap_or_else(|| value::items(container, body)),
            value::walk(container, body),
            entity::items(container, body),
        ),
        Data::Enum(variants, tagging) => {
            let items = converted::items(container);
            let items = items.unwrap_or_else(|| enums::items(container, variants, tagging));
            (items, None, None)
        }
    };
    let walk = walk.map(|items| {
        quote! {
            #[automatically_derived]
            #allow
            impl #params __audit::Fields for #ident #arguments #clause { #items }
        }
    });
    let entity = entity.map(|items| {
        quote! {
            #[automatically_derived]
            #allow
            impl #params __audit::Auditable for #ident #arguments #clause { #items }
        }
    });
    // Nothing else evaluates the constant before code generation for a record.
    let checked = container.settings.parent.is_some() && container.input.generics.params.is_empty();
    let checked = (entity.is_some() && checked).then(|| {
        quote! {
            #allow
            const _: ::core::primitive::bool = <#ident as __audit::Auditable>::HASHES_KEYS;
        }
    });
    // `register_all` cannot know with which arguments a generic type is used.
    let listed = entity.is_some() && container.input.generics.params.is_empty();
    let listed = listed.then(|| match &allow {
        None => quote!(__audit::derived! { #ident }),
        Some(allow) => quote!(#allow const _: () = { __audit::derived! { #ident } };),
    });
    in_scope(
        container.settings.crate_path.as_ref(),
        &quote! {
            #[automatically_derived]
            #allow
            impl #params __audit::AuditValue for #ident #arguments #clause { #value }
            #walk
            #entity
            #checked
            #listed
        },
    )
}

/// Wraps items in a scope in which `__audit` is the private module and nothing else is visible.
pub(crate) fn in_scope(crate_path: Option<&ExprPath>, items: &TokenStream) -> TokenStream {
    let root = crate_path.map_or_else(|| quote!(::auditlog), |path| quote!(#path));
    quote! {
        const _: () = {
            use #root::__private as __audit;
            #items
        };
    }
}

/// Returns whether the type has deprecated parts, which the emitted code must access.
fn uses_deprecated(container: &Container<'_>) -> bool {
    let marked = |attrs: &[Attribute]| attrs.iter().any(|attr| attr.path().is_ident("deprecated"));
    marked(&container.input.attrs)
        || match &container.data {
            Data::Struct(body) => body
                .fields
                .iter()
                .any(|field| marked(&field.original.attrs)),
            Data::Enum(variants, _) => variants.iter().any(|variant| {
                marked(&variant.original.attrs)
                    || variant
                        .body
                        .fields
                        .iter()
                        .any(|field| marked(&field.original.attrs))
            }),
        }
}

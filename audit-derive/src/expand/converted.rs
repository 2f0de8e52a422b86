//! `AuditValue` for types that are recorded in another form than their fields.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::Type;

use super::schema::fields_of;
use crate::ast::{Body, Container, Conversion, Data};
use crate::symbol::{DISPLAY, SERDE};

/// Emits the items of the implementation, if the type is recorded in another form.
pub(crate) fn items(container: &Container<'_>) -> Option<TokenStream> {
    Some(match container.conversion.as_ref()? {
        Conversion::Serde => wrapped(container, SERDE, &quote!(Serialized)),
        Conversion::Display => wrapped(container, DISPLAY, &quote!(Displayed)),
        Conversion::Into(into) => through(into),
    })
}

/// A type that is recorded in its serialized form or as its text. Its fields do not describe the
/// recorded form, but the lint reports those whose types would hide a part:
///
/// ```text
/// const FIELDS: &'static [__audit::FieldSchema] = &[__audit::FieldSchema::inline("", || const {
///     &[__audit::FieldSchema::new("phone", /* the fields of `Phone`, if it has any */)]
/// }).bypassing()];
/// fn same(&self, __new: &Self) -> bool {
///     <__audit::Serialized<'_, Self> as __audit::AuditValue>::same(
///         &__audit::Serialized(self),
///         &__audit::Serialized(__new),
///     )
/// }
/// fn snapshot(&self, __cx: &mut __audit::Snapshot<'_>) -> __audit::Value {
///     <__audit::Serialized<'_, Self> as __audit::AuditValue>::snapshot(
///         &__audit::Serialized(self),
///         __cx,
///     )
/// }
/// ```
fn wrapped(container: &Container<'_>, word: &str, wrapper: &TokenStream) -> TokenStream {
    // A trait that the type lacks is reported at the word that asks for it, once for both uses.
    let word = container.settings.given.get(word).map(Ident::span);
    let span = word.map_or_else(Span::call_site, |span| span.resolved_at(Span::call_site()));
    let value = quote_spanned!(span=> <__audit::#wrapper<'_, Self> as __audit::AuditValue>);
    let fields = bypassed_fields(container);
    quote! {
        #fields
        #[inline]
        fn same(&self, __new: &Self) -> ::core::primitive::bool {
            #value::same(&__audit::#wrapper(self), &__audit::#wrapper(__new))
        }
        #[inline]
        fn snapshot(&self, __cx: &mut __audit::Snapshot<'_>) -> __audit::Value {
            #value::snapshot(&__audit::#wrapper(self), __cx)
        }
    }
}

fn bypassed_fields(container: &Container<'_>) -> Option<TokenStream> {
    let bodies: Vec<&Body<'_>> = match &container.data {
        Data::Struct(body) => vec![body],
        Data::Enum(variants, _) => variants.iter().map(|variant| &variant.body).collect(),
    };
    let written = bodies.iter().flat_map(|body| &body.fields);
    let described: Vec<_> = written
        .filter(|field| !field.serde_skipped)
        .map(|field| {
            let name = field.source_name();
            let nested = fields_of(&field.original.ty, false);
            quote!(__audit::FieldSchema::new(#name, #nested))
        })
        .collect();
    (!described.is_empty()).then(|| {
        quote! {
            const FIELDS: &'static [__audit::FieldSchema] = &[__audit::FieldSchema::inline(
                "",
                || const { &[#(#described),*] },
            )
            .bypassing()];
        }
    })
}

/// A type that serde converts before serializing it is recorded as the converted type:
///
/// ```text
/// const COMPOSITE: bool = <String as __audit::AuditValue>::COMPOSITE;
/// fn snapshot(&self, __cx: &mut __audit::Snapshot<'_>) -> __audit::Value {
///     <String as __audit::AuditValue>::snapshot(&__audit::convert(self), __cx)
/// }
/// // and so on for every method
/// ```
fn through(into: &Type) -> TokenStream {
    let value = quote!(<#into as __audit::AuditValue>);
    let this = quote!(&__audit::convert::<Self, #into>(self));
    let new = quote!(&__audit::convert::<Self, #into>(__new));
    quote! {
        const COMPOSITE: ::core::primitive::bool = #value::COMPOSITE;
        const SET: ::core::primitive::bool = #value::SET;
        const FIELDS: &'static [__audit::FieldSchema] = #value::FIELDS;
        #[inline]
        fn same(&self, __new: &Self) -> ::core::primitive::bool { #value::same(#this, #new) }
        #[inline]
        fn snapshot(&self, __cx: &mut __audit::Snapshot<'_>) -> __audit::Value {
            #value::snapshot(#this, __cx)
        }
        #[inline]
        fn diff(&self, __new: &Self, __cx: &mut __audit::Diff<'_>) {
            #value::diff(#this, #new, __cx);
        }
        #[inline]
        fn write_text(&self, __out: &mut __audit::String, __cx: &mut __audit::Snapshot<'_>) {
            #value::write_text(#this, __out, __cx);
        }
        #[inline]
        fn fields() -> &'static [__audit::FieldSchema] { #value::fields() }
        #[inline]
        fn unit_names() -> &'static [&'static ::core::primitive::str] { #value::unit_names() }
    }
}

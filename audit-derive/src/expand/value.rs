//! `AuditValue` for structs.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Attribute, Meta};

use super::field::{self, Spot};
use super::schema;
use crate::ast::{Body, Container, Shape};

/// Emits the items of the implementation.
pub(crate) fn items(container: &Container<'_>, body: &Body<'_>) -> TokenStream {
    match body.shape {
        Shape::Unit => nothing(&TokenStream::new()),
        Shape::Inline(only) if body.fields[only].skipped => {
            let fields = schema::fields(body, &container.model(), &container.identity);
            nothing(&quote!(const FIELDS: &'static [__audit::FieldSchema] = #fields;))
        }
        Shape::Inline(only) if body.fields[only].is_plain() && container.identity.is_empty() => {
            delegating(container, body, only)
        }
        _ => composite(container, body),
    }
}

/// A struct that holds nothing to record:
///
/// ```text
/// fn same(&self, _: &Self) -> bool { true }
/// fn snapshot(&self, _: &mut __audit::Snapshot<'_>) -> __audit::Value { __audit::Value::Null }
/// ```
fn nothing(fields: &TokenStream) -> TokenStream {
    quote! {
        #fields
        #[inline]
        fn same(&self, _: &Self) -> ::core::primitive::bool { true }
        #[inline]
        fn snapshot(&self, _: &mut __audit::Snapshot<'_>) -> __audit::Value { __audit::Value::Null }
    }
}

/// A newtype about which nothing was said is what it holds:
///
/// ```text
/// const COMPOSITE: bool = <u64 as __audit::AuditValue>::COMPOSITE;
/// fn snapshot(&self, __cx: &mut __audit::Snapshot<'_>) -> __audit::Value {
///     <u64 as __audit::AuditValue>::snapshot(&self.0, __cx)
/// }
/// // and so on for every method
/// ```
fn delegating(container: &Container<'_>, body: &Body<'_>, only: usize) -> TokenStream {
    let packed = is_packed(&container.input.attrs);
    let ty = &body.fields[only].original.ty;
    let this = Spot::of(&quote!(self), &body.fields[only], packed).reference;
    let other = Spot::of(&quote!(__new), &body.fields[only], packed).reference;
    quote! {
        const COMPOSITE: ::core::primitive::bool = <#ty as __audit::AuditValue>::COMPOSITE;
        #[inline]
        fn same(&self, __new: &Self) -> ::core::primitive::bool {
            <#ty as __audit::AuditValue>::same(#this, #other)
        }
        #[inline]
        fn snapshot(&self, __cx: &mut __audit::Snapshot<'_>) -> __audit::Value {
            <#ty as __audit::AuditValue>::snapshot(#this, __cx)
        }
        #[inline]
        fn diff(&self, __new: &Self, __cx: &mut __audit::Diff<'_>) {
            <#ty as __audit::AuditValue>::diff(#this, #other, __cx);
        }
        #[inline]
        fn write_text(&self, __out: &mut __audit::String, __cx: &mut __audit::Snapshot<'_>) {
            <#ty as __audit::AuditValue>::write_text(#this, __out, __cx);
        }
        #[inline]
        fn fields() -> &'static [__audit::FieldSchema] {
            <#ty as __audit::AuditValue>::fields()
        }
    }
}

/// A struct with fields:
///
/// ```text
/// const COMPOSITE: bool = true;
/// const FIELDS: &'static [__audit::FieldSchema] = &[/* schema.rs */];
/// fn diff(&self, __new: &Self, __cx: &mut __audit::Diff<'_>) {
///     let __f = <Self as __audit::AuditValue>::FIELDS;
///     __audit::Diff::visit(__cx, &__f[0], &self.name, &__new.name);
/// }
/// fn snapshot(&self, __cx: &mut __audit::Snapshot<'_>) -> __audit::Value {
///     let __f = <Self as __audit::AuditValue>::FIELDS;
///     __audit::Snapshot::object(__cx, |__o| {
///         __audit::ObjectSnapshot::visit(__o, &__f[0], &self.name);
///     })
/// }
/// ```
fn composite(container: &Container<'_>, body: &Body<'_>) -> TokenStream {
    let packed = is_packed(&container.input.attrs);
    let (this, other) = (quote!(self), quote!(__new));
    let schema = schema::fields(body, &container.model(), &container.identity);
    let diffs: TokenStream = body
        .tracked()
        .map(|(index, field)| {
            let (old, new) = (
                Spot::of(&this, field, packed),
                Spot::of(&other, field, packed),
            );
            field::diff(field, body.shape, index, &old, &new)
        })
        .collect();
    let snapshot = match body.shape {
        Shape::Inline(only) => {
            let field = &body.fields[only];
            let value = field::shown(field, &Spot::of(&this, field, packed).reference);
            quote!(__audit::Snapshot::field_value(__cx, &__f[#only], #value))
        }
        shape => {
            let values = body
                .fields
                .iter()
                .enumerate()
                .map(|(index, field)| value(body, index, &Spot::of(&this, field, packed)));
            collection(shape, &values.collect())
        }
    };
    let bind = quote!(let __f = <Self as __audit::AuditValue>::FIELDS;);
    // A tuple records a null even for a skipped field, and so needs the fields there.
    let records = !diffs.is_empty() || (body.shape == Shape::Tuple && !body.fields.is_empty());
    let bind_snapshot = records.then_some(&bind);
    let (new, cx, bind_diff) = if diffs.is_empty() {
        (quote!(_), quote!(_), None)
    } else {
        (quote!(__new), quote!(__cx), Some(&bind))
    };
    quote! {
        const COMPOSITE: ::core::primitive::bool = true;
        const FIELDS: &'static [__audit::FieldSchema] = #schema;
        #[inline]
        fn diff(&self, #new: &Self, #cx: &mut __audit::Diff<'_>) {
            #bind_diff
            #diffs
        }
        #[inline]
        fn snapshot(&self, __cx: &mut __audit::Snapshot<'_>) -> __audit::Value {
            #bind_snapshot
            #snapshot
        }
    }
}

/// Records one field of an object or an array; a skipped one leaves a null in an array.
pub(super) fn value(body: &Body<'_>, index: usize, spot: &Spot) -> TokenStream {
    let field = &body.fields[index];
    match (field.skipped, body.shape) {
        (false, shape) => field::snapshot(field, shape, index, spot),
        (true, Shape::Tuple) => quote!(__audit::ArraySnapshot::visit(__o, &__f[#index], &());),
        (true, _) => TokenStream::new(),
    }
}

/// Wraps what fills `__o` into the call that makes the object or the array.
pub(super) fn collection(shape: Shape, fill: &TokenStream) -> TokenStream {
    let binding = if fill.is_empty() {
        quote!(_)
    } else {
        quote!(__o)
    };
    let method = if shape == Shape::Tuple {
        quote!(array)
    } else {
        quote!(object)
    };
    quote!(__audit::Snapshot::#method(__cx, |#binding| { #fill }))
}

pub(super) fn is_packed(attrs: &[Attribute]) -> bool {
    attrs.iter().any(|attr| match &attr.meta {
        Meta::List(list) if attr.path().is_ident("repr") => list
            .tokens
            .clone()
            .into_iter()
            .any(|token| token.to_string() == "packed"),
        _ => false,
    })
}

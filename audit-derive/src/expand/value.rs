//! `AuditValue` for structs.

use proc_macro2::{Ident, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::{Attribute, Meta, Type};

use super::field::{self, FieldAccess};
use super::schema;
use crate::ast::{Body, Container, Shape};

/// Emits the items of the implementation.
pub(crate) fn items(container: &Container<'_>, body: &Body<'_>) -> TokenStream {
    match body.shape {
        Shape::Unit => nothing(&TokenStream::new()),
        Shape::Inline(only) if body.fields[only].skipped => {
            let fields = schema::of_struct(container, body);
            nothing(&quote!(const FIELDS: &'static [__audit::FieldSchema] = #fields;))
        }
        Shape::Inline(only)
            if body.fields[only].is_plain()
                && container.identity.is_empty()
                && !may_be_recursive(&container.input.ident, &body.fields[only].original.ty) =>
        {
            delegating(container, body, only)
        }
        Shape::Inline(only) => newtype(container, body, only),
        _ => composite(container, body),
    }
}

/// A struct without anything to record:
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

/// Returns whether a newtype may contain itself, which requires a pointer. Its constants would then
/// depend on themselves, and the depth of a value must be counted.
fn may_be_recursive(own: &Ident, ty: &Type) -> bool {
    fn in_tokens(own: &Ident, tokens: TokenStream) -> bool {
        tokens.into_iter().any(|token| match token {
            TokenTree::Group(group) => in_tokens(own, group.stream()),
            TokenTree::Ident(ident) => {
                ident == *own || POINTERS.iter().any(|pointer| ident == pointer)
            }
            TokenTree::Punct(punct) => punct.as_char() == '&',
            TokenTree::Literal(_) => false,
        })
    }
    in_tokens(own, ty.to_token_stream())
}

const POINTERS: [&str; 5] = ["Arc", "Box", "Cow", "Rc", "Self"];

/// A newtype without attributes is recorded as its content:
///
/// ```text
/// const COMPOSITE: bool = <u64 as __audit::AuditValue>::COMPOSITE;
/// fn same(&self, __new: &Self) -> bool {
///     if Self::COMPOSITE { Diff::probe(self, __new) } else { <u64 as AuditValue>::same(..) }
/// }
/// fn snapshot(&self, __cx: &mut __audit::Snapshot<'_>) -> __audit::Value {
///     <u64 as __audit::AuditValue>::snapshot(&self.0, __cx)
/// }
/// // and so on for every method
/// ```
fn delegating(container: &Container<'_>, body: &Body<'_>, only: usize) -> TokenStream {
    let packed = is_packed(&container.input.attrs);
    let ty = &body.fields[only].original.ty;
    let this = FieldAccess::of(&quote!(self), &body.fields[only], packed).reference;
    let other = FieldAccess::of(&quote!(__new), &body.fields[only], packed).reference;
    quote! {
        const COMPOSITE: ::core::primitive::bool = <#ty as __audit::AuditValue>::COMPOSITE;
        const SET: ::core::primitive::bool = <#ty as __audit::AuditValue>::SET;
        #[inline]
        fn same(&self, __new: &Self) -> ::core::primitive::bool {
            if <Self as __audit::AuditValue>::COMPOSITE {
                __audit::Diff::probe(self, __new)
            } else {
                <#ty as __audit::AuditValue>::same(#this, #other)
            }
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
            __audit::of_newtype(<#ty as __audit::AuditValue>::fields)
        }
        #[inline]
        fn unit_names() -> &'static [&'static ::core::primitive::str] {
            __audit::of_newtype(<#ty as __audit::AuditValue>::unit_names)
        }
    }
}

/// A newtype with attributes:
///
/// ```text
/// const COMPOSITE: bool = true;
/// const FIELDS: &'static [__audit::FieldSchema] = &[/* schema.rs */];
/// fn diff(&self, __new: &Self, __cx: &mut __audit::Diff<'_>) {
///     let __f = <Self as __audit::AuditValue>::FIELDS;
///     __audit::Diff::visit(__cx, &__f[0], &self.0, &__new.0);
/// }
/// fn snapshot(&self, __cx: &mut __audit::Snapshot<'_>) -> __audit::Value {
///     let __f = <Self as __audit::AuditValue>::FIELDS;
///     __audit::Snapshot::field_value(__cx, &__f[0], &self.0)
/// }
/// ```
fn newtype(container: &Container<'_>, body: &Body<'_>, only: usize) -> TokenStream {
    let packed = is_packed(&container.input.attrs);
    let schema = schema::of_struct(container, body);
    let field = &body.fields[only];
    let old = FieldAccess::of(&quote!(self), field, packed);
    let new = FieldAccess::of(&quote!(__new), field, packed);
    let diff = field::diff(field, body.shape, &quote!(__f[#only]), &old, &new);
    let diff = diff_with_rules(container, diff);
    let value = field::record(field, &quote!(__f[#only]), &old.reference);
    let value = snapshot_with_rules(container, value);
    quote! {
        const COMPOSITE: ::core::primitive::bool = true;
        const FIELDS: &'static [__audit::FieldSchema] = #schema;
        #[inline]
        fn diff(&self, __new: &Self, __cx: &mut __audit::Diff<'_>) {
            let __f = <Self as __audit::AuditValue>::FIELDS;
            #diff
        }
        #[inline]
        fn snapshot(&self, __cx: &mut __audit::Snapshot<'_>) -> __audit::Value {
            let __f = <Self as __audit::AuditValue>::FIELDS;
            #value
        }
    }
}

/// Compares an entity under the rules of `register_with`:
///
/// ```text
/// let __r = __audit::Diff::enter(__cx);
/// /* compare */
/// __audit::Diff::leave(__cx, <Self as __audit::AuditValue>::FIELDS, __r);
/// ```
fn diff_with_rules(container: &Container<'_>, diff: TokenStream) -> TokenStream {
    if container.identity.is_empty() {
        return diff;
    }
    quote! {
        let __r = __audit::Diff::enter(__cx);
        #diff
        __audit::Diff::leave(__cx, <Self as __audit::AuditValue>::FIELDS, __r);
    }
}

/// Records an entity under the rules of `register_with`.
fn snapshot_with_rules(container: &Container<'_>, value: TokenStream) -> TokenStream {
    if container.identity.is_empty() {
        return value;
    }
    quote! {
        let __value = #value;
        __audit::Snapshot::entity(__cx, <Self as __audit::AuditValue>::FIELDS, __value)
    }
}

/// A struct with fields, which [`walk`] visits:
///
/// ```text
/// const COMPOSITE: bool = true;
/// const FIELDS: &'static [__audit::FieldSchema] = &[/* schema.rs */];
/// fn diff(&self, __new: &Self, __cx: &mut __audit::Diff<'_>) {
///     __audit::Fields::walk(self, __new, __cx);
/// }
/// fn snapshot(&self, __cx: &mut __audit::Snapshot<'_>) -> __audit::Value {
///     __audit::Snapshot::struct_object(__cx, self)
/// }
/// ```
fn composite(container: &Container<'_>, body: &Body<'_>) -> TokenStream {
    let schema = schema::of_struct(container, body);
    let record = match &container.struct_tag {
        Some((_, name)) => {
            let tag = body.fields.len();
            quote! {
                __audit::Snapshot::tagged_object(
                    __cx,
                    &<Self as __audit::AuditValue>::FIELDS[#tag],
                    #name,
                    self,
                )
            }
        }
        None if body.shape == Shape::Tuple => quote!(__audit::Snapshot::struct_array(__cx, self)),
        None => quote!(__audit::Snapshot::struct_object(__cx, self)),
    };
    let diff = quote!(__audit::Fields::walk(self, __new, __cx););
    let diff = diff_with_rules(container, diff);
    let value = snapshot_with_rules(container, record);
    quote! {
        const COMPOSITE: ::core::primitive::bool = true;
        const FIELDS: &'static [__audit::FieldSchema] = #schema;
        #[inline]
        fn diff(&self, __new: &Self, __cx: &mut __audit::Diff<'_>) {
            #diff
        }
        #[inline]
        fn snapshot(&self, __cx: &mut __audit::Snapshot<'_>) -> __audit::Value {
            #value
        }
    }
}

/// Emits the walk over the fields of a struct, if it has one:
///
/// ```text
/// fn walk<__W: __audit::Walk>(&self, __new: &Self, __w: &mut __W) {
///     let __f = <Self as __audit::AuditValue>::FIELDS;
///     <String as __audit::AuditValue>::visit_field(&self.name, &__new.name, __w, __f, 0);
/// }
/// ```
pub(super) fn walk(container: &Container<'_>, body: &Body<'_>) -> Option<TokenStream> {
    if container.conversion.is_some() || matches!(body.shape, Shape::Unit | Shape::Inline(_)) {
        return None;
    }
    let packed = is_packed(&container.input.attrs);
    let visits: TokenStream = body
        .fields
        .iter()
        .enumerate()
        .map(|(index, field)| match (field.skipped, body.shape) {
            (false, shape) => {
                let old = FieldAccess::of(&quote!(self), field, packed);
                let new = FieldAccess::of(&quote!(__new), field, packed);
                field::walk(field, shape, index, &old, &new)
            }
            (true, _) if field.position.is_some() => quote!(__audit::Walk::skip(__w);),
            (true, _) => TokenStream::new(),
        })
        .collect();
    let fields = body.tracked().next().is_some();
    let bind = fields.then(|| quote!(let __f = <Self as __audit::AuditValue>::FIELDS;));
    let new = if fields { quote!(__new) } else { quote!(_) };
    let walk = if visits.is_empty() {
        quote!(_)
    } else {
        quote!(__w)
    };
    Some(quote! {
        #[inline]
        fn walk<__W: __audit::Walk>(&self, #new: &Self, #walk: &mut __W) {
            #bind
            #visits
        }
    })
}

/// Records one field of an object or an array. A skipped field with an index leaves a null.
pub(super) fn value(body: &Body<'_>, index: usize, spot: &FieldAccess) -> TokenStream {
    let field = &body.fields[index];
    match (field.skipped, body.shape) {
        (false, shape) => field::snapshot(field, shape, index, spot),
        (true, _) if field.position.is_some() => {
            quote!(__audit::ArraySnapshot::visit(__o, &__f[#index], &());)
        }
        (true, _) => TokenStream::new(),
    }
}

/// Wraps the code that fills `__o` into the call that builds the object or the array.
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

//! `Auditable`, for structs with an identity.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;

use super::field::{self, FieldAccess};
use super::value::is_packed;
use crate::ast::{Body, Container, Data};
use crate::repr::Piece;
use crate::setting::Redaction;

/// Emits the items of the implementation; none for a type without identity:
///
/// ```text
/// const MODEL: &'static str = "User";
/// const HASHED_KEY: &'static [Option<&'static str>] = &[None]; // only with a hashed part
/// const HASHES_KEYS: bool = __audit::hashes_keys(..); // only with `parent(...)`
/// fn object_pk(&self) -> __audit::String { <u64 as __audit::AuditValue>::field_key(&self.id) }
/// fn keeps_key(&self, __new: &Self) -> bool { // only with a key of one field, as it is
///     <u64 as __audit::AuditValue>::shares_key(&self.id, &__new.id)
/// }
/// fn schema() -> &'static __audit::ModelSchema { /* only where attributes say more */ }
/// fn object_repr(&self) -> __audit::String { __audit::Repr::of(self) } // only with `repr`
/// fn repr_into(&self, __r: &mut __audit::Repr<'_>) { /* the pieces of `repr` */ }
/// fn parent(&self) -> Option<__audit::ObjectRef> { /* only with `parent(...)` */ }
/// ```
pub(crate) fn items(container: &Container<'_>, body: &Body<'_>) -> Option<TokenStream> {
    if container.identity.is_empty() {
        return None;
    }
    let model = container.model();
    let hashed = hashed(container, body, &model);
    let key = identity(container, body, &model);
    let same = keeps_key(container, body);
    let schema = schema(container, &model);
    let repr = repr(container, body);
    let parent = parent(container, body);
    Some(quote! {
        const MODEL: &'static ::core::primitive::str = #model;
        #hashed
        #[inline]
        fn object_pk(&self) -> __audit::String { #key }
        #same
        #schema
        #repr
        #parent
    })
}

fn key_text(container: &Container<'_>, body: &Body<'_>, index: usize) -> TokenStream {
    let field = &body.fields[index];
    let spot = FieldAccess::of(&quote!(self), field, is_packed(&container.input.attrs));
    field::key(field, &spot.reference)
}

/// Returns the hash domain of a field, as in its schema; `None` if the field is not hashed.
fn domain(body: &Body<'_>, index: usize, model: &str) -> Option<String> {
    let field = &body.fields[index];
    (field.settings.redaction == Redaction::Hash).then(|| format!("{model}.{}", field.name))
}

/// Emits the constants about the hashed parts of the identity and the parent's key.
fn hashed(container: &Container<'_>, body: &Body<'_>, model: &str) -> Option<TokenStream> {
    let domains: Vec<_> = container
        .identity
        .iter()
        .map(|index| domain(body, *index, model))
        .collect();
    let own = domains.iter().any(Option::is_some).then(|| {
        let domains = domains.iter().map(|domain| {
            domain.as_ref().map_or_else(
                || quote!(::core::option::Option::None),
                |domain| quote!(::core::option::Option::Some(#domain)),
            )
        });
        quote! {
            const HASHED_KEY:
                &'static [::core::option::Option<&'static ::core::primitive::str>] =
                &[#(#domains),*];
        }
    });
    let parent = container.settings.parent.as_ref().and_then(|(parent, _)| {
        let index = container.parent_key?;
        let is_hashed = body.fields[index].settings.redaction == Redaction::Hash;
        // The error of a hash in only one of the two is reported at the parent's type.
        let check = quote_spanned!(parent.span()=> __audit::hashes_keys);
        Some(quote! {
            const HASHES_KEYS: ::core::primitive::bool = #check(
                <Self as __audit::Auditable>::HASHED_KEY,
                <#parent as __audit::Auditable>::HASHED_KEY,
                #is_hashed,
            );
        })
    });
    (own.is_some() || parent.is_some()).then(|| quote!(#own #parent))
}

fn keeps_key(container: &Container<'_>, body: &Body<'_>) -> Option<TokenStream> {
    let [index] = *container.identity.as_slice() else {
        return None;
    };
    let field = &body.fields[index];
    if field.settings.redaction == Redaction::Hash {
        return None;
    }
    let packed = is_packed(&container.input.attrs);
    let [old, new] = [quote!(self), quote!(__new)]
        .map(|object| FieldAccess::of(&object, field, packed).reference);
    let same = field::shares_key(field, &old, &new)?;
    Some(quote! {
        #[inline]
        fn keeps_key(&self, __new: &Self) -> ::core::primitive::bool { #same }
    })
}

fn identity(container: &Container<'_>, body: &Body<'_>, model: &str) -> TokenStream {
    let parts = container.identity.iter().map(|index| {
        let text = key_text(container, body, *index);
        match domain(body, *index, model) {
            Some(domain) => quote!(__audit::hashed_key(#domain, &#text)),
            None => text,
        }
    });
    if container.identity.len() == 1 {
        quote!(#(#parts)*)
    } else {
        quote!(__audit::composite_key(&[#(#parts),*]))
    }
}

/// Emits the schema of the model, if it differs from the trait's default.
fn schema(container: &Container<'_>, model: &str) -> Option<TokenStream> {
    let settings = &container.settings;
    let type_name = container.input.ident.unraw().to_string();
    let mut out = TokenStream::new();
    if let Some(version) = &settings.version {
        out.extend(quote!(.with_version(#version)));
    }
    if settings.levels.iter().any(Option::is_some) {
        let levels = settings.levels.map(|level| match level {
            None => quote!(::core::option::Option::None),
            Some(level) => {
                let level = Ident::new(level, Span::call_site());
                quote!(::core::option::Option::Some(__audit::Level::#level))
            }
        });
        out.extend(quote!(.with_levels(__audit::action_levels(#(#levels),*))));
    }
    if let Some(actions) = &settings.actions {
        out.extend(quote!(.with_actions(__audit::action_set(#(#actions),*))));
    }
    if settings.require_reason {
        out.extend(quote!(.requiring_reason()));
    }
    if let Some((model, _)) = &settings.parent {
        let key = container
            .parent_key
            .and_then(|index| match &container.data {
                Data::Struct(body) => Some(body.fields[index].name.clone()),
                Data::Enum(..) => None,
            });
        out.extend(quote!(.with_parent(<#model as __audit::Auditable>::MODEL, #key)));
    }
    (type_name != model || !out.is_empty()).then(|| {
        quote! {
            #[inline]
            fn schema() -> &'static __audit::ModelSchema {
                const {
                    &__audit::ModelSchema::new(
                        #model,
                        #type_name,
                        <Self as __audit::AuditValue>::FIELDS,
                    )
                    #out
                }
            }
        }
    })
}

fn repr(container: &Container<'_>, body: &Body<'_>) -> Option<TokenStream> {
    // Without `repr` the trait's default applies: the model and the identity.
    let pieces = container.repr.as_ref()?;
    let packed = is_packed(&container.input.attrs);
    let shown = pieces.iter().map(|piece| match piece {
        Piece::Text(text) => quote!(__audit::Repr::text(__r, #text);),
        Piece::Field(index) => {
            let field = &body.fields[*index];
            // A type recorded in another form has the schema of that form.
            let description = if container.conversion.is_some() {
                let name = &field.name;
                quote!(const { __audit::FieldSchema::new(#name, __audit::no_fields) })
            } else {
                quote!(__f[#index])
            };
            let spot = FieldAccess::of(&quote!(self), field, packed);
            field::repr(field, body.shape, &description, &spot)
        }
    });
    let bind = pieces
        .iter()
        .any(|piece| matches!(piece, Piece::Field(_)) && container.conversion.is_none())
        .then(|| quote!(let __f = <Self as __audit::AuditValue>::FIELDS;));
    Some(quote! {
        #[inline]
        fn object_repr(&self) -> __audit::String { __audit::Repr::of(self) }
        #[inline]
        fn repr_into(&self, __r: &mut __audit::Repr<'_>) { #bind #(#shown)* }
    })
}

fn parent(container: &Container<'_>, body: &Body<'_>) -> Option<TokenStream> {
    let (model, _) = container.settings.parent.as_ref()?;
    let key = key_text(container, body, container.parent_key?);
    Some(quote! {
        #[inline]
        fn parent(&self) -> ::core::option::Option<__audit::ObjectRef> {
            let __key = __audit::parent_key::<#model>(#key);
            if __audit::String::is_empty(&__key) {
                ::core::option::Option::None
            } else {
                ::core::option::Option::Some(__audit::ObjectRef::new(
                    <#model as __audit::Auditable>::MODEL,
                    __key,
                ))
            }
        }
    })
}

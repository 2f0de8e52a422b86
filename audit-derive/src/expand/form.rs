//! Wraps a field's value in the form of its attributes.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{ExprPath, Ident, Index, LitStr, Member, Type};

use super::field::inner;
use crate::ast::{Field, Presence, Wrapper, inner_type, option_inner};
use crate::setting::{Form, Redaction};
use crate::symbol::{DEBUG, DISPLAY, KEY, MASK, MASK_WITH, REFERENCE, SERDE, SET, WITH};

/// Wraps the old and the new value in the field's form, if it has one. Returns the binding and the
/// two references.
///
/// ```text
/// let [__a, __b] = [&self.name, &__new.name].map(|__v| __audit::Displayed::<Name>(__v));
/// ```
pub(super) fn of_both(
    field: &Field<'_>,
    presence: &Presence,
    from: &TokenStream,
    to: &TokenStream,
) -> Option<[TokenStream; 3]> {
    let wrapped = wrapped(field, presence)?;
    let span = span(field);
    // One closure for both, since the two wrapped values must be of one type.
    Some(match presence {
        Presence::Always => [
            quote_spanned!(span=> let [__a, __b] = [#from, #to].map(|__v| #wrapped);),
            quote_spanned!(span=> &__a),
            quote_spanned!(span=> &__b),
        ],
        Presence::SkipNone | Presence::SkipIf(_) => [
            quote_spanned! {span=>
                let [__a, __b] =
                    [#from, #to].map(|__v| ::core::option::Option::map(__v, |__v| #wrapped));
            },
            quote_spanned!(span=> ::core::option::Option::as_ref(&__a)),
            quote_spanned!(span=> ::core::option::Option::as_ref(&__b)),
        ],
    })
}

/// Returns the span of errors about the field's form: that of its word.
///
/// A type that does not support the form is an error at every use of the value. All uses have the
/// same span and text, so that the compiler prints one error.
pub(super) fn span(field: &Field<'_>) -> Span {
    let word = match &field.settings.form {
        None => MASK,
        Some(Form::SerdeWith(path)) if field.settings.given.get(SERDE).is_none() => {
            return at(path);
        }
        Some(Form::Serde | Form::SerdeWith(_)) => SERDE,
        Some(Form::Display) => DISPLAY,
        Some(Form::Debug) => DEBUG,
        Some(Form::With(_)) => WITH,
        Some(Form::MaskWith(_)) => MASK_WITH,
        Some(Form::Reference) => REFERENCE,
        Some(Form::Key(_)) => KEY,
        Some(Form::Set) => SET,
    };
    let word = field.settings.given.get(word).map(Ident::span);
    word.map_or_else(Span::call_site, |span| span.resolved_at(Span::call_site()))
}

/// Returns the span of a function's name, with the hygiene of the expansion.
pub(super) fn at(function: &ExprPath) -> Span {
    let name = function.path.segments.last().map(|last| last.ident.span());
    let span = name.unwrap_or_else(|| function.span());
    span.resolved_at(Span::call_site())
}

/// Returns a reference to the recorded form of a present value: `&self.name`, or
/// `&__audit::Displayed(&self.name)`.
pub(super) fn shown(field: &Field<'_>, value: &TokenStream) -> TokenStream {
    match wrapped(field, &Presence::Always) {
        None => value.clone(),
        Some(wrapped) => quote_spanned!(span(field)=> &{ let __v = #value; #wrapped }),
    }
}

/// Returns the wrapper around a reference called `__v`, if the field has one.
pub(super) fn wrapped(field: &Field<'_>, presence: &Presence) -> Option<TokenStream> {
    let ty = inner(field, presence);
    let Some(form) = &field.settings.form else {
        return masked(field, ty);
    };
    let span = span(field);
    // The function is called in a closure: `&String` then fits a function of `&str`.
    let called = |path: &ExprPath| {
        let name = at(path);
        let call = quote_spanned!(name=> #path(__v));
        (quote_spanned!(name=> |__v: &#ty|), call)
    };
    Some(match form {
        Form::Serde => quote_spanned!(span=> __audit::Serialized::<#ty>(__v)),
        // In a closure, since the function is generic over its serializer.
        Form::SerdeWith(path) => quote_spanned! {at(path)=>
            __audit::SerializedWith(__v, |__v: &#ty, __s: __audit::Recorder| #path(__v, __s))
        },
        Form::Display => map_inner(
            ty,
            &|ty| quote_spanned!(span=> __audit::Displayed::<#ty>(__v)),
        ),
        Form::Debug => map_inner(
            ty,
            &|ty| quote_spanned!(span=> __audit::Debugged::<#ty>(__v)),
        ),
        Form::Reference => quote_spanned!(span=> __audit::Referenced(__v)),
        Form::Set => quote_spanned!(span=> __audit::AsSet(__v)),
        Form::With(path) => {
            let (parameter, call) = called(path);
            quote_spanned!(span=> __audit::Via(__v, #parameter #call))
        }
        Form::MaskWith(path) => {
            let (parameter, call) = called(path);
            quote_spanned!(span=> __audit::MaskedWith(__v, #parameter __audit::masked(#call)))
        }
        Form::Key(key) => {
            let member = member(key)?;
            let name = key.value();
            quote_spanned!(span=> __audit::Keyed::new(__v, #name, |__item| &__item.#member))
        }
    })
}

/// Wraps the innermost values of nested options, lists and boxes called `__v`, or the value itself:
///
/// ```text
/// ::core::option::Option::map(::core::option::Option::as_ref(__v), |__v| __audit::Displayed(__v))
/// ```
fn map_inner(ty: &Type, wrap: &dyn Fn(&Type) -> TokenStream) -> TokenStream {
    match inner_type(ty) {
        Some((Wrapper::Option, inner)) => {
            let inner = map_inner(inner, wrap);
            quote! {
                ::core::option::Option::map(::core::option::Option::as_ref(__v), |__v| #inner)
            }
        }
        Some((Wrapper::Items, inner)) => {
            let inner = map_inner(inner, wrap);
            quote! {
                ::core::iter::Iterator::collect::<__audit::Vec<_>>(::core::iter::Iterator::map(
                    ::core::iter::IntoIterator::into_iter(__v),
                    |__v| #inner,
                ))
            }
        }
        Some((Wrapper::Pointer, inner)) => {
            let inner = map_inner(inner, wrap);
            quote!({ let __v = &**__v; #inner })
        }
        None => wrap(ty),
    }
}

/// Wraps a value that is never shown, so that its type need not be an `AuditValue`.
fn masked(field: &Field<'_>, ty: &Type) -> Option<TokenStream> {
    if !is_concealed(field) {
        return None;
    }
    let wrap = |ty: &Type| {
        quote_spanned!(span(field)=> {
            use __audit::Concealed as _;
            __audit::MaskOf::<#ty>::new(__v).conceal()
        })
    };
    Some(match option_inner(ty) {
        Some(inner) => {
            let inner = wrap(inner);
            quote! {
                ::core::option::Option::map(::core::option::Option::as_ref(__v), |__v| #inner)
            }
        }
        None => wrap(ty),
    })
}

/// Returns whether the field is never shown, so that its type need not be an `AuditValue`.
pub(super) fn is_concealed(field: &Field<'_>) -> bool {
    let settings = &field.settings;
    settings.redaction == Redaction::Mask("All")
        && settings.form.is_none()
        && !is_text(&field.original.ty)
}

/// Returns whether a type is `String` or `Option<String>`, as for most masked fields.
fn is_text(ty: &Type) -> bool {
    let ty = option_inner(ty).unwrap_or(ty);
    matches!(ty, Type::Path(path) if path.path.is_ident("String"))
}

/// Returns the field named in a string: an identifier, raw if necessary, or an index.
pub(crate) fn member(text: &LitStr) -> Option<Member> {
    let name = text.value();
    if let Ok(index) = name.parse::<u32>() {
        return Some(Member::Unnamed(Index {
            index,
            span: text.span(),
        }));
    }
    if let Ok(ident) = text.parse::<Ident>() {
        return Some(Member::Named(ident));
    }
    match text.parse_with(Ident::parse_any) {
        Ok(ident) if !["self", "Self", "super", "crate", "_"].contains(&name.as_str()) => Some(
            Member::Named(Ident::new_raw(&ident.to_string(), text.span())),
        ),
        _ => None,
    }
}

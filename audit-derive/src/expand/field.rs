//! The code that compares, records and shows one field.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::{Ident, Type};

use super::form::{self, shown, span, wrapped};
use crate::ast::{Field, Presence, Shape, option_inner};
use crate::setting::Equality;

/// The expressions of a field's value: a reference to it, and the place expression.
pub(crate) struct FieldAccess {
    pub(crate) reference: TokenStream,
    pub(crate) place: TokenStream,
}

impl FieldAccess {
    /// A field of a struct: `&self.name`.
    pub(crate) fn of(root: &TokenStream, field: &Field<'_>, packed: bool) -> Self {
        let member = &field.member;
        let place = quote!(#root.#member);
        // A packed struct allows no references to its fields, but copies.
        let reference = if packed {
            quote!(&{ #place })
        } else {
            quote!(&#place)
        };
        Self { reference, place }
    }

    /// A name that a pattern bound to a reference.
    pub(crate) fn bound(name: &Ident) -> Self {
        Self {
            reference: quote!(#name),
            place: quote!(*#name),
        }
    }
}

/// Compares the field, whose description is `description`:
///
/// ```text
/// __audit::Diff::visit(__cx, &__f[0], &self.name, &__new.name);
/// ```
pub(crate) fn diff(
    field: &Field<'_>,
    shape: Shape,
    description: &TokenStream,
    old: &FieldAccess,
    new: &FieldAccess,
) -> TokenStream {
    let presence = presence(field, shape);
    let method = match (&field.settings.equality, presence) {
        (_, Presence::SkipNone | Presence::SkipIf(_)) => "visit_optional",
        (Some(_), Presence::Always) => "changed",
        (None, Presence::Always) => "visit",
    };
    let (bind, from, to) = in_form(field, presence, old, new);
    let report = if field.settings.equality.is_none() {
        let fields = quote!(::core::slice::from_ref(&#description));
        visit(field, presence, &quote!(__cx), &fields, 0, [&from, &to])
    } else {
        let span = span(field);
        let method = Ident::new(method, span);
        quote_spanned!(span=> __audit::Diff::#method(__cx, &#description, #from, #to);)
    };
    guarded(field, old, new, quote!(#bind #report))
}

/// Visits the field, whose description is `__f[index]`, in a walk called `__w`:
///
/// ```text
/// <String as __audit::AuditValue>::visit_field(&self.name, &__new.name, __w, __f, 0);
/// ```
pub(crate) fn walk(
    field: &Field<'_>,
    shape: Shape,
    index: usize,
    old: &FieldAccess,
    new: &FieldAccess,
) -> TokenStream {
    let presence = presence(field, shape);
    let (bind, from, to) = in_form(field, presence, old, new);
    let Some(same) = same(field, old, new) else {
        let (walk, fields) = (quote!(__w), quote!(__f));
        let visit = visit(field, presence, &walk, &fields, index, [&from, &to]);
        return quote!(#bind #visit);
    };
    let span = span(field);
    let method = match presence {
        Presence::Always => quote_spanned!(span=> visit_unless),
        Presence::SkipNone | Presence::SkipIf(_) => quote_spanned!(span=> visit_optional_unless),
    };
    quote_spanned! {span=>
        #bind
        __audit::Walk::#method(__w, || #same, __f, #index, #from, #to);
    }
}

/// Emits the comparison by the field's own equality, if it has one.
fn same(field: &Field<'_>, old: &FieldAccess, new: &FieldAccess) -> Option<TokenStream> {
    let (from, to) = (&old.reference, &new.reference);
    Some(match field.settings.equality.as_ref()? {
        Equality::Function(path) => quote_spanned! {form::at(path)=> {
            let (__a, __b) = (#from, #to);
            #path(__a, __b)
        }},
        Equality::Tolerance(tolerance) if option_inner(&field.original.ty).is_some() => {
            let (old, new) = (&old.place, &new.place);
            let ty = option_inner(&field.original.ty);
            quote! {
                match (#old, #new) {
                    (::core::option::Option::None, ::core::option::Option::None) => true,
                    (::core::option::Option::Some(__a), ::core::option::Option::Some(__b)) => {
                        __audit::within::<#ty>(__a, __b, #tolerance)
                    }
                    _ => false,
                }
            }
        }
        Equality::Tolerance(tolerance) => {
            let (old, new) = (&old.place, &new.place);
            let ty = &field.original.ty;
            quote!(__audit::within::<#ty>(#old, #new, #tolerance))
        }
        Equality::TimeTolerance(tolerance) => {
            let ty = &field.original.ty;
            let Some(ty) = option_inner(ty) else {
                return Some(quote!(__audit::within_time::<#ty>(#from, #to, #tolerance)));
            };
            quote! {
                match (#from, #to) {
                    (::core::option::Option::None, ::core::option::Option::None) => true,
                    (::core::option::Option::Some(__a), ::core::option::Option::Some(__b)) => {
                        __audit::within_time::<#ty>(__a, __b, #tolerance)
                    }
                    _ => false,
                }
            }
        }
    })
}

/// Reports a change only if the field's own equality finds the values different.
fn guarded(
    field: &Field<'_>,
    old: &FieldAccess,
    new: &FieldAccess,
    report: TokenStream,
) -> TokenStream {
    match same(field, old, new) {
        None => report,
        Some(same) => quote!(if !#same { #report }),
    }
}

/// Records the field in an object or an array called `__o`:
///
/// ```text
/// __audit::ObjectSnapshot::visit(__o, &__f[0], &self.name);
/// ```
pub(crate) fn snapshot(
    field: &Field<'_>,
    shape: Shape,
    index: usize,
    value: &FieldAccess,
) -> TokenStream {
    let presence = presence(field, shape);
    let value = present(presence, &value.reference);
    let (walk, fields) = (quote!(__o), quote!(__f));
    let Some(wrapped) = wrapped(field, presence) else {
        return visit(field, presence, &walk, &fields, index, [&value, &value]);
    };
    let span = span(field);
    let value = match presence {
        Presence::Always => quote_spanned!(span=> &{ let __v = #value; #wrapped }),
        Presence::SkipNone | Presence::SkipIf(_) => quote_spanned! {span=>
            ::core::option::Option::as_ref(&::core::option::Option::map(#value, |__v| #wrapped))
        },
    };
    let shown = quote_spanned!(span=> __n);
    let visit = visit(field, presence, &walk, &fields, index, [&shown, &shown]);
    quote_spanned!(span=> match #value { __n => { #visit } })
}

/// Visits the field as the method of its type, which is named in full as the schema names it:
///
/// ```text
/// <String as __audit::AuditValue>::visit_field(&self.name, &__new.name, __w, __f, 0);
/// ```
///
/// If the type is not an `AuditValue`, the errors of all uses are then equal, and the compiler
/// prints one.
fn visit(
    field: &Field<'_>,
    presence: &Presence,
    walk: &TokenStream,
    fields: &TokenStream,
    index: usize,
    [old, new]: [&TokenStream; 2],
) -> TokenStream {
    let (value, span) = as_value(field, presence);
    let method = match presence {
        Presence::Always => quote_spanned!(span=> visit_field),
        Presence::SkipNone | Presence::SkipIf(_) => quote_spanned!(span=> visit_optional_field),
    };
    quote_spanned!(span=> #value::#method(#old, #new, #walk, #fields, #index);)
}

/// Returns the recorded type as an `AuditValue`: the field's type, or its wrapper.
fn as_value(field: &Field<'_>, presence: &Presence) -> (TokenStream, Span) {
    if wrapped(field, presence).is_some() {
        let span = span(field);
        return (quote_spanned!(span=> <_ as __audit::AuditValue>), span);
    }
    let ty = inner(field, presence);
    (quote!(<#ty as __audit::AuditValue>), Span::call_site())
}

/// Records the content of a variant in the object called `__o`, which has the tag.
pub(crate) fn collect(
    field: &Field<'_>,
    description: &TokenStream,
    value: &TokenStream,
) -> TokenStream {
    let always = &Presence::Always;
    let fields = quote!(::core::slice::from_ref(&#description));
    let walk = quote!(__o);
    if wrapped(field, always).is_none() {
        return visit(field, always, &walk, &fields, 0, [value, value]);
    }
    let (span, value) = (span(field), shown(field, value));
    let shown = quote_spanned!(span=> __n);
    let visit = visit(field, always, &walk, &fields, 0, [&shown, &shown]);
    quote_spanned!(span=> match #value { __n => { #visit } })
}

/// Records the field, whose description is `description`, as its parent's value.
pub(crate) fn record(
    field: &Field<'_>,
    description: &TokenStream,
    value: &TokenStream,
) -> TokenStream {
    let (as_value, span) = as_value(field, &Presence::Always);
    let value = shown(field, value);
    quote_spanned!(span=> #as_value::field_value(#value, __cx, &#description))
}

/// Returns the field's value as the text of a key.
pub(crate) fn key(field: &Field<'_>, value: &TokenStream) -> TokenStream {
    let (as_value, span) = as_value(field, &Presence::Always);
    let value = shown(field, value);
    quote_spanned!(span=> #as_value::field_key(#value))
}

/// Emits whether two values of the field are known to be the same key; `None` for a field that is
/// recorded in another form.
pub(crate) fn shares_key(
    field: &Field<'_>,
    old: &TokenStream,
    new: &TokenStream,
) -> Option<TokenStream> {
    let ty = &field.original.ty;
    let plain = wrapped(field, &Presence::Always).is_none();
    plain.then(|| quote!(<#ty as __audit::AuditValue>::shares_key(#old, #new)))
}

/// Shows the field in a text called `__r`.
pub(crate) fn repr(
    field: &Field<'_>,
    shape: Shape,
    description: &TokenStream,
    value: &FieldAccess,
) -> TokenStream {
    let presence = presence(field, shape);
    let value = &value.reference;
    if let (Some(wrapped), Presence::SkipNone) = (wrapped(field, presence), presence) {
        return quote_spanned! {span(field)=>
            if let ::core::option::Option::Some(__v) = #value {
                <_ as __audit::AuditValue>::field_repr(&#wrapped, __r, &#description);
            }
        };
    }
    let (as_value, span) = as_value(field, &Presence::Always);
    let value = shown(field, value);
    quote_spanned!(span=> #as_value::field_repr(#value, __r, &#description);)
}

/// Returns when the field is absent, which is possible only in an object.
fn presence<'f>(field: &'f Field<'_>, shape: Shape) -> &'f Presence {
    if shape == Shape::Named {
        &field.presence
    } else {
        &Presence::Always
    }
}

/// Returns the binding and the two references of the field's values in its form.
fn in_form(
    field: &Field<'_>,
    presence: &Presence,
    old: &FieldAccess,
    new: &FieldAccess,
) -> (Option<TokenStream>, TokenStream, TokenStream) {
    let from = present(presence, &old.reference);
    let to = present(presence, &new.reference);
    match form::of_both(field, presence, &from, &to) {
        None => (None, from, to),
        Some([bind, from, to]) => (Some(bind), from, to),
    }
}

/// Returns the value, or an `Option` of it if it may be absent.
fn present(presence: &Presence, value: &TokenStream) -> TokenStream {
    match presence {
        Presence::Always => value.clone(),
        Presence::SkipNone => quote!(::core::option::Option::as_ref(#value)),
        Presence::SkipIf(absent) => quote! {
            if #absent(#value) {
                ::core::option::Option::None
            } else {
                ::core::option::Option::Some(#value)
            }
        },
    }
}

/// Returns the recorded type: the content of the `Option` if `None` means absent.
pub(super) fn inner<'f>(field: &'f Field<'_>, presence: &Presence) -> &'f Type {
    let ty = &field.original.ty;
    match presence {
        Presence::SkipNone => option_inner(ty).unwrap_or(ty),
        _ => ty,
    }
}

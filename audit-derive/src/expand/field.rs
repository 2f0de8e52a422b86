//! One field: how its value is compared, recorded and shown.

use proc_macro2::TokenStream;
use quote::quote;
use syn::ext::IdentExt;
use syn::{Ident, Index, LitStr, Member, Type};

use crate::ast::{Field, Holds, Presence, Shape, held, held_by_option};
use crate::setting::{Equality, Form, Redaction};

/// Where a value of the field is found: as a reference, and as the place itself.
pub(crate) struct Spot {
    pub(crate) reference: TokenStream,
    pub(crate) place: TokenStream,
}

impl Spot {
    /// A field of a struct: `&self.name`.
    pub(crate) fn of(root: &TokenStream, field: &Field<'_>, packed: bool) -> Self {
        let member = &field.member;
        let place = quote!(#root.#member);
        // No reference can be taken into a packed struct; a copy can.
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
    old: &Spot,
    new: &Spot,
) -> TokenStream {
    let presence = presence(field, shape);
    let method = match (&field.settings.equality, presence) {
        (_, Presence::SkipNone | Presence::SkipIf(_)) => quote!(visit_optional),
        (Some(_), Presence::Always) => quote!(changed),
        (None, Presence::Always) => quote!(visit),
    };
    let (from, to) = (
        present(presence, &old.reference),
        present(presence, &new.reference),
    );
    let report = match (wrapped(field, presence), presence) {
        (None, _) if field.settings.equality.is_none() => {
            let fields = quote!(::core::slice::from_ref(&#description));
            visit(field, presence, &quote!(__cx), &fields, 0, [&from, &to])
        }
        (None, _) => quote!(__audit::Diff::#method(__cx, &#description, #from, #to);),
        // One closure for both, since the two wrapped values must be of one type.
        (Some(wrapped), Presence::Always) => quote! {
            let [__a, __b] = [#from, #to].map(|__v| #wrapped);
            __audit::Diff::#method(__cx, &#description, &__a, &__b);
        },
        (Some(wrapped), _) => quote! {
            let [__a, __b] = [#from, #to].map(|__v| ::core::option::Option::map(__v, |__v| #wrapped));
            __audit::Diff::#method(
                __cx,
                &#description,
                ::core::option::Option::as_ref(&__a),
                ::core::option::Option::as_ref(&__b),
            );
        },
    };
    guarded(field, old, new, report)
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
    old: &Spot,
    new: &Spot,
) -> TokenStream {
    let presence = presence(field, shape);
    let same = same(field, old, new).map(|same| quote!(|| #same,));
    let method = match (presence, &same) {
        (Presence::Always, None) => quote!(visit),
        (Presence::Always, Some(_)) => quote!(visit_unless),
        (_, None) => quote!(visit_optional),
        (_, Some(_)) => quote!(visit_optional_unless),
    };
    let (from, to) = (
        present(presence, &old.reference),
        present(presence, &new.reference),
    );
    match (wrapped(field, presence), presence) {
        (None, _) if same.is_none() => visit(
            field,
            presence,
            &quote!(__w),
            &quote!(__f),
            index,
            [&from, &to],
        ),
        (None, _) => quote!(__audit::Walk::#method(__w, #same __f, #index, #from, #to);),
        // One closure for both, since the two wrapped values must be of one type.
        (Some(wrapped), Presence::Always) => quote! {
            let [__a, __b] = [#from, #to].map(|__v| #wrapped);
            __audit::Walk::#method(__w, #same __f, #index, &__a, &__b);
        },
        (Some(wrapped), _) => quote! {
            let [__a, __b] = [#from, #to].map(|__v| ::core::option::Option::map(__v, |__v| #wrapped));
            __audit::Walk::#method(
                __w,
                #same
                __f,
                #index,
                ::core::option::Option::as_ref(&__a),
                ::core::option::Option::as_ref(&__b),
            );
        },
    }
}

/// Asks the field's own equality, if it has one.
fn same(field: &Field<'_>, old: &Spot, new: &Spot) -> Option<TokenStream> {
    let (from, to) = (&old.reference, &new.reference);
    Some(match field.settings.equality.as_ref()? {
        Equality::Function(path) => quote!(#path(#from, #to)),
        Equality::Tolerance(tolerance) if held_by_option(&field.original.ty).is_some() => {
            let (old, new) = (&old.place, &new.place);
            let ty = held_by_option(&field.original.ty);
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
            let Some(ty) = held_by_option(ty) else {
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

/// Reports only what the field's own equality finds different.
fn guarded(field: &Field<'_>, old: &Spot, new: &Spot, report: TokenStream) -> TokenStream {
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
pub(crate) fn snapshot(field: &Field<'_>, shape: Shape, index: usize, value: &Spot) -> TokenStream {
    let collector = if shape == Shape::Tuple {
        quote!(__audit::ArraySnapshot)
    } else {
        quote!(__audit::ObjectSnapshot)
    };
    let presence = presence(field, shape);
    let value = present(presence, &value.reference);
    match (presence, wrapped(field, presence)) {
        (_, None) => {
            let [walk, fields] = [quote!(__o), quote!(__f)];
            visit(field, presence, &walk, &fields, index, [&value, &value])
        }
        (Presence::Always, Some(wrapped)) => {
            quote!(#collector::visit(__o, &__f[#index], &{ let __v = #value; #wrapped });)
        }
        (_, Some(wrapped)) => quote! {
            #collector::visit_optional(
                __o,
                &__f[#index],
                ::core::option::Option::as_ref(&::core::option::Option::map(#value, |__v| #wrapped)),
            );
        },
    }
}

/// Returns a reference to the value as it is recorded, present as it is: `&self.name`, or
/// `&__audit::Displayed(&self.name)`.
pub(crate) fn shown(field: &Field<'_>, value: &TokenStream) -> TokenStream {
    match wrapped(field, &Presence::Always) {
        None => value.clone(),
        Some(wrapped) => quote!(&{ let __v = #value; #wrapped }),
    }
}

/// Visits the field as the method of its type, which is named in full as the schema names it:
///
/// ```text
/// <String as __audit::AuditValue>::visit_field(&self.name, &__new.name, __w, __f, 0);
/// ```
///
/// Of a type that is no `AuditValue` the compiler then says the same at the same place for each
/// use, and prints it once.
fn visit(
    field: &Field<'_>,
    presence: &Presence,
    walk: &TokenStream,
    fields: &TokenStream,
    index: usize,
    [old, new]: [&TokenStream; 2],
) -> TokenStream {
    let ty = inner(field, presence);
    let method = match presence {
        Presence::Always => quote!(visit_field),
        Presence::SkipNone | Presence::SkipIf(_) => quote!(visit_optional_field),
    };
    quote!(<#ty as __audit::AuditValue>::#method(#old, #new, #walk, #fields, #index);)
}

/// Records what a variant holds in the object called `__o`, beside the tag.
pub(crate) fn collect(
    field: &Field<'_>,
    description: &TokenStream,
    value: &TokenStream,
) -> TokenStream {
    if wrapped(field, &Presence::Always).is_some() {
        let value = shown(field, value);
        return quote!(__audit::ObjectSnapshot::visit(__o, &#description, #value););
    }
    let fields = quote!(::core::slice::from_ref(&#description));
    let walk = quote!(__o);
    visit(field, &Presence::Always, &walk, &fields, 0, [value, value])
}

/// Records the field, whose description is `description`, in the place of its holder.
pub(crate) fn record(
    field: &Field<'_>,
    description: &TokenStream,
    value: &TokenStream,
) -> TokenStream {
    if wrapped(field, &Presence::Always).is_some() {
        let value = shown(field, value);
        return quote!(__audit::Snapshot::field_value(__cx, &#description, #value));
    }
    let ty = &field.original.ty;
    quote!(<#ty as __audit::AuditValue>::field_value(#value, __cx, &#description))
}

/// Returns the field's value as the text of a key.
pub(crate) fn key(field: &Field<'_>, value: &TokenStream) -> TokenStream {
    if wrapped(field, &Presence::Always).is_some() {
        let value = shown(field, value);
        return quote!(__audit::key_text(#value));
    }
    let ty = &field.original.ty;
    quote!(<#ty as __audit::AuditValue>::field_key(#value))
}

/// Returns whether two values of the field are known to be one key; `None` for a field that is
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
    value: &Spot,
) -> TokenStream {
    let presence = presence(field, shape);
    let value = &value.reference;
    if let (Some(wrapped), Presence::SkipNone) = (wrapped(field, presence), presence) {
        return quote! {
            if let ::core::option::Option::Some(__v) = #value {
                __audit::Repr::field(__r, &#description, &#wrapped);
            }
        };
    }
    if wrapped(field, &Presence::Always).is_some() {
        let value = shown(field, value);
        return quote!(__audit::Repr::field(__r, &#description, #value););
    }
    let ty = &field.original.ty;
    quote!(<#ty as __audit::AuditValue>::field_repr(#value, __r, &#description);)
}

/// Only in an object can a field be absent.
fn presence<'f>(field: &'f Field<'_>, shape: Shape) -> &'f Presence {
    if shape == Shape::Named {
        &field.presence
    } else {
        &Presence::Always
    }
}

/// Returns the value, or an `Option` of it where it may be absent.
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

/// Returns the wrapper around a reference called `__v`, if the field has one.
fn wrapped(field: &Field<'_>, presence: &Presence) -> Option<TokenStream> {
    let ty = inner(field, presence);
    let Some(form) = &field.settings.form else {
        return masked(field, ty);
    };
    Some(match form {
        Form::Serde => spanned(&quote!(Serialized), ty),
        // In a closure, since the function is generic over what it writes to.
        Form::SerdeWith(path) => quote! {
            __audit::SerializedWith(__v, |__v: &#ty, __s: __audit::Recorder| #path(__v, __s))
        },
        Form::Display => looking_through(ty, &|ty| spanned(&quote!(Displayed), ty)),
        Form::Debug => looking_through(ty, &|ty| spanned(&quote!(Debugged), ty)),
        Form::Reference => quote!(__audit::Referenced(__v)),
        Form::Set => quote!(__audit::AsSet(__v)),
        // Called in a closure, so that `&String` fits a function of `&str`.
        Form::With(path) => quote!(__audit::Via(__v, |__v: &#ty| #path(__v))),
        Form::MaskWith(path) => quote! {
            __audit::MaskedWith(__v, |__v: &#ty| ::core::convert::Into::into(#path(__v)))
        },
        Form::Key(key) => {
            let member = member(key)?;
            let name = key.value();
            quote!(__audit::Keyed::new(__v, #name, |__item| &__item.#member))
        }
    })
}

/// Names the type in full, so that what it lacks is reported where the user wrote it.
fn spanned(wrapper: &TokenStream, ty: &Type) -> TokenStream {
    quote!(__audit::#wrapper::<#ty>(__v))
}

/// Wraps what an option, a list or a box called `__v` holds, however deep, and anything else
/// as it is:
///
/// ```text
/// ::core::option::Option::map(::core::option::Option::as_ref(__v), |__v| __audit::Displayed(__v))
/// ```
fn looking_through(ty: &Type, wrap: &dyn Fn(&Type) -> TokenStream) -> TokenStream {
    match held(ty) {
        Some((Holds::Option, inner)) => {
            let inner = looking_through(inner, wrap);
            quote! {
                ::core::option::Option::map(::core::option::Option::as_ref(__v), |__v| #inner)
            }
        }
        Some((Holds::Items, inner)) => {
            let inner = looking_through(inner, wrap);
            quote! {
                ::core::iter::Iterator::collect::<__audit::Vec<_>>(::core::iter::Iterator::map(
                    ::core::iter::IntoIterator::into_iter(__v),
                    |__v| #inner,
                ))
            }
        }
        Some((Holds::One, inner)) => {
            let inner = looking_through(inner, wrap);
            quote!({ let __v = &**__v; #inner })
        }
        None => wrap(ty),
    }
}

/// Wraps a value of which nothing is shown, so that its type need not be an `AuditValue`.
fn masked(field: &Field<'_>, ty: &Type) -> Option<TokenStream> {
    if !is_concealed(field) {
        return None;
    }
    let wrap = |ty: &Type| {
        quote!({
            use __audit::Concealed as _;
            __audit::MaskOf::<#ty>::new(__v).conceal()
        })
    };
    Some(match held_by_option(ty) {
        Some(inner) => {
            let inner = wrap(inner);
            quote! {
                ::core::option::Option::map(::core::option::Option::as_ref(__v), |__v| #inner)
            }
        }
        None => wrap(ty),
    })
}

/// Whether nothing is shown of the field, so that its type need not be an `AuditValue`.
pub(super) fn is_concealed(field: &Field<'_>) -> bool {
    let settings = &field.settings;
    settings.redaction == Redaction::Mask("All")
        && settings.form.is_none()
        && !is_text(&field.original.ty)
}

/// Whether a type is a text, as most masked fields are, perhaps an optional one.
fn is_text(ty: &Type) -> bool {
    let ty = held_by_option(ty).unwrap_or(ty);
    matches!(ty, Type::Path(path) if path.path.is_ident("String"))
}

/// Returns the type that is wrapped: what the `Option` holds, if its `None` is absence.
pub(super) fn inner<'f>(field: &'f Field<'_>, presence: &Presence) -> &'f Type {
    let ty = &field.original.ty;
    match presence {
        Presence::SkipNone => held_by_option(ty).unwrap_or(ty),
        _ => ty,
    }
}

/// Returns the field that a text names: an identifier, raw where it must be, or an index.
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

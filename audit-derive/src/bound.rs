//! Bounds: only for the type parameters that recorded fields use.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::punctuated::Punctuated;
use syn::{
    GenericArgument, Generics, Ident, Path, PathArguments, ReturnType, Token, Type, TypeParamBound,
    TypePath, WherePredicate, parse_quote,
};

use crate::ast::{Container, Data, Field};
use crate::setting::Form;

/// Returns the type's generics with the bounds that the implementation needs.
pub(crate) fn with_bounds(container: &Container<'_>) -> Generics {
    let mut generics = container.input.generics.clone();
    let params: Vec<Ident> = generics
        .type_params()
        .map(|param| param.ident.clone())
        .collect();
    if let Some(bound) = &container.settings.bound {
        generics
            .make_where_clause()
            .predicates
            .extend(bound.iter().cloned());
        return generics;
    }
    if params.is_empty() {
        return generics;
    }
    let mut predicates: Vec<(String, WherePredicate)> = Vec::new();
    for field in recorded(container) {
        let Some(bound) = bound(field) else { continue };
        for used in used_in(&field.original.ty, &params) {
            let predicate: WherePredicate = parse_quote!(#used: #bound);
            let text = predicate.to_token_stream().to_string();
            if predicates.iter().all(|(known, _)| *known != text) {
                predicates.push((text, predicate));
            }
        }
    }
    let clause = generics.make_where_clause();
    clause
        .predicates
        .extend(predicates.into_iter().map(|(_, predicate)| predicate));
    generics
}

fn recorded<'c>(container: &'c Container<'_>) -> Vec<&'c Field<'c>> {
    match &container.data {
        Data::Struct(body) => body.tracked().map(|(_, field)| field).collect(),
        Data::Enum(variants, _) => variants
            .iter()
            .flat_map(|variant| variant.body.tracked().map(|(_, field)| field))
            .collect(),
    }
}

/// The trait that the field's way of being recorded asks of its type; none for `with`, whose
/// function knows the type.
fn bound(field: &Field<'_>) -> Option<TokenStream> {
    match &field.settings.form {
        Some(Form::With(_)) => None,
        Some(Form::Serde) => Some(quote!(__audit::Serialize)),
        Some(Form::Display) => Some(quote!(::core::fmt::Display)),
        Some(Form::Debug) => Some(quote!(::core::fmt::Debug)),
        Some(Form::Reference) => Some(quote!(__audit::Auditable)),
        _ => Some(quote!(__audit::AuditValue)),
    }
}

/// Returns what of `params` a type uses: the parameter itself, or its associated type where
/// only that is used.
fn used_in(ty: &Type, params: &[Ident]) -> Vec<TokenStream> {
    let mut found = Vec::new();
    visit(ty, params, &mut found);
    found
}

fn visit(ty: &Type, params: &[Ident], found: &mut Vec<TokenStream>) {
    match ty {
        Type::Path(path) => visit_path(path, params, found),
        Type::Reference(ty) => visit(&ty.elem, params, found),
        Type::Slice(ty) => visit(&ty.elem, params, found),
        Type::Array(ty) => visit(&ty.elem, params, found),
        Type::Paren(ty) => visit(&ty.elem, params, found),
        Type::Group(ty) => visit(&ty.elem, params, found),
        Type::Ptr(ty) => visit(&ty.elem, params, found),
        Type::Tuple(ty) => ty.elems.iter().for_each(|ty| visit(ty, params, found)),
        Type::TraitObject(ty) => visit_bounds(&ty.bounds, params, found),
        _ => {}
    }
}

fn visit_path(ty: &TypePath, params: &[Ident], found: &mut Vec<TokenStream>) {
    let uses = |path: &Path| {
        path.leading_colon.is_none()
            && path
                .segments
                .first()
                .is_some_and(|first| params.contains(&first.ident))
    };
    if let Some(qself) = &ty.qself {
        let mut inner = Vec::new();
        visit(&qself.ty, params, &mut inner);
        if !inner.is_empty() {
            found.push(ty.to_token_stream());
        }
        return;
    }
    if uses(&ty.path) {
        found.push(ty.to_token_stream());
        return;
    }
    // It holds no value of its parameter.
    if ty
        .path
        .segments
        .last()
        .is_some_and(|last| last.ident == "PhantomData")
    {
        return;
    }
    visit_arguments(&ty.path, params, found);
}

fn visit_arguments(path: &Path, params: &[Ident], found: &mut Vec<TokenStream>) {
    for segment in &path.segments {
        match &segment.arguments {
            PathArguments::None => {}
            PathArguments::AngleBracketed(arguments) => {
                for argument in &arguments.args {
                    match argument {
                        GenericArgument::Type(ty) => visit(ty, params, found),
                        GenericArgument::AssocType(assoc) => visit(&assoc.ty, params, found),
                        _ => {}
                    }
                }
            }
            PathArguments::Parenthesized(arguments) => {
                arguments
                    .inputs
                    .iter()
                    .for_each(|input| visit(&input.ty, params, found));
                if let ReturnType::Type(_, ty) = &arguments.output {
                    visit(ty, params, found);
                }
            }
        }
    }
}

fn visit_bounds(
    bounds: &Punctuated<TypeParamBound, Token![+]>,
    params: &[Ident],
    found: &mut Vec<TokenStream>,
) {
    for bound in bounds {
        if let TypeParamBound::Trait(bound) = bound {
            visit_arguments(&bound.path, params, found);
        }
    }
}

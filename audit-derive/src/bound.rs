//! The bounds of the implementation, for the type parameters that recorded fields use.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::punctuated::Punctuated;
use syn::{
    GenericArgument, Generics, Ident, Path, PathArguments, PathSegment, ReturnType, Token, Type,
    TypeParamBound, TypePath, WherePredicate, parse_quote,
};

use crate::ast::{Container, Conversion, Data, Field};
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
    let mut predicates = Predicates::default();
    match &container.conversion {
        Some(conversion) => predicates.of_conversion(conversion),
        None => {
            for field in recorded(container) {
                predicates.of_field(field, &params);
            }
        }
    }
    let clause = generics.make_where_clause();
    clause
        .predicates
        .extend(predicates.0.into_iter().map(|(_, predicate)| predicate));
    generics
}

/// The distinct bounds, with their texts.
#[derive(Default)]
struct Predicates(Vec<(String, WherePredicate)>);

impl Predicates {
    fn add(&mut self, predicate: WherePredicate) {
        let text = predicate.to_token_stream().to_string();
        if self.0.iter().all(|(other, _)| *other != text) {
            self.0.push((text, predicate));
        }
    }

    /// Adds the bounds of a type that is recorded in another form.
    fn of_conversion(&mut self, conversion: &Conversion) {
        match conversion {
            Conversion::Serde => self.add(parse_quote!(Self: __audit::Serialize)),
            Conversion::Display => self.add(parse_quote!(Self: ::core::fmt::Display)),
            Conversion::Into(into) => {
                self.add(parse_quote!(Self: ::core::clone::Clone));
                self.add(parse_quote!(Self: ::core::convert::Into<#into>));
                self.add(parse_quote!(#into: __audit::AuditValue));
            }
        }
    }

    /// Adds the bounds on the type parameters that a recorded field uses.
    fn of_field(&mut self, field: &Field<'_>, params: &[Ident]) {
        let Some(bound) = bound(field) else { return };
        let mut uses = Uses::default();
        visit(&field.original.ty, params, &mut uses);
        for used in uses.values {
            self.add(parse_quote!(#used: #bound));
        }
        if field.is_foreign() {
            return;
        }
        for used in uses.hashed {
            self.add(parse_quote!(#used: ::core::cmp::Eq + ::core::hash::Hash));
        }
        for used in uses.ordered {
            self.add(parse_quote!(#used: ::core::cmp::Ord));
        }
        for used in uses.hashers {
            self.add(parse_quote!(#used: ::core::hash::BuildHasher));
        }
    }
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

/// Returns the trait that the field's recorded form requires of its type; none for `with`, whose
/// function has a concrete parameter.
fn bound(field: &Field<'_>) -> Option<TokenStream> {
    match &field.settings.form {
        Some(Form::With(_) | Form::SerdeWith(_)) => None,
        Some(Form::Serde) => Some(quote!(__audit::Serialize)),
        Some(Form::Display) => Some(quote!(::core::fmt::Display)),
        Some(Form::Debug) => Some(quote!(::core::fmt::Debug)),
        Some(Form::Reference) => Some(quote!(__audit::Auditable)),
        _ => Some(quote!(__audit::AuditValue)),
    }
}

/// The type parameters that a type uses: a parameter itself, or only an associated type of it.
#[derive(Default)]
struct Uses {
    values: Vec<TokenStream>,
    /// Keys of hash maps and members of hash sets.
    hashed: Vec<TokenStream>,
    /// Keys of sorted maps and members of sorted sets.
    ordered: Vec<TokenStream>,
    /// Hashers of hash maps and sets.
    hashers: Vec<TokenStream>,
}

fn visit(ty: &Type, params: &[Ident], found: &mut Uses) {
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

fn visit_path(ty: &TypePath, params: &[Ident], found: &mut Uses) {
    let uses = |path: &Path| {
        path.leading_colon.is_none()
            && path
                .segments
                .first()
                .is_some_and(|first| params.contains(&first.ident))
    };
    if let Some(qself) = &ty.qself {
        let mut inner = Uses::default();
        visit(&qself.ty, params, &mut inner);
        if !inner.values.is_empty() {
            found.values.push(ty.to_token_stream());
        }
        return;
    }
    if uses(&ty.path) {
        found.values.push(ty.to_token_stream());
        return;
    }
    let Some(last) = ty.path.segments.last() else {
        return;
    };
    match last.ident.to_string().as_str() {
        // Contains no value of its parameter.
        "PhantomData" => {}
        "HashMap" | "IndexMap" => visit_keyed(last, 2, params, found, |found| &mut found.hashed),
        "HashSet" | "IndexSet" => visit_keyed(last, 1, params, found, |found| &mut found.hashed),
        "BTreeMap" => visit_keyed(last, 2, params, found, |found| &mut found.ordered),
        "BTreeSet" | "BinaryHeap" => {
            visit_keyed(last, 1, params, found, |found| &mut found.ordered);
        }
        _ => visit_arguments(&ty.path, params, found),
    }
}

/// Visits the type arguments of a map or a set: the first is its key, and those after the first
/// `value_count` are its hasher.
fn visit_keyed(
    segment: &PathSegment,
    value_count: usize,
    params: &[Ident],
    found: &mut Uses,
    keys: impl Fn(&mut Uses) -> &mut Vec<TokenStream>,
) {
    let PathArguments::AngleBracketed(arguments) = &segment.arguments else {
        return;
    };
    let types = arguments.args.iter().filter_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    });
    for (index, ty) in types.enumerate() {
        let mut inner = Uses::default();
        visit(ty, params, &mut inner);
        if inner.values.is_empty() {
            continue;
        }
        if index >= value_count {
            found.hashers.push(ty.to_token_stream());
            continue;
        }
        if index == 0 {
            keys(found).push(ty.to_token_stream());
        }
        found.values.append(&mut inner.values);
        found.hashed.append(&mut inner.hashed);
        found.ordered.append(&mut inner.ordered);
        found.hashers.append(&mut inner.hashers);
    }
}

fn visit_arguments(path: &Path, params: &[Ident], found: &mut Uses) {
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
    found: &mut Uses,
) {
    for bound in bounds {
        if let TypeParamBound::Trait(bound) = bound {
            visit_arguments(&bound.path, params, found);
        }
    }
}

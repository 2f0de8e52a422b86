//! Rules about unique stored names.

use std::collections::HashSet;

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::LitStr;

use crate::ast::{Body, Shape, Tagging, Variant};
use crate::errors::Errors;

/// No two fields of a struct or a variant are stored under one name.
pub(super) fn unique_fields(body: &Body<'_>, errors: &mut Errors) {
    if body.shape != Shape::Named {
        return;
    }
    let stored = body
        .fields
        .iter()
        .filter(|field| !field.skipped && !field.flatten);
    let names: Vec<_> = stored
        .map(|field| {
            let token = match &field.settings.rename {
                Some(rename) => rename.to_token_stream(),
                None => field.member.to_token_stream(),
            };
            StoredName {
                name: &field.name,
                token,
                aliases: &field.settings.aliases,
            }
        })
        .collect();
    unique_names(&names, "fields", errors);
}

/// No two variants are stored under one name.
pub(super) fn unique_variants(variants: &[Variant<'_>], tagging: &Tagging, errors: &mut Errors) {
    let names: Vec<_> = variants
        .iter()
        .filter(|variant| *variant.tagging(tagging) != Tagging::Untagged)
        .map(|variant| StoredName {
            name: &variant.name,
            token: variant.original.ident.to_token_stream(),
            aliases: &variant.settings.aliases,
        })
        .collect();
    unique_names(&names, "variants", errors);
}

/// A name under which a field or a variant is stored, with the token to underline.
struct StoredName<'c> {
    name: &'c str,
    token: TokenStream,
    aliases: &'c [LitStr],
}

/// No two fields or variants are stored under one name, former names included.
fn unique_names(names: &[StoredName<'_>], what: &str, errors: &mut Errors) {
    let mut seen = HashSet::new();
    for stored in names {
        if !seen.insert(stored.name.to_owned()) {
            errors.at(
                &stored.token,
                format!("two {what} are stored as `{}`", stored.name),
            );
        }
    }
    for alias in names.iter().flat_map(|stored| stored.aliases) {
        let name = alias.value();
        if !seen.insert(name.clone()) {
            errors.at(
                alias,
                format!("`{name}` is already the name of one of the {what}"),
            );
        }
    }
}

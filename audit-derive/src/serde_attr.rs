//! serde's attributes, read as defaults so that stored names and serde's names agree.
//!
//! Nothing here is an error: what serde would not accept serde reports, and what is not
//! known here has no meaning for the trail.

use proc_macro2::TokenTree;
use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::{Attribute, ExprPath, Ident, LitStr, Meta, Token};

use crate::attr::skip_to_comma;
use crate::case::Case;

/// What serde's attributes on a type, a variant or a field say that matters here.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a word that stands or does not"
)]
#[derive(Default)]
pub(crate) struct SerdeAttrs {
    pub(crate) rename: Option<String>,
    pub(crate) rename_all: Option<Case>,
    pub(crate) rename_all_fields: Option<Case>,
    pub(crate) aliases: Vec<LitStr>,
    pub(crate) skip: bool,
    pub(crate) skip_if: Option<ExprPath>,
    pub(crate) flatten: bool,
    pub(crate) transparent: bool,
    pub(crate) untagged: bool,
    pub(crate) tag: Option<String>,
    pub(crate) content: bool,
}

impl SerdeAttrs {
    pub(crate) fn read(attrs: &[Attribute]) -> Self {
        let mut found = Self::default();
        for attr in attrs.iter().filter(|attr| attr.path().is_ident("serde")) {
            let Meta::List(list) = &attr.meta else {
                continue;
            };
            let parse = |input: ParseStream<'_>| {
                while !input.is_empty() {
                    // An error only means that serde will report one.
                    let _: syn::Result<()> = found.entry(input);
                    skip_to_comma(input);
                }
                Ok(())
            };
            let _: syn::Result<()> = parse.parse2(list.tokens.clone());
        }
        found
    }

    fn entry(&mut self, input: ParseStream<'_>) -> syn::Result<()> {
        let name = input.call(Ident::parse_any)?.to_string();
        match name.as_str() {
            "rename" => self.rename = serialized(input)?.map(|text| text.value()),
            "rename_all" => self.rename_all = case(serialized(input)?),
            "rename_all_fields" => self.rename_all_fields = case(serialized(input)?),
            "alias" => self.aliases.extend(serialized(input)?),
            "skip" | "skip_serializing" => self.skip = true,
            "flatten" => self.flatten = true,
            "transparent" => self.transparent = true,
            "untagged" => self.untagged = true,
            "tag" => self.tag = serialized(input)?.map(|text| text.value()),
            "content" => self.content = true,
            "skip_serializing_if" => {
                self.skip_if = match serialized(input)? {
                    Some(text) => Some(text.parse()?),
                    None => None,
                };
            }
            _ => {}
        }
        Ok(())
    }
}

fn case(text: Option<LitStr>) -> Option<Case> {
    Case::from_name(&text?.value())
}

/// Reads `= "text"`, or `(serialize = "text", ...)`, whose other entries are for reading.
fn serialized(input: ParseStream<'_>) -> syn::Result<Option<LitStr>> {
    if input.peek(Token![=]) {
        input.parse::<Token![=]>()?;
        return input.parse().map(Some);
    }
    if !input.peek(syn::token::Paren) {
        return Ok(None);
    }
    let content;
    syn::parenthesized!(content in input);
    let mut found = None;
    while !content.is_empty() {
        let name = content.call(Ident::parse_any)?;
        if name == "serialize" && content.peek(Token![=]) {
            content.parse::<Token![=]>()?;
            found = Some(content.parse()?);
        } else {
            while !content.is_empty() && !content.peek(Token![,]) {
                content.parse::<TokenTree>()?;
            }
        }
        skip_to_comma(&content);
    }
    Ok(found)
}

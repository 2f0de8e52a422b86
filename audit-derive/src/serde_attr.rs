//! serde's attributes, read as defaults so that stored names agree with serde's names.
//!
//! Nothing here is an error: serde reports invalid attributes, and unknown ones do not affect the
//! trail.

use proc_macro2::TokenTree;
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream, Parser};
use syn::{Attribute, ExprPath, Ident, LitStr, Meta, Token, Type};

use crate::attr::skip_to_comma;
use crate::case::Case;
use crate::symbol::SERDE_WORDS;

/// The relevant attributes of serde on a type, a variant or a field.
#[expect(clippy::struct_excessive_bools, reason = "one flag for each word")]
#[derive(Default)]
pub(crate) struct SerdeAttrs {
    pub(crate) rename: Directions<String>,
    pub(crate) rename_all: Directions<Case>,
    pub(crate) rename_all_fields: Directions<Case>,
    pub(crate) aliases: Vec<LitStr>,
    pub(crate) skip_serializing: bool,
    pub(crate) skip_deserializing: bool,
    pub(crate) skip_if: Option<ExprPath>,
    pub(crate) flatten: bool,
    pub(crate) transparent: bool,
    pub(crate) untagged: bool,
    pub(crate) tag: Option<String>,
    pub(crate) content: Option<String>,
    /// The type into which serde converts a value before serializing it.
    pub(crate) into: Option<Type>,
    /// The function that serializes the value, from `with` or `serialize_with`.
    pub(crate) serializer: Option<ExprPath>,
}

/// A setting of serde for each direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Directions<T> {
    pub(crate) serialize: Option<T>,
    pub(crate) deserialize: Option<T>,
}

impl<T> Default for Directions<T> {
    fn default() -> Self {
        Self {
            serialize: None,
            deserialize: None,
        }
    }
}

impl<T> Directions<T> {
    /// Adds the setting of another attribute, since the two directions may have separate ones.
    fn add(&mut self, found: Directions<T>) {
        self.serialize = found.serialize.or(self.serialize.take());
        self.deserialize = found.deserialize.or(self.deserialize.take());
    }

    fn and_then<U>(&self, convert: impl Fn(&T) -> Option<U>) -> Directions<U> {
        Directions {
            serialize: self.serialize.as_ref().and_then(&convert),
            deserialize: self.deserialize.as_ref().and_then(&convert),
        }
    }
}

impl<T: Clone> Directions<T> {
    /// Returns the same setting for both directions.
    pub(crate) fn both(value: Option<T>) -> Self {
        Self {
            deserialize: value.clone(),
            serialize: value,
        }
    }

    /// Returns this setting, or that of `other` for a direction without one.
    pub(crate) fn or(self, other: &Self) -> Self {
        Self {
            serialize: self.serialize.or_else(|| other.serialize.clone()),
            deserialize: self.deserialize.or_else(|| other.deserialize.clone()),
        }
    }
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
        if !SERDE_WORDS.contains(&name.as_str()) {
            return Ok(());
        }
        match name.as_str() {
            "rename" => self
                .rename
                .add(names(input)?.and_then(|text| Some(text.value()))),
            "rename_all" => self.rename_all.add(names(input)?.and_then(case)),
            "rename_all_fields" => self.rename_all_fields.add(names(input)?.and_then(case)),
            "alias" => self.aliases.push(text(input)?),
            "skip" => {
                self.skip_serializing = true;
                self.skip_deserializing = true;
            }
            "skip_serializing" => self.skip_serializing = true,
            "skip_deserializing" => self.skip_deserializing = true,
            "flatten" => self.flatten = true,
            "transparent" => self.transparent = true,
            "untagged" => self.untagged = true,
            "tag" => self.tag = Some(text(input)?.value()),
            "content" => self.content = Some(text(input)?.value()),
            "into" => self.into = Some(quoted(input)?),
            "skip_serializing_if" => self.skip_if = Some(quoted(input)?),
            "serialize_with" => self.serializer = Some(quoted(input)?),
            "with" => self.serializer = Some(serialize_in(quoted(input)?)),
            _ => {}
        }
        Ok(())
    }
}

fn case(text: &LitStr) -> Option<Case> {
    Case::from_name(&text.value())
}

/// Returns the serializing function of `with = "module"`.
fn serialize_in(mut module: ExprPath) -> ExprPath {
    let span = module
        .path
        .segments
        .last()
        .map_or_else(proc_macro2::Span::call_site, |last| last.ident.span());
    module
        .path
        .segments
        .push(Ident::new("serialize", span).into());
    module
}

fn text(input: ParseStream<'_>) -> syn::Result<LitStr> {
    input.parse::<Token![=]>()?;
    input.parse()
}

fn quoted<T: Parse>(input: ParseStream<'_>) -> syn::Result<T> {
    text(input)?.parse()
}

/// Reads `= "text"`, or `(serialize = "text", deserialize = "other")`.
fn names(input: ParseStream<'_>) -> syn::Result<Directions<LitStr>> {
    if input.peek(Token![=]) {
        return text(input).map(|text| Directions::both(Some(text)));
    }
    let content;
    syn::parenthesized!(content in input);
    let mut found = Directions::default();
    while !content.is_empty() {
        let name = content.call(Ident::parse_any)?;
        if name == "serialize" && content.peek(Token![=]) {
            found.serialize = Some(text(&content)?);
        } else if name == "deserialize" && content.peek(Token![=]) {
            found.deserialize = Some(text(&content)?);
        } else {
            while !content.is_empty() && !content.peek(Token![,]) {
                content.parse::<TokenTree>()?;
            }
        }
        skip_to_comma(&content);
    }
    Ok(found)
}

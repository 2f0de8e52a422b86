//! serde's attributes, read as defaults so that stored names and serde's names agree.
//!
//! Nothing here is an error: what serde would not accept serde reports, and what is not
//! known here has no meaning for the trail.

use proc_macro2::TokenTree;
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream, Parser};
use syn::{Attribute, ExprPath, Ident, LitStr, Meta, Token, Type};

use crate::attr::skip_to_comma;
use crate::case::Case;
use crate::symbol::SERDE_WORDS;

/// What serde's attributes on a type, a variant or a field say that matters here.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a word that stands or does not"
)]
#[derive(Default)]
pub(crate) struct SerdeAttrs {
    pub(crate) rename: Names<String>,
    pub(crate) rename_all: Names<Case>,
    pub(crate) rename_all_fields: Names<Case>,
    pub(crate) aliases: Vec<LitStr>,
    pub(crate) skip_writing: bool,
    pub(crate) skip_reading: bool,
    pub(crate) skip_if: Option<ExprPath>,
    pub(crate) flatten: bool,
    pub(crate) transparent: bool,
    pub(crate) untagged: bool,
    pub(crate) tag: Option<String>,
    pub(crate) content: Option<String>,
    /// The type that serde converts into before it writes.
    pub(crate) into: Option<Type>,
    /// The function that writes the value, from `with` or `serialize_with`.
    pub(crate) serializer: Option<ExprPath>,
}

/// What serde uses for writing and for reading, which can differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Names<T> {
    pub(crate) writing: Option<T>,
    pub(crate) reading: Option<T>,
}

impl<T> Default for Names<T> {
    fn default() -> Self {
        Self {
            writing: None,
            reading: None,
        }
    }
}

impl<T> Names<T> {
    /// Fills in what an attribute says; serde takes the two directions from separate attributes.
    fn add(&mut self, found: Names<T>) {
        self.writing = found.writing.or(self.writing.take());
        self.reading = found.reading.or(self.reading.take());
    }

    fn and_then<U>(&self, convert: impl Fn(&T) -> Option<U>) -> Names<U> {
        Names {
            writing: self.writing.as_ref().and_then(&convert),
            reading: self.reading.as_ref().and_then(&convert),
        }
    }
}

impl<T: Clone> Names<T> {
    /// Returns the same for both directions.
    pub(crate) fn both(value: Option<T>) -> Self {
        Self {
            reading: value.clone(),
            writing: value,
        }
    }

    /// Returns what is set here, else what `other` has.
    pub(crate) fn or(self, other: &Self) -> Self {
        Self {
            writing: self.writing.or_else(|| other.writing.clone()),
            reading: self.reading.or_else(|| other.reading.clone()),
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
                self.skip_writing = true;
                self.skip_reading = true;
            }
            "skip_serializing" => self.skip_writing = true,
            "skip_deserializing" => self.skip_reading = true,
            "flatten" => self.flatten = true,
            "transparent" => self.transparent = true,
            "untagged" => self.untagged = true,
            "tag" => self.tag = Some(text(input)?.value()),
            "content" => self.content = Some(text(input)?.value()),
            "into" => self.into = Some(quoted(input)?),
            "skip_serializing_if" => self.skip_if = Some(quoted(input)?),
            "serialize_with" => self.serializer = Some(quoted(input)?),
            "with" => self.serializer = Some(within(quoted(input)?)),
            _ => {}
        }
        Ok(())
    }
}

fn case(text: &LitStr) -> Option<Case> {
    Case::from_name(&text.value())
}

/// Returns the function that `with = "module"` writes by.
fn within(mut module: ExprPath) -> ExprPath {
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
fn names(input: ParseStream<'_>) -> syn::Result<Names<LitStr>> {
    if input.peek(Token![=]) {
        return text(input).map(|text| Names::both(Some(text)));
    }
    let content;
    syn::parenthesized!(content in input);
    let mut found = Names::default();
    while !content.is_empty() {
        let name = content.call(Ident::parse_any)?;
        if name == "serialize" && content.peek(Token![=]) {
            found.writing = Some(text(&content)?);
        } else if name == "deserialize" && content.peek(Token![=]) {
            found.reading = Some(text(&content)?);
        } else {
            while !content.is_empty() && !content.peek(Token![,]) {
                content.parse::<TokenTree>()?;
            }
        }
        skip_to_comma(&content);
    }
    Ok(found)
}

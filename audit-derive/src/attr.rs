//! The grammar of `#[audit(...)]`: words with their values, without their meaning.

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::{Attribute, ExprPath, Ident, Lit, LitBool, LitInt, LitStr, Meta, Token, Type};

use crate::errors::Errors;
use crate::suggest;
use crate::symbol::{self, Takes, Target, Word};

/// A word with its value, as written.
pub(crate) struct Entry {
    pub(crate) word: &'static Word,
    /// The word's own token.
    pub(crate) name: Ident,
    pub(crate) value: Value,
}

/// The value after a word.
pub(crate) enum Value {
    Nothing,
    Bool(bool),
    Text(LitStr),
    Path(ExprPath),
    Number(LitInt),
    Float(Lit),
    Names(Vec<Name>),
    Levels(Vec<(Ident, LitStr)>),
    Parent { model: Box<Type>, key: LitStr },
}

/// A field or an action in a list: an identifier, an index or a string.
pub(crate) struct Name {
    pub(crate) text: String,
    tokens: TokenTree,
}

impl ToTokens for Name {
    fn to_tokens(&self, out: &mut TokenStream) {
        self.tokens.to_tokens(out);
    }
}

/// Parses every `#[audit(...)]` among `attrs`. Invalid entries become errors and are left out.
pub(crate) fn read(attrs: &[Attribute], target: Target, errors: &mut Errors) -> Vec<Entry> {
    let mut entries = Vec::new();
    for attr in attrs.iter().filter(|attr| attr.path().is_ident("audit")) {
        match &attr.meta {
            Meta::Path(_) => {}
            Meta::NameValue(_) => {
                errors.at(attr, "the attribute takes a list, as in `#[audit(skip)]`");
            }
            Meta::List(list) => {
                let parse = |input: ParseStream<'_>| {
                    read_list(input, target, &mut entries, errors);
                    Ok(())
                };
                // `read_list` consumes all of its input, so the only possible error is one of
                // the lexer, which rustc has reported.
                if let Err(error) = parse.parse2(list.tokens.clone()) {
                    errors.push(error);
                }
            }
        }
    }
    entries
}

fn read_list(
    input: ParseStream<'_>,
    target: Target,
    entries: &mut Vec<Entry>,
    errors: &mut Errors,
) {
    while !input.is_empty() {
        match read_entry(input, target) {
            Ok(entry) => {
                let twice = entry.word.name != symbol::ALIAS
                    && entries
                        .iter()
                        .any(|other| other.word.name == entry.word.name);
                if twice {
                    errors.at(&entry.name, format!("`{}` is given twice", entry.word.name));
                } else {
                    entries.push(entry);
                }
                if !input.is_empty() && !input.peek(Token![,]) {
                    errors.push(input.error("expected `,`"));
                }
            }
            Err(error) => errors.push(error),
        }
        skip_to_comma(input);
    }
}

/// Skips to after the next comma, or to the end.
pub(crate) fn skip_to_comma(input: ParseStream<'_>) {
    while !input.is_empty() && !input.peek(Token![,]) {
        // Input that is not empty always has a token.
        if input.parse::<TokenTree>().is_err() {
            return;
        }
    }
    if input.peek(Token![,]) {
        let _: syn::Result<Token![,]> = input.parse();
    }
}

fn read_entry(input: ParseStream<'_>, target: Target) -> syn::Result<Entry> {
    if !input.peek(Ident::peek_any) {
        return Err(input.error("expected the name of an attribute"));
    }
    let name = input.call(Ident::parse_any)?;
    let text = name.to_string();
    let word = symbol::find(&text, target).ok_or_else(|| unknown(&name, &text, target))?;
    let value = read_value(input, &name, word)?;
    Ok(Entry { word, name, value })
}

fn unknown(name: &Ident, text: &str, target: Target) -> syn::Error {
    let elsewhere: Vec<&str> = [Target::Container, Target::Variant, Target::Field]
        .into_iter()
        .filter(|other| symbol::find(text, *other).is_some())
        .map(Target::name)
        .collect();
    let message = if elsewhere.is_empty() {
        let names = symbol::words(target).iter().map(|word| word.name);
        format!("unknown attribute `{text}`{}", suggest::hint(text, names))
    } else {
        format!(
            "`{text}` belongs on {}, not on {}",
            elsewhere.join(" or "),
            target.name()
        )
    };
    syn::Error::new_spanned(name, message)
}

fn read_value(input: ParseStream<'_>, name: &Ident, word: &Word) -> syn::Result<Value> {
    let bare = input.is_empty() || input.peek(Token![,]);
    match word.takes {
        Takes::Nothing | Takes::MaybeText if bare => Ok(Value::Nothing),
        Takes::Nothing => {
            let message = format!("`{}` takes no value", word.name);
            Err(syn::Error::new_spanned(rest(input, name), message))
        }
        Takes::Bool if bare => Ok(Value::Bool(true)),
        Takes::Bool => assigned(input, name, word).map(|value: LitBool| Value::Bool(value.value)),
        Takes::Text | Takes::MaybeText => assigned(input, name, word).map(Value::Text),
        Takes::Path => read_path(input, name, word).map(Value::Path),
        Takes::Number => assigned(input, name, word).map(Value::Number),
        Takes::Float => read_float(input, name, word).map(Value::Float),
        Takes::TextOrNames if input.peek(Token![=]) => {
            let text: LitStr = assigned(input, name, word)?;
            let tokens = TokenTree::Literal(text.token());
            Ok(Value::Names(vec![Name {
                text: text.value(),
                tokens,
            }]))
        }
        Takes::Names | Takes::TextOrNames => {
            in_parentheses(input, name, word, read_names).map(Value::Names)
        }
        Takes::Levels => in_parentheses(input, name, word, read_levels).map(Value::Levels),
        Takes::Parent => in_parentheses(input, name, word, |list| read_parent(list, name, word)),
    }
}

/// Returns the name and the tokens up to the next comma.
fn rest(input: ParseStream<'_>, name: &Ident) -> TokenStream {
    let mut tokens = name.to_token_stream();
    while !input.is_empty() && !input.peek(Token![,]) {
        match input.parse::<TokenTree>() {
            Ok(token) => tokens.extend([token]),
            Err(_) => break,
        }
    }
    tokens
}

fn misused(tokens: impl ToTokens, word: &Word) -> syn::Error {
    let message = format!("`{}` needs a value, as in `{}`", word.name, word.example);
    syn::Error::new_spanned(tokens, message)
}

/// Parses the `=`. A missing value is reported on the word itself, since the end of the input has
/// no token to underline.
fn equals(input: ParseStream<'_>, name: &Ident, word: &Word) -> syn::Result<()> {
    let sign: Option<Token![=]> = input.parse()?;
    if sign.is_none() || input.is_empty() || input.peek(Token![,]) {
        return Err(misused(rest(input, name), word));
    }
    Ok(())
}

fn assigned<T: syn::parse::Parse>(
    input: ParseStream<'_>,
    name: &Ident,
    word: &Word,
) -> syn::Result<T> {
    equals(input, name, word)?;
    let start = input.fork();
    input.parse().map_err(|_| {
        let message = match start.parse::<TokenTree>() {
            Ok(found) => (
                found.to_token_stream(),
                format!("expected `{}`", word.example),
            ),
            Err(_) => (
                name.to_token_stream(),
                format!("expected `{}`", word.example),
            ),
        };
        syn::Error::new_spanned(message.0, message.1)
    })
}

fn read_path(input: ParseStream<'_>, name: &Ident, word: &Word) -> syn::Result<ExprPath> {
    if input.peek(Token![=]) && input.peek2(LitStr) {
        let text: LitStr = assigned(input, name, word)?;
        return text.parse().map_err(|_| {
            syn::Error::new_spanned(&text, format!("expected a path, as in `{}`", word.example))
        });
    }
    assigned(input, name, word)
}

fn read_float(input: ParseStream<'_>, name: &Ident, word: &Word) -> syn::Result<Lit> {
    let literal: Lit = assigned(input, name, word)?;
    match literal {
        // A string is a duration.
        Lit::Float(_) | Lit::Int(_) | Lit::Str(_) => Ok(literal),
        other => {
            let message = format!(
                "expected a number, as in `{}`, or a length of time, as in `{name} = \"1us\"`",
                word.example
            );
            Err(syn::Error::new_spanned(other, message))
        }
    }
}

fn in_parentheses<T>(
    input: ParseStream<'_>,
    name: &Ident,
    word: &Word,
    read: impl FnOnce(ParseStream<'_>) -> syn::Result<T>,
) -> syn::Result<T> {
    if !input.peek(syn::token::Paren) {
        return Err(misused(rest(input, name), word));
    }
    let content;
    let parentheses = syn::parenthesized!(content in input);
    if content.is_empty() {
        let message = format!("the list is empty; expected `{}`", word.example);
        return Err(syn::Error::new(parentheses.span.join(), message));
    }
    let found = read(&content);
    // Unread tokens would cause a second error.
    while !content.is_empty() && content.parse::<TokenTree>().is_ok() {}
    found
}

fn read_names(input: ParseStream<'_>) -> syn::Result<Vec<Name>> {
    let mut names = Vec::new();
    while !input.is_empty() {
        let name = if input.peek(Ident::peek_any) {
            let ident = input.call(Ident::parse_any)?;
            Name {
                text: ident.unraw().to_string(),
                tokens: TokenTree::Ident(ident),
            }
        } else if input.peek(LitStr) {
            let text: LitStr = input.parse()?;
            Name {
                text: text.value(),
                tokens: TokenTree::Literal(text.token()),
            }
        } else if input.peek(LitInt) {
            let index: LitInt = input.parse()?;
            Name {
                text: index.to_string(),
                tokens: TokenTree::Literal(index.token()),
            }
        } else {
            return Err(input.error("expected a name"));
        };
        names.push(name);
        if !input.is_empty() {
            input.parse::<Token![,]>()?;
        }
    }
    Ok(names)
}

fn read_levels(input: ParseStream<'_>) -> syn::Result<Vec<(Ident, LitStr)>> {
    let mut levels = Vec::new();
    while !input.is_empty() {
        if !input.peek(Ident::peek_any) {
            return Err(input.error("expected the name of an action"));
        }
        let action = input.call(Ident::parse_any)?;
        if !(input.peek(Token![=]) && input.peek2(LitStr)) {
            let message = format!("`{action}` needs a level, as in `{action} = \"info\"`");
            return Err(syn::Error::new_spanned(action, message));
        }
        input.parse::<Token![=]>()?;
        levels.push((action, input.parse()?));
        if !input.is_empty() {
            input.parse::<Token![,]>()?;
        }
    }
    Ok(levels)
}

fn read_parent(input: ParseStream<'_>, name: &Ident, word: &Word) -> syn::Result<Value> {
    let model: Type = input.parse()?;
    let missing = || {
        let message = format!("the key of the parent is missing, as in `{}`", word.example);
        syn::Error::new_spanned(name, message)
    };
    if !input.peek(Token![,]) {
        return Err(missing());
    }
    input.parse::<Token![,]>()?;
    if input.is_empty() {
        return Err(missing());
    }
    let key: Ident = input.call(Ident::parse_any)?;
    if key != symbol::KEY {
        let message = format!("unknown attribute `{key}`, did you mean `key`?");
        return Err(syn::Error::new_spanned(key, message));
    }
    if !(input.peek(Token![=]) && input.peek2(LitStr)) {
        return Err(missing());
    }
    input.parse::<Token![=]>()?;
    let key = input.parse()?;
    let _: Option<Token![,]> = input.parse()?;
    if !input.is_empty() {
        return Err(input.error("unexpected after the parent's key"));
    }
    Ok(Value::Parent {
        model: Box::new(model),
        key,
    })
}

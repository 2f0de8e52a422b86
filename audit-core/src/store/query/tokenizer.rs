//! Splits the text of a query into tokens: parentheses, operators and terms, each with its column.
//!
//! The first colon outside quotes ends the key of a term. A parenthesis inside a term, as in `f(x)`, is part
//! of it; a closing one without an opening one in the term ends a group.

use std::iter::{Enumerate, Peekable};
use std::str::Chars;

use super::notation;
use super::terms::ParseQueryError;

/// A token and its column, from 1.
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) column: usize,
}

pub(super) enum Kind {
    Open,
    Close,
    And,
    Or,
    Not,
    Term(Term),
}

/// The hint of errors about parentheses.
pub(super) const QUOTE_PARENTHESES: &str = "to search for parentheses, use double quotes";

/// A term of a query; a text to search for has no key.
pub(super) struct Term {
    pub(super) key: Option<(String, usize)>,
    pub(super) value: String,
    /// Whether a part of the term is in double quotes.
    pub(super) is_quoted: bool,
    /// The column of the value, from 1.
    pub(super) column: usize,
}

type Rest<'t> = Peekable<Enumerate<Chars<'t>>>;

/// Splits a text into tokens.
pub(super) fn tokenize(text: &str) -> Result<Vec<Token>, ParseQueryError> {
    let mut tokens = Vec::new();
    let mut chars = text.chars().enumerate().peekable();
    // The number of open parentheses of groups.
    let mut open = 0_usize;
    while let Some(&(at, c)) = chars.peek() {
        let column = at + 1;
        let kind = match c {
            c if c.is_whitespace() => {
                chars.next();
                continue;
            }
            '(' => {
                chars.next();
                open += 1;
                Kind::Open
            }
            ')' => {
                open = open.checked_sub(1).ok_or_else(|| unmatched(column))?;
                chars.next();
                Kind::Close
            }
            _ => term(&mut chars, column, open > 0)?,
        };
        if let (Some(Kind::Term(before)), Kind::Term(term)) =
            (tokens.last().map(|token: &Token| &token.kind), &kind)
        {
            notation::check_pair(before, term)?;
        }
        tokens.push(Token { kind, column });
    }
    Ok(tokens)
}

/// Reads a term or an operator.
fn term(chars: &mut Rest<'_>, column: usize, in_group: bool) -> Result<Kind, ParseQueryError> {
    let mut term = Term {
        key: None,
        value: String::new(),
        is_quoted: false,
        column,
    };
    // The number of open parentheses inside the term, as in `f(x)`.
    let mut own = 0_usize;
    while let Some(&(at, c)) = chars.peek() {
        match c {
            c if c.is_whitespace() => break,
            '"' => {
                if term.key.is_none() && !term.is_quoted {
                    notation::check_word(&term.value, column)?;
                }
                term.is_quoted = true;
                quoted_part(chars, at, &mut term.value)?;
                continue;
            }
            // The first colon ends the key, unless a part before it was quoted.
            ':' if !term.is_quoted && term.key.is_none() => {
                if term.value.is_empty() {
                    return Err(lacks_key(column));
                }
                notation::check_word(&term.value, column)?;
                notation::check_value(&format!("{}:", term.value), column)?;
                chars.next();
                term.key = Some((std::mem::take(&mut term.value), term.column));
                term.column = at + 2;
                continue;
            }
            '(' => {
                if !term.is_quoted && term.key.is_none() && operator(&term.value).is_some() {
                    break;
                }
                if let (Some((key, _)), true, true) =
                    (&term.key, !term.is_quoted, term.value.is_empty())
                {
                    return Err(group_as_value(key, term.column));
                }
                own += 1;
            }
            ')' if own > 0 => own -= 1,
            ')' if in_group => break,
            ')' => return Err(unmatched(at + 1)),
            _ => {}
        }
        chars.next();
        term.value.push(c);
    }
    if term.is_quoted {
        return Ok(Kind::Term(term));
    }
    match &term.key {
        None => {
            notation::check_word(&term.value, column)?;
            Ok(operator(&term.value).unwrap_or(Kind::Term(term)))
        }
        Some((key, _)) if term.value.is_empty() => {
            let message = format!("`{}` lacks a value", key.escape_debug());
            Err(ParseQueryError::at(term.column, message)
                .hint("write it directly after the colon, without a space"))
        }
        Some(_) => {
            notation::check_value(&term.value, term.column)?;
            Ok(Kind::Term(term))
        }
    }
}

/// Returns the operator with this name, if any.
fn operator(word: &str) -> Option<Kind> {
    match word {
        "AND" => Some(Kind::And),
        "OR" => Some(Kind::Or),
        "NOT" => Some(Kind::Not),
        _ => None,
    }
}

fn lacks_key(column: usize) -> ParseQueryError {
    ParseQueryError::at(column, "a key is missing before the colon".to_owned()).hint(
        "write a condition without spaces, as in `actor:alice`, or use double quotes to search for the text",
    )
}

fn unmatched(column: usize) -> ParseQueryError {
    ParseQueryError::at(column, "unmatched `)`".to_owned()).hint(QUOTE_PARENTHESES)
}

fn group_as_value(key: &str, column: usize) -> ParseQueryError {
    let key = key.escape_debug();
    ParseQueryError::at(column, format!("the value of `{key}` begins with `(`")).hint(format!(
        "write alternatives as `({key}:a OR {key}:b)`, and a value with parentheses in double quotes"
    ))
}

/// Reads up to the closing quote.
fn quoted_part(
    chars: &mut Rest<'_>,
    opened: usize,
    value: &mut String,
) -> Result<(), ParseQueryError> {
    chars.next();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Ok(()),
            '\\' => {
                let Some((_, c @ ('"' | '\\'))) = chars.next() else {
                    let message = "expected `\\\"` or `\\\\`".to_owned();
                    return Err(ParseQueryError::at(at + 1, message));
                };
                value.push(c);
            }
            c => value.push(c),
        }
    }
    Err(ParseQueryError::at(opened + 1, "unclosed quote".to_owned()))
}

//! The parser of the query language: conjunctions, alternatives and negations of terms.
//!
//! Recursive descent over the grammar in [`Query::parse`], at most 32 levels deep. Every error has the
//! column of the token that caused it, and usually a hint.

use std::iter::Peekable;
use std::vec;

use chrono::{DateTime, TimeZone};

use super::group::{Group, MAX_NESTING};
use super::terms::{ParseQueryError, check_duplicate};
use super::tokenizer::{Kind, QUOTE_PARENTHESES, Term, Token, tokenize};
use super::{Filter, Query};

/// The keys of terms that apply to the whole query.
const QUERY_KEYS: [&str; 3] = ["order", "limit", "after"];

/// The values of terms that can occur only once.
pub(super) type SeenTerms = Vec<(&'static str, String)>;

/// Parses a query.
pub(super) fn parse<Z: TimeZone>(text: &str, now: &DateTime<Z>) -> Result<Query, ParseQueryError> {
    let mut parser = Parser {
        tokens: tokenize(text)?.into_iter().peekable(),
        now,
        query: Query::new(),
        seen: SeenTerms::new(),
    };
    let filter = Filter::any_of(parser.alternatives(0)?);
    if filter.nesting() > MAX_NESTING {
        // The printed form puts alternatives in parentheses.
        return Err(too_deep(1));
    }
    Ok(Query {
        filter,
        ..parser.query
    })
}

struct Parser<'n, Z: TimeZone> {
    tokens: Peekable<vec::IntoIter<Token>>,
    now: &'n DateTime<Z>,
    /// The query with the order, the limit and the cursor.
    query: Query,
    seen: SeenTerms,
}

impl<Z: TimeZone> Parser<'_, Z> {
    /// Parses conjunctions separated by `OR`.
    fn alternatives(&mut self, nesting: usize) -> Result<Vec<Filter>, ParseQueryError> {
        let mut filters = Vec::new();
        let mut last_or = None;
        loop {
            let filter = self.conjunction(nesting)?;
            let or = self
                .tokens
                .next_if(|token| matches!(token.kind, Kind::Or))
                .map(|token| token.column);
            if filter.is_none() {
                if let Some(column) = or {
                    return Err(lacks("OR", "before", column));
                }
                if let Some(column) = last_or {
                    return Err(lacks("OR", "after", column));
                }
            }
            filters.push(filter.unwrap_or_default());
            if or.is_none() {
                return Ok(filters);
            }
            last_or = or;
        }
    }

    /// Parses the conditions of a conjunction; `None` if it is empty.
    fn conjunction(&mut self, nesting: usize) -> Result<Option<Filter>, ParseQueryError> {
        let mut query = Query::new();
        let mut seen = SeenTerms::new();
        // Words with only terms between them form one text.
        let mut texts: Vec<Vec<String>> = vec![Vec::new()];
        let mut and = None;
        let mut is_empty = true;
        while let Some(Token { kind, column }) = self
            .tokens
            .next_if(|token| !matches!(token.kind, Kind::Or | Kind::Close))
        {
            match kind {
                Kind::And => {
                    if is_empty || and.is_some() {
                        return Err(lacks("AND", "before", column));
                    }
                    and = Some(column);
                    texts.push(Vec::new());
                    continue;
                }
                Kind::Term(term) => match &term.key {
                    None => texts
                        .last_mut()
                        .into_iter()
                        .for_each(|words| words.push(term.value.clone())),
                    Some((key, column)) if QUERY_KEYS.contains(&key.as_str()) => {
                        if nesting > 0 {
                            return Err(no_condition(key, *column));
                        }
                        self.query = std::mem::take(&mut self.query)
                            .with_term(key, *column, &term, self.now)?;
                        check_duplicate(&mut self.seen, key, *column, &term)?;
                        continue;
                    }
                    Some((key, column)) => {
                        query = query.with_term(key, *column, &term, self.now)?;
                        check_duplicate(&mut seen, key, *column, &term)?;
                    }
                },
                Kind::Not => {
                    let filter = self.negated(column, nesting + 1)?;
                    query.filter.groups.push(Group::Not(Box::new(filter)));
                    texts.push(Vec::new());
                }
                Kind::Open => {
                    let filters = self.parentheses(column, nesting + 1)?;
                    query.filter.groups.push(Group::AnyOf(filters));
                    texts.push(Vec::new());
                }
                // The loop ends before these.
                Kind::Or | Kind::Close => {}
            }
            is_empty = false;
            and = None;
        }
        if let Some(column) = and {
            return Err(lacks("AND", "after", column));
        }
        query.filter.add_texts(texts);
        Ok((!is_empty).then_some(query.filter))
    }

    /// Parses the operand of a `NOT`.
    fn negated(&mut self, not: usize, nesting: usize) -> Result<Filter, ParseQueryError> {
        if nesting > MAX_NESTING {
            return Err(too_deep(not));
        }
        let operand = self
            .tokens
            .next_if(|token| matches!(token.kind, Kind::Not | Kind::Open | Kind::Term(_)));
        let Some(Token { kind, column }) = operand else {
            return Err(lacks("NOT", "after", not));
        };
        match kind {
            Kind::Not => {
                let filter = self.negated(column, nesting + 1)?;
                Ok(Filter::of(Group::Not(Box::new(filter))))
            }
            Kind::Term(term) => self.single(term),
            _ => {
                if self.closes() {
                    return Ok(Filter::default());
                }
                Ok(Filter::any_of(self.parentheses(column, nesting)?))
            }
        }
    }

    /// Converts one term to a filter.
    fn single(&self, term: Term) -> Result<Filter, ParseQueryError> {
        match &term.key {
            None => Ok(Filter {
                text: Some(term.value),
                ..Filter::default()
            }),
            Some((key, column)) if QUERY_KEYS.contains(&key.as_str()) => {
                Err(no_condition(key, *column))
            }
            Some((key, column)) => {
                let query = Query::new().with_term(key, *column, &term, self.now)?;
                Ok(query.filter)
            }
        }
    }

    /// Parses the content of parentheses after the opening one.
    fn parentheses(&mut self, open: usize, nesting: usize) -> Result<Vec<Filter>, ParseQueryError> {
        if nesting > MAX_NESTING {
            return Err(too_deep(open));
        }
        if self.closes() {
            let message = "the parentheses are empty".to_owned();
            return Err(ParseQueryError::at(open, message).hint(QUOTE_PARENTHESES));
        }
        let filters = self.alternatives(nesting)?;
        if self.closes() {
            return Ok(filters);
        }
        let message = "unclosed parenthesis".to_owned();
        Err(ParseQueryError::at(open, message).hint(QUOTE_PARENTHESES))
    }

    /// Consumes a closing parenthesis, if there is one.
    fn closes(&mut self) -> bool {
        self.tokens
            .next_if(|token| matches!(token.kind, Kind::Close))
            .is_some()
    }
}

impl Filter {
    /// Adds texts to search for, each given by its words.
    fn add_texts(&mut self, texts: Vec<Vec<String>>) {
        for (number, mut words) in texts.into_iter().enumerate() {
            if words.is_empty() {
                continue;
            }
            // A `text` term continues with the first words.
            if number == 0
                && let Some(text) = self.text.take()
            {
                words.insert(0, text);
            }
            let text = Some(words.join(" "));
            if self.text.is_none() {
                self.text = text;
            } else {
                let filter = Self {
                    text,
                    ..Self::default()
                };
                self.groups.push(Group::AnyOf(vec![filter]));
            }
        }
    }
}

fn lacks(word: &str, side: &str, column: usize) -> ParseQueryError {
    ParseQueryError::at(column, format!("`{word}` lacks a condition {side} it"))
        .hint(format!("to search for the word, write `\"{word}\"`"))
}

fn no_condition(key: &str, column: usize) -> ParseQueryError {
    let message =
        format!("`{key}` applies to the whole query and cannot be in a group or after `NOT`");
    ParseQueryError::at(column, message).hint("write it outside of all parentheses")
}

fn too_deep(column: usize) -> ParseQueryError {
    let message = format!("parentheses and `NOT` nest more than {MAX_NESTING} levels deep");
    ParseQueryError::at(column, message)
}

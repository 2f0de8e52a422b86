//! Queries as text: `model:User actor:alice changed:email since:2h level:>=warning`.
//!
//! Terms are separated by blanks and all hold. A term is `key:value`; anything else is a text
//! to look for. A value with blanks or quotes stands in double quotes, with `\"` and `\\`.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, TimeZone, Utc};
use serde_json::Value;
use uuid::Uuid;

use super::{Filter, Query, parse_time};
use crate::action::Action;
use crate::canonical;
use crate::entry::ObjectRef;
use crate::path::{Path, split_at_equals};
use crate::suggest;
use crate::value::decimal::spelled;
use crate::value::normalize;

/// The keys, in the order in which a query is printed.
const KEYS: [&str; 18] = [
    "model",
    "object",
    "parent",
    "action",
    "actor",
    "level",
    "outcome",
    "correlation",
    "transaction",
    "changed",
    "changed_from",
    "changed_to",
    "since",
    "until",
    "text",
    "order",
    "limit",
    "after",
];

impl Query {
    /// Reads a query.
    ///
    /// | term | keeps entries |
    /// |---|---|
    /// | `model:User` | of the model |
    /// | `object:42` | of objects with the key |
    /// | `parent:Company/7` | of the aggregate |
    /// | `action:update` | of the action |
    /// | `actor:alice` | of the actor |
    /// | `level:>=warning` | of the level or a higher one |
    /// | `level:<warning` | of a lower level |
    /// | `outcome:denied` | with the outcome |
    /// | `correlation:req-1` | with the correlation id |
    /// | `transaction:<uuid>` | of the transaction |
    /// | `changed:address` | that changed the path or something inside |
    /// | `changed_from:status=open` | in which the value at the path was this before |
    /// | `changed_to:status=closed` | in which it became this |
    /// | `since:2h` | from then on: `30m`, `2h`, `1d12h`, `2w` ago, `today`, `yesterday`, a date, a date with a time, or RFC 3339 |
    /// | `until:2026-01-31` | from before then |
    /// | `words`, `text:words` | that have the text |
    /// | `order:newest` | the newest first (`order:oldest` is the default) |
    /// | `limit:50` | no more than so many |
    /// | `after:<cursor>` | after a page |
    ///
    /// The value of `changed_from` and `changed_to` is JSON where it is JSON, and a text
    /// otherwise; numbers are compared by value, also those that the trail holds as texts.
    /// A slash in a parent's model is written `\/`. A term that can be there once
    /// is an error the second time, unless it says the same.
    ///
    /// # Errors
    /// [`ParseQueryError`], which points at the column.
    ///
    /// # Example: `Display` prints what `parse` reads
    /// ```
    /// use audit_core::Query;
    ///
    /// let query = Query::parse("model:User actor:alice changed:email level:>=warning")?;
    /// assert_eq!(query.to_string(), "model:User actor:alice level:>=warning changed:email");
    ///
    /// let error = Query::parse("model:User actr:alice").unwrap_err();
    /// assert_eq!(
    ///     error.to_string(),
    ///     "unknown key `actr` at column 12; did you mean `actor`?"
    /// );
    /// # Ok::<(), audit_core::ParseQueryError>(())
    /// ```
    pub fn parse(text: &str) -> Result<Self, ParseQueryError> {
        Self::parse_at(text, crate::clock::now())
    }

    /// Reads a query as [`parse`](Self::parse) does, with relative times counted from `now`
    /// and days in its zone; see [`parse_time`].
    ///
    /// # Errors
    /// [`ParseQueryError`], which points at the column.
    #[expect(clippy::needless_pass_by_value, reason = "a time in UTC is `Copy`")]
    pub fn parse_at<Z: TimeZone>(text: &str, now: DateTime<Z>) -> Result<Self, ParseQueryError> {
        let mut query = Self::new();
        let mut words: Vec<String> = Vec::new();
        let mut known: Vec<(&'static str, String)> = Vec::new();
        for term in terms(text)? {
            match &term.key {
                None => words.push(term.value),
                Some((key, column)) => {
                    query = query.with_term(key, *column, &term, &now)?;
                    once(&mut known, key, *column, &term)?;
                }
            }
        }
        if !words.is_empty() {
            let known = query.filter.text.take();
            query.filter.text = Some(known.into_iter().chain(words).collect::<Vec<_>>().join(" "));
        }
        Ok(query)
    }

    fn with_term<Z: TimeZone>(
        mut self,
        key: &str,
        key_column: usize,
        term: &Term,
        now: &DateTime<Z>,
    ) -> Result<Self, ParseQueryError> {
        let text = term.value.as_str();
        let error = |message: String| ParseQueryError::at(term.column, message);
        let filter = &mut self.filter;
        match key {
            "model" => filter.model = Some(text.to_owned()),
            "object" => filter.object_pk = Some(text.to_owned()),
            "parent" => {
                filter.parent = Some(parent(text).map_err(error)?);
            }
            "action" => filter.action = Some(Action::from(text)),
            "actor" => filter.actor = Some(text.to_owned()),
            "level" => {
                if let Some(level) = text.strip_prefix('<') {
                    filter.level_below = Some(read(level).map_err(error)?);
                } else {
                    let level = text.strip_prefix(">=").unwrap_or(text);
                    filter.level_at_least = Some(read(level).map_err(error)?);
                }
            }
            "outcome" => filter.outcome = Some(read(text).map_err(error)?),
            "correlation" => filter.correlation_id = Some(text.to_owned()),
            "transaction" => {
                let id = Uuid::try_parse(text);
                filter.transaction_id = Some(id.map_err(|_| error(expected("a UUID", text)))?);
            }
            "changed" => filter.changed.push(read(text).map_err(error)?),
            "changed_from" => filter
                .changed_from
                .push(path_and_value(text).map_err(error)?),
            "changed_to" => filter.changed_to.push(path_and_value(text).map_err(error)?),
            "since" => filter.since = Some(time(text, now).map_err(error)?),
            "until" => filter.until = Some(time(text, now).map_err(error)?),
            "text" => filter.text = Some(text.to_owned()),
            "order" => match text {
                "newest" => self.newest_first = true,
                "oldest" => self.newest_first = false,
                _ => return Err(error(expected("newest or oldest", text))),
            },
            "limit" => {
                let limit = text.parse();
                self.limit = Some(limit.map_err(|_| error(expected("a number of entries", text)))?);
            }
            "after" => self.after = Some(read(text).map_err(error)?),
            _ => {
                let hint = match suggest::nearest(key, KEYS) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("expected one of {}", KEYS.join(", ")),
                };
                return Err(ParseQueryError {
                    column: key_column,
                    message: format!("unknown key `{}`", key.escape_debug()),
                    hint: Some(hint),
                });
            }
        }
        Ok(self)
    }
}

impl FromStr for Query {
    type Err = ParseQueryError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

/// The text that [`Query::parse`] reads, with absolute times.
impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut terms: Vec<String> = Vec::new();
        let mut term = |key: &str, value: &str| terms.push(format!("{key}:{}", quoted(value)));
        let Filter {
            model,
            object_pk,
            parent,
            action,
            actor,
            level_at_least,
            level_below,
            outcome,
            correlation_id,
            transaction_id,
            changed,
            changed_from,
            changed_to,
            since,
            until,
            text,
        } = &self.filter;
        let mut optional = |key: &str, value: Option<String>| {
            if let Some(value) = value {
                term(key, &value);
            }
        };
        optional("model", model.clone());
        optional("object", object_pk.clone());
        let parent = parent.as_ref();
        optional(
            "parent",
            parent.map(|root| {
                let model = root.model.replace('\\', "\\\\").replace('/', "\\/");
                format!("{model}/{}", root.object_pk)
            }),
        );
        optional("action", action.as_ref().map(ToString::to_string));
        optional("actor", actor.clone());
        let level = level_at_least.map(|level| format!(">={}", level.as_str().to_lowercase()));
        optional("level", level);
        let level = level_below.map(|level| format!("<{}", level.as_str().to_lowercase()));
        optional("level", level);
        optional("outcome", outcome.map(|outcome| outcome.to_string()));
        optional("correlation", correlation_id.clone());
        optional("transaction", transaction_id.map(|id| id.to_string()));
        for path in changed {
            optional("changed", Some(path.to_string()));
        }
        for (key, conditions) in [("changed_from", changed_from), ("changed_to", changed_to)] {
            for (path, value) in conditions {
                optional(key, Some(format!("{path}={}", value_text(value))));
            }
        }
        optional("since", since.map(canonical::timestamp));
        optional("until", until.map(canonical::timestamp));
        optional("text", text.clone());
        optional("order", self.newest_first.then(|| "newest".to_owned()));
        optional("limit", self.limit.map(|limit| limit.to_string()));
        optional("after", self.after.map(|cursor| cursor.to_string()));
        // A query that says less than was meant must not be read as one that means it.
        let invalid = self.invalid.as_ref();
        optional("changed", invalid.map(|error| error.text().to_owned()));
        f.write_str(&terms.join(" "))
    }
}

/// A term of a query; a text to look for has no key.
struct Term {
    key: Option<(String, usize)>,
    value: String,
    /// Where the value begins, from 1.
    column: usize,
}

/// Splits a text into terms.
fn terms(text: &str) -> Result<Vec<Term>, ParseQueryError> {
    let mut terms = Vec::new();
    let mut chars = text.chars().enumerate().peekable();
    while let Some(&(at, c)) = chars.peek() {
        if c.is_whitespace() {
            chars.next();
            continue;
        }
        let mut term = Term {
            key: None,
            value: String::new(),
            column: at + 1,
        };
        let mut bare = true;
        while let Some(&(at, c)) = chars.peek() {
            match c {
                c if c.is_whitespace() => break,
                '"' => {
                    bare = false;
                    chars.next();
                    quoted_part(&mut chars, at, &mut term.value)?;
                }
                // The first colon ends the key, unless something before it was quoted.
                ':' if bare && term.key.is_none() => {
                    chars.next();
                    term.key = Some((std::mem::take(&mut term.value), term.column));
                    term.column = at + 2;
                }
                c => {
                    chars.next();
                    term.value.push(c);
                }
            }
        }
        if let (Some((key, _)), true, true) = (&term.key, bare, term.value.is_empty()) {
            let message = format!("`{}` lacks a value", key.escape_debug());
            return Err(ParseQueryError::at(term.column, message));
        }
        terms.push(term);
    }
    Ok(terms)
}

/// Reads on to the closing quote.
fn quoted_part(
    chars: &mut impl Iterator<Item = (usize, char)>,
    opened: usize,
    value: &mut String,
) -> Result<(), ParseQueryError> {
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
    Err(ParseQueryError::at(
        opened + 1,
        "the quote is not closed".to_owned(),
    ))
}

fn quoted(value: &str) -> String {
    let plain = |c: char| !c.is_whitespace() && c != '"' && c != '\\';
    if !value.is_empty() && value.chars().all(plain) {
        return value.to_owned();
    }
    format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
}

/// Says what a value should have been.
fn expected(what: &str, text: &str) -> String {
    format!("expected {what}, not `{}`", text.escape_debug())
}

/// Reads a value of a type that says itself what is wrong.
fn read<T: FromStr<Err: fmt::Display>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|error: T::Err| error.to_string())
}

/// Refuses a second value where only one can hold.
fn once(
    known: &mut Vec<(&'static str, String)>,
    key: &str,
    column: usize,
    term: &Term,
) -> Result<(), ParseQueryError> {
    let key = match key {
        // All of them hold.
        "changed" | "changed_from" | "changed_to" => return Ok(()),
        "level" if term.value.starts_with('<') => "level:<",
        key => match KEYS.iter().find(|known| **known == key) {
            Some(key) => key,
            None => return Ok(()),
        },
    };
    match known.iter().find(|(known, _)| *known == key) {
        Some((_, value)) if *value == term.value => Ok(()),
        Some((_, value)) => Err(ParseQueryError::at(
            column,
            format!(
                "`{}` is given twice, first as `{}`,",
                key.trim_end_matches(":<"),
                value.escape_debug()
            ),
        )),
        None => {
            known.push((key, term.value.clone()));
            Ok(())
        }
    }
}

/// Splits `Model/key` at the first slash that no backslash stands before.
fn parent(text: &str) -> Result<ObjectRef, String> {
    let mut model = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '/' => return Ok(ObjectRef::new(model, &text[at + 1..])),
            '\\' => match chars.next() {
                Some((_, c @ ('/' | '\\'))) => model.push(c),
                Some((_, c)) => model.extend(['\\', c]),
                None => model.push('\\'),
            },
            c => model.push(c),
        }
    }
    Err("expected a model and a key, `Company/7`".to_owned())
}

/// Splits `path=value` after the path.
fn path_and_value(text: &str) -> Result<(Path, Value), String> {
    let split =
        split_at_equals(text).and_then(|(path, value)| Some((path.parse::<Path>().ok()?, value)));
    let (path, value) = split.ok_or("expected a path and a value, `status=open`")?;
    let value = match serde_json::from_str(value) {
        // From its text, since a reader of JSON may round a number.
        Ok(Value::Number(_)) => spelled(value.trim()),
        Ok(value) => normalize(&value),
        Err(_) => Value::String(value.to_owned()),
    };
    Ok((path, value))
}

/// Prints a value so that it is read as the same.
fn value_text(value: &Value) -> String {
    match value {
        Value::String(text) if serde_json::from_str::<Value>(text).is_err() => text.clone(),
        other => canonical::text(other),
    }
}

/// Reads a time and says what is wrong.
fn time<Z: TimeZone>(text: &str, now: &DateTime<Z>) -> Result<DateTime<Utc>, String> {
    parse_time(text, now).map_err(|error| error.to_string())
}

/// The text is no query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseQueryError {
    column: usize,
    message: String,
    hint: Option<String>,
}

impl ParseQueryError {
    fn at(column: usize, message: String) -> Self {
        Self {
            column,
            message,
            hint: None,
        }
    }

    /// Returns what is wrong, without where.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Returns where it went wrong, in characters from 1.
    pub fn column(&self) -> usize {
        self.column
    }
}

impl fmt::Display for ParseQueryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at column {}", self.message, self.column)?;
        match &self.hint {
            Some(hint) => write!(f, "; {hint}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for ParseQueryError {}

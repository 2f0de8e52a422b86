//! Queries as text: `model:User actor:alice changed:email since:2h level:>=warning`.
//!
//! Terms are separated by blanks and all hold, unless `OR` is between them. A term is
//! `key:value`; anything else is a text to look for. A value with blanks or quotes stands in
//! double quotes, with `\"` and `\\`.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, TimeZone, Utc};
use serde_json::Value;
use uuid::Uuid;

use super::grammar::{self, Known};
use super::tokens::Term;
use super::{Query, parse_time};
use crate::action::Action;
use crate::entry::ObjectRef;
use crate::json::number::normalize;
use crate::json::number::stored_number;
use crate::path::{Path, split_at_equals};
use crate::suggest;

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
    /// A slash in a parent's model is written `\/`. Next to each other, a term that can be there
    /// once is an error the second time, unless it says the same.
    ///
    /// # Alternatives and negations
    /// A space means "and", and so does `AND`. `OR` separates alternatives and binds less
    /// tightly: `model:User actor:alice OR level:>=error` finds Alice's entries about users, and
    /// all errors. `NOT` keeps what does not meet the next term or the next parentheses. The three
    /// words are written in capitals; `or` is a word to look for, and so is `"OR"`.
    ///
    /// ```text
    /// query        = [ alternatives ]
    /// alternatives = all { "OR" all }
    /// all          = condition { [ "AND" ] condition }
    /// condition    = "NOT" condition | "NOT" "(" ")" | "(" alternatives ")" | term
    /// term         = key ":" value | value
    /// value        = characters other than blanks, or in double quotes
    /// ```
    ///
    /// - A negation is the exact complement: `NOT actor:alice` keeps entries without an actor
    ///   too, and `NOT (a b)` keeps what fails `a` or `b`. `NOT ()` keeps no entry.
    /// - `order:`, `limit:` and `after:` are about the whole query. They may be anywhere outside
    ///   of parentheses.
    /// - A term does not begin with `(`, and a `)` in it has its own `(`, as in `f(x)`. Other
    ///   values with parentheses stand in double quotes: `text:":)"`.
    /// - Words with nothing but terms between them are one text: `two words`. With `AND` between
    ///   them they are two texts, in any order.
    /// - Parentheses and `NOT` are nested no more than 32 deep.
    ///
    /// [`any_of`](Self::any_of) and [`not`](Self::not) are the same in Rust.
    ///
    /// # Errors
    /// [`ParseQueryError`], which points at the column.
    ///
    /// # Example: alternatives and a negation
    /// ```
    /// use audit_core::Query;
    ///
    /// let text = "(model:User OR model:Invoice) NOT actor:alice order:newest";
    /// let query = Query::new()
    ///     .any_of([
    ///         Query::new().model_name("User"),
    ///         Query::new().model_name("Invoice"),
    ///     ])
    ///     .not(Query::new().actor("alice"))
    ///     .newest_first();
    /// assert_eq!(Query::parse(text)?.filter(), query.filter());
    /// assert_eq!(query.to_string(), text);
    ///
    /// let error = Query::parse("model:User model:Invoice").unwrap_err();
    /// assert_eq!(
    ///     error.to_string(),
    ///     "column 12: `model` is given twice, first as `User`; \
    ///      with `OR` between them, one of the two is enough"
    /// );
    /// # Ok::<(), audit_core::ParseQueryError>(())
    /// ```
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
    ///     "column 12: unknown key `actr`; did you mean `actor`?"
    /// );
    /// # Ok::<(), audit_core::ParseQueryError>(())
    /// ```
    pub fn parse(text: &str) -> Result<Self, ParseQueryError> {
        Self::parse_at(text, crate::entry::clock::now())
    }

    /// Reads a query as [`parse`](Self::parse) does, with relative times counted from `now`
    /// and days in its zone; see [`parse_time`].
    ///
    /// # Errors
    /// [`ParseQueryError`], which points at the column.
    #[expect(clippy::needless_pass_by_value, reason = "a time in UTC is `Copy`")]
    pub fn parse_at<Z: TimeZone>(text: &str, now: DateTime<Z>) -> Result<Self, ParseQueryError> {
        grammar::read(text, &now)
    }

    pub(super) fn with_term<Z: TimeZone>(
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
                let opposite = key.strip_prefix(['-', '!']);
                let hint = match suggest::nearest(key, KEYS) {
                    _ if opposite.is_some_and(|key| KEYS.contains(&key)) => {
                        format!("the opposite of a term is `NOT {}:...`", &key[1..])
                    }
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

/// Says what a value should have been.
fn expected(what: &str, text: &str) -> String {
    format!("expected {what}, not `{}`", text.escape_debug())
}

/// Reads a value of a type that says itself what is wrong.
fn read<T: FromStr<Err: fmt::Display>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|error: T::Err| error.to_string())
}

/// Refuses a second value where only one can hold.
pub(super) fn once(
    known: &mut Known,
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
        Some((_, value)) => {
            let message = format!(
                "`{}` is given twice, first as `{}`",
                key.trim_end_matches(":<"),
                value.escape_debug()
            );
            let error = ParseQueryError::at(column, message);
            Err(match key {
                "order" | "limit" | "after" => error,
                _ => error.hint("with `OR` between them, one of the two is enough"),
            })
        }
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
        Ok(Value::Number(_)) => stored_number(value.trim()),
        Ok(value) => normalize(&value),
        Err(_) => Value::String(value.to_owned()),
    };
    Ok((path, value))
}

/// Reads a time and says what is wrong.
fn time<Z: TimeZone>(text: &str, now: &DateTime<Z>) -> Result<DateTime<Utc>, String> {
    parse_time(text, now).map_err(|error| error.to_string())
}

/// The text is not a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseQueryError {
    column: usize,
    message: String,
    hint: Option<String>,
}

impl ParseQueryError {
    pub(super) fn at(column: usize, message: String) -> Self {
        Self {
            column,
            message,
            hint: None,
        }
    }

    /// Adds what to do about it.
    pub(super) fn hint(self, hint: impl Into<String>) -> Self {
        Self {
            hint: Some(hint.into()),
            ..self
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
        write!(f, "column {}: {}", self.column, self.message)?;
        match &self.hint {
            Some(hint) => write!(f, "; {hint}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for ParseQueryError {}

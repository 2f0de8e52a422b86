//! The query language: `model:User actor:alice changed:email since:2h level:>=warning`.
//!
//! Terms are separated by whitespace and combined by "and" unless `OR` is between them. A term is
//! `key:value`; anything else is a text to search for. A value with whitespace or quotes is enclosed
//! in double quotes, with the escapes `\"` and `\\`.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, TimeZone, Utc};
use serde_json::Value;
use uuid::Uuid;

use super::notation;
use super::parser::{self, SeenTerms};
use super::tokenizer::Term;
use super::{Query, parse_time};
use crate::action::Action;
use crate::entry::ObjectRef;
use crate::json::number::normalize;
use crate::json::number::stored_number;
use crate::path::{Path, split_at_equals};
use crate::suggest;

/// The keys, in the order in which a query is printed.
pub(super) const KEYS: [&str; 18] = [
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
    /// Parses a query.
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
    /// | `changed:address` | with a change at the path or inside it |
    /// | `changed_from:status=open` | in which the value at the path changed from this one |
    /// | `changed_to:status=closed` | in which the value at the path changed to this one |
    /// | `since:2h` | at or after the time: `30m`, `2h`, `1d12h`, `2w` ago, `today`, `yesterday`, a date, a date with a time, or RFC 3339 |
    /// | `until:2026-01-31` | before the time |
    /// | `words`, `text:words` | that contain the text |
    /// | `order:newest` | newest first (`order:oldest` is the default) |
    /// | `limit:50` | at most this number |
    /// | `after:<cursor>` | after a page |
    ///
    /// The value of `changed_from` and `changed_to` is parsed as JSON, and is a string if it is not
    /// valid JSON. Numbers compare by value, including those stored as strings. A slash in a
    /// parent's model is written `\/`. Repeating a term with another value is an error, except for
    /// the three `changed` terms.
    ///
    /// # Alternatives and negations
    /// A space means "and", and so does `AND`. `OR` separates alternatives and binds less
    /// tightly: `model:User actor:alice OR level:>=error` matches Alice's entries about users, and
    /// all errors. `NOT` negates the next term or the next parentheses. The three operators are
    /// upper case; `or` is a word to search for, and so is `"OR"`.
    ///
    /// ```text
    /// query        = [ alternatives ]
    /// alternatives = all { "OR" all }
    /// all          = condition { [ "AND" ] condition }
    /// condition    = "NOT" condition | "NOT" "(" ")" | "(" alternatives ")" | term
    /// term         = key ":" value | value
    /// value        = characters other than whitespace, or in double quotes
    /// ```
    ///
    /// - A negation is the exact complement: `NOT actor:alice` also keeps entries without an
    ///   actor, and `NOT (a b)` keeps entries that fail `a` or `b`. `NOT ()` keeps no entry.
    /// - `order:`, `limit:` and `after:` apply to the whole query. They may be anywhere outside of
    ///   parentheses.
    /// - A condition or an operator in the notation of another language, such as `actor=alice`,
    ///   `actor = alice` or `||`, is an error. In double quotes it is a text.
    /// - A term does not begin with `(`, and a `)` in it needs a matching `(`, as in `f(x)`. Other
    ///   values with parentheses are enclosed in double quotes: `text:":)"`.
    /// - Words with only terms between them form one text: `two words`. With `AND` between them
    ///   they are two texts in any order.
    /// - Parentheses and `NOT` nest at most 32 levels deep.
    ///
    /// [`any_of`](Self::any_of) and [`not`](Self::not) are the equivalents in Rust.
    ///
    /// # Errors
    /// Returns [`ParseQueryError`] with the column of the error if the text is not a query.
    ///
    /// # Example: alternatives and a negation
    /// ```
    /// use auditlog::Query;
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
    /// # Ok::<(), auditlog::ParseQueryError>(())
    /// ```
    ///
    /// # Example: `Display` and `parse` round-trip
    /// ```
    /// use auditlog::Query;
    ///
    /// let query = Query::parse("model:User actor:alice changed:email level:>=warning")?;
    /// assert_eq!(query.to_string(), "model:User actor:alice level:>=warning changed:email");
    ///
    /// let error = Query::parse("model:User actr:alice").unwrap_err();
    /// assert_eq!(
    ///     error.to_string(),
    ///     "column 12: unknown key `actr`; did you mean `actor`?"
    /// );
    /// # Ok::<(), auditlog::ParseQueryError>(())
    /// ```
    pub fn parse(text: &str) -> Result<Self, ParseQueryError> {
        Self::parse_at(text, crate::entry::clock::now())
    }

    /// Parses a query as [`parse`](Self::parse) does, with times relative to `now` and days in its
    /// time zone; see [`parse_time`].
    ///
    /// # Errors
    /// Returns [`ParseQueryError`] with the column of the error if the text is not a query.
    ///
    /// # Example: a fixed clock
    /// ```
    /// use auditlog::Query;
    /// use chrono::{DateTime, Utc};
    ///
    /// let now: DateTime<Utc> = "2026-01-31T12:00:00Z".parse()?;
    /// let query = Query::parse_at("since:2h", now)?;
    /// assert_eq!(query.filter().since, Some("2026-01-31T10:00:00Z".parse()?));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[expect(clippy::needless_pass_by_value, reason = "a time in UTC is `Copy`")]
    pub fn parse_at<Z: TimeZone>(text: &str, now: DateTime<Z>) -> Result<Self, ParseQueryError> {
        parser::parse(text, &now)
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
                    filter.level_below = Some(parse_value(level).map_err(error)?);
                } else {
                    let level = text.strip_prefix(">=").unwrap_or(text);
                    filter.level_at_least = Some(parse_value(level).map_err(error)?);
                }
            }
            "outcome" => filter.outcome = Some(parse_value(text).map_err(error)?),
            "correlation" => filter.correlation_id = Some(text.to_owned()),
            "transaction" => {
                let id = Uuid::try_parse(text);
                filter.transaction_id = Some(id.map_err(|_| error(expected("a UUID", text)))?);
            }
            "changed" => filter.changed.push(parse_value(text).map_err(error)?),
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
            "after" => self.after = Some(parse_value(text).map_err(error)?),
            _ => {
                let opposite = key.strip_prefix(['-', '!']);
                let near = suggest::nearest(key, KEYS).or_else(|| notation::key_for(key));
                let hint = match near {
                    _ if opposite.is_some_and(|key| KEYS.contains(&key)) => {
                        format!("the opposite of a term is `NOT {}:...`", &key[1..])
                    }
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!(
                        "expected one of {}; to search for the text, use double quotes",
                        KEYS.join(", ")
                    ),
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

/// Returns a message about an unexpected value.
fn expected(what: &str, text: &str) -> String {
    format!("expected {what}, not `{}`", text.escape_debug())
}

/// Parses a value and returns the error as text.
fn parse_value<T: FromStr<Err: fmt::Display>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|error: T::Err| error.to_string())
}

/// Returns an error for a second value of a term that can have only one.
pub(super) fn check_duplicate(
    seen: &mut SeenTerms,
    key: &str,
    column: usize,
    term: &Term,
) -> Result<(), ParseQueryError> {
    let key = match key {
        // These can be repeated.
        "changed" | "changed_from" | "changed_to" => return Ok(()),
        "level" if term.value.starts_with('<') => "level:<",
        key => match KEYS.iter().find(|candidate| **candidate == key) {
            Some(key) => key,
            None => return Ok(()),
        },
    };
    match seen.iter().find(|(other, _)| *other == key) {
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
            seen.push((key, term.value.clone()));
            Ok(())
        }
    }
}

/// Splits `Model/key` at the first slash that is not escaped by a backslash.
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
        // From the text, since a JSON parser may round a number.
        Ok(Value::Number(_)) => stored_number(value.trim()),
        Ok(value) => normalize(&value),
        Err(_) => Value::String(value.to_owned()),
    };
    Ok((path, value))
}

/// Parses a time and returns the error as text.
fn time<Z: TimeZone>(text: &str, now: &DateTime<Z>) -> Result<DateTime<Utc>, String> {
    parse_time(text, now).map_err(|error| error.to_string())
}

/// The error of parsing a text that is not a query: the column, a message and usually a hint.
///
/// # Example: underline the error
/// ```
/// use auditlog::Query;
///
/// let text = "model:User since:yestreday";
/// let error = Query::parse(text).unwrap_err();
/// assert_eq!(error.column(), 18);
/// let marked = format!("{text}\n{:>1$}", "^", error.column());
/// assert!(marked.ends_with("\n                 ^"));
/// ```
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

    /// Adds a hint on how to fix the error.
    pub(super) fn hint(self, hint: impl Into<String>) -> Self {
        Self {
            hint: Some(hint.into()),
            ..self
        }
    }

    /// Returns the message without the column and the hint.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Returns the column of the error, in characters from 1.
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

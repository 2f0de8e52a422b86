//! Prints a query in its text form, which parses to an equal query.
//!
//! Terms are printed in the order of their keys, so that equal queries have equal texts. A value is quoted
//! if it would read as something else: with whitespace, quotes or parentheses, or equal to an operator.

use std::borrow::Cow;
use std::fmt;

use serde_json::Value;

use super::sql_condition::Condition;
use super::{Filter, Group, InvalidCondition, Query};
use crate::json::canonical;
use crate::level::Level;

/// Writes the query in the language of [`Query::parse`], with absolute times.
impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut terms = terms(&self.filter);
        let mut optional = |key: &str, value: Option<String>| {
            terms.extend(value.map(|value| Term(key, &[&value]).to_string()));
        };
        optional("order", self.newest_first.then(|| "newest".to_owned()));
        optional("limit", self.limit.map(|limit| limit.to_string()));
        optional("after", self.after.map(|cursor| cursor.to_string()));
        // An invalid query lacks a condition, so its text must not parse as a valid one.
        let invalid = self.invalid.as_ref().map(|invalid| match invalid {
            InvalidCondition::Path(error) => ("changed", error.text()),
            InvalidCondition::Time(error) => ("since", error.text()),
        });
        if let Some((key, text)) = invalid {
            optional(key, Some(text.to_owned()));
        }
        if self.too_deep {
            terms.push("(...".to_owned());
        }
        f.write_str(&terms.join(" "))
    }
}

impl Query {
    /// Returns the text of each condition, in the order in which the query prints them.
    ///
    /// Joined by spaces, they are the query without its order, limit and cursor. A query with an
    /// invalid path lacks that condition.
    ///
    /// # Example: the conditions of a query
    /// ```
    /// use auditlog::Query;
    ///
    /// let query = Query::parse("model:User (actor:alice OR actor:bob) order:newest")?;
    /// assert_eq!(query.terms(), ["model:User", "(actor:alice OR actor:bob)"]);
    /// # Ok::<(), auditlog::ParseQueryError>(())
    /// ```
    pub fn terms(&self) -> Vec<String> {
        terms(&self.filter)
    }
}

/// Returns the terms of a filter.
fn terms(filter: &Filter) -> Vec<String> {
    let groups = filter.groups.iter().map(group);
    let conditions = filter.conditions().map(|condition| condition.to_string());
    conditions.chain(groups).collect()
}

impl Condition<'_> {
    /// Returns the key of the condition in the query language: `model` of `model:User`.
    pub const fn key(&self) -> &'static str {
        match self {
            Self::Model(_) => "model",
            Self::ObjectPk(_) => "object",
            Self::Parent(_) => "parent",
            Self::Action(_) => "action",
            Self::Actor(_) => "actor",
            Self::LevelAtLeast(_) | Self::LevelBelow(_) => "level",
            Self::Outcome(_) => "outcome",
            Self::CorrelationId(_) => "correlation",
            Self::TransactionId(_) => "transaction",
            Self::Changed(_) => "changed",
            Self::ChangedFrom(..) => "changed_from",
            Self::ChangedTo(..) => "changed_to",
            Self::Since(_) => "since",
            Self::Until(_) => "until",
            Self::Text(_) => "text",
        }
    }
}

/// Writes the condition as a term of the query language.
impl fmt::Display for Condition<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut write = |parts: &[&str]| Term(self.key(), parts).fmt(f);
        let level = |level: Level| level.as_str().to_lowercase();
        match *self {
            Self::Model(text)
            | Self::ObjectPk(text)
            | Self::Actor(text)
            | Self::CorrelationId(text)
            | Self::Text(text) => write(&[text]),
            Self::Parent(root) => {
                let model = root.model.replace('\\', "\\\\").replace('/', "\\/");
                write(&[&model, "/", &root.object_pk])
            }
            Self::Action(action) => write(&[action.as_str()]),
            Self::LevelAtLeast(least) => write(&[">=", &level(least)]),
            Self::LevelBelow(below) => write(&["<", &level(below)]),
            Self::Outcome(outcome) => write(&[outcome.as_str()]),
            Self::TransactionId(id) => write(&[&id.to_string()]),
            Self::Changed(path) => write(&[path.as_str()]),
            Self::ChangedFrom(path, value) | Self::ChangedTo(path, value) => {
                write(&[path.as_str(), "=", &value_text(value)])
            }
            Self::Since(time) | Self::Until(time) => write(&[&canonical::timestamp(time)]),
        }
    }
}

fn group(group: &Group) -> String {
    match group {
        Group::AnyOf(filters) => any_of(filters),
        Group::Not(filter) => match filter.alternatives() {
            Some(filters) => format!("NOT {}", any_of(filters)),
            None => match (&terms(filter)[..], filter.groups.is_empty()) {
                ([only], true) => format!("NOT {only}"),
                (terms, _) => format!("NOT ({})", terms.join(" ")),
            },
        },
    }
}

fn any_of(filters: &[Filter]) -> String {
    let filters: Vec<_> = filters
        .iter()
        .map(|filter| terms(filter).join(" "))
        .collect();
    format!("({})", filters.join(" OR "))
}

/// A key and the parts of its value, quoted where the language needs it.
struct Term<'t>(&'t str, &'t [&'t str]);

impl fmt::Display for Term<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(key, parts) = *self;
        f.write_str(key)?;
        f.write_str(":")?;
        let is_empty = parts.iter().all(|part| part.is_empty());
        if !is_empty && parts.iter().all(|part| is_plain(part)) {
            return parts.iter().try_for_each(|part| f.write_str(part));
        }
        f.write_str("\"")?;
        for part in parts {
            f.write_str(&part.replace('\\', "\\\\").replace('"', "\\\""))?;
        }
        f.write_str("\"")
    }
}

/// Returns whether the language reads a text as one value without quotes.
fn is_plain(text: &str) -> bool {
    let is_delimiter = |byte| matches!(byte, b'"' | b'\\' | b'(' | b')');
    let is_ascii = |byte: u8| byte.is_ascii_graphic() && !is_delimiter(byte);
    if text.contains("||") || text.contains("&&") {
        return false;
    }
    // Most texts are ASCII.
    text.bytes().all(is_ascii)
        || !text.bytes().any(is_delimiter) && !text.contains(char::is_whitespace)
}

/// Returns the text that parses as a value.
fn value_text(value: &Value) -> Cow<'_, str> {
    match value {
        Value::String(text) if !is_json(text) => Cow::Borrowed(text),
        other => Cow::Owned(canonical::text(other)),
    }
}

/// Returns whether a text is JSON.
fn is_json(text: &str) -> bool {
    let first = text.trim_start().bytes().next();
    // Most texts begin as no value does, and an error would be allocated for them.
    let may_begin = |byte| {
        matches!(
            byte,
            b'"' | b'-' | b'0'..=b'9' | b'[' | b'f' | b'n' | b't' | b'{'
        )
    };
    first.is_some_and(may_begin) && serde_json::from_str::<Value>(text).is_ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use uuid::Uuid;

    use super::*;
    use crate::action::{Action, Outcome};
    use crate::entry::ObjectRef;
    use crate::path::Path;

    /// Texts that the language quotes, or that read as values of another type.
    const TEXTS: [&str; 16] = [
        "",
        "alice",
        "a b",
        "a\u{a0}b",
        "é",
        "\u{2003}",
        "say \"x\"",
        "a\\",
        "(a OR b)",
        "OR",
        "true",
        " 1",
        "\u{a0}1",
        "nul",
        "-",
        "{\"a\":1}",
    ];

    #[test]
    fn a_condition_is_the_term_with_its_key() {
        let path: Path = "address['a=b c']".parse().expect("a path");
        let time = "2026-01-31T12:00:00.5Z".parse().expect("a time");
        let action = Action::from("sign off".to_owned());
        let mut conditions = vec![
            Condition::Action(&action),
            Condition::LevelAtLeast(Level::Info),
            Condition::LevelBelow(Level::Error),
            Condition::Outcome(Outcome::Denied),
            Condition::TransactionId(Uuid::from_u128(7)),
            Condition::Changed(&path),
            Condition::Since(time),
            Condition::Until(time),
        ];
        let roots = TEXTS.map(|text| ObjectRef::new(format!("a/{text}\\"), text));
        let texts = TEXTS.map(|text| json!(text));
        let others = [
            json!(null),
            json!(1.5),
            json!([1, "a b"]),
            json!({"a": ")"}),
        ];
        for text in TEXTS {
            conditions.extend([
                Condition::Model(text),
                Condition::ObjectPk(text),
                Condition::Actor(text),
                Condition::CorrelationId(text),
            ]);
        }
        // An empty text matches each entry, so that the language has no such condition.
        conditions.extend(TEXTS[1..].iter().map(|text| Condition::Text(text)));
        conditions.extend(roots.iter().map(Condition::Parent));
        for value in texts.iter().chain(&others) {
            conditions.push(Condition::ChangedFrom(&path, value));
            conditions.push(Condition::ChangedTo(&path, value));
        }
        for condition in conditions {
            let term = condition.to_string();
            assert_eq!(term.split(':').next(), Some(condition.key()), "{term}");
            let query = Query::parse(&term).unwrap_or_else(|error| panic!("{term}: {error}"));
            let parsed: Vec<_> = query.filter().conditions().collect();
            assert_eq!(parsed, [condition], "{term}");
            assert_eq!(query.terms(), [term]);
        }
    }
}

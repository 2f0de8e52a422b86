//! Prints a query in its text form, which parses to an equal query.
//!
//! Terms are printed in the order of their keys, so that equal queries have equal texts. A value is quoted
//! if it would read as something else: with whitespace, quotes or parentheses, or equal to an operator.

use std::fmt;

use serde_json::Value;

use super::sql_condition::Condition;
use super::{Filter, Group, InvalidCondition, Query};
use crate::json::canonical;
use crate::level::Level;
use crate::path::Path;

/// Writes the query in the language of [`Query::parse`], with absolute times.
impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut terms = terms(&self.filter);
        let mut optional = |key: &str, value: Option<String>| {
            terms.extend(value.map(|value| term(key, &value)));
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
    filter.conditions().map(single).chain(groups).collect()
}

fn single(condition: Condition<'_>) -> String {
    let level = |sign: &str, level: Level| {
        term("level", &format!("{sign}{}", level.as_str().to_lowercase()))
    };
    let valued =
        |key: &str, path: &Path, value: &Value| term(key, &format!("{path}={}", value_text(value)));
    match condition {
        Condition::Model(model) => term("model", model),
        Condition::ObjectPk(pk) => term("object", pk),
        Condition::Parent(root) => {
            let model = root.model.replace('\\', "\\\\").replace('/', "\\/");
            term("parent", &format!("{model}/{}", root.object_pk))
        }
        Condition::Action(action) => term("action", action.as_str()),
        Condition::Actor(id) => term("actor", id),
        Condition::LevelAtLeast(least) => level(">=", least),
        Condition::LevelBelow(below) => level("<", below),
        Condition::Outcome(outcome) => term("outcome", outcome.as_str()),
        Condition::CorrelationId(id) => term("correlation", id),
        Condition::TransactionId(id) => term("transaction", &id.to_string()),
        Condition::Changed(path) => term("changed", path.as_str()),
        Condition::ChangedFrom(path, value) => valued("changed_from", path, value),
        Condition::ChangedTo(path, value) => valued("changed_to", path, value),
        Condition::Since(time) => term("since", &canonical::timestamp(time)),
        Condition::Until(time) => term("until", &canonical::timestamp(time)),
        Condition::Text(text) => term("text", text),
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

fn term(key: &str, value: &str) -> String {
    format!("{key}:{}", quoted(value))
}

fn quoted(value: &str) -> String {
    let plain = |c: char| !c.is_whitespace() && !matches!(c, '"' | '\\' | '(' | ')');
    if !value.is_empty() && value.chars().all(plain) {
        return value.to_owned();
    }
    format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
}

/// Returns the text that parses as a value.
fn value_text(value: &Value) -> String {
    match value {
        Value::String(text) if serde_json::from_str::<Value>(text).is_err() => text.clone(),
        other => canonical::text(other),
    }
}

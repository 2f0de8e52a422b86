//! Queries printed as the text that [`Query::parse`] reads.

use std::fmt;

use serde_json::Value;

use super::{Filter, Group, Query};
use crate::canonical;

/// The text that [`Query::parse`] reads, with absolute times.
impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut terms = terms(&self.filter);
        let mut optional = |key: &str, value: Option<String>| {
            terms.extend(value.map(|value| term(key, &value)));
        };
        optional("order", self.newest_first.then(|| "newest".to_owned()));
        optional("limit", self.limit.map(|limit| limit.to_string()));
        optional("after", self.after.map(|cursor| cursor.to_string()));
        // A query that says less than was meant must not be read as one that means it.
        let invalid = self.invalid.as_ref();
        optional("changed", invalid.map(|error| error.text().to_owned()));
        if self.too_deep {
            terms.push("(...".to_owned());
        }
        f.write_str(&terms.join(" "))
    }
}

/// Returns the terms of a filter, all of which hold.
fn terms(filter: &Filter) -> Vec<String> {
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
        groups,
    } = filter;
    let mut terms: Vec<String> = Vec::new();
    let mut optional = |key: &str, value: Option<String>| {
        terms.extend(value.map(|value| term(key, &value)));
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
    terms.extend(groups.iter().map(group));
    terms
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

/// Prints a value so that it is read as the same.
fn value_text(value: &Value) -> String {
    match value {
        Value::String(text) if serde_json::from_str::<Value>(text).is_err() => text.clone(),
        other => canonical::text(other),
    }
}

//! Entries and changes as cells of a table that a spreadsheet opens, such as one of CSV.

use std::borrow::Cow;

use chrono::SecondsFormat;
use serde_json::Value;

use crate::change::{Change, Redaction};
use crate::entry::LogEntry;
use crate::misleading::{escape_misleading, is_misleading};

/// The names of the columns of an [entry](entry()).
pub const ENTRY: [&str; 16] = [
    "time",
    "id",
    "level",
    "action",
    "outcome",
    "model",
    "object_pk",
    "object_repr",
    "actor",
    "actor_kind",
    "actor_display",
    "on_behalf_of",
    "reason",
    "correlation_id",
    "transaction_id",
    "trace_id",
];
/// The names of the columns of a [change](change()).
pub const CHANGE: [&str; 4] = ["path", "old", "new", "redaction"];

/// Returns the cells of an entry, without those of its changes. The time is in UTC, as RFC 3339 with
/// microseconds.
pub fn entry(entry: &LogEntry) -> [Cow<'_, str>; 16] {
    let actor = entry.actor.as_ref();
    let time = entry.timestamp.to_rfc3339_opts(SecondsFormat::Micros, true);
    let transaction = entry.transaction_id.map(|id| id.to_string());
    [
        time.into(),
        entry.id.to_string().into(),
        entry.level.as_str().into(),
        cell(entry.action.as_str()),
        entry.outcome.as_str().into(),
        cell(&entry.model),
        cell(&entry.object_pk),
        cell(&entry.object_repr),
        optional(actor.map(|actor| actor.id.as_str())),
        optional(actor.map(|actor| actor.kind.as_str())),
        optional(actor.and_then(|actor| actor.display.as_deref())),
        optional(actor.and_then(|actor| actor.on_behalf_of.as_deref())),
        optional(entry.reason.as_deref()),
        optional(entry.correlation_id.as_deref()),
        transaction.unwrap_or_default().into(),
        optional(entry.trace_id.as_deref()),
    ]
}

/// Returns the cells of a change.
pub fn change(change: &Change) -> [Cow<'_, str>; 4] {
    [
        cell(change.path.as_str()),
        value(change.old.as_ref()),
        value(change.new.as_ref()),
        change.redaction.map_or("", Redaction::as_str).into(),
    ]
}

/// Returns a text as a [cell](cell()), any other value as JSON, and an empty cell for `None`. A number is never a
/// formula.
pub fn value(value: Option<&Value>) -> Cow<'_, str> {
    match value {
        None => Cow::Borrowed(""),
        Some(Value::String(text)) => cell(text),
        Some(Value::Number(number)) => number.to_string().into(),
        Some(value) => cell(&value.to_string()).into_owned().into(),
    }
}

/// Returns a text as a [cell](cell()), and an empty cell for `None`.
pub fn optional(text: Option<&str>) -> Cow<'_, str> {
    text.map_or(Cow::Borrowed(""), cell)
}

/// Escapes a text for a cell of a table that a spreadsheet opens: the
/// [misleading](crate::backend::escape_misleading) characters, and formulas.
///
/// A spreadsheet reads a cell as a formula if it begins with `=`, `+`, `-`, `@` or their wide forms,
/// after spaces and quotes too. Where `;` separates columns, it splits a cell of a file with commas
/// at each `;`. So an apostrophe precedes a formula at the beginning of the text and after each `;`,
/// as [OWASP](https://owasp.org/www-community/attacks/CSV_Injection) advises.
///
/// # Example: formulas
/// ```
/// use auditlog::backend::table::cell;
///
/// assert_eq!(cell("=1+2"), "'=1+2");
/// assert_eq!(cell(" @SUM(A1)"), "' @SUM(A1)");
/// assert_eq!(cell("a;=1+2"), "a;'=1+2");
/// assert_eq!(cell("a = 1; b = 2"), "a = 1; b = 2");
/// ```
pub fn cell(text: &str) -> Cow<'_, str> {
    if !text.split(';').any(is_formula) {
        return escape_misleading(text);
    }
    let mut escaped = String::with_capacity(text.len() + 8);
    for (number, part) in text.split(';').enumerate() {
        if number > 0 {
            escaped.push(';');
        }
        if is_formula(part) {
            escaped.push('\'');
        }
        escaped.push_str(&escape_misleading(part));
    }
    Cow::Owned(escaped)
}

fn is_formula(part: &str) -> bool {
    let is_skipped = |c: char| c == '"' || c.is_whitespace() || is_misleading(c);
    part.trim_start_matches(is_skipped).starts_with([
        '=', '+', '-', '@', // The wide forms, which some programs read alike.
        '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}',
    ])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_number_is_no_formula() {
        assert_eq!(value(Some(&json!(-5))), "-5");
        assert_eq!(value(Some(&json!("-5"))), "'-5");
        assert_eq!(value(Some(&json!(["=1"]))), "[\"=1\"]");
        assert_eq!(value(None), "");
    }

    #[test]
    fn a_cell_is_no_formula_beside_commas_and_semicolons() {
        for (text, cell) in [
            ("plain", "plain"),
            ("=1+2", "'=1+2"),
            ("+49 30 1", "'+49 30 1"),
            ("-cmd", "'-cmd"),
            ("@SUM(A1)", "'@SUM(A1)"),
            (" =1", "' =1"),
            ("\u{a0}=1", "'\u{a0}=1"),
            ("\t=1", "'\\t=1"),
            ("\r\n=1", "'\\r\\n=1"),
            ("\"=1\"", "'\"=1\""),
            ("\u{200b}=1", "'\\u{200b}=1"),
            ("a;=1", "a;'=1"),
            ("a; \"=1\"; b", "a;' \"=1\"; b"),
            (";;@x;-1", ";;'@x;'-1"),
            ("a\u{1b}[2J\nb", "a\\u{1b}[2J\\nb"),
            ("\u{ff1d}1", "'\u{ff1d}1"),
            ("a=1;b-2", "a=1;b-2"),
        ] {
            assert_eq!(super::cell(text), cell);
        }
    }
}

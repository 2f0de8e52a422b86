//! Escapes stored texts for a terminal, because an attacker may have written them.

use std::borrow::Cow;
use std::fmt::Write as _;

pub(crate) use audit_core::backend::escape_misleading as safe;
use audit_core::backend::is_misleading;
use audit_core::{Change, LogEntry, Path};
use serde_json::Value;

/// Escapes control characters in JSON for a terminal; the value stays the same.
pub(crate) fn safe_json(json: &str) -> Cow<'_, str> {
    if !json.contains(is_misleading) {
        return Cow::Borrowed(json);
    }
    let mut escaped = String::with_capacity(json.len() + 16);
    for c in json.chars() {
        if is_misleading(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing to a `String` cannot fail.
                let _ok = write!(escaped, "\\u{unit:04x}");
            }
        } else {
            escaped.push(c);
        }
    }
    Cow::Owned(escaped)
}

/// Replaces the passwords of URLs in a message.
pub(crate) fn without_passwords(text: &str) -> Cow<'_, str> {
    if !text.contains("://") {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, url) = rest.split_at(at + "://".len());
        shown.push_str(before);
        let end = url.find(|c: char| c.is_whitespace() || "'\"`".contains(c));
        let (url, after) = url.split_at(end.unwrap_or(url.len()));
        shown.push_str(&without_password(url));
        rest = after;
    }
    shown.push_str(rest);
    Cow::Owned(shown)
}

/// Replaces the password in the part of a URL after its scheme.
fn without_password(url: &str) -> String {
    let (address, parameters) = match url.split_once('?') {
        Some((address, parameters)) if !parameters.contains('@') => (address, Some(parameters)),
        _ => (url, None),
    };
    let mut shown = match address.rsplit_once('@') {
        Some((login, host)) => match login.split_once(':') {
            // A placeholder in documentation.
            Some((_, "password")) | None => format!("{login}@{host}"),
            Some((user, _)) => format!("{user}:***@{host}"),
        },
        None => address.to_owned(),
    };
    for (number, parameter) in parameters.iter().flat_map(|all| all.split('&')).enumerate() {
        shown.push(if number == 0 { '?' } else { '&' });
        match parameter.split_once('=') {
            Some((name, _)) if name.to_ascii_lowercase().contains("password") => {
                shown.push_str(name);
                shown.push_str("=***");
            }
            _ => shown.push_str(parameter),
        }
    }
    shown
}

/// Shows a value as JSON.
pub(crate) fn value(value: &Value) -> String {
    safe(&value.to_string()).into_owned()
}

/// Shows the old or new value of a change, or `-` for a missing one.
pub(crate) fn side(side: Option<&Value>) -> String {
    side.map_or_else(|| "-".to_owned(), value)
}

/// Shows an entry's object: its model, key, and its repr if that differs. An event has none.
pub(crate) fn object(entry: &LogEntry) -> String {
    let (pk, repr) = (&entry.object_pk, &entry.object_repr);
    if entry.model.is_empty() {
        let differs = *repr != entry.action.as_str();
        return if differs { safe(repr) } else { "".into() }.into_owned();
    }
    let mut name = entry.model.clone();
    if !pk.is_empty() {
        name = format!("{name} {pk}");
    }
    let text = safe(&name);
    if repr.is_empty() || repr == pk || *repr == name {
        text.into_owned()
    } else {
        format!("{text} ({})", safe(repr))
    }
}

/// Shows an entry's actor.
pub(crate) fn actor(entry: &LogEntry) -> String {
    match &entry.actor {
        Some(actor) => safe(&actor.to_string()).into_owned(),
        None => entry.actor().to_owned(),
    }
}

/// Shows the changed paths of an entry, at most `max` of them.
pub(crate) fn paths<'p>(paths: impl IntoIterator<Item = &'p Path>, max: usize) -> String {
    let mut paths = paths.into_iter();
    let mut shown: Vec<String> = paths
        .by_ref()
        .take(max)
        .map(|path| safe(path.as_str()).into_owned())
        .collect();
    let left = paths.count();
    if left > 0 {
        shown.push(format!("and {left} more"));
    }
    shown.join(", ")
}

/// Describes a change with its values.
pub(crate) fn change(change: &Change) -> String {
    let mut text = match (&change.old, &change.new) {
        (Some(old), Some(new)) => format!("{} -> {}", value(old), value(new)),
        (None, Some(new)) => format!("added {}", value(new)),
        (Some(old), None) => format!("removed {}", value(old)),
        (None, None) => format!("reordered, {} moved", change.moved.len()),
    };
    if let Some(redaction) = change.redaction {
        // Writing to a `String` cannot fail.
        let _ok = write!(text, " ({})", redaction.as_str());
    }
    text
}

/// Joins a number and the noun in singular or plural.
pub(crate) fn counted(number: u64, one: &str, many: &str) -> String {
    let noun = if number == 1 { one } else { many };
    format!("{} {noun}", thousands(number))
}

/// Writes a number with separated thousands.
pub(crate) fn thousands(number: u64) -> String {
    indicatif::HumanCount(number).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_of_urls_are_not_shown() {
        for (text, shown) in [
            (
                "error: 'postgres://ann:s3c@r/et@h:5432/db?a=b' is invalid",
                "error: 'postgres://ann:***@h:5432/db?a=b' is invalid",
            ),
            ("postgres://ann@h/db", "postgres://ann@h/db"),
            (
                "x://h/db?password=s3cret&a=b y",
                "x://h/db?password=***&a=b y",
            ),
            ("x://u:a@h and x://u:s3?c@h", "x://u:***@h and x://u:***@h"),
            ("no URL: a@b", "no URL: a@b"),
        ] {
            assert_eq!(without_passwords(text), shown);
        }
    }

    #[test]
    fn escaped_json_has_the_same_value() {
        let value = Value::String("\u{9b}2J \u{202e} \u{e0041} \u{1b}".into());
        let json = value.to_string();
        let escaped = safe_json(&json);
        assert!(!escaped.contains(is_misleading), "{escaped}");
        assert_eq!(serde_json::from_str::<Value>(&escaped).ok(), Some(value));
    }

    #[test]
    fn thousands_are_separated() {
        assert_eq!(thousands(0), "0");
        assert_eq!(thousands(999), "999");
        assert_eq!(thousands(1000), "1,000");
        assert_eq!(thousands(14_894_000), "14,894,000");
    }
}

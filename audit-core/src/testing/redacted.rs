//! Entries without what differs from run to run.

use std::collections::HashMap;

use serde_json::Value;

use crate::entry::LogEntry;

pub(super) fn redacted(entries: &[LogEntry]) -> Value {
    let mut numbers: HashMap<(&'static str, String), usize> = HashMap::new();
    let mut counts: HashMap<&'static str, usize> = HashMap::new();
    let mut number = |kind: &'static str, value: &mut Value| {
        let Value::String(text) = value else {
            return;
        };
        let number = *numbers
            .entry((kind, std::mem::take(text)))
            .or_insert_with(|| {
                let count = counts.entry(kind).or_default();
                *count += 1;
                *count
            });
        *text = format!("[{kind} {number}]");
    };
    let redact = |entry: &LogEntry| {
        let json = match serde_json::to_value(entry) {
            Ok(json) => json,
            Err(error) => panic!("a captured entry has no canonical form: {error}"),
        };
        let Value::Object(mut fields) = json else {
            unreachable!("an entry is an object");
        };
        for (field, kind) in [
            ("id", "id"),
            ("timestamp", "time"),
            ("transaction_id", "transaction"),
        ] {
            if let Some(value) = fields.get_mut(field) {
                number(kind, value);
            }
        }
        fields.remove("source");
        fields.remove("v");
        Value::Object(fields)
    };
    entries.iter().map(redact).collect()
}

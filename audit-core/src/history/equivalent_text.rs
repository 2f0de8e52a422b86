//! Compares texts that may record the same value in two forms: numbers, times, and arrays or objects
//! printed by other libraries.

use serde_json::Value;

/// Returns whether two texts record the same value.
pub(super) fn equivalent_text(a: &str, b: &str) -> bool {
    a == b
        || same_decimal(a, b)
        || same_instant(a, b)
        || (is_printed(a) && printed(a) == printed(b))
        || same_yaml(a, b)
}

/// Returns whether a text may be a masked value or a token.
pub(super) fn looks_redacted(text: &str) -> bool {
    let token = || {
        let (version, digits) = text.strip_prefix('h')?.split_once(':')?;
        let hex = digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        Some(hex && version.bytes().all(|byte| byte.is_ascii_digit()))
    };
    text.contains("***") || token().unwrap_or(false)
}

/// Returns whether a text is the printed form of a value that is not a string.
pub(super) fn prints(text: &str, value: &Value) -> bool {
    match value {
        Value::Null => text == "None",
        Value::Bool(value) => text.eq_ignore_ascii_case(if *value { "true" } else { "false" }),
        Value::Number(value) => same_decimal(text, &value.to_string()),
        // In any syntax.
        Value::Array(_) | Value::Object(_) => is_printed(text),
        Value::String(_) => false,
    }
}

/// Returns whether a text may be a printed array or object.
fn is_printed(text: &str) -> bool {
    text.starts_with(['[', '{'])
}

/// Returns an array or object printed by Python in the syntax of JSON.
fn printed(text: &str) -> String {
    let text = text.replace('\'', "\"").replace("None", "null");
    text.replace("True", "true").replace("False", "false")
}

/// Returns whether two texts are the same YAML document of Ruby, ignoring type names and whether
/// keys are symbols: Rails writes a hash in either form.
fn same_yaml(a: &str, b: &str) -> bool {
    let untyped = |text: &str| {
        let mut plain = String::with_capacity(text.len());
        for line in text.lines() {
            let mut parts = line.split(" !ruby/");
            let first = parts.next().unwrap_or_default();
            let (indent, key) = first.split_at(first.len() - first.trim_start().len());
            plain.push_str(indent);
            plain.push_str(key.strip_prefix(':').unwrap_or(key));
            for part in parts {
                plain.push_str(&part[part.find(' ').unwrap_or(part.len())..]);
            }
            plain.push('\n');
        }
        plain
    };
    a.starts_with("---") && b.starts_with("---") && untyped(a) == untyped(b)
}

/// Returns whether two texts are the same decimal number in two scales.
fn same_decimal(a: &str, b: &str) -> bool {
    fn split(text: &str) -> Option<(&str, &str)> {
        let (integer, fraction) = text.split_once('.').unwrap_or((text, ""));
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let unsigned = integer.strip_prefix('-').unwrap_or(integer);
        (!unsigned.is_empty() && digits(unsigned) && digits(fraction))
            .then(|| (integer, fraction.trim_end_matches('0')))
    }
    match (split(a), split(b)) {
        (Some(a), Some(b)) => a == b,
        _ => false,
    }
}

/// Returns whether two texts are the same instant in two time zones.
fn same_instant(a: &str, b: &str) -> bool {
    fn instant(text: &str) -> Option<chrono::DateTime<chrono::FixedOffset>> {
        // The name of the zone may follow (RFC 9557).
        let time = text.split_once('[').map_or(text, |(time, _)| time);
        chrono::DateTime::parse_from_rfc3339(time).ok()
    }
    match (instant(a), instant(b)) {
        (Some(a), Some(b)) => a == b,
        _ => false,
    }
}

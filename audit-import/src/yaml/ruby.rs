//! Values of Ruby's types, by their tags.

use serde_json::{Map, Value, json};

use super::scalar::{self, Plain};
use crate::time;

/// What JSON has no place for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Notes {
    /// A zone other than UTC of an instant that is kept in UTC.
    pub(crate) zone: bool,
    /// A type that is kept by its parts or its text: a symbol, a range, an object.
    pub(crate) ruby: bool,
}

/// Resolves a scalar.
pub(super) fn scalar(text: &str, plain: bool, tag: Option<&str>, notes: &mut Notes) -> Value {
    let Some(tag) = tag else {
        if !plain {
            return Value::from(text);
        }
        return match scalar::resolve(text) {
            Plain::Value(value) => value,
            Plain::Symbol(name) => {
                notes.ruby = true;
                Value::String(name)
            }
        };
    };
    match name_of(tag) {
        "ruby/object:BigDecimal" => big_decimal(text),
        "binary" => {
            let digits: String = text.chars().filter(|c| !c.is_whitespace()).collect();
            json!({ "$base64": digits })
        }
        "ruby/object:DateTime" | "timestamp" => match time::parse(text) {
            Some(read) => Value::String(read.utc_text()),
            None => Value::from(text),
        },
        // `!` alone, and what says that a text is one.
        "!" | "str" | "ruby/string" | "non-specific" => Value::from(text),
        "float" | "int" | "bool" | "null" | "ruby/object:Integer" => match scalar::resolve(text) {
            Plain::Value(value) => value,
            Plain::Symbol(name) => Value::String(name),
        },
        _ => {
            notes.ruby = true;
            Value::from(text)
        }
    }
}

/// Resolves a list.
pub(super) fn sequence(items: Vec<Value>, tag: Option<&str>, notes: &mut Notes) -> Value {
    if tag.is_some_and(|tag| name_of(tag) != "seq") {
        notes.ruby = true;
    }
    Value::Array(items)
}

/// Resolves a hash or an object.
pub(super) fn mapping(
    mut fields: Map<String, Value>,
    tag: Option<&str>,
    notes: &mut Notes,
) -> Value {
    let Some(tag) = tag else {
        return Value::Object(fields);
    };
    match name_of(tag) {
        "ruby/object:ActiveSupport::TimeWithZone" if fields.get("utc").is_some() => {
            let zone = fields.get("zone").and_then(|zone| zone.get("name"));
            if zone
                .and_then(Value::as_str)
                .is_none_or(|zone| !is_utc(zone))
            {
                notes.zone = true;
            }
            fields.remove("utc").unwrap_or_default()
        }
        "ruby/object:ActiveModel::Type::Binary::Data" if fields.get("value").is_some() => {
            fields.remove("value").unwrap_or_default()
        }
        // Kept for the name that an instant asks for.
        "ruby/object:ActiveSupport::TimeZone" | "map" => Value::Object(fields),
        name if name.ends_with("HashWithIndifferentAccess") => Value::Object(fields),
        _ => {
            notes.ruby = true;
            Value::Object(fields)
        }
    }
}

/// Returns a tag's name without what says where it is defined.
fn name_of(tag: &str) -> &str {
    let name = tag
        .strip_prefix("tag:yaml.org,2002:")
        .or_else(|| tag.strip_prefix("tag:ruby.yaml.org,2002:"));
    match name {
        Some(name) => name,
        None if tag == "!" => tag,
        None => tag.trim_start_matches('!'),
    }
}

fn is_utc(zone: &str) -> bool {
    matches!(zone, "UTC" | "Etc/UTC" | "Etc/UCT" | "Zulu" | "Etc/Zulu")
}

/// Writes a decimal as digits, from a form such as `27:0.1999e2`: the precision, which says
/// nothing about the value, and the digits with an exponent.
fn big_decimal(text: &str) -> Value {
    let number = text
        .split_once(':')
        .map_or(text, |(_, number)| number)
        .trim();
    Value::String(plain_digits(number).unwrap_or_else(|| number.to_owned()))
}

/// Moves the point to where the exponent says; `None` if that is no number or far away.
fn plain_digits(number: &str) -> Option<String> {
    let (sign, unsigned) = match number.strip_prefix('-') {
        Some(unsigned) => ("-", unsigned),
        None => ("", number.strip_prefix('+').unwrap_or(number)),
    };
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (unsigned, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all_digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if mantissa.is_empty() || !all_digits(whole) || !all_digits(fraction) {
        return None;
    }
    let point = i64::try_from(whole.len()).ok()? + i64::from(exponent);
    if !(-10_000..=10_000).contains(&point) {
        return None;
    }
    let mut digits = format!("{whole}{fraction}");
    if point < 0 {
        digits.insert_str(0, &"0".repeat(usize::try_from(-point).ok()?));
    }
    let point = usize::try_from(point.max(0)).ok()?;
    if digits.len() < point {
        digits.push_str(&"0".repeat(point - digits.len()));
    }
    let (whole, fraction) = digits.split_at_checked(point)?;
    let whole = match whole.trim_start_matches('0') {
        "" => "0",
        whole => whole,
    };
    let fraction = match fraction.trim_end_matches('0') {
        "" => "0",
        fraction => fraction,
    };
    Some(format!("{sign}{whole}.{fraction}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_written_out() {
        for (stored, digits) in [
            ("18:0.1999e2", "19.99"),
            ("27:-0.35e1", "-3.5"),
            ("18:0.0", "0.0"),
            ("18:0.1e3", "100.0"),
            ("18:0.1e-2", "0.001"),
            (
                "36:0.123456789012345678901234567890e10",
                "1234567890.1234567890123456789",
            ),
            ("0:NaN", "NaN"),
            ("9:0.1e999999999", "0.1e999999999"),
            ("9:0.1e99999999999999", "0.1e99999999999999"),
            ("", ""),
        ] {
            assert_eq!(big_decimal(stored), Value::from(digits), "{stored}");
        }
    }

    #[test]
    fn an_unknown_type_is_noted() {
        let mut notes = Notes::default();
        mapping(
            Map::new(),
            Some("!ruby/hash:ActiveSupport::HashWithIndifferentAccess"),
            &mut notes,
        );
        assert!(!notes.ruby);
        mapping(Map::new(), Some("!ruby/object:Set"), &mut notes);
        assert!(notes.ruby);
    }
}

//! Values of Ruby's types, by their tags.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde_json::{Map, Value, json};

use super::scalar::{self, Plain};
use crate::time;

/// The types that JSON does not have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Notes {
    /// A zone other than UTC of an instant that is kept in UTC.
    pub(crate) zone: bool,
    /// The types that are kept by their parts or their text: a symbol, a range, an object.
    pub(crate) types: BTreeSet<String>,
    /// The types that wrap one value, of which that value is kept.
    pub(crate) values: BTreeSet<String>,
}

/// The maximum number of types that are noted, because a hostile text may have any number.
const MAX_TYPES: usize = 100;

impl Notes {
    fn kept_by_parts(&mut self, name: &str) {
        if self.types.len() < MAX_TYPES {
            self.types.insert(class_of(name).to_owned());
        }
    }

    fn kept_by_value(&mut self, name: &str) {
        if self.values.len() < MAX_TYPES {
            self.values.insert(class_of(name).to_owned());
        }
    }
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
                notes.kept_by_parts("Symbol");
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
        // `!` alone, and the tags of texts.
        "!" | "str" | "ruby/string" | "non-specific" => Value::from(text),
        "float" | "int" | "bool" | "null" | "ruby/object:Integer" => match scalar::resolve(text) {
            Plain::Value(value) => value,
            Plain::Symbol(name) => Value::String(name),
        },
        name if name.starts_with("ruby/string:") => {
            notes.kept_by_value(name);
            Value::from(text)
        }
        name => {
            notes.kept_by_parts(name);
            Value::from(text)
        }
    }
}

/// Resolves a list.
pub(super) fn sequence(items: Vec<Value>, tag: Option<&str>, notes: &mut Notes) -> Value {
    if let Some(name) = tag.map(name_of)
        && name != "seq"
    {
        notes.kept_by_parts(name);
    }
    Value::Array(items)
}

/// Resolves a hash or an object. The keys are those of the hash itself, and of the hash that
/// was read last, as they were before they became texts.
pub(super) fn mapping(
    mut fields: Map<String, Value>,
    keys: &Keys,
    tag: Option<&str>,
    notes: &mut Notes,
) -> Value {
    let Some(tag) = tag else {
        return Value::Object(fields);
    };
    let name = name_of(tag);
    let wrapped = match name {
        "ruby/object:ActiveSupport::TimeWithZone"
        | "ruby/object:ActiveRecord::Type::Time::Value"
            if fields.contains_key("utc") =>
        {
            let zone = fields.get("zone").and_then(|zone| zone.get("name"));
            if zone
                .and_then(Value::as_str)
                .is_none_or(|zone| !is_utc(zone))
            {
                notes.zone = true;
            }
            return fields.remove("utc").unwrap_or_default();
        }
        "ruby/object:ActiveModel::Type::Binary::Data" if fields.contains_key("value") => {
            return fields.remove("value").unwrap_or_default();
        }
        // Kept for its name, which an instant reads.
        "ruby/object:ActiveSupport::TimeZone" | "map" => return Value::Object(fields),
        name if name.ends_with("HashWithIndifferentAccess") => return Value::Object(fields),
        "ruby/object:ActiveSupport::Duration" => fields.remove("value"),
        "ruby/object:Pathname" => fields.remove("path"),
        "ruby/object:IPAddr" => address(&fields).map(Value::String),
        "ruby/object:Set" | "ruby/object:SortedSet" => {
            members(fields.get("hash"), &keys.last).map(Value::Array)
        }
        "ruby/set" | "set" => Some(Value::Array(keys.own.clone())),
        name if name.starts_with("ruby/string") => fields.remove("str"),
        _ => None,
    };
    if let Some(value) = wrapped {
        notes.kept_by_value(name);
        value
    } else {
        notes.kept_by_parts(name);
        Value::Object(fields)
    }
}

/// The keys of hashes as they were before they became texts.
#[derive(Debug, Default)]
pub(super) struct Keys {
    /// Of the hash at hand.
    pub(super) own: Vec<Value>,
    /// Of the one that ended last.
    pub(super) last: Vec<Value>,
}

/// Returns the members of a set: the keys of the hash in it.
fn members(hash: Option<&Value>, last: &[Value]) -> Option<Vec<Value>> {
    let texts: Vec<&String> = hash?.as_object()?.keys().collect();
    let is_last = texts.len() == last.len()
        && last
            .iter()
            .all(|key| texts.contains(&&crate::value::key_text(key)));
    Some(if is_last {
        last.to_vec()
    } else {
        texts.into_iter().map(|text| text.clone().into()).collect()
    })
}

/// Writes an `IPAddr` as an address, with the length of its mask where that is shorter.
fn address(fields: &Map<String, Value>) -> Option<String> {
    let number = |name: &str| match fields.get(name)? {
        Value::Number(number) => number.as_u64().map(u128::from),
        Value::String(digits) => digits.parse().ok(),
        _ => None,
    };
    let (address, mask) = (number("addr")?, number("mask_addr")?);
    // The family's number of IPv6 differs by system; that of IPv4 is 2 everywhere.
    let (address, bits) = if number("family")? == 2 {
        let address = u32::try_from(address).ok()?;
        (IpAddr::V4(Ipv4Addr::from_bits(address)), 32)
    } else {
        (IpAddr::V6(Ipv6Addr::from_bits(address)), 128)
    };
    Some(match mask.count_ones() {
        ones if ones >= bits => address.to_string(),
        ones => format!("{address}/{ones}"),
    })
}

/// Returns a tag's name without its namespace.
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

/// Returns the class that a tag's name has, or the name.
fn class_of(name: &str) -> &str {
    let class = name.split_once(':').map(|(_, class)| class);
    class.filter(|class| !class.is_empty()).unwrap_or(name)
}

fn is_utc(zone: &str) -> bool {
    matches!(zone, "UTC" | "Etc/UTC" | "Etc/UCT" | "Zulu" | "Etc/Zulu")
}

/// Writes a decimal as digits, from a form such as `27:0.1999e2`: the precision, which does not
/// affect the value, and the digits with an exponent.
fn big_decimal(text: &str) -> Value {
    let number = text
        .split_once(':')
        .map_or(text, |(_, number)| number)
        .trim();
    Value::String(plain_digits(number).unwrap_or_else(|| number.to_owned()))
}

/// Applies the exponent; `None` if the text is not a number or the exponent is too large.
fn plain_digits(number: &str) -> Option<String> {
    let (sign, unsigned) = match number.strip_prefix('-') {
        Some(unsigned) => ("-", unsigned),
        None => ("", number.strip_prefix('+').unwrap_or(number)),
    };
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (unsigned, 0),
    };
    let (integer, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all_digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if mantissa.is_empty() || !all_digits(integer) || !all_digits(fraction) {
        return None;
    }
    let point = i64::try_from(integer.len()).ok()? + i64::from(exponent);
    if !(-10_000..=10_000).contains(&point) {
        return None;
    }
    let mut digits = format!("{integer}{fraction}");
    if point < 0 {
        digits.insert_str(0, &"0".repeat(usize::try_from(-point).ok()?));
    }
    let point = usize::try_from(point.max(0)).ok()?;
    if digits.len() < point {
        digits.push_str(&"0".repeat(point - digits.len()));
    }
    let (integer, fraction) = digits.split_at_checked(point)?;
    let integer = match integer.trim_start_matches('0') {
        "" => "0",
        integer => integer,
    };
    let fraction = match fraction.trim_end_matches('0') {
        "" => "0",
        fraction => fraction,
    };
    Some(format!("{sign}{integer}.{fraction}"))
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
            &Keys::default(),
            Some("!ruby/hash:ActiveSupport::HashWithIndifferentAccess"),
            &mut notes,
        );
        assert_eq!(notes, Notes::default());
        for tag in ["!ruby/object:Shop::Price", "!ruby/object:IPAddr"] {
            mapping(Map::new(), &Keys::default(), Some(tag), &mut notes);
        }
        let types: Vec<_> = notes.types.iter().collect();
        assert_eq!(types, ["IPAddr", "Shop::Price"]);
        assert!(notes.values.is_empty());
    }
}

//! JSON texts, read without rounding a number.

use std::borrow::Cow;
use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value, json};

/// Parses JSON; numbers that a double would round become texts (docs/format.md, "Numbers in JSON").
///
/// Returns a message without the text itself. A duplicate key is an error, because only its last
/// value would be kept.
pub(crate) fn parse(text: &str) -> Result<Value, String> {
    let text = quote_rounded(text);
    serde_json::from_str(&text)
        .map(|Unique(value)| value)
        .map_err(|error| {
            if error.is_data() {
                return format!(
                    "is JSON with a duplicate key (line {}, column {})",
                    error.line(),
                    error.column()
                );
            }
            format!(
                "is not valid JSON ({:?} error at line {}, column {})",
                error.classify(),
                error.line(),
                error.column()
            )
        })
}

/// A value whose objects have each key once.
struct Unique(Value);

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(UniqueVisitor).map(Self)
    }
}

struct UniqueVisitor;

impl<'de> Visitor<'de> for UniqueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(Unique(item)) = items.next_element()? {
            list.push(item);
        }
        Ok(list.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some((key, Unique(value))) = map.next_entry::<String, _>()? {
            if object.insert(key, value).is_some() {
                return Err(de::Error::custom("duplicate key"));
            }
        }
        Ok(object.into())
    }
}

/// Puts quotes around the text of each number that is stored as one.
fn quote_rounded(text: &str) -> Cow<'_, str> {
    let bytes = text.as_bytes();
    let mut quoted = String::new();
    let mut copied = 0;
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'"' => at = string_end(bytes, at + 1),
            b'-' | b'0'..=b'9' => {
                let length = bytes
                    .iter()
                    .skip(at)
                    .take_while(|b| matches!(b, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E'))
                    .count();
                let number = text.get(at..at + length).unwrap_or_default();
                // A double keeps 15 digits, of a number whose exponent has two.
                let short = length <= 15 && !number.contains(['e', 'E']);
                if !short && let Some(number) = rounded(number) {
                    quoted.push_str(text.get(copied..at).unwrap_or_default());
                    quoted.push('"');
                    quoted.push_str(&number);
                    quoted.push('"');
                    copied = at + length;
                }
                at += length;
            }
            _ => at += 1,
        }
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    quoted.push_str(text.get(copied..).unwrap_or_default());
    Cow::Owned(quoted)
}

/// Returns the text of a number that is stored as one.
fn rounded(number: &str) -> Option<String> {
    let is_number = match serde_json::from_str::<serde_json::Number>(number) {
        Ok(_) => true,
        // Larger than any double.
        Err(error) => error.to_string().starts_with("number out of range"),
    };
    is_number
        .then(|| audit_core::backend::projection::number_text(number))
        .flatten()
}

/// Returns where a string ends, behind its quote.
fn string_end(bytes: &[u8], mut at: usize) -> usize {
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// Converts a value into the form of entries, or returns the fault.
pub(crate) fn exact(value: &Value) -> Result<Value, String> {
    audit_core::try_snapshot(value).map_err(|error| format!("cannot be recorded: {error}"))
}

/// Bytes as entries have them: an object with `$base64`.
pub(crate) fn bytes(bytes: &[u8]) -> Value {
    json!({ "$base64": base64(bytes) })
}

/// Writes bytes in Base64 (RFC 4648, section 4).
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let mut group = [0; 4];
        group[1..=chunk.len()].copy_from_slice(chunk);
        let group = u32::from_be_bytes(group);
        for digit in 0..4 {
            if digit <= chunk.len() {
                let index = (group >> (18 - 6 * digit)) & 63;
                text.push(char::from(ALPHABET[index as usize]));
            } else {
                text.push('=');
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn large_numbers_keep_their_digits() {
        assert_eq!(
            parse(
                r#"{"a": 123456789012345678901234567890, "b": [-99999999999999999999, 1.5e300], "c\"d1234567890123456789012": 18446744073709551615, "d": [1E400, 0.12345678901234567890]}"#
            ),
            Ok(json!({
                "a": "123456789012345678901234567890",
                "b": ["-99999999999999999999", 1.5e300],
                "c\"d1234567890123456789012": 18_446_744_073_709_551_615_u64,
                "d": ["1E400", "0.1234567890123456789"]
            }))
        );
        assert_eq!(
            exact(&json!(9_007_199_254_740_993_u64)),
            Ok(json!(9_007_199_254_740_993_u64))
        );
    }

    #[test]
    fn an_error_has_the_position_and_not_the_text() {
        assert_eq!(
            parse(r#"{"secret": "#),
            Err("is not valid JSON (Eof error at line 1, column 11)".to_owned())
        );
        assert_eq!(
            parse(r#"{"a": [{"pin": 1, "pin": 2}]}"#),
            Err("is JSON with a duplicate key (line 1, column 27)".to_owned())
        );
        assert!(parse(&"[".repeat(100_000)).is_err());
        assert!(exact(&(0..200).fold(json!(1), |inner, _| json!([inner]))).is_err());
    }

    #[test]
    fn bytes_are_base64() {
        assert_eq!(
            bytes(b"\x00\xff\x10bytes"),
            json!({"$base64": "AP8QYnl0ZXM="})
        );
        assert_eq!(base64(b""), "");
        assert_eq!(base64(b"f"), "Zg==");
        assert_eq!(base64(b"fo"), "Zm8=");
        assert_eq!(base64(b"foo"), "Zm9v");
    }

    proptest! {
        #[test]
        fn quoting_changes_nothing_else(text in "[-0-9é.eE\"\\\\\\[\\],{}: a]{0,60}") {
            let direct: Result<Value, _> = serde_json::from_str(&text);
            let out_of_range = |error: serde_json::Error| error.to_string().starts_with("number out");
            prop_assert_eq!(direct.map_or_else(out_of_range, |_| true), parse(&text).is_ok());
        }
    }
}

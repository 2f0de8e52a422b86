//! Plain scalars as Psych, Ruby's YAML library, resolves them.

use serde_json::{Number, Value};

use crate::time;

/// A plain scalar, resolved.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Plain {
    Value(Value),
    /// A symbol, without its colon.
    Symbol(String),
}

/// Resolves a plain scalar.
pub(super) fn resolve(text: &str) -> Plain {
    if let Some(name) = text.strip_prefix(':')
        && !name.is_empty()
        && !is_worded(text)
    {
        let quoted = |quote| name.strip_prefix(quote)?.strip_suffix(quote);
        let name = quoted('"').or_else(|| quoted('\'')).unwrap_or(name);
        return Plain::Symbol(name.to_owned());
    }
    Plain::Value(value(text).unwrap_or_else(|| Value::String(text.to_owned())))
}

/// Returns the value of a text that is not a string.
fn value(text: &str) -> Option<Value> {
    if text.is_empty() {
        return Some(Value::Null);
    }
    if is_worded(text) {
        return word(text);
    }
    if let Some(read) = time::parse(text) {
        return Some(Value::String(read.utc_text()));
    }
    if let Some(date) = date(text) {
        return Some(Value::String(date));
    }
    match text.to_ascii_lowercase().as_str() {
        ".inf" | "+.inf" => return Some(Value::from("Infinity")),
        "-.inf" => return Some(Value::from("-Infinity")),
        ".nan" => return Some(Value::from("NaN")),
        _ => {}
    }
    sexagesimal(text)
        .or_else(|| float(text))
        .or_else(|| integer(text))
}

/// Returns whether a text starts like a word, and so is neither a number nor a time.
fn is_worded(text: &str) -> bool {
    let of_words =
        |c: char| c.is_alphabetic() || c.is_whitespace() || "_!@#$%^&*(){}<>|/\\~;=".contains(c);
    let mut chars = text.chars();
    let first = chars.next();
    first.is_some_and(of_words)
        || first.is_some_and(|c| !c.is_ascii_digit() && !matches!(c, '.' | ':' | '-'))
            && chars.next().is_some_and(of_words)
        || text.contains('\n')
}

fn word(text: &str) -> Option<Value> {
    match text.to_ascii_lowercase().as_str() {
        "~" | "null" => Some(Value::Null),
        "yes" | "true" | "on" => Some(Value::Bool(true)),
        "no" | "false" | "off" => Some(Value::Bool(false)),
        _ => None,
    }
}

fn date(text: &str) -> Option<String> {
    time::parse_date(text)
}

/// Reads numbers to the base 60, such as `1:30`.
fn sexagesimal(text: &str) -> Option<Value> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let parts: Vec<&str> = digits.split(':').collect();
    let first = parts.first()?;
    if !(2..=3).contains(&parts.len())
        || !first.starts_with(|c: char| c.is_ascii_digit())
        || !first.bytes().all(|b| b.is_ascii_digit() || b == b'_')
    {
        return None;
    }
    let mut seconds: i64 = 0;
    for (index, part) in parts.iter().enumerate() {
        let small = index == 0 || (part.len() <= 2 && part.parse::<u8>().is_ok_and(|n| n < 60));
        if !small {
            return None;
        }
        let number: i64 = part.replace('_', "").parse().ok()?;
        let factor = [3600, 60, 1].get(index)?;
        seconds = seconds.checked_add(number.checked_mul(*factor)?)?;
    }
    // Psych gives the sign to the first part only.
    if sign < 0 {
        let first: i64 = first.replace('_', "").parse().ok()?;
        seconds = seconds.checked_sub(first.checked_mul(7200)?)?;
    }
    Some(Value::from(seconds))
}

/// Reads a float; it has a point, and a sign in its exponent.
fn float(text: &str) -> Option<Value> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (integer, rest) = unsigned.split_once('.')?;
    let (fraction, exponent) = match rest.find(['e', 'E']) {
        Some(at) => (rest.get(..at)?, Some(rest.get(at + 1..)?)),
        None => (rest, None),
    };
    let integer_fits = integer.is_empty()
        || integer.starts_with(|c: char| c.is_ascii_digit())
            && integer
                .bytes()
                .all(|b| b.is_ascii_digit() || matches!(b, b'_' | b','));
    let exponent_fits = exponent.is_none_or(|exponent| {
        exponent
            .strip_prefix(['-', '+'])
            .is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()))
    });
    if !integer_fits
        || !exponent_fits
        || !fraction.bytes().all(|b| b.is_ascii_digit())
        || (integer.is_empty() && fraction.is_empty())
    {
        return None;
    }
    let number: f64 = text.replace(['_', ','], "").parse().ok()?;
    Some(match Number::from_f64(number) {
        Some(number) => Value::Number(number),
        None => Value::from(if number < 0.0 {
            "-Infinity"
        } else {
            "Infinity"
        }),
    })
}

/// Reads an integer: decimal, `0b`, `0x`, or octal with a leading 0. One that exceeds 64 bits
/// becomes text.
fn integer(text: &str) -> Option<Value> {
    let (negative, unsigned) = match text.strip_prefix('-') {
        Some(unsigned) => (true, unsigned),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (radix, digits) = if let Some(digits) = unsigned.strip_prefix("0b") {
        (2, digits)
    } else if let Some(digits) = unsigned.strip_prefix("0x") {
        (16, digits)
    } else if let Some(digits) = unsigned.strip_prefix('0')
        && !digits.is_empty()
    {
        (8, digits)
    } else {
        (10, unsigned)
    };
    if radix == 10 && !unsigned.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let digits = digits.replace(['_', ','], "");
    if digits.is_empty() || !digits.chars().all(|c| c.is_digit(radix)) {
        return None;
    }
    let sign = if negative { "-" } else { "" };
    if radix == 10 && digits.len() > 38 {
        return Some(Value::String(format!("{sign}{digits}")));
    }
    let number = i128::from_str_radix(&digits, radix).ok()?;
    let number = if negative { -number } else { number };
    Some(match (i64::try_from(number), u64::try_from(number)) {
        (Ok(small), _) => Value::from(small),
        (_, Ok(large)) => Value::from(large),
        _ => Value::String(number.to_string()),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn plain_scalars_are_resolved_as_by_psych() {
        for (text, expected) in [
            ("", json!(null)),
            ("~", json!(null)),
            ("Null", json!(null)),
            ("None", json!("None")),
            ("true", json!(true)),
            ("Off", json!(false)),
            ("y", json!("y")),
            ("n", json!("n")),
            ("1e5", json!("1e5")),
            ("1.0e+21", json!(1e21)),
            ("1.0e21", json!("1.0e21")),
            ("0.1", json!(0.1)),
            ("-2.75", json!(-2.75)),
            (".5", json!(0.5)),
            (".", json!(".")),
            ("1_000.5", json!(1000.5)),
            ("3.", json!(3.0)),
            (".inf", json!("Infinity")),
            (".NaN", json!("NaN")),
            ("42", json!(42)),
            ("-7", json!(-7)),
            ("+7", json!(7)),
            ("1,000", json!(1000)),
            ("0123", json!(83)),
            ("0899", json!("0899")),
            ("0x1F", json!(31)),
            ("0b101", json!(5)),
            ("9007199254740993", json!(9_007_199_254_740_993_u64)),
            ("18446744073709551616", json!("18446744073709551616")),
            ("1:30", json!(5400)),
            ("1:30:15", json!(5415)),
            ("1:99", json!("1:99")),
            ("2024-02-29", json!("2024-02-29")),
            ("2024-02-30", json!("2024-02-30")),
            (
                "2024-03-31 00:30:00.000000000 Z",
                json!("2024-03-31T00:30:00.000000Z"),
            ),
            ("plain words", json!("plain words")),
            (
                "back\\slash \\n not a break",
                json!("back\\slash \\n not a break"),
            ),
            ("é combining", json!("é combining")),
            ("🦀", json!("🦀")),
            ("company/1", json!("company/1")),
            ("198.51.100.7", json!("198.51.100.7")),
            (
                "981eaa23-9f63-4cce-a092-5a16b9ad5557",
                json!("981eaa23-9f63-4cce-a092-5a16b9ad5557"),
            ),
            ("1.2.3", json!("1.2.3")),
            ("-", json!("-")),
            ("+", json!("+")),
        ] {
            assert_eq!(resolve(text), Plain::Value(expected), "{text:?}");
        }
        assert_eq!(resolve(":sent"), Plain::Symbol("sent".into()));
        assert_eq!(resolve(":\"two words\""), Plain::Symbol("two words".into()));
        assert_eq!(resolve(":"), Plain::Value(json!(":")));
    }
}

//! JSON numbers: their stored form, and comparison by value regardless of spelling.
//!
//! # Stored form
//! An integer of `i64` or `u64` is a JSON number. Another number is a JSON number if it survives as a
//! double: parsing it and printing the shortest digits gives an equal decimal. Otherwise it is a string of
//! its digits, since a reader that rounds it would report a change that never happened.
//!
//! # Comparison
//! Numbers are compared as decimals `0.digits * 10^point`, so `1e2`, `100` and `100.0` are equal, and no
//! comparison passes through a double. Another crate of the program may enable the feature
//! `arbitrary_precision` of `serde_json`; the stored form is the same with and without it.

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};
use std::sync::LazyLock;

use serde_json::{Number, Value};

use super::nesting;

/// The maximum number of zeros that pad the plain form of a number. A form with more zeros has an
/// exponent instead.
const MAX_PADDING: i64 = 32;

/// The maximum number of digits of an exponent. A number with a longer one keeps its text.
const MAX_EXPONENT_DIGITS: usize = 15;

/// Set if `serde_json` keeps the digits of numbers (its feature `arbitrary_precision`, which
/// another crate may enable).
static KEEPS_DIGITS: LazyLock<bool> = LazyLock::new(|| {
    let number = serde_json::from_str::<Number>("1.00");
    number.is_ok_and(|number| number.to_string() == "1.00")
});

/// A decimal number `0.digits * 10^point`, without leading and trailing zeros in its digits.
#[derive(Debug, PartialEq, Eq)]
struct Decimal {
    negative: bool,
    digits: String,
    point: i64,
}

impl Decimal {
    /// Parses a JSON number. Returns `None` if the text is not a number.
    fn parse(text: &str) -> Option<Self> {
        let (negative, unsigned) = match text.strip_prefix('-') {
            Some(unsigned) => (true, unsigned),
            None => (false, text),
        };
        let (coefficient, exponent) = match unsigned.split_once(['e', 'E']) {
            Some((coefficient, exponent)) => (coefficient, parse_exponent(exponent)?),
            None => (unsigned, 0),
        };
        let (whole, fraction) = match coefficient.split_once('.') {
            Some((_, "")) => return None,
            Some(parts) => parts,
            None => (coefficient, ""),
        };
        let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let leading_zero = whole.len() > 1 && whole.starts_with('0');
        if whole.is_empty() || leading_zero || !is_digits(whole) || !is_digits(fraction) {
            return None;
        }
        let mut digits = String::with_capacity(whole.len() + fraction.len());
        digits.push_str(whole);
        digits.push_str(fraction);
        digits.truncate(digits.trim_end_matches('0').len());
        let zeros = digits.len() - digits.trim_start_matches('0').len();
        digits.drain(..zeros);
        if digits.is_empty() {
            return Some(Self {
                negative: false,
                digits,
                point: 0,
            });
        }
        let point = i64::try_from(whole.len()).ok()? - i64::try_from(zeros).ok()? + exponent;
        Some(Self {
            negative,
            digits,
            point,
        })
    }

    /// Returns the canonical text of the number: plain digits, or an exponent if more than
    /// [`MAX_PADDING`] zeros would pad them.
    fn to_text(&self) -> String {
        let sign = if self.negative { "-" } else { "" };
        let digits = self.digits.as_str();
        if digits.is_empty() {
            return "0".to_owned();
        }
        let length = i64::try_from(digits.len()).unwrap_or(i64::MAX);
        let zeros = |count: i64| "0".repeat(usize::try_from(count).unwrap_or_default());
        match self.point {
            point if point > length.saturating_add(MAX_PADDING) || point < -MAX_PADDING => {
                let (first, rest) = digits.split_at(1);
                let dot = if rest.is_empty() { "" } else { "." };
                format!("{sign}{first}{dot}{rest}E{}", point - 1)
            }
            point if point >= length => format!("{sign}{digits}{}", zeros(point - length)),
            point if point > 0 => {
                let (whole, fraction) = digits.split_at(usize::try_from(point).unwrap_or_default());
                format!("{sign}{whole}.{fraction}")
            }
            point => format!("{sign}0.{}{digits}", zeros(-point)),
        }
    }

    fn compare(&self, other: &Self) -> Ordering {
        let sign = |number: &Self| match (number.digits.is_empty(), number.negative) {
            (true, _) => 0,
            (false, false) => 1,
            (false, true) => -1,
        };
        let size = || {
            let point = self.point.cmp(&other.point);
            point.then_with(|| self.digits.cmp(&other.digits))
        };
        match (sign(self), sign(other)) {
            (1, 1) => size(),
            (-1, -1) => size().reverse(),
            (a, b) => a.cmp(&b),
        }
    }
}

fn parse_exponent(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let valid = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if !valid || digits.trim_start_matches('0').len() > MAX_EXPONENT_DIGITS {
        return None;
    }
    let size: i64 = digits.parse().ok()?;
    Some(if text.starts_with('-') { -size } else { size })
}

/// Returns a float as JSON. Zero has no sign; NaN and the infinities are strings.
pub(crate) fn float_value(number: f64) -> Value {
    let number = if number == 0.0 { 0.0 } else { number };
    match Number::from_f64(number) {
        Some(number) => Value::Number(number),
        None if number.is_nan() => Value::String("NaN".to_owned()),
        None if number > 0.0 => Value::String("Infinity".to_owned()),
        None => Value::String("-Infinity".to_owned()),
    }
}

/// Returns a value with its numbers in stored form.
pub(crate) fn normalize(value: &Value) -> Value {
    match value {
        Value::Number(number) => number_value(number),
        Value::Array(items) => Value::Array(items.iter().map(normalize).collect()),
        Value::Object(fields) => Value::Object(
            fields
                .iter()
                .map(|(key, value)| (key.clone(), normalize(value)))
                .collect(),
        ),
        other => other.clone(),
    }
}

/// Returns a number in stored form (docs/format.md, "Numbers in JSON").
pub(crate) fn number_value(number: &Number) -> Value {
    if *KEEPS_DIGITS {
        return stored_number(&number.to_string());
    }
    match number.as_f64() {
        Some(float) if number.is_f64() => float_value(float),
        _ => Value::Number(number.clone()),
    }
}

/// Returns the stored form of a number given as JSON text.
pub(crate) fn stored_number(text: &str) -> Value {
    if let Some(integer) = integer(text) {
        return integer;
    }
    let Some(decimal) = Decimal::parse(text) else {
        return Value::String(text.to_owned());
    };
    // Rust's `LowerExp` writes the fewest digits that parse as the same double.
    let float = text.parse::<f64>().ok().filter(|float| float.is_finite());
    if let Some(float) = float
        && Decimal::parse(&format!("{float:e}")).as_ref() == Some(&decimal)
    {
        return float_value(float);
    }
    let text = decimal.to_text();
    integer(&text).unwrap_or(Value::String(text))
}

/// Returns the canonical text of a number, or `None` if the text is not a number.
pub(crate) fn digits(text: &str) -> Option<String> {
    Decimal::parse(text).map(|number| number.to_text())
}

fn integer(text: &str) -> Option<Value> {
    match (text.parse::<i64>(), text.parse::<u64>()) {
        (Ok(small), _) => Some(small.into()),
        (_, Ok(large)) => Some(large.into()),
        _ => None,
    }
}

/// Compares two scalars that are not identical: numbers by value, and a number that is stored as
/// a string with that string.
#[cold]
pub(crate) fn equal_scalars(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => {
            // Unless digits are kept, numbers of one kind have a single spelling.
            (*KEEPS_DIGITS || a.is_f64() != b.is_f64()) && compare_numbers(a, b).is_eq()
        }
        (Value::Number(number), Value::String(text))
        | (Value::String(text), Value::Number(number)) => {
            *KEEPS_DIGITS
                && matches!(number_value(number), Value::String(stored) if stored == *text)
        }
        _ => false,
    }
}

/// Compares two numbers by value.
pub(crate) fn compare_numbers(a: &Number, b: &Number) -> Ordering {
    if let (Some(a), Some(b)) = (a.as_i64(), b.as_i64()) {
        return a.cmp(&b);
    }
    if let (Some(a), Some(b)) = (a.as_u64(), b.as_u64()) {
        return a.cmp(&b);
    }
    let (a, b) = (a.to_string(), b.to_string());
    match (Decimal::parse(&a), Decimal::parse(&b)) {
        (Some(a), Some(b)) => a.compare(&b),
        (a_number, b_number) => (a_number.is_some().cmp(&b_number.is_some())).then(a.cmp(&b)),
    }
}

/// Compares two texts as numbers. Returns `false` for different texts of which one is not a
/// number.
pub(crate) fn equal_texts(a: &str, b: &str) -> bool {
    // Fast path: the first character rules out most texts.
    let numeric = |text: &str| text.starts_with(|c: char| c == '-' || c.is_ascii_digit());
    a == b
        || (numeric(a)
            && numeric(b)
            && Decimal::parse(a).is_some_and(|a| Some(a) == Decimal::parse(b)))
}

/// Compares two scalars: numbers by value, even if one is stored as a string.
pub(crate) fn equal_scalars_ignoring_scale(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::String(a), Value::String(b)) => equal_texts(a, b),
        (Value::Number(number), Value::String(text))
        | (Value::String(text), Value::Number(number)) => equal_texts(&number.to_string(), text),
        (a, b) => a == b || equal_scalars(a, b),
    }
}

/// Returns a scalar in comparable form: the same form for equal numbers.
pub(crate) fn comparison_form(value: Value) -> Value {
    match &value {
        Value::Number(number) if !number.is_i64() && !number.is_u64() => {
            match Decimal::parse(&number.to_string()) {
                Some(decimal) => stored_number(&decimal.to_text()),
                None => value,
            }
        }
        _ => value,
    }
}

/// Returns a decimal in comparable form: the same form regardless of scale.
#[cfg(any(feature = "rust_decimal", feature = "bigdecimal"))]
pub(crate) fn without_scale(value: Value) -> Value {
    match value.as_str().and_then(digits) {
        Some(digits) => Value::String(digits),
        None => value,
    }
}

/// A value as the key of a hash map, with the equality of [`nesting::equal`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct ByValue<'v>(pub(crate) &'v Value);

impl PartialEq for ByValue<'_> {
    fn eq(&self, other: &Self) -> bool {
        nesting::equal(self.0, other.0)
    }
}

impl Eq for ByValue<'_> {}

impl Hash for ByValue<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self.0 {
            Value::Number(number) => {
                // Equal decimals round to the same double.
                let float = number.as_f64().unwrap_or_default();
                (if float == 0.0 { 0.0 } else { float })
                    .to_bits()
                    .hash(state);
            }
            Value::String(text) => text.hash(state),
            Value::Bool(value) => value.hash(state),
            Value::Null => {}
            Value::Array(items) => items.len().hash(state),
            Value::Object(fields) => fields.len().hash(state),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    /// Spellings of numbers and their stored forms. The tests of the database triggers use the
    /// same file.
    const NUMBERS: &str = include_str!("../../tests/fixtures/numbers.tsv");

    fn rows() -> impl Iterator<Item = (&'static str, &'static str)> {
        let rows = NUMBERS.lines().filter(|row| !row.starts_with('#'));
        rows.map(|row| row.split_once('\t').unwrap())
    }

    #[test]
    fn every_spelling_has_its_stored_form() {
        assert!(rows().count() > 50);
        for (spelling, stored) in rows() {
            let value = stored_number(spelling);
            let text = stored.strip_prefix('"');
            let expected = match text.and_then(|text| text.strip_suffix('"')) {
                Some(text) => Value::String(text.to_owned()),
                None => stored_number(stored),
            };
            assert_eq!(value.is_number(), text.is_none(), "{spelling} is {value}");
            assert!(nesting::equal(&value, &expected), "{spelling} is {value}");
        }
    }

    #[test]
    fn the_stored_form_is_idempotent() {
        for (spelling, _) in rows() {
            let value = stored_number(spelling);
            let again = match &value {
                Value::Number(number) => number_value(number),
                text => stored_number(text.as_str().unwrap()),
            };
            assert_eq!(again, value, "{spelling}");
        }
    }

    #[test]
    fn numbers_are_ordered_by_value() {
        let ascending = [
            json!(-1e300),
            json!(i64::MIN),
            json!(-1.5),
            json!(-1),
            json!(0),
            json!(5e-324),
            json!(0.1),
            json!(1),
            json!(1.5),
            json!(10),
            json!(9_007_199_254_740_992_u64),
            json!(9_007_199_254_740_993_u64),
            json!(u64::MAX - 1),
            json!(u64::MAX),
            json!(1e300),
        ];
        for (index, a) in ascending.iter().enumerate() {
            for (other, b) in ascending.iter().enumerate() {
                let (Value::Number(a), Value::Number(b)) = (a, b) else {
                    panic!("{a} or {b} is not a number");
                };
                assert_eq!(compare_numbers(a, b), index.cmp(&other), "{a} and {b}");
            }
        }
    }

    #[test]
    fn a_large_exponent_does_not_expand_to_a_long_text() {
        assert_eq!(stored_number("1e999999999999999"), "1E999999999999999");
        assert_eq!(stored_number("1e9999999999999999"), "1e9999999999999999");
        assert_eq!(
            stored_number("-1e-99999999999999999999999"),
            "-1e-99999999999999999999999"
        );
    }

    #[test]
    fn texts_compare_as_numbers_only_if_both_are_numbers() {
        assert!(equal_texts("10.50", "10.5"));
        assert!(equal_texts("1E+3", "1000"));
        for (a, b) in [
            ("1.1", "1.2"),
            ("007", "7"),
            ("1.", "1"),
            ("", "0"),
            ("+1", "1"),
            ("1e", "1"),
        ] {
            assert!(!equal_texts(a, b), "{a} and {b}");
        }
    }

    proptest! {
        #[test]
        fn the_stored_form_keeps_the_value(
            whole in "0|[1-9][0-9]{0,30}", fraction in "(\\.[0-9]{1,30})?", exponent in "([eE][+-]?[0-9]{1,3})?",
        ) {
            let text = format!("{whole}{fraction}{exponent}");
            let form = match stored_number(&text) {
                Value::Number(number) => number.to_string(),
                form => form.as_str().unwrap().to_owned(),
            };
            prop_assert_eq!(Decimal::parse(&form), Decimal::parse(&text));
        }

        #[test]
        fn equal_values_have_equal_hashes(number in any::<i64>(), zeros in "0{0,5}") {
            use std::collections::HashSet;
            let (plain, long) = (json!(number), stored_number(&format!("{number}.{zeros}0e0")));
            if long.is_number() {
                prop_assert!(nesting::equal(&plain, &long));
                let set = HashSet::from([ByValue(&plain)]);
                prop_assert!(set.contains(&ByValue(&long)));
            }
        }
    }
}

//! Numbers are exact for every JSON parser, including those that parse all numbers as floats.

use audit_core::{AuditValue, Changes, diff, snapshot};
use proptest::prelude::*;
use serde_json::{Number, Value};
use tinyjson::JsonValue;

/// Parses a value's JSON text with a parser that has only floats.
fn parsed_as_floats<T: AuditValue>(value: &T) -> JsonValue {
    snapshot(value).to_string().parse().unwrap()
}

/// Returns an integer as that parser returns it.
#[expect(
    clippy::cast_possible_truncation,
    reason = "floats of integers up to 2^53"
)]
fn integer(value: &JsonValue) -> String {
    match value {
        JsonValue::Number(number) => (*number as i64).to_string(),
        JsonValue::String(text) => text.clone(),
        other => panic!("{other:?} is not a number"),
    }
}

fn float(value: &JsonValue) -> f64 {
    match value {
        JsonValue::Number(number) => *number,
        JsonValue::String(text) => text.parse().unwrap(),
        other => panic!("{other:?} is not a number"),
    }
}

proptest! {
    #[test]
    fn integers(
        small in any::<i64>(), wide in any::<u64>(), huge in any::<u128>(), signed in any::<i128>(),
        near in -3..3i64,
    ) {
        prop_assert_eq!(integer(&parsed_as_floats(&small)), small.to_string());
        prop_assert_eq!(integer(&parsed_as_floats(&wide)), wide.to_string());
        prop_assert_eq!(integer(&parsed_as_floats(&huge)), huge.to_string());
        prop_assert_eq!(integer(&parsed_as_floats(&signed)), signed.to_string());
        for near in [(1 << 53) + near, near - (1 << 53)] {
            prop_assert_eq!(integer(&parsed_as_floats(&near)), near.to_string());
        }
        // A JSON value is recorded as it is.
        for value in [Value::from(small), Value::from(wide)] {
            prop_assert_eq!(snapshot(&value), value);
        }
    }

    #[test]
    fn floats(number in any::<f64>(), short in any::<f32>()) {
        let read = float(&parsed_as_floats(&number));
        // Zero has no sign.
        let same = read.to_bits() == (number + 0.0).to_bits();
        prop_assert!(same || (read.is_nan() && number.is_nan()));
        // With the digits that name this `f32`, not those of the `f64` it widens to.
        let text = snapshot(&short).as_f64().map(|number| number.to_string());
        prop_assert!(short.is_nan() || short.is_infinite() || text == Some((short + 0.0).to_string()));
    }

    /// The numbers of a change survive any conversion through JSON text.
    #[test]
    fn stored(old in any::<f64>(), new in any::<i128>()) {
        let changes = diff(
            &Value::Array(vec![snapshot(&old)]),
            &Value::Array(vec![snapshot(&new)]),
        );
        let text = serde_json::to_string(&changes).unwrap();
        let read: Changes = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(&read, &changes);
        let parsed_as_floats: JsonValue = text.parse().unwrap();
        prop_assert_eq!(integer(&parsed_as_floats["[0]"]["new"]), new.to_string());
    }
}

#[test]
fn integers_beyond_2_to_the_53_are_strings() {
    assert_eq!(snapshot(&(1i64 << 53)), Value::from(1i64 << 53));
    assert_eq!(snapshot(&((1i64 << 53) + 1)), "9007199254740993");
    assert_eq!(
        snapshot(&Value::Number(Number::from(u64::MAX))),
        Value::from(u64::MAX)
    );
    assert_eq!(snapshot(&-0.0), Value::from(0.0));
    assert_eq!(snapshot(&Value::from(-0.0)).to_string(), "0.0");
}

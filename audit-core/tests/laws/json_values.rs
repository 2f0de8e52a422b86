//! Generators of JSON values that share parts.

use proptest::prelude::*;
use serde_json::{Number, Value};

use crate::tracked::word;

/// Moves a float away from the integers beside it: `0` and `0.0` are one value in two spellings,
/// which [`spellings`] generates.
fn fractional(float: f64) -> f64 {
    if float.fract() == 0.0 && float.abs() < 1e15 {
        float + 0.25
    } else {
        float
    }
}

fn scalar() -> BoxedStrategy<Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        (0..4i64).prop_map(Value::from),
        prop::sample::select(vec![0.25, -0.5, 1.5, -2e300, 5e-324]).prop_map(Value::from),
        prop::sample::select(vec![i64::MIN, i64::MAX, 1 << 53, (1 << 53) + 1])
            .prop_map(Value::from),
        Just(Value::Number(Number::from(u64::MAX))),
        any::<f64>().prop_map(|float| fractional(float).into()),
        word().prop_map(Value::String),
    ]
    .boxed()
}

pub(crate) fn value() -> BoxedStrategy<Value> {
    scalar()
        .prop_recursive(4, 24, 5, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::Array),
                proptest::collection::vec((word(), inner), 0..5)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
        .boxed()
}

/// Takes of each part of a value the first or the second form, as the choices say.
pub(crate) fn mix(a: &Value, b: &Value, choices: &mut impl Iterator<Item = u8>) -> Value {
    match (a, b, choices.next().unwrap_or(0) % 4) {
        (a, _, 0) => a.clone(),
        (Value::Object(a), Value::Object(b), _) => {
            let mut mixed = a.clone();
            for (key, b) in b {
                let value = mixed.get(key).map(|a| mix(a, b, choices));
                mixed.insert(key.clone(), value.unwrap_or_else(|| b.clone()));
            }
            mixed.retain(|_, _| !choices.next().unwrap_or(1).is_multiple_of(4));
            Value::Object(mixed)
        }
        (Value::Array(a), Value::Array(b), _) => {
            let mut mixed = a.clone();
            for (index, b) in b.iter().enumerate() {
                match (choices.next().unwrap_or(0) % 4, mixed.get_mut(index)) {
                    (0, Some(item)) => *item = mix(&item.clone(), b, choices),
                    (1, Some(_)) => mixed.insert(index, b.clone()),
                    (2, Some(_)) => drop(mixed.remove(index)),
                    (3, None) => mixed.push(b.clone()),
                    _ => {}
                }
            }
            Value::Array(mixed)
        }
        (_, b, _) => b.clone(),
    }
}

pub(crate) fn triple() -> BoxedStrategy<(Value, Value, Value)> {
    let choices = || proptest::collection::vec(any::<u8>(), 0..60);
    (value(), value(), value(), choices(), choices())
        .prop_map(|(a, b, c, one, two)| {
            let b = mix(&a, &b, &mut one.into_iter());
            let c = mix(&b, &c, &mut two.into_iter());
            (a, b, c)
        })
        .boxed()
}

/// Two values of few numbers, spelled as integers and as floats.
pub(crate) fn spellings() -> impl Strategy<Value = (Value, Value)> {
    let number = || {
        prop_oneof![
            (0..3).prop_map(Value::from),
            prop::sample::select(vec![-0.0, 0.0, 1.0, 2.0, 2.5]).prop_map(Value::from),
            Just(Value::from(1_u64 << 60)),
            Just(Value::from(2_f64.powi(60))),
        ]
    };
    let list = || prop::collection::vec(number(), 0..3).prop_map(Value::from);
    let object = || {
        let fields = prop::collection::btree_map("[ab]", prop_oneof![number(), list()], 0..3);
        fields.prop_map(|fields| fields.into_iter().collect::<Value>())
    };
    (object(), object())
}

/// The same value with integers as floats, where a float has the same digits.
pub(crate) fn with_floats(value: &Value) -> Value {
    match value {
        Value::Number(number) => match number.as_i64() {
            Some(small @ -1000..=1000) => {
                Value::from(f64::from(i32::try_from(small).unwrap_or_default()))
            }
            _ => value.clone(),
        },
        Value::Array(items) => items.iter().map(with_floats).collect(),
        Value::Object(fields) => fields
            .iter()
            .map(|(key, value)| (key.clone(), with_floats(value)))
            .collect(),
        other => other.clone(),
    }
}

//! `#[audit(serde)]`: types recorded in their serialized form.

use std::collections::BTreeMap;

use audit_core::__private::Serialized;
use audit_core::backend::MAX_DEPTH;
use audit_core::{AuditValue, ValueError, diff, snapshot, try_snapshot};
use serde::{Serialize, Serializer};
use serde_json::{Value, json};

#[derive(Serialize)]
struct Foreign {
    wide: u128,
    near: u64,
    float: f64,
    short: f32,
    shape: (Shape, Shape, Shape, Shape),
    map: BTreeMap<u64, Option<char>>,
    json: Value,
}

#[derive(Serialize)]
enum Shape {
    Unit,
    New(u8),
    Tuple(u8, u8),
    Struct { x: u8 },
}

fn foreign(float: f64) -> Foreign {
    Foreign {
        wide: u128::MAX,
        near: u64::MAX,
        float,
        short: 0.1,
        shape: (
            Shape::Unit,
            Shape::New(1),
            Shape::Tuple(1, 2),
            Shape::Struct { x: 1 },
        ),
        map: BTreeMap::from([(1, None), (u64::MAX, Some('x'))]),
        json: json!({"n": u64::MAX}),
    }
}

#[test]
fn numbers_are_exact_and_nan_is_not_null() {
    let (nan, zero) = (foreign(f64::NAN), foreign(0.0));
    assert_eq!(
        snapshot(&Serialized(&nan)),
        json!({
            "wide": "340282366920938463463374607431768211455",
            "near": "18446744073709551615",
            "float": "NaN",
            "short": 0.1,
            "shape": ["Unit", {"New": 1}, {"Tuple": [1, 2]}, {"Struct": {"x": 1}}],
            "map": {"1": null, "18446744073709551615": "x"},
            "json": {"n": 18_446_744_073_709_551_615_u64},
        })
    );
    assert!(Serialized(&nan).same(&Serialized(&foreign(f64::NAN))));
    assert!(Serialized(&zero).same(&Serialized(&foreign(-0.0))));
    assert_eq!(diff(&Serialized(&nan), &Serialized(&zero)).len(), 1);
}

#[derive(Serialize)]
struct Chain {
    next: Option<Box<Chain>>,
}

#[derive(Serialize)]
struct Link(Option<Box<Link>>);

#[test]
fn deep_nesting_is_a_typed_error() {
    let chain = (0..10_000).fold(Chain { next: None }, |chain, _| Chain {
        next: Some(Box::new(chain)),
    });
    let link = (0..10_000).fold(Link(None), |link, _| Link(Some(Box::new(link))));
    let too_deep = |error| {
        matches!(
            error,
            Err(ValueError::TooDeep {
                limit: MAX_DEPTH,
                ..
            })
        )
    };
    assert!(too_deep(try_snapshot(&Serialized(&chain))));
    assert!(too_deep(try_snapshot(&Serialized(&link))));
    assert!(!Serialized(&chain).same(&Serialized(&chain)));
    std::mem::forget((chain, link));
}

struct Refuses;

impl Serialize for Refuses {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("secret 4711"))
    }
}

#[test]
fn errors_do_not_contain_the_value() {
    let error = try_snapshot(&Serialized(&Refuses)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "serde could not serialize a field or its type"
    );
}

#[derive(Serialize)]
struct Pointers<'v> {
    bare: &'v Value,
    boxed: Box<Value>,
    optional: Option<Value>,
    list: Vec<Value>,
    map: BTreeMap<String, Value>,
    object: serde_json::Map<String, Value>,
    number: serde_json::Number,
    newtype: Newtype,
    beside: (u64, Value),
    typed: Generic<Value>,
}

#[derive(Serialize)]
struct Newtype(Value);

#[derive(Serialize)]
struct Generic<T> {
    id: u64,
    value: T,
}

#[test]
fn integers_of_a_nested_json_value_are_numbers() {
    let value = json!(u64::MAX);
    let pointers = Pointers {
        bare: &value,
        boxed: Box::new(value.clone()),
        optional: Some(value.clone()),
        list: vec![value.clone(), json!([i64::MIN])],
        map: BTreeMap::from([("n".to_owned(), value.clone())]),
        object: serde_json::Map::from_iter([("n".to_owned(), value.clone())]),
        number: u64::MAX.into(),
        newtype: Newtype(value.clone()),
        beside: (u64::MAX, value.clone()),
        typed: Generic {
            id: u64::MAX,
            value: value.clone(),
        },
    };
    let text = u64::MAX.to_string();
    let mut expected = serde_json::to_value(&pointers).unwrap();
    // An integer of a type of Rust stays a text beyond 2^53.
    expected["beside"][0] = text.clone().into();
    expected["typed"]["id"] = text.into();
    assert_eq!(snapshot(&Serialized(&pointers)), expected);
}

#[test]
fn two_spellings_of_a_number_are_not_a_change() {
    let (old, new) = (json!({"a": [1, 2.5]}), json!({"a": [1.0, 2.5]}));
    assert!(diff(&old, &new).is_empty());
    assert!(diff(&json!(u64::MAX), &json!(u64::MAX - 1)).len() == 1);
    assert!(
        diff(
            &json!(9_007_199_254_740_993_u64),
            &json!("9007199254740993")
        )
        .len()
            == 1
    );
}

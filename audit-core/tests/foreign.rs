//! `#[audit(serde)]`: foreign types, as serde writes them.

use std::collections::BTreeMap;

use audit_core::__private::Serialized;
use audit_core::{AuditValue, MAX_DEPTH, ValueError, diff, snapshot, try_snapshot};
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
fn numbers_are_exact_and_nan_is_no_null() {
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
            "json": {"n": "18446744073709551615"},
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
fn what_nests_too_deep_is_a_typed_error() {
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
fn an_error_does_not_quote_the_value() {
    let error = try_snapshot(&Serialized(&Refuses)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "a field marked `#[audit(serde)]` could not be serialized"
    );
}

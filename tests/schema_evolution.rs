//! States of former schemas and of maps, read as types of the present.

use std::collections::BTreeMap;

use auditlog::{Auditable, testing};
use serde::{Deserialize, Serialize};
use serde_json::json;

#[derive(Auditable, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Number(i64);

#[derive(Auditable, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum Color {
    Red,
    Green,
}

#[derive(Auditable, Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Keys {
    id: u32,
    small: BTreeMap<u32, String>,
    large: BTreeMap<u64, u64>,
    huge: BTreeMap<i128, u128>,
    flags: BTreeMap<bool, u8>,
    letters: BTreeMap<char, u8>,
    numbers: BTreeMap<Number, Option<Number>>,
    colors: BTreeMap<Color, Color>,
    inside: BTreeMap<u8, BTreeMap<bool, Vec<Color>>>,
}

#[test]
fn keys_are_read_as_what_they_are() {
    let keys = Keys {
        id: 1,
        small: BTreeMap::from([(7, "7".into()), (0, String::new())]),
        large: BTreeMap::from([(u64::MAX, u64::MAX), (1, 1)]),
        huge: BTreeMap::from([(i128::MIN, u128::MAX), (-1, 0)]),
        flags: BTreeMap::from([(true, 1), (false, 0)]),
        letters: BTreeMap::from([('\u{e9}', 1), ('1', 2)]),
        numbers: BTreeMap::from([(Number(-3), Some(Number(i64::MIN))), (Number(3), None)]),
        colors: BTreeMap::from([(Color::Red, Color::Green), (Color::Green, Color::Red)]),
        inside: BTreeMap::from([(9, BTreeMap::from([(true, vec![Color::Red])]))]),
    };
    let _audit = testing::capture();
    auditlog::register::<Keys>();
    auditlog::created(&keys).record().expect("recorded");
    let latest = auditlog::history::<Keys>(1).expect("readable").latest();
    assert_eq!(latest.typed::<Keys>().expect("typed"), Some(keys));

    // A key that is no number stays an error that tells so.
    let mut wrong = latest.clone();
    wrong.state["small"] = json!({"seven": "7"});
    let error = wrong.typed::<Keys>().expect_err("no number").to_string();
    assert!(error.contains("expected u32"), "{error}");
}

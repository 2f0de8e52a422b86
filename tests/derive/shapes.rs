//! Structs of every shape: newtypes, tuples, unit, empty, generic and recursive ones.

use std::collections::BTreeMap;

use auditlog::{Auditable, diff, snapshot};
use serde_json::json;

use crate::lines;

/// A type that cannot be audited.
struct Opaque;

#[derive(Debug)]
struct Foreign;

#[derive(Auditable)]
struct Item {
    sku: String,
    qty: u32,
}

#[derive(Auditable)]
struct Newtype(u32);

#[derive(Auditable)]
struct Secret(#[audit(mask)] String);

#[derive(Auditable)]
#[audit(transparent)]
struct Wrapped {
    inner: Item,
    #[audit(skip)]
    _rest: Opaque,
}

#[derive(Auditable)]
struct Point(u8, #[audit(skip)] Opaque, u8);

#[derive(Auditable)]
struct Nothing;

#[derive(Auditable)]
struct Empty {}

#[derive(Auditable)]
enum Never {}

#[derive(Auditable)]
struct Holder {
    newtype: Newtype,
    secret: Secret,
    wrapped: Wrapped,
    point: Point,
    nothing: Nothing,
    empty: Empty,
    never: Option<Never>,
}

fn holder(number: u8) -> Holder {
    Holder {
        newtype: Newtype(number.into()),
        secret: Secret(number.to_string()),
        wrapped: Wrapped {
            inner: Item {
                sku: "a".into(),
                qty: number.into(),
            },
            _rest: Opaque,
        },
        point: Point(0, Opaque, number),
        nothing: Nothing,
        empty: Empty {},
        never: None,
    }
}

#[test]
fn every_shape_of_struct_works() {
    assert_eq!(
        snapshot(&holder(1)),
        json!({
            "newtype": 1, "secret": "***", "wrapped": {"sku": "a", "qty": 1},
            "point": [0, null, 1], "nothing": null, "empty": {}, "never": null,
        })
    );
    assert_eq!(
        lines(&diff(&holder(1), &holder(2))),
        [
            "newtype: 1 -> 2",
            r#"secret: "***" -> "***""#,
            "wrapped.qty: 1 -> 2",
            "point[2]: 1 -> 2",
        ]
    );
}

#[derive(Auditable)]
struct Generic<'a, T, U, const N: usize>
where
    T: Ord,
{
    id: u8,
    text: &'a str,
    list: Vec<T>,
    array: [u8; N],
    #[audit(skip)]
    _foreign: std::marker::PhantomData<U>,
    marker: std::marker::PhantomData<U>,
    #[audit(debug)]
    shown: U,
}

#[test]
fn generic_types_need_only_what_their_fields_need() {
    let make = |text| Generic {
        id: 1,
        text,
        list: vec![1_u8],
        array: [0; 2],
        _foreign: std::marker::PhantomData,
        marker: std::marker::PhantomData,
        shown: Foreign,
    };
    assert_eq!(
        lines(&diff(&make("a"), &make("b"))),
        [r#"text: "a" -> "b""#]
    );
    assert_eq!(make("a").object_pk(), "1");
    assert_eq!(Generic::<u8, Foreign, 2>::schema().name(), "Generic");
}

#[derive(Auditable, Clone)]
struct Tree {
    name: String,
    children: Vec<Tree>,
    parent: Option<Box<Tree>>,
    by_name: BTreeMap<String, Tree>,
}

#[test]
fn a_type_may_hold_itself() {
    let leaf = Tree {
        name: "l".into(),
        children: vec![],
        parent: None,
        by_name: BTreeMap::new(),
    };
    let root = Tree {
        children: vec![leaf.clone()],
        ..leaf
    };
    let mut new = root.clone();
    new.children[0].name = "m".into();
    assert_eq!(
        lines(&diff(&root, &new)),
        [r#"children[0].name: "l" -> "m""#]
    );
}

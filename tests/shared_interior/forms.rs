//! Types whose capture shows its parts in an object, in an array, or in no place of their own.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;

use auditlog::AuditValue;
use auditlog::prelude::*;
use serde_json::json;

use crate::content::{log, told};

#[derive(Auditable, Clone, Debug)]
#[audit(model = "Holder")]
struct Own<T> {
    id: u32,
    field: T,
}

#[derive(Auditable, Clone, Debug)]
#[audit(model = "Holder")]
struct Sharing<T> {
    id: u32,
    field: Rc<RefCell<T>>,
}

/// Asserts that each change from one of the values to another makes the entry of a value of
/// the object's own.
fn are_told_alike<T: AuditValue + Clone + fmt::Debug + 'static>(values: &[T]) {
    let (own_log, shared_log) = (log(), log());
    own_log.register::<Own<T>>();
    shared_log.register::<Sharing<T>>();
    for old in values {
        for new in values {
            let mut own = Own {
                id: 1,
                field: old.clone(),
            };
            let mut shared = Sharing {
                id: 1,
                field: Rc::new(RefCell::new(old.clone())),
            };
            let ordinary = own_log.update(&mut own, |own| own.field = new.clone());
            let through_a_cell = shared_log.update(&mut shared, |shared| {
                *shared.field.borrow_mut() = new.clone();
            });
            let (ordinary, through_a_cell) = (
                ordinary.into_entry().unwrap(),
                through_a_cell.into_entry().unwrap(),
            );
            assert_eq!(
                told(through_a_cell.as_ref()),
                told(ordinary.as_ref()),
                "{old:?} to {new:?}"
            );
        }
    }
}

fn hold_everywhere<T: AuditValue + Clone + fmt::Debug + 'static>(values: &[T]) {
    let each = || values.iter().cloned();
    are_told_alike(values);
    let none = std::iter::once(None);
    are_told_alike(&none.chain(each().map(Some)).collect::<Vec<_>>());
    let pairs = each().zip(each().cycle().skip(1));
    let mut pairs: Vec<(T, T)> = pairs.collect();
    pairs.extend(each().map(|a| (a.clone(), a)));
    are_told_alike(&pairs);
    let lists = pairs.iter().cloned().map(|(a, b)| vec![a, b]);
    let lists = lists.chain(each().map(|a| vec![a]));
    are_told_alike(&lists.chain([vec![]]).collect::<Vec<_>>());
    let maps = pairs
        .into_iter()
        .map(|(a, b)| BTreeMap::from([(1, a), (2, b)]));
    let maps = maps.chain(each().map(|a| BTreeMap::from([(2, a)])));
    are_told_alike(&maps.collect::<Vec<_>>());
}

#[derive(Auditable, Clone, Debug)]
struct One {
    a: u8,
}

#[derive(Auditable, Clone, Debug)]
struct Masked {
    #[audit(mask)]
    a: u8,
}

#[derive(Auditable, Clone, Debug)]
struct New(#[audit(hash)] u8);

#[derive(Auditable, Clone, Debug)]
struct Nothing {}

#[derive(Auditable, Clone, Debug)]
struct Gaps(
    #[audit(skip)]
    #[expect(dead_code, reason = "it is never recorded")]
    u8,
    u8,
    #[audit(mask)] u8,
    #[audit(skip)]
    #[expect(dead_code, reason = "it is never recorded")]
    u8,
);

macro_rules! enums {
    ($($(#[$attribute:meta])* $name:ident;)*) => {$(
        #[derive(Auditable, Clone, Debug, serde::Serialize)]
        $(#[$attribute])*
        enum $name {
            #[serde(rename = "a")]
            Same { a: u8 },
            Hidden {
                #[audit(mask)]
                b: u8,
            },
            One(Inner),
            Other(Inner),
            Unit,
        }

        impl $name {
            fn each() -> Vec<Self> {
                vec![
                    Self::Same { a: 1 },
                    Self::Same { a: 2 },
                    Self::Hidden { b: 1 },
                    Self::Hidden { b: 2 },
                    Self::One(Inner { a: 1, b: 1 }),
                    Self::One(Inner { a: 1, b: 2 }),
                    Self::Other(Inner { a: 1, b: 2 }),
                    Self::Unit,
                ]
            }
        }
    )*};
}

#[derive(Auditable, Clone, Debug, serde::Serialize)]
struct Inner {
    a: u8,
    #[audit(hash)]
    b: u8,
}

enums! {
    External;
    #[serde(tag = "t")]
    Internal;
    #[serde(tag = "t", content = "c")]
    Adjacent;
    #[serde(untagged)]
    Untagged;
}

#[derive(Auditable, Clone, Debug, serde::Serialize)]
struct Flat<T> {
    w: u8,
    #[serde(flatten)]
    rest: T,
}

fn flat<T>(rest: T) -> Flat<T> {
    Flat { w: 1, rest }
}

#[test]
fn structs() {
    hold_everywhere(&[One { a: 1 }, One { a: 2 }, One { a: 3 }]);
    hold_everywhere(&[Masked { a: 1 }, Masked { a: 2 }]);
    hold_everywhere(&[New(1), New(2)]);
    hold_everywhere(&[Nothing {}]);
    hold_everywhere(&[Gaps(1, 2, 3, 4), Gaps(1, 5, 3, 4), Gaps(1, 2, 6, 5)]);
}

#[test]
fn externally_tagged_variants() {
    hold_everywhere(&External::each());
}

#[test]
fn internally_tagged_variants() {
    hold_everywhere(&Internal::each());
}

#[test]
fn adjacently_tagged_variants() {
    hold_everywhere(&Adjacent::each());
}

#[test]
fn untagged_variants() {
    hold_everywhere(&Untagged::each());
}

#[test]
fn numbers_of_json() {
    hold_everywhere(&[
        json!(1.0),
        json!(1),
        json!("1"),
        json!({"a": 1.50}),
        json!([1, 2.5]),
    ]);
}

#[cfg(feature = "rust_decimal")]
#[test]
fn decimals() {
    use rust_decimal::Decimal;

    #[derive(Auditable, Clone, Debug)]
    struct Price {
        amount: Decimal,
        count: u8,
    }

    #[derive(Auditable, Clone, Debug)]
    struct Prices(#[audit(key = "amount")] Vec<Price>);

    let decimals = ["1.50", "1.5", "2.0", "2"].map(|text| text.parse::<Decimal>().unwrap());
    hold_everywhere(&decimals);
    let prices = |first: usize, second: usize, count| {
        let price = |at: usize| Price {
            amount: decimals[at],
            count,
        };
        Prices(vec![price(first), price(second)])
    };
    hold_everywhere(&[
        prices(0, 2, 1),
        prices(1, 3, 1),
        prices(3, 1, 1),
        prices(3, 1, 2),
    ]);
    let sets = decimals.map(|one| std::collections::BTreeSet::from([one, Decimal::TEN]));
    hold_everywhere(&sets);
}

#[test]
fn flattened_values() {
    let inner = |a, b| Inner { a, b };
    are_told_alike(&[None, Some(inner(1, 1)), Some(inner(1, 2))].map(flat));
    let map = |key: &str| BTreeMap::from([(key.to_owned(), inner(1, 1))]);
    are_told_alike(&[BTreeMap::new(), map("k"), map("l")].map(flat));
    let each: Vec<_> = Internal::each().into_iter().map(flat).collect();
    are_told_alike(&each);
    let each: Vec<_> = Adjacent::each().into_iter().map(flat).collect();
    are_told_alike(&each);
    let each = External::each().into_iter();
    let each = each.filter(|one| !matches!(one, External::Unit));
    are_told_alike(&each.map(flat).collect::<Vec<_>>());
}

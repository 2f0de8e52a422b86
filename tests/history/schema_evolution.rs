//! States of former schemas and of maps, read as types of the present.

use std::collections::BTreeMap;

use auditlog::{AuditLog, Auditable, SnapshotPolicy, snapshot, testing};
use proptest::collection::btree_map;
use proptest::prelude::*;
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

    // A key that is not a number stays an error that tells so.
    let mut wrong = latest.clone();
    wrong.state["small"] = json!({"seven": "7"});
    let error = wrong.typed::<Keys>().expect_err("no number").to_string();
    assert!(error.contains("expected u32"), "{error}");
}

/// Every kind of map, as they were first and as they are: the field of a price has another name.
macro_rules! shops {
    ($($module:ident: $($alias:literal =>)? $amount:ident;)*) => {$(
        mod $module {
            use super::*;

            #[derive(Auditable, Clone, Debug, PartialEq, Serialize, Deserialize)]
            pub(super) struct Price {
                $(#[audit(alias = $alias)])?
                pub(super) $amount: u32,
            }

            #[derive(Auditable, Clone, Debug, PartialEq, Serialize, Deserialize)]
            pub(super) struct Table(pub(super) BTreeMap<String, Price>);

            #[derive(Auditable, Clone, Debug, PartialEq, Serialize, Deserialize)]
            #[audit(model = "Shop")]
            pub(super) struct Shop {
                pub(super) id: u32,
                pub(super) prices: BTreeMap<String, Price>,
                pub(super) nested: BTreeMap<String, BTreeMap<String, Price>>,
                pub(super) listed: Vec<BTreeMap<String, Price>>,
                pub(super) lists: BTreeMap<String, Vec<Price>>,
                pub(super) maybe: Option<Box<BTreeMap<String, Option<Price>>>>,
                pub(super) table: Table,
                #[audit(flatten)]
                #[serde(flatten)]
                pub(super) others: BTreeMap<String, Price>,
            }

            impl From<&Shelf> for Shop {
                fn from(shelf: &Shelf) -> Self {
                    let map: BTreeMap<String, Price> = shelf
                        .iter()
                        .map(|(key, amount)| (key.clone(), Price { $amount: *amount }))
                        .collect();
                    Self {
                        id: 1,
                        prices: map.clone(),
                        nested: shelf.keys().map(|key| (key.clone(), map.clone())).collect(),
                        listed: vec![map.clone(); 2],
                        lists: BTreeMap::from([("value".into(), map.values().cloned().collect())]),
                        maybe: (!map.is_empty()).then(|| {
                            let map = map.iter().map(|(key, price)| (key.clone(), Some(price.clone())));
                            Box::new(map.collect())
                        }),
                        table: Table(map.clone()),
                        others: map,
                    }
                }
            }
        }
    )*};
}

type Shelf = BTreeMap<String, u32>;

shops! {
    former: value;
    present: "value" => amount;
}

fn shelf(items: &[(&str, u32)]) -> Shelf {
    let items = items
        .iter()
        .map(|(key, amount)| ((*key).to_owned(), *amount));
    items.collect()
}

/// Records what became of a shop.
fn record<S: Auditable + Clone + 'static>(
    log: &AuditLog,
    shelves: &[Shelf],
    policy: SnapshotPolicy,
    shop: fn(&Shelf) -> S,
) {
    log.register_with::<S>(|shop| shop.snapshot(policy))
        .expect("options");
    let mut before = shop(&shelves[0]);
    log.created(&before).record().expect("recorded");
    for shelf in &shelves[1..] {
        let after = shop(shelf);
        log.updated(&before, &after).record().expect("recorded");
        before = after;
    }
}

fn keys() -> impl Strategy<Value = Shelf> {
    let key = prop::sample::select(vec!["value", "amount", "milk", "price", "a.b", "0", ""]);
    btree_map(key.prop_map(str::to_owned), 0_u32..3, 0..5)
}

proptest! {
    #[test]
    fn a_state_is_the_snapshot(shelves in prop::collection::vec(keys(), 1..5), whole: bool) {
        let policy = if whole { SnapshotPolicy::Always } else { SnapshotPolicy::Never };
        let last = present::Shop::from(&shelves[shelves.len() - 1]);
        // As it was recorded under the former names, and under the present ones.
        for former in [true, false] {
            let audit = testing::capture();
            let log = audit.log();
            if former {
                record(log, &shelves, policy, |shelf| former::Shop::from(shelf));
                log.unregister::<former::Shop>();
            } else {
                record(log, &shelves, policy, |shelf| present::Shop::from(shelf));
            }
            let latest = log.history::<present::Shop>(1).expect("readable").latest();
            prop_assert!(latest.complete);
            prop_assert_eq!(&latest.state, &snapshot(&last));
            prop_assert_eq!(latest.typed::<present::Shop>().expect("typed"), Some(last.clone()));
        }
    }
}

#[test]
fn keys_of_maps_are_no_fields() {
    let audit = testing::capture();
    let log = audit.log();
    let shelves = [
        shelf(&[("value", 1), ("amount", 2)]),
        shelf(&[("value", 9), ("amount", 2)]),
    ];
    record(log, &shelves, SnapshotPolicy::Never, |shelf| {
        former::Shop::from(shelf)
    });
    log.unregister::<former::Shop>();
    let history = log.history::<present::Shop>(1).expect("readable");
    let paths: Vec<String> = history.entries()[1]
        .changes
        .iter()
        .map(|change| change.path.to_string())
        .collect();
    for path in [
        "prices.value.amount",
        "nested.amount.value.amount",
        "listed[0].value.amount",
        "table.value.amount",
        "value.amount",
    ] {
        assert!(
            paths.iter().any(|known| known == path),
            "{path} in {paths:?}"
        );
    }
}

#[test]
fn an_upcaster_leaves_the_keys_of_maps() {
    #[derive(Auditable, Clone, Debug, PartialEq, Deserialize)]
    struct Amount {
        amount: u32,
    }
    #[derive(Auditable, Clone, Debug, PartialEq, Deserialize)]
    #[audit(model = "Shop", version = 2)]
    struct Shop {
        id: u32,
        prices: BTreeMap<String, Amount>,
        nested: BTreeMap<String, BTreeMap<String, Amount>>,
    }
    for policy in [SnapshotPolicy::Always, SnapshotPolicy::Never] {
        let audit = testing::capture();
        let log = audit.log();
        let shelves = [
            shelf(&[("value", 1), ("milk", 2)]),
            shelf(&[("value", 1), ("milk", 3), ("amount", 4)]),
            shelf(&[("value", 5), ("amount", 4)]),
        ];
        record(log, &shelves, policy, |shelf| former::Shop::from(shelf));
        log.unregister::<former::Shop>();
        log.register_with::<Shop>(|shop| {
            shop.upcast(1, |older| {
                for gone in [
                    "listed", "lists", "maybe", "table", "value", "milk", "amount",
                ] {
                    older.remove(gone);
                }
                older.rename("prices.value", "amount");
                older.rename("nested.value", "amount");
                older.convert("prices.amount", |amount| {
                    amount
                        .as_u64()
                        .map_or(amount, |amount| (amount * 10).into())
                });
            })
        })
        .expect("options");
        let latest = log.history::<Shop>(1).expect("readable").latest();
        let inner = json!({ "value": { "amount": 5 }, "amount": { "amount": 4 } });
        assert_eq!(
            latest.state,
            json!({
                "id": 1,
                "prices": { "value": { "amount": 50 }, "amount": { "amount": 40 } },
                "nested": { "value": inner, "amount": inner },
            })
        );
        assert!(latest.complete);
        assert!(latest.typed::<Shop>().expect("typed").is_some());
    }
}

#[test]
fn a_present_name_is_not_overwritten() {
    #[derive(Auditable, Clone)]
    #[audit(model = "Price")]
    struct Former {
        id: u32,
        value: u32,
        amount: u32,
    }
    #[derive(Auditable, Clone)]
    #[audit(version = 2)]
    struct Price {
        id: u32,
        #[audit(alias = "value")]
        amount: u32,
    }
    for policy in [SnapshotPolicy::Always, SnapshotPolicy::Never] {
        let audit = testing::capture();
        let log = audit.log();
        log.register_with::<Former>(|price| price.snapshot(policy))
            .expect("options");
        let price = Former {
            id: 1,
            value: 1,
            amount: 2,
        };
        log.created(&price).record().expect("recorded");
        log.unregister::<Former>();
        let state = json!({ "id": 1, "value": 1, "amount": 2 });
        let latest = || log.history::<Price>(1).expect("readable").latest().state;
        assert_eq!(latest(), state);
        log.register_with::<Price>(|price| {
            price.upcast(1, |older| older.rename("value", "amount"))
        })
        .expect("options");
        assert_eq!(latest(), state);
    }
}

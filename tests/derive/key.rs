//! Lists matched by a key: under its stored name, and by position where the key is hidden.

use auditlog::prelude::*;
use auditlog::{Changes, Sensitive};
use serde_json::json;

/// What the keys of these tests have in them.
const SECRET: &str = "4111111111111111";

fn first_digit(text: &str) -> String {
    text.chars().take(1).collect()
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the derive passes a reference"
)]
fn tenfold(number: &u32) -> u32 {
    number * 10
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// A list of cards by number; the number has these attributes.
macro_rules! wallets {
    ($($module:ident [$($container:tt)*] [$($field:tt)*] $type:ty, $key:expr;)*) => {
        $(mod $module {
            #[allow(unused_imports, reason = "some keys need them")]
            use super::*;

            #[derive(Auditable, Clone, Serialize)]
            $($container)*
            struct Card {
                limit: u32,
                $($field)*
                card_no: $type,
            }

            #[derive(Auditable, Clone, Serialize)]
            struct Wallet {
                id: u32,
                #[audit(key = "card_no")]
                cards: Vec<Card>,
            }

            #[test]
            fn a_hidden_key_shows_nowhere() {
                let card = |number: &str| {
                    let key: fn(&str) -> $type = $key;
                    Card { limit: 1, card_no: key(number) }
                };
                let log = AuditLog::builder().hash_key(1, [7; 32]).build();
                log.register_with::<Wallet>(|o| o.snapshot(Always)).unwrap();
                let mut wallet = Wallet { id: 1, cards: vec![card(SECRET), card("2")] };
                log.created(&wallet).record().unwrap();
                log.update(&mut wallet, |wallet| wallet.cards[0].limit = 5).record().unwrap();
                log.update(&mut wallet, |wallet| wallet.cards.reverse()).record().unwrap();
                log.update(&mut wallet, |wallet| wallet.cards.truncate(1)).record().unwrap();
                log.update(&mut wallet, |wallet| wallet.cards.clear()).record().unwrap();
                let entries = log.query().all().unwrap();
                assert_eq!(entries.len(), 5);
                for entry in entries {
                    let line = serde_json::to_string(&entry).unwrap();
                    assert!(!line.contains(SECRET), "{line}");
                    assert!(!entry.to_string().contains(SECRET));
                }
            }
        })*
    };
}

fn text(number: &str) -> String {
    number.to_owned()
}

wallets! {
    masked [] [#[audit(mask)]] String, text;
    masked_renamed [] [#[audit(rename = "no", mask = "last4")]] String, text;
    masked_by_function [] [#[audit(rename = "no", mask_with = first_digit)]] String, text;
    hashed [] [#[audit(rename = "no", hash)]] String, text;
    skipped [] [#[audit(rename = "no", skip)]] String, text;
    skipped_by_serde [] [#[audit(rename = "no")] #[serde(skip)]] String, text;
    renamed_by_serde [] [#[serde(rename = "no")] #[audit(mask)]] String, text;
    by_case [#[serde(rename_all = "camelCase")]] [#[audit(mask)]] String, text;
    by_own_case [#[audit(rename_all = "camelCase")]] [#[audit(mask)]] String, text;
    hidden_by_its_type [] [#[serde(skip)] #[audit(skip = false)]] Sensitive<String>, |no| no.to_owned().into();
    optional [] [#[audit(mask)]] Option<String>, |no| Some(no.to_owned());
}

#[derive(Auditable, Clone, Serialize)]
#[audit(model = "Card")]
struct Registered {
    id: u32,
    #[serde(rename = "no")]
    card_no: String,
}

#[derive(Auditable, Clone, Serialize)]
struct Holder {
    id: u32,
    #[audit(key = "card_no")]
    cards: Vec<Registered>,
}

#[test]
fn a_key_that_is_masked_at_run_time_shows_nowhere() {
    let card = |id, number: &str| Registered {
        id,
        card_no: number.into(),
    };
    let masked: [fn(&AuditLog); 3] = [
        |log| {
            log.register::<Holder>();
            log.register_with::<Registered>(|o| o.mask("no")).unwrap();
        },
        |log| {
            log.register::<Holder>();
            log.register_with::<Registered>(|o| o.exclude("no"))
                .unwrap();
        },
        |log| {
            log.register_with::<Holder>(|o| o.mask("cards.no")).unwrap();
        },
    ];
    for register in masked {
        let log = AuditLog::builder().build();
        register(&log);
        let mut holder = Holder {
            id: 1,
            cards: vec![card(1, SECRET), card(2, "2"), card(3, "3")],
        };
        log.created(&holder).record().unwrap();
        log.update(&mut holder, |holder| holder.cards[0].id = 5)
            .record()
            .unwrap();
        log.update(&mut holder, |holder| holder.cards.rotate_left(1))
            .record()
            .unwrap();
        log.update(&mut holder, |holder| {
            holder.cards.remove(2);
        })
        .record()
        .unwrap();
        for entry in log.query().all().unwrap() {
            let line = serde_json::to_string(&entry).unwrap();
            assert!(!line.contains(SECRET), "{line}");
        }
    }
}

#[derive(Auditable, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct Item {
    item_no: u32,
    qty: u32,
}

#[derive(Auditable, Clone, Serialize)]
struct Cart {
    id: u32,
    #[audit(key = "item_no")]
    items: Vec<Item>,
}

fn cart(items: &[(u32, u32)]) -> Cart {
    let items = items.iter().map(|&(item_no, qty)| Item { item_no, qty });
    Cart {
        id: 1,
        items: items.collect(),
    }
}

fn quantity_of_the_first() -> Changes {
    auditlog::diff(&cart(&[(5, 1), (6, 1)]), &cart(&[(5, 2), (6, 1)]))
}

#[test]
fn paths_have_the_stored_name_of_the_key() {
    let changes = quantity_of_the_first();
    assert!(changes.contains("items[itemNo=5].qty"), "{changes}");
}

#[test]
fn a_change_reaches_its_item_at_any_index() {
    let mut state = auditlog::snapshot(&cart(&[(6, 1), (5, 1)]));
    quantity_of_the_first().apply(&mut state).unwrap();
    assert_eq!(state, auditlog::snapshot(&cart(&[(6, 1), (5, 2)])));
}

#[test]
fn a_missing_item_is_a_conflict() {
    let state = auditlog::snapshot(&cart(&[(6, 1)]));
    assert_eq!(quantity_of_the_first().conflicts(&state).len(), 1);
}

#[test]
fn undo_reaches_its_item_at_any_index() {
    let log = AuditLog::builder().build();
    log.register::<Cart>();
    let mut object = cart(&[(5, 1), (6, 1)]);
    log.created(&object).record().unwrap();
    log.update(&mut object, |cart| cart.items[0].qty = 2)
        .record()
        .unwrap();
    let changed = log.query().all().unwrap()[1].id;
    log.update(&mut object, |cart| {
        cart.items.insert(0, Item { item_no: 4, qty: 9 });
    })
    .record()
    .unwrap();
    let history = log.history::<Cart>(1).unwrap();
    let undo = history.undo(changed).expect("an entry of this history");
    assert!(undo.conflicts.is_empty(), "{:?}", undo.conflicts);
    let mut state = auditlog::snapshot(&object);
    undo.changes.apply(&mut state).unwrap();
    assert_eq!(state, auditlog::snapshot(&cart(&[(4, 9), (5, 1), (6, 1)])));
}

/// Items whose key is stored as another value than the program has, or not always.
macro_rules! stored_otherwise {
    ($($name:ident [$($field:tt)*] $type:ty, $key:expr;)*) => {
        $(#[test]
        fn $name() {
            #[derive(Auditable, Clone, Serialize)]
            struct Part {
                $($field)*
                no: $type,
                qty: u32,
            }
            #[derive(Auditable, Clone, Serialize)]
            struct Parts {
                id: u32,
                #[audit(key = "no")]
                parts: Vec<Part>,
            }
            let parts = |parts: &[(u32, u32)]| Parts {
                id: 1,
                parts: parts
                    .iter()
                    .map(|&(no, qty)| {
                        let key: fn(u32) -> $type = $key;
                        Part { no: key(no), qty }
                    })
                    .collect(),
            };
            let lists: [&[(u32, u32)]; 5] = [
                &[(5, 1), (6, 1)],
                &[(6, 2), (7, 1)],
                &[(0, 1), (5, 1), (6, 1)],
                &[(6, 1), (5, 3), (0, 2)],
                &[],
            ];
            for old in lists {
                for new in lists {
                    let (old, new) = (parts(old), parts(new));
                    let mut state = auditlog::snapshot(&old);
                    let changes = auditlog::diff(&old, &new);
                    changes.apply(&mut state).unwrap();
                    assert_eq!(state, auditlog::snapshot(&new), "{changes}");
                    changes.invert().apply(&mut state).unwrap();
                    assert_eq!(state, auditlog::snapshot(&old), "{changes}");
                }
            }
        })*
    };
}

stored_otherwise! {
    converted [#[audit(with = tenfold)]] u32, |no| no;
    left_out_by_a_predicate [#[serde(skip_serializing_if = "is_zero")]] u32, |no| no;
    left_out_where_there_is_none [#[audit(skip_none)]] Option<u32>, |no| Some(no).filter(|no| *no > 0);
    null_where_there_is_none [] Option<u32>, |no| Some(no).filter(|no| *no > 0);
    in_a_pointer [#[audit(rename = "number")]] Box<u32>, Box::new;
    as_it_is [] u32, |no| no;
}

#[test]
fn a_change_that_names_an_item_without_the_key_finds_it_by_position() {
    #[derive(Auditable, Clone)]
    struct Part {
        #[audit(skip_none)]
        no: Option<u32>,
        qty: u32,
    }
    #[derive(Auditable, Clone)]
    struct Parts {
        id: u32,
        #[audit(key = "no")]
        parts: Vec<Part>,
    }
    let parts = |qty| Parts {
        id: 1,
        parts: vec![
            Part { no: None, qty },
            Part {
                no: Some(1),
                qty: 1,
            },
        ],
    };
    let changes = auditlog::diff(&parts(1), &parts(2));
    assert_eq!(
        serde_json::to_value(&changes).unwrap(),
        json!({"parts[0].qty": {"old": 1, "new": 2}})
    );
}

#[test]
fn tuples_are_matched_by_a_position() {
    #[derive(Auditable, Clone)]
    struct Prices {
        id: u32,
        #[audit(key = "0")]
        prices: Vec<(String, u32)>,
    }
    let prices = |prices: &[(&str, u32)]| Prices {
        id: 1,
        prices: prices
            .iter()
            .map(|(name, price)| ((*name).to_owned(), *price))
            .collect(),
    };
    let changes = auditlog::diff(
        &prices(&[("a", 1), ("b", 1)]),
        &prices(&[("a", 2), ("b", 1)]),
    );
    let mut state = auditlog::snapshot(&prices(&[("b", 1), ("a", 1)]));
    changes.apply(&mut state).unwrap();
    assert_eq!(state, auditlog::snapshot(&prices(&[("b", 1), ("a", 2)])));
}

/// Keys that are decimals: 10.50 and 10.5 are one key.
#[cfg(feature = "rust_decimal")]
mod decimals {
    use auditlog::testing;
    use rust_decimal::Decimal;

    use super::*;

    #[derive(Auditable, Clone)]
    struct Rate {
        limit: Decimal,
        fee: u32,
    }

    #[derive(Auditable, Clone)]
    struct Tariff {
        id: u32,
        #[audit(key = "limit")]
        rates: Vec<Rate>,
        note: u32,
    }

    fn tariff(rates: &[(&str, u32)]) -> Tariff {
        let rate = |(limit, fee): &(&str, u32)| Rate {
            limit: limit.parse().expect("a decimal"),
            fee: *fee,
        };
        Tariff {
            id: 1,
            rates: rates.iter().map(rate).collect(),
            note: 0,
        }
    }

    #[test]
    fn an_item_whose_key_has_another_scale_is_the_same() {
        let old = tariff(&[("10.50", 1), ("7", 2), ("3.0", 3)]);
        let same = tariff(&[("10.5", 1), ("7.00", 2), ("3", 3)]);
        assert_eq!(auditlog::diff(&old, &same), Changes::new());
        let moved = tariff(&[("3", 3), ("10.5", 4), ("8", 5)]);
        let changes = auditlog::diff(&old, &moved);
        let paths: Vec<_> = changes.paths().map(ToString::to_string).collect();
        assert_eq!(
            paths,
            [
                "rates",
                "rates[limit='10.50'].fee",
                "rates[limit='7']",
                "rates[limit='8']"
            ]
        );
        // To a state in either scale.
        for state in [&old, &same] {
            let mut state = auditlog::snapshot(state);
            changes.apply(&mut state).expect("applied");
            let fees: Vec<_> = (0..3)
                .map(|index| state["rates"][index]["fee"].clone())
                .collect();
            assert_eq!(fees, [json!(3), json!(4), json!(5)]);
            changes.invert().apply(&mut state).expect("undone");
        }
        let list = tariff(&[("1.0", 1), ("1.00", 2)]);
        let next = tariff(&[("1.0", 2), ("1.00", 2)]);
        // Two items with one key: compared by position.
        assert_eq!(
            auditlog::diff(&list, &next).paths().next().expect("a path"),
            "rates[0].fee"
        );
    }

    #[test]
    fn a_history_goes_on_where_the_scale_of_a_key_changed() {
        let audit = testing::capture();
        auditlog::register::<Tariff>();
        let first = tariff(&[("10.50", 1), ("7", 2)]);
        auditlog::created(&first).record().expect("recorded");
        // The database gives the decimal back in another scale.
        let mut second = tariff(&[("10.5", 1), ("7", 2)]);
        let draft = auditlog::update(&mut second, |tariff| tariff.rates[0].fee = 9);
        draft.record().expect("recorded");
        let mut third = tariff(&[("10.500", 9), ("7", 2)]);
        let draft = auditlog::update(&mut third, |tariff| tariff.rates.swap(0, 1));
        draft.record().expect("recorded");
        let mut fourth = tariff(&[("7.0", 2), ("10.5000", 9)]);
        let draft = auditlog::update(&mut fourth, |tariff| tariff.rates.truncate(1));
        draft.record().expect("recorded");
        let history = auditlog::history::<Tariff>(1).expect("a history");
        assert!(history.breaks().is_empty(), "{:?}", history.breaks());
        assert!(history.latest().complete);
        let fees = |version| -> Vec<serde_json::Value> {
            let state = history.at_version(version).expect("a version").state;
            let rates = state["rates"].as_array().expect("a list");
            rates.iter().map(|rate| rate["fee"].clone()).collect()
        };
        assert_eq!(fees(2), [9, 2]);
        assert_eq!(fees(3), [2, 9]);
        assert_eq!(fees(4), [2]);
        let changes = history.diff(1, 3).expect("two versions");
        let paths: Vec<_> = changes.paths().map(ToString::to_string).collect();
        assert!(
            paths.iter().any(|path| path.ends_with("].fee")),
            "{paths:?}"
        );
        assert_eq!(audit.entries().len(), 4);
    }
}

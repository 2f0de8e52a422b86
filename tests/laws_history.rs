//! The laws of histories, for generated lives of an object: what was recorded is complete and is
//! told as the entries tell it, and what changed without an entry is found.
//!
//! `PROPTEST_CASES` sets the number of cases.

use std::collections::{BTreeMap, BTreeSet};

use auditlog::prelude::*;
use auditlog::{Changes, History, ObjectRef, testing};
use proptest::collection::{btree_map, btree_set, vec};
use proptest::prelude::*;
use serde_json::Value;

#[derive(Auditable, Clone, Debug)]
struct Cart {
    id: u32,
    name: String,
    #[audit(key = "sku")]
    items: Vec<Item>,
    tags: BTreeSet<String>,
    #[audit(set)]
    codes: Vec<u8>,
    prices: BTreeMap<String, u8>,
    notes: Vec<u8>,
    #[audit(whole)]
    size: Size,
    kind: Kind,
    card: Option<Size>,
    #[audit(flatten)]
    more: BTreeMap<String, u8>,
    /// Keyed lists below a position.
    groups: Vec<Group>,
}

#[derive(Auditable, Clone, Debug)]
struct Group {
    #[audit(key = "name")]
    parts: Vec<Part>,
}

#[derive(Auditable, Clone, Debug)]
struct Item {
    sku: String,
    price: u8,
    #[audit(key = "name")]
    parts: Vec<Part>,
}

#[derive(Auditable, Clone, Debug)]
struct Part {
    name: String,
    count: u8,
}

#[derive(Auditable, Clone, Debug)]
struct Size {
    width: u8,
    height: u8,
}

#[derive(Auditable, Clone, Debug)]
enum Kind {
    Plain,
    Boxed { size: Size },
    Heavy(u8),
}

fn word() -> impl Strategy<Value = String> {
    "[ab]{1,2}"
}

fn size() -> impl Strategy<Value = Size> {
    (0..3_u8, 0..3_u8).prop_map(|(width, height)| Size { width, height })
}

fn parts() -> impl Strategy<Value = Vec<Part>> {
    vec((word(), 0..3_u8), 0..3).prop_map(|parts| {
        let parts = parts.into_iter();
        parts.map(|(name, count)| Part { name, count }).collect()
    })
}

fn items() -> impl Strategy<Value = Vec<Item>> {
    let item = (word(), 0..3_u8, parts());
    let item = item.prop_map(|(sku, price, parts)| Item { sku, price, parts });
    vec(item, 0..5).prop_map(|mut items: Vec<Item>| {
        let mut known = BTreeSet::new();
        items.retain(|item| known.insert(item.sku.clone()));
        items
    })
}

fn cart() -> impl Strategy<Value = Cart> {
    let kind = prop_oneof![
        Just(Kind::Plain),
        size().prop_map(|size| Kind::Boxed { size }),
        (0..3_u8).prop_map(Kind::Heavy),
    ];
    let lists = (
        btree_set(word(), 0..4),
        vec(0..4_u8, 0..4),
        btree_map(word(), 0..3_u8, 0..3),
        vec(0..3_u8, 0..5),
    );
    let rest = (
        size(),
        kind,
        proptest::option::of(size()),
        btree_map("[xy]", 0..3_u8, 0..3),
        vec(parts().prop_map(|parts| Group { parts }), 0..3),
    );
    (word(), items(), lists, rest).prop_map(
        |(name, items, (tags, codes, prices, notes), (size, kind, card, more, groups))| Cart {
            id: 1,
            name,
            items,
            tags,
            codes,
            prices,
            notes,
            size,
            kind,
            card,
            more,
            groups,
        },
    )
}

/// One step of a life: a cart, which fields of it are taken over, and what happens to single items.
fn step() -> impl Strategy<Value = (Cart, u16)> {
    let fields = prop_oneof![(0..14_u16).prop_map(|field| 1 << field), any::<u16>()];
    (cart(), fields)
}

fn take(cart: &mut Cart, from: Cart, fields: u16) {
    macro_rules! take {
        ($($number:literal $field:ident)*) => {$(
            if fields & (1 << $number) != 0 {
                cart.$field = from.$field;
            }
        )*};
    }
    take!(0 name 1 items 2 tags 3 codes 4 prices 5 notes 6 size 7 kind 8 card 9 more 10 groups);
    let has = |bit: u16| fields & (1 << bit) != 0;
    let items = &mut cart.items;
    if has(11) && !items.is_empty() {
        items.rotate_left(1);
    }
    if let Some(item) = items.last_mut().filter(|_| has(12)) {
        item.price ^= 1;
    }
    if has(13) {
        items.pop();
    }
}

/// Checks what the differences between versions say.
fn differences(history: &History) -> Result<(), TestCaseError> {
    let count = history.versions().count();
    for from in 1..=count {
        for to in 1..=count {
            let changes = history.diff(from, to).expect("versions");
            let mut state = history.at_version(from).expect("a version").state;
            let fits = changes.apply(&mut state);
            prop_assert!(fits.is_ok(), "{from} to {to}: {fits:?}");
            prop_assert_eq!(&state, &history.at_version(to).expect("a version").state);
            let fits = changes.invert().apply(&mut state);
            prop_assert!(fits.is_ok(), "{to} back to {from}: {fits:?}");
            prop_assert_eq!(&state, &history.at_version(from).expect("a version").state);
        }
        let back = history.revert_to(from).expect("a version");
        prop_assert_eq!(back, history.diff(count, from).expect("versions"));
    }
    Ok(())
}

/// Returns whether a value is a part of another: some of its fields, and some of its items.
fn is_part(part: &Value, of: &Value) -> bool {
    match (part, of) {
        (Value::Object(part), Value::Object(of)) => part
            .iter()
            .all(|(name, part)| of.get(name).is_some_and(|of| is_part(part, of))),
        (Value::Array(part), Value::Array(of)) => part
            .iter()
            .all(|part| of.iter().any(|of| is_part(part, of))),
        (part, of) => part == of,
    }
}

proptest! {
    #[test]
    fn what_was_recorded_is_complete_and_told_as_recorded(
        first in cart(),
        steps in vec(step(), 1..5),
    ) {
        let audit = testing::capture();
        auditlog::register::<Cart>();
        auditlog::created(&first).record().expect("recorded");
        let mut cart = first;
        let mut states = vec![auditlog::snapshot(&cart)];
        for (next, fields) in steps {
            let old = cart.clone();
            take(&mut cart, next, fields);
            let receipt = auditlog::updated(&old, &cart).record().expect("recorded");
            if receipt.id().is_some() {
                states.push(auditlog::snapshot(&cart));
            }
        }
        auditlog::baseline::<Cart>([&cart]).expect("recorded");
        let cart = ObjectRef::new("Cart", "1");
        let nameless = AuditLog::builder().store(audit.log().store()).build();
        let nameless = nameless.history_of(cart.clone()).expect("a history");
        // Without the oldest entries, as after a removal of them.
        let later: Vec<History> = (1..nameless.entries().len())
            .map(|first| {
                let entries = nameless.entries()[first..].to_vec();
                audit.log().history_from(cart.clone(), entries).expect("a history")
            })
            .collect();
        for history in [auditlog::history::<Cart>(1).expect("a history"), nameless] {
            prop_assert!(history.breaks().is_empty(), "{:?}", history.breaks());
            for (number, state) in states.iter().enumerate() {
                let version = history.at_version(number + 1).expect("a version");
                prop_assert_eq!(&version.state, state);
                prop_assert!(version.complete, "{:?}", version.missing);
            }
            for (first, later) in later.iter().enumerate() {
                prop_assert!(later.breaks().is_empty(), "{:?}", later.breaks());
                for (number, state) in states.iter().skip(first + 1).enumerate() {
                    let part = later.at_version(number + 1).expect("a version").state;
                    prop_assert!(is_part(&part, state), "{part} of {state}");
                }
            }
            differences(&history)?;
            let entries: Vec<&Changes> = history
                .versions()
                .map(|version| &version.entry.changes)
                .collect();
            for from in 1..states.len() {
                let mut composed = Changes::new();
                for to in from + 1..=states.len() {
                    composed = composed.compose(entries[to - 1]);
                    prop_assert_eq!(&history.diff(from, to).expect("versions"), &composed);
                    for (first, later) in later.iter().take(from - 1).enumerate() {
                        let without = first + 1;
                        let diff = later.diff(from - without, to - without).expect("versions");
                        prop_assert_eq!(&diff, &composed, "without {} entries", without);
                    }
                }
            }
        }
    }

    #[test]
    fn what_was_not_recorded_is_found(
        first in cart(),
        steps in vec(step(), 1..5),
        unrecorded in any::<prop::sample::Index>(),
    ) {
        let audit = testing::capture();
        auditlog::register::<Cart>();
        auditlog::created(&first).record().expect("recorded");
        let mut cart = first;
        let unrecorded = unrecorded.index(steps.len());
        let mut changed = false;
        for (number, (next, fields)) in steps.into_iter().enumerate() {
            let old = cart.clone();
            take(&mut cart, next, fields);
            if number == unrecorded {
                changed = auditlog::snapshot(&old) != auditlog::snapshot(&cart);
            } else {
                auditlog::updated(&old, &cart).record().expect("recorded");
            }
        }
        // At the latest what tells of all of it shows the change.
        auditlog::baseline::<Cart>([&cart]).expect("recorded");
        let history = auditlog::history::<Cart>(1).expect("a history");
        prop_assert_eq!(!history.breaks().is_empty(), changed, "{:?}", history.entries());
        differences(&history)?;
        let nameless = AuditLog::builder().store(audit.log().store()).build();
        let nameless = nameless.history_of(ObjectRef::new("Cart", "1")).expect("a history");
        differences(&nameless)?;
        if !changed {
            prop_assert!(nameless.breaks().is_empty());
        }
    }
}

//! The laws of changes, for generated values of derived types that use every attribute.
//!
//! `PROPTEST_CASES` sets the number of cases. `eq` and `tolerance` are left out: what their own
//! equality ignores, a change does not carry over.

#![expect(clippy::option_option, reason = "absent, null and value differ")]

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::fmt;

use auditlog::{Auditable, Changes, diff, snapshot};
use proptest::collection::{btree_map, btree_set, hash_map, hash_set, vec};
use proptest::option;
use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::Value;

#[derive(Auditable, Clone, Debug)]
#[audit(repr = "{name} <{email}>", model = "Everything", version = 3)]
struct Everything {
    #[audit(id)]
    number: u64,
    #[audit(rename = "full name", alias = "title", label = "Name")]
    name: String,
    #[audit(mask = "email")]
    email: String,
    #[audit(mask)]
    secret: Option<String>,
    #[audit(mask = "first_half")]
    half: i64,
    #[audit(mask_with = first_letter)]
    initial: String,
    #[audit(hash)]
    token: String,
    #[audit(skip)]
    #[expect(dead_code, reason = "nothing may read it")]
    skipped: String,
    #[audit(ignore)]
    seen: u32,
    #[audit(level = "warning")]
    big: u128,
    #[audit(skip_none)]
    nickname: Option<Option<String>>,
    #[audit(whole)]
    settings: BTreeMap<String, i32>,
    #[audit(key = "sku")]
    items: Vec<Item>,
    #[audit(set)]
    tags: Vec<String>,
    #[audit(serde)]
    foreign: Foreign,
    #[audit(display)]
    shown: Shown,
    #[audit(debug)]
    debugged: Foreign,
    #[audit(with = length)]
    measured: String,
    #[audit(reference)]
    owner: Owner,
    #[audit(flatten)]
    extra: Extra,
    pair: (i8, bool),
    list: Vec<Shape>,
    queue: VecDeque<f64>,
    members: BTreeSet<i16>,
    names: HashSet<String>,
    by_name: HashMap<String, Shape>,
    tree: Option<Box<Tree>>,
    tagged: Tagged,
    plain: Plain,
    wrapper: Wrapper,
}

#[derive(Auditable, Clone, Debug)]
struct Item {
    sku: u8,
    count: u8,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Foreign(f32, Vec<u8>);

#[derive(Clone, Debug)]
struct Shown(u8);

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

#[derive(Auditable, Clone, Debug)]
struct Owner {
    id: u8,
    name: String,
}

#[derive(Auditable, Clone, Debug)]
#[audit(rename_all = "camelCase")]
struct Extra {
    first_extra: i32,
    second_extra: Option<bool>,
}

#[derive(Auditable, Clone, Debug)]
enum Shape {
    Empty,
    Round(i32),
    Pair(i32, #[audit(mask)] String),
    Named {
        width: u8,
        #[audit(hash)]
        colour: String,
    },
}

#[derive(Auditable, Clone, Debug, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Tagged {
    First { value: i32 },
    Second,
}

#[derive(Auditable, Clone, Debug)]
enum Plain {
    Red,
    #[audit(rename = "not red")]
    Other,
}

#[derive(Auditable, Clone, Debug)]
struct Wrapper(#[audit(mask = "last4")] String);

#[derive(Auditable, Clone, Debug)]
struct Tree {
    value: i8,
    children: Vec<Tree>,
}

fn first_letter(text: &str) -> String {
    text.chars().take(1).collect()
}

fn length(text: &str) -> usize {
    text.len()
}

/// Few values, so that two generated ones often agree in parts.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        "[ab]{1,2}",
        Just("it's \"q\" \\ [0].x".to_owned()),
        Just("\u{1f600} \n ü".to_owned()),
        "[a-c]{8,10}@[ab]\\.c",
    ]
}

fn shape() -> impl Strategy<Value = Shape> {
    prop_oneof![
        Just(Shape::Empty),
        (0..3i32).prop_map(Shape::Round),
        (0..3i32, text()).prop_map(|(a, b)| Shape::Pair(a, b)),
        (0..3u8, text()).prop_map(|(width, colour)| Shape::Named { width, colour }),
    ]
}

fn tree() -> impl Strategy<Value = Tree> {
    let leaf = (0..3i8).prop_map(|value| Tree {
        value,
        children: Vec::new(),
    });
    leaf.prop_recursive(3, 12, 3, |inner| {
        (0..3i8, vec(inner, 0..3)).prop_map(|(value, children)| Tree { value, children })
    })
}

fn number() -> impl Strategy<Value = f64> {
    prop_oneof![
        Just(0.0),
        Just(-0.0),
        Just(f64::NAN),
        Just(f64::INFINITY),
        any::<f64>()
    ]
}

fn everything() -> impl Strategy<Value = Everything> {
    let items = vec(
        (0..5u8, 0..3u8).prop_map(|(sku, count)| Item { sku, count }),
        0..5,
    );
    let texts = (text(), text(), option::of(text()), text(), text(), text());
    let numbers = (
        prop_oneof![0..3u64, Just(u64::MAX), Just(1 << 53)],
        prop_oneof![-2..3i64, Just(i64::MIN)],
        prop_oneof![Just(0u128), Just(u128::MAX)],
        0..2u32,
        (0..2i8, any::<bool>()),
    );
    let collections = (
        btree_map("[a.'\\[]{1,2}", 0..2i32, 0..3),
        items,
        vec("[abc1]", 0..4),
        vec(shape(), 0..4),
        vec(number(), 0..4).prop_map(VecDeque::from),
        btree_set(0..4i16, 0..4),
        hash_set(text(), 0..4),
        hash_map(text(), shape(), 0..4),
    );
    let values = (
        option::of(option::of(text())),
        (any::<f32>(), vec(0..2u8, 0..2)),
        (0..2u8, 0..2u8, text()),
        (0..2i32, option::of(any::<bool>())),
        option::of(tree().prop_map(Box::new)),
        prop_oneof![
            (0..2i32).prop_map(|value| Tagged::First { value }),
            Just(Tagged::Second)
        ],
        prop_oneof![Just(Plain::Red), Just(Plain::Other)],
    );
    (texts, numbers, collections, values).prop_map(|(texts, numbers, collections, values)| {
        let (name, email, secret, initial, token, measured) = texts;
        let (number, half, big, seen, pair) = numbers;
        let (settings, items, tags, list, queue, members, names, by_name) = collections;
        let (nickname, foreign, (shown, owner, owner_name), extra, tree, tagged, plain) = values;
        Everything {
            number,
            wrapper: Wrapper(name.clone()),
            name,
            email,
            secret,
            half,
            initial,
            token,
            skipped: measured.clone(),
            seen,
            big,
            nickname,
            settings,
            items,
            tags,
            debugged: Foreign(foreign.0, foreign.1.clone()),
            foreign: Foreign(foreign.0, foreign.1),
            shown: Shown(shown),
            measured,
            owner: Owner {
                id: owner,
                name: owner_name,
            },
            extra: Extra {
                first_extra: extra.0,
                second_extra: extra.1,
            },
            pair,
            list,
            queue,
            members,
            names,
            by_name,
            tree,
            tagged,
            plain,
        }
    })
}

fn applied(changes: &Changes, state: &Value) -> Value {
    let mut state = state.clone();
    match changes.apply(&mut state) {
        Ok(()) => state,
        Err(error) => panic!("{error}\n{changes}\n{state}"),
    }
}

proptest! {
    #[test]
    fn changes_of_derived_types_keep_the_laws(
        a in everything(),
        b in everything(),
        c in everything(),
    ) {
        let [before, between, after] = [&a, &b, &c].map(snapshot);
        let (first, second) = (diff(&a, &b), diff(&b, &c));
        prop_assert!(diff(&a, &a.clone()).is_empty());
        for change in first.iter().chain(&first.compose(&second)) {
            let seen = change.old != change.new || change.redaction.is_some();
            prop_assert!(seen || !change.moved.is_empty(), "{change:?}");
        }
        prop_assert_eq!(&applied(&first, &before), &between);
        prop_assert_eq!(&applied(&first.invert(), &between), &before);
        prop_assert_eq!(&first.invert().invert(), &first);
        prop_assert_eq!(&applied(&first.compose(&second), &before), &after);

        let stored = serde_json::to_string(&first).expect("JSON");
        let read: Changes = serde_json::from_str(&stored).expect("changes");
        prop_assert_eq!(&read, &first);
        prop_assert_eq!(&applied(&read, &before), &between);

        let patch: json_patch::Patch =
            serde_json::from_value(first.to_json_patch()).expect("a patch");
        let mut patched = before.clone();
        json_patch::patch(&mut patched, &patch).expect("a patch that fits");
        prop_assert_eq!(&patched, &between);
    }
}

//! The laws of changes, for generated values whose recorded form says less than their type:
//! flattened fields, untagged enums, options of options, types that hold themselves.
//!
//! `PROPTEST_CASES` sets the number of cases.

#![expect(clippy::option_option, reason = "absent, null and value differ")]

use std::collections::BTreeMap;

use auditlog::prelude::*;
use auditlog::{Changes, diff, snapshot};
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use serde_json::Value;

/// Values that are recorded alike, in more than one form each.
#[derive(Auditable, Clone, Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum Loose {
    Unit(()),
    Nothing,
    Number(u64),
    Float(f64),
    Text(String),
    Flag(Option<Option<bool>>),
    List(Vec<Loose>),
    Map(BTreeMap<String, Loose>),
    Part(Part),
}

#[derive(Auditable, Clone, Debug, Serialize, Deserialize)]
struct Part {
    city: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    zip: Option<Option<u8>>,
}

#[derive(Auditable, Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "kind")]
enum Tagged {
    Circle {
        radius: u8,
        colour: Option<Option<u8>>,
    },
    Square {
        side: Loose,
        colour: u8,
    },
    Shape(External),
    Point,
}

#[derive(Auditable, Clone, Debug, Serialize, Deserialize)]
enum External {
    Named { radius: u8 },
    Wrapped(Loose),
}

#[derive(Auditable, Clone, Debug, Serialize, Deserialize)]
enum Other {
    Inner { depth: u8 },
    Held(Loose),
}

#[derive(Auditable, Clone, Debug, Serialize, Deserialize)]
struct Middle {
    depth: u8,
    #[serde(flatten)]
    other: Option<Other>,
    #[serde(flatten)]
    rest: BTreeMap<String, Loose>,
}

#[derive(Auditable, Clone, Debug, Serialize, Deserialize)]
struct Flattened<T> {
    id: u8,
    name: Loose,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<Option<u8>>,
    #[serde(flatten)]
    part: Option<Part>,
    #[serde(flatten)]
    tagged: Box<Tagged>,
    #[serde(flatten)]
    value: T,
}

#[derive(Auditable, Clone, Debug)]
struct Everything {
    id: u8,
    first: Flattened<Option<Middle>>,
    second: Vec<Flattened<BTreeMap<String, Loose>>>,
    loose: Loose,
    by_name: BTreeMap<String, Option<Loose>>,
    unit: Option<()>,
    twice: Option<Option<u8>>,
    json: Option<Value>,
    outline: Outline,
    chain: Chain,
}

#[derive(Auditable, Clone, Debug)]
struct Outline(Vec<Outline>);

#[derive(Auditable, Clone, Debug)]
struct Chain(Option<Box<Chain>>);

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("18446744073709551615".to_owned()),
        Just("NaN".to_owned()),
        "[ab]",
    ]
}

/// Names of declared fields, and others.
fn key() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "name", "note", "zip", "kind", "Named", "Held", "depth", "a", "b.c", "it's",
    ])
    .prop_map(str::to_owned)
}

fn flag() -> impl Strategy<Value = Option<Option<bool>>> {
    option::of(option::of(any::<bool>()))
}

fn part() -> impl Strategy<Value = Part> {
    (0..2u8, option::of(option::of(0..2u8))).prop_map(|(city, zip)| Part { city, zip })
}

fn loose() -> BoxedStrategy<Loose> {
    let leaf = prop_oneof![
        Just(Loose::Unit(())),
        Just(Loose::Nothing),
        prop_oneof![Just(u64::MAX), 0..2u64].prop_map(Loose::Number),
        prop_oneof![Just(f64::NAN), Just(0.5), Just(-1.5)].prop_map(Loose::Float),
        text().prop_map(Loose::Text),
        flag().prop_map(Loose::Flag),
        part().prop_map(Loose::Part),
    ];
    leaf.prop_recursive(3, 8, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(Loose::List),
            btree_map(key(), inner, 0..3).prop_map(Loose::Map),
        ]
    })
    .boxed()
}

fn external() -> impl Strategy<Value = External> {
    prop_oneof![
        (0..2u8).prop_map(|radius| External::Named { radius }),
        loose().prop_map(External::Wrapped),
    ]
}

fn tagged() -> impl Strategy<Value = Tagged> {
    prop_oneof![
        (0..2u8, option::of(option::of(0..2u8)))
            .prop_map(|(radius, colour)| Tagged::Circle { radius, colour }),
        (loose(), 0..2u8).prop_map(|(side, colour)| Tagged::Square { side, colour }),
        external().prop_map(Tagged::Shape),
        Just(Tagged::Point),
    ]
}

fn middle() -> impl Strategy<Value = Middle> {
    let other = prop_oneof![
        (0..2u8).prop_map(|depth| Other::Inner { depth }),
        loose().prop_map(Other::Held),
    ];
    (0..2u8, option::of(other), btree_map(key(), loose(), 0..4))
        .prop_map(|(depth, other, rest)| Middle { depth, other, rest })
}

fn flattened<T: std::fmt::Debug + Clone + 'static>(
    value: impl Strategy<Value = T> + 'static,
) -> BoxedStrategy<Flattened<T>> {
    let values = (
        loose(),
        option::of(option::of(0..2u8)),
        option::of(part()),
        tagged(),
        value,
    );
    values
        .prop_map(|(name, note, part, tagged, value)| Flattened {
            id: 1,
            name,
            note,
            part,
            tagged: Box::new(tagged),
            value,
        })
        .boxed()
}

fn outline() -> BoxedStrategy<Outline> {
    Just(Outline(vec![]))
        .prop_recursive(4, 12, 3, |inner| vec(inner, 0..4).prop_map(Outline))
        .boxed()
}

fn json() -> BoxedStrategy<Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        prop_oneof![Just(u64::MAX), 0..2u64].prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 8, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(Value::from),
            btree_map(key(), inner, 0..3)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
    .boxed()
}

fn everything() -> BoxedStrategy<Everything> {
    let flat = (
        flattened(option::of(middle())),
        vec(flattened(btree_map(key(), loose(), 0..4)), 0..3),
    );
    let rest = (
        loose(),
        btree_map(key(), option::of(loose()), 0..3),
        option::of(Just(())),
        option::of(option::of(0..2u8)),
        option::of(json()),
        outline(),
        0..4u8,
    );
    (flat, rest)
        .prop_map(|((first, second), rest)| {
            let (loose, by_name, unit, twice, json, outline, chain) = rest;
            Everything {
                id: 1,
                first,
                second,
                loose,
                by_name,
                unit,
                twice,
                json,
                outline,
                chain: (0..chain).fold(Chain(None), |chain, _| Chain(Some(Box::new(chain)))),
            }
        })
        .boxed()
}

fn applied(changes: &Changes, state: &Value) -> Value {
    let mut state = state.clone();
    match changes.apply(&mut state) {
        Ok(()) => state,
        Err(error) => panic!("{error}\n{changes}\n{state}"),
    }
}

/// A change can be seen, and no two changes are of one path.
fn can_be_seen(changes: &Changes) {
    for change in changes {
        let seen = change.old != change.new || change.redaction.is_some();
        assert!(seen || !change.moved.is_empty(), "{changes}");
    }
    let mut paths: Vec<_> = changes.paths().map(ToString::to_string).collect();
    paths.sort_unstable();
    assert!(paths.windows(2).all(|pair| pair[0] != pair[1]), "{changes}");
}

fn laws<T: Auditable + Clone + 'static>(a: &T, b: &T, c: &T) {
    let [before, between, after] = [a, b, c].map(snapshot);
    let (first, second) = (diff(a, b), diff(b, c));
    for changes in [&first, &second] {
        can_be_seen(changes);
    }
    assert!(a.same(&a.clone()) && diff(a, &a.clone()).is_empty());
    assert_eq!(a.same(b), before == between);
    assert_eq!(first.is_empty(), before == between, "{first}");
    assert_eq!(applied(&first, &before), between);
    assert_eq!(applied(&first.invert(), &between), before);
    assert_eq!(first.invert().invert(), first);
    let both = first.compose(&second);
    can_be_seen(&both);
    assert_eq!(applied(&both, &before), after);

    let patch = serde_json::from_value::<json_patch::Patch>(first.to_json_patch());
    let mut patched = before.clone();
    json_patch::patch(&mut patched, &patch.expect("a patch")).expect("a patch that fits");
    assert_eq!(patched, between);

    let log = AuditLog::builder().hash_key(1, [7; 32]).build();
    log.register::<T>();
    log.created(a).record().expect("created");
    let update = log.updated(a, b).force().record().expect("updated").id();
    log.updated(b, c).force().record().expect("updated again");
    let history = log.history::<T>(a.object_pk()).expect("a history");
    let latest = history.latest();
    assert_eq!((&latest.state, latest.complete), (&after, true));
    assert_eq!(history.at_version(2).expect("version 2").state, between);
    let revert = history.revert_to(1).expect("a reversion");
    assert_eq!(applied(&revert, &after), before);
    history.undo(update.expect("an entry")).expect("an undo");
}

proptest! {
    #[test]
    fn changes_keep_the_laws_whatever_the_form(
        a in everything(),
        b in everything(),
        c in everything(),
    ) {
        laws(&a, &b, &c);
    }

    /// Where two generated values rarely agree, one of them with another part does.
    #[test]
    fn one_part_that_is_replaced_keeps_the_laws(
        a in everything(),
        tagged in tagged(),
        part in option::of(part()),
        value in option::of(middle()),
        loose in loose(),
    ) {
        let mut b = a.clone();
        *b.first.tagged = tagged;
        b.first.part = part;
        let mut c = b.clone();
        c.first.value = value;
        c.loose = loose.clone();
        c.by_name.insert("a".to_owned(), Some(loose));
        laws(&a, &b, &c);
    }
}

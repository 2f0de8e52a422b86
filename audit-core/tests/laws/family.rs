//! A family of types that uses every built-in container and every way to redact.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, LinkedList, VecDeque};
use std::net::IpAddr;
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use audit_core::__private::no_fields;
use audit_core::{AuditValue, Diff, FieldSchema, Mask, Snapshot};
use chrono::{DateTime, FixedOffset, NaiveDate, TimeZone, Utc};
use proptest::collection::{btree_map, btree_set, hash_map, hash_set, vec};
use proptest::option;
use proptest::prelude::*;
use serde_json::Value;

use crate::model::{field, tracked, word};

#[derive(Clone, Debug)]
pub(crate) struct Everything {
    scalars: Scalars,
    texts: Texts,
    lists: Lists,
    maps: Maps,
    keyed: KeyedLists,
    secrets: Secrets,
    boxed: Option<Box<Item>>,
    shared: Rc<Item>,
    shape: Shape,
    tree: Tree,
    json: Value,
    flat: Flat,
    wrapped: Wrapped,
}

tracked!(Everything {
    scalars: field("scalars");
    texts: field("te'xts");
    lists: field("lists");
    maps: field("maps");
    keyed: field("keyed");
    secrets: field("secrets");
    boxed: field("boxed"), optional;
    shared: field("shared");
    shape: field("shape");
    tree: field("tree");
    json: field("json");
    flat: FieldSchema::flattened("flat", no_fields, no_fields);
    wrapped: field("wrapped");
});

#[derive(Clone, Debug)]
struct Scalars {
    small: i8,
    large: i64,
    huge: u128,
    negative: i128,
    float: f64,
    short: f32,
    flag: bool,
    letter: char,
    nothing: (),
    twice: Option<Option<u8>>,
    pair: (i16, Option<String>),
}

tracked!(Scalars {
    small: field("small");
    large: field("large");
    huge: field("huge");
    negative: field("negative");
    float: field("float");
    short: field("short");
    flag: field("flag");
    letter: field("letter");
    nothing: field("nothing");
    twice: field("twice"), optional;
    pair: field("pair");
});

#[derive(Clone, Debug)]
struct Texts {
    text: String,
    decimal: Decimal,
    time: DateTime<FixedOffset>,
    date: NaiveDate,
    since: SystemTime,
    duration: Duration,
    address: IpAddr,
    range: Range<i32>,
}

tracked!(Texts {
    text: field("text");
    decimal: field("decimal");
    time: field("time");
    date: field("date");
    since: field("since");
    duration: field("duration");
    address: field("address");
    range: field("range");
});

/// A decimal number, recorded as a text.
#[derive(Clone, Debug, PartialEq)]
struct Decimal(i64);

impl AuditValue for Decimal {
    fn same(&self, other: &Self) -> bool {
        self == other
    }

    fn snapshot(&self, _: &mut Snapshot<'_>) -> Value {
        Value::String(format!("{}.{:02}", self.0 / 100, self.0.abs() % 100))
    }
}

#[derive(Clone, Debug)]
struct Lists {
    numbers: Vec<i32>,
    words: VecDeque<String>,
    chain: LinkedList<u8>,
    fixed: [f32; 3],
    inner: Vec<Vec<u8>>,
    items: Vec<Item>,
    options: Vec<Option<Item>>,
    jsons: Vec<Value>,
}

tracked!(Lists {
    numbers: field("numbers");
    words: field("words");
    chain: field("chain");
    fixed: field("fixed");
    inner: field("inner");
    items: field("items");
    options: field("options");
    jsons: field("jsons");
});

#[derive(Clone, Debug)]
struct Maps {
    sorted: BTreeMap<String, Item>,
    hashed: HashMap<u32, Vec<String>>,
    optional: BTreeMap<String, Option<u8>>,
    sets: BTreeMap<String, BTreeSet<String>>,
    roles: BTreeSet<String>,
    numbers: HashSet<i64>,
    wide: HashSet<u64>,
    floats: Vec<f64>,
    values: Vec<Value>,
    records: Vec<Item>,
    pairs: BTreeSet<(u8, Option<String>)>,
}

tracked!(Maps {
    sorted: field("sorted");
    hashed: field("hashed");
    optional: field("optional");
    sets: field("sets");
    roles: field("roles");
    numbers: field("numbers");
    wide: field("wide");
    floats: field("floats"), as_set;
    values: field("values"), as_set;
    records: field("records"), as_set;
    pairs: field("pairs");
});

#[derive(Clone, Debug)]
struct KeyedLists {
    items: Vec<Item>,
    orders: Vec<Order>,
    hidden: Vec<Item>,
    map: BTreeMap<String, Basket>,
}

tracked!(KeyedLists {
    items: field("items"), by_sku;
    orders: field("orders"), by_number;
    hidden: field("hidden"), by_secret;
    map: field("map");
});

#[derive(Clone, Debug)]
struct Basket {
    items: Vec<Item>,
}

tracked!(Basket {
    items: field("items"), by_sku;
});

#[derive(Clone, Debug)]
pub(crate) struct Order {
    pub(crate) number: u64,
    lines: Vec<Item>,
    state: Shape,
}

tracked!(Order {
    number: field("number");
    lines: field("lines"), by_sku;
    state: field("state");
});

#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub(crate) sku: String,
    quantity: i64,
    note: Option<String>,
    tags: Vec<String>,
    pub(crate) secret: String,
}

tracked!(Item {
    sku: field("sku");
    quantity: field("quantity");
    note: field("note"), optional;
    tags: field("tags");
    secret: field("secret").with_mask(Mask::All);
});

#[derive(Clone, Debug)]
struct Secrets {
    phone: String,
    token: Option<String>,
    list: Vec<u8>,
    whole: Item,
    maybe: Option<Option<String>>,
    nested: Option<Item>,
    gone: u8,
}

tracked!(Secrets {
    phone: field("phone").with_mask(Mask::Last4);
    token: field("token").with_hash("Secrets.token");
    list: field("list").with_mask(Mask::All);
    whole: field("whole").whole();
    maybe: field("maybe").with_mask(Mask::FirstHalf), optional;
    nested: field("nested");
    gone: field("gone").skipped();
});

#[derive(Clone, Debug)]
struct Flat {
    street: String,
    city: Option<String>,
}

tracked!(Flat {
    street: field("street");
    city: field("city"), optional;
});

/// A newtype, recorded as what it holds.
#[derive(Clone, Debug)]
struct Wrapped(Arc<BTreeMap<String, i32>>);

impl AuditValue for Wrapped {
    const COMPOSITE: bool = true;
    const FIELDS: &'static [FieldSchema] = &[FieldSchema::inline("0", no_fields)];

    fn snapshot(&self, cx: &mut Snapshot<'_>) -> Value {
        cx.field_value(&Self::FIELDS[0], &self.0)
    }

    fn diff(&self, new: &Self, cx: &mut Diff<'_>) {
        cx.visit(&Self::FIELDS[0], &self.0, &new.0);
    }
}

/// An enum: unit variants as text, data variants compared inside while the variant stays.
#[derive(Clone, Debug)]
enum Shape {
    Dot,
    Circle { radius: f64 },
    Corner(i32, i32),
    Group(Vec<Shape>),
}

const CIRCLE: &[FieldSchema] = &[field("radius")];
const CORNER: &[FieldSchema] = &[
    FieldSchema::indexed(0, "0", no_fields),
    FieldSchema::indexed(1, "1", no_fields),
];
const GROUP: &[FieldSchema] = &[FieldSchema::inline("0", no_fields)];

impl AuditValue for Shape {
    const COMPOSITE: bool = true;

    fn snapshot(&self, cx: &mut Snapshot<'_>) -> Value {
        match self {
            Self::Dot => "dot".into(),
            Self::Circle { radius } => cx.variant("circle", |cx| {
                cx.object(|object| object.visit(&CIRCLE[0], radius))
            }),
            Self::Corner(x, y) => cx.variant("corner", |cx| {
                cx.array(|array| {
                    array.visit(&CORNER[0], x);
                    array.visit(&CORNER[1], y);
                })
            }),
            Self::Group(shapes) => cx.variant("group", |cx| cx.field_value(&GROUP[0], shapes)),
        }
    }

    fn diff(&self, new: &Self, cx: &mut Diff<'_>) {
        match (self, new) {
            (Self::Dot, Self::Dot) => {}
            (Self::Circle { radius: old }, Self::Circle { radius: new }) => {
                cx.variant("circle", |cx| cx.visit(&CIRCLE[0], old, new));
            }
            (Self::Corner(old_x, old_y), Self::Corner(new_x, new_y)) => {
                cx.variant("corner", |cx| {
                    cx.visit(&CORNER[0], old_x, new_x);
                    cx.visit(&CORNER[1], old_y, new_y);
                });
            }
            (Self::Group(old), Self::Group(new)) => {
                cx.variant("group", |cx| cx.visit(&GROUP[0], old, new));
            }
            _ => cx.replace(Some(self), Some(new)),
        }
    }
}

#[derive(Clone, Debug)]
struct Tree {
    label: String,
    children: Vec<Tree>,
    next: Option<Box<Tree>>,
}

tracked!(Tree {
    label: field("label");
    children: field("children");
    next: field("next"), optional;
});

fn scalars() -> BoxedStrategy<Scalars> {
    let floats = prop_oneof![
        prop::sample::select(vec![
            0.0,
            -0.0,
            f64::NAN,
            f64::INFINITY,
            f64::NEG_INFINITY,
            0.1
        ]),
        any::<f64>(),
    ];
    let shorts = prop_oneof![
        prop::sample::select(vec![0.0, -0.0, f32::NAN, f32::MAX, 0.1]),
        any::<f32>(),
    ];
    let numbers = (
        0..2i8,
        prop_oneof![
            Just(1 << 53),
            Just((1 << 53) + 1),
            Just(i64::MIN),
            any::<i64>()
        ],
        prop_oneof![Just(0), Just(u128::MAX), any::<u128>()],
        prop_oneof![Just(-1), Just(i128::MIN), any::<i128>()],
        floats,
        shorts,
    );
    let rest = (
        any::<bool>(),
        any::<char>(),
        option::of(option::of(0..2u8)),
        (0..2i16, option::of(word())),
    );
    (numbers, rest)
        .prop_map(
            |((small, large, huge, negative, float, short), (flag, letter, twice, pair))| Scalars {
                small,
                large,
                huge,
                negative,
                float,
                short,
                flag,
                letter,
                nothing: (),
                twice,
                pair,
            },
        )
        .boxed()
}

fn texts() -> BoxedStrategy<Texts> {
    let offset = |hours: i32| FixedOffset::east_opt(hours * 3600).unwrap();
    (
        word(),
        -3..3i64,
        (0..3i64, -2..3i32),
        0..3i32,
        0..3u64,
        0..3u32,
        prop::sample::select(vec!["127.0.0.1", "::1"]),
        0..3i32,
    )
        .prop_map(
            move |(text, decimal, (second, hours), day, since, nanos, address, end)| Texts {
                text,
                decimal: Decimal(decimal * 7),
                time: offset(hours).from_utc_datetime(
                    &DateTime::<Utc>::from_timestamp(second, 5)
                        .unwrap()
                        .naive_utc(),
                ),
                date: NaiveDate::from_num_days_from_ce_opt(730_000 + day).unwrap(),
                since: SystemTime::UNIX_EPOCH + Duration::from_millis(since),
                duration: Duration::new(u64::from(nanos), nanos),
                address: address.parse().unwrap(),
                range: 0..end,
            },
        )
        .boxed()
}

fn item() -> BoxedStrategy<Item> {
    (
        word(),
        0..3i64,
        option::of(word()),
        vec(word(), 0..3),
        word(),
    )
        .prop_map(|(sku, quantity, note, tags, secret)| Item {
            sku,
            quantity,
            note,
            tags,
            secret,
        })
        .boxed()
}

/// Items with a key, now and then two of one key.
fn items() -> BoxedStrategy<Vec<Item>> {
    (vec(item(), 0..7), 0..8u8)
        .prop_map(|(mut items, twice)| {
            if twice > 0 {
                let mut known = BTreeSet::new();
                items.retain(|item| known.insert(item.sku.clone()));
            }
            items
        })
        .boxed()
}

fn lists() -> BoxedStrategy<Lists> {
    (
        vec(0..4i32, 0..6),
        vec(word(), 0..4),
        vec(0..3u8, 0..4),
        prop::array::uniform3(prop::sample::select(vec![0.0, 1.5, f32::NAN])),
        vec(vec(0..2u8, 0..3), 0..4),
        vec(item(), 0..4),
        vec(option::of(item()), 0..3),
        vec(crate::json::value(), 0..3),
    )
        .prop_map(
            |(numbers, words, chain, fixed, inner, items, options, jsons)| Lists {
                numbers,
                words: words.into(),
                chain: chain.into_iter().collect(),
                fixed,
                inner,
                items,
                options,
                jsons,
            },
        )
        .boxed()
}

fn maps() -> BoxedStrategy<Maps> {
    let maps = (
        btree_map(word(), item(), 0..4),
        hash_map(0..4u32, vec(word(), 0..3), 0..4),
        btree_map(word(), option::of(0..2u8), 0..4),
        btree_map(word(), btree_set(word(), 0..3), 0..3),
    );
    let sets = (
        btree_set(word(), 0..5),
        hash_set(-20..20i64, 0..6),
        hash_set(prop_oneof![0..3u64, Just(u64::MAX), Just(1 << 60)], 0..4),
        vec(
            prop::sample::select(vec![0.0, -0.0, 1.0, f64::NAN, 2.5, -3.0]),
            0..5,
        ),
        vec(
            prop_oneof![
                Just(Value::from(1)),
                Just(Value::from(1.5)),
                Just(Value::from("1")),
                Just(Value::from("\"1\"")),
                Just(Value::Null),
                Just(Value::from("null")),
                crate::json::value(),
            ],
            0..5,
        ),
        vec(item(), 0..4),
        btree_set((0..2u8, option::of(word())), 0..3),
    );
    (maps, sets)
        .prop_map(|(maps, sets)| {
            let (sorted, hashed, optional, in_maps) = maps;
            let (roles, numbers, wide, floats, values, records, pairs) = sets;
            Maps {
                sorted,
                hashed,
                optional,
                sets: in_maps,
                roles,
                numbers,
                wide,
                floats,
                values,
                records,
                pairs,
            }
        })
        .boxed()
}

fn shape() -> BoxedStrategy<Shape> {
    let leaf = prop_oneof![
        Just(Shape::Dot),
        prop::sample::select(vec![1.0, f64::NAN]).prop_map(|radius| Shape::Circle { radius }),
        (0..2i32, 0..2i32).prop_map(|(x, y)| Shape::Corner(x, y)),
    ];
    leaf.prop_recursive(3, 8, 3, |inner| vec(inner, 0..4).prop_map(Shape::Group))
        .boxed()
}

fn orders() -> BoxedStrategy<Vec<Order>> {
    let number = prop_oneof![0..4u64, Just(u64::MAX)];
    let order = (number, items(), shape()).prop_map(|(number, lines, state)| Order {
        number,
        lines,
        state,
    });
    (vec(order, 0..5), 0..8u8)
        .prop_map(|(mut orders, twice)| {
            if twice > 0 {
                let mut known = BTreeSet::new();
                orders.retain(|order| known.insert(order.number));
            }
            orders
        })
        .boxed()
}

fn keyed() -> BoxedStrategy<KeyedLists> {
    let basket = items().prop_map(|items| Basket { items });
    (items(), orders(), items(), btree_map(word(), basket, 0..2))
        .prop_map(|(items, orders, hidden, map)| KeyedLists {
            items,
            orders,
            hidden,
            map,
        })
        .boxed()
}

fn secrets() -> BoxedStrategy<Secrets> {
    (
        prop::sample::select(vec!["+15551234567", "+15559994567", "12"]),
        option::of(word()),
        vec(0..2u8, 0..3),
        item(),
        option::of(option::of(word())),
        option::of(item()),
        0..2u8,
    )
        .prop_map(|(phone, token, list, whole, maybe, nested, gone)| Secrets {
            phone: phone.to_owned(),
            token,
            list,
            whole,
            maybe,
            nested,
            gone,
        })
        .boxed()
}

fn tree() -> BoxedStrategy<Tree> {
    let leaf = word().prop_map(|label| Tree {
        label,
        children: Vec::new(),
        next: None,
    });
    leaf.prop_recursive(4, 12, 3, |inner| {
        (word(), vec(inner.clone(), 0..3), option::of(inner)).prop_map(|(label, children, next)| {
            Tree {
                label,
                children,
                next: next.map(Box::new),
            }
        })
    })
    .boxed()
}

fn everything() -> BoxedStrategy<Everything> {
    let first = (scalars(), texts(), lists(), maps(), keyed(), secrets());
    let flat = (word(), option::of(word())).prop_map(|(street, city)| Flat { street, city });
    let second = (
        option::of(item()),
        item(),
        shape(),
        tree(),
        crate::json::value(),
        flat,
        btree_map(word(), 0..3, 0..3),
    );
    (first, second)
        .prop_map(|(first, second)| {
            let (scalars, texts, lists, maps, keyed, secrets) = first;
            let (boxed, shared, shape, tree, json, flat, wrapped) = second;
            Everything {
                scalars,
                texts,
                lists,
                maps,
                keyed,
                secrets,
                boxed: boxed.map(Box::new),
                shared: Rc::new(shared),
                shape,
                tree,
                json,
                flat,
                wrapped: Wrapped(Arc::new(wrapped)),
            }
        })
        .boxed()
}

/// Three values of which each has parts of the one before.
pub(crate) fn triple() -> BoxedStrategy<(Everything, Everything, Everything)> {
    fn mix(old: &Everything, mut new: Everything, keep: u16) -> Everything {
        macro_rules! keep {
            ($($bit:literal $($field:ident).+;)*) => {$(
                if keep & (1 << $bit) > 0 {
                    new.$($field).+ = old.$($field).+.clone();
                }
            )*};
        }
        keep! {
            0 scalars; 1 texts; 2 lists.items; 3 lists; 4 maps.sorted; 5 maps; 6 keyed.items;
            7 keyed.orders; 8 keyed; 9 secrets; 10 boxed; 11 shared; 12 shape; 13 tree; 14 json;
        }
        if keep & (1 << 15) > 0 {
            new.flat = old.flat.clone();
            new.wrapped = old.wrapped.clone();
        }
        new
    }
    let three = (everything(), everything(), everything());
    (three, any::<u16>(), any::<u16>())
        .prop_map(|((a, b, c), one, two)| {
            let b = mix(&a, b, one);
            let c = mix(&b, c, two);
            (a, b, c)
        })
        .boxed()
}

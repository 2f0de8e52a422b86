//! Types that use every built-in container and every redaction.

mod strategies;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, LinkedList, VecDeque};
use std::net::IpAddr;
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use audit_core::__private::no_fields;
use audit_core::{AuditValue, Diff, FieldSchema, Mask, Snapshot};
use chrono::{DateTime, FixedOffset, NaiveDate};
use serde_json::Value;

pub(crate) use self::strategies::triple;
use crate::tracked::{field, tracked};

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

/// A decimal number, recorded as a string.
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

/// A newtype, recorded as its content.
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

/// An enum: unit variants as text, data variants compared inside.
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

//! A document with its content of its own or behind a pointer, and values of it.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use auditlog::prelude::*;
use auditlog::{Changes, Sensitive};
use proptest::prelude::*;
use serde_json::json;

#[derive(Auditable, Clone, Debug)]
pub(crate) struct Content {
    pub(crate) title: String,
    #[audit(mask = "last4")]
    pub(crate) phone: String,
    #[audit(hash)]
    pub(crate) email: String,
    #[audit(skip)]
    #[expect(dead_code, reason = "it is never recorded")]
    pub(crate) password: String,
    #[audit(ignore)]
    pub(crate) seen: u32,
    #[audit(level = "critical")]
    pub(crate) owner: Option<u8>,
    #[audit(whole)]
    pub(crate) address: Address,
    pub(crate) home: Address,
    #[audit(mask)]
    pub(crate) office: Address,
    pub(crate) tags: BTreeSet<String>,
    #[audit(set)]
    pub(crate) words: Vec<String>,
    #[audit(key = "sku")]
    pub(crate) lines: Vec<Line>,
    pub(crate) pages: Vec<Line>,
    pub(crate) labels: BTreeMap<String, Line>,
    pub(crate) kind: Kind,
    pub(crate) pair: (u8, String),
    #[audit(skip_none)]
    pub(crate) note: Option<String>,
    pub(crate) secret: Sensitive<u8>,
    pub(crate) extra: serde_json::Value,
}

#[derive(Auditable, Clone, Debug)]
pub(crate) struct Address {
    pub(crate) street: String,
    #[audit(mask)]
    pub(crate) code: String,
}

#[derive(Auditable, Clone, Debug)]
pub(crate) struct Line {
    pub(crate) sku: u8,
    pub(crate) qty: u8,
}

#[derive(Auditable, Clone, Debug)]
pub(crate) enum Kind {
    None,
    Of(u8),
    Both {
        left: u8,
        #[audit(mask)]
        right: u8,
    },
}

pub(crate) fn text() -> impl Strategy<Value = String> {
    prop_oneof![Just(String::new()), "[ab]{1,2}", "[ab]000 4567"]
}

pub(crate) fn address() -> impl Strategy<Value = Address> {
    (text(), text()).prop_map(|(street, code)| Address { street, code })
}

pub(crate) fn line() -> impl Strategy<Value = Line> {
    (0..4u8, 0..2u8).prop_map(|(sku, qty)| Line { sku, qty })
}

pub(crate) fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![
        Just(Kind::None),
        (0..2u8).prop_map(Kind::Of),
        (0..2u8, 0..2u8).prop_map(|(left, right)| Kind::Both { left, right }),
    ]
}

pub(crate) fn content() -> impl Strategy<Value = Content> {
    let texts = (
        text(),
        text(),
        text(),
        text(),
        0..2u32,
        proptest::option::of(0..2u8),
    );
    let places = (address(), address(), address());
    let lists = (
        proptest::collection::btree_set(text(), 0..3),
        proptest::collection::vec(text(), 0..3),
        proptest::collection::vec(line(), 0..4),
        proptest::collection::vec(line(), 0..4),
        proptest::collection::btree_map(text(), line(), 0..3),
    );
    let rest = (
        kind(),
        (0..2u8, text()),
        proptest::option::of(text()),
        0..2u8,
        0..2u8,
    );
    (texts, places, lists, rest).prop_map(|(texts, places, lists, rest)| Content {
        title: texts.0,
        phone: texts.1,
        email: texts.2,
        password: texts.3,
        seen: texts.4,
        owner: texts.5,
        address: places.0,
        home: places.1,
        office: places.2,
        tags: lists.0,
        words: lists.1,
        lines: lists.2,
        pages: lists.3,
        labels: lists.4,
        kind: rest.0,
        pair: rest.1,
        note: rest.2,
        secret: Sensitive::new(rest.3),
        extra: json!({"a": rest.4, "b": [rest.4]}),
    })
}

/// Shares nothing.
#[derive(Auditable, Clone)]
#[audit(model = "Document")]
pub(crate) struct Plain {
    pub(crate) id: u32,
    pub(crate) before: u8,
    pub(crate) content: Content,
    pub(crate) after: u8,
}

/// The same, behind a pointer and in a cell.
#[derive(Auditable, Clone)]
#[audit(model = "Document")]
pub(crate) struct Shared {
    pub(crate) id: u32,
    pub(crate) before: u8,
    pub(crate) content: Rc<RefCell<Content>>,
    pub(crate) after: u8,
}

pub(crate) fn log() -> AuditLog {
    AuditLog::builder()
        .hash_key(1, *b"0123456789abcdef0123456789abcdef")
        .build()
}

/// What of an entry an update says.
pub(crate) fn told(
    entry: Option<&LogEntry>,
) -> Option<(Changes, Level, Option<serde_json::Value>)> {
    entry.map(|entry| (entry.changes.clone(), entry.level, entry.snapshot.clone()))
}

pub(crate) fn content_of(title: &str) -> Rc<RefCell<Content>> {
    let address = Address {
        street: String::new(),
        code: String::new(),
    };
    Rc::new(RefCell::new(Content {
        title: title.into(),
        phone: String::new(),
        email: String::new(),
        password: String::new(),
        seen: 0,
        owner: None,
        address: address.clone(),
        home: address.clone(),
        office: address,
        tags: BTreeSet::new(),
        words: Vec::new(),
        lines: Vec::new(),
        pages: Vec::new(),
        labels: BTreeMap::new(),
        kind: Kind::None,
        pair: (0, String::new()),
        note: None,
        secret: Sensitive::new(0),
        extra: json!(null),
    }))
}

//! The order of a set's members breaks no chain, and the order of a list's items does.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex};

use auditlog::prelude::*;
use auditlog::testing;
use serde_json::{Value, json};

use crate::breaks_by_hand::breaks;
use crate::doc::{Doc, lived, unrecorded};

#[test]
fn only_a_set_may_be_in_another_order() {
    // Members that came and went one by one are those of a set.
    let entries = [
        ("create", json!({"s": {"new": ["a", "b"]}})),
        ("update", json!({"s['c']": {"at": [2], "new": "c"}})),
        (
            "update",
            json!({"s": {"old": ["c", "a", "b"], "new": ["a"]}}),
        ),
    ];
    assert_eq!(breaks(&entries), [""; 0]);
    // The type tells too.
    let (audit, doc) = lived(|_| {}, |doc| doc.status = "2".into());
    let trigger = |path: &str, old: Value, new: Value| {
        let mut entry = auditlog::LogEntry::new("update", "Doc", "9", "Doc 9");
        let changes = json!({path: {"old": old, "new": new}});
        entry.changes = serde_json::from_value(changes).expect("changes");
        audit.log().store().append(&[entry]).expect("appended");
        let latest = auditlog::history::<Doc>(9).expect("a history").latest();
        let paths = unrecorded(&latest).into_iter().map(str::to_owned);
        paths.collect::<Vec<_>>()
    };
    assert_eq!(doc.tags.len(), 2);
    for tags in ["tags", "['more-tags']"] {
        assert_eq!(trigger(tags, json!(["t", "m"]), json!(["m"])), [""; 0]);
    }
    let turned = trigger("notes", json!(["second", "first"]), json!(["first"]));
    assert_eq!(turned, ["notes"]);
}

type Tags = HashSet<String>;

#[derive(Auditable, Clone, Default)]
struct New(Tags);

#[derive(Auditable, Clone, Default)]
struct Levelled(#[audit(level = "critical")] Tags);

#[derive(Auditable, Clone, Default)]
struct Marked(#[audit(set)] Vec<String>);

#[derive(Auditable, Clone)]
enum Kind {
    Held(Tags),
    Pair(u8, Tags),
}

#[derive(Auditable, Clone, serde::Serialize)]
#[serde(untagged)]
enum Untagged {
    Held(Tags),
}

#[derive(Auditable, Clone, serde::Serialize)]
#[serde(tag = "type", content = "content")]
enum Adjacent {
    Held(Tags),
}

#[derive(Auditable, Clone, Default, serde::Serialize)]
#[serde(into = "Tags")]
struct Into(Vec<String>);

impl From<Into> for Tags {
    fn from(tags: Into) -> Self {
        tags.0.into_iter().collect()
    }
}

fn sorted(tags: &[String]) -> Tags {
    tags.iter().cloned().collect()
}

/// Sets wherever a type may have one.
#[derive(Auditable, Clone)]
struct Sets {
    id: u32,
    new: New,
    levelled: Levelled,
    marked: Marked,
    held: Kind,
    pair: Kind,
    untagged: Untagged,
    adjacent: Adjacent,
    into: Into,
    tuple: (u8, Tags),
    tuples: Vec<(u8, Tags)>,
    nested: ((u8, Tags), u8),
    map: BTreeMap<String, Tags>,
    cell: RefCell<Tags>,
    lock: Arc<Mutex<New>>,
    result: Result<Tags, u8>,
    option: Option<New>,
    #[audit(with = sorted)]
    with: Vec<String>,
}

/// A tuple, whose fields have positions.
#[derive(Auditable, Clone)]
struct Row(#[audit(id)] u32, u8, Tags, New);

#[test]
fn a_set_is_known_wherever_it_is() {
    let tags = || Tags::from(["m", "t"].map(str::to_owned));
    let list = || vec!["m".to_owned(), "t".to_owned()];
    let sets = Sets {
        id: 1,
        new: New(tags()),
        levelled: Levelled(tags()),
        marked: Marked(list()),
        held: Kind::Held(tags()),
        pair: Kind::Pair(0, tags()),
        untagged: Untagged::Held(tags()),
        adjacent: Adjacent::Held(tags()),
        into: Into(list()),
        tuple: (0, tags()),
        tuples: vec![(0, tags()), (1, tags()), (2, tags())],
        nested: ((0, tags()), 0),
        map: BTreeMap::from([("key".to_owned(), tags())]),
        cell: RefCell::new(tags()),
        lock: Arc::new(Mutex::new(New(tags()))),
        result: Ok(tags()),
        option: Some(New(tags())),
        with: list(),
    };
    // What a process wrote that does not sort sets.
    for (path, old) in [
        ("new", json!(["t", "m"])),
        ("levelled", json!(["t", "m"])),
        ("marked", json!(["t", "m"])),
        ("held.Held", json!(["t", "m"])),
        ("held", json!({"Held": ["t", "m"]})),
        ("pair.Pair[1]", json!(["t", "m"])),
        ("pair.Pair", json!([0, ["t", "m"]])),
        ("untagged", json!(["t", "m"])),
        ("adjacent.content", json!(["t", "m"])),
        ("into", json!(["t", "m"])),
        ("tuple[1]", json!(["t", "m"])),
        ("tuple", json!([0, ["t", "m"]])),
        ("tuples[1][1]", json!(["t", "m"])),
        (
            "tuples",
            json!([[0, ["t", "m"]], [1, ["m", "t"]], [2, ["t", "m"]]]),
        ),
        ("nested[0][1]", json!(["t", "m"])),
        ("map.key", json!(["t", "m"])),
        ("map", json!({"key": ["t", "m"]})),
        ("cell", json!(["t", "m"])),
        ("lock", json!(["t", "m"])),
        ("result.Ok", json!(["t", "m"])),
        ("option", json!(["t", "m"])),
        ("with", json!(["t", "m"])),
    ] {
        let audit = testing::capture();
        auditlog::register::<Sets>();
        auditlog::created(&sets).record().expect("recorded");
        append(&audit, "Sets", path, &old);
        let latest = auditlog::history::<Sets>(1).expect("a history").latest();
        assert_eq!(unrecorded(&latest), [""; 0], "{path}");
    }
    for (path, old) in [("[2]", json!(["t", "m"])), ("[3]", json!(["t", "m"]))] {
        let audit = testing::capture();
        auditlog::register::<Row>();
        auditlog::created(&Row(1, 0, tags(), New(tags())))
            .record()
            .expect("recorded");
        append(&audit, "Row", path, &old);
        let latest = auditlog::history::<Row>(1).expect("a history").latest();
        assert_eq!(unrecorded(&latest), [""; 0], "{path}");
    }
}

/// Appends an entry that another process made of an object with the key 1.
fn append(audit: &testing::Capture, model: &str, path: &str, old: &Value) {
    let mut entry = auditlog::LogEntry::new("update", model, "1", "1");
    let changes = json!({path: {"old": old, "new": null}});
    entry.changes = serde_json::from_value(changes).expect("changes");
    audit.log().store().append(&[entry]).expect("appended");
}

#[test]
fn an_item_of_a_tuple_that_is_no_set_keeps_its_order() {
    #[derive(Auditable, Clone)]
    struct Tuples {
        id: u32,
        pair: (Vec<String>, Tags),
        pairs: Vec<(Vec<String>, Tags)>,
    }
    let pair = || {
        let list = vec!["m".to_owned(), "t".to_owned()];
        (list.clone(), list.into_iter().collect::<Tags>())
    };
    for (path, part) in [
        ("pair[0]", "pair[0]"),
        ("pairs[0][0]", "pairs[0][0]"),
        ("pairs[1][0]", "pairs[1][0]"),
    ] {
        let audit = testing::capture();
        auditlog::register::<Tuples>();
        let tuples = Tuples {
            id: 1,
            pair: pair(),
            pairs: vec![pair(), pair()],
        };
        auditlog::created(&tuples).record().expect("recorded");
        append(&audit, "Tuples", path, &json!(["t", "m"]));
        let latest = auditlog::history::<Tuples>(1).expect("a history").latest();
        assert_eq!(unrecorded(&latest), [part], "{path}");
    }
}

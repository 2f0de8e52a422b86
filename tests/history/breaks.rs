//! An unrecorded change breaks the chain of an object's entries, and the history reports where.

use std::time::{Duration, SystemTime};

use auditlog::prelude::*;
use auditlog::{ObjectRef, testing};
use serde_json::{Value, json};

use crate::doc::{Doc, Line, lived, unrecorded};

#[test]
fn a_break_is_named_wherever_the_object_is_read() {
    let (audit, doc) = lived(|doc| doc.status = "1".into(), |doc| doc.status = "2".into());
    let history = auditlog::history::<Doc>(9).expect("a history");
    let latest = history.latest();
    assert_eq!(latest.state, auditlog::snapshot(&doc));
    assert_eq!(unrecorded(&latest), ["status"]);
    assert_eq!(
        unrecorded(&history.at_version(1).expect("a version")),
        [""; 0]
    );
    let breaks: Vec<_> = history
        .breaks()
        .into_iter()
        .map(|found| (found.path.to_string(), found.entry.id))
        .collect();
    assert_eq!(breaks, [("status".to_owned(), history.entries()[1].id)]);
    let blame: Vec<_> = history
        .blame()
        .into_iter()
        .filter(|part| part.unrecorded)
        .map(|part| part.path.to_string())
        .collect();
    assert_eq!(blame, ["status"]);

    let log = audit.log();
    let now = SystemTime::now() + Duration::from_secs(3600);
    assert_eq!(
        unrecorded(&log.as_of::<Doc>(9, now).expect("a state")),
        ["status"]
    );
    let all: Vec<_> = log.objects_as_of::<Doc>(now).expect("states").collect();
    assert_eq!(
        unrecorded(&all[0].as_ref().expect("a state").at),
        ["status"]
    );
    // Without the type.
    let other = AuditLog::builder().store(log.store()).build();
    let object = ObjectRef::new("Doc", "9");
    let nameless = other.history_of(object).expect("a history");
    assert_eq!(unrecorded(&nameless.latest()), ["status"]);
}

#[test]
fn an_item_that_is_added_twice_is_where_the_last_entry_says() {
    let (_audit, _doc) = lived(
        |doc| doc.lines.clear(),
        |doc| {
            doc.lines = ["C", "A"]
                .map(|sku| Line {
                    sku: sku.into(),
                    price: 2,
                })
                .into();
        },
    );
    let history = auditlog::history::<Doc>(9).expect("a history");
    let latest = history.latest();
    assert_eq!(unrecorded(&latest), ["lines[sku='C']", "lines[sku='A']"]);
    let items = |state: &Value| -> Vec<Value> {
        let items = state["lines"].as_array().expect("a list").iter();
        items.map(|item| item["sku"].clone()).collect()
    };
    // No entry tells that B is gone.
    assert_eq!(items(&latest.state), ["C", "A", "B"]);
    assert_eq!(latest.state["lines"][0], json!({"price": 2, "sku": "C"}));
    let mut first = history.at_version(1).expect("a version").state;
    let changes = history.diff(1, 2).expect("versions");
    changes.apply(&mut first).expect("the state it starts from");
    assert_eq!(first, latest.state);
}

#[test]
fn an_item_that_is_added_twice_below_a_position_has_its_last_value() {
    #[derive(Auditable, Clone)]
    struct Order {
        id: u32,
        groups: Vec<Group>,
    }
    #[derive(Auditable, Clone)]
    struct Group {
        #[audit(key = "sku")]
        lines: Vec<Line>,
    }
    let lines = |price| {
        vec![Line {
            sku: "A".into(),
            price,
        }]
    };
    let _audit = testing::capture();
    auditlog::register::<Order>();
    let mut order = Order {
        id: 1,
        groups: vec![Group { lines: lines(1) }],
    };
    auditlog::created(&order).record().expect("recorded");
    order.groups[0].lines.clear();
    auditlog::update(&mut order, |order| order.groups[0].lines = lines(2))
        .record()
        .expect("recorded");
    let latest = auditlog::history::<Order>(1).expect("a history").latest();
    assert_eq!(latest.state, auditlog::snapshot(&order));
    assert_eq!(unrecorded(&latest), ["groups[0].lines[sku='A']"]);
}

#[test]
fn breaks_inside_lists_sets_maps_and_values_are_found() {
    type Edit = fn(&mut Doc);
    let cases: [(&str, Edit, Edit); 9] = [
        (
            "labels.a",
            |doc| doc.labels = [("a".into(), 5)].into(),
            |doc| doc.labels = [("a".into(), 6)].into(),
        ),
        (
            "labels.b",
            |doc| {
                doc.labels.insert("b".into(), 5);
            },
            |doc| {
                doc.labels.insert("b".into(), 6);
            },
        ),
        (
            "labels.a",
            |doc| doc.labels.clear(),
            |doc| {
                doc.labels.insert("a".into(), 6);
            },
        ),
        (
            "place",
            |doc| doc.place.city = "Ulm".into(),
            |doc| doc.place.city = "Trier".into(),
        ),
        (
            "lines[sku='B'].price",
            |doc| doc.lines[1].price = 5,
            |doc| doc.lines[1].price = 6,
        ),
        (
            "lines",
            |doc| {
                doc.lines.remove(0);
            },
            |doc| doc.lines[0].price = 6,
        ),
        (
            "tags",
            |doc| {
                doc.tags.insert("a".into());
            },
            |doc| {
                doc.tags.remove("t");
            },
        ),
        (
            "tags",
            |doc| {
                doc.tags.insert("a".into());
            },
            |doc| {
                doc.tags.insert("z".into());
            },
        ),
        (
            "notes[0]",
            |doc| doc.notes[0] = "other".into(),
            |doc| doc.notes[0] = "third".into(),
        ),
    ];
    for (path, before, after) in cases {
        let (audit, _) = lived(before, after);
        let latest = auditlog::history::<Doc>(9).expect("a history").latest();
        assert_eq!(
            unrecorded(&latest),
            [path],
            "{}",
            audit.entries()[1].changes
        );
        // A recorded change is not a break.
        drop(audit);
        let (_audit, doc) = lived(|_| {}, after);
        let latest = auditlog::history::<Doc>(9).expect("a history").latest();
        assert_eq!(unrecorded(&latest), [""; 0]);
        assert_eq!(latest.state, auditlog::snapshot(&doc));
    }
}

#[test]
fn a_full_snapshot_ends_what_is_missing_and_shows_what_was() {
    let (_audit, mut doc) = lived(|_| {}, |doc| doc.status = "2".into());
    doc.status = "3".into();
    auditlog::baseline::<Doc>([&doc]).expect("recorded");
    let history = auditlog::history::<Doc>(9).expect("a history");
    assert!(history.latest().complete);
    let breaks: Vec<_> = history
        .breaks()
        .iter()
        .map(|found| found.path.to_string())
        .collect();
    assert_eq!(breaks, ["status"]);
}

#[test]
fn what_was_deleted_or_created_without_an_entry_is_named() {
    let (_audit, doc) = lived(|_| {}, |doc| doc.status = "2".into());
    let paths = || -> Vec<String> {
        let history = auditlog::history::<Doc>(9).expect("a history");
        history
            .breaks()
            .iter()
            .map(|found| found.path.to_string())
            .collect()
    };
    auditlog::created(&doc).record().expect("recorded");
    assert_eq!(paths(), ["$"]);
    // The deletion tells what the object was.
    let other = Doc {
        status: "5".into(),
        ..doc.clone()
    };
    auditlog::deleted(&other).record().expect("recorded");
    assert_eq!(paths(), ["$", "status"]);
    let later = Doc {
        status: "6".into(),
        ..doc.clone()
    };
    auditlog::updated(&other, &later)
        .record()
        .expect("recorded");
    assert_eq!(paths(), ["$", "status", "$"]);
}

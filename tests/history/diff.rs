//! The difference of two versions agrees with the entries between them.

use std::collections::{BTreeMap, BTreeSet};

use auditlog::prelude::*;
use auditlog::{AuditLog, ConflictKind, History, ObjectRef, testing};
use serde_json::Value;

#[derive(Auditable, Clone, Debug, PartialEq)]
struct Cart {
    id: u32,
    #[audit(key = "sku")]
    items: Vec<Item>,
    tags: BTreeSet<String>,
    #[audit(set)]
    codes: Vec<u8>,
    #[audit(whole)]
    size: Size,
    note: String,
}

#[derive(Auditable, Clone, Debug, PartialEq)]
struct Item {
    sku: String,
    price: u32,
}

#[derive(Auditable, Clone, Debug, PartialEq)]
struct Size {
    width: u32,
    height: u32,
}

fn cart(items: &[(&str, u32)]) -> Cart {
    Cart {
        id: 1,
        items: items
            .iter()
            .map(|(sku, price)| Item {
                sku: (*sku).into(),
                price: *price,
            })
            .collect(),
        tags: ["a", "b"].map(str::to_owned).into(),
        codes: vec![1, 2],
        size: Size {
            width: 1,
            height: 1,
        },
        note: "n".into(),
    }
}

/// Records a life, and returns the history as it is read with the type and without it.
fn lived(states: &[Cart]) -> (testing::Capture, [History; 2]) {
    let audit = testing::capture();
    auditlog::register::<Cart>();
    auditlog::created(&states[0]).record().expect("recorded");
    for pair in states.windows(2) {
        auditlog::updated(&pair[0], &pair[1])
            .record()
            .expect("recorded");
    }
    let other = AuditLog::builder().store(audit.log().store()).build();
    let nameless = other
        .history_of(ObjectRef::new("Cart", "1"))
        .expect("a history");
    let typed = auditlog::history::<Cart>(1).expect("a history");
    (audit, [typed, nameless])
}

#[test]
fn an_item_that_went_is_not_another_with_its_price() {
    let states = [
        cart(&[("A", 1), ("B", 2), ("C", 3)]),
        cart(&[("B", 2), ("C", 3)]),
        cart(&[("C", 4), ("B", 2)]),
    ];
    let (_audit, histories) = lived(&states);
    for history in histories {
        assert_eq!(
            history.diff(1, 2).expect("versions"),
            auditlog::diff(&states[0], &states[1])
        );
        assert_eq!(
            history.diff(1, 3).expect("versions"),
            auditlog::diff(&states[0], &states[2])
        );
        for back in [history.diff(3, 1), history.revert_to(1)] {
            let back = back.expect("a version");
            assert_eq!(back["items[sku='A']"].old, None);
            let mut state = auditlog::snapshot(&states[2]);
            back.apply(&mut state).expect("it fits");
            assert_eq!(state, auditlog::snapshot(&states[0]));
        }
    }
}

#[test]
fn sets_are_told_by_member_and_whole_fields_as_a_whole() {
    let first = cart(&[]);
    let second = Cart {
        tags: ["b", "c"].map(str::to_owned).into(),
        codes: vec![3, 2],
        size: Size {
            width: 2,
            height: 1,
        },
        ..first.clone()
    };
    let third = Cart {
        note: "m".into(),
        ..second.clone()
    };
    let (_audit, histories) = lived(&[first.clone(), second, third.clone()]);
    for history in histories {
        let changes = history.diff(1, 3).expect("versions");
        assert_eq!(changes, auditlog::diff(&first, &third));
        assert!(changes.contains("tags['a']") && changes.contains("codes['3']"));
        assert!(changes["size"].old.as_ref().is_some_and(Value::is_object));
    }
}

#[test]
fn a_break_between_two_versions_is_in_their_difference() {
    let (_audit, _) = lived(&[cart(&[("A", 1), ("B", 2)]), cart(&[("B", 2)])]);
    // `A` has come back and `B` changed without an entry.
    let past = cart(&[("A", 1), ("B", 7)]);
    let mut last = past.clone();
    last.items[1].price = 8;
    last.size.width = 9;
    last.tags.insert("z".into());
    auditlog::updated(&past, &last).record().expect("recorded");
    let history = auditlog::history::<Cart>(1).expect("a history");
    let from = history.at_version(2).expect("a version");
    let to = history.at_version(3).expect("a version");
    assert!(!to.complete);
    let changes = history.diff(2, 3).expect("versions");
    let mut state = from.state;
    changes.apply(&mut state).expect("it fits");
    assert_eq!(state, to.state);
    assert!(changes.contains("items[sku='B'].price"), "{changes}");
    assert!(
        changes.contains("tags['z']") && changes.contains("size"),
        "{changes}"
    );
}

#[test]
fn what_was_deleted_in_between_is_told_by_what_differs() {
    let (_audit, _) = lived(&[cart(&[("A", 1), ("B", 2)]), cart(&[("B", 2)])]);
    auditlog::deleted(&cart(&[("B", 2)]))
        .record()
        .expect("recorded");
    auditlog::created(&cart(&[("B", 3)]))
        .record()
        .expect("recorded");
    let history = auditlog::history::<Cart>(1).expect("a history");
    let changes = history.diff(1, 4).expect("versions");
    let mut state = history.at_version(1).expect("a version").state;
    changes.apply(&mut state).expect("it fits");
    assert_eq!(state, history.latest().state);
    assert!(!changes.contains("note"), "{changes}");
    assert_eq!(history.diff(1, 3).expect("versions").len(), 1);
}

#[test]
fn undoing_a_creation_leaves_no_object() {
    let (audit, _) = lived(&[cart(&[("A", 1)])]);
    let created = audit.entries()[0].id;
    let history = || auditlog::history::<Cart>(1).expect("a history");
    let undo = history().undo(created).expect("an entry");
    assert!(undo.conflicts.is_empty());
    assert_eq!(undo.changes.len(), 1);
    let mut state = history().latest().state;
    undo.changes.apply(&mut state).expect("it fits");
    assert!(state.is_null(), "{state}");

    // A later change is a conflict, and nothing is undone in part.
    let mut changed = cart(&[("A", 1)]);
    auditlog::update(&mut changed, |cart| cart.items[0].price = 2)
        .record()
        .expect("recorded");
    let undo = history().undo(created).expect("an entry");
    assert!(undo.changes.is_empty());
    assert_eq!(undo.conflicts.len(), 1);
    assert_eq!(undo.conflicts[0].path, "items[sku='A'].price");
    assert_eq!(undo.conflicts[0].kind, ConflictKind::Changed);
    assert_eq!(
        undo.conflicts[0].to_string(),
        "`items[sku='A'].price` is 2, expected 1"
    );

    auditlog::deleted(&changed).record().expect("recorded");
    let undo = history().undo(created).expect("an entry");
    assert!(undo.changes.is_empty() && undo.conflicts.is_empty());
    assert_eq!(undo.done, ["$"]);
    // Another life is not what that creation made.
    auditlog::created(&cart(&[("A", 1)]))
        .record()
        .expect("recorded");
    let undo = history().undo(created).expect("an entry");
    assert!(undo.changes.is_empty());
}

#[test]
fn a_difference_over_many_versions_takes_time_in_proportion() {
    #[derive(Auditable, Clone)]
    struct Stock {
        id: u32,
        notes: BTreeMap<u32, String>,
    }

    let _audit = testing::capture();
    auditlog::register::<Stock>();
    let mut stock = Stock {
        id: 1,
        notes: BTreeMap::new(),
    };
    auditlog::created(&stock).record().expect("recorded");
    for key in 0..1_000 {
        let note = "x".repeat(10_000);
        auditlog::update(&mut stock, |stock| drop(stock.notes.insert(key, note)))
            .record()
            .expect("recorded");
    }
    let history = auditlog::history::<Stock>(1).expect("readable");
    let changes = history.diff(1, 1_001).expect("two versions");
    assert_eq!(changes.len(), 1_000);
}

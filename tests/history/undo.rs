//! Undoing an entry and reverting to a version, and what stands in the way.

use auditlog::prelude::*;
use auditlog::{ConflictKind, testing};
use serde_json::Value;

use crate::order::{Order, live};
use crate::user::{User, lived};

#[test]
fn reverting_and_undoing_report_what_stands_in_the_way() {
    let audit = testing::capture().at("2026-01-01T00:00:00Z");
    let states = live(&audit);
    let history = auditlog::history::<Order>(7).expect("a history");
    let mut state = auditlog::snapshot(&states[4]);
    history
        .revert_to(2)
        .expect("a version")
        .apply(&mut state)
        .expect("it fits");
    assert_eq!(state, auditlog::snapshot(&states[1]));

    let paid = history.versions().nth(1).expect("a version").entry.id;
    let undo = history.undo(paid).expect("an entry");
    assert!(undo.conflicts.is_empty());
    assert_eq!(undo.changes["status"].new, Some("new".into()));

    let mut shipped = states[4].clone();
    shipped.status = "shipped".into();
    auditlog::updated(&states[4], &shipped)
        .record()
        .expect("a receipt");
    let history = auditlog::history::<Order>(7).expect("a history");
    let undo = history.undo(paid).expect("an entry");
    assert_eq!(undo.conflicts[0].path, "status");
    assert!(
        undo.conflicts[0].to_string().contains("shipped"),
        "{}",
        undo.conflicts[0]
    );
}

#[test]
fn going_back_neither_shows_nor_writes_what_is_masked() {
    let (_audit, user) = lived();
    let history = auditlog::history::<User>(1).expect("readable");
    let mut clear = serde_json::to_value(&user).expect("JSON");
    let back = history.revert_to(1).expect("a version");
    back.apply(&mut clear).expect("fits");
    assert_eq!(clear["email"], "e1");
    assert_eq!(
        clear["phone"], "+49 111 3333",
        "kept, since the old one is not known"
    );

    let difference = history.diff(2, 1).expect("two versions");
    let text = difference
        .apply(&mut clear)
        .expect_err("moved on")
        .to_string();
    assert!(!text.contains("111"), "{text}");
    let rebase = difference.rebase(&clear);
    assert!(!format!("{rebase:?}").contains("111"), "{rebase:?}");

    let undo = history.undo(history.entries()[1].id).expect("an entry");
    assert_eq!(undo.conflicts.len(), 1);
    assert_eq!(undo.conflicts[0].path, "phone");
    assert_eq!(undo.conflicts[0].kind, ConflictKind::Hidden);
    assert_eq!(
        undo.conflicts[0].to_string(),
        "`phone` is not in the trail in clear"
    );
    assert!(!undo.changes.contains("phone"));
}

#[test]
fn a_deleted_object_comes_back_without_masks_as_data() {
    let (_audit, user) = lived();
    let deleted = auditlog::deleted(&user).record().expect("recorded");
    let history = auditlog::history::<User>(1).expect("readable");
    let undo = history
        .undo(deleted.id().expect("recorded"))
        .expect("an entry");
    for changes in [undo.changes, history.revert_to(2).expect("a version")] {
        let mut state = Value::Null;
        changes
            .apply(&mut state)
            .expect("a null is where it begins");
        assert_eq!(state["email"], "e2");
        assert_eq!(state.get("phone"), None);
    }
    assert_eq!(undo.conflicts[0].kind, ConflictKind::Hidden);
}

#[test]
fn what_did_not_happen_is_not_undone() {
    let (_audit, user) = lived();
    let mut evil = user.clone();
    evil.email = "evil".into();
    let denied = auditlog::updated(&user, &evil)
        .outcome(Outcome::Denied)
        .record();
    let denied = denied.expect("recorded").id().expect("recorded");
    auditlog::updated(&user, &evil)
        .actor("carol")
        .record()
        .expect("recorded");
    let history = auditlog::history::<User>(1).expect("readable");
    assert!(history.undo(denied).is_none());
}

#[test]
fn a_deleted_object_comes_back_with_the_clear_parts_beside_a_masked_one() {
    #[derive(Auditable)]
    struct Card {
        expires: u16,
        #[audit(mask)]
        pin: String,
    }
    #[derive(Auditable)]
    struct Holder {
        id: u32,
        card: Card,
    }
    let _audit = auditlog::testing::capture();
    auditlog::register::<Holder>();
    let pin = "1234".to_owned();
    let card = Card { expires: 2030, pin };
    let holder = Holder { id: 1, card };
    auditlog::created(&holder).record().expect("recorded");
    auditlog::deleted(&holder).record().expect("recorded");
    let history = auditlog::history::<Holder>(1).expect("a history");
    let back = history.revert_to(1).expect("a version");
    let clear = serde_json::json!({"id": 1, "card": {"expires": 2030}});
    assert_eq!(back["$"].new, Some(clear));
}

//! Full snapshots: how often one is taken, and how they shorten the reading of a history.

use auditlog::prelude::*;
use auditlog::{ObjectRef, testing};

use crate::as_of::{Person, minute, person};
use crate::user::{User, user};

#[test]
fn snapshots_make_a_late_version_cheap() {
    let audit = testing::capture();
    auditlog::register_with::<Person>(|person| person.snapshot(Every(10))).expect("known fields");
    let mut one = person(1, 1);
    auditlog::created(&one)
        .at(minute(0))
        .record()
        .expect("recorded");
    for step in 1..=35 {
        auditlog::update(&mut one, |person| {
            person.euros = u64::try_from(step).expect("positive");
        })
        .at(minute(step))
        .record()
        .expect("recorded");
    }
    let with: Vec<usize> = audit
        .entries()
        .iter()
        .enumerate()
        .filter(|(_, entry)| entry.snapshot.is_some())
        .map(|(index, _)| index)
        .collect();
    assert_eq!(with, [10, 20, 30]);
    // An unchanged object counts for nothing.
    let copy = one.clone();
    auditlog::updated(&one, &copy).record().expect("recorded");

    // Another process goes on from what the store has.
    let store = audit.log().store();
    let other = AuditLog::builder().store(store).build();
    other
        .register_with::<Person>(|person| person.snapshot(Every(10)))
        .expect("known fields");
    for step in 36..=41 {
        other
            .update(&mut one, |person| {
                person.euros = u64::try_from(step).expect("positive");
            })
            .at(minute(step))
            .record()
            .expect("recorded");
    }
    let entries = audit.entries();
    assert!(entries[40].snapshot.is_some());
    assert_eq!(
        entries
            .iter()
            .filter(|entry| entry.snapshot.is_some())
            .count(),
        4
    );

    let history = auditlog::history::<Person>(1).expect("readable");
    for step in [0, 1, 9, 10, 11, 35, 41] {
        let euros = if step == 0 { 10 } else { step };
        let state = history.as_of(minute(step)).state;
        assert_eq!(state["euros"], euros);
        let found = auditlog::as_of::<Person>(1, minute(step)).expect("readable");
        assert_eq!(found.state, state);
    }
    assert!(
        !auditlog::as_of::<Person>(1, minute(-1))
            .expect("readable")
            .exists()
    );
    assert!(
        !auditlog::as_of::<Person>(9, minute(5))
            .expect("readable")
            .exists()
    );
}

#[test]
fn a_long_history_is_read_back_to_what_says_all() {
    let audit = testing::capture();
    auditlog::register::<Person>();
    let mut one = person(1, 1);
    auditlog::created(&one)
        .at(minute(0))
        .record()
        .expect("recorded");
    for step in 1..=700_u32 {
        auditlog::update(&mut one, |person| person.euros = 100 + u64::from(step))
            .at(minute(i64::from(step)))
            .record()
            .expect("recorded");
    }
    for step in [1, 31, 32, 33, 159, 160, 161, 700] {
        let state = auditlog::as_of::<Person>(1, minute(i64::from(step))).expect("readable");
        assert_eq!(state.state["euros"], 100 + step);
        assert_eq!(state.state["name"], "person 1");
    }
    let object = ObjectRef::new("Person", "1");
    let by_name = audit
        .log()
        .object_as_of(&object, minute(5))
        .expect("readable");
    assert_eq!(by_name.state["euros"], 105);
}

#[test]
fn denied_updates_do_not_use_up_snapshots() {
    let audit = testing::capture();
    auditlog::register_with::<User>(|user| user.snapshot(Every(3))).expect("known fields");
    let mut user = user();
    auditlog::created(&user).record().expect("recorded");
    for step in 0..30 {
        let mut other = user.clone();
        other.email = "evil".into();
        let denied = auditlog::updated(&user, &other).outcome(Outcome::Denied);
        denied.record().expect("recorded");
        // A draft that nobody records counts for nothing.
        drop(auditlog::updated(&user, &other));
        auditlog::update(&mut user, |user| user.email = format!("e{step}"))
            .record()
            .expect("recorded");
    }
    let with: Vec<_> = audit
        .entries()
        .into_iter()
        .filter(|entry| entry.snapshot.is_some())
        .collect();
    assert_eq!(with.len(), 10);
    assert!(with.iter().all(|entry| entry.outcome == Outcome::Success));
}

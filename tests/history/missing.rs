//! What a state lacks, and the reason that is given.

use auditlog::prelude::*;
use auditlog::{MissingReason, Query, Reconstruction, testing};
use serde_json::json;

use crate::user::{Card, User, lived};

#[test]
fn what_is_missing_is_said_and_why() {
    #[derive(Auditable, Clone)]
    struct Account {
        id: u32,
        #[audit(mask)]
        pin: String,
        #[audit(hash)]
        ssn: String,
        #[audit(skip)]
        #[expect(dead_code, reason = "only that it is not recorded matters")]
        password: String,
        balance: i64,
    }
    let _audit = testing::capture();
    auditlog::register::<Account>();
    let old = Account {
        id: 1,
        pin: "1234".into(),
        ssn: "A".into(),
        password: "secret".into(),
        balance: 5,
    };
    let new = Account {
        balance: 6,
        ..old.clone()
    };
    auditlog::updated(&old, &new).record().expect("a receipt");
    let Reconstruction {
        state,
        complete,
        missing,
        ..
    } = auditlog::history::<Account>(1).expect("a history").latest();
    assert_eq!(state, json!({ "balance": 6 }));
    assert!(!complete);
    let missing: Vec<_> = missing
        .iter()
        .map(|part| (part.path.as_str(), part.reason))
        .collect();
    assert_eq!(
        missing,
        [
            ("$", MissingReason::StartsLater),
            ("password", MissingReason::Skipped),
        ]
    );
}

#[derive(Auditable, Clone, Serialize, Deserialize)]
struct Patient {
    id: u32,
    name: String,
    #[audit(mask)]
    number: String,
    #[audit(hash)]
    diagnosis: String,
}

#[test]
fn what_is_masked_is_said_without_the_type() {
    let audit = auditlog::testing::capture();
    auditlog::register::<Patient>();
    let patient = Patient {
        id: 1,
        name: "Ada".into(),
        number: "A123".into(),
        diagnosis: "none".into(),
    };
    auditlog::created(&patient).record().expect("recorded");

    let object = auditlog::ObjectRef::new("Patient", "1");
    let log = audit.log();
    // A log that does not know the type.
    let other = AuditLog::builder().store(log.store()).build();
    let latest = || {
        let history = other.history_of(object.clone());
        history.expect("a history").latest()
    };
    let nameless = latest();
    assert!(!nameless.complete);
    let missing: Vec<_> = nameless
        .missing
        .iter()
        .map(|part| (part.path.as_str(), part.reason))
        .collect();
    assert_eq!(
        missing,
        [
            ("diagnosis", MissingReason::Hashed),
            ("number", MissingReason::Masked)
        ]
    );
    // With the type, each is said once.
    let typed = log.history::<Patient>(1).expect("a history").latest();
    assert_eq!(typed.missing.len(), 2);

    // A field that is no longer masked is there in clear once it was set again.
    let mut entry = auditlog::LogEntry::new("update", "Patient", "1", "Ada");
    let path = "number".parse().expect("a path");
    entry.changes = [auditlog::Change::new(
        path,
        Some("***".into()),
        Some("B1".into()),
    )]
    .into_iter()
    .collect();
    log.store().append(&[entry]).expect("appended");
    let clear = latest();
    assert_eq!(clear.state["number"], "B1");
    assert_eq!(clear.missing.len(), 1);
}

#[test]
fn only_what_a_state_holds_is_missing_from_it() {
    let (_audit, mut user) = lived();
    let missing = || -> Vec<String> {
        let history = auditlog::history::<User>(1).expect("readable");
        let missing = history.latest().missing;
        missing.iter().map(|part| part.path.to_string()).collect()
    };
    assert_eq!(missing(), ["address.note", "phone"]);
    auditlog::update(&mut user, |user| {
        let card = Card {
            number: "4711".into(),
        };
        user.card = Some(card.clone());
        user.cards = vec![card.clone(), card];
    })
    .record()
    .expect("recorded");
    assert_eq!(
        missing(),
        ["address.note", "card.number", "cards.number", "phone"]
    );
}

#[test]
fn the_rest_of_a_trail_after_retention_is_not_called_unrecorded() {
    let (audit, mut user) = lived();
    auditlog::update(&mut user, |user| user.address.city = "Mainz".into())
        .record()
        .expect("recorded");
    let entries = audit.entries();
    let query = Query::new().until(entries[2].timestamp);
    assert_eq!(audit.log().store().purge(&query).expect("removed"), 2);
    let latest = auditlog::history::<User>(1).expect("readable").latest();
    assert_eq!(latest.state, json!({"address": {"city": "Mainz"}}));
    let reasons: Vec<_> = latest.missing.iter().map(|part| part.reason).collect();
    assert_eq!(
        reasons,
        [MissingReason::StartsLater, MissingReason::Skipped]
    );
}

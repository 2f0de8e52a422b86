//! What an object was when, who set what, and how to put it back.

use std::collections::BTreeMap;

use auditlog::prelude::*;
use auditlog::{MissingReason, Reconstruction, testing};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;

#[derive(Auditable, Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Order {
    id: u32,
    status: String,
    total: u64,
    #[audit(ignore)]
    seen: u32,
    #[audit(key = "sku")]
    items: Vec<Item>,
    notes: Vec<String>,
    labels: BTreeMap<String, u64>,
    payment: Option<Payment>,
}

#[derive(Auditable, Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Item {
    sku: String,
    count: u128,
}

#[derive(Auditable, Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Payment {
    Cash,
    Card { number: u64 },
    Voucher(u64),
}

fn order() -> Order {
    Order {
        id: 7,
        status: "new".into(),
        total: u64::MAX,
        seen: 0,
        items: vec![
            Item {
                sku: "A".into(),
                count: 1,
            },
            Item {
                sku: "B".into(),
                count: u128::MAX,
            },
        ],
        notes: vec!["first".into()],
        labels: BTreeMap::from([("a.b".into(), u64::MAX)]),
        payment: Some(Payment::Card { number: u64::MAX }),
    }
}

/// Records a life of an order, a minute a step, and returns its states.
fn live(audit: &testing::Capture) -> Vec<Order> {
    auditlog::register::<Order>();
    let steps: [fn(&mut Order); 4] = [
        |order| order.status = "paid".into(),
        |order| {
            let item = Item {
                sku: "C".into(),
                count: 3,
            };
            order.items.insert(0, item);
        },
        |order| {
            order.payment = Some(Payment::Voucher(u64::MAX));
            order.notes.insert(0, "before".into());
        },
        |order| order.labels.clear(),
    ];
    let mut states = vec![order()];
    auditlog::created(&states[0])
        .actor("user-0")
        .record()
        .expect("a receipt");
    for (number, step) in (1..).zip(steps) {
        audit.advance(TimeDelta::minutes(1));
        let mut next = states[number - 1].clone();
        step(&mut next);
        auditlog::updated(&states[number - 1], &next)
            .actor(format!("user-{number}"))
            .record()
            .expect("a receipt");
        states.push(next);
    }
    states
}

fn start() -> DateTime<Utc> {
    "2026-01-01T00:00:00Z".parse().expect("a time")
}

#[test]
fn every_version_is_what_it_was() {
    let audit = testing::capture().at("2026-01-01T00:00:00Z");
    let states = live(&audit);
    let history = auditlog::history::<Order>(7).expect("a history");
    assert_eq!(history.versions().count(), states.len());
    for (index, state) in states.iter().enumerate() {
        let version = history.at_version(index + 1).expect("a version");
        assert_eq!(version.state, auditlog::snapshot(state));
        assert!(version.complete, "{:?}", version.missing);
        let minutes = TimeDelta::minutes(i64::try_from(index).expect("few"));
        let then = start() + minutes + TimeDelta::seconds(30);
        let typed = history.as_of_typed::<Order>(then).expect("an order");
        assert_eq!(
            typed.as_ref(),
            Some(state),
            "numbers stored as texts are numbers again"
        );
    }
    assert!(!history.as_of(start() - TimeDelta::seconds(1)).exists());
    assert!(history.at_version(0).is_none() && history.at_version(9).is_none());
    let changes = history.diff(1, 5).expect("two versions");
    let mut state = auditlog::snapshot(&states[0]);
    changes.apply(&mut state).expect("it fits");
    assert_eq!(state, auditlog::snapshot(&states[4]));
}

#[test]
fn blame_names_the_last_to_set_each_part() {
    let audit = testing::capture().at("2026-01-01T00:00:00Z");
    live(&audit);
    let history = auditlog::history::<Order>(7).expect("a history");
    let blame: BTreeMap<String, String> = history
        .blame()
        .into_iter()
        .map(|part| (part.path.to_string(), part.entry.actor().to_owned()))
        .collect();
    let expected = [
        ("id", "user-0"),
        ("items", "user-0"),
        ("items[sku='C']", "user-2"),
        ("labels", "user-0"),
        ("notes", "user-3"),
        ("payment", "user-3"),
        ("seen", "user-0"),
        ("status", "user-1"),
        ("total", "user-0"),
    ];
    let expected = expected.map(|(path, actor)| (path.to_owned(), actor.to_owned()));
    assert_eq!(blame, BTreeMap::from(expected));
}

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
fn deleted_and_created_again() {
    let audit = testing::capture().at("2026-01-01T00:00:00Z");
    let states = live(&audit);
    audit.advance(TimeDelta::minutes(1));
    auditlog::deleted(&states[4]).record().expect("a receipt");
    let gone = auditlog::history::<Order>(7).expect("a history").latest();
    assert!(!gone.exists() && gone.complete);
    assert_eq!(gone.typed::<Order>().expect("a state"), None);
    audit.advance(TimeDelta::minutes(1));
    auditlog::created(&order()).record().expect("a receipt");
    let history = auditlog::history::<Order>(7).expect("a history");
    assert_eq!(history.latest().state, auditlog::snapshot(&order()));
    // Undelete: what leads from the deletion back to the version before it.
    assert_eq!(history.diff(6, 5).expect("versions").len(), 1);
}

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
            ("pin", MissingReason::Masked),
            ("ssn", MissingReason::Hashed),
            ("password", MissingReason::Skipped),
        ]
    );
}

#[test]
fn a_change_that_was_not_recorded_does_not_break_the_history() {
    let audit = testing::capture().at("2026-01-01T00:00:00Z");
    let states = live(&audit);
    // `seen` changes alone, which makes no entry, and then along with another field.
    let unseen = Order {
        seen: 5,
        ..states[4].clone()
    };
    let later = Order {
        seen: 6,
        status: "sent".into(),
        ..states[4].clone()
    };
    let receipt = auditlog::updated(&states[4], &unseen)
        .record()
        .expect("a receipt");
    assert_eq!(receipt, Receipt::Unchanged);
    auditlog::updated(&unseen, &later)
        .record()
        .expect("a receipt");
    let latest = auditlog::history::<Order>(7).expect("a history").latest();
    assert_eq!(latest.state, auditlog::snapshot(&later));
    assert!(latest.complete, "{:?}", latest.missing);
}

#[test]
fn history_survives_new_names_and_types_that_are_gone() {
    mod before {
        #[derive(auditlog::Auditable, Clone)]
        #[audit(model = "Customer")]
        pub(crate) struct Customer {
            pub(crate) id: u32,
            pub(crate) mail: String,
            pub(crate) home: Home,
        }
        #[derive(auditlog::Auditable, Clone)]
        pub(crate) struct Home {
            pub(crate) town: String,
        }
    }
    #[derive(Auditable, Clone, Debug, PartialEq, Deserialize)]
    #[audit(model = "Customer", version = 2)]
    struct Client {
        id: u32,
        #[audit(alias = "mail")]
        email: String,
        #[audit(alias = "home")]
        address: Address,
    }
    #[derive(Auditable, Clone, Debug, PartialEq, Deserialize)]
    struct Address {
        #[audit(alias = "town")]
        city: String,
    }
    let audit = testing::capture();
    auditlog::register::<before::Customer>();
    let old = before::Customer {
        id: 1,
        mail: "a".into(),
        home: before::Home {
            town: "Mainz".into(),
        },
    };
    let mut new = old.clone();
    new.home.town = "Bonn".into();
    auditlog::created(&old).record().expect("a receipt");
    auditlog::updated(&old, &new).record().expect("a receipt");
    auditlog::unregister::<before::Customer>();

    let history = auditlog::history::<Client>(1).expect("a history");
    let client = history.latest().typed::<Client>().expect("a client");
    let address = Address {
        city: "Bonn".into(),
    };
    assert_eq!(
        client,
        Some(Client {
            id: 1,
            email: "a".into(),
            address
        })
    );
    let paths: Vec<_> = history
        .blame()
        .iter()
        .map(|part| part.path.to_string())
        .collect();
    assert_eq!(paths, ["address", "address.city", "email", "id"]);

    let object = auditlog::ObjectRef::new("Customer", "1");
    let nameless = audit.log().history_of(object).expect("a history").latest();
    assert_eq!(
        nameless.state,
        json!({ "id": 1, "mail": "a", "home": { "town": "Bonn" } })
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

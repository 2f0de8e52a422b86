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

/// What reviewers of histories ask.
mod hard_questions {
    use auditlog::prelude::*;
    use auditlog::{ConflictKind, MissingReason, Query, testing};
    use serde_json::{Value, json};

    #[derive(Auditable, Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct User {
        id: u32,
        email: String,
        #[audit(mask = "last4")]
        phone: String,
        address: Address,
        card: Option<Card>,
        cards: Vec<Card>,
    }

    #[derive(Auditable, Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Address {
        city: String,
        #[audit(skip)]
        #[serde(default)]
        note: String,
    }

    #[derive(Auditable, Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Card {
        #[audit(mask)]
        number: String,
    }

    fn user() -> User {
        User {
            id: 1,
            email: "e1".into(),
            phone: "+49 111 2222".into(),
            address: Address {
                city: "Bonn".into(),
                note: String::new(),
            },
            card: None,
            cards: Vec::new(),
        }
    }

    fn lived() -> (testing::Capture, User) {
        let audit = testing::capture();
        auditlog::register::<User>();
        let mut user = user();
        auditlog::created(&user)
            .actor("alice")
            .record()
            .expect("recorded");
        auditlog::update(&mut user, |user| {
            user.phone = "+49 111 3333".into();
            user.email = "e2".into();
        })
        .actor("bob")
        .record()
        .expect("recorded");
        (audit, user)
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

    #[test]
    fn what_a_snapshot_was_the_first_to_show_is_its_entrys() {
        let (_audit, mut user) = lived();
        // Somebody writes past the trail.
        user.email = "z".into();
        user.address.city = "Ulm".into();
        auditlog::context()
            .actor("auditor")
            .scope(|| auditlog::baseline::<User>([&user]))
            .expect("recorded");
        let history = auditlog::history::<User>(1).expect("readable");
        let who = |path: &str| {
            let blame = history.blame();
            let part = blame.iter().find(|part| part.path == path);
            part.map(|part| part.entry.actor().to_owned())
        };
        assert_eq!(who("email").as_deref(), Some("auditor"));
        assert_eq!(who("address.city").as_deref(), Some("auditor"));
        assert_eq!(who("phone").as_deref(), Some("bob"));
        assert_eq!(who("id").as_deref(), Some("alice"));
    }

    #[test]
    fn blame_of_a_big_map_takes_time_in_proportion() {
        use std::collections::BTreeMap;

        #[derive(Auditable, Clone)]
        struct Stock {
            id: u32,
            counts: BTreeMap<u32, u64>,
        }

        let _audit = testing::capture();
        auditlog::register::<Stock>();
        let mut stock = Stock {
            id: 1,
            counts: BTreeMap::new(),
        };
        auditlog::created(&stock).record().expect("recorded");
        auditlog::update(&mut stock, |stock| {
            stock.counts = (0..20_000).map(|key| (key, 1)).collect();
        })
        .record()
        .expect("recorded");
        let history = auditlog::history::<Stock>(1).expect("readable");
        assert_eq!(history.blame().len(), 20_002);
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
}

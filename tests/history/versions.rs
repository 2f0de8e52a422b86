//! What an object was at a version or a time.

use auditlog::prelude::*;
use auditlog::testing;
use chrono::TimeDelta;
use serde_json::json;

use crate::order::{Order, live, order, start};

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

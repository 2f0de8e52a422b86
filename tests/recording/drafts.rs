//! Drafts: the entry of each action, its level, and what can be set on it.

use auditlog::prelude::*;
use auditlog::{Error, testing};
use chrono::{DateTime, Utc};

use crate::user::{User, bob, captured};

#[test]
fn create_update_delete_make_one_entry_each() {
    let audit = captured();
    let old = bob();
    let new = User {
        email: "new@example.com".into(),
        ..old.clone()
    };
    assert!(
        auditlog::created(&old)
            .record()
            .expect("a receipt")
            .is_recorded()
    );
    assert!(
        auditlog::updated(&old, &new)
            .record()
            .expect("a receipt")
            .is_recorded()
    );
    assert!(
        auditlog::deleted(&new)
            .record()
            .expect("a receipt")
            .is_recorded()
    );
    let entries = audit.entries();
    let actions: Vec<_> = entries.iter().map(|entry| entry.action.as_str()).collect();
    assert_eq!(actions, ["create", "update", "delete"]);
    assert_eq!(
        entries[0].changes["email"].new,
        Some("bob@example.com".into())
    );
    assert_eq!(entries[0].changes["email"].old, None);
    assert_eq!(entries[1].changes.len(), 1);
    assert_eq!(
        entries[2].changes["email"].old,
        Some("new@example.com".into())
    );
    assert!(
        entries
            .iter()
            .all(|entry| entry.object_pk == "42" && entry.object_repr == "bob")
    );
    let levels: Vec<_> = entries.iter().map(|entry| entry.level).collect();
    assert_eq!(levels, [Level::Info, Level::Info, Level::Warning]);
}

#[test]
fn what_changes_nothing_records_nothing() {
    let audit = captured();
    let old = bob();
    let receipt = auditlog::updated(&old, &old.clone())
        .record()
        .expect("a receipt");
    assert_eq!(receipt, Receipt::Unchanged);
    let ignored = User {
        seen: 1,
        ..old.clone()
    };
    let receipt = auditlog::updated(&old, &ignored)
        .record()
        .expect("a receipt");
    assert_eq!(receipt, Receipt::Unchanged);
    assert!(audit.entries().is_empty());

    auditlog::updated(&old, &old.clone())
        .force()
        .record()
        .expect("a receipt");
    let both = User {
        seen: 2,
        name: "rob".into(),
        ..old.clone()
    };
    auditlog::updated(&old, &both).record().expect("a receipt");
    let entries = audit.entries();
    assert!(entries[0].changes.is_empty());
    assert!(
        entries[1].changes.contains("seen"),
        "an ignored field goes along with others"
    );
}

#[test]
fn levels_rise_with_fields_and_outcomes() {
    let audit = captured();
    let old = bob();
    let admin = User {
        admin: true,
        ..old.clone()
    };
    auditlog::updated(&old, &admin).record().expect("a receipt");
    assert_eq!(audit.last().expect("an entry").level, Level::Critical);
    auditlog::accessed(&old).record().expect("a receipt");
    assert_eq!(audit.last().expect("an entry").level, Level::Debug);
    auditlog::accessed(&old)
        .outcome(Outcome::Denied)
        .record()
        .expect("a receipt");
    assert_eq!(audit.last().expect("an entry").level, Level::Warning);
    auditlog::event("login")
        .outcome(Outcome::Failure)
        .record()
        .expect("a receipt");
    assert_eq!(audit.last().expect("an entry").level, Level::Error);
    auditlog::event("login")
        .outcome(Outcome::Failure)
        .level(Level::Info)
        .record()
        .expect("ok");
    assert_eq!(audit.last().expect("an entry").level, Level::Info);
}

#[test]
fn a_draft_can_be_given_everything() {
    let audit = captured();
    let time: DateTime<Utc> = "2020-02-29T12:00:00.123456789Z".parse().expect("a time");
    let old = bob();
    let new = User {
        name: "rob".into(),
        email: "rob@example.com".into(),
        ..old.clone()
    };
    auditlog::updated(&old, &new)
        .reason("why")
        .extra("ticket", 4711)
        .actor("carol")
        .at(time)
        .only(["name"])
        .record()
        .expect("a receipt");
    let entry = audit.last().expect("an entry");
    assert_eq!(
        entry.to_string(),
        "2020-02-29T12:00:00.123456Z: update: rob by carol"
    );
    assert_eq!(entry.additional_data["ticket"], 4711);
    assert_eq!(entry.changes.len(), 1);
    let error = auditlog::updated(&old, &new)
        .only(["nmae"])
        .record()
        .expect_err("a typo");
    assert_eq!(
        error.to_string(),
        "`User` has no field `nmae`; did you mean `name`?"
    );
}

#[test]
fn bulk_and_custom_and_events() {
    let audit = captured();
    auditlog::bulk::<User>(Action::Update)
        .matching("seen < 2020")
        .affected(1200)
        .record()
        .expect("a receipt");
    let entry = audit.last().expect("an entry");
    assert_eq!(
        (entry.model.as_str(), entry.object_pk.as_str()),
        ("User", "")
    );
    assert_eq!(entry.additional_data["matching"], "seen < 2020");
    assert_eq!(entry.additional_data["affected"], 1200);
    auditlog::custom("approved", &bob())
        .record()
        .expect("a receipt");
    assert_eq!(
        audit.last().expect("an entry").action,
        Action::from("approved")
    );
    auditlog::event("login_failed").record().expect("a receipt");
    assert_eq!(audit.last().expect("an entry").model, "");
}

#[test]
fn own_actions_have_names_of_their_own() {
    let audit = captured();
    for name in ["", " ", "create", "update", "delete", "access"] {
        assert!(
            matches!(
                auditlog::event(name).record(),
                Err(Error::ActionName { .. })
            ),
            "{name}"
        );
        let custom = auditlog::custom(name, &bob()).record();
        assert!(matches!(custom, Err(Error::ActionName { .. })), "{name}");
    }
    assert!(audit.entries().is_empty());
}

#[test]
fn a_creation_says_what_is_redacted() {
    use auditlog::{Redaction, Sensitive};
    #[derive(Auditable)]
    struct Inner {
        #[audit(mask)]
        pin: String,
        city: String,
    }
    #[derive(Auditable)]
    enum Either {
        Clear(u8),
        Hidden {
            #[audit(mask)]
            pin: String,
        },
    }
    #[derive(Auditable)]
    struct Outer {
        id: u32,
        #[audit(hash)]
        token: String,
        typed: Sensitive<u8>,
        pair: Option<(u8, Sensitive<u8>)>,
        inner: Inner,
        clear: Either,
        hidden: Either,
        later: String,
        other: Inner,
    }
    let audit = testing::capture();
    auditlog::register_with::<Outer>(|o| o.mask("later").mask("other.city")).expect("options");
    let inner = || Inner {
        pin: "1".into(),
        city: "c".into(),
    };
    let outer = Outer {
        id: 1,
        token: "t".into(),
        typed: Sensitive::new(1),
        pair: Some((1, Sensitive::new(2))),
        inner: inner(),
        clear: Either::Clear(1),
        hidden: Either::Hidden { pin: "2".into() },
        later: "x".into(),
        other: inner(),
    };
    auditlog::created(&outer).record().expect("a receipt");
    auditlog::deleted(&outer).record().expect("a receipt");
    for entry in audit.entries() {
        let redaction = |field: &str| entry.changes[field].redaction;
        assert_eq!(redaction("id"), None);
        assert_eq!(redaction("token"), Some(Redaction::Hashed));
        assert_eq!(redaction("typed"), Some(Redaction::Masked));
        assert_eq!(redaction("pair"), Some(Redaction::Partial));
        assert_eq!(redaction("inner"), Some(Redaction::Partial));
        assert_eq!(redaction("clear"), None);
        assert_eq!(redaction("hidden"), Some(Redaction::Partial));
        assert_eq!(redaction("later"), Some(Redaction::Masked));
        assert_eq!(redaction("other"), Some(Redaction::Partial));
    }
}

#[test]
fn values_too_deep_are_an_error_and_nothing_is_recorded() {
    #[derive(Auditable, Clone)]
    struct Node {
        id: u32,
        next: Option<Box<Node>>,
    }
    let audit = testing::capture();
    auditlog::register::<Node>();
    let mut node = Node { id: 0, next: None };
    for id in 1..500 {
        node = Node {
            id,
            next: Some(Box::new(node)),
        };
    }
    let error = auditlog::created(&node).record().expect_err("too deep");
    assert!(
        error.to_string().contains("deeper than 100 levels"),
        "{error}"
    );
    assert!(audit.entries().is_empty());
}

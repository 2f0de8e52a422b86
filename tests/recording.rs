//! Drafts, receipts, the registry and its options, levels and hooks.

use auditlog::prelude::*;
use auditlog::{Error, Flow, RegistrationError, SkipReason, StoreError, testing};
use chrono::{DateTime, Utc};

#[derive(Auditable, Clone, Debug, PartialEq)]
#[audit(repr = "{name}")]
struct User {
    id: u64,
    name: String,
    email: String,
    #[audit(level = "critical")]
    admin: bool,
    #[audit(ignore)]
    seen: u32,
    address: Address,
}

#[derive(Auditable, Clone, Debug, PartialEq)]
struct Address {
    street: String,
    city: String,
}

fn bob() -> User {
    User {
        id: 42,
        name: "bob".into(),
        email: "bob@example.com".into(),
        admin: false,
        seen: 0,
        address: Address {
            street: "Long Street 1".into(),
            city: "Mainz".into(),
        },
    }
}

fn captured() -> testing::Capture {
    let audit = testing::capture();
    auditlog::register::<User>();
    audit
}

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
fn an_unregistered_type_is_skipped() {
    let audit = testing::capture();
    let draft = auditlog::created(&bob());
    assert!(draft.entry().is_none());
    let skipped = Receipt::Skipped(SkipReason::NotRegistered);
    assert_eq!(draft.record().expect("a receipt"), skipped);
    auditlog::register::<User>();
    auditlog::register::<User>();
    assert!(auditlog::is_registered::<User>());
    assert_eq!(auditlog::registered()[0].name(), "User");
    assert!(auditlog::unregister::<User>());
    assert!(!auditlog::unregister::<User>());
    assert_eq!(
        auditlog::created(&bob()).record().expect("a receipt"),
        skipped
    );
    assert!(audit.entries().is_empty());
}

#[test]
fn two_types_cannot_have_one_model_name() {
    mod other {
        #[derive(auditlog::Auditable)]
        #[audit(model = "User")]
        pub(crate) struct Impostor {
            pub(crate) id: u64,
        }
    }
    let _audit = captured();
    let error = auditlog::try_register::<other::Impostor>().expect_err("a name taken");
    assert!(matches!(error, RegistrationError::ModelTaken { .. }));
    assert!(error.to_string().contains("Impostor"), "{error}");
    assert!(
        error.to_string().contains("#[audit(model = \"...\")]"),
        "{error}"
    );
}

#[test]
fn options_name_fields_that_exist() {
    let _audit = testing::capture();
    let error = auditlog::register_with::<User>(|o| o.exclude("emial")).expect_err("a typo");
    assert_eq!(
        error.to_string(),
        "`User` has no field `emial`; did you mean `email`?"
    );
    let error = auditlog::register_with::<User>(|o| o.mask("address.stret")).expect_err("a typo");
    assert_eq!(
        error.to_string(),
        "`User` has no field `address.stret`; did you mean `address.street`?"
    );
    let error = auditlog::register_with::<User>(|o| o.actions(["creat"])).expect_err("a typo");
    assert!(error.to_string().contains("`creat`"), "{error}");
    assert!(
        !auditlog::is_registered::<User>(),
        "a failed registration registers nothing"
    );
}

#[test]
fn options_exclude_include_and_mask_down_to_nested_fields() {
    let audit = testing::capture();
    auditlog::register_with::<User>(|o| {
        o.exclude("email")
            .mask("address.street")
            .mask("name")
            .snapshot(Always)
    })
    .expect("options");
    let old = bob();
    let new = User {
        name: "rob".into(),
        email: "x@example.com".into(),
        address: Address {
            street: "Short Street 2".into(),
            city: "Bonn".into(),
        },
        ..old.clone()
    };
    auditlog::created(&old).record().expect("a receipt");
    auditlog::updated(&old, &new).record().expect("a receipt");
    for entry in audit.entries() {
        let text = format!("{entry:?}{}", entry.to_canonical_json().expect("a form"));
        for secret in ["bob", "rob", "example.com", "Long Street", "Short Street"] {
            assert!(!text.contains(secret), "{secret} is in {text}");
        }
    }
    let update = audit.last().expect("an entry");
    assert_eq!(update.object_repr, "***");
    assert_eq!(update.changes["address.city"].new, Some("Bonn".into()));
    assert_eq!(update.changes["address.street"].new, Some("***".into()));
    let snapshot = update.snapshot.as_ref().expect("a snapshot");
    assert_eq!(snapshot["address"]["street"], "***");
    assert!(snapshot.get("email").is_none());

    auditlog::register_with::<User>(|o| o.include(["address.city"])).expect("options");
    auditlog::updated(&old, &new).record().expect("a receipt");
    let paths: Vec<_> = audit
        .last()
        .expect("an entry")
        .changes
        .paths()
        .map(ToString::to_string)
        .collect();
    assert_eq!(paths, ["address.city"]);
    let only_email = User {
        email: "y@example.com".into(),
        ..old.clone()
    };
    let receipt = auditlog::updated(&old, &only_email)
        .record()
        .expect("a receipt");
    assert_eq!(receipt, Receipt::Unchanged);
}

#[test]
fn options_choose_actions_objects_levels_and_reasons() {
    let audit = testing::capture();
    auditlog::register_with::<User>(|o| {
        o.actions(["update"])
            .when(|user| user.id < 100)
            .level(Level::Warning)
            .require_reason()
    })
    .expect("options");
    let old = bob();
    let new = User {
        name: "rob".into(),
        ..old.clone()
    };
    let excluded = Receipt::Skipped(SkipReason::ActionExcluded);
    assert_eq!(
        auditlog::created(&old).record().expect("a receipt"),
        excluded
    );
    let far = User {
        id: 100,
        ..new.clone()
    };
    assert_eq!(
        auditlog::updated(&old, &far).record().expect("a receipt"),
        excluded
    );
    let error = auditlog::updated(&old, &new)
        .record()
        .expect_err("no reason");
    assert!(matches!(error, Error::ReasonRequired { .. }), "{error}");
    assert!(error.to_string().contains(".reason(..)"), "{error}");
    auditlog::updated(&old, &new)
        .reason("asked to")
        .record()
        .expect("a receipt");
    assert_eq!(audit.last().expect("an entry").level, Level::Warning);
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
fn hooks_change_and_veto() {
    let log = AuditLog::builder()
        .before(|entry| {
            if entry.action == "noise" {
                return Flow::Veto;
            }
            entry.additional_data.insert("seen".into(), true.into());
            Flow::Continue
        })
        .min_level(Level::Info)
        .build();
    assert_eq!(
        log.event("noise").record().expect("a receipt"),
        Receipt::Skipped(SkipReason::Vetoed)
    );
    assert_eq!(
        log.event("quiet")
            .level(Level::Debug)
            .record()
            .expect("a receipt"),
        Receipt::Skipped(SkipReason::BelowLevel)
    );
    log.event("news").record().expect("a receipt");
    assert_eq!(
        log.query().all().expect("entries")[0].additional_data["seen"],
        true
    );
}

#[test]
fn a_batch_is_all_or_nothing() {
    let audit = testing::capture();
    auditlog::register_with::<User>(auditlog::RegisterOptions::require_reason).expect("options");
    let drafts = [auditlog::event("one"), auditlog::created(&bob())];
    assert!(matches!(
        auditlog::record_all(drafts),
        Err(Error::ReasonRequired { .. })
    ));
    assert!(audit.entries().is_empty());
    let drafts = [
        auditlog::event("one"),
        auditlog::created(&bob()).reason("why"),
    ];
    let receipts = auditlog::record_all(drafts).expect("receipts");
    assert_eq!(receipts.len(), 2);
    assert!(receipts.iter().all(Receipt::is_recorded));
}

#[test]
fn what_entries_are_found_by_cannot_be_hidden() {
    #[derive(Auditable)]
    #[audit(parent(User, key = "user_id"))]
    struct Note {
        id: u32,
        user_id: u32,
        text: String,
    }
    #[derive(Auditable)]
    struct Secret {
        id: auditlog::Sensitive<String>,
    }
    let _audit = testing::capture();
    for (error, field) in [
        (auditlog::register_with::<User>(|o| o.mask("id")), "User.id"),
        (
            auditlog::register_with::<User>(|o| o.exclude("id")),
            "User.id",
        ),
        (
            auditlog::register_with::<Note>(|o| o.mask("user_id")),
            "Note.user_id",
        ),
        (auditlog::try_register::<Secret>(), "Secret.id"),
    ] {
        let error = error.expect_err(field);
        assert!(
            error.to_string().contains(&format!(
                "`{field}` cannot be hidden: entries are found by it; mark it `#[audit(hash)]`"
            )),
            "{error}"
        );
    }
    assert!(auditlog::register_with::<Note>(|o| o.mask("text")).is_ok());
}

#[test]
fn a_rule_is_for_a_field_and_not_for_an_item() {
    let _audit = captured();
    for path in ["name[3]", "address[0].street", "address['street'][1]"] {
        assert!(
            auditlog::register_with::<User>(|o| o.exclude(path)).is_err(),
            "{path}"
        );
        let old = bob();
        let draft = auditlog::updated(
            &old,
            &User {
                admin: true,
                ..old.clone()
            },
        )
        .only([path]);
        assert!(
            matches!(draft.record(), Err(Error::UnknownField { .. })),
            "{path}"
        );
    }
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
fn a_batch_takes_drafts_of_its_own_log_only() {
    let audit = captured();
    let other = AuditLog::builder().build();
    let error = auditlog::record_all([other.event("elsewhere")]).expect_err("another log");
    assert!(matches!(error, Error::OtherLog), "{error}");
    assert!(audit.entries().is_empty());
}

#[test]
fn submitted_entries_come_in_order_and_all_of_them() {
    let log = AuditLog::builder().build();
    let tickets: Vec<_> = (0..5000)
        .map(|n| log.event("tick").extra("n", n).submit())
        .collect();
    log.flush().expect("flushed");
    let numbers: Vec<_> = log
        .query()
        .iter()
        .expect("entries")
        .map(|entry| entry.expect("an entry").additional_data["n"].as_i64())
        .collect();
    assert_eq!(numbers, (0..5000).map(Some).collect::<Vec<_>>());
    let mut tickets = tickets.into_iter();
    assert!(
        tickets
            .next()
            .expect("a ticket")
            .wait()
            .expect("a receipt")
            .is_recorded()
    );
    for ticket in tickets {
        assert!(
            futures::executor::block_on(ticket)
                .expect("a receipt")
                .is_recorded()
        );
    }
    log.shutdown().expect("shut down");
    assert!(matches!(log.event("late").record(), Err(Error::ShutDown)));
    assert!(matches!(
        log.event("late").submit().wait(),
        Err(Error::ShutDown)
    ));
    assert_eq!(
        log.query().count().expect("a count"),
        5000,
        "what was kept can still be read"
    );
}

#[test]
fn a_query_for_what_is_no_path_is_an_error() {
    let audit = captured();
    let error = LogEntry::objects()
        .changed("a..b")
        .all()
        .expect_err("no path");
    assert_eq!(
        error.to_string(),
        "the query cannot be run: `a..b` is not a path: expected a name at column 3"
    );
    drop(audit);
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

#[test]
fn store_errors_reach_the_caller() {
    #[derive(Debug)]
    struct Broken;
    impl auditlog::Store for Broken {
        fn append(&self, _: &[LogEntry]) -> Result<(), StoreError> {
            Err(StoreError::Full {
                location: "the disk".into(),
            })
        }
        fn find(&self, _: &auditlog::Query) -> Result<auditlog::Page, StoreError> {
            Ok(auditlog::Page::default())
        }
    }
    let log = AuditLog::builder().store(Broken).build();
    let error = log.event("lost?").record().expect_err("a full disk");
    assert_eq!(
        error.to_string(),
        "the store failed: no space left in the disk"
    );
    assert!(log.event("lost?").submit().wait().is_err());
    assert!(log.transaction(|| log.event("lost?").record()).is_err());
    assert_eq!(log.stats().failed, 3);
}

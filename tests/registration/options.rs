//! Options of `register_with`, and the types that registration refuses.

use auditlog::prelude::*;
use auditlog::{Error, RegistrationError, SkipReason, testing};

use crate::user::{Address, User, bob, captured};

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
    let error = auditlog::register_with::<User>(|o| o.snapshot(Every(0))).expect_err("no number");
    assert_eq!(
        error.to_string(),
        "`User` cannot have a snapshot every 0 updates: use `Never`, or `Every(1)` or more"
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
                "`{field}` is in the key, by which entries are found, so it cannot be hidden: mark it `#[audit(hash)]`"
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

//! Flattened fields whose names collide: no two fields of one object are recorded under one name.

use std::collections::BTreeMap;

use auditlog::prelude::*;
use auditlog::{AuditValue, RegistrationError, diff, snapshot, try_diff, try_snapshot};
use serde_json::json;

use crate::flatten::{applied, log};

mod colliding {
    use super::*;

    #[derive(Auditable, Clone, Debug)]
    pub(super) struct Page {
        pub(super) limit: u64,
        pub(super) total: u64,
    }

    #[derive(Auditable, Clone, Debug)]
    pub(super) struct WithField {
        pub(super) id: u32,
        pub(super) limit: u64,
        #[audit(flatten)]
        pub(super) page: Page,
    }

    #[derive(Auditable, Clone, Debug)]
    pub(super) struct Size {
        pub(super) total: u64,
    }

    #[derive(Auditable, Clone, Debug)]
    pub(super) struct TwoFlattened {
        pub(super) id: u32,
        #[audit(flatten)]
        pub(super) page: Option<Page>,
        #[audit(flatten)]
        pub(super) size: Box<Size>,
    }

    #[derive(Auditable, Clone, Debug)]
    pub(super) struct TwoMaps {
        pub(super) id: u32,
        #[audit(flatten)]
        pub(super) first: BTreeMap<String, u8>,
        #[audit(flatten)]
        pub(super) second: Option<BTreeMap<String, u8>>,
    }

    #[derive(Auditable, Clone, Debug, Deserialize)]
    pub(super) struct Kind {
        pub(super) kind: u8,
    }

    #[derive(Auditable, Clone, Debug, Deserialize)]
    #[serde(tag = "kind")]
    pub(super) enum Tagged {
        Content(Kind),
    }

    #[derive(Auditable, Clone, Debug)]
    pub(super) struct WithTag {
        pub(super) id: u32,
        pub(super) inside: Vec<Tagged>,
    }

    #[derive(Auditable, Clone, Copy, Debug, Deserialize)]
    #[serde(rename_all = "lowercase")]
    pub(super) enum State {
        Open,
        Closed,
    }

    #[derive(Auditable, Clone, Debug)]
    pub(super) struct FieldAndUnit {
        pub(super) id: u32,
        pub(super) open: bool,
        #[audit(flatten)]
        pub(super) state: Option<Box<State>>,
    }

    #[derive(Auditable, Clone, Copy, Debug)]
    pub(super) struct Newtype(pub(super) State);

    #[derive(Auditable, Clone, Copy, Debug)]
    pub(super) enum Mixed {
        #[audit(rename = "closed")]
        Unit,
        Data(u8),
    }

    #[derive(Auditable, Clone, Debug)]
    pub(super) struct TwoUnits {
        pub(super) id: u32,
        #[audit(flatten)]
        pub(super) state: Newtype,
        #[audit(flatten)]
        pub(super) other: Mixed,
    }

    #[derive(Auditable, Clone, Debug, Deserialize)]
    #[serde(tag = "open")]
    pub(super) enum TagAndUnit {
        Content(State),
    }

    #[derive(Auditable, Clone, Debug)]
    pub(super) struct WithTagAndUnit {
        pub(super) id: u32,
        pub(super) inside: Vec<TagAndUnit>,
    }

    #[derive(Auditable, Clone, Debug, Deserialize)]
    #[serde(untagged)]
    pub(super) enum Untagged {
        State(State),
        Number(u8),
    }

    #[derive(Auditable, Clone, Debug)]
    pub(super) struct FieldAndUntagged {
        pub(super) id: u32,
        pub(super) closed: bool,
        #[audit(flatten)]
        pub(super) state: Untagged,
    }

    #[derive(Auditable, Clone, Debug)]
    pub(super) struct MapAndUnit {
        pub(super) id: u32,
        #[audit(flatten)]
        pub(super) labels: BTreeMap<String, u8>,
        #[audit(flatten)]
        pub(super) state: State,
    }

    #[derive(Auditable, Clone, Debug)]
    pub(super) struct Skipping {
        pub(super) id: u32,
        #[audit(skip)]
        #[expect(dead_code, reason = "nothing may read it")]
        pub(super) limit: u64,
        #[audit(flatten)]
        pub(super) page: Page,
    }
}

/// A value in which two fields have one name is refused, and so is a comparison with it.
fn is_refused<T: AuditValue>(old: &T, new: &T) {
    assert!(try_snapshot(old).is_err());
    assert!(try_diff(old, new).is_err());
}

#[test]
fn a_name_that_is_taken_is_an_error_at_registration() {
    use colliding::*;

    fn taken<T: Auditable + 'static>() -> String {
        match log().try_register::<T>() {
            Err(RegistrationError::NameTaken { name, .. }) => name,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(taken::<WithField>(), "limit");
    assert_eq!(taken::<TwoFlattened>(), "total");
    assert_eq!(taken::<WithTag>(), "kind");
    let maps = log().try_register::<TwoMaps>();
    assert!(
        matches!(maps, Err(RegistrationError::TwoMaps { .. })),
        "{maps:?}"
    );

    let page = |limit, total| Page { limit, total };
    let listing = |limit| WithField {
        id: 1,
        limit: 7,
        page: page(limit, 1),
    };
    is_refused(&listing(1), &listing(2));
    let two = |page| TwoFlattened {
        id: 1,
        page,
        size: Box::new(Size { total: 1 }),
    };
    is_refused(&two(Some(page(1, 2))), &two(None));
    let maps = |value| {
        let map: BTreeMap<String, u8> = [("a".to_owned(), value)].into();
        TwoMaps {
            id: 1,
            first: map.clone(),
            second: Some(map),
        }
    };
    is_refused(&maps(1), &maps(2));
    is_refused(
        &Tagged::Content(Kind { kind: 1 }),
        &Tagged::Content(Kind { kind: 2 }),
    );
}

#[test]
fn a_name_that_a_variant_without_data_has_is_taken() {
    use colliding::*;

    fn taken<T: Auditable + 'static>() -> String {
        match log().try_register::<T>() {
            Err(RegistrationError::NameTaken { name, .. }) => name,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(taken::<FieldAndUnit>(), "open");
    assert_eq!(taken::<TwoUnits>(), "closed");
    assert_eq!(taken::<WithTagAndUnit>(), "open");
    assert_eq!(taken::<FieldAndUntagged>(), "closed");

    let field = |state| FieldAndUnit {
        id: 1,
        open: true,
        state: Some(Box::new(state)),
    };
    is_refused(&field(State::Open), &field(State::Closed));
    let units = |other| TwoUnits {
        id: 1,
        state: Newtype(State::Closed),
        other,
    };
    is_refused(&units(Mixed::Unit), &units(Mixed::Data(1)));
    let untagged = |state| FieldAndUntagged {
        id: 1,
        closed: true,
        state: Untagged::State(state),
    };
    is_refused(&untagged(State::Closed), &untagged(State::Open));
    is_refused(
        &TagAndUnit::Content(State::Open),
        &TagAndUnit::Content(State::Closed),
    );
    let number = FieldAndUntagged {
        state: Untagged::Number(1),
        ..untagged(State::Open)
    };
    assert!(try_snapshot(&number).is_err(), "a number is not an object");
}

#[test]
fn a_variant_without_data_goes_before_a_key() {
    use colliding::{MapAndUnit, State};

    let object = |state, label| MapAndUnit {
        id: 1,
        labels: [("open".to_owned(), label), ("free".to_owned(), 1)].into(),
        state,
    };
    log().register::<MapAndUnit>();
    let (old, new) = (object(State::Open, 1), object(State::Closed, 2));
    assert_eq!(snapshot(&old), json!({"id": 1, "free": 1, "open": null}));
    assert_eq!(snapshot(&new), json!({"id": 1, "free": 1, "closed": null}));
    let changes = diff(&old, &new);
    assert_eq!(applied(&changes, &snapshot(&old)), snapshot(&new));
}

#[test]
fn a_skipped_field_takes_no_name() {
    use colliding::{Page, Skipping};

    let skipping = |limit| Skipping {
        id: 1,
        limit: 7,
        page: Page { limit, total: 1 },
    };
    log().register::<Skipping>();
    assert_eq!(
        diff(&skipping(1), &skipping(2))["limit"].new,
        Some(json!(2))
    );
}

#[derive(Auditable, Clone, Debug)]
struct First {
    a: u8,
    #[audit(flatten)]
    next: Option<Box<Second>>,
}

#[derive(Auditable, Clone, Debug)]
struct Second {
    b: u8,
    #[audit(flatten)]
    next: Option<Box<First>>,
}

#[derive(Auditable, Clone, Debug)]
struct Flattened {
    id: u32,
    first: First,
}

#[test]
fn structs_that_flatten_each_other() {
    let log = log();
    log.register::<Flattened>();
    let second = |next| Some(Box::new(Second { b: 2, next }));
    let flattened = |next| Flattened {
        id: 1,
        first: First { a: 1, next },
    };
    let object = flattened(second(None));
    log.created(&object).record().expect("created");
    let latest = log.history::<Flattened>(1).expect("a history").latest();
    assert_eq!(latest.state, json!({"id": 1, "first": {"a": 1, "b": 2}}));
    assert!(diff(&flattened(None), &object).contains("first.b"));

    // There `a` would be two fields.
    let again = flattened(second(Some(Box::new(First { a: 3, next: None }))));
    assert!(log.created(&again).record().is_err());
    assert!(log.updated(&object, &again).record().is_err());
}

#[derive(Auditable, Clone, Debug)]
struct Labelled {
    id: u32,
    #[audit(flatten)]
    labels: BTreeMap<String, String>,
    role: String,
    #[audit(skip_none)]
    note: Option<String>,
}

#[test]
fn a_declared_field_goes_before_a_key_and_the_entry_names_the_key() {
    let labelled = |role: &str, label: &str| Labelled {
        id: 1,
        labels: ["role", "note", "free"]
            .map(|key| (key.to_owned(), label.to_owned()))
            .into(),
        role: role.into(),
        note: None,
    };
    let audit = auditlog::testing::capture();
    auditlog::register::<Labelled>();
    let passed_over = json!(["labels.note", "labels.role"]);

    let old = labelled("admin", "guest");
    auditlog::created(&old).record().expect("created");
    let entry = audit.last().expect("an entry");
    assert_eq!(entry.changes["role"].new, Some("admin".into()));
    assert!(!entry.changes.contains("note"));
    assert_eq!(entry.additional_data["passed_over"], passed_over);
    assert_eq!(
        snapshot(&old),
        json!({"id": 1, "role": "admin", "free": "guest"})
    );

    let new = labelled("root", "visitor");
    auditlog::updated(&old, &new).record().expect("updated");
    let entry = audit.last().expect("an entry");
    let paths: Vec<_> = entry
        .changes
        .paths()
        .map(|path| path.as_str().to_owned())
        .collect();
    assert_eq!(paths, ["free", "role"]);
    assert_eq!(entry.changes["role"].old, Some("admin".into()));
    assert_eq!(entry.additional_data["passed_over"], passed_over);
    assert_eq!(applied(&entry.changes, &snapshot(&old)), snapshot(&new));

    let mut only_passed_over = new.clone();
    only_passed_over
        .labels
        .insert("role".into(), "other".into());
    assert!(new.same(&only_passed_over));
    let receipt = auditlog::updated(&new, &only_passed_over)
        .record()
        .expect("unchanged");
    assert!(!receipt.is_recorded());
}

//! Flattened fields: what replaces them is recorded under their own names, and no two fields of
//! one object are recorded under one name.

use std::collections::BTreeMap;
use std::fmt::Debug;

use auditlog::prelude::*;
use auditlog::{
    AuditValue, Changes, Redaction, RegistrationError, diff, snapshot, try_diff, try_snapshot,
};
use serde_json::{Value, json};

fn log() -> AuditLog {
    AuditLog::builder().hash_key(1, [7; 32]).build()
}

fn applied(changes: &Changes, state: &Value) -> Value {
    let mut state = state.clone();
    changes.apply(&mut state).expect("changes apply");
    state
}

/// Checks everything that is made of an update from one object to another, and returns its
/// changes as JSON.
fn fits<T: Auditable + Serialize + Clone + 'static>(old: &T, new: &T) -> Value {
    assert_eq!(
        snapshot(old),
        serde_json::to_value(old).expect("JSON"),
        "serde's form"
    );
    holds(old, new)
}

/// As [`fits`], for what serde does not write.
fn holds<T: Auditable + Clone + 'static>(old: &T, new: &T) -> Value {
    let (before, after) = (snapshot(old), snapshot(new));
    let changes = diff(old, new);
    assert_eq!(applied(&changes, &before), after, "{changes}");
    assert_eq!(applied(&changes.invert(), &after), before);
    assert_eq!(applied(&changes.compose(&diff(new, old)), &before), before);
    let patch: json_patch::Patch =
        serde_json::from_value(changes.to_json_patch()).expect("a patch");
    let mut patched = before.clone();
    json_patch::patch(&mut patched, &patch).expect("a patch that fits");
    assert_eq!(patched, after);

    let log = log();
    log.register::<T>();
    log.created(old).record().expect("created");
    let entry = log
        .updated(old, new)
        .force()
        .record()
        .expect("updated")
        .id();
    let history = log.history::<T>(old.object_pk()).expect("a history");
    let latest = history.latest();
    assert_eq!((&latest.state, latest.complete), (&after, true));
    assert_eq!(history.at_version(1).expect("version 1").state, before);
    let undo = history.undo(entry.expect("an entry")).expect("an undo");
    assert_eq!(
        (applied(&undo.changes, &after), undo.conflicts.len()),
        (before.clone(), 0)
    );
    let revert = history.revert_to(1).expect("a reversion");
    assert_eq!(applied(&revert, &after), before);
    serde_json::to_value(&changes).expect("JSON")
}

fn fits_both_ways<T: Auditable + Serialize + Clone + 'static>(old: &T, new: &T) -> Value {
    fits(new, old);
    fits(old, new)
}

#[derive(Auditable, Clone, Debug, Serialize, Deserialize)]
struct Address {
    city: String,
    zip: Option<u32>,
}

#[derive(Auditable, Clone, Debug, Serialize, Deserialize)]
struct Holder<T> {
    id: u32,
    name: String,
    #[serde(flatten)]
    value: T,
}

fn holder<T>(value: T) -> Holder<T> {
    Holder {
        id: 1,
        name: "x".into(),
        value,
    }
}

fn address(city: &str) -> Address {
    Address {
        city: city.into(),
        zip: None,
    }
}

#[test]
fn an_option_that_comes_and_goes() {
    let changes = fits_both_ways(&holder(None), &holder(Some(address("Bonn"))));
    assert_eq!(
        changes,
        json!({"city": {"new": "Bonn"}, "zip": {"new": null}})
    );
    let changes = fits_both_ways(
        &holder(Some(address("Bonn"))),
        &holder(Some(address("Mainz"))),
    );
    assert_eq!(changes, json!({"city": {"old": "Bonn", "new": "Mainz"}}));
    fits_both_ways(&holder(None), &holder(Some(Box::new(address("Bonn")))));
    fits_both_ways(
        &holder(Box::new(None)),
        &holder(Box::new(Some(address("Bonn")))),
    );
}

#[derive(Auditable, Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "kind")]
enum Tagged {
    Circle { radius: u8 },
    Square { side: u8 },
    At(Address),
    Shape(External),
    Point,
}

/// Values that serde refuses to write.
#[derive(Auditable, Clone, Debug, Deserialize)]
#[serde(tag = "kind")]
enum Optional {
    At(Option<Address>),
    Shape(Option<External>),
}

#[derive(Auditable, Clone, Debug, Serialize, Deserialize)]
enum External {
    Circle { radius: u8 },
    Square(u8),
}

#[derive(Auditable, Clone, Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum Untagged {
    Address(Address),
    Round { radius: u8 },
    Shape(External),
}

#[test]
fn an_enum_whose_variant_changes() {
    let changes = fits_both_ways(
        &holder(Tagged::Circle { radius: 1 }),
        &holder(Tagged::Square { side: 1 }),
    );
    assert_eq!(
        changes,
        json!({
            "kind": {"old": "Circle", "new": "Square"}, "radius": {"old": 1}, "side": {"new": 1}
        })
    );
    let all = [
        Tagged::Circle { radius: 1 },
        Tagged::At(address("Bonn")),
        Tagged::Shape(External::Circle { radius: 1 }),
        Tagged::Shape(External::Square(2)),
        Tagged::Point,
    ];
    for old in &all {
        for new in &all {
            fits(&holder(old.clone()), &holder(new.clone()));
            fits(&holder(Some(old.clone())), &holder(None));
        }
    }
    fits_both_ways(
        &holder(External::Circle { radius: 1 }),
        &holder(External::Square(1)),
    );
    let all = [
        Untagged::Address(address("Bonn")),
        Untagged::Round { radius: 1 },
        Untagged::Shape(External::Circle { radius: 1 }),
    ];
    for old in &all {
        for new in &all {
            fits(&holder(old.clone()), &holder(new.clone()));
        }
    }
}

#[derive(Auditable, Clone, Debug, Serialize)]
struct Drawing<T> {
    id: u32,
    shape: T,
}

#[test]
fn the_content_of_a_tagged_variant_stands_beside_the_tag() {
    fn drawing<T>(shape: T) -> Drawing<T> {
        Drawing { id: 1, shape }
    }
    let changes = holds(
        &drawing(Optional::At(None)),
        &drawing(Optional::At(Some(address("Bonn")))),
    );
    assert_eq!(
        changes,
        json!({"shape.city": {"new": "Bonn"}, "shape.zip": {"new": null}})
    );
    holds(
        &drawing(Optional::Shape(None)),
        &drawing(Optional::Shape(Some(External::Square(1)))),
    );
    fits_both_ways(
        &drawing(Tagged::Shape(External::Circle { radius: 1 })),
        &drawing(Tagged::Shape(External::Square(2))),
    );
}

#[test]
fn an_optional_map_and_a_map() {
    let map = |keys: &[&str]| -> BTreeMap<String, u8> {
        keys.iter().map(|key| ((*key).to_owned(), 1)).collect()
    };
    let changes = fits_both_ways(&holder(None), &holder(Some(map(&["a", "b.c"]))));
    assert_eq!(changes, json!({"a": {"new": 1}, "['b.c']": {"new": 1}}));
    fits_both_ways(&holder(map(&["a"])), &holder(map(&["b"])));
    let json = |value: Value| {
        holder(serde_json::from_value::<serde_json::Map<_, _>>(value).expect("a map"))
    };
    fits_both_ways(
        &json(json!({"a": [1]})),
        &json(json!({"a": [1, 2], "b": null})),
    );
}

#[derive(Auditable, Clone, Debug, Serialize)]
struct Outer {
    id: u32,
    #[serde(flatten)]
    inner: Option<Middle>,
}

#[derive(Auditable, Clone, Debug, Serialize)]
struct Middle {
    level: u8,
    #[serde(flatten)]
    below: Option<Box<Tagged>>,
    #[serde(flatten)]
    rest: BTreeMap<String, u8>,
}

#[test]
fn flattened_values_inside_flattened_values() {
    let outer = |inner| Outer { id: 1, inner };
    let middle = |below: Option<Tagged>, rest: &[&str]| {
        Some(Middle {
            level: 1,
            below: below.map(Box::new),
            rest: rest.iter().map(|key| ((*key).to_owned(), 1)).collect(),
        })
    };
    let all = [
        None,
        middle(None, &[]),
        middle(None, &["a"]),
        middle(Some(Tagged::Circle { radius: 1 }), &["b"]),
        middle(Some(Tagged::At(address("Bonn"))), &["a", "b"]),
    ];
    for old in &all {
        for new in &all {
            fits(&outer(old.clone()), &outer(new.clone()));
        }
    }
}

#[derive(Auditable, Clone, Debug)]
struct Secrets {
    #[audit(mask)]
    pin: String,
    #[audit(hash)]
    token: String,
    #[audit(level = "warning")]
    limit: u8,
    #[audit(ignore)]
    seen: u8,
    plain: u8,
}

#[derive(Auditable, Clone, Debug)]
struct Guarded {
    id: u32,
    #[audit(flatten)]
    secrets: Option<Secrets>,
}

#[test]
fn names_keep_their_masks_levels_and_ignore() {
    let secrets = Secrets {
        pin: "1234".into(),
        token: "t".into(),
        limit: 1,
        seen: 1,
        plain: 1,
    };
    let guarded = |secrets| Guarded { id: 1, secrets };
    let log = log();
    log.register::<Guarded>();
    let draft = log.updated(&guarded(None), &guarded(Some(secrets.clone())));
    let entry = draft.entry().expect("an entry");
    assert_eq!(entry.level, Level::Warning);
    let redactions =
        ["pin", "token", "limit", "seen", "plain"].map(|name| entry.changes[name].redaction);
    assert_eq!(
        redactions,
        [
            Some(Redaction::Masked),
            Some(Redaction::Hashed),
            None,
            None,
            None
        ]
    );
    let order: Vec<_> = entry
        .changes
        .paths()
        .map(|path| path.as_str().to_owned())
        .collect();
    assert_eq!(order, ["pin", "token", "limit", "seen", "plain"]);
    assert!(
        !serde_json::to_string(&entry)
            .expect("JSON")
            .contains("1234")
    );

    let seen = Secrets {
        seen: 2,
        ..secrets.clone()
    };
    let draft = log.updated(&guarded(Some(secrets)), &guarded(Some(seen)));
    assert!(
        draft.entry().is_none(),
        "an ignored field alone makes no entry"
    );
}

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

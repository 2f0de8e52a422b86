//! Flattened fields: what replaces them is recorded under their own names.

use std::collections::BTreeMap;
use std::fmt::Debug;

use auditlog::prelude::*;
use auditlog::{Changes, Redaction, diff, snapshot};
use serde_json::{Value, json};

pub(super) fn log() -> AuditLog {
    AuditLog::builder().hash_key(1, [7; 32]).build()
}

pub(super) fn applied(changes: &Changes, state: &Value) -> Value {
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

//! A change that no entry tells of breaks the chain of an object's entries, and the history
//! says so; what only looks different does not.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use auditlog::prelude::*;
use auditlog::{AuditLog, Change, MissingReason, ObjectRef, Reconstruction, testing};
use serde_json::{Value, json};

#[derive(Auditable, Clone)]
struct Doc {
    id: u32,
    status: String,
    #[audit(key = "sku")]
    lines: Vec<Line>,
    tags: BTreeSet<String>,
    #[audit(rename = "more-tags", skip_none)]
    more_tags: Option<BTreeSet<String>>,
    notes: Vec<String>,
    labels: BTreeMap<String, u32>,
    #[audit(whole)]
    place: Place,
}

#[derive(Auditable, Clone)]
struct Line {
    sku: String,
    price: u32,
}

#[derive(Auditable, Clone)]
struct Place {
    city: String,
    zip: Option<String>,
}

fn doc() -> Doc {
    Doc {
        id: 9,
        status: "draft".into(),
        lines: ["A", "B", "C"]
            .map(|sku| Line {
                sku: sku.into(),
                price: 1,
            })
            .into(),
        tags: ["m", "t"].map(str::to_owned).into(),
        more_tags: Some(["m", "t"].map(str::to_owned).into()),
        notes: vec!["first".into(), "second".into()],
        labels: BTreeMap::from([("a".into(), 1)]),
        place: Place {
            city: "Bonn".into(),
            zip: None,
        },
    }
}

/// Records the creation, makes `unrecorded` of the object without an entry, and records what
/// `recorded` makes of that.
fn lived(unrecorded: fn(&mut Doc), recorded: fn(&mut Doc)) -> (testing::Capture, Doc) {
    let audit = testing::capture();
    auditlog::register::<Doc>();
    let mut doc = doc();
    auditlog::created(&doc).record().expect("recorded");
    unrecorded(&mut doc);
    auditlog::update(&mut doc, recorded)
        .record()
        .expect("recorded");
    (audit, doc)
}

fn unrecorded(state: &Reconstruction) -> Vec<&str> {
    assert_eq!(state.complete, state.missing.is_empty());
    let missing = state.missing.iter();
    missing
        .filter(|part| part.reason == MissingReason::Unrecorded)
        .map(|part| part.path.as_str())
        .collect()
}

#[test]
fn a_break_is_named_wherever_the_object_is_read() {
    let (audit, doc) = lived(|doc| doc.status = "1".into(), |doc| doc.status = "2".into());
    let history = auditlog::history::<Doc>(9).expect("a history");
    let latest = history.latest();
    assert_eq!(latest.state, auditlog::snapshot(&doc));
    assert_eq!(unrecorded(&latest), ["status"]);
    assert_eq!(
        unrecorded(&history.at_version(1).expect("a version")),
        [""; 0]
    );
    let breaks: Vec<_> = history
        .breaks()
        .into_iter()
        .map(|found| (found.path.to_string(), found.entry.id))
        .collect();
    assert_eq!(breaks, [("status".to_owned(), history.entries()[1].id)]);
    let blame: Vec<_> = history
        .blame()
        .into_iter()
        .filter(|part| part.unrecorded)
        .map(|part| part.path.to_string())
        .collect();
    assert_eq!(blame, ["status"]);

    let log = audit.log();
    let now = SystemTime::now() + Duration::from_secs(3600);
    assert_eq!(
        unrecorded(&log.as_of::<Doc>(9, now).expect("a state")),
        ["status"]
    );
    let all: Vec<_> = log.objects_as_of::<Doc>(now).expect("states").collect();
    assert_eq!(
        unrecorded(&all[0].as_ref().expect("a state").at),
        ["status"]
    );
    // Without the type.
    let other = AuditLog::builder().store(log.store()).build();
    let object = ObjectRef::new("Doc", "9");
    let nameless = other.history_of(object).expect("a history");
    assert_eq!(unrecorded(&nameless.latest()), ["status"]);
}

#[test]
fn an_item_that_is_added_twice_is_where_the_last_entry_says() {
    let (_audit, _doc) = lived(
        |doc| doc.lines.clear(),
        |doc| {
            doc.lines = ["C", "A"]
                .map(|sku| Line {
                    sku: sku.into(),
                    price: 2,
                })
                .into();
        },
    );
    let history = auditlog::history::<Doc>(9).expect("a history");
    let latest = history.latest();
    assert_eq!(unrecorded(&latest), ["lines[sku='C']", "lines[sku='A']"]);
    let items = |state: &Value| -> Vec<Value> {
        let items = state["lines"].as_array().expect("a list").iter();
        items.map(|item| item["sku"].clone()).collect()
    };
    // No entry tells that B is gone.
    assert_eq!(items(&latest.state), ["C", "A", "B"]);
    assert_eq!(latest.state["lines"][0], json!({"price": 2, "sku": "C"}));
    let mut first = history.at_version(1).expect("a version").state;
    let changes = history.diff(1, 2).expect("versions");
    changes.apply(&mut first).expect("the state it starts from");
    assert_eq!(first, latest.state);
}

#[test]
fn an_item_that_is_added_twice_below_a_position_has_its_last_value() {
    #[derive(Auditable, Clone)]
    struct Order {
        id: u32,
        groups: Vec<Group>,
    }
    #[derive(Auditable, Clone)]
    struct Group {
        #[audit(key = "sku")]
        lines: Vec<Line>,
    }
    let lines = |price| {
        vec![Line {
            sku: "A".into(),
            price,
        }]
    };
    let _audit = testing::capture();
    auditlog::register::<Order>();
    let mut order = Order {
        id: 1,
        groups: vec![Group { lines: lines(1) }],
    };
    auditlog::created(&order).record().expect("recorded");
    order.groups[0].lines.clear();
    auditlog::update(&mut order, |order| order.groups[0].lines = lines(2))
        .record()
        .expect("recorded");
    let latest = auditlog::history::<Order>(1).expect("a history").latest();
    assert_eq!(latest.state, auditlog::snapshot(&order));
    assert_eq!(unrecorded(&latest), ["groups[0].lines[sku='A']"]);
}

#[test]
fn breaks_inside_lists_sets_maps_and_values_are_found() {
    type Edit = fn(&mut Doc);
    let cases: [(&str, Edit, Edit); 9] = [
        (
            "labels.a",
            |doc| doc.labels = [("a".into(), 5)].into(),
            |doc| doc.labels = [("a".into(), 6)].into(),
        ),
        (
            "labels.b",
            |doc| {
                doc.labels.insert("b".into(), 5);
            },
            |doc| {
                doc.labels.insert("b".into(), 6);
            },
        ),
        (
            "labels.a",
            |doc| doc.labels.clear(),
            |doc| {
                doc.labels.insert("a".into(), 6);
            },
        ),
        (
            "place",
            |doc| doc.place.city = "Ulm".into(),
            |doc| doc.place.city = "Trier".into(),
        ),
        (
            "lines[sku='B'].price",
            |doc| doc.lines[1].price = 5,
            |doc| doc.lines[1].price = 6,
        ),
        (
            "lines",
            |doc| {
                doc.lines.remove(0);
            },
            |doc| doc.lines[0].price = 6,
        ),
        (
            "tags",
            |doc| {
                doc.tags.insert("a".into());
            },
            |doc| {
                doc.tags.remove("t");
            },
        ),
        (
            "tags",
            |doc| {
                doc.tags.insert("a".into());
            },
            |doc| {
                doc.tags.insert("z".into());
            },
        ),
        (
            "notes[0]",
            |doc| doc.notes[0] = "other".into(),
            |doc| doc.notes[0] = "third".into(),
        ),
    ];
    for (path, before, after) in cases {
        let (audit, _) = lived(before, after);
        let latest = auditlog::history::<Doc>(9).expect("a history").latest();
        assert_eq!(
            unrecorded(&latest),
            [path],
            "{}",
            audit.entries()[1].changes
        );
        // A recorded change is not a break.
        drop(audit);
        let (_audit, doc) = lived(|_| {}, after);
        let latest = auditlog::history::<Doc>(9).expect("a history").latest();
        assert_eq!(unrecorded(&latest), [""; 0]);
        assert_eq!(latest.state, auditlog::snapshot(&doc));
    }
}

#[test]
fn a_full_snapshot_ends_what_is_missing_and_shows_what_was() {
    let (_audit, mut doc) = lived(|_| {}, |doc| doc.status = "2".into());
    doc.status = "3".into();
    auditlog::baseline::<Doc>([&doc]).expect("recorded");
    let history = auditlog::history::<Doc>(9).expect("a history");
    assert!(history.latest().complete);
    let breaks: Vec<_> = history
        .breaks()
        .iter()
        .map(|found| found.path.to_string())
        .collect();
    assert_eq!(breaks, ["status"]);
}

#[test]
fn what_was_deleted_or_created_without_an_entry_is_named() {
    let (_audit, doc) = lived(|_| {}, |doc| doc.status = "2".into());
    let paths = || -> Vec<String> {
        let history = auditlog::history::<Doc>(9).expect("a history");
        history
            .breaks()
            .iter()
            .map(|found| found.path.to_string())
            .collect()
    };
    auditlog::created(&doc).record().expect("recorded");
    assert_eq!(paths(), ["$"]);
    // The deletion tells what the object was.
    let other = Doc {
        status: "5".into(),
        ..doc.clone()
    };
    auditlog::deleted(&other).record().expect("recorded");
    assert_eq!(paths(), ["$", "status"]);
    let later = Doc {
        status: "6".into(),
        ..doc.clone()
    };
    auditlog::updated(&other, &later)
        .record()
        .expect("recorded");
    assert_eq!(paths(), ["$", "status", "$"]);
}

/// Makes a history of entries by hand, as other programs and machines write them.
fn recorded(entries: &[(&str, Value)]) -> AuditLog {
    let log = AuditLog::builder().build();
    for (action, changes) in entries {
        let mut entry = auditlog::LogEntry::new(*action, "Row", "1", "Row 1");
        entry.changes = serde_json::from_value(changes.clone()).expect("changes");
        log.store().append(&[entry]).expect("appended");
    }
    log
}

fn breaks(entries: &[(&str, Value)]) -> Vec<String> {
    let log = recorded(entries);
    let history = log
        .history_of(ObjectRef::new("Row", "1"))
        .expect("a history");
    let told: Vec<String> = history
        .breaks()
        .iter()
        .map(|found| found.path.to_string())
        .collect();
    let missing: Vec<String> = unrecorded(&history.latest())
        .into_iter()
        .map(str::to_owned)
        .collect();
    assert_eq!(told, missing);
    told
}

#[test]
fn values_that_count_as_equal_break_nothing() {
    let alike = [
        (json!("10.50"), json!("10.5")),
        (json!("10"), json!("10.0")),
        (json!(1), json!(1.0)),
        (
            json!("2026-01-01T12:00:00Z"),
            json!("2026-01-01T13:00:00+01:00"),
        ),
        (
            json!("2026-01-01T12:00:00Z"),
            json!("2026-01-01T13:00:00+01:00[Europe/Berlin]"),
        ),
        (
            json!({"a": {"x": "1.0"}}),
            json!({"a": {"x": "1.00", "y": null}}),
        ),
        (json!("****4567"), json!("+49 123 4567")),
        (json!("h1:00112233445566778899aabbccddeeff"), json!("A")),
        (json!("3"), json!(3)),
        (json!(2.5), json!("2.50")),
        (json!("True"), json!(true)),
        (
            json!("{'a': None, 'b': [True]}"),
            json!("{\"a\": null, \"b\": [true]}"),
        ),
        (json!("{'a': None}"), json!({"a": null})),
        // As PaperTrail has it in changes and in objects.
        (
            json!("--- !ruby/hash:ActiveSupport::HashWithIndifferentAccess\na: 1\nb:\n- 2\n"),
            json!("---\n:a: 1\nb:\n- 2\n"),
        ),
        (
            json!("--- !ruby/hash:ActiveSupport::HashWithIndifferentAccess {}\n"),
            json!("--- {}\n"),
        ),
    ];
    for (left, found) in alike {
        let entries = [
            ("create", json!({"f": {"new": left}, "g": {"new": 1}})),
            ("update", json!({"f": {"old": found, "new": "other"}})),
        ];
        assert_eq!(breaks(&entries), [""; 0], "{left} {found}");
    }
    let different = [
        (json!("10.50"), json!("10.51")),
        (json!("007"), json!("7")),
        (json!(1), json!("2")),
        (
            json!("2026-01-01T12:00:00Z"),
            json!("2026-01-01T12:00:00+01:00"),
        ),
        (json!(["a", "b"]), json!(["a", "c"])),
        (json!(["a", "b"]), json!(["b", "a"])),
        (json!("---\na: 1\n"), json!("---\na: 2\n")),
        (json!({"card": 1}), json!({"voucher": 1})),
        (json!(null), json!(false)),
        (
            json!(9_007_199_254_740_993_u64),
            json!(9_007_199_254_740_992_u64),
        ),
    ];
    for (left, found) in different {
        let entries = [
            ("create", json!({"f": {"new": left}})),
            ("update", json!({"f": {"old": found, "new": "other"}})),
        ];
        assert_eq!(breaks(&entries), ["f"], "{left} {found}");
    }
}

#[test]
fn what_cannot_be_compared_breaks_nothing() {
    for redaction in ["masked", "hashed"] {
        let entries = [
            (
                "create",
                json!({"f": {"new": "***", "redaction": redaction}}),
            ),
            (
                "update",
                json!({"f": {"old": "a", "new": "b", "redaction": redaction}}),
            ),
            ("update", json!({"f": {"new": "c", "redaction": redaction}})),
        ];
        assert_eq!(breaks(&entries), [""; 0]);
    }
    // The clear parts of what is redacted in part are compared.
    let partly = |amount: u32| {
        [
            (
                "create",
                json!({"f": {"new": {"pin": "***", "amount": 1}, "redaction": "partial"}}),
            ),
            (
                "update",
                json!({"f": {"old": {"pin": "*", "amount": amount}, "new": null, "redaction": "partial"}}),
            ),
        ]
    };
    assert_eq!(breaks(&partly(1)), [""; 0]);
    assert_eq!(breaks(&partly(2)), ["f"]);
}

#[test]
fn levels_of_absence_and_new_fields_break_nothing() {
    let created = ("create", json!({"id": {"new": 1}, "in": {"new": {"a": 1}}}));
    let quiet = [
        json!({"nick": {"old": null, "new": "x"}}),
        json!({"nick": {"new": "x"}}),
        // Fields that the type did not have before.
        json!({"added": {"old": 0, "new": 1}}),
        json!({"in.added": {"old": 0, "new": 1}}),
        json!({"in": {"old": {"a": 1, "added": 0}, "new": {"a": 2, "added": 0}}}),
        json!({"group.name": {"old": "x", "new": "y"}}),
    ];
    for changes in quiet {
        let entries = [created.clone(), ("update", changes.clone())];
        assert_eq!(breaks(&entries), [""; 0], "{changes}");
    }
    // One that was told to be gone is not new.
    let entries = [
        ("create", json!({"id": {"new": 1}, "nick": {"new": "a"}})),
        ("update", json!({"nick": {"old": "a"}})),
        ("update", json!({"nick": {"old": "b", "new": "c"}})),
    ];
    assert_eq!(breaks(&entries), ["nick"]);
}

#[test]
fn a_trail_that_begins_later_knows_only_what_it_told() {
    let entries = [
        ("update", json!({"a": {"old": 1, "new": 2}})),
        (
            "update",
            json!({"b": {"old": 1, "new": 2}, "in.x": {"old": 1, "new": 2}}),
        ),
        (
            "update",
            json!({"in": {"old": {"x": 2, "y": 1}, "new": {"x": 2, "y": 2}}}),
        ),
    ];
    assert_eq!(breaks(&entries), [""; 0]);
    let mut broken = entries.to_vec();
    broken.push(("update", json!({"a": {"old": 1, "new": 3}})));
    assert_eq!(breaks(&broken), ["a"]);
}

#[test]
fn fields_with_rules_of_their_own_break_nothing() {
    fn same(old: &str, new: &str) -> bool {
        old.eq_ignore_ascii_case(new)
    }

    #[derive(Auditable, Clone)]
    struct Sensor {
        id: u32,
        #[audit(tolerance = 0.1)]
        heat: f64,
        #[audit(eq = same)]
        name: String,
        #[audit(ignore)]
        seen: u32,
        #[audit(mask = "last4")]
        serial: String,
        state: u8,
    }
    let audit = testing::capture();
    auditlog::register::<Sensor>();
    let old = Sensor {
        id: 1,
        heat: 1.0,
        name: "a".into(),
        seen: 1,
        serial: "1234567".into(),
        state: 1,
    };
    auditlog::created(&old).record().expect("recorded");
    let mut now = Sensor {
        heat: 1.05,
        name: "A".into(),
        seen: 2,
        ..old
    };
    auditlog::update(&mut now, |sensor| {
        sensor.heat = 2.0;
        sensor.name = "b".into();
        sensor.seen = 3;
        sensor.serial = "7654321".into();
    })
    .record()
    .expect("recorded");
    let history = auditlog::history::<Sensor>(1).expect("a history");
    assert_eq!(unrecorded(&history.latest()), [""; 0]);
    assert_eq!(history.latest().state, auditlog::snapshot(&now));
    // Without the type the entries tell which fields these are, in a snapshot too.
    now.seen = 4;
    now.heat += 0.05;
    auditlog::baseline::<Sensor>([&now]).expect("recorded");
    now.seen = 5;
    auditlog::deleted(&now).record().expect("recorded");
    auditlog::created(&now).record().expect("recorded");
    let nameless = AuditLog::builder().store(audit.log().store()).build();
    let nameless = || {
        let history = nameless.history_of(ObjectRef::new("Sensor", "1"));
        history.expect("a history")
    };
    assert!(nameless().breaks().is_empty(), "{:?}", nameless().breaks());
    // The state itself still breaks.
    now.state = 5;
    auditlog::update(&mut now, |sensor| sensor.state = 6)
        .record()
        .expect("recorded");
    let history = auditlog::history::<Sensor>(1).expect("a history");
    assert_eq!(unrecorded(&history.latest()), ["state"]);
    assert_eq!(unrecorded(&nameless().latest()), ["state"]);
}

#[test]
fn loose_fields_are_told_wherever_they_are() {
    #[derive(Auditable, Clone)]
    struct Device {
        id: u32,
        parts: Vec<Part>,
        names: BTreeMap<String, Part>,
        at: Spot,
        label: String,
    }
    #[derive(Auditable, Clone)]
    struct Part {
        name: String,
        #[audit(ignore)]
        seen: u32,
    }
    #[derive(Auditable, Clone)]
    struct Spot(String, #[audit(tolerance = 0.5)] f64);

    let audit = testing::capture();
    auditlog::register::<Device>();
    let part = Part {
        name: "a".into(),
        seen: 1,
    };
    let device = Device {
        id: 1,
        parts: vec![part.clone()],
        names: BTreeMap::from([("b".into(), part)]),
        at: Spot("c".into(), 1.0),
        label: "d".into(),
    };
    auditlog::created(&device).record().expect("recorded");
    let loose = |at: usize| -> Vec<String> {
        let entry = &audit.entries()[at];
        let text = entry.to_canonical_json().expect("JSON");
        assert_eq!(
            *entry,
            auditlog::LogEntry::from_json(&text).expect("an entry")
        );
        let loose = entry.changes.iter().filter(|change| change.loose);
        loose.map(|change| change.path.to_string()).collect()
    };
    assert_eq!(loose(0), ["at", "names", "parts"]);
    let mut now = device.clone();
    auditlog::update(&mut now, |device| {
        device.parts[0].seen = 2;
        device.parts[0].name = "e".into();
        device.at = Spot("f".into(), 2.0);
        device.label = "g".into();
    })
    .record()
    .expect("recorded");
    assert_eq!(loose(1), ["at[1]", "parts[0].seen"]);
}

#[test]
fn only_a_set_may_be_in_another_order() {
    // Members that came and went one by one are those of a set.
    let entries = [
        ("create", json!({"s": {"new": ["a", "b"]}})),
        ("update", json!({"s['c']": {"at": [2], "new": "c"}})),
        (
            "update",
            json!({"s": {"old": ["c", "a", "b"], "new": ["a"]}}),
        ),
    ];
    assert_eq!(breaks(&entries), [""; 0]);
    // The type tells too.
    let (audit, doc) = lived(|_| {}, |doc| doc.status = "2".into());
    let trigger = |path: &str, old: Value, new: Value| {
        let mut entry = auditlog::LogEntry::new("update", "Doc", "9", "Doc 9");
        let changes = json!({path: {"old": old, "new": new}});
        entry.changes = serde_json::from_value(changes).expect("changes");
        audit.log().store().append(&[entry]).expect("appended");
        let latest = auditlog::history::<Doc>(9).expect("a history").latest();
        let paths = unrecorded(&latest).into_iter().map(str::to_owned);
        paths.collect::<Vec<_>>()
    };
    assert_eq!(doc.tags.len(), 2);
    for tags in ["tags", "['more-tags']"] {
        assert_eq!(trigger(tags, json!(["t", "m"]), json!(["m"])), [""; 0]);
    }
    let turned = trigger("notes", json!(["second", "first"]), json!(["first"]));
    assert_eq!(turned, ["notes"]);
}

type Tags = HashSet<String>;

#[derive(Auditable, Clone, Default)]
struct New(Tags);

#[derive(Auditable, Clone, Default)]
struct Levelled(#[audit(level = "critical")] Tags);

#[derive(Auditable, Clone, Default)]
struct Marked(#[audit(set)] Vec<String>);

#[derive(Auditable, Clone)]
enum Kind {
    Held(Tags),
    Pair(u8, Tags),
}

#[derive(Auditable, Clone, serde::Serialize)]
#[serde(untagged)]
enum Untagged {
    Held(Tags),
}

#[derive(Auditable, Clone, serde::Serialize)]
#[serde(tag = "type", content = "content")]
enum Adjacent {
    Held(Tags),
}

#[derive(Auditable, Clone, Default, serde::Serialize)]
#[serde(into = "Tags")]
struct Into(Vec<String>);

impl From<Into> for Tags {
    fn from(tags: Into) -> Self {
        tags.0.into_iter().collect()
    }
}

fn sorted(tags: &[String]) -> Tags {
    tags.iter().cloned().collect()
}

/// Sets wherever a type may have one.
#[derive(Auditable, Clone)]
struct Sets {
    id: u32,
    new: New,
    levelled: Levelled,
    marked: Marked,
    held: Kind,
    pair: Kind,
    untagged: Untagged,
    adjacent: Adjacent,
    into: Into,
    tuple: (u8, Tags),
    tuples: Vec<(u8, Tags)>,
    nested: ((u8, Tags), u8),
    map: BTreeMap<String, Tags>,
    cell: RefCell<Tags>,
    lock: Arc<Mutex<New>>,
    result: Result<Tags, u8>,
    option: Option<New>,
    #[audit(with = sorted)]
    with: Vec<String>,
}

/// A tuple, whose fields have positions.
#[derive(Auditable, Clone)]
struct Row(#[audit(id)] u32, u8, Tags, New);

#[test]
fn a_set_is_known_wherever_it_is() {
    let tags = || Tags::from(["m", "t"].map(str::to_owned));
    let list = || vec!["m".to_owned(), "t".to_owned()];
    let sets = Sets {
        id: 1,
        new: New(tags()),
        levelled: Levelled(tags()),
        marked: Marked(list()),
        held: Kind::Held(tags()),
        pair: Kind::Pair(0, tags()),
        untagged: Untagged::Held(tags()),
        adjacent: Adjacent::Held(tags()),
        into: Into(list()),
        tuple: (0, tags()),
        tuples: vec![(0, tags()), (1, tags()), (2, tags())],
        nested: ((0, tags()), 0),
        map: BTreeMap::from([("key".to_owned(), tags())]),
        cell: RefCell::new(tags()),
        lock: Arc::new(Mutex::new(New(tags()))),
        result: Ok(tags()),
        option: Some(New(tags())),
        with: list(),
    };
    // What a process wrote that does not sort sets.
    for (path, old) in [
        ("new", json!(["t", "m"])),
        ("levelled", json!(["t", "m"])),
        ("marked", json!(["t", "m"])),
        ("held.Held", json!(["t", "m"])),
        ("held", json!({"Held": ["t", "m"]})),
        ("pair.Pair[1]", json!(["t", "m"])),
        ("pair.Pair", json!([0, ["t", "m"]])),
        ("untagged", json!(["t", "m"])),
        ("adjacent.content", json!(["t", "m"])),
        ("into", json!(["t", "m"])),
        ("tuple[1]", json!(["t", "m"])),
        ("tuple", json!([0, ["t", "m"]])),
        ("tuples[1][1]", json!(["t", "m"])),
        (
            "tuples",
            json!([[0, ["t", "m"]], [1, ["m", "t"]], [2, ["t", "m"]]]),
        ),
        ("nested[0][1]", json!(["t", "m"])),
        ("map.key", json!(["t", "m"])),
        ("map", json!({"key": ["t", "m"]})),
        ("cell", json!(["t", "m"])),
        ("lock", json!(["t", "m"])),
        ("result.Ok", json!(["t", "m"])),
        ("option", json!(["t", "m"])),
        ("with", json!(["t", "m"])),
    ] {
        let audit = testing::capture();
        auditlog::register::<Sets>();
        auditlog::created(&sets).record().expect("recorded");
        append(&audit, "Sets", path, &old);
        let latest = auditlog::history::<Sets>(1).expect("a history").latest();
        assert_eq!(unrecorded(&latest), [""; 0], "{path}");
    }
    for (path, old) in [("[2]", json!(["t", "m"])), ("[3]", json!(["t", "m"]))] {
        let audit = testing::capture();
        auditlog::register::<Row>();
        auditlog::created(&Row(1, 0, tags(), New(tags())))
            .record()
            .expect("recorded");
        append(&audit, "Row", path, &old);
        let latest = auditlog::history::<Row>(1).expect("a history").latest();
        assert_eq!(unrecorded(&latest), [""; 0], "{path}");
    }
}

/// Appends an entry that another process made of an object with the key 1.
fn append(audit: &testing::Capture, model: &str, path: &str, old: &Value) {
    let mut entry = auditlog::LogEntry::new("update", model, "1", "1");
    let changes = json!({path: {"old": old, "new": null}});
    entry.changes = serde_json::from_value(changes).expect("changes");
    audit.log().store().append(&[entry]).expect("appended");
}

#[test]
fn an_item_of_a_tuple_that_is_no_set_keeps_its_order() {
    #[derive(Auditable, Clone)]
    struct Tuples {
        id: u32,
        pair: (Vec<String>, Tags),
        pairs: Vec<(Vec<String>, Tags)>,
    }
    let pair = || {
        let list = vec!["m".to_owned(), "t".to_owned()];
        (list.clone(), list.into_iter().collect::<Tags>())
    };
    for (path, part) in [
        ("pair[0]", "pair[0]"),
        ("pairs[0][0]", "pairs[0][0]"),
        ("pairs[1][0]", "pairs[1][0]"),
    ] {
        let audit = testing::capture();
        auditlog::register::<Tuples>();
        let tuples = Tuples {
            id: 1,
            pair: pair(),
            pairs: vec![pair(), pair()],
        };
        auditlog::created(&tuples).record().expect("recorded");
        append(&audit, "Tuples", path, &json!(["t", "m"]));
        let latest = auditlog::history::<Tuples>(1).expect("a history").latest();
        assert_eq!(unrecorded(&latest), [part], "{path}");
    }
}

#[test]
fn a_key_that_came_without_an_entry_is_found_where_keys_come_and_go() {
    let created = ("create", json!({"m": {"new": {"a": 1}}}));
    let unseen = ("update", json!({"m.b": {"old": 5, "new": 6}}));
    // It may be a field that the type had not.
    assert_eq!(breaks(&[created.clone(), unseen.clone()]), [""; 0]);
    let seen = ("update", json!({"m.c": {"new": 1}}));
    assert_eq!(breaks(&[created, seen, unseen]), ["m.b"]);
}

#[test]
fn an_old_value_that_is_written_otherwise_does_not_upset_its_list() {
    let entries = [
        ("create", json!({"l": {"new": ["1.0", "b", "c"]}})),
        (
            "update",
            json!({"l[0]": {"old": "1.00"}, "l[2]": {"old": "c"}}),
        ),
    ];
    assert_eq!(breaks(&entries), [""; 0]);
    let history = recorded(&entries).history_of(ObjectRef::new("Row", "1"));
    assert_eq!(
        history.expect("a history").latest().state,
        json!({"l": ["b"]})
    );
}

#[test]
fn a_change_made_by_hand_needs_no_index() {
    let change = |path: &str, old: Value, new: Value| {
        Change::new(path.parse().expect("a path"), Some(old), Some(new))
    };
    let log = recorded(&[("create", json!({"l": {"new": [{"k": "a", "n": 1}]}}))]);
    let mut entry = auditlog::LogEntry::new("update", "Row", "1", "Row 1");
    entry.changes = [change("l[k='a'].n", json!(1), json!(2))]
        .into_iter()
        .collect();
    log.store().append(&[entry]).expect("appended");
    let history = log
        .history_of(ObjectRef::new("Row", "1"))
        .expect("a history");
    assert!(history.breaks().is_empty() && history.latest().complete);
}

//! Masks, exclusions and inclusions of `register_with` hold wherever a value of the type is.

use std::collections::{BTreeMap, BTreeSet};

use auditlog::prelude::*;
use auditlog::testing::{Capture, capture};
use serde_json::{Value, json};

/// What the masked and the excluded fields of these tests have in them.
const PHONE: &str = "5551234567";
const PET: &str = "rex";

#[derive(Auditable, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[audit(repr = "{id} {phone}")]
struct Person {
    id: u32,
    phone: String,
    pets: BTreeMap<String, u32>,
}

#[derive(Auditable, Clone)]
enum Contact {
    Nobody,
    One(Person),
    Two { first: Person, second: Box<Person> },
}

#[derive(Auditable, Clone)]
struct Nickname(Person);

#[derive(Auditable, Clone)]
#[audit(repr = "{id} {person}")]
struct Order {
    id: u32,
    person: Person,
    by_role: BTreeMap<String, Person>,
    list: Vec<Person>,
    #[audit(key = "id")]
    keyed: Vec<Person>,
    set: BTreeSet<Person>,
    by_person: BTreeMap<Person, u32>,
    contact: Contact,
    perhaps: Option<Box<Person>>,
    pair: (Person, u32),
    nickname: Nickname,
    #[audit(whole)]
    whole: Person,
    #[audit(ignore)]
    ignored: Person,
}

#[derive(Auditable, Clone)]
struct Flat {
    number: u32,
    #[audit(flatten)]
    person: Person,
    #[audit(id)]
    key: u32,
}

fn person(number: u32) -> Person {
    Person {
        id: 7,
        phone: format!("+1{PHONE}-{number}"),
        pets: [(format!("{PET}-{number}"), number)].into(),
    }
}

fn order(number: u32) -> Order {
    let person = |offset| Person {
        id: offset,
        ..person(number)
    };
    Order {
        id: 1,
        person: person(7),
        by_role: [
            (format!("role {number}"), person(7)),
            ("buyer".into(), person(7)),
        ]
        .into(),
        list: (0..number).map(person).collect(),
        keyed: (0..number).rev().map(person).collect(),
        set: (0..number).map(person).collect(),
        by_person: (0..number).map(|id| (person(id), id)).collect(),
        contact: match number {
            0 => Contact::Nobody,
            1 => Contact::One(person(1)),
            _ => Contact::Two {
                first: person(1),
                second: Box::new(person(2)),
            },
        },
        perhaps: (number > 0).then(|| Box::new(person(3))),
        pair: (person(4), number),
        nickname: Nickname(person(5)),
        whole: person(6),
        ignored: person(7),
    }
}

fn set_up() -> Capture {
    let audit = capture();
    auditlog::register::<Order>();
    auditlog::register::<Flat>();
    auditlog::register_with::<Person>(|options| {
        options.mask("phone").exclude("pets").snapshot(Always)
    })
    .expect("options");
    audit
}

fn assert_hidden(text: &str) {
    assert!(!text.contains(PHONE) && !text.contains(PET), "{text}");
}

fn json_of(entry: &LogEntry) -> String {
    entry.to_canonical_json().expect("a form")
}

#[test]
fn inside_another_model() {
    let audit = set_up();
    auditlog::created(&order(0)).record().expect("a receipt");
    for (old, new) in [(0, 1), (1, 2), (2, 3), (3, 4), (4, 1), (1, 0)] {
        let draft = auditlog::updated(&order(old), &order(new));
        assert_hidden(&format!("{draft:?}"));
        draft.record().expect("a receipt");
    }
    auditlog::deleted(&order(3)).record().expect("a receipt");
    let entries = audit.entries();
    assert_eq!(entries.len(), 8);
    for entry in &entries {
        assert_hidden(&json_of(entry));
        assert_hidden(&format!("{entry} {entry:?} {}", entry.object_repr));
    }
    let changed = &entries[1].changes;
    assert_eq!(changed["person.phone"].new, Some("***".into()));
    assert!(changed["person.phone"].redaction.is_some());
}

#[test]
fn flattened_into_another_model() {
    let audit = set_up();
    let flat = |number| Flat {
        number,
        person: person(number),
        key: 1,
    };
    auditlog::created(&flat(1)).record().expect("a receipt");
    auditlog::updated(&flat(1), &flat(2))
        .record()
        .expect("a receipt");
    for entry in audit.entries() {
        assert_hidden(&json_of(&entry));
        assert!(entry.changes.contains("number"));
    }
}

#[test]
fn a_state_is_rebuilt_in_the_form_of_its_snapshot() {
    let audit = set_up();
    auditlog::register_with::<Flat>(|o| o.snapshot(Always)).expect("options");
    let flat = |number| Flat {
        number,
        person: person(number),
        key: 1,
    };
    auditlog::created(&flat(1)).record().expect("a receipt");
    auditlog::updated(&flat(1), &flat(2))
        .record()
        .expect("a receipt");
    let snapshot = audit
        .last()
        .expect("an entry")
        .snapshot
        .expect("a snapshot");
    assert_eq!(
        snapshot,
        json!({"number": 2, "id": 7, "phone": "***", "key": 1})
    );
}

#[test]
fn as_additional_data() {
    let audit = set_up();
    let _who = auditlog::context().extra("context", person(1)).enter();
    auditlog::accessed(&person(1))
        .extra("who", person(1))
        .extra("all", vec![Some(person(2))])
        .record()
        .expect("a receipt");
    let entry = audit.last().expect("an entry");
    assert_hidden(&json_of(&entry));
    assert_eq!(
        entry.additional_data["who"],
        json!({"id": 7, "phone": "***"})
    );
}

#[test]
fn in_a_tracked_object() {
    let audit = set_up();
    let mut tracked = Tracked::new(person(1));
    tracked.phone = person(9).phone;
    tracked.pets = person(9).pets;
    assert_hidden(&format!("{tracked:?}"));
    let changes = tracked.changes().unwrap();
    assert_hidden(&changes.to_string());
    assert_eq!(changes.len(), 1, "{changes}");
    drop(tracked);
    assert_eq!(audit.log().stats().unrecorded, 1);

    let mut tracked = Tracked::new(person(1));
    tracked.pets.insert("tom".into(), 2);
    drop(tracked);
    assert_eq!(
        audit.log().stats().unrecorded,
        1,
        "a change of an excluded field is nothing that could be recorded"
    );
    let mut tracked = Tracked::new(order(1));
    tracked.person.pets.clear();
    tracked.ignored.phone.clear();
    drop(tracked);
    assert_eq!(audit.log().stats().unrecorded, 1);
}

#[test]
fn a_change_of_what_is_excluded_inside_makes_no_entry() {
    let audit = set_up();
    let (old, mut new) = (order(1), order(1));
    new.person.pets.clear();
    new.list[0].pets.clear();
    let receipt = auditlog::updated(&old, &new).record().expect("a receipt");
    assert_eq!(receipt, Receipt::Unchanged);
    assert!(audit.entries().is_empty());
}

#[test]
fn rules_end_with_the_registration() {
    let audit = set_up();
    auditlog::unregister::<Person>();
    auditlog::created(&order(1)).record().expect("a receipt");
    assert!(json_of(&audit.last().expect("an entry")).contains(PHONE));
}

#[test]
fn the_description_says_what_is_hidden_inside() {
    let audit = set_up();
    let described = audit.log().described();
    let order = described.iter().find(|model| model.model == "Order");
    for field in &order.expect("a model").fields {
        let recorded = serde_json::to_value(field.recorded).expect("a word");
        let expected = if field.name == "id" {
            "clear"
        } else {
            "partial"
        };
        assert_eq!(recorded, expected, "{}", field.name);
    }
    let flat = described.iter().find(|model| model.model == "Flat");
    let fields = &flat.expect("a model").fields;
    let recorded = |name: &str| {
        let field = fields.iter().find(|field| field.name == name);
        serde_json::to_value(field.expect("a field").recorded).expect("a word")
    };
    assert_eq!(recorded("phone"), json!({"masked": "all"}));
    assert_eq!(recorded("pets"), json!("skipped"));
}

#[derive(Auditable, Clone)]
struct Home {
    city: String,
    street: String,
}

#[derive(Auditable, Clone)]
struct Resident {
    id: u32,
    homes: BTreeMap<String, Home>,
    former: BTreeMap<String, Vec<BTreeMap<String, Home>>>,
}

fn resident(key: &str, street: &str) -> Resident {
    let home = || Home {
        city: "Bonn".into(),
        street: street.into(),
    };
    Resident {
        id: 1,
        homes: [(key.to_owned(), home())].into(),
        former: [(key.to_owned(), vec![[(key.to_owned(), home())].into()])].into(),
    }
}

/// The changes of a creation, of an update and of a deletion.
fn changes_of(audit: &Capture, key: &str) -> Vec<Value> {
    let (old, new) = (
        resident(key, "Long Street 17"),
        resident(key, "Long Street 18"),
    );
    auditlog::created(&old).record().expect("a receipt");
    auditlog::updated(&old, &new).record().expect("a receipt");
    auditlog::deleted(&new).record().expect("a receipt");
    let entries = audit.entries();
    let changes = entries
        .iter()
        .map(|entry| serde_json::to_value(&entry.changes));
    changes.map(|changes| changes.expect("JSON")).collect()
}

#[test]
fn a_key_called_like_an_included_field_shows_nothing_else() {
    for key in ["city", "homes", "former", "street", "summer", "a.b"] {
        let audit = capture();
        auditlog::register_with::<Resident>(|options| {
            options.include(["homes.city", "former.city"])
        })
        .expect("options");
        let changes = changes_of(&audit, key);
        let text = Value::from(changes).to_string();
        assert!(!text.contains("Long Street"), "{key}: {text}");
        assert!(text.contains("Bonn"), "{key}: {text}");
    }
}

#[test]
fn a_key_called_like_an_excluded_or_masked_field_stays() {
    for key in ["city", "homes", "former", "street", "summer"] {
        let audit = capture();
        auditlog::register_with::<Resident>(|options| {
            options.exclude("homes.street").mask("former.street")
        })
        .expect("options");
        let changes = changes_of(&audit, key);
        assert_eq!(changes[0]["homes"]["new"], json!({ key: {"city": "Bonn"} }));
        assert_eq!(
            changes[0]["former"]["new"],
            json!({ key: [{ key: {"city": "Bonn", "street": "***"} }] })
        );
        let text = Value::from(changes).to_string();
        assert!(!text.contains("Long Street"), "{key}: {text}");
    }
}

#[test]
fn a_rule_inside_a_set_is_not_told_by_the_paths_of_its_members() {
    #[derive(Auditable, Clone)]
    struct Team {
        id: u32,
        members: BTreeSet<Person>,
    }
    let audit = capture();
    auditlog::register_with::<Team>(|o| o.mask("members.phone").exclude("members.pets"))
        .expect("options");
    let team = |numbers: &[u32]| Team {
        id: 1,
        members: numbers
            .iter()
            .map(|&id| Person { id, ..person(id) })
            .collect(),
    };
    auditlog::updated(&team(&[1, 2]), &team(&[2, 3, 4]))
        .record()
        .expect("a receipt");
    let entry = audit.last().expect("an entry");
    assert_hidden(&json_of(&entry));
    assert_eq!(entry.changes.len(), 3, "{}", entry.changes);
}

#[test]
fn the_position_of_a_tuple_is_no_name_for_a_rule() {
    // A rule that names one would hide nothing.
    let audit = capture();
    for field in ["pair['0']", "pair[0]", "list[0].phone"] {
        let refused = audit
            .log()
            .register_with::<Order>(|options| options.mask(field));
        assert!(refused.is_err(), "{field}");
    }
}

#[derive(Auditable, Clone)]
struct Roster {
    id: u32,
    players: Vec<Player>,
}

#[derive(Auditable, Clone)]
struct Player {
    name: String,
}

#[test]
fn a_mask_of_what_is_not_there_hides_nothing() {
    let log = AuditLog::builder().build();
    log.register_with::<Roster>(|options| options.mask("players.name"))
        .unwrap();
    let player = Player {
        name: "ann".to_owned(),
    };
    for (id, players) in [(1, vec![]), (2, vec![player])] {
        let is_complete = players.is_empty();
        log.created(&Roster { id, players }).record().unwrap();
        let latest = log.history::<Roster>(id).unwrap().latest();
        assert_eq!(latest.complete, is_complete, "{latest:?}");
    }
}

//! What many objects were at a time, and where a history may begin.

use auditlog::prelude::*;
use auditlog::{MissingReason, ObjectRef, Outcome, Query, RegistrationError, testing};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

#[derive(Auditable, Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Company {
    id: u32,
    name: String,
}

#[derive(Auditable, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[audit(parent(Company, key = "company_id"), version = 3)]
pub(crate) struct Person {
    id: u32,
    company_id: u32,
    name: String,
    #[audit(mask)]
    #[serde(default)]
    iban: String,
    pub(crate) euros: u64,
}

#[derive(Auditable, Clone)]
struct Team {
    id: u32,
    #[audit(reference)]
    lead: Person,
    #[audit(reference)]
    members: Vec<Person>,
    #[audit(reference)]
    deputy: Option<Person>,
}

pub(crate) fn person(id: u32, company_id: u32) -> Person {
    Person {
        id,
        company_id,
        name: format!("person {id}"),
        iban: format!("DE{id:08}"),
        euros: 10,
    }
}

fn start() -> DateTime<Utc> {
    "2026-01-01T00:00:00Z".parse().expect("a time")
}

pub(crate) fn minute(minute: i64) -> DateTime<Utc> {
    start() + TimeDelta::minutes(minute)
}

#[test]
fn all_objects_of_a_type_at_a_time() {
    let audit = testing::capture();
    auditlog::register::<Person>();
    auditlog::register::<Company>();
    let mut people: Vec<Person> = (1..=20).map(|id| person(id, id % 3)).collect();
    for person in &people {
        let created = minute(i64::from(person.id));
        auditlog::created(person)
            .at(created)
            .record()
            .expect("recorded");
    }
    let company = Company {
        id: 1,
        name: "Acme".into(),
    };
    auditlog::created(&company)
        .at(minute(2))
        .record()
        .expect("recorded");
    auditlog::update(&mut people[4], |person| person.name = "Eve".into())
        .at(minute(30))
        .record()
        .expect("recorded");
    auditlog::deleted(&people[5])
        .at(minute(31))
        .record()
        .expect("recorded");

    let names = |time| -> Vec<(String, String)> {
        let states = auditlog::objects_as_of::<Person>(time).expect("a valid query");
        states
            .map(|state| {
                let state = state.expect("readable");
                let person: Person = state.at.typed_lossy().expect("a person").expect("exists");
                (state.object.object_pk, person.name)
            })
            .collect()
    };
    assert_eq!(names(minute(0)), []);
    assert_eq!(names(minute(2)).len(), 2, "entries of the very time count");
    let all = names(minute(30));
    assert_eq!(all.len(), 20);
    // By identity, as text.
    assert_eq!(all[0].0, "1");
    assert_eq!(all[1].0, "10");
    assert!(all.contains(&("5".into(), "Eve".into())));
    assert!(names(minute(29)).contains(&("5".into(), "person 5".into())));
    assert!(!names(minute(31)).iter().any(|(pk, _)| pk == "6"));

    // An aggregate with what belongs to it.
    let root = ObjectRef::new("Company", "1");
    let states = audit
        .log()
        .states(audit.log().query().parent(root), minute(40));
    let objects: Vec<String> = states
        .expect("a valid query")
        .map(|state| state.expect("readable").object.to_string())
        .collect();
    let expected: Vec<String> = [1, 10, 13, 16, 19, 4, 7]
        .map(|id| format!("Person {id}"))
        .into();
    assert_eq!(objects[0], "Company 1");
    assert_eq!(objects[1..], expected);

    let wrong = audit
        .log()
        .states(Query::new().changed("items["), minute(1));
    assert!(wrong.is_err());
}

#[test]
fn a_history_begins_with_a_baseline() {
    let audit = testing::capture();
    auditlog::register::<Person>();
    let people: Vec<Person> = (1..=2_500).map(|id| person(id, 1)).collect();
    let recorded = auditlog::baseline::<Person>(&people).expect("recorded");
    assert_eq!(recorded, 2_500);
    assert_eq!(audit.entries().len(), 2_500);
    let entry = audit.last().expect("an entry");
    assert_eq!(entry.action, Action::from("baseline"));
    assert!(entry.changes.is_empty());
    assert_eq!(entry.snapshot.expect("a snapshot")["iban"], "***");

    let mut seven = people[6].clone();
    let update = auditlog::update(&mut seven, |person| person.name = "Bond".into());
    update.actor("m").record().expect("recorded");
    let history = auditlog::history::<Person>(7).expect("readable");
    assert_eq!(history.versions().count(), 2);
    assert_eq!(
        history.at_version(1).expect("a version").state["name"],
        "person 7"
    );
    let latest = history.latest();
    assert_eq!(latest.state["name"], "Bond");
    assert_eq!(latest.state["euros"], 10);
    let reasons: Vec<_> = latest
        .missing
        .iter()
        .map(|missing| missing.reason)
        .collect();
    assert_eq!(
        reasons,
        [MissingReason::Masked],
        "nothing before is missing"
    );
    let blamed: Vec<_> = history
        .blame()
        .iter()
        .map(|blame| (blame.path.to_string(), blame.entry.action.to_string()))
        .collect();
    assert!(blamed.contains(&("name".into(), "update".into())));
    assert!(blamed.contains(&("euros".into(), "baseline".into())));
    assert_eq!(blamed.len(), 5, "{blamed:?}");

    // What is not registered is not recorded, and says so by the count.
    let company = Company {
        id: 1,
        name: "Acme".into(),
    };
    assert_eq!(
        auditlog::baseline::<Company>([company]).expect("no error"),
        0
    );
}

#[test]
fn older_schemas_are_read_as_the_present_one() {
    /// The first version of `Person`, and the second.
    mod former {
        use super::*;

        #[derive(Auditable)]
        #[audit(model = "Person")]
        pub(super) struct First {
            pub(super) id: u32,
            pub(super) full_name: String,
            pub(super) cents: u64,
            pub(super) fax: String,
        }

        #[derive(Auditable)]
        #[audit(model = "Person", version = 2)]
        pub(super) struct Second {
            pub(super) id: u32,
            pub(super) name: String,
            pub(super) cents: u64,
        }
    }
    let audit = testing::capture();
    let log = audit.log();
    let old = |cents| former::First {
        id: 1,
        full_name: "Ada".into(),
        cents,
        fax: "123".into(),
    };
    log.register_with::<former::First>(|first| first.snapshot(Every(2)))
        .expect("known fields");
    log.created(&old(500))
        .at(minute(0))
        .record()
        .expect("recorded");
    log.updated(&old(500), &old(700))
        .at(minute(1))
        .record()
        .expect("recorded");
    log.updated(&old(700), &old(900))
        .at(minute(2))
        .record()
        .expect("recorded");
    log.unregister::<former::First>();
    log.register::<former::Second>();
    let second = |cents| former::Second {
        id: 1,
        name: "Ada".into(),
        cents,
    };
    log.updated(&second(900), &second(1_100))
        .at(minute(3))
        .record()
        .expect("recorded");
    log.unregister::<former::Second>();

    log.register_with::<Person>(|person| {
        person
            .upcast(1, |older| {
                older.rename("full_name", "name");
                older.remove("fax");
            })
            .upcast(2, |older| {
                older.rename("cents", "euros");
                older.convert("euros", |cents| {
                    cents.as_u64().map_or(cents, |c| (c / 100).into())
                });
            })
    })
    .expect("known fields");
    let history = log.history::<Person>(1).expect("readable");
    let state = |version| history.at_version(version).expect("a version").state;
    assert_eq!(state(1), json!({"id": 1, "name": "Ada", "euros": 5}));
    assert_eq!(state(2)["euros"], 7);
    assert_eq!(state(3), json!({"id": 1, "name": "Ada", "euros": 9}));
    assert_eq!(state(4)["euros"], 11);
    assert!(
        history
            .entries()
            .iter()
            .all(|entry| entry.schema_version == 3)
    );
    // What is stored stays.
    assert_eq!(audit.entries()[0].schema_version, 1);
    assert!(audit.entries()[0].changes.contains("full_name"));

    // A path that is none is an error where the history is read, not a wrong history.
    log.register_with::<Person>(|person| person.upcast(1, |older| older.remove("a[")))
        .expect("known fields");
    let error = log.history::<Person>(1).expect_err("no path").to_string();
    assert!(error.contains("a["), "{error}");
}

#[test]
fn what_failed_or_was_denied_changed_nothing() {
    let _audit = testing::capture();
    auditlog::register::<Person>();
    let one = person(1, 1);
    auditlog::created(&one).record().expect("recorded");
    let mut other = one.clone();
    other.euros = 1_000_000;
    for outcome in [Outcome::Denied, Outcome::Failure] {
        auditlog::updated(&one, &other)
            .outcome(outcome)
            .record()
            .expect("recorded");
        auditlog::deleted(&one)
            .outcome(outcome)
            .record()
            .expect("recorded");
    }
    let history = auditlog::history::<Person>(1).expect("readable");
    assert_eq!(history.entries().len(), 5);
    assert_eq!(history.versions().count(), 1);
    assert_eq!(history.latest().state["euros"], 10);
    assert!(
        history
            .blame()
            .iter()
            .all(|blame| blame.entry.action == Action::Create)
    );
    let now = auditlog::as_of::<Person>(1, DateTime::<Utc>::MAX_UTC).expect("readable");
    assert_eq!(now.state["euros"], 10);
}

#[test]
fn a_deleted_object_comes_back() {
    let _audit = testing::capture();
    auditlog::register::<Person>();
    let one = person(1, 1);
    auditlog::created(&one).record().expect("recorded");
    let deleted = auditlog::deleted(&one)
        .record()
        .expect("recorded")
        .id()
        .expect("recorded");
    let history = auditlog::history::<Person>(1).expect("readable");
    assert!(!history.latest().exists());
    assert!(history.blame().is_empty());
    let undo = history.undo(deleted).expect("an entry");
    let mut state = Value::Null;
    undo.changes.apply(&mut state).expect("fits");
    let mut known = history.at_version(1).expect("a version").state;
    known.as_object_mut().expect("an object").remove("iban");
    assert_eq!(state, known, "without what is recorded masked");
    let mut state = Value::Null;
    let back = history.revert_to(1).expect("a version");
    back.apply(&mut state).expect("fits");
    assert_eq!(state["name"], "person 1");
}

#[test]
fn references_lead_to_what_they_were() {
    let audit = testing::capture();
    auditlog::register::<Person>();
    auditlog::register::<Team>();
    let mut lead = person(1, 1);
    auditlog::created(&lead)
        .at(minute(0))
        .record()
        .expect("recorded");
    let team = Team {
        id: 1,
        lead: lead.clone(),
        members: vec![person(2, 1), person(3, 1)],
        deputy: None,
    };
    auditlog::created(&team)
        .at(minute(1))
        .record()
        .expect("recorded");
    auditlog::update(&mut lead, |lead| lead.name = "Ann".into())
        .at(minute(2))
        .record()
        .expect("recorded");
    let then = auditlog::as_of::<Team>(1, minute(1)).expect("readable");
    let references: Vec<String> = then
        .references
        .iter()
        .map(|(path, object)| format!("{path} {object}"))
        .collect();
    assert_eq!(
        references,
        [
            "lead Person 1",
            "members[0] Person 2",
            "members[1] Person 3"
        ]
    );
    let (_, lead) = &then.references[0];
    let name = |time| {
        audit
            .log()
            .object_as_of(lead, time)
            .expect("readable")
            .state["name"]
            .clone()
    };
    assert_eq!(name(minute(1)), "person 1");
    assert_eq!(name(minute(2)), "Ann");
}

#[test]
fn many_at_once_are_one_batch() {
    let audit = testing::capture();
    auditlog::register::<Person>();
    let people: Vec<Person> = (1..=3).map(|id| person(id, 1)).collect();
    let receipts = auditlog::created_many(&people)
        .reason("import")
        .record()
        .expect("recorded");
    assert_eq!(receipts.len(), 3);
    assert!(
        audit
            .entries()
            .iter()
            .all(|entry| entry.reason.as_deref() == Some("import"))
    );

    let mut after = people.clone();
    after[1].euros = 99;
    let pairs = people.iter().zip(&after);
    let receipts = auditlog::updated_many(pairs).record().expect("recorded");
    let changed: Vec<bool> = receipts.iter().map(Receipt::is_recorded).collect();
    assert_eq!(changed, [false, true, false]);
    let receipts = auditlog::deleted_many(&after)
        .each(|draft| draft.actor("cleaner"))
        .record()
        .expect("recorded");
    assert_eq!(receipts.len(), 3);
    assert_eq!(audit.last().expect("an entry").actor(), "cleaner");
}

#[test]
fn a_tuple_struct_has_a_history_too() {
    #[derive(Auditable, Clone)]
    struct Pair(#[audit(id)] u32, String);

    let _audit = testing::capture();
    auditlog::register::<Pair>();
    let mut pair = Pair(1, "a".into());
    auditlog::created(&pair).record().expect("recorded");
    auditlog::update(&mut pair, |pair| pair.1 = "b".into())
        .record()
        .expect("recorded");
    let history = auditlog::history::<Pair>(1).expect("readable");
    assert_eq!(
        history.at_version(1).expect("a version").state,
        json!([1, "a"])
    );
    assert_eq!(history.latest().state, json!([1, "b"]));
    assert!(history.latest().complete, "{:?}", history.latest().missing);
}

#[test]
fn options_still_report_what_they_cannot_find() {
    let _audit = testing::capture();
    let error = auditlog::register_with::<Person>(|person| person.exclude("nam").upcast(1, |_| {}));
    assert!(matches!(error, Err(RegistrationError::UnknownField { .. })));
}

//! The recorded form follows serde's attributes: a snapshot is what serde writes, and what is
//! recorded is read back.

use std::fmt::Debug;

use auditlog::prelude::*;
use auditlog::{AuditValue, MissingReason, Reconstruction, diff, snapshot, try_snapshot};
use chrono::{DateTime, Utc};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// What the trail makes of an object that was recorded once.
fn latest<T: Auditable + Clone + 'static>(object: &T) -> Reconstruction {
    let log = AuditLog::builder().build();
    log.register::<T>();
    log.created(object).record().expect("a receipt");
    let pk = object.object_pk();
    log.history::<T>(pk).expect("a history").latest()
}

fn follows_serde<T: AuditValue + Serialize>(value: &T) -> Value {
    let written = serde_json::to_value(value).expect("JSON");
    assert_eq!(try_snapshot(value).expect("a snapshot"), written);
    written
}

fn comes_back<T>(object: &T)
where
    T: Auditable + Clone + PartialEq + Debug + Serialize + DeserializeOwned + 'static,
{
    follows_serde(object);
    let latest = latest(object);
    assert!(latest.complete, "{:?}", latest.missing);
    let back = latest.typed::<T>().expect("the type");
    assert_eq!(back.as_ref(), Some(object));
}

/// An entity that holds one value.
#[derive(Auditable, Clone, PartialEq, Debug, Serialize, Deserialize)]
struct Holder<T> {
    id: u32,
    value: T,
}

fn holder<T>(value: T) -> Holder<T> {
    Holder { id: 1, value }
}

#[derive(Auditable, Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "t", content = "c", rename_all_fields = "camelCase")]
enum Payment {
    Cash(u32),
    Card {
        card_number: String,
    },
    Split(u8, u8),
    Free,
    #[serde(untagged)]
    Other(String),
}

#[test]
fn adjacent_tags_are_followed() {
    let card = |number: &str| Payment::Card {
        card_number: number.into(),
    };
    for payment in [
        Payment::Free,
        Payment::Cash(3),
        card("1"),
        Payment::Split(1, 2),
        Payment::Other("barter".into()),
    ] {
        comes_back(&holder(payment));
    }
    let changes = diff(&holder(card("1")), &holder(card("2")));
    assert!(changes.contains("value.c.cardNumber"), "{changes}");
    let changes = diff(&holder(Payment::Split(1, 2)), &holder(Payment::Split(1, 3)));
    assert!(changes.contains("value.c[1]"), "{changes}");
    let changes = diff(&holder(Payment::Cash(1)), &holder(Payment::Free));
    assert_eq!(changes["value"].new, Some(json!({"t": "Free"})));
}

#[derive(Auditable, Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "kind")]
enum Contact {
    Mail {
        address: String,
    },
    None,
    #[serde(untagged)]
    Number(u32),
}

#[test]
fn a_variant_alone_can_be_untagged() {
    let mail = |address: &str| Contact::Mail {
        address: address.into(),
    };
    for contact in [mail("a"), Contact::None, Contact::Number(5)] {
        comes_back(&holder(contact));
    }
    let changes = diff(&holder(mail("a")), &holder(mail("b")));
    assert!(changes.contains("value.address"), "{changes}");
    let changes = diff(&holder(Contact::Number(1)), &holder(Contact::Number(2)));
    assert_eq!(changes["value"].new, Some(2.into()));
}

#[derive(Auditable, Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum Reference {
    #[serde(rename = "same")]
    Number {
        #[serde(rename = "no", alias = "number")]
        value: u32,
    },
    #[serde(rename = "same", rename_all = "UPPERCASE")]
    Text { text_value: String },
    #[serde(rename = "same")]
    Nothing,
}

#[test]
fn names_of_untagged_variants_do_not_matter() {
    comes_back(&holder(Reference::Number { value: 1 }));
    comes_back(&holder(Reference::Text {
        text_value: "a".into(),
    }));
    comes_back(&holder(Reference::Nothing));
}

#[derive(Auditable, Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all(serialize = "camelCase", deserialize = "kebab-case"))]
struct Directions {
    #[serde(rename(serialize = "key"))]
    #[serde(rename(deserialize = "id"))]
    id: u32,
    first_name: String,
    #[serde(rename(serialize = "written"), alias = "written")]
    second: Option<u8>,
    #[serde(default, rename(deserialize = "read"))]
    third: u8,
    #[audit(rename = "recorded")]
    fourth: Option<u8>,
}

#[test]
fn names_for_writing_and_for_reading_can_differ() {
    let directions = Directions {
        id: 1,
        first_name: "ann".into(),
        second: Some(2),
        third: 3,
        fourth: Some(4),
    };
    assert_eq!(
        snapshot(&directions),
        json!({"key": 1, "firstName": "ann", "written": 2, "third": 3, "recorded": 4})
    );
    let back = latest(&directions).typed().expect("the type");
    assert_eq!(back, Some(directions));
}

#[derive(Auditable, Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename = "event")]
struct Event {
    id: u32,
    name: String,
}

#[test]
fn a_tag_of_a_struct_is_followed() {
    let event = Event {
        id: 1,
        name: "a".into(),
    };
    let written = json!({"type": "event", "id": 1, "name": "a"});
    assert_eq!(follows_serde(&event), written);
    comes_back(&event);
    comes_back(&holder(event));
}

#[derive(Auditable, Clone, PartialEq, Debug, Serialize, Deserialize)]
struct Session {
    id: u32,
    #[serde(with = "chrono::serde::ts_seconds")]
    #[audit(serde)]
    until: DateTime<Utc>,
    #[serde(with = "chrono::serde::ts_milliseconds")]
    since: DateTime<Utc>,
    #[serde(
        with = "chrono::serde::ts_seconds_option",
        skip_serializing_if = "Option::is_none",
        default
    )]
    ended: Option<DateTime<Utc>>,
    #[serde(with = "chrono::serde::ts_seconds")]
    #[audit(serde = false)]
    plain: DateTime<Utc>,
}

#[test]
fn a_serializer_of_a_field_is_followed() {
    let time = DateTime::from_timestamp(1, 0).expect("a time");
    let session = |ended| Session {
        id: 1,
        until: time,
        since: time,
        ended,
        plain: time,
    };
    let state = json!({
        "id": 1, "until": 1, "since": 1000, "ended": 1, "plain": "1970-01-01T00:00:01Z",
    });
    assert_eq!(snapshot(&session(Some(time))), state);
    assert!(snapshot(&session(None)).get("ended").is_none());
    let changes = diff(&session(None), &session(Some(time)));
    assert_eq!(changes["ended"].new, Some(1.into()));
    assert!(diff(&session(None), &session(None)).is_empty());
}

#[derive(Auditable, Clone, PartialEq, Debug, Serialize, Deserialize)]
enum Day {
    Monday,
    Tuesday,
}

#[derive(Auditable, Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "type")]
enum Plan {
    On(Day),
    Boxed(Box<Day>),
    Never,
}

#[derive(Auditable, Clone, PartialEq, Debug, Serialize, Deserialize)]
struct Appointment {
    id: u32,
    #[serde(flatten)]
    day: Day,
}

#[test]
fn a_name_without_data_is_a_key_where_only_members_fit() {
    let written = json!({"id": 1, "value": {"type": "On", "Monday": null}});
    assert_eq!(follows_serde(&holder(Plan::On(Day::Monday))), written);
    for plan in [
        Plan::On(Day::Tuesday),
        Plan::Boxed(Box::new(Day::Monday)),
        Plan::Never,
    ] {
        comes_back(&holder(plan));
    }
    comes_back(&Appointment {
        id: 1,
        day: Day::Monday,
    });
}

/// A type with which nothing can be done.
#[derive(Clone, PartialEq, Debug, Default)]
struct Opaque;

#[derive(Auditable, Clone, PartialEq, Debug, Serialize, Deserialize)]
enum External {
    Idle,
    Busy(#[serde(skip)] Opaque),
}

#[derive(Auditable, Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "t")]
enum Internal {
    Idle,
    Busy(#[serde(skip)] Opaque),
}

#[derive(Auditable, Clone, PartialEq, Debug, Serialize)]
#[serde(tag = "t", content = "c")]
enum Adjacent {
    Idle,
    Busy(#[serde(skip)] Opaque),
}

#[derive(Auditable, Clone, PartialEq, Debug, Serialize)]
#[serde(untagged)]
enum Untagged {
    Idle(u8),
    Busy(#[serde(skip)] Opaque),
}

#[derive(Auditable, Clone)]
enum Own {
    Idle,
    Busy(#[audit(skip)] Opaque),
}

#[test]
fn a_variant_whose_only_field_is_skipped_is_its_name() {
    assert_eq!(follows_serde(&External::Busy(Opaque)), "Busy");
    assert_eq!(follows_serde(&Internal::Busy(Opaque)), json!({"t": "Busy"}));
    assert_eq!(follows_serde(&Adjacent::Busy(Opaque)), json!({"t": "Busy"}));
    assert_eq!(follows_serde(&Untagged::Busy(Opaque)), json!(null));
    assert_eq!(snapshot(&Own::Busy(Opaque)), "Busy");
    assert_eq!(diff(&External::Idle, &External::Busy(Opaque)).len(), 1);
    assert_eq!(diff(&Internal::Idle, &Internal::Busy(Opaque)).len(), 1);
    assert_eq!(diff(&Adjacent::Idle, &Adjacent::Busy(Opaque)).len(), 1);
    assert_eq!(diff(&Untagged::Idle(1), &Untagged::Busy(Opaque)).len(), 1);
    assert_eq!(diff(&Own::Idle, &Own::Busy(Opaque)).len(), 1);
    assert!(diff(&Own::Busy(Opaque), &Own::Busy(Opaque)).is_empty());
    is_skipped(&holder(External::Busy(Opaque)), "value");
    is_skipped(&holder(Internal::Busy(Opaque)), "value");
    is_skipped(&holder(Adjacent::Busy(Opaque)), "value.c");
    is_skipped(&holder(Own::Busy(Opaque)), "value");
    assert!(latest(&holder(Internal::Idle)).complete);
    assert!(latest(&holder(Adjacent::Idle)).complete);
}

#[derive(Auditable, Clone, PartialEq, Debug, Serialize, Deserialize)]
struct Point(u8, #[serde(skip)] u8, u8);

#[derive(Auditable, Clone, PartialEq, Debug)]
struct Marked(u8, #[audit(skip)] u8, u8);

#[derive(Auditable, Clone, PartialEq, Debug)]
struct Hidden(#[audit(skip)] u8);

#[derive(Auditable, Clone, PartialEq, Debug, Serialize, Deserialize)]
enum Move {
    To(u8, #[serde(skip)] u8, u8),
    #[serde(untagged)]
    By(u8, #[serde(skip)] u8, u8),
}

#[derive(Auditable, Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "t", content = "c")]
enum Turn {
    To(u8, #[serde(skip)] u8, u8),
    By(u8, u8, u8),
}

fn is_skipped<T: Auditable + Clone + 'static>(object: &T, path: &str) {
    let latest = latest(object);
    let skipped = latest
        .missing
        .iter()
        .any(|part| part.path.as_str() == path && part.reason == MissingReason::Skipped);
    assert!(skipped && !latest.complete, "{:?}", latest.missing);
}

#[test]
fn a_field_skipped_by_position_is_missing() {
    // serde leaves a field that it skips out of the array; the trail leaves a null for its own.
    assert_eq!(follows_serde(&Point(1, 2, 3)), json!([1, 3]));
    assert_eq!(snapshot(&Marked(1, 2, 3)), json!([1, null, 3]));
    let changes = diff(&holder(Point(1, 2, 3)), &holder(Point(1, 9, 4)));
    assert_eq!(changes.len(), 1);
    assert!(changes.contains("value[1]"), "{changes}");
    is_skipped(&holder(Point(1, 2, 3)), "value");
    is_skipped(&holder(Marked(1, 2, 3)), "value[1]");
    is_skipped(&holder(Hidden(1)), "value");
    is_skipped(&holder(vec![Marked(1, 2, 3)]), "value");
    follows_serde(&holder(Move::To(1, 2, 3)));
    follows_serde(&holder(Move::By(1, 2, 3)));
    follows_serde(&holder(Turn::To(1, 2, 3)));
    is_skipped(&holder(Move::To(1, 2, 3)), "value.To");
    is_skipped(&holder(Move::By(1, 2, 3)), "value");
    is_skipped(&holder(Turn::To(1, 2, 3)), "value.c");
    assert!(latest(&holder(Turn::By(1, 2, 3))).complete);
}

#[test]
fn what_serde_skips_is_read_as_its_default() {
    let point = holder(Point(1, 0, 3));
    assert_eq!(latest(&point).typed().expect("the type"), Some(point));
    let step = holder(Move::To(1, 0, 3));
    assert_eq!(latest(&step).typed().expect("the type"), Some(step));
}

#[derive(Auditable, Clone, PartialEq, Debug, Serialize, Deserialize)]
enum State {
    Open {
        since: u32,
    },
    #[serde(skip)]
    Broken(Opaque),
    #[serde(skip_deserializing)]
    Closed,
    #[serde(skip)]
    Lost {
        #[audit(skip = false)]
        last: u32,
        by: Opaque,
    },
}

#[test]
fn a_variant_that_serde_skips_is_recorded_by_its_name() {
    assert_eq!(snapshot(&State::Broken(Opaque)), "Broken");
    let lost = |last| State::Lost { last, by: Opaque };
    assert_eq!(snapshot(&lost(1)), json!({"Lost": {"last": 1}}));
    assert!(diff(&lost(1), &lost(2)).contains("Lost.last"));
    let broken = holder(State::Broken(Opaque));
    is_skipped(&broken, "value");
    // serde does not read it either, and says so.
    let error = latest(&broken).typed::<Holder<State>>();
    assert!(error.is_err());
    follows_serde(&State::Closed);
    comes_back(&holder(State::Open { since: 1 }));
}

#[derive(Auditable, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[audit(id(person_id, post_id))]
struct PostActions {
    #[serde(skip)]
    person_id: u32,
    #[serde(skip)]
    post_id: u32,
    saved: bool,
}

#[derive(Auditable, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[audit(serde_skip = "record")]
struct Moderation {
    id: u32,
    #[serde(skip)]
    moderator: u32,
    #[serde(skip_serializing, default)]
    target: u32,
    #[serde(skip)]
    #[audit(skip)]
    token: String,
    outcome: Outcome,
}

#[derive(Auditable, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[audit(serde_skip = "record")]
enum Outcome {
    Kept(#[serde(skip)] u8),
    #[serde(skip)]
    Removed {
        by: u32,
    },
}

#[test]
fn a_recorded_field_that_serde_skips_is_not_read_as_a_default() {
    let actions = PostActions {
        person_id: 7,
        post_id: 9,
        saved: true,
    };
    let error = latest(&actions).typed::<PostActions>().expect_err("no 0");
    assert!(error.to_string().contains("`person_id`"), "{error}");
    assert!(error.to_string().contains("#[serde(skip)]"), "{error}");
}

#[test]
fn a_type_can_record_what_serde_skips() {
    let moderation = |by| Moderation {
        id: 1,
        moderator: 7,
        target: 8,
        token: "secret".into(),
        outcome: Outcome::Removed { by },
    };
    let mut state = json!({
        "id": 1, "moderator": 7, "target": 8, "outcome": {"Removed": {"by": 9}},
    });
    assert_eq!(snapshot(&moderation(9)), state);
    let changes = diff(&moderation(9), &moderation(10));
    assert!(changes.contains("outcome.Removed.by"), "{changes}");
    let kept = Moderation {
        outcome: Outcome::Kept(3),
        ..moderation(9)
    };
    state["outcome"] = json!({"Kept": 3});
    assert_eq!(snapshot(&kept), state);
}

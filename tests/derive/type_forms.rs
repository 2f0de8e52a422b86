//! Types that are recorded as something else than their fields: by their own `serde` or
//! `display`, or by serde's `into`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fmt::Debug;

use auditlog::prelude::*;
use auditlog::{diff, snapshot};
use serde::de::DeserializeOwned;
use serde::{Deserializer, Serializer};
use serde_json::json;
use serde_repr::{Deserialize_repr, Serialize_repr};

fn comes_back<T>(object: &T)
where
    T: Auditable + Clone + PartialEq + Debug + Serialize + DeserializeOwned + 'static,
{
    assert_eq!(
        snapshot(object),
        serde_json::to_value(object).expect("JSON")
    );
    let log = AuditLog::builder().build();
    log.register::<T>();
    log.created(object).record().expect("a receipt");
    let history = log.history::<T>(object.object_pk()).expect("a history");
    let latest = history.latest();
    assert!(latest.complete);
    let back = latest.typed::<T>().expect("the type");
    assert_eq!(back.as_ref(), Some(object));
}

/// A number in JSON, as `serde_repr` writes it.
#[derive(Auditable, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[audit(serde)]
enum Status {
    Sent = 0,
    Failed = 2,
}

impl Serialize for Status {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_i16(*self as i16)
    }
}

impl<'de> Deserialize<'de> for Status {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        match i16::deserialize(from)? {
            0 => Ok(Self::Sent),
            2 => Ok(Self::Failed),
            _ => Err(serde::de::Error::custom("no status")),
        }
    }
}

/// A text of its own for values that are not known.
#[derive(Auditable, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[audit(display)]
enum Algorithm {
    Rs256,
    Unknown(String),
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rs256 => "RS256",
            Self::Unknown(name) => name,
        })
    }
}

impl Serialize for Algorithm {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Algorithm {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Ok(match String::deserialize(from)?.as_str() {
            "RS256" => Self::Rs256,
            name => Self::Unknown(name.to_owned()),
        })
    }
}

/// One text of many words.
#[derive(Auditable, Clone, Debug, PartialEq)]
#[audit(serde)]
struct Scope(BTreeSet<String>);

impl Serialize for Scope {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let words: Vec<&str> = self.0.iter().map(String::as_str).collect();
        to.serialize_str(&words.join(" "))
    }
}

impl<'de> Deserialize<'de> for Scope {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        Ok(Self(text.split_whitespace().map(str::to_owned).collect()))
    }
}

#[derive(Auditable, Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Client {
    id: u32,
    status: Option<Status>,
    algorithm: Algorithm,
    scope: Scope,
    by_status: BTreeMap<Status, u8>,
    by_algorithm: BTreeMap<Algorithm, Vec<Status>>,
}

fn client() -> Client {
    let unknown = Algorithm::Unknown("X".into());
    Client {
        id: 1,
        status: Some(Status::Failed),
        algorithm: unknown.clone(),
        scope: Scope(["email".into(), "openid".into()].into()),
        by_status: [(Status::Sent, 1), (Status::Failed, 2)].into(),
        by_algorithm: [(Algorithm::Rs256, vec![Status::Sent]), (unknown, vec![])].into(),
    }
}

#[test]
fn a_type_can_be_recorded_as_serde_writes_it_or_as_its_text() {
    comes_back(&client());
    assert_eq!(
        snapshot(&client()),
        json!({
            "id": 1, "status": 2, "algorithm": "X", "scope": "email openid",
            "by_status": {"0": 1, "2": 2}, "by_algorithm": {"RS256": [0], "X": []},
        })
    );
}

#[test]
fn it_changes_as_one_value() {
    let mut new = client();
    new.scope = Scope(["email".into()].into());
    new.by_status.insert(Status::Failed, 3);
    new.algorithm = Algorithm::Rs256;
    let changes = diff(&client(), &new);
    assert_eq!(changes["scope"].new, Some("email".into()));
    assert_eq!(changes["by_status['2']"].new, Some(3.into()));
    assert_eq!(changes["algorithm"].old, Some("X".into()));
    assert_eq!(changes.len(), 3);
}

#[derive(Auditable, Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
struct Email {
    local: String,
    domain: String,
}

impl TryFrom<String> for Email {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let (local, domain) = text.split_once('@').ok_or("no @")?;
        Ok(Self {
            local: local.into(),
            domain: domain.into(),
        })
    }
}

impl From<Email> for String {
    fn from(email: Email) -> Self {
        format!("{}@{}", email.local, email.domain)
    }
}

#[derive(Auditable, Clone, PartialEq, Debug, Serialize, Deserialize)]
struct Account {
    id: u32,
    email: Email,
    others: BTreeMap<Email, bool>,
}

#[test]
fn a_conversion_of_the_type_is_followed() {
    let email = |local: &str| Email {
        local: local.into(),
        domain: "b".into(),
    };
    let account = |local| Account {
        id: 1,
        email: email(local),
        others: [(email("c"), true)].into(),
    };
    comes_back(&account("a"));
    let changes = diff(&account("a"), &account("b"));
    assert_eq!(changes["email"].new, Some("b@b".into()));
    assert_eq!(changes.len(), 1);
}

/// An entity with another form in JSON.
#[derive(Auditable, Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(from = "Row", into = "Row")]
#[audit(repr = "order {number}")]
struct Order {
    #[audit(id)]
    number: u32,
    total: (u32, u32),
}

#[derive(Auditable, Clone, PartialEq, Debug, Serialize, Deserialize)]
struct Row {
    number: u32,
    euros: u32,
    cents: u32,
    #[audit(mask)]
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

impl From<Order> for Row {
    fn from(order: Order) -> Self {
        let (euros, cents) = order.total;
        let note = None;
        let number = order.number;
        Self {
            number,
            euros,
            cents,
            note,
        }
    }
}

impl From<Row> for Order {
    fn from(row: Row) -> Self {
        Self {
            number: row.number,
            total: (row.euros, row.cents),
        }
    }
}

#[test]
fn an_entity_can_be_converted_too() {
    let order = |cents| Order {
        number: 7,
        total: (1, cents),
    };
    comes_back(&order(5));
    assert_eq!(order(5).object_repr(), "order 7");
    let changes = diff(&order(5), &order(6));
    assert_eq!(changes["cents"].new, Some(6.into()));
    assert_eq!(changes.len(), 1);
}

/// Its parameter needs what the type's own `Serialize` needs.
#[derive(Auditable, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[audit(serde)]
struct Pair<T>(T, T);

#[test]
fn a_generic_type_can_be_recorded_as_serde_writes_it() {
    let pair = |right: &str| Pair("a".to_owned(), right.to_owned());
    let changes = diff(&pair("b"), &pair("c"));
    assert_eq!(changes["$"].new, Some(json!(["a", "c"])));
}

#[derive(Auditable, Clone)]
struct Holder<T> {
    id: u32,
    value: T,
}

#[test]
fn a_second_instance_of_a_generic_entity_is_named() {
    let log = AuditLog::builder().build();
    log.register::<Holder<u8>>();
    let error = log
        .try_register::<Holder<u16>>()
        .expect_err("one model name");
    let message = error.to_string();
    assert!(message.contains("Holder<u8>` and"), "{message}");
    assert!(message.contains("every instance"), "{message}");
}

/// A number in JSON, by another derive than serde's own.
#[derive(
    Auditable, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize_repr, Deserialize_repr,
)]
#[audit(serde)]
#[repr(i16)]
enum Priority {
    Low = -1,
    High = 300,
}

#[test]
fn an_enum_that_serde_repr_writes_is_a_number() {
    #[derive(Auditable, Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Task {
        id: u32,
        priority: Priority,
        former: Option<Priority>,
        all: Vec<Priority>,
        by_priority: BTreeMap<Priority, u8>,
        #[audit(mask)]
        hidden: Priority,
    }
    #[derive(Auditable, Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Shown {
        id: u32,
        priority: Priority,
        former: Option<Priority>,
        all: Vec<Priority>,
        by_priority: BTreeMap<Priority, u8>,
    }
    let shown = Shown {
        id: 1,
        priority: Priority::High,
        former: Some(Priority::Low),
        all: vec![Priority::Low, Priority::High],
        by_priority: [(Priority::Low, 1), (Priority::High, 2)].into(),
    };
    assert_eq!(snapshot(&shown)["priority"], 300);
    comes_back(&shown);

    let task = |priority| Task {
        id: 1,
        priority,
        former: None,
        all: vec![priority],
        by_priority: [(priority, 1)].into(),
        hidden: priority,
    };
    let changes = diff(&task(Priority::Low), &task(Priority::High));
    assert_eq!(changes["priority"].old, Some(json!(-1)));
    assert_eq!(changes["priority"].new, Some(json!(300)));
    assert_eq!(changes["all[0]"].new, Some(json!(300)));
    assert_eq!(changes["by_priority['300']"].new, Some(json!(1)));
    assert_eq!(changes["hidden"].new, Some(json!("***")));
}

#[test]
fn a_type_that_another_derive_writes_is_named_where_it_cannot_be_read() {
    #[derive(Auditable, Clone, Copy, Debug, PartialEq, Serialize_repr, Deserialize_repr)]
    #[repr(u8)]
    enum State {
        Open = 1,
        Closed = 2,
    }
    #[derive(Auditable, Clone, Debug, PartialEq, Serialize, Deserialize)]
    struct Door {
        id: u32,
        states: Vec<State>,
    }
    let door = Door {
        id: 1,
        states: vec![State::Open, State::Closed],
    };
    // No derive sees another one: the enum is recorded by its names.
    assert_eq!(snapshot(&door)["states"], json!(["Open", "Closed"]));
    let log = AuditLog::builder().build();
    log.register::<Door>();
    log.created(&door).record().expect("a receipt");
    let latest = log.history::<Door>(1).expect("a history").latest();
    let error = latest.typed::<Door>().expect_err("no number").to_string();
    assert!(
        error.starts_with("`states[0]` cannot be read: invalid type"),
        "{error}"
    );
    assert!(error.contains("`#[audit(serde)]`"), "{error}");
}

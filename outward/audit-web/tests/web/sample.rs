//! A sample trail, and a client of its viewer.

use audit_core::{
    Actor, AuditLog, Change, LogEntry, MemoryStore, ObjectRef, Outcome, Query, Store,
};
use audit_web::{Access, Body, Viewer};
use chrono::{DateTime, TimeDelta, Utc};
use futures::executor::block_on;
use futures::future::poll_fn;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body::Body as _;
use serde_json::{Value, json};
use std::pin::Pin;
use tower_service::Service;
use uuid::Uuid;

/// Returns the path of the JSON of a page.
pub(crate) fn as_json(path: &str) -> String {
    match path.split_once('?') {
        Some((page, query)) => format!("{page}.json?{query}"),
        None => format!("{path}.json"),
    }
}

/// Every page with parameters, as paths below the viewer.
pub(crate) fn paths() -> Vec<String> {
    let id = id(2);
    let mut paths: Vec<String> = [
        "search",
        "search?q=",
        "search?q=&count=yes",
        "search?q=limit:2&count=yes",
        "search?q=order:oldest limit:2",
        "search?q=model:User",
        "search?q=model:Secret",
        "search?q=actor:mallory",
        "search?q=mallory",
        "search?q=NOT actor:alice",
        "search?q=model:User OR model:Secret",
        "search?q=changed:email",
        "object?model=User&key=42",
        "object?model=User&key=42&version=1",
        "object?model=User&key=42&at=2026-01-01T12:00:00Z",
        "object?model=User&key=42&at=2026-01-03",
        "object?model=User&key=43",
        "object?model=Secret&key=1",
        "compare?model=User&key=42",
        "compare?model=User&key=42&from=1&to=3",
        "compare?model=Secret&key=1",
        "blame?model=User&key=42",
        "blame?model=Secret&key=1",
        "aggregate?model=Company&key=7",
        "aggregate?model=Company&key=8",
        "actor?id=alice",
        "actor?id=mallory",
        "transaction?id=00000000-0000-0000-0000-0000000000aa",
        "correlation?id=req-1",
        "correlation?id=req-2",
        "overview",
        "overview?q=",
        "live",
        "live?q=model:User",
        "schema",
        "help",
        "export?q=",
        "export?q=&as=jsonl",
    ]
    .map(|path| path.replace(' ', "%20"))
    .to_vec();
    paths.push(format!("entry?id={id}"));
    paths.push(format!("entry?id={}", self::id(101)));
    paths
}

/// Returns the id of the entry with a number.
pub(crate) fn id(number: u128) -> Uuid {
    Uuid::from_u128(0x0199_0000_0000_7000_8000_0000_0000_0000 | number)
}

pub(crate) fn time(text: &str) -> DateTime<Utc> {
    text.parse().expect("a time")
}

/// Returns an entry with a number, an hour after that of the number before.
pub(crate) fn entry(number: u128, action: &str, model: &str, pk: &str, actor: &str) -> LogEntry {
    let mut entry = LogEntry::new(action.to_owned(), model, pk, format!("{model} {pk}"));
    entry.id = id(number);
    let hours = i64::try_from(number % 100).expect("a small number");
    entry.timestamp = time("2026-01-01T10:00:00Z") + TimeDelta::hours(hours);
    entry.actor = Some(Actor::user(actor));
    entry
}

pub(crate) fn change(path: &str, old: Option<Value>, new: Option<Value>) -> Change {
    Change::new(path.parse().expect("a path"), old, new)
}

/// Returns the entries of users of one company.
pub(crate) fn own() -> Vec<LogEntry> {
    let company = Some(ObjectRef::new("Company", "7"));
    let mut created = entry(1, "create", "User", "42", "alice");
    created.changes = [
        change("email", None, Some(json!("bob@old.example"))),
        change("city", None, Some(json!("Mainz"))),
        change("logins", None, Some(json!(0))),
    ]
    .into_iter()
    .collect();
    let mut moved = entry(2, "update", "User", "42", "alice");
    moved.changes = [
        change(
            "email",
            Some(json!("bob@old.example")),
            Some(json!("bob@new.example")),
        ),
        change("city", Some(json!("Mainz")), Some(json!("Bonn"))),
    ]
    .into_iter()
    .collect();
    moved.reason = Some("ticket 4711".to_owned());
    moved.correlation_id = Some("req-1".to_owned());
    moved.transaction_id = Some(Uuid::from_u128(0xaa));
    let mut counted = entry(3, "update", "User", "42", "carol");
    counted.changes = [change("logins", Some(json!(0)), Some(json!(5)))]
        .into_iter()
        .collect();
    let mut denied = entry(4, "update", "User", "43", "eve");
    denied.outcome = Outcome::Denied;
    denied.level = "warning".parse().expect("a level");
    let mut own = vec![created, moved, counted, denied];
    for entry in &mut own {
        entry.parent.clone_from(&company);
    }
    own
}

/// Returns the entries of others, between those of [`own`] and about some of the same objects.
pub(crate) fn foreign() -> Vec<LogEntry> {
    let mut secret = entry(101, "create", "Secret", "1", "mallory");
    secret.changes = [change("email", None, Some(json!("foreign value")))]
        .into_iter()
        .collect();
    secret.correlation_id = Some("req-1".to_owned());
    secret.transaction_id = Some(Uuid::from_u128(0xaa));
    let mut hidden = entry(102, "update", "User", "42", "mallory");
    hidden.changes = [change(
        "city",
        Some(json!("Mainz")),
        Some(json!("foreign value")),
    )]
    .into_iter()
    .collect();
    hidden.timestamp += TimeDelta::minutes(30);
    let mut other = entry(103, "update", "User", "42", "alice");
    other.changes = [change("nickname", None, Some(json!("foreign value")))]
        .into_iter()
        .collect();
    other.correlation_id = Some("req-2".to_owned());
    other.parent = Some(ObjectRef::new("Company", "8"));
    vec![secret, hidden, other]
}

pub(crate) fn log(entries: &[LogEntry]) -> AuditLog {
    let store = MemoryStore::new();
    store.append(entries).expect("appended");
    AuditLog::builder().store(store).build()
}

/// Returns a viewer that records nothing, for a reader.
pub(crate) fn viewer(log: AuditLog, access: Access) -> Client {
    let viewer = Viewer::builder(log)
        .authorize(move |_| access.clone())
        .unrecorded()
        .build()
        .expect("a viewer");
    Client { viewer }
}

pub(crate) fn alice() -> Access {
    Access::reader(Actor::user("alice")).allow_export()
}

/// The scope of a reader who sees one company.
pub(crate) fn company() -> Query {
    Query::new().parent(ObjectRef::new("Company", "7"))
}

/// Sends requests to a viewer.
pub(crate) struct Client {
    pub(crate) viewer: Viewer,
}

/// A response that was read to its end.
#[derive(Debug, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Client {
    pub(crate) fn send(&self, request: Request<()>) -> Answer {
        let response = block_on(self.viewer.clone().call(request)).expect("no error");
        let (parts, body) = response.into_parts();
        Answer {
            status: parts.status,
            headers: parts.headers,
            text: String::from_utf8(read(body)).expect("UTF-8"),
        }
    }

    /// Gets a path below `/`.
    pub(crate) fn get(&self, path: &str) -> Answer {
        let path = path.replace(' ', "%20");
        self.send(
            Request::get(format!("/{path}"))
                .body(())
                .expect("a request"),
        )
    }

    /// Gets a page, which must be there, and returns its HTML.
    pub(crate) fn page(&self, path: &str) -> String {
        let answer = self.get(path);
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text);
        answer.text
    }

    pub(crate) fn json(&self, path: &str) -> Value {
        serde_json::from_str(&self.page(path)).expect("JSON")
    }

    pub(crate) fn method(&self, method: Method, path: &str) -> Answer {
        let request = Request::builder().method(method).uri(path);
        self.send(request.body(()).expect("a request"))
    }
}

/// Reads a body to its end.
pub(crate) fn read(mut body: Body) -> Vec<u8> {
    let mut bytes = Vec::new();
    while let Some(frame) = block_on(poll_fn(|context| Pin::new(&mut body).poll_frame(context))) {
        bytes.extend_from_slice(frame.expect("a frame").data_ref().expect("data"));
    }
    bytes
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().expect("text"))
    }
}

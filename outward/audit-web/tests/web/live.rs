//! The live page and its stream.

use std::pin::Pin;
use std::sync::Arc;

use audit_core::{Action, Actor, AuditLog, LogEntry, MemoryStore, Query, Store};
use audit_web::{Access, Body, Viewer};
use futures::executor::block_on;
use futures::future::poll_fn;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body::Body as _;
use tower_service::Service;
use uuid::Uuid;

use crate::sample::{Client, alice, company, entry, foreign, id, log, own, viewer};

/// A stream that is read as far as a test needs it.
struct Stream {
    status: StatusCode,
    headers: HeaderMap,
    body: Body,
}

impl Stream {
    fn open(client: &Client, path: &str, last: Option<Uuid>) -> Self {
        let mut request = Request::get(format!("/{path}")).header("accept", "text/event-stream");
        if let Some(last) = last {
            request = request.header("last-event-id", last.to_string());
        }
        let request = request.body(()).expect("a request");
        let response = block_on(client.viewer.clone().call(request)).expect("no error");
        let (parts, body) = response.into_parts();
        Self {
            status: parts.status,
            headers: parts.headers,
            body,
        }
    }

    /// Returns the next events; `None` after the end.
    fn next(&mut self) -> Option<String> {
        let frame = block_on(poll_fn(|context| {
            Pin::new(&mut self.body).poll_frame(context)
        }))?;
        let data = frame.expect("a frame").into_data().expect("data");
        Some(String::from_utf8(data.to_vec()).expect("UTF-8"))
    }

    /// Returns the events up to that of an entry.
    fn until(&mut self, last: Uuid) -> String {
        let last = format!("id: {last}\n");
        let mut events = String::new();
        while !events.contains(&last) {
            events.push_str(&self.next().expect("an open stream"));
        }
        events
    }
}

/// Returns the ids of events, in their order.
fn ids(events: &str) -> Vec<Uuid> {
    let ids = events.lines().filter_map(|line| line.strip_prefix("id: "));
    ids.map(|id| id.parse().expect("an id")).collect()
}

/// Returns a store and a viewer of it that records nothing.
fn shared(entries: &[LogEntry], access: Access) -> (Arc<MemoryStore>, Client) {
    let store = Arc::new(MemoryStore::new());
    store.append(entries).expect("appended");
    let log = AuditLog::builder().store(Arc::clone(&store)).build();
    (store, viewer(log, access))
}

#[test]
fn a_stream_has_the_newest_entries_and_then_each_new_one() {
    let (store, client) = shared(&own(), alice());
    let mut stream = Stream::open(&client, "events?q=model:User", None);
    assert_eq!(stream.status, StatusCode::OK);
    assert_eq!(stream.headers["content-type"], "text/event-stream");
    assert_eq!(stream.headers["cache-control"], "no-store");
    let events = stream.until(id(4));
    assert_eq!(ids(&events), [1, 2, 3, 4].map(id));
    assert!(events.contains(">bob@new.example</a></ins>"), "{events}");
    let new = [
        entry(5, "update", "Invoice", "7", "alice"),
        entry(6, "update", "User", "44", "alice"),
    ];
    store.append(&new).expect("appended");
    let events = stream.until(id(6));
    assert_eq!(ids(&events), [id(6)]);
    assert!(events.contains("object?model=User&amp;key=44"), "{events}");
}

#[test]
fn a_stream_of_json_has_the_canonical_forms() {
    let (_, client) = shared(&own(), alice());
    let events = Stream::open(&client, "events.json?q=", None).until(id(4));
    let data = events
        .lines()
        .filter_map(|line| line.strip_prefix("data: "));
    let entries: Vec<_> = data
        .map(|text| LogEntry::from_json(text).expect("an entry"))
        .collect();
    assert_eq!(entries, own());
}

#[test]
fn a_client_that_resumes_gets_what_it_missed() {
    let (store, client) = shared(&own(), alice());
    let mut stream = Stream::open(&client, "events?q=", None);
    stream.until(id(4));
    let new = |number| entry(number, "update", "User", "44", "alice");
    store.append(&[new(5)]).expect("appended");
    stream.until(id(5));
    drop(stream);
    // Drafted before the last entry that the client has, and committed after it.
    let mut late = new(6);
    late.timestamp = new(5).timestamp - chrono::TimeDelta::minutes(5);
    store.append(&[late, new(7)]).expect("appended");
    let mut resumed = Stream::open(&client, "events?q=", Some(id(5)));
    assert_eq!(ids(&resumed.until(id(7))), [6, 5, 7].map(id));
    // As the script does after a pause.
    let path = format!("events?q=&last={}", id(7));
    let mut resumed = Stream::open(&client, &path, None);
    assert_eq!(ids(&resumed.until(id(7))), [id(7)]);
    store.append(&[new(8)]).expect("appended");
    assert_eq!(ids(&resumed.until(id(8))), [id(8)]);
}

#[test]
fn a_client_that_resumes_after_a_restart_misses_nothing() {
    let (store, _) = shared(&own(), alice());
    let mut late = entry(6, "update", "User", "44", "alice");
    late.timestamp = entry(3, "", "", "", "").timestamp - chrono::TimeDelta::minutes(5);
    store.append(&[late]).expect("appended");
    let log = AuditLog::builder().store(store).build();
    let client = viewer(log, alice());
    let mut resumed = Stream::open(&client, "events?q=", Some(id(3)));
    let events = resumed.until(id(4));
    assert_eq!(ids(&events), [6, 3, 4].map(id));
    assert!(!events.contains("event: reset"));
}

#[test]
fn a_client_that_missed_too_much_starts_again() {
    let mut entries = own();
    let template = entry(5, "update", "User", "44", "alice");
    for number in 200..500 {
        let mut entry = template.clone();
        entry.id = id(number);
        entries.push(entry);
    }
    let (_, client) = shared(&entries, alice());
    let events = Stream::open(&client, "events?q=", Some(id(3))).until(id(499));
    assert!(
        events.contains("event: reset\ndata: reset\n\nid: "),
        "{events}"
    );
    assert_eq!(ids(&events).len(), 200);
}

#[test]
fn a_client_whose_last_entry_is_unknown_starts_again() {
    let template = entry(5, "update", "User", "44", "alice");
    let entries: Vec<LogEntry> = (200..260)
        .map(|number| {
            let mut entry = template.clone();
            entry.id = id(number);
            entry
        })
        .collect();
    let (_, client) = shared(&entries, alice());
    let resumed = |last| Stream::open(&client, "events?q=", last).until(id(259));
    // As an entry that was removed, or that is outside of the scope.
    let events = resumed(Some(id(999)));
    assert!(events.contains("event: reset"), "{events}");
    assert_eq!(ids(&events).len(), 50);
    assert!(!resumed(None).contains("event: reset"));
}

#[test]
fn a_reader_with_a_scope_sees_the_stream_of_the_trail_without_the_other_entries() {
    let [complete, without] = [[own(), foreign()].concat(), own()].map(|entries| {
        let (store, client) = shared(&entries, alice().scope(company()));
        let mut stream = Stream::open(&client, "events?q=", None);
        let mut events = stream.until(id(4));
        let mut other = entry(7, "update", "User", "44", "mallory");
        other.reason = Some("foreign value".to_owned());
        let mut own = entry(8, "update", "User", "44", "alice");
        own.parent = Some(audit_core::ObjectRef::new("Company", "7"));
        store.append(&[other, own]).expect("appended");
        events.push_str(&stream.until(id(8)));
        // A stream does not resume after an entry outside of the scope.
        for last in [id(101), id(999)] {
            events.push_str(&Stream::open(&client, "events?q=", Some(last)).until(id(8)));
        }
        events
    });
    assert_eq!(complete, without);
    assert!(!complete.contains("foreign value"));
}

#[test]
fn a_resumed_stream_does_not_depend_on_entries_outside_of_the_scope() {
    let [complete, without] = [5_000, 0].map(|foreign| {
        let (store, client) = shared(&own(), alice().scope(company()));
        let mut stream = Stream::open(&client, "events?q=", None);
        stream.until(id(4));
        let mut last = entry(9, "update", "User", "44", "alice");
        last.parent = Some(audit_core::ObjectRef::new("Company", "7"));
        let template = entry(5, "update", "User", "44", "mallory");
        let others = (0..foreign).map(|number| {
            let mut other = template.clone();
            other.id = id(10_000 + number);
            other
        });
        store.append(&others.collect::<Vec<_>>()).expect("appended");
        store.append(&[last]).expect("appended");
        stream.until(id(9));
        drop(stream);
        Stream::open(&client, "events?q=", Some(id(4))).until(id(9))
    });
    assert_eq!(complete, without);
}

#[test]
fn the_record_of_a_view_has_the_format_and_the_last_event() {
    let store = Arc::new(MemoryStore::new());
    store.append(&own()).expect("appended");
    let log = AuditLog::builder().store(Arc::clone(&store)).build();
    let viewer = Viewer::builder(log).authorize(|_| Access::reader("reader of a record"));
    let client = Client {
        viewer: viewer.build().expect("a viewer"),
    };
    Stream::open(&client, "events.json?q=model:User", Some(id(3))).until(id(4));
    client.page("search?q=");
    let views = Query::new().action(Action::Access).newest_first();
    let views = store.find(&views).expect("entries").entries;
    let [page, events, _start] = &views[..] else {
        panic!("{views:?}");
    };
    assert_eq!(events.additional_data["format"], "json");
    assert_eq!(events.additional_data["last_event_id"], id(3).to_string());
    assert_eq!(page.additional_data["format"], "html");
    assert!(!page.additional_data.contains_key("last_event_id"));
}

#[test]
fn hidden_values_are_in_no_event() {
    for path in ["events?q=", "events.json?q="] {
        let (store, client) = shared(&own()[..1], alice().hide_values());
        let mut stream = Stream::open(&client, path, None);
        stream.until(id(1));
        store.append(&own()[1..]).expect("appended");
        let events = stream.until(id(4));
        for value in ["bob@", "Mainz", "Bonn"] {
            assert!(!events.contains(value), "{events}");
        }
    }
    let (_, client) = shared(&own(), alice().hide_values());
    let guess = client.get("events?q=changed_to:city=Bonn");
    assert_eq!(guess.status, StatusCode::BAD_REQUEST);
}

#[test]
fn a_stream_is_recorded_once_at_its_start() {
    let store = Arc::new(MemoryStore::new());
    let log = AuditLog::builder().store(Arc::clone(&store)).build();
    let client = Client {
        viewer: Viewer::builder(log)
            .authorize(|_| alice())
            .build()
            .expect("a viewer"),
    };
    let mut stream = Stream::open(&client, "events?q=model:User", None);
    for entry in own() {
        store
            .append(std::slice::from_ref(&entry))
            .expect("appended");
        stream.until(entry.id);
    }
    let views = Query::new().action(Action::Access).oldest_first();
    let views = store.find(&views).expect("entries").entries;
    let commands: Vec<_> = views
        .iter()
        .map(|view| &view.additional_data["command"])
        .collect();
    assert_eq!(commands, ["web start", "web events"]);
    assert_eq!(views[1].additional_data["parameters"]["q"], "model:User");
}

#[test]
fn streams_need_the_permission_and_a_free_slot() {
    let denied = viewer(log(&own()), Access::denied());
    assert_eq!(denied.get("events?q=").status, StatusCode::FORBIDDEN);
    let client = Client {
        viewer: Viewer::builder(log(&own()))
            .authorize(|_| Access::reader(Actor::user("alice")))
            .live_streams(1)
            .unrecorded()
            .build()
            .expect("a viewer"),
    };
    let first = Stream::open(&client, "events?q=", None);
    assert_eq!(first.status, StatusCode::OK);
    let second = client.get("events?q=");
    assert_eq!(second.status, StatusCode::SERVICE_UNAVAILABLE);
    drop(first);
    let head = client.method(Method::HEAD, "/events?q=");
    assert_eq!((head.status, &*head.text), (StatusCode::OK, ""));
    assert_eq!(
        Stream::open(&client, "events?q=", None).status,
        StatusCode::OK
    );
    assert_eq!(
        client.get("events?q=model:").status,
        StatusCode::BAD_REQUEST
    );
}

#[test]
fn streams_end_when_the_service_shuts_down() {
    let client = viewer(log(&own()), alice());
    let mut stream = Stream::open(&client, "events?q=", None);
    stream.until(id(4));
    client.viewer.close_streams();
    assert_eq!(stream.next(), None);
    let refused = client.get("events?q=");
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    // Pages remain available.
    client.page("live");
}

#[test]
fn without_the_script_a_link_leads_to_newer_entries() {
    let (store, client) = shared(&own(), alice());
    let newer = |page: &str| {
        let end = page.find("\">Newer entries").expect("the link");
        let start = page[..end].rfind('"').expect("an attribute") + 1;
        page[start..end].replace("&amp;", "&")
    };
    let page = client.page("live?q=model:User");
    assert!(page.contains("data-events=\"events?q=model:User\""));
    assert!(page.contains("bob@new.example"));
    let link = newer(&page);
    let page = client.page(&link);
    assert!(!page.contains("bob@new.example"), "{page}");
    assert_eq!(newer(&page), link, "nothing is newer");
    store
        .append(&[entry(5, "update", "User", "44", "alice")])
        .expect("appended");
    let page = client.page(&link);
    assert!(page.contains("object?model=User&amp;key=44"), "{page}");
    assert_ne!(newer(&page), link);
}

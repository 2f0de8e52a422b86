//! The timeline of an object for pages of the application.

use std::sync::Arc;

use audit_core::{Action, Actor, AuditLog, MemoryStore, ObjectRef, Query, Store};
use audit_web::{Access, TimelineError, Viewer};
use futures::executor::block_on;
use http::Request;
use http::request::Parts;

use crate::sample::{alice, change, company, entry, foreign, log, own, viewer};

fn request() -> Parts {
    let request = Request::get("/users/42").extension(Actor::user("carol"));
    request.body(()).expect("a request").into_parts().0
}

fn timeline(viewer: &Viewer, key: &str) -> Result<String, TimelineError> {
    block_on(viewer.object_timeline(&request(), ObjectRef::new("User", key)))
}

fn mounted(log: AuditLog, access: Access) -> Viewer {
    Viewer::builder(log)
        .authorize(move |_| access.clone())
        .mounted_at("/audit")
        .unrecorded()
        .build()
        .expect("a viewer")
}

#[test]
fn it_lists_the_entries_with_links_to_the_viewer() {
    let html = timeline(&mounted(log(&own()), alice()), "42").expect("a timeline");
    assert!(html.starts_with("<section class=\"auditlog\""), "{html}");
    for part in [
        ">bob@new.example</a></ins>",
        "ticket 4711",
        "href=\"/audit/object?model=User&amp;key=42\"",
        "href=\"/audit/entry?id=",
    ] {
        assert!(html.contains(part), "{part} is missing in {html}");
    }
    let links = html.matches("href=\"").count();
    assert_eq!(html.matches("href=\"/audit/").count(), links);
    assert!(!html.contains("<script") && !html.contains("<form"));
    let empty = timeline(&mounted(log(&own()), alice()), "999").expect("a timeline");
    assert!(empty.contains("No entry of this object."), "{empty}");
}

#[test]
fn the_request_decides_who_reads_it() {
    let viewer = |access: fn(&Parts) -> Access| {
        let log = log(&own());
        let viewer = Viewer::builder(log).authorize(access).unrecorded();
        viewer.build().expect("a viewer")
    };
    let error = timeline(&viewer(|_| Access::denied()), "42").expect_err("no timeline");
    assert!(matches!(error, TimelineError::Denied), "{error}");
    let error = timeline(&viewer(|_| Access::reader("")), "42").expect_err("no timeline");
    assert!(error.to_string().contains("has no id"), "{error}");
    let own = viewer(|request| match request.extensions.get::<Actor>() {
        Some(user) => Access::reader(user.clone()),
        None => Access::denied(),
    });
    assert!(timeline(&own, "42").is_ok());
}

#[test]
fn it_is_inside_the_scope_and_without_hidden_values() {
    let entries = [own(), foreign()].concat();
    let access = || alice().scope(company());
    let complete = timeline(&mounted(log(&entries), access()), "42").expect("a timeline");
    let without = timeline(&mounted(log(&own()), access()), "42").expect("a timeline");
    assert_eq!(complete, without);
    let hidden = alice().hide_values();
    let hidden = timeline(&mounted(log(&entries), hidden), "42").expect("a timeline");
    for value in ["bob@", "Mainz", "Bonn", "foreign value"] {
        assert!(!hidden.contains(value), "{hidden}");
    }
}

#[test]
fn it_is_recorded_before_it_is_read() {
    let store = Arc::new(MemoryStore::new());
    let log = AuditLog::builder().store(Arc::clone(&store)).build();
    let viewer = Viewer::builder(log).authorize(|_| alice());
    timeline(&viewer.build().expect("a viewer"), "42").expect("a timeline");
    let views = Query::new().action(Action::Access).newest_first();
    let views = store.find(&views).expect("entries").entries;
    assert_eq!(views.len(), 2);
    assert_eq!(views[0].actor(), "alice");
    assert_eq!(views[0].additional_data["command"], "web object_timeline");
    assert_eq!(views[0].additional_data["parameters"]["key"], "42");
}

#[test]
fn stored_texts_are_no_markup_and_no_links() {
    let text = "\" href=\"x\"><script>alert(1)</script>";
    let mut hostile = entry(5, "update", "User", "42", text);
    hostile.reason = Some(text.to_owned());
    hostile.changes = [change("email", None, Some(text.into()))]
        .into_iter()
        .collect();
    let html = timeline(&mounted(log(&[hostile]), alice()), "42").expect("a timeline");
    assert!(!html.contains("<script"), "{html}");
    assert_eq!(
        html.matches("href=\"").count(),
        html.matches("href=\"/audit/").count()
    );
    assert!(html.contains("href=&quot;x"), "{html}");
}

#[test]
fn without_a_prefix_links_begin_at_the_root() {
    let client = viewer(log(&own()), alice());
    let html = timeline(&client.viewer, "42").expect("a timeline");
    assert!(html.contains("href=\"/object?model=User"), "{html}");
}

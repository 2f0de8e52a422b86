//! The content of the pages.

use audit_core::{LogEntry, MemoryStore, Store};
use audit_web::Access;
use http::{Request, StatusCode};
use serde_json::json;

use crate::sample::{alice, change, company, entry, foreign, id, log, own, paths, viewer};

#[test]
fn the_first_page_lists_entries_with_their_changes() {
    let page = viewer(log(&own()), alice()).page("search");
    for part in [
        ">bob@old.example</a></del>",
        ">bob@new.example</a></ins>",
        "search?q=level:%3E=info+changed_from:email=bob@old.example",
        "search?q=level:%3E=info+changed_to:email=bob@new.example",
        "search?q=level:%3E=info+model:User",
        "search?q=level:%3E=info+outcome:denied",
        "ticket 4711",
        "search?q=level:%3E=info+actor:carol",
        "search?q=level:%3E=info+changed:email",
        "object?model=User&amp;key=42",
        "denied",
        "4 entries",
        "Thursday, 1 January 2026",
    ] {
        assert!(page.contains(part), "{part} is missing in {page}");
    }
}

#[test]
fn pages_follow_each_other_by_key_in_both_directions() {
    let client = viewer(log(&own()), alice());
    let ids = |path: &str| -> (Vec<String>, serde_json::Value) {
        let page = client.json(path);
        let entries = page["entries"].as_array().expect("a list").iter();
        let ids = entries.map(|entry| entry["id"].as_str().expect("an id").to_owned());
        (ids.collect(), page)
    };
    let (first, page) = ids("search.json?q=limit:3");
    assert_eq!(first, [4, 3, 2].map(|number| id(number).to_string()));
    assert_eq!(page["previous"], json!(null));
    let next = page["next"].as_str().expect("a cursor");
    let (second, page) = ids(&format!("search.json?q=limit:3&after={next}"));
    assert_eq!(second, [id(1).to_string()]);
    assert_eq!(page["next"], json!(null));
    let previous = page["previous"].as_str().expect("a cursor");
    let (back, page) = ids(&format!("search.json?q=limit:3&before={previous}"));
    assert_eq!(back, first);
    assert_eq!(page["previous"], json!(null));
}

#[test]
fn a_page_after_the_last_entry_promises_no_more() {
    let client = viewer(log(&own()), alice());
    let page = client.json("search.json?q=limit:3");
    let after = page["next"].as_str().expect("a cursor");
    let path = |from: &str| format!("search?q=actor:carol&after={from}");
    let page = client.page(&path(after));
    assert!(page.contains("There are no more entries."), "{page}");
    assert!(!page.contains("there are more ") && !page.contains("No entry matches."));
    let nothing = client.page("search?q=actor:nobody");
    assert_eq!(nothing.matches("No entry matches.").count(), 1);
}

#[test]
fn counts_end_at_ten_thousand() {
    let store = MemoryStore::new();
    let template = entry(1, "update", "User", "42", "alice");
    let mut entries: Vec<LogEntry> = Vec::new();
    for number in 0..10_001_u128 {
        let mut entry = template.clone();
        entry.id = id(number);
        entries.push(entry);
    }
    store.append(&entries).expect("appended");
    let log = audit_core::AuditLog::builder().store(store).build();
    let client = viewer(log, alice());
    assert!(
        client
            .page("search?q=&count=yes")
            .contains("more than 10,000 entries")
    );
    let page = client.page("search?q=");
    assert!(page.contains("50 entries") && page.contains("count them"));
}

#[test]
fn an_entry_shows_both_sides_and_where_they_differ() {
    let page = viewer(log(&own()), alice()).page(&format!("entry?id={}", id(2)));
    for part in [
        "search?q=changed_from:email=bob@old.example",
        "search?q=outcome:success",
        "search?q=level:%3E=info",
        "bob@<mark>old</mark>.example",
        "bob@<mark>new</mark>.example",
        "ticket 4711",
        "correlation?id=req-1",
        "transaction?id=00000000-0000-0000-0000-0000000000aa",
        "aggregate?model=Company&amp;key=7",
        "Stored form",
    ] {
        assert!(page.contains(part), "{part} is missing in {page}");
    }
}

#[test]
fn an_object_has_its_state_in_each_version_and_at_each_time() {
    let client = viewer(log(&own()), alice());
    let object = "object.json?model=User&key=42";
    let state = |more: &str| client.json(&format!("{object}{more}"))["state"].clone();
    assert_eq!(state("")["email"], "bob@new.example");
    assert_eq!(state("&version=1")["email"], "bob@old.example");
    assert_eq!(state("&at=2026-01-01T11:30:00Z")["city"], "Mainz");
    assert_eq!(state("&at=2026-01-01T12:30:00Z")["city"], "Bonn");
    assert_eq!(state("&at=2025-12-31"), json!(null));
    let page = client.page("object?model=User&key=42&at=2026-01-01T11:30:00Z");
    assert!(
        page.contains("Mainz") && page.contains("After version 1."),
        "{page}"
    );
}

#[test]
fn a_time_without_a_fraction_leads_to_the_versions_in_its_second() {
    let mut entries = own()[..3].to_vec();
    let times = ["00.250000", "00.750001", "01.000000"];
    for (entry, time) in entries.iter_mut().zip(times) {
        entry.timestamp = crate::sample::time(&format!("2026-01-01T11:00:{time}Z"));
    }
    let later = "The object changed later in this second, last at";
    let link = "object?model=User&amp;key=42&amp;at=2026-01-01T11:00:00.750001Z";
    for access in [alice(), alice().scope(company()), alice().hide_values()] {
        let client = viewer(log(&entries), access);
        let at = |time: &str| client.page(&format!("object?model=User&key=42&at={time}"));
        for time in ["2026-01-01T11:00:00Z", "2026-01-01 11:00:00"] {
            let page = at(time);
            let absent = "The object did not exist at that time.";
            assert!(page.contains(absent), "{time}: {page}");
            assert!(
                page.contains(later) && page.contains(link),
                "{time}: {page}"
            );
            assert!(page.contains(">2026-01-01T11:00:00.750001Z</a>"), "{page}");
        }
        let exact = at("2026-01-01T11:00:00.750001Z");
        assert!(exact.contains("After version 2."), "{exact}");
        for time in [
            "2026-01-01T11:00:00.750001Z",
            "2026-01-01T11:00:00.000000Z",
            "2026-01-01T11:00:01Z",
            "2026-01-01T10:59:59Z",
            "2025-12-31",
        ] {
            let page = at(time);
            assert!(!page.contains(later), "{time}: {page}");
        }
        let german = at("2026-01-01T11:00:00Z&lang=de");
        for text in ["Zu dieser Zeit gab es das Objekt nicht.", "zuletzt um <a"] {
            assert!(german.contains(text), "{german}");
        }
    }
    // Only a creation shows that the object did not exist before.
    let client = viewer(log(&entries[1..]), alice());
    let page = client.page("object?model=User&key=42&at=2026-01-01T11:00:00Z");
    let unknown = "The trail has no state of the object.";
    assert!(page.contains(unknown) && page.contains(later), "{page}");
}

#[test]
fn only_an_object_with_a_deletion_is_deleted() {
    let changeless = entry(5, "update", "User", "44", "alice");
    let read = entry(6, "access", "User", "45", "alice");
    let [created, again] = [7, 9].map(|number| entry(number, "create", "User", "46", "alice"));
    let created = [created, again].map(|mut entry| {
        entry.changes = [change("city", None, Some(json!("Mainz")))]
            .into_iter()
            .collect();
        entry
    });
    let [deleted, twice] = [8, 10].map(|number| entry(number, "delete", "User", "46", "alice"));
    let [created, again] = created;
    let gone = [created.clone(), deleted.clone()];
    let back = [created, deleted.clone(), again];
    let shown = |entries: &[LogEntry], key: &str, more: &str, access: Access| {
        let client = viewer(log(entries), access);
        let page = client.page(&format!("object?model=User&key={key}{more}"));
        let is_deleted = page.contains(">deleted</strong>");
        let did_not_exist = page.contains("The object did not exist.");
        let has_no_state = page.contains("The trail has no state of the object.");
        (is_deleted, did_not_exist, has_no_state)
    };
    for access in [alice(), alice().hide_values()] {
        let shown = |entries: &[LogEntry], key, more| shown(entries, key, more, access.clone());
        // Of the object 43 an action was denied.
        assert_eq!(shown(&own(), "43", ""), (false, false, true));
        for (entry, key) in [(&changeless, "44"), (&read, "45")] {
            let entries = std::slice::from_ref(entry);
            assert_eq!(shown(entries, key, ""), (false, false, true), "{key}");
        }
        assert_eq!(shown(&gone, "46", ""), (true, true, false));
        assert_eq!(shown(&gone, "46", "&version=1"), (true, false, false));
        assert_eq!(shown(&gone, "46", "&at=2025-01-01"), (true, false, false));
        assert_eq!(shown(&back, "46", ""), (false, false, false));
        assert_eq!(shown(&back, "46", "&version=2"), (false, true, false));
        let blame = |entries: &[LogEntry], key: &str| {
            let client = viewer(log(entries), access.clone());
            client.page(&format!("blame?model=User&key={key}"))
        };
        let note = "The object was deleted afterwards.";
        let changeless = blame(std::slice::from_ref(&changeless), "44");
        assert!(changeless.contains("as of version 1.") && !changeless.contains(note));
        let twice = blame(&[&gone[..], std::slice::from_ref(&twice)].concat(), "46");
        assert!(twice.contains("as of version 1.") && twice.contains(note));
        assert!(twice.contains("<th scope=\"row\">city</th>"), "{twice}");
    }
}

#[test]
fn versions_are_compared_and_fields_blamed() {
    let client = viewer(log(&own()), alice());
    let compared = client.json("compare.json?model=User&key=42&from=1&to=3");
    assert_eq!(compared["changes"]["logins"], json!({"old": 0, "new": 5}));
    assert_eq!(
        compared["changes"]["city"],
        json!({"old": "Mainz", "new": "Bonn"})
    );
    let parts = client.json("blame.json?model=User&key=42")["parts"].clone();
    let city = parts
        .as_array()
        .expect("a list")
        .iter()
        .find(|part| part["path"] == "city");
    let city = city.expect("the city");
    assert_eq!(city["actor"], "alice");
    assert_eq!(city["reason"], "ticket 4711");
    assert_eq!(city["value"], "Bonn");
}

#[test]
fn the_form_leads_to_a_query() {
    let client = viewer(log(&own()), alice());
    let answer = client.get(
        "search?fields=1&model=User&actor=Alice+Smith&since=&level=%3E%3Dwarning&rest=NOT+action%3Aaccess",
    );
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    assert_eq!(
        answer.header("location"),
        "search?q=model:User+actor:%22Alice+Smith%22+level:%3E=warning+NOT+action:access"
    );
}

#[test]
fn a_search_leads_to_its_overview_and_its_live_page() {
    let client = viewer(log(&own()), alice());
    let page = client.page("search?q=actor:carol");
    for path in ["overview?q=actor:carol", "live?q=actor:carol"] {
        assert!(page.contains(&format!("href=\"{path}\"")), "{page}");
    }
    let overview = client.page("overview?q=actor:carol");
    assert!(overview.contains("<form class=\"ask\" action=\"overview\""));
    assert!(overview.contains("value=\"actor:carol\"") && overview.contains("1 entry"));
}

#[test]
fn the_table_of_days_states_how_many_it_leaves_out() {
    let entries = (0..400).map(|number| {
        let mut entry = entry(1, "update", "User", "42", "alice");
        entry.id = id(number);
        entry.timestamp += chrono::TimeDelta::days(i64::try_from(number).expect("a number"));
        entry
    });
    let page = viewer(log(&entries.collect::<Vec<_>>()), alice()).page("overview");
    assert!(page.contains("And 34 more, which the JSON of this page has."));
}

#[test]
fn every_page_is_html_and_json() {
    let entries = [own(), foreign()].concat();
    let client = viewer(log(&entries), alice());
    for path in paths() {
        let html = client.get(&path);
        assert_eq!(html.status, StatusCode::OK, "{path}: {}", html.text);
        if path.starts_with("export") {
            continue;
        }
        assert!(html.text.starts_with("<!DOCTYPE html>"), "{path}");
        assert_eq!(
            html.header("content-type"),
            "text/html; charset=utf-8",
            "{path}"
        );
        let (page, query) = path.split_once('?').unwrap_or((&path, ""));
        let by_name = client.get(&format!("{page}.json?{query}"));
        let by_header = Request::get(format!("/{path}")).header("accept", "application/json");
        let by_header = client.send(by_header.body(()).expect("a request"));
        assert_eq!(by_name, by_header, "{path}");
        assert_eq!(by_name.header("content-type"), "application/json", "{path}");
        serde_json::from_str::<serde_json::Value>(&by_name.text).expect("JSON");
    }
}

#[test]
fn a_query_with_an_error_marks_it() {
    let client = viewer(log(&own()), alice());
    let answer = client.get("search?q=model:User actr:alice");
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert!(
        answer.text.contains("did you mean `actor`?"),
        "{}",
        answer.text
    );
    assert!(
        answer.text.contains("model:User <mark>a</mark>ctr:alice"),
        "{}",
        answer.text
    );
    let answer = client.get("search.json?q=model:User actr:alice");
    let error: serde_json::Value = serde_json::from_str(&answer.text).expect("JSON");
    assert_eq!(error["column"], 12);
}

#[test]
fn each_short_value_leads_to_the_entries_with_it() {
    let values = [
        json!("bob@x"),
        json!(" spaces \"and quotes\" "),
        json!(""),
        json!("5"),
        json!(5),
        json!(0.25),
        json!("null"),
        json!(null),
        json!(true),
        json!("a=b (c)"),
    ];
    let masked = json!("****1234");
    let entries = values.iter().zip(1..).map(|(value, number)| {
        let mut entry = entry(number, "update", "User", "42", "alice");
        let mut secret = change("iban", None, Some(masked.clone()));
        secret.redaction = Some(audit_core::Redaction::Masked);
        let fields = [
            change("note['x']", None, Some(value.clone())),
            change("list", None, Some(json!([value]))),
            change("long", None, Some(json!("x".repeat(80)))),
            secret,
        ];
        entry.changes = fields.into_iter().collect();
        entry
    });
    let client = viewer(log(&entries.collect::<Vec<_>>()), alice());
    let page = client.page("search?q=");
    let links = page.split("class=\"value\" href=\"").skip(1);
    let links: Vec<_> = links
        .map(|rest| rest.split('"').next().expect("a link"))
        .collect();
    // The newest entry is the first one.
    assert_eq!(links.len(), values.len(), "{page}");
    for (link, number) in links.iter().rev().zip(1..) {
        assert!(link.contains("changed_to"), "{link}");
        let path = link.replace("search?", "search.json?");
        let found = client.json(&path)["entries"].clone();
        let found = found.as_array().expect("a list").iter();
        let found: Vec<_> = found.map(|entry| entry["id"].clone()).collect();
        // A number equals the text of it.
        let expected: &[u128] = match number {
            4 | 5 => &[5, 4],
            _ => &[number],
        };
        let expected: Vec<_> = expected.iter().map(|number| json!(id(*number))).collect();
        assert_eq!(found, expected, "{link}");
    }
    let hidden = viewer(log(&own()), alice().hide_values());
    for path in ["search?q=", &format!("entry?id={}", id(2))] {
        assert!(!hidden.page(path).contains("class=\"value\""), "{path}");
    }
}

#[test]
fn a_long_value_is_folded() {
    let mut long = entry(5, "update", "User", "42", "alice");
    long.changes = [change("bio", None, Some(json!("x".repeat(1 << 20))))]
        .into_iter()
        .collect();
    let client = viewer(log(&[long]), alice());
    assert!(client.page("search").len() < 30_000);
    let page = client.page(&format!("entry?id={}", id(5)));
    assert!(
        page.contains("1,048,576 characters") && page.len() < 400_000,
        "{}",
        page.len()
    );
}

#[test]
fn a_page_is_small_beside_its_rows() {
    let client = viewer(log(&own()), alice());
    let page = client.page("search");
    let names = ["style.", "script.", "icon."].map(|stem| {
        let start = page.find(stem).expect("a link");
        page[start..].split('"').next().expect("a name").to_owned()
    });
    let assets: usize = names.iter().map(|name| client.page(name).len()).sum();
    let rows = page
        .find("<tbody>")
        .zip(page.find("</tbody>"))
        .expect("rows");
    let frame = page.len() - (rows.1 - rows.0);
    assert!(assets + frame <= 30 * 1024, "{assets} + {frame} bytes");
}

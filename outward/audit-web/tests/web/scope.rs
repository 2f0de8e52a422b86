//! A reader with a scope sees the trail as if it had no other entries.

use std::collections::BTreeSet;

use audit_core::{AuditLog, LogEntry, MemoryStore, Query, Redaction};
use audit_derive::Auditable;
use http::StatusCode;
use serde_json::{Value, json};

use crate::sample::{alice, as_json, change, company, entry, foreign, id, log, own, paths, viewer};

#[test]
fn every_page_equals_that_of_the_trail_without_the_other_entries() {
    let complete = viewer(log(&[own(), foreign()].concat()), alice().scope(company()));
    let without = viewer(log(&own()), alice().scope(company()));
    let mut shown = 0;
    for path in paths() {
        for path in [path.clone(), as_json(&path)] {
            let (answer, expected) = (complete.get(&path), without.get(&path));
            assert_eq!(answer, expected, "{path}");
            assert!(!answer.text.contains("foreign value"), "{path}");
            shown += usize::from(answer.status == StatusCode::OK);
        }
    }
    // The comparison is not one of errors only.
    assert!(shown > 40, "{shown}");
}

#[test]
fn without_the_scope_the_pages_differ() {
    let complete = viewer(log(&[own(), foreign()].concat()), alice());
    let without = viewer(log(&own()), alice());
    for path in [
        "search",
        "object?model=User&key=42",
        "blame?model=User&key=42",
        "overview",
    ] {
        assert_ne!(complete.get(path).text, without.get(path).text, "{path}");
    }
}

#[test]
fn an_entry_outside_the_scope_is_like_one_that_does_not_exist() {
    let client = viewer(log(&[own(), foreign()].concat()), alice().scope(company()));
    let outside = client.get(&format!("entry?id={}", id(101)));
    let missing = client.get(&format!("entry?id={}", id(999)));
    assert_eq!(outside.status, StatusCode::NOT_FOUND);
    assert_eq!(outside, missing);
}

#[test]
fn the_store_is_shown_to_readers_of_all_of_it_only() {
    let log = log(&own());
    assert_eq!(
        viewer(log.clone(), alice()).get("trust").status,
        StatusCode::OK
    );
    let scoped = viewer(log, alice().scope(company())).get("trust?check=yes");
    assert_eq!(scoped.status, StatusCode::FORBIDDEN);
}

#[test]
fn two_scopes_are_combined_by_and() {
    let access = alice().scope(company()).scope(Query::new().actor("carol"));
    let page = viewer(log(&[own(), foreign()].concat()), access).json("search.json?q=");
    let entries = page["entries"].as_array().expect("a list");
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0]["id"], id(3).to_string());
}

#[test]
fn a_scope_that_cannot_be_read_shows_nothing() {
    let access = alice().scope(Query::new().changed("items[2"));
    let client = viewer(log(&own()), access);
    for path in [
        "search?q=",
        "object?model=User&key=42",
        "overview",
        "export?q=",
    ] {
        assert_eq!(
            client.get(path).status,
            StatusCode::INTERNAL_SERVER_ERROR,
            "{path}"
        );
    }
    let entry = client.get(&format!("entry?id={}", id(2)));
    assert_eq!(entry.status, StatusCode::INTERNAL_SERVER_ERROR);
}

#[test]
fn hidden_values_are_on_no_page_and_cannot_be_searched() {
    let client = viewer(log(&own()), alice().hide_values());
    for path in paths() {
        if path.starts_with("export") || path.contains("q=mallory") {
            continue;
        }
        for path in [path.clone(), as_json(&path)] {
            let text = client.get(&path).text;
            for value in ["bob@", "Mainz", "Bonn"] {
                assert!(!text.contains(value), "{path} contains {value}: {text}");
            }
        }
    }
    for query in [
        "bob@old.example",
        "changed_to:city=Bonn",
        "NOT changed_from:city=Mainz",
        "changed:city.x",
    ] {
        let answer = client.get(&format!("search?q={query}"));
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{query}");
    }
    assert_eq!(client.get("search?q=changed:city").status, StatusCode::OK);
    assert_eq!(client.get("export?q=").status, StatusCode::FORBIDDEN);
}

#[test]
fn a_reader_with_a_scope_learns_nothing_of_gaps() {
    // The second entry of carol does not start from the value of her first one.
    let mut later = entry(5, "update", "User", "42", "carol");
    later.changes = [change("logins", Some(json!(7)), Some(json!(8)))]
        .into_iter()
        .collect();
    let entries = [own(), vec![later]].concat();
    let scoped = viewer(log(&entries), alice().scope(Query::new().actor("carol")));
    let complete = viewer(log(&entries), alice());
    let blame = "blame?model=User&key=42";
    let object = "object?model=User&key=42";
    assert!(complete.page(blame).contains("changed without an entry"));
    assert!(complete.page(object).contains("changed without an entry"));
    for path in [blame, object, "compare?model=User&key=42", "search?q="] {
        for path in [path.to_owned(), as_json(path)] {
            let page = scoped.page(&path);
            for text in [
                "without an entry",
                "older than the trail",
                "unrecorded\":true",
            ] {
                assert!(!page.contains(text), "{path} contains {text}: {page}");
            }
            if !path.contains(".json") {
                assert!(page.contains("Only entries within your permissions are shown"));
            }
        }
    }
    let parts = &scoped.json(&as_json(blame))["parts"];
    assert_eq!(parts[0]["unrecorded"], json!(null));
}

#[test]
fn pages_without_values_do_not_depend_on_values() {
    let history = |sides: [(Option<&str>, &str); 3]| -> Vec<LogEntry> {
        let entries = sides.iter().zip(1..).map(|((old, new), number)| {
            let action = if number == 1 { "create" } else { "update" };
            let mut entry = entry(number, action, "User", "42", "alice");
            let old = old.map(|old| json!(old));
            entry.changes = [change("email", old, Some(json!(new)))]
                .into_iter()
                .collect();
            entry
        });
        entries.collect()
    };
    let and_back = history([(None, "a@x"), (Some("a@x"), "b@x"), (Some("b@x"), "a@x")]);
    let onward = history([(None, "a@x"), (Some("a@x"), "b@x"), (Some("b@x"), "c@x")]);
    let with_a_gap = history([(None, "a@x"), (Some("d@x"), "b@x"), (Some("e@x"), "c@x")]);
    let expected = viewer(log(&and_back), alice().hide_values());
    let mut paths = paths();
    paths.push("compare?model=User&key=42&from=3&to=1".to_owned());
    for entries in [onward, with_a_gap] {
        let client = viewer(log(&entries), alice().hide_values());
        for path in paths.iter().filter(|path| !path.starts_with("export")) {
            for path in [path.clone(), as_json(path)] {
                assert_eq!(client.get(&path), expected.get(&path), "{path}");
            }
        }
    }
    let compared = expected.json("compare.json?model=User&key=42&from=1&to=3");
    assert!(compared["changes"]["email"].is_object(), "{compared}");
}

#[test]
fn pages_without_values_do_not_depend_on_the_values_of_a_snapshot() {
    let history = |city: &str| {
        let mut created = entry(1, "create", "User", "42", "alice");
        created.changes = [
            change("city", None, Some(json!("Mainz"))),
            change("email", None, Some(json!("a@x"))),
        ]
        .into_iter()
        .collect();
        let mut updated = entry(2, "update", "User", "42", "carol");
        updated.changes = [change("email", Some(json!("a@x")), Some(json!("b@x")))]
            .into_iter()
            .collect();
        updated.snapshot = Some(json!({"city": city, "email": "b@x"}));
        viewer(log(&[created, updated]), alice().hide_values())
    };
    let (equal, other) = (history("Mainz"), history("Bonn"));
    for path in paths().iter().filter(|path| !path.starts_with("export")) {
        for path in [path.clone(), as_json(path)] {
            assert_eq!(other.get(&path), equal.get(&path), "{path}");
        }
    }
    let parts = equal.json("blame.json?model=User&key=42")["parts"].clone();
    let set_by = |index: usize| (parts[index]["path"].clone(), parts[index]["actor"].clone());
    assert_eq!(set_by(0), (json!("city"), json!("alice")));
    assert_eq!(set_by(1), (json!("email"), json!("carol")));
}

#[test]
fn pages_without_values_do_not_depend_on_the_sizes_of_values() {
    let trail = |bytes: usize| {
        let entries: Vec<LogEntry> = (1..=40)
            .map(|number| {
                let mut entry = entry(number, "update", "User", "42", "alice");
                entry.changes = [change("email", None, Some(json!("x".repeat(bytes))))]
                    .into_iter()
                    .collect();
                entry
            })
            .collect();
        viewer(log(&entries), alice().hide_values())
    };
    let (small, large) = (trail(1), trail(1 << 20));
    let object = "model=User&key=42";
    let of_object = [
        format!("object?{object}"),
        format!("object?{object}&at=2026-01-02"),
        format!("object?{object}&version=3"),
        format!("blame?{object}"),
        format!("compare?{object}&from=2&to=40"),
    ];
    let lists = [
        "search?q=",
        "search?q=&count=yes",
        "overview",
        "live",
        "actor?id=alice",
    ];
    for path in of_object.into_iter().chain(lists.map(str::to_owned)) {
        for path in [path.clone(), as_json(&path)] {
            let answer = small.get(&path);
            assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text);
            assert_eq!(answer, large.get(&path), "{path}");
        }
    }
    let shown = large.json(&format!("object.json?{object}"));
    assert_eq!(shown["versions"], json!(40));
}

/// A model with parts that are not recorded in clear.
#[derive(Auditable)]
#[audit(crate = audit_core, model = "User")]
struct User {
    #[audit(id)]
    key: u32,
    email: String,
    #[audit(mask = "last4")]
    phone: String,
    #[audit(skip)]
    #[expect(dead_code, reason = "the field is not recorded")]
    password: String,
    address: Address,
}

#[derive(Auditable)]
#[audit(crate = audit_core)]
struct Address {
    city: String,
    #[audit(mask = "last4")]
    door: String,
}

#[test]
fn a_history_without_values_states_which_parts_are_not_in_clear() {
    let user = |city: &str| User {
        key: 42,
        email: "a@x".to_owned(),
        phone: "+15551234567".to_owned(),
        password: "secret".to_owned(),
        address: Address {
            city: city.to_owned(),
            door: "123456".to_owned(),
        },
    };
    let missing = |log: AuditLog, model: &str| -> BTreeSet<(String, String)> {
        let client = viewer(log, alice().hide_values());
        let page = client.json(&format!("object.json?model={model}&key=42"));
        let state = page["state"].as_object().expect("an object");
        assert!(state.values().all(|value| value == "[hidden]"), "{page}");
        let missing = page["missing"].as_array().expect("a list").iter();
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        missing
            .map(|part| (text(&part["path"]), text(&part["reason"])))
            .collect()
    };
    let expected = |parts: &[(&str, &str)]| -> BTreeSet<(String, String)> {
        let owned = |(path, reason): &(&str, &str)| ((*path).to_owned(), (*reason).to_owned());
        parts.iter().map(owned).collect()
    };
    // The types of a registered model show it.
    let registered = AuditLog::builder().store(MemoryStore::new()).build();
    registered.register::<User>();
    let recorded = registered.created(&user("Mainz")).actor("bob").record();
    recorded.expect("recorded");
    let moved = registered.updated(&user("Mainz"), &user("Bonn"));
    moved.actor("bob").record().expect("recorded");
    let parts = [
        ("address", "recorded masked"),
        ("password", "not recorded"),
        ("phone", "recorded masked"),
    ];
    assert_eq!(missing(registered, "User"), expected(&parts));
    // The redactions of the entries show it for other models.
    let part = |path: &str, value: &str, redaction: Option<Redaction>| {
        let mut change = change(path, None, Some(json!(value)));
        change.redaction = redaction;
        change
    };
    let mut created = entry(1, "create", "Other", "42", "alice");
    created.changes = [
        part("phone", "****4567", Some(Redaction::Masked)),
        part("card", "h1:00", Some(Redaction::Hashed)),
        part("address.door", "****3456", Some(Redaction::Masked)),
        part("was_masked", "****", Some(Redaction::Masked)),
    ]
    .into_iter()
    .collect();
    let mut updated = entry(2, "update", "Other", "42", "alice");
    updated.changes = [
        part("address.city", "Bonn", None),
        part("was_masked", "in clear", None),
    ]
    .into_iter()
    .collect();
    let parts = [
        ("address", "recorded masked"),
        ("card", "recorded as a token"),
        ("phone", "recorded masked"),
    ];
    assert_eq!(missing(log(&[created, updated]), "Other"), expected(&parts));
}

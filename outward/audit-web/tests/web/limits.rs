//! Limits of requests, pages and histories.

use audit_core::{Changes, LogEntry, PathSegment};
use http::StatusCode;
use serde_json::{Value, json};

use crate::sample::{alice, as_json, change, entry, id, log, own, paths, viewer};

/// The largest page, in bytes.
const MAX_PAGE: usize = 4 << 20;

#[test]
fn a_repeated_parameter_is_an_error() {
    let client = viewer(log(&own()), alice());
    for path in [
        "search?q=actor:alice&q=actor:carol",
        "search?q=&q=",
        "search?q=a&%71=b",
        "search.json?q=a&q=b",
        "search?q=&count=yes&x=1&x=2",
        "entry?id=1&id=2",
        "object?model=User&key=42&key=43",
        "search?fields=1&model=User&model=Secret",
        "export?q=actor:alice&q=",
    ] {
        let answer = client.get(path);
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{path}");
        assert!(answer.text.contains("occurs more than once"), "{path}");
    }
    let many: Vec<String> = (0..51).map(|number| format!("p{number}=1")).collect();
    let answer = client.get(&format!("search?{}", many.join("&")));
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
}

#[test]
fn a_condition_beside_the_query_is_an_error() {
    let client = viewer(log(&own()), alice());
    for page in [
        "search",
        "search.json",
        "live",
        "events",
        "overview",
        "export",
    ] {
        for name in ["actor", "model", "since", "changed_to", "limit", "order"] {
            let answer = client.get(&format!("{page}?q=action:update&{name}=mallory"));
            assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{page}: {name}");
            let hint = format!("belongs in `q`: q={name}:mallory");
            assert!(answer.text.contains(&hint), "{}", answer.text);
        }
    }
    // The form has some of them, and only the search has the form.
    for path in [
        "export?fields=1&actor=mallory",
        "live?fields=1&actor=mallory",
        "search?fields=&actor=mallory",
        "search?fields=1&correlation=mallory",
    ] {
        let answer = client.get(path);
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{path}");
    }
    let spaced = client.get("search?actor=Alice%20Smith").text;
    assert!(
        spaced.contains("q=actor:&quot;Alice Smith&quot;"),
        "{spaced}"
    );
    let form = client.get("search?fields=1&actor=alice&since=");
    assert_eq!(form.status, StatusCode::SEE_OTHER);
    // Parameters that the page has or does not know, and empty ones.
    for path in [
        "object?model=User&key=42",
        "search?q=actor:alice&utm_source=mail",
        "search?q=actor:alice&level=",
    ] {
        assert_eq!(client.get(path).status, StatusCode::OK, "{path}");
    }
}

#[test]
fn a_page_of_no_entries_is_an_error() {
    let client = viewer(log(&own()), alice());
    for path in ["search?q=limit:0", "search.json?q=actor:alice limit:0"] {
        let answer = client.get(&path.replace(' ', "%20"));
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{path}");
        assert!(answer.text.contains("limit:0"), "{}", answer.text);
    }
}

#[test]
fn a_parameter_that_is_not_utf8_is_an_error() {
    let client = viewer(log(&own()), alice());
    for (path, name) in [
        ("search?q=%FF%FE", "q"),
        ("search.json?q=a%ffb", "q"),
        ("search?q=&%C3=1", "\u{fffd}"),
        ("search?q=%C3&x=%A4", "q"),
        ("search?q=%ED%A0%80", "q"),
        ("entry?id=%80", "id"),
        ("object?model=User&key=4%e2%82", "key"),
        ("events?q=%FF", "q"),
        ("export?q=%FF", "q"),
    ] {
        let answer = client.get(path);
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{path}");
        let message = format!("The parameter `{name}` is not valid UTF-8.");
        assert!(answer.text.contains(&message), "{path}: {}", answer.text);
    }
    for query in [
        "%C3%A4",
        "100%",
        "%zz",
        "%+1",
        "%E2%82%AC+%2",
        "%EF%BF%BD",
        "&&a",
        "%%41",
    ] {
        let answer = client.get(&format!("search?q={query}"));
        assert_eq!(answer.status, StatusCode::OK, "{query}: {}", answer.text);
    }
}

#[test]
fn queries_have_a_length_and_a_number_of_conditions() {
    let client = viewer(log(&own()), alice());
    let long = format!("text:{}", "x".repeat(1_996));
    let many = |conditions: usize| -> String {
        let conditions = (0..conditions).map(|number| format!("changed:f{number}"));
        conditions.collect::<Vec<_>>().join("+")
    };
    for page in ["search", "search.json", "overview", "export"] {
        for (query, message) in [
            (long.clone(), "is longer than 2,000 bytes"),
            (many(31), "has more than 30 conditions"),
        ] {
            let answer = client.get(&format!("{page}?q={query}"));
            assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{page}");
            assert!(answer.text.contains(message), "{}", answer.text);
        }
        let fitting = [long[..2_000].to_owned(), many(30)];
        for query in fitting {
            let answer = client.get(&format!("{page}?q={query}"));
            assert_eq!(answer.status, StatusCode::OK, "{page}: {}", answer.text);
        }
    }
}

/// Returns an entry with a long text in every member that no link needs, and with many changes.
fn huge(number: u128, text: &str, changes: usize) -> LogEntry {
    let mut entry = entry(number, "update", "User", "42", "alice");
    text.clone_into(&mut entry.object_repr);
    entry.actor = Some(
        audit_core::Actor::user("alice")
            .display(text)
            .on_behalf_of(text),
    );
    entry.reason = Some(text.to_owned());
    entry.correlation_id = Some(text.to_owned());
    entry.trace_id = Some(text.to_owned());
    entry.parent = Some(audit_core::ObjectRef::new(text, text));
    entry.counterpart.clone_from(&entry.parent);
    entry.source = audit_core::Source::service(text).version(text).host(text);
    let members = (0..changes).map(|number| (format!("m{number}"), json!(["a\"&<", number])));
    entry.additional_data = members.clone().collect();
    entry
        .additional_data
        .insert(text.to_owned(), json!({ text: [text, text] }));
    let mut snapshot: serde_json::Map<String, Value> = members.collect();
    snapshot.insert("text".to_owned(), text.into());
    snapshot.insert("list".to_owned(), json!(vec!["\"\"\"\""; changes]));
    entry.snapshot = Some(snapshot.into());
    let mut all: Vec<_> = (0..changes)
        .map(|number| {
            change(
                &format!("m{number}"),
                Some(json!("\"".repeat(700))),
                Some(json!([number])),
            )
        })
        .collect();
    let path = audit_core::Path::from_segments(&[PathSegment::Name(text.to_owned())]);
    all.push(change(
        path.as_str(),
        Some(json!(text)),
        Some(json!({ text: text })),
    ));
    let moved = (0..changes).map(|item| (format!("[sku='{item}']"), json!([item, item + 1])));
    let moved = json!({"list": {"moved": moved.collect::<serde_json::Map<_, _>>()}});
    let moved: Changes = serde_json::from_value(moved).expect("changes");
    all.extend(moved.iter().cloned());
    entry.changes = all.into_iter().collect();
    entry
}

#[test]
fn pages_of_hostile_entries_are_bounded() {
    let mixed = "\u{202e}\u{202d}".repeat(1 << 13);
    let run = "\u{202e}".repeat(1 << 13);
    let quotes = "\"".repeat(1 << 14);
    let interleaved = "a\u{200b}".repeat(1 << 13);
    for (number, text) in [mixed, run, quotes, interleaved].iter().enumerate() {
        let changes = if number == 0 { 2_000 } else { 600 };
        let entries = [
            huge(2, text, changes),
            huge(3, text, 600),
            huge(4, text, 10),
        ];
        let client = viewer(log(&entries), alice());
        let mut shown = 0;
        let is_listed = |path: &&String| {
            let is_of_object = path.ends_with("model=User&key=42") || path.starts_with("entry");
            !path.starts_with("export") && (number == 0 || is_of_object)
        };
        for path in paths().iter().filter(is_listed) {
            let page = client.get(path);
            assert!(page.text.len() < MAX_PAGE, "{path}: {}", page.text.len());
            assert_ne!(page.status, StatusCode::UNPROCESSABLE_ENTITY, "{path}");
            shown += usize::from(page.status == StatusCode::OK);
            let json = client.get(&as_json(path));
            assert!(json.text.len() < 64 << 20, "{path}: {}", json.text.len());
        }
        assert!(shown >= 4, "{shown}");
        let list = client.page("search?q=");
        assert!(list.len() < 100_000, "{}", list.len());
        let page = client.page(&format!("entry?id={}", id(2)));
        assert!(
            page.contains("more, which the JSON of this page has"),
            "{page}"
        );
        let object = "object?model=User&amp;key=42";
        assert!(list.contains(object), "{list}");
    }
}

#[test]
fn json_of_a_list_ends_after_four_megabytes_and_continues() {
    let entries: Vec<LogEntry> = (1..=20)
        .map(|number| {
            let mut entry = entry(number, "update", "User", "42", "alice");
            entry.reason = Some("x".repeat(1 << 20));
            entry
        })
        .collect();
    let client = viewer(log(&entries), alice());
    let mut found = Vec::new();
    let mut path = "search.json?q=limit:200".to_owned();
    loop {
        let text = client.page(&path);
        assert!(text.len() < 6 << 20, "{}", text.len());
        let page: Value = serde_json::from_str(&text).expect("JSON");
        let entries = page["entries"].as_array().expect("a list").iter();
        found.extend(entries.map(|entry| entry["id"].as_str().expect("an id").to_owned()));
        let Some(next) = page["next"].as_str() else {
            break;
        };
        path = format!("search.json?q=limit:200&after={next}");
    }
    let expected: Vec<String> = (1..=20)
        .rev()
        .map(|number| id(number).to_string())
        .collect();
    assert_eq!(found, expected);
    let object = client.page("object.json?model=User&key=42");
    assert!(object.len() < 6 << 20, "{}", object.len());
    let object: Value = serde_json::from_str(&object).expect("JSON");
    assert!(object["below"].is_number(), "{}", object["below"]);
}

#[test]
fn a_long_history_shows_its_newest_part_and_states_it() {
    let mut entries = Vec::new();
    for number in 0..5_001_u32 {
        let mut entry = entry(u128::from(number) + 1, "update", "User", "42", "alice");
        entry.timestamp = crate::sample::time("2026-01-01T00:00:00Z")
            + chrono::TimeDelta::minutes(i64::from(number));
        if number == 1 {
            entry.timestamp += chrono::TimeDelta::milliseconds(500);
        }
        let old = number.checked_sub(1).map(|old| json!(old));
        entry.changes = [change("count", old, Some(json!(number)))]
            .into_iter()
            .collect();
        if number == 0 {
            entry.action = audit_core::Action::Create;
        }
        entries.push(entry);
    }
    let complete = viewer(log(&entries[1..]), alice());
    let object = complete.json("object.json?model=User&key=42");
    assert_eq!(object["versions"], json!(5_000));
    assert_eq!(object["complete"], json!(true));

    let client = viewer(log(&entries), alice());
    let page = client.page("object?model=User&key=42");
    assert!(page.contains("The newest 5,000 entries"), "{page}");
    assert!(page.contains("too many entries to number"), "{page}");
    assert!(!page.contains("name=\"from\""), "versions have no numbers");
    let object = client.json("object.json?model=User&key=42");
    assert_eq!(object["versions"], json!(null));
    assert_eq!(object["complete"], json!(false));
    assert_eq!(object["state"]["count"], json!(5_000));
    // Entries before the newest ones are read for a state at a time.
    let object = client.json("object.json?model=User&key=42&at=2026-01-01T00:00:00Z");
    assert_eq!(object["state"]["count"], json!(0));
    let object = client.json("object.json?model=User&key=42&at=2025-12-31T00:00:00Z");
    assert_eq!(object["state"], json!(null));
    let later = "at=2026-01-01T00:01:00.500000Z";
    let page = client.page("object?model=User&key=42&at=2026-01-01T00:01:00Z");
    assert!(page.contains(later), "{page}");
    let object = client.json("object.json?model=User&key=42&at=2026-01-01T00:01:00Z");
    assert_eq!(object["state"]["count"], json!(0));
    let version = client.get("object?model=User&key=42&version=7");
    assert_eq!(version.status, StatusCode::BAD_REQUEST);
    for page in ["compare", "blame"] {
        let answer = client.get(&format!("{page}?model=User&key=42"));
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{page}");
        assert!(answer.text.contains("too many entries"), "{}", answer.text);
    }
    let client = viewer(log(&entries), alice().hide_values());
    let page = client.page("object?model=User&key=42");
    assert!(page.contains("The newest 5,000 entries"), "{page}");
    let object = client.json("object.json?model=User&key=42");
    assert_eq!(object["versions"], json!(null));
    assert_eq!(object["state"], json!({"count": "[hidden]"}));
    let reason = "not in the newest entries of this object";
    assert_eq!(object["missing"], json!([{"path": "$", "reason": reason}]));
    let object = client.json("object.json?model=User&key=42&at=2026-01-01T00:00:00Z");
    assert_eq!(object["state"], json!({"count": "[hidden]"}));
}

#[test]
fn a_long_reason_in_the_json_of_blame_is_marked_as_cut() {
    let mut entries = own();
    entries[1].reason = Some("x".repeat(600));
    let client = viewer(log(&entries), alice());
    let parts = client.json("blame.json?model=User&key=42")["parts"].clone();
    let part = |name: &str| {
        let mut parts = parts.as_array().expect("a list").iter();
        parts.find(|part| part["path"] == name).expect("a part")
    };
    assert_eq!(part("city")["reason"], json!("x".repeat(500)));
    assert_eq!(part("city")["reason_is_cut"], json!(true));
    assert_eq!(part("logins")["reason_is_cut"], json!(false));
}

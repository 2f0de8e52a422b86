//! Stored texts that attack the reader.

use audit_core::{Actor, LogEntry};
use serde_json::json;

use crate::sample::{alice, change, entry, id, log, viewer};

const SCRIPT: &str = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>";
const BIDI: &str = "user\u{202e}nimda\u{2066}\u{200b}";
const ESCAPES: &str = "\u{1b}[2J\u{9b}31m\u{7}\r\nX: y";
const URL: &str = "javascript:alert(1)";

/// Returns an entry with a text in every member.
fn filled(number: u128, text: &str) -> LogEntry {
    let mut entry = entry(number, "custom", text, text, text);
    entry.action = audit_core::Action::from(text);
    text.clone_into(&mut entry.object_repr);
    entry.actor = Some(Actor::user(text).display(text).on_behalf_of(text));
    entry.reason = Some(text.to_owned());
    entry.correlation_id = Some(text.to_owned());
    entry.trace_id = Some(text.to_owned());
    entry.parent = Some(audit_core::ObjectRef::new(text, text));
    entry.counterpart.clone_from(&entry.parent);
    entry.source = audit_core::Source::service(text).version(text).host(text);
    entry
        .additional_data
        .insert(text.to_owned(), json!({ text: [text] }));
    entry.snapshot = Some(json!({ text: text }));
    let path = audit_core::Path::from_segments(&[audit_core::PathSegment::Name(text.to_owned())]);
    let value = change(
        path.as_str(),
        Some(json!(text)),
        Some(json!({ text: text })),
    );
    entry.changes = [value].into_iter().collect();
    entry
}

/// Returns the pages about an entry that is filled with a text.
fn pages(number: u128, text: &str) -> Vec<String> {
    let encoded: String = form_urlencoded::byte_serialize(text.as_bytes()).collect();
    let mut pages = vec![
        "search".to_owned(),
        "overview".to_owned(),
        format!("search?q={encoded}"),
        format!("entry?id={}", id(number)),
        format!("actor?id={encoded}"),
        format!("correlation?id={encoded}"),
    ];
    for page in ["object", "blame", "compare", "aggregate"] {
        pages.push(format!("{page}?model={encoded}&key={encoded}"));
    }
    pages
}

#[test]
fn no_stored_text_is_markup() {
    for (number, text) in [SCRIPT, BIDI, ESCAPES, URL].into_iter().enumerate() {
        let number = number as u128 + 1;
        let client = viewer(log(&[filled(number, text)]), alice());
        for path in pages(number, text) {
            let answer = client.get(&path);
            // A hostile query is either found or an error of its own.
            assert!(answer.status.as_u16() <= 400, "{path}: {}", answer.status);
            let page = answer.text;
            for markup in ["<script>", "<img", "href=\"javascript"] {
                assert!(!page.contains(markup), "{path} contains {markup:?}");
            }
            // The field of the query repeats it, and hidden fields keep the object.
            let shown = page.replace(&format!("value=\"{text}\""), "");
            for hidden in "\u{1b}\u{9b}\u{7}\u{202e}\u{2066}\u{200b}".chars() {
                assert!(!shown.contains(hidden), "{path} contains {hidden:?}");
            }
        }
    }
}

#[test]
fn no_text_from_a_url_is_markup() {
    let client = viewer(log(&[]), alice());
    let encoded: String = form_urlencoded::byte_serialize(SCRIPT.as_bytes()).collect();
    for path in [
        format!("search?q={encoded}"),
        format!("search?q=&after={encoded}"),
        format!("search?q=&before={encoded}"),
        format!("object?model={encoded}&key={encoded}"),
        format!("object?model=User&key=42&at={encoded}"),
        format!("compare?model=User&key=42&from={encoded}"),
        format!("entry?id={encoded}"),
        format!("transaction?id={encoded}"),
        format!("export?as={encoded}"),
        encoded.clone(),
    ] {
        let answer = client.get(&path);
        assert!(
            !answer.text.contains("<script>alert"),
            "{path}: {}",
            answer.text
        );
        assert!(!answer.text.contains("<img"), "{path}: {}", answer.text);
    }
}

#[test]
fn a_page_refers_to_nothing_outside_and_has_no_inline_script_or_style() {
    let client = viewer(log(&[filled(1, "https://evil.example/")]), alice());
    for path in pages(1, "https://evil.example/") {
        // As a query, the text is an error with a page of its own.
        let page = client.get(&path).text;
        assert!(page.starts_with("<!DOCTYPE html>"), "{path}");
        assert!(
            !page.contains("href=\"http") && !page.contains("src=\"http"),
            "{path}"
        );
        assert!(
            !page.contains("style=\"") && !page.contains("<style"),
            "{path}"
        );
        assert!(
            !page.contains(" onclick") && !page.contains("action=\"http"),
            "{path}"
        );
        assert_eq!(page.matches("<script").count(), 1, "{path}");
    }
}

#[test]
fn a_note_of_several_lines_is_no_attack() {
    let note = "first\r\nsecond\n\n\tthird\n".repeat(3);
    let mut noted = entry(1, "update", "User", "42", "alice");
    noted.reason = Some(note.clone());
    noted.object_repr.clone_from(&note);
    noted.changes = [change("note", None, Some(json!(note)))]
        .into_iter()
        .collect();
    let client = viewer(log(&[noted]), alice());
    for path in ["search?q=", "object?model=User&key=42", "actor?id=alice"] {
        let page = client.page(path);
        let sign = "first<span class=\"break\" title=\"line break\">↵</span>second";
        assert!(page.contains(sign), "{path}: {page}");
        let lists = page.split("id=\"state\"").next().expect("the list");
        assert!(
            !lists.contains("U+000") && !lists.contains('\u{fffd}'),
            "{lists}"
        );
    }
    let german = client.page("search?q=&lang=de");
    assert!(german.contains("title=\"Zeilenumbruch\">↵"), "{german}");
}

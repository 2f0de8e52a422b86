//! Exports of what a query finds.

use audit_core::{Actor, LogEntry};
use audit_web::Access;
use http::StatusCode;
use serde_json::json;

use crate::sample::{alice, change, entry, id, log, own, viewer};

#[test]
fn json_lines_are_the_canonical_forms() {
    let client = viewer(log(&own()), alice());
    let answer = client.get("export?q=actor:alice&as=jsonl");
    let expected: Vec<String> = own()[..2]
        .iter()
        .map(|entry| entry.to_canonical_json().expect("JSON"))
        .collect();
    assert_eq!(answer.text.lines().collect::<Vec<_>>(), expected);
    assert!(
        answer
            .header("content-disposition")
            .starts_with("attachment")
    );
}

#[test]
fn an_export_of_many_chunks_is_complete() {
    let template = entry(1, "update", "User", "42", "alice");
    let entries: Vec<LogEntry> = (0..1_234_u128)
        .map(|number| {
            let mut entry = template.clone();
            entry.id = id(number);
            entry
        })
        .collect();
    let text = viewer(log(&entries), alice()).page("export?q=&as=jsonl");
    let ids: Vec<_> = text
        .lines()
        .map(|line| LogEntry::from_json(line).expect("an entry").id)
        .collect();
    assert_eq!(
        ids,
        entries.iter().map(|entry| entry.id).collect::<Vec<_>>()
    );
}

#[test]
fn cells_are_no_formulas() {
    let mut entry = entry(1, "update", "=cmd|' /C calc'!A0", "+1", "@SUM(A1)");
    entry.reason = Some("-2+3".to_owned());
    entry.changes = [change(
        "email",
        Some(json!("\t=1")),
        Some(json!("=1,\"2\"")),
    )]
    .into_iter()
    .collect();
    entry.object_repr = "a;=1".to_owned();
    let text = viewer(log(&[entry]), alice()).page("export?q=&as=csv");
    let row = text.lines().nth(1).expect("a row");
    for cell in [
        "'=cmd",
        ",'+1,",
        ",'@SUM(A1),",
        ",'-2+3,",
        ",a;'=1,",
        ",'\\t=1,",
        "\"'=1,\"\"2\"\"\"",
    ] {
        assert!(row.contains(cell), "{cell} is missing in {row}");
    }
}

#[test]
fn a_file_for_spreadsheets_names_its_encoding_once() {
    let template = entry(1, "update", "User", "42", "Zoë");
    let entries: Vec<LogEntry> = (0..30)
        .map(|number| {
            let mut entry = template.clone();
            entry.id = id(number);
            entry.reason = Some("x".repeat(1 << 20));
            entry
        })
        .collect();
    let text = viewer(log(&entries), alice()).page("export?q=&as=csv");
    assert!(text.starts_with("\u{feff}time,id,level,action,"));
    assert_eq!(text.matches('\u{feff}').count(), 1);
    let head = text.lines().next().expect("a head");
    for column in ["actor_kind", "transaction_id", "trace_id", "path"] {
        assert!(head.split(',').any(|name| name == column), "{head}");
    }
    assert_eq!(text.matches(",Zoë,user,").count(), 30);
    assert_eq!(
        text.lines().filter(|line| line.starts_with("time")).count(),
        0
    );
}

#[test]
fn readers_export_only_with_permission() {
    let client = viewer(log(&own()), Access::reader(Actor::user("alice")));
    assert_eq!(client.get("export?q=").status, StatusCode::FORBIDDEN);
    assert!(!client.page("search").contains("Export CSV"));
}

//! The form with a field for each condition.

use std::collections::BTreeSet;

use audit_core::Query;
use http::StatusCode;

use crate::sample::{alice, log, own, viewer};

/// Decodes the text of an attribute.
fn decoded(text: &str) -> String {
    let text = text.replace("&quot;", "\"").replace("&lt;", "<");
    text.replace("&gt;", ">").replace("&amp;", "&")
}

/// Returns an attribute of a tag.
fn attribute(tag: &str, name: &str) -> Option<String> {
    let (_, rest) = tag.split_once(&format!(" {name}=\""))?;
    rest.split('"').next().map(decoded)
}

/// Returns the names and values that a browser sends for the form of a page.
fn sent(page: &str) -> Vec<(String, String)> {
    let (_, form) = page
        .split_once("<details class=\"filters\"")
        .expect("a form");
    let (form, _) = form.split_once("</form>").expect("the end of the form");
    let mut sent: Vec<(String, String)> = Vec::new();
    for tag in form.split('<').skip(1) {
        let value = attribute(tag, "value").unwrap_or_default();
        let name = attribute(tag, "name");
        if let (true, Some(name)) = (tag.starts_with("input "), &name) {
            sent.push((name.clone(), value));
        } else if let (true, Some(name)) = (tag.starts_with("select "), name) {
            sent.push((name, String::new()));
        } else if tag.starts_with("option ") && tag.contains(" selected") {
            sent.last_mut().expect("a select").1 = value;
        }
    }
    sent
}

fn encoded(pairs: &[(String, String)]) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(pairs).finish()
}

#[test]
fn the_form_sends_the_query_that_it_shows() {
    let client = viewer(log(&own()), alice());
    for text in [
        "",
        "level:>=info",
        "model:User object:42 actor:alice action:update changed:email outcome:success \
         level:>=warning since:2026-01-01 until:2027-01-01T10:00:00.123456Z text:bob",
        "changed:email changed:city changed:city",
        "level:<error",
        "level:<error level:>=info",
        "model:\"\" actor:\"\" object:\"\" action:\"\" text:\"\"",
        "actor:\" alice \" object:\"a\tb\" text:\"two  words\"",
        "order:oldest limit:7 model:User",
        "order:newest limit:7",
        "(model:User OR model:Invoice) NOT actor:alice changed_to:city=Bonn",
        "parent:Company/7 correlation:req-1 transaction:00000000-0000-0000-0000-0000000000aa",
        "limit:2 after:2026-01-01T11:00:00.000000Z_01990000-0000-7000-8000-000000000001",
        "actor:\"a & <b> \\\"c\\\"\"",
    ] {
        let expected = Query::parse(text).expect(text);
        let page = client.page(&format!("search?{}", encoded(&[("q".into(), text.into())])));
        let form = sent(&page);
        let answer = client.get(&format!("search?{}", encoded(&form)));
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{text}");
        let location = answer.header("location");
        let (_, query) = location.split_once('?').expect("a query");
        let (_, found) = form_urlencoded::parse(query.as_bytes()).next().expect("q");
        let found = Query::parse(&found).expect("a query");
        let conditions = |query: &Query| BTreeSet::from_iter(query.terms());
        assert_eq!(conditions(&found), conditions(&expected), "{text}");
        assert_eq!(found.cursor(), expected.cursor(), "{text}");
        assert_eq!(found.page_size(), expected.page_size(), "{text}");
        // The form leaves out the order that a search has by default.
        let is_oldest_first = text.contains("order:oldest");
        assert!(!location.contains("order:newest"), "{text}");
        assert_eq!(location.contains("order:oldest"), is_oldest_first, "{text}");
    }
}

#[test]
fn a_field_replaces_the_condition_of_its_key() {
    let client = viewer(log(&own()), alice());
    let page = client.page("search?q=actor:%22%22 level:%3Cerror order:oldest");
    let mut form = sent(&page);
    for (name, value) in &mut form {
        match name.as_str() {
            "actor" => "bob".clone_into(value),
            "level" => ">=info".clone_into(value),
            _ => {}
        }
    }
    let answer = client.get(&format!("search?{}", encoded(&form)));
    assert_eq!(
        answer.header("location"),
        "search?q=actor:bob+level:%3E=info+level:%3Cerror+order:oldest"
    );
    // A value that cannot be parsed is an error of the search.
    let answer = client.get("search?fields=1&since=never&rest=actor:alice");
    assert_eq!(
        answer.header("location"),
        "search?q=since:%22never%22+actor:alice"
    );
}

//! Every link of a page leads to a page that its reader may see.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use audit_core::{Actor, AuditLog, LogEntry, ObjectRef, Outcome};
use audit_derive::Auditable;
use audit_web::Access;
use http::StatusCode;
use serde_json::json;

use crate::sample::{Client, alice, change, company, entry, foreign, id, log, own, viewer};

/// A model of the program, so that a field of another model is one that is unknown.
#[derive(Auditable)]
#[audit(crate = audit_core, model = "User")]
struct User {
    #[audit(id)]
    key: u32,
    email: String,
    #[audit(label = "Town")]
    city: String,
}

/// Pages that are followed for one reader.
const PAGES: usize = 800;

/// Returns entries with optional members missing, empty, or about objects outside of the scope.
fn entries() -> Vec<LogEntry> {
    let parent = |model: &str, pk: &str| Some(ObjectRef::new(model, pk));
    let mut moved = entry(20, "update", "User", "45", "alice");
    moved.counterpart = parent("Secret", "1");
    let mut counterpart = entry(21, "update", "User", "46", "alice");
    counterpart.counterpart = parent("User", "42");
    let mut read = entry(22, "access", "Report", "9", "carol");
    read.level = "info".parse().expect("a level");
    let mut event = entry(23, "login_failed", "", "", "");
    event.outcome = Outcome::Failure;
    event.correlation_id = Some(String::new());
    event.changes = [change("attempts", Some(json!(1)), Some(json!(2)))]
        .into_iter()
        .collect();
    let mut strange = entry(24, "update", "", "key without a model", "eve");
    strange.actor = Some(Actor::user("eve").on_behalf_of("OR"));
    strange.reason = Some("model:User OR (".to_owned());
    strange.correlation_id = Some("x".repeat(3_000));
    strange.changes = [
        change("city.street", None, Some(json!("a"))),
        change("roles['admin']", None, Some(json!("admin"))),
        change("email", Some(json!("a")), None),
    ]
    .into_iter()
    .collect();
    let mut other = strange.clone();
    other.id = id(25);
    "User".clone_into(&mut other.model);
    "\"'&=/\\".clone_into(&mut other.object_pk);
    let mut entries = vec![moved, counterpart, read, event, strange, other];
    for entry in &mut entries {
        entry.parent = parent("Company", "7");
    }
    let mut nameless = entry(26, "create", "Invoice", "1", "alice");
    nameless.parent = parent("", "");
    entries.push(nameless);
    entries.extend(own());
    entries.extend(foreign());
    entries
}

fn trail() -> AuditLog {
    let log = log(&entries());
    log.register::<User>();
    log
}

/// Returns the links of a page.
fn links(page: &str) -> impl Iterator<Item = String> {
    let links = page.split(" href=\"").skip(1);
    let links = links.filter_map(|rest| rest.split('"').next());
    let links = links.map(|link| link.split('#').next().unwrap_or_default());
    let links = links.filter(|link| !link.is_empty());
    links.map(|link| {
        link.replace("&amp;", "&")
            .replace("&quot;", "\"")
            .replace("&lt;", "<")
    })
}

/// Follows the links from the first page. Returns the number of requests of each page.
fn follow(client: &Client) -> BTreeMap<String, usize> {
    let first = client.get("").header("location").to_owned();
    let mut found = BTreeSet::from([first.clone()]);
    let mut queue = VecDeque::from([(first, String::new())]);
    let mut pages = BTreeMap::new();
    for _ in 0..PAGES {
        let Some((path, from)) = queue.pop_front() else {
            break;
        };
        let answer = client.get(&path);
        assert_eq!(
            answer.status,
            StatusCode::OK,
            "{path} on {from}: {}",
            answer.text
        );
        let page = path.split('?').next().unwrap_or_default().to_owned();
        *pages.entry(page).or_default() += 1;
        if !answer.header("content-type").starts_with("text/html") {
            continue;
        }
        for link in links(&answer.text) {
            if found.insert(link.clone()) {
                queue.push_back((link, path.clone()));
            }
        }
    }
    pages
}

#[test]
fn no_link_leads_to_a_page_that_the_reader_cannot_see() {
    for (name, access) in [
        ("full", alice()),
        ("scoped", alice().scope(company())),
        ("without values", alice().hide_values()),
        (
            "scoped without values",
            alice().scope(company()).hide_values(),
        ),
        ("without exports", Access::reader("alice")),
    ] {
        let pages = follow(&viewer(trail(), access));
        for page in [
            "search",
            "live",
            "entry",
            "object",
            "compare",
            "blame",
            "aggregate",
            "actor",
            "transaction",
            "correlation",
            "overview",
            "schema",
            "help",
            "search.json",
            "entry.json",
        ] {
            assert!(
                pages.contains_key(page),
                "{name}: {page} is not in {pages:?}"
            );
        }
        assert_eq!(
            pages.contains_key("trust"),
            !name.starts_with("scoped"),
            "{name}"
        );
        let exports = ["full", "scoped"].contains(&name);
        assert_eq!(pages.contains_key("export"), exports, "{name}");
    }
}

#[test]
fn the_links_of_a_search_keep_its_order_and_number() {
    let client = viewer(trail(), alice());
    let page = client.page("search?q=order:oldest limit:20");
    for link in [
        "search?q=actor:alice+order:oldest+limit:20",
        "search?q=action:update+order:oldest+limit:20",
        "search?q=limit:20",
    ] {
        assert!(links(&page).any(|found| found == link), "{link}: {page}");
    }
    // The entries of a transaction are the oldest first, and so are those of the search for them.
    let page = client.page("transaction?id=00000000-0000-0000-0000-0000000000aa");
    assert!(
        links(&page).any(|link| link.ends_with("+order:oldest")),
        "{page}"
    );
}

#[test]
fn the_links_of_long_queries_are_queries_that_the_reader_can_ask() {
    let client = viewer(trail(), alice());
    let many: Vec<_> = (0..29).map(|_| "NOT actor:mallory").collect();
    let nearly = format!("search?q=model:User {}", many.join(" "));
    let long = format!("search?q=NOT text:{}", "x".repeat(1_985));
    for path in [nearly, long] {
        let page = client.page(&path);
        for link in links(&page).filter(|link| link.starts_with("search")) {
            let answer = client.get(&link);
            assert_eq!(answer.status, StatusCode::OK, "{link}: {}", answer.text);
        }
    }
}

#[test]
fn the_form_of_a_reader_without_values_has_no_field_for_a_text() {
    let field = "id=\"f-text\"";
    assert!(viewer(trail(), alice()).page("search").contains(field));
    let hidden = viewer(trail(), alice().hide_values());
    assert!(!hidden.page("search").contains(field));
}

#[test]
fn the_help_of_a_reader_without_values_has_no_searches_in_values() {
    let page = viewer(trail(), alice().hide_values()).page("help");
    assert!(
        !page.contains("changed_to:") && !page.contains("ticket 4711"),
        "{page}"
    );
    assert!(page.contains("<code>changed:address</code>"));
    assert!(links(&page).any(|link| link == "search?q=model:User"));
    let full = viewer(trail(), alice()).page("help");
    assert!(full.contains("changed_to:"));
    assert!(links(&full).any(|link| link == "search?q=changed:address"));
}

#[test]
fn the_json_of_the_models_is_their_description_in_every_language() {
    let log = trail();
    let others = log
        .store()
        .as_trail()
        .expect("a trail")
        .models()
        .expect("models");
    let is_other = |name: &String| name != "User" && !name.is_empty();
    let others: Vec<_> = others.into_iter().filter(is_other).collect();
    assert!(others.iter().any(|name| name == "Secret"), "{others:?}");
    let models = log.described();
    let expected = json!({"models": models, "others": others});
    let client = viewer(log.clone(), alice());
    assert_eq!(client.json("schema.json"), expected);
    assert_eq!(client.json("schema.json?lang=de"), expected);
    assert!(links(&client.page("schema")).any(|link| link == "search?q=model:Secret"));
    // The names of models outside of a scope are hidden.
    let scoped = viewer(log, alice().scope(company()));
    let expected = json!({"models": models, "others": []});
    assert_eq!(scoped.json("schema.json"), expected);
    assert!(!scoped.page("schema").contains("Secret"));
}

#[test]
fn a_link_encodes_what_has_a_meaning_in_a_url_or_in_html() {
    let texts = [
        "a&b=c#d+e%3A",
        "\"><script>",
        "a;b'c",
        "x?y/z",
        "caf\u{e9} \u{202e}",
        "[1] {2}",
        "~|^`$!",
    ];
    for text in texts {
        let mut entry = LogEntry::new("create", "User", text, text);
        entry.actor = Some(Actor::user(text));
        let page = viewer(log(&[entry]), alice()).page("search");
        let decoded: Vec<String> = links(&page)
            .filter_map(|link| {
                assert!(link.bytes().all(|byte| byte.is_ascii_graphic()), "{link}");
                let (_, query) = link.split_once('?')?;
                let mut values = form_urlencoded::parse(query.as_bytes());
                values.find_map(|(name, value)| (name == "key").then(|| value.into_owned()))
            })
            .collect();
        assert!(decoded.iter().any(|value| value == text), "{text}: {page}");
    }
}

#[test]
fn a_name_of_the_url_stays_a_name_in_links() {
    let client = viewer(log(&own()), alice());
    let page = client.page("search?q=actor:carol&q%3Dactor:bob=x");
    let mut json = links(&page).filter(|link| link.starts_with("search.json?"));
    let expected = "search.json?q=actor:carol&q%3Dactor%3Abob=x";
    assert!(json.any(|link| link == expected), "{page}");
}

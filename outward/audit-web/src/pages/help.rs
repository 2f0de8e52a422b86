//! The query language and the keys.

use maud::html;
use serde_json::json;

use super::Content;
use crate::html::href;
use crate::reader::Reader;
use crate::request::{PageRequest, ROUTES, Route};
use crate::texts::t;

/// The terms of the query language, with their meanings.
const TERMS: [(&str, &str); 18] = [
    (
        "ticket 4711",
        "that contain the text in the object's text, the reason, the actor or a changed value",
    ),
    ("model:User", "of the model"),
    ("object:42", "of objects with the key"),
    (
        "parent:Company/7",
        "of an object and of the objects that belong to it",
    ),
    (
        "action:update",
        "of the action: create, update, delete, access or a name of the application",
    ),
    ("actor:alice", "of the actor, by id"),
    ("changed:address", "with a change of the field or inside it"),
    (
        "changed_from:status=open",
        "in which the field changed from the value",
    ),
    (
        "changed_to:status=closed",
        "in which the field changed to the value",
    ),
    (
        "since:2h",
        "of the last two hours; also 30m, 1d12h, 2w, today, yesterday, a date or a time",
    ),
    ("until:2026-01-31", "from before the day"),
    (
        "level:>=warning",
        "of the level or a higher one: debug, info, warning, error, critical",
    ),
    (
        "outcome:denied",
        "with the outcome: success, failure or denied",
    ),
    ("correlation:req-1", "of the request or job"),
    ("transaction:…", "of the transaction, by its id"),
    ("order:oldest", "with the oldest first"),
    (
        "model:User OR model:Invoice",
        "of either model; OR is in capitals",
    ),
    (
        "NOT (actor:alice action:update)",
        "that do not match both conditions",
    ),
];

/// The keys of the script.
const KEYS: [(&str, &str); 4] = [
    ("/", "go to the query"),
    ("j, k", "go to the next or the previous entry"),
    ("o", "open the entry"),
    ("?", "open this page"),
];

/// Whether a reader may ask for a term.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Permission {
    Yes,
    /// With other values than those of the example.
    Partly,
    No,
}

fn permission(reader: &Reader<'_>, term: &str) -> Permission {
    if term.ends_with('…') {
        return Permission::Partly;
    }
    match reader.parse(term) {
        Ok(_) => Permission::Yes,
        // A field is searched in a model that has it.
        Err(_) if term.starts_with("changed:") => Permission::Partly,
        Err(_) => Permission::No,
    }
}

pub(super) fn page(reader: &Reader<'_>, request: &PageRequest) -> Content {
    let terms = TERMS.map(|(term, keeps)| (term, keeps, permission(reader, term)));
    let terms = terms.into_iter();
    let terms = terms.filter(|(_, _, permission)| *permission != Permission::No);
    if request.is_json() {
        let terms: Vec<_> = terms
            .map(|(term, keeps, _)| json!({"term": term, "keeps": keeps}))
            .collect();
        let pages = ROUTES.into_iter().filter(|route| *route != Route::Events);
        let pages: Vec<_> = pages.map(Route::name).collect();
        return Content::json(&json!({"terms": terms, "pages": pages}));
    }
    let main = html! {
        h1 { (t("Help")) }
        p.lead { (t("A trail is a list of entries: who did what to which object, when, why and from where.")) }
        h2 #language { (t("The query language")) }
        p { (t("Terms are separated by spaces, and an entry matches if it matches all of them. A value with spaces is in double quotes:")) " " code { "actor:\"Alice Smith\"" } "." }
        table.state {
            caption.vh { (t("The terms of the query language")) }
            thead { tr { th scope="col" { (t("Term")) } th scope="col" { (t("Finds entries")) } } }
            tbody {
                @for (term, keeps, permission) in terms {
                    tr {
                        th scope="row" {
                            @if permission == Permission::Yes { a href=(href("search", &[("q", term)])) { code { (term) } } }
                            @else { code { (term) } }
                        }
                        td { (t(keeps)) }
                    }
                }
            }
        }
        h2 #tasks { (t("Common tasks")) }
        dl.questions {
            dt { (t("Find who changed a field, and why")) }
            dd { (t("Open the object, then “Who set what”. Each field has the entry that last set it, with its reason.")) }
            dt { (t("See an object as it was on a day")) }
            dd { (t("Open the object and enter the day below “State at a time”. A day begins at 00:00 UTC.")) }
            dt { (t("Compare two versions")) }
            dd { (t("Select the two versions in the history of the object, then “Compare the selected versions”.")) }
            dt { (t("See entries as they are committed")) }
            dd { (t("Open “Live”. Its query is that of a search.")) }
            dt { (t("Find everything that happened in the same request")) }
            dd { (t("Open an entry and follow “Request or job” or “Transaction”.")) }
        }
        h2 #words { (t("Words")) }
        dl.questions {
            dt { (t("masked, hashed")) }
            dd { (t("The value is not in the trail: it was masked, or replaced by a code; equal values have the same code.")) }
            dt { (t("absent, null")) }
            dd { (t("A field that does not exist, and a field without a value.")) }
            dt { span.break { "↵" } }
            dd { (t("A line break of a text that is shown on one line.")) }
            dt { span.code { "U+202E" } }
            dd { (t("A character that could reorder, hide or imitate text is shown by its code point; after the first eight in a text, by the sign �.")) }
        }
        h2 #keys { (t("Keys")) }
        table.state {
            caption.vh { (t("The keys of the pages")) }
            thead { tr { th scope="col" { (t("Key")) } th scope="col" { (t("Action")) } } }
            tbody { @for (key, action) in KEYS { tr { th scope="row" { kbd { (key) } } td { (t(action)) } } } }
        }
        p.note { (t("The keys work with the script, outside of text fields.")) " " span #key-choice {} }
    };
    Content::html(t("Help"), main)
}

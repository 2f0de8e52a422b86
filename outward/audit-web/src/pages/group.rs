//! Entries that belong together: of an aggregate, a transaction, or a request or job.

use audit_core::Query;
use maud::{Markup, html};
use serde_json::json;
use uuid::Uuid;

use super::listing::{Listing, search_link};
use super::{Content, object_head, object_param};
use crate::error::Failure;
use crate::html::{Labels, Shown, short};
use crate::reader::Reader;
use crate::request::{PageRequest, Route};
use crate::texts::t;

/// The entries of an object and of the objects that belong to it.
pub(super) fn aggregate(reader: &Reader<'_>, request: &PageRequest) -> Result<Content, Failure> {
    let object = object_param(request)?;
    let query = Query::new().parent(object.clone());
    // The object itself may have no entry. Whether it has versions depends on all of its entries.
    let pages: &[Route] = if reader.has_entries(&object)? {
        &[Route::Object, Route::Aggregate]
    } else {
        &[Route::Aggregate]
    };
    let head = html! {
        (object_head(&object, "", Route::Aggregate, pages))
        p.lead { (t("The entries of the object and of the objects that name it as their parent.")) }
    };
    let own = [
        ("model", object.model.as_str()),
        ("key", object.object_pk.as_str()),
    ];
    let title = format!("{object}: {}", t("With its parts"));
    list(reader, request, query.newest_first(), &own, &title, &head)
}

/// The entries of a transaction, in the order in which they were made.
pub(super) fn transaction(reader: &Reader<'_>, request: &PageRequest) -> Result<Content, Failure> {
    let text = request.params.require("id")?;
    let id: Uuid = text
        .trim()
        .parse()
        .map_err(|_| Failure::NotFound("transaction"))?;
    let head = html! {
        div.head { p.kicker { (t("Transaction")) } h1 { code { (id) } } }
        p.lead { (t("The entries that were recorded together, all or none.")) }
    };
    let query = Query::new().transaction(id);
    list(
        reader,
        request,
        query,
        &[("id", text)],
        t("Transaction"),
        &head,
    )
}

/// The entries of a request or a job, in the order in which they were made.
pub(super) fn correlation(reader: &Reader<'_>, request: &PageRequest) -> Result<Content, Failure> {
    let id = request.params.require("id")?;
    let head = html! {
        div.head { p.kicker { (t("Request or job")) } h1 { code { (short(id, 200)) } } }
        p.lead { (t("The entries with this correlation id.")) }
    };
    let query = Query::new().correlation_id(id);
    list(
        reader,
        request,
        query,
        &[("id", id)],
        t("Request or job"),
        &head,
    )
}

fn list(
    reader: &Reader<'_>,
    request: &PageRequest,
    query: Query,
    own: &[(&str, &str)],
    title: &str,
    head: &Markup,
) -> Result<Content, Failure> {
    let terms = reader.terms(&query).with_options(&query);
    let listing = Listing::read(reader, request, query)?;
    if request.is_json() {
        let mut value = listing.json()?;
        value["query"] = json!(terms.text());
        return Ok(Content::json(&value));
    }
    let labels = Labels::of(reader.log());
    let shown = Shown {
        caption: title,
        terms: &terms,
        labels: &labels,
        object: true,
    };
    let main = html! {
        (head)
        (listing.section(request.route, own, &search_link(&terms), &shown))
    };
    Ok(Content::html(title, main))
}

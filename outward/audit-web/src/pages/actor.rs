//! The page of an actor: its entries and their counts.

use audit_core::Query;
use maud::html;
use serde_json::json;

use super::Content;
use super::listing::{Listing, search_link};
use crate::error::Failure;
use crate::html::{Labels, Shown, moment, short, timestamp};
use crate::reader::Reader;
use crate::request::{PageRequest, Route};
use crate::texts::t;

pub(super) fn page(reader: &Reader<'_>, request: &PageRequest) -> Result<Content, Failure> {
    let id = request.params.require("id")?;
    let query = Query::new().actor(id);
    let first = reader.first(&query.clone().oldest_first())?;
    let last = reader.first(&query.clone().newest_first())?;
    let terms = reader.terms(&query);
    let listing = Listing::read(reader, request, query.newest_first())?;
    let (Some(first), Some(last)) = (first, last) else {
        return Err(Failure::NotFound("actor"));
    };
    if request.is_json() {
        let mut value = listing.json()?;
        value["actor"] = json!(id);
        value["first"] = json!(timestamp(first.timestamp));
        value["last"] = json!(timestamp(last.timestamp));
        return Ok(Content::json(&value));
    }
    let labels = Labels::of(reader.log());
    let name = last.actor.as_ref().map_or(id, |actor| actor.name());
    let shown = Shown {
        caption: t("The entries of the actor, newest first"),
        terms: &terms,
        labels: &labels,
        object: true,
    };
    let main = html! {
        div.head {
            p.kicker { (t("Actor")) " " code { (short(id, 200)) } }
            h1 { (short(name, 200)) }
        }
        p.lead { (t("Active from")) " " (moment(first.timestamp)) " " (t("to")) " " (moment(last.timestamp)) "." }
        (listing.section(Route::Actor, &[("id", id)], &search_link(&terms), &shown))
    };
    Ok(Content::html(name, main))
}

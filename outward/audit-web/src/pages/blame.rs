//! Blame: the last change of each part of an object, with actor, time and reason.

use audit_core::Path;
use maud::{Markup, html};
use serde_json::json;

use super::{Content, object_head, object_link, object_pages, object_param};
use crate::error::Failure;
use crate::html::{
    Labels, MAX_ROWS, Space, actor, cut, full, href, moment, more_rows, safe, short,
};
use crate::object_history::Part;
use crate::reader::Reader;
use crate::request::{PageRequest, Route};
use crate::terms::Terms;
use crate::texts::t;

/// The number of parts in JSON, and of characters of each reason there.
const MAX_PARTS: usize = 5_000;
const REASON: usize = 500;

pub(super) fn page(reader: &Reader<'_>, request: &PageRequest) -> Result<Content, Failure> {
    let object = object_param(request)?;
    let history = reader.complete_history(&object)?;
    let limit = if request.is_json() {
        MAX_PARTS
    } else {
        MAX_ROWS
    };
    let (version, parts, more) = history.blame(limit);
    let shows_gaps = history.shows_gaps();
    if request.is_json() {
        let parts: Vec<_> = parts
            .iter()
            .map(|part| {
                let reason = part.entry.reason.as_deref();
                let reason = reason.map(|reason| cut(reason, REASON));
                json!({
                    "path": part.path,
                    "value": part.value,
                    "version": part.version,
                    "entry": part.entry.id,
                    "time": crate::html::timestamp(part.entry.timestamp),
                    "actor": part.entry.actor.as_ref().map(|actor| &actor.id),
                    // Each part has the reason of its entry, so a long one would be repeated.
                    "reason": reason.map(|(text, _)| text),
                    "reason_is_cut": reason.is_some_and(|(_, is_cut)| is_cut),
                    "unrecorded": shows_gaps.then_some(part.is_unrecorded),
                })
            })
            .collect();
        return Ok(Content::json(&json!({
            "model": object.model,
            "key": object.object_pk,
            "version": version,
            "parts": parts,
            "more": more,
        })));
    }
    let labels = Labels::of(reader.log());
    let space = Space::new();
    let repr = history
        .newest()
        .map(|entry| entry.object_repr.clone())
        .unwrap_or_default();
    let is_deleted = version < history.versions();
    let main = html! {
        (object_head(&object, &repr, Route::Blame, object_pages(&history)))
        h2 { (t("Who set what")) }
        p.lead {
            (t("Each field with the entry that last set it, as of version")) " " (version) "."
            @if is_deleted { " " (t("The object was deleted afterwards.")) }
        }
        @if parts.is_empty() {
            p.note { (t("No field of this object is recorded.")) }
        } @else {
            table.blame {
                caption.vh { (t("The fields of the object, and who set each of them")) }
                thead {
                    tr {
                        th scope="col" { (t("Field")) }
                        th scope="col" { (t("Value")) }
                        th scope="col" { (t("Set by")) }
                        th scope="col" { (t("When and why")) }
                    }
                }
                tbody {
                    @for part in &parts { (row(part, &object, &labels, &space)) }
                    @if more > 0 { tr { td.note colspan="4" { (more_rows(more)) } } }
                }
            }
        }
    };
    Ok(Content::html(
        format!("{}: {} {repr}", t("Who set what"), object.model),
        main,
    ))
}

fn row(part: &Part<'_>, object: &audit_core::ObjectRef, labels: &Labels, space: &Space) -> Markup {
    let path: Result<Path, _> = part.path.parse();
    let label = path
        .ok()
        .and_then(|path| labels.label(&object.model, &path));
    let entry = &part.entry;
    let link = href("entry", &[("id", &entry.id.to_string())]);
    html! {
        tr {
            th scope="row" {
                @match label {
                    Some(label) => span title=(part.path) { (safe(&label)) },
                    None => (short(&part.path, 120)),
                }
            }
            td.value {
                @match &part.value {
                    Some(value) => (full(value, space)),
                    None => span.word { (t("hidden from you")) },
                }
                @if part.is_unrecorded { " " span.tag.bad { (t("changed without an entry")) } }
            }
            td.who { (actor(entry, &Terms::default())) }
            td.how {
                a href=(link) { (moment(entry.timestamp)) }
                @if let Some(version) = part.version {
                    " " a.note href=[object_link(Route::Object, object, &[("version", &version.to_string())])] { (t("version")) " " (version) }
                }
                @if let Some(reason) = &entry.reason {
                    p.reason { span.vh { (t("Reason:")) " " } (short(reason, 240)) }
                }
            }
        }
    }
}

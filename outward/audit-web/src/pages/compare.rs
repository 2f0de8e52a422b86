//! The differences between two versions of an object.

use audit_core::Query;
use maud::{Markup, html};
use serde_json::json;

use super::{Content, object_fields, object_head, object_link, object_pages, object_param};
use crate::error::Failure;
use crate::html::{Labels, Of, Space, actor, change_rows, moment};
use crate::object_history::ObjectHistory;
use crate::reader::Reader;
use crate::request::{PageRequest, Route};
use crate::terms::Terms;
use crate::texts::t;

pub(super) fn page(reader: &Reader<'_>, request: &PageRequest) -> Result<Content, Failure> {
    let object = object_param(request)?;
    let history = reader.complete_history(&object)?;
    let versions = history.versions();
    let expected = "the number of a version";
    let to = request.params.parsed("to", expected)?.unwrap_or(versions);
    let from = request
        .params
        .parsed("from", expected)?
        .unwrap_or(to.saturating_sub(1).max(1));
    let changes = history.diff(from, to).ok_or(Failure::NotFound("version"))?;
    if request.is_json() {
        return Ok(Content::json(&json!({
            "model": object.model,
            "key": object.object_pk,
            "from": from,
            "to": to,
            "versions": versions,
            "changes": serde_json::to_value(&changes)?,
            "values_hidden": history.hides_values(),
        })));
    }
    let labels = Labels::of(reader.log());
    let terms = reader.terms(&Query::new());
    let repr = history
        .newest()
        .map(|entry| entry.object_repr.clone())
        .unwrap_or_default();
    let main = html! {
        (object_head(&object, &repr, Route::Compare, object_pages(&history)))
        (form(&history, from, to))
        h2 { (t("From version")) " " (from) " " (t("to version")) " " (to) }
        @if history.hides_values() {
            p.note { (t("Values are hidden from you. These are the fields that entries between the versions changed; the values of the two versions may be equal.")) }
        }
        @if changes.is_empty() {
            p.note {
                @if history.hides_values() { (t("No entry between the versions changed a field.")) }
                @else { (t("The two versions are equal.")) }
            }
        } @else {
            table.changes-table {
                caption.vh { (t("The fields that changed")) }
                thead {
                    tr {
                        th scope="col" { (t("Field")) }
                        th scope="col" { (side(&history, from)) }
                        th scope="col" { (side(&history, to)) }
                    }
                }
                tbody { (change_rows(Of::Versions, &object.model, changes.iter(), &labels, &terms, &Space::new())) }
            }
        }
    };
    Ok(Content::html(
        format!(
            "{} {from}, {to}: {} {repr}",
            t("Compare versions"),
            object.model
        ),
        main,
    ))
}

fn form(history: &ObjectHistory, from: usize, to: usize) -> Markup {
    let versions = history.versions();
    let object = history.object();
    let link = |from: usize, to: usize| -> Option<_> {
        let (from, to) = (from.to_string(), to.to_string());
        object_link(Route::Compare, object, &[("from", &from), ("to", &to)])
    };
    html! {
        form.compare action="compare" {
            (object_fields(object))
            p {
                label for="from" { (t("From version")) }
                input #from type="number" name="from" min="1" max=(versions) value=(from);
                label for="to" { (t("to version")) }
                input #to type="number" name="to" min="1" max=(versions) value=(to);
                " " (t("of")) " " (versions) " "
                button type="submit" { (t("Compare")) }
            }
        }
        nav.pager aria-label=(t("Other comparisons")) {
            @if from.min(to) > 1 && from.max(to) <= versions { a rel="prev" href=[link(from - 1, to - 1)] { (t("← Earlier")) } }
            @if to != from { a href=[link(to, from)] { (t("Swap the versions")) } }
            @if from.max(to) < versions { a rel="next" href=[link(from + 1, to + 1)] { (t("Later →")) } }
        }
    }
}

fn side(history: &ObjectHistory, version: usize) -> Markup {
    html! {
        (t("Version")) " " (version)
        @if let Some(entry) = history.version(version) {
            span.note { (moment(entry.timestamp)) " " (t("by")) " " (actor(&entry, &Terms::default())) }
        }
    }
}

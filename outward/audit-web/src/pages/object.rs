//! The history of an object: its versions, and its state in any of them or at any time.

use std::collections::{HashMap, HashSet};

use audit_core::backend::approximate_bytes;
use audit_core::{Action, ObjectRef, Path, PathSegment};
use chrono::{DateTime, TimeDelta, Utc};
use maud::{Markup, html};
use serde_json::{Value, json};

use super::{
    Content, JSON_BYTES, counted, entry_json, object_fields, object_head, object_link,
    object_pages, object_param, time_param,
};
use crate::error::Failure;
use crate::html::{
    Labels, MAX_ROWS, Space, action, actor, full, href, inline_changes, moment, more_rows, outcome,
    safe, search, short, timestamp,
};
use crate::object_history::{NumberedEntry, ObjectHistory, State};
use crate::reader::{Reader, of_object};
use crate::request::{PageRequest, Route};
use crate::terms::Terms;
use crate::texts::t;

/// The number of entries of an object on a page.
const PAGE: usize = 50;
/// The number of missing parts on a page.
const MISSING: usize = 100;

/// The state that the parameters select.
struct Selected {
    state: State,
    /// The number of the version; `None` if versions have no numbers.
    version: Option<usize>,
    /// Whether the object was deleted by then.
    is_deleted: bool,
    /// Whether the object was created after the selected time.
    is_created_later: bool,
    /// The time of the last version in the selected second, if it is after the selected time.
    later_in_second: Option<DateTime<Utc>>,
    heading: Markup,
    at: Option<String>,
}

pub(super) fn page(reader: &Reader<'_>, request: &PageRequest) -> Result<Content, Failure> {
    let object = object_param(request)?;
    let history = reader.history(&object, None)?;
    let selected = selected(reader, &history, request)?;
    let below: Option<usize> = request.params.parsed("below", "a number")?;
    // Positions in a part of a history would change with each new entry.
    let below = below.filter(|_| !history.is_partial());
    let end = below.map_or(history.len(), |below| {
        below.saturating_sub(1).min(history.len())
    });
    let start = end.saturating_sub(PAGE);
    if request.is_json() {
        return json(&history, &selected, start, end);
    }
    let shown = history.entries(start..end);
    let labels = Labels::of(reader.log());
    let repr = history
        .newest()
        .map(|entry| entry.object_repr.clone())
        .unwrap_or_default();
    let older = (start > 0 && !history.is_partial()).then(|| (start + 1).to_string());
    let main = html! {
        (object_head(&object, &repr, Route::Object, object_pages(&history)))
        (lead(&history, reader.grant.is_unrestricted()))
        div.columns {
            section.primary aria-labelledby="versions" {
                h2 #versions { (t("History")) }
                (timeline(&shown, &history, &labels, &reader.terms(&of_object(&object))))
                @if older.is_some() || end < history.len() {
                    nav.pager aria-label=(t("More entries")) {
                        @if end < history.len() { a href=[object_link(Route::Object, &object, &[])] { (t("Newest entries")) } }
                        @if let Some(older) = older { a rel="next" href=[object_link(Route::Object, &object, &[("below", &older)])] { (t("Older →")) } }
                    }
                }
            }
            aside.state-side aria-labelledby="state" {
                (as_of_form(&history, &selected))
                (state(&object, &selected, &labels))
            }
        }
    };
    Ok(Content::html(format!("{} {repr}", object.model), main))
}

/// Returns the state that the parameters `at` or `version` select: the newest one without them.
fn selected(
    reader: &Reader<'_>,
    history: &ObjectHistory,
    request: &PageRequest,
) -> Result<Selected, Failure> {
    let numbered = |version: usize| (!history.is_partial()).then_some(version);
    if let Some(time) = time_param(request, "at")? {
        let given = request.params.get("at").unwrap_or_default();
        let end = end_of_second(given, time);
        let earlier = if history.is_partial() {
            let last = end.map_or(time, |end| end - TimeDelta::microseconds(1));
            Some(reader.history(history.object(), Some(last))?)
        } else {
            None
        };
        let read = earlier.as_ref().unwrap_or(history);
        return Ok(Selected {
            state: read.as_of(time),
            version: numbered(history.version_at(time)),
            is_deleted: read.is_deleted_at(time),
            is_created_later: read.is_created_after(time),
            later_in_second: end.and_then(|end| read.last_between(time, end)),
            heading: html! { (t("State on")) " " (moment(time)) },
            at: Some(given.to_owned()),
        });
    }
    if let Some(version) = request
        .params
        .parsed::<usize>("version", "the number of a version")?
    {
        if history.is_partial() {
            return Err(Failure::Parameter {
                name: "version".into(),
                message: "is not available for this object, which has too many entries; use `at` \
                          with a time"
                    .to_owned(),
            });
        }
        return Ok(Selected {
            state: history
                .at_version(version)
                .ok_or(Failure::NotFound("version"))?,
            version: Some(version),
            is_deleted: is_deletion(history, version),
            is_created_later: false,
            later_in_second: None,
            heading: html! { (t("State in version")) " " (version) },
            at: None,
        });
    }
    Ok(Selected {
        state: history.latest(),
        version: numbered(history.versions()),
        is_deleted: history.is_deleted(),
        is_created_later: false,
        later_in_second: None,
        heading: html! { (t("Newest state")) },
        at: None,
    })
}

/// Returns the end of the second that begins at a time, if the text that gives the time has no
/// fraction. Pages show the times of versions without their fractions.
fn end_of_second(given: &str, time: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let is_exact = given.contains('.') || time.timestamp_subsec_nanos() > 0;
    time.checked_add_signed(TimeDelta::seconds(1))
        .filter(|_| !is_exact)
}

fn is_deletion(history: &ObjectHistory, version: usize) -> bool {
    let entry = history.version(version);
    entry.is_some_and(|entry| entry.action == Action::Delete)
}

/// Returns the newest entries of a range as JSON, as many as fit.
fn json(
    history: &ObjectHistory,
    selected: &Selected,
    start: usize,
    end: usize,
) -> Result<Content, Failure> {
    let mut entries = Vec::new();
    let mut bytes = 0;
    let mut first = end;
    while first > start && bytes < JSON_BYTES {
        first -= 1;
        for numbered in history.entries(first..first + 1) {
            let entry = entry_json(&numbered.entry)?;
            bytes += approximate_bytes(&numbered.entry);
            entries.push(json!({"version": numbered.version, "entry": entry}));
        }
    }
    let object = history.object();
    let is_partial = history.is_partial();
    Ok(Content::json(&json!({
        "model": object.model,
        "key": object.object_pk,
        "versions": (!is_partial).then(|| history.versions()),
        "version": selected.version,
        "state": selected.state.state,
        "missing": missing_json(&selected.state),
        "entries": entries,
        "below": (first > 0 && !is_partial).then_some(first + 1),
        "complete": !is_partial,
    })))
}

fn missing_json(state: &State) -> Value {
    let missing = state.missing.iter();
    missing
        .map(|(path, reason)| json!({"path": path, "reason": reason}))
        .collect()
}

fn lead(history: &ObjectHistory, is_unrestricted: bool) -> Markup {
    let first = history.entries(0..1).pop();
    let last = history.newest();
    html! {
        p.lead {
            @if history.is_partial() {
                (t("The newest")) " " (counted(history.len(), "entry", "entries")) " "
                (t("of this object. It has too many entries to number its versions.")) " "
                a href=[search(&Terms::default(), &of_object(history.object()))] { (t("Search in all entries")) }
                ". "
            } @else if let (Some(first), Some(last)) = (first, last) {
                (counted(history.versions(), "version", "versions"))
                " " (t("in")) " " (counted(history.len(), "entry", "entries"))
                ", " (t("from")) " " (moment(first.entry.timestamp)) " " (t("to")) " " (moment(last.timestamp)) ". "
            }
            @if history.is_deleted() { strong.tag.bad { (t("deleted")) } }
        }
        @if !is_unrestricted {
            p.note { (t("Only entries within your permissions are shown, and the state consists of them.")) }
        }
    }
}

/// Shows the entries, newest first, in a form that compares two versions.
fn timeline(
    shown: &[NumberedEntry<'_>],
    history: &ObjectHistory,
    labels: &Labels,
    terms: &Terms,
) -> Markup {
    let object = history.object();
    let newest = shown.iter().rev().find_map(|numbered| numbered.version);
    let is_comparable = newest.is_some_and(|newest| newest > 1);
    html! {
        form.timeline action="compare" {
            (object_fields(object))
            @if is_comparable {
                p.buttons { button type="submit" { (t("Compare the selected versions")) } }
            }
            table.entries.versions {
                caption.vh { (t("The entries of the object, newest first")) }
                thead {
                    tr {
                        th scope="col" { (t("Version")) }
                        th scope="col" { (t("When")) }
                        th scope="col" { (t("Who")) }
                        th scope="col" { (t("Changes")) }
                    }
                }
                tbody {
                    @for numbered in shown.iter().rev() {
                        (row(numbered, object, newest, is_comparable, labels, terms))
                    }
                }
            }
        }
    }
}

fn row(
    numbered: &NumberedEntry<'_>,
    object: &ObjectRef,
    newest: Option<usize>,
    is_comparable: bool,
    labels: &Labels,
    terms: &Terms,
) -> Markup {
    let entry = &numbered.entry;
    let link = href("entry", &[("id", &entry.id.to_string())]);
    html! {
        tr.entry {
            td.number {
                @if let Some(version) = numbered.version {
                    @if is_comparable {
                        span.pick {
                            input type="radio" name="from" value=(version) aria-label={ (t("Compare from version")) " " (version) } checked[newest.is_some_and(|newest| version + 1 == newest)];
                            input type="radio" name="to" value=(version) aria-label={ (t("Compare to version")) " " (version) } checked[newest == Some(version)];
                        }
                    }
                    a href=[object_link(Route::Object, object, &[("version", &version.to_string())])] title=(t("State in this version")) { (version) }
                } @else { span.note { "–" } }
            }
            td.when { a href=(link) { (moment(entry.timestamp)) } }
            td.who { (actor(entry, terms)) }
            td.how {
                (action(entry, terms)) (outcome(entry, terms))
                (inline_changes(entry, labels, terms, &link))
                @if let Some(reason) = &entry.reason {
                    p.reason { span.vh { (t("Reason:")) " " } (short(reason, 240)) }
                }
            }
        }
    }
}

fn as_of_form(history: &ObjectHistory, selected: &Selected) -> Markup {
    let object = history.object();
    let versions = history.versions();
    let version = selected
        .version
        .unwrap_or(versions)
        .clamp(1, versions.max(1));
    html! {
        div.asof {
            form action="object" {
                (object_fields(object))
                label for="at" { (t("State at a time")) " (UTC)" }
                div.line {
                    input #at name="at" value=(selected.at.as_deref().unwrap_or_default()) placeholder=(t("2014-05-01 or 2h")) autocomplete="off" spellcheck="false";
                    button type="submit" { (t("Show")) }
                }
            }
            @if versions > 1 {
                form action="object" {
                    (object_fields(object))
                    label for="version" { (t("State in a version")) }
                    div.line {
                        input #version type="range" name="version" min="1" max=(versions) value=(version) data-output="version-number";
                        output #version-number for="version" { (version) }
                        button type="submit" { (t("Show")) }
                    }
                }
            }
        }
    }
}

fn state(object: &ObjectRef, selected: &Selected, labels: &Labels) -> Markup {
    let model = &object.model;
    let state = &selected.state.state;
    let mut rows = Rows::default();
    rows.add(state, &mut Vec::new());
    let space = Space::new();
    // The first reason of each part, and the parts that have a row.
    let mut reasons: HashMap<&str, &str> = HashMap::new();
    for (path, reason) in &selected.state.missing {
        reasons.entry(path).or_insert(reason);
    }
    let paths: HashSet<&str> = rows.shown.iter().map(|(path, _)| path.as_str()).collect();
    // A part with a row after the shown ones is in the state, too.
    let has_row = |path: &str| {
        let found = path.parse::<Path>().ok();
        let found = found.filter(|path| rows.more > 0 && *path != Path::ROOT);
        paths.contains(path) || found.is_some_and(|path| path.find_in(state).is_some())
    };
    let missing_parts = selected.state.missing.iter();
    let without_row: Vec<_> = missing_parts.filter(|(path, _)| !has_row(path)).collect();
    html! {
        h2 #state { (selected.heading) }
        @if let Some(later) = selected.later_in_second.map(timestamp) {
            p.note {
                (t("The object changed later in this second, last at")) " "
                a href=[object_link(Route::Object, object, &[("at", &later)])] { (later) } "."
            }
        }
        @if state.is_null() {
            p.note {
                @if selected.is_deleted { (t("The object did not exist.")) }
                @else if selected.is_created_later { (t("The object did not exist at that time.")) }
                @else { (t("The trail has no state of the object.")) }
            }
        } @else {
            @if let Some(version) = selected.version { p.note { (t("After version")) " " (version) "." } }
            table.state {
                caption.vh { (t("The fields of the object and their values")) }
                thead.vh { tr { th scope="col" { (t("Field")) } th scope="col" { (t("Value")) } } }
                tbody {
                    @for (path, value) in &rows.shown {
                        tr {
                            th scope="row" {
                                @match labels.label(model, path) {
                                    Some(label) => span title=(path) { (safe(&label)) },
                                    None => (short(path.as_str(), 120)),
                                }
                            }
                            td {
                                (full(value, &space))
                                // Why the value is not the real one.
                                @if let Some(reason) = reasons.get(path.as_str()) { " " span.tag { (t(reason)) } }
                            }
                        }
                    }
                }
            }
            @if rows.more > 0 { p.note { (more_rows(rows.more)) } }
        }
        (missing(&without_row))
    }
}

/// Shows the missing parts that have no row.
fn missing(parts: &[&(String, String)]) -> Markup {
    html! {
        @if !parts.is_empty() {
            h3 { (t("Missing from this state")) }
            ul.plain {
                @for (path, reason) in parts.iter().take(MISSING) {
                    li {
                        @if path == "$" { (t("The object:")) " " } @else { code { (short(path, 120)) } ": " }
                        (t(reason))
                    }
                }
                @if parts.len() > MISSING { li.note { (more_rows(parts.len() - MISSING)) } }
            }
        }
    }
}

/// The first fields of a state, those of nested objects and of lists of objects by their paths.
#[derive(Default)]
struct Rows<'v> {
    shown: Vec<(Path, &'v Value)>,
    /// The number of fields after them.
    more: usize,
}

impl<'v> Rows<'v> {
    /// Adds the fields of a value at a path. Those after the shown ones are counted alone.
    fn add(&mut self, value: &'v Value, segments: &mut Vec<PathSegment>) {
        if self.shown.len() >= MAX_ROWS {
            self.more += fields(value);
            return;
        }
        match value {
            Value::Object(fields) if !fields.is_empty() => {
                for (name, value) in fields {
                    segments.push(PathSegment::Name(name.clone()));
                    self.add(value, segments);
                    segments.pop();
                }
            }
            // The items of a list of objects, such as addresses, by their index.
            Value::Array(items) if items.iter().any(Value::is_object) => {
                for (index, item) in items.iter().enumerate() {
                    segments.push(PathSegment::Index(index));
                    self.add(item, segments);
                    segments.pop();
                }
            }
            value => self.shown.push((Path::from_segments(segments), value)),
        }
    }
}

/// Returns the number of rows that a value has.
fn fields(value: &Value) -> usize {
    match value {
        Value::Object(members) if !members.is_empty() => members.values().map(fields).sum(),
        Value::Array(items) if items.iter().any(Value::is_object) => items.iter().map(fields).sum(),
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_after_the_shown_ones_are_counted_alone() {
        let nested = json!({"a": [{"b": 1, "c": []}, {}], "d": [1, 2], "e": {}});
        let state: serde_json::Map<_, _> = (0..10_000)
            .map(|number| (format!("f{number:05}"), nested.clone()))
            .collect();
        let state = Value::Object(state);
        let mut rows = Rows::default();
        rows.add(&state, &mut Vec::new());
        assert_eq!(rows.shown.len(), MAX_ROWS);
        // Five rows each: `a[0].b`, `a[0].c`, `a[1]`, `d` and `e`.
        assert_eq!(rows.more, 50_000 - MAX_ROWS);
        let paths: Vec<_> = rows.shown[..5]
            .iter()
            .map(|(path, _)| path.as_str())
            .collect();
        let expected = ["a[0].b", "a[0].c", "a[1]", "d", "e"].map(|path| format!("f00000.{path}"));
        assert_eq!(paths, expected);
    }
}

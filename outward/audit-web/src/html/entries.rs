//! Tables of entries.

use audit_core::{Action, Level, LogEntry, Outcome, Query};
use chrono::NaiveDate;
use maud::{Markup, html};

use super::change::inline_changes;
use super::label::Labels;
use super::link::{href, search, short_href};
use super::text::{safe, short};
use super::time::{day, time_of_day};
use crate::terms::Terms;
use crate::texts::t;

/// The number of characters of a reason in a list.
const REASON: usize = 240;

/// The options of a table of entries.
pub(crate) struct Shown<'s> {
    /// The caption, for readers who do not see the page.
    pub(crate) caption: &'s str,
    /// The terms that links of values add to.
    pub(crate) terms: &'s Terms,
    pub(crate) labels: &'s Labels,
    /// Whether the object has a column.
    pub(crate) object: bool,
}

/// Shows entries, with a heading for each day.
pub(crate) fn entry_table(entries: &[LogEntry], shown: &Shown<'_>) -> Markup {
    let mut last: Option<NaiveDate> = None;
    html! {
        table.entries {
            caption.vh { (safe(shown.caption)) }
            thead {
                tr {
                    th scope="col" { (t("Time")) " " span.zone { "UTC" } }
                    th scope="col" { (t("Who")) }
                    th scope="col" { @if shown.object { (t("What")) } @else { (t("Action")) } }
                    th scope="col" { (t("Changes")) }
                }
            }
            tbody {
                @for entry in entries {
                    @let date = entry.timestamp.date_naive();
                    @if last.replace(date) != Some(date) {
                        (day_row(entry))
                    }
                    (row(entry, shown))
                }
            }
        }
    }
}

/// Shows an entry as it is added to a table: below the heading of its day.
pub(crate) fn live_rows(entry: &LogEntry, labels: &Labels, terms: &Terms) -> Markup {
    let shown = Shown {
        caption: "",
        terms,
        labels,
        object: true,
    };
    html! { (day_row(entry)) (row(entry, &shown)) }
}

fn day_row(entry: &LogEntry) -> Markup {
    html! { tr.day { th colspan="4" scope="rowgroup" { (day(entry.timestamp)) } } }
}

fn row(entry: &LogEntry, shown: &Shown<'_>) -> Markup {
    let id = entry.id.to_string();
    let link = href("entry", &[("id", &id)]);
    html! {
        tr class={ "entry " (severity(entry)) } {
            td.when { a href=(link) { (time_of_day(entry.timestamp)) span.vh { " " (t("entry")) } } }
            td.who { (actor(entry, shown.terms)) }
            td.what {
                (action(entry, shown.terms))
                @if shown.object { " " (object(entry, shown.terms)) }
                (outcome(entry, shown.terms))
            }
            td.how {
                (inline_changes(entry, shown.labels, shown.terms, &link))
                @if let Some(reason) = &entry.reason {
                    p.reason { span.vh { (t("Reason:")) " " } (short(reason, REASON)) }
                }
            }
        }
    }
}

/// Returns the class for the level and the outcome of an entry.
fn severity(entry: &LogEntry) -> &'static str {
    match entry.level {
        Level::Debug => "debug",
        Level::Info => "info",
        Level::Warning => "warning",
        Level::Error | Level::Critical => "severe",
    }
}

/// Shows the actor as a link to the search for the actor's entries.
pub(crate) fn actor(entry: &LogEntry, terms: &Terms) -> Markup {
    let Some(actor) = &entry.actor else {
        return html! { span.word { (t("unknown")) } };
    };
    html! {
        a href=[search(terms, &Query::new().actor(actor.id.as_str()))] title=(t("Entries of this actor")) {
            (short(actor.name(), 80))
        }
        @if let Some(other) = &actor.on_behalf_of {
            " " span.note { (t("for")) " " (short(other, 80)) }
        }
    }
}

/// Shows the action as a link to the search for it.
pub(crate) fn action(entry: &LogEntry, terms: &Terms) -> Markup {
    let kind = match &entry.action {
        Action::Create => "create",
        Action::Update => "update",
        Action::Delete => "delete",
        Action::Access => "access",
        _ => "custom",
    };
    html! {
        a class={ "action " (kind) } href=[search(terms, &Query::new().action(entry.action.clone()))] title=(t("Entries of this action")) {
            (short(entry.action.as_str(), 40))
        }
    }
}

/// Shows the model as a link to the search for it, and the object as a link to its history.
pub(crate) fn object(entry: &LogEntry, terms: &Terms) -> Markup {
    let text = match entry.object_repr.as_str() {
        "" => entry.object_pk.as_str(),
        repr => repr,
    };
    let name = html! { span.object { (short(text, 80)) } };
    let own = [("model", &*entry.model), ("key", &*entry.object_pk)];
    html! {
        @if !entry.model.is_empty() {
            a.model href=[search(terms, &Query::new().model_name(&entry.model))] title=(t("Entries of this model")) { (short(&entry.model, 60)) } " "
        }
        @if entry.object_pk.is_empty() { span { (name) } }
        @else { a.objectlink href=[short_href("object", &own)] title=(t("History of this object")) { (name) } }
    }
}

/// Shows an outcome other than success, and a level above info, as links to the searches for them.
pub(crate) fn outcome(entry: &LogEntry, terms: &Terms) -> Markup {
    let name = match entry.outcome {
        Outcome::Failure => "failed",
        other => other.as_str(),
    };
    html! {
        @if entry.outcome != Outcome::Success {
            " " a.tag.bad href=[by_outcome(terms, entry)] title=(t("Entries with this outcome")) { (t(name)) }
        } @else if entry.level >= Level::Error {
            " " a.tag.bad href=[by_level(terms, entry)] title=(t("Entries of this level or a higher one")) { (entry.level.as_str().to_lowercase()) }
        }
    }
}

/// Returns the link to the entries with the outcome of an entry.
pub(crate) fn by_outcome(terms: &Terms, entry: &LogEntry) -> Option<String> {
    search(terms, &Query::new().outcome(entry.outcome))
}

/// Returns the link to the entries with at least the level of an entry.
pub(crate) fn by_level(terms: &Terms, entry: &LogEntry) -> Option<String> {
    search(terms, &Query::new().level_at_least(entry.level))
}

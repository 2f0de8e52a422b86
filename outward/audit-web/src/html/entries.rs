//! Tables of entries.

use audit_core::backend::projection::Condition;
use audit_core::{Action, Level, LogEntry, Outcome};
use chrono::NaiveDate;
use maud::{Markup, Render, html};

use super::change::inline_changes;
use super::label::Labels;
use super::link::{Link, href, search_for, short_href};
use super::text::{safe, short};
use super::time::{day, time_of_day};
use super::{FromFn, enclose};
use crate::terms::Terms;
use crate::texts::t;

/// The number of characters of a reason in a list.
const REASON: usize = 240;
/// The bytes of most rows.
const ROW: usize = 2_048;

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
pub(crate) fn entry_table<'t>(entries: &'t [LogEntry], shown: &'t Shown<'_>) -> impl Render + 't {
    let head = move || {
        html! {
            caption.vh { (safe(shown.caption)) }
            thead {
                tr {
                    th scope="col" { (t("Time")) " " span.zone { "UTC" } }
                    th scope="col" { (t("Who")) }
                    th scope="col" { @if shown.object { (t("What")) } @else { (t("Action")) } }
                    th scope="col" { (t("Changes")) }
                }
            }
        }
    };
    FromFn(move |page: &mut String| {
        page.reserve(entries.len() * ROW);
        page.push_str("<table class=\"entries\">");
        head().render_to(page);
        page.push_str("<tbody>");
        let mut last: Option<NaiveDate> = None;
        for entry in entries {
            let date = entry.timestamp.date_naive();
            if last.replace(date) != Some(date) {
                day_row(entry).render_to(page);
            }
            row(entry, shown).render_to(page);
        }
        page.push_str("</tbody></table>");
    })
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

fn row<'r>(entry: &'r LogEntry, shown: &'r Shown<'_>) -> impl Render + 'r {
    FromFn(move |page: &mut String| {
        let id = entry.id.to_string();
        let link = href("entry", &[("id", &id)]);
        enclose(page, "<tr class=\"entry ", severity(entry), "\">");
        enclose(page, "<td class=\"when\"><a href=\"", &link, "\">");
        time_of_day(entry.timestamp).render_to(page);
        enclose(page, "<span class=\"vh\"> ", t("entry"), "</span></a></td>");
        enclose(
            page,
            "<td class=\"who\">",
            actor(entry, shown.terms),
            "</td>",
        );
        enclose(page, "<td class=\"what\">", action(entry, shown.terms), "");
        if shown.object {
            enclose(page, " ", object(entry, shown.terms), "");
        }
        outcome(entry, shown.terms).render_to(page);
        page.push_str("</td><td class=\"how\">");
        inline_changes(entry, shown.labels, shown.terms, &link).render_to(page);
        if let Some(reason) = &entry.reason {
            let reason =
                html! { p.reason { span.vh { (t("Reason:")) " " } (short(reason, REASON)) } };
            reason.render_to(page);
        }
        page.push_str("</td></tr>");
    })
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
        a href=[search_for(terms, &[Condition::Actor(&actor.id)])] title=(safe(t("Entries of this actor"))) {
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
        a class={ "action " (kind) } href=[search_for(terms, &[Condition::Action(&entry.action)])] title=(safe(t("Entries of this action"))) {
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
            a.model href=[search_for(terms, &[Condition::Model(&entry.model)])] title=(safe(t("Entries of this model"))) { (short(&entry.model, 60)) } " "
        }
        @if entry.object_pk.is_empty() { span { (name) } }
        @else { a.objectlink href=[short_href("object", &own)] title=(safe(t("History of this object"))) { (name) } }
    }
}

/// Shows an outcome other than success, and a level above info, as links to the searches for them.
pub(crate) fn outcome(entry: &LogEntry, terms: &Terms) -> Markup {
    if entry.outcome == Outcome::Success && entry.level < Level::Error {
        return Markup::default();
    }
    let name = match entry.outcome {
        Outcome::Failure => "failed",
        other => other.as_str(),
    };
    html! {
        @if entry.outcome != Outcome::Success {
            " " a.tag.bad href=[by_outcome(terms, entry)] title=(t("Entries with this outcome")) { (t(name)) }
        } @else {
            " " a.tag.bad href=[by_level(terms, entry)] title=(t("Entries of this level or a higher one")) { (entry.level.as_str().to_lowercase()) }
        }
    }
}

/// Returns the link to the entries with the outcome of an entry.
pub(crate) fn by_outcome(terms: &Terms, entry: &LogEntry) -> Option<Link> {
    search_for(terms, &[Condition::Outcome(entry.outcome)])
}

/// Returns the link to the entries with at least the level of an entry.
pub(crate) fn by_level(terms: &Terms, entry: &LogEntry) -> Option<Link> {
    search_for(terms, &[Condition::LevelAtLeast(entry.level)])
}

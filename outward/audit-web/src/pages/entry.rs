//! One entry: who did what, when, why and from where, with every value.

use audit_core::{Actor, ActorKind, LogEntry, ObjectRef, Query};
use maud::{Markup, html};
use serde_json::{Map, Value};

use super::{Content, entry_json, object_link};
use crate::error::Failure;
use crate::html::{
    Labels, Of, Space, action, by_level, by_outcome, change_rows, cut, day, folded, full, grouped,
    href, moment, more_rows, object, outcome, safe_block, search, short, short_href, timestamp,
};
use crate::reader::Reader;
use crate::request::{PageRequest, Route};
use crate::terms::Terms;
use crate::texts::t;

pub(super) fn page(reader: &Reader<'_>, request: &PageRequest) -> Result<Content, Failure> {
    let id = request.params.require("id")?;
    let id = id.trim().parse().map_err(|_| Failure::NotFound("entry"))?;
    let entry = reader.entry(id)?;
    if request.is_json() {
        return Ok(Content::json(&entry_json(&entry)?));
    }
    let labels = Labels::of(reader.log());
    let space = Space::new();
    let counterpart = entry.counterpart.as_ref();
    let has_counterpart = match counterpart {
        Some(other) => reader.has_entries(other)?,
        None => false,
    };
    let title = format!("{} {} {}", entry.action, entry.model, entry.object_repr);
    let main = html! {
        div.head {
            p.kicker { (day(entry.timestamp)) }
            h1 { (action(&entry, &Terms::default())) " " (object(&entry, &Terms::default())) (outcome(&entry, &Terms::default())) }
        }
        @if let Some(reason) = &entry.reason {
            @let (text, is_cut) = cut(reason, 4_000);
            p.why { span.vh { (t("Reason:")) " " } (safe_block(text)) @if is_cut { span.more { "…" } } }
        }
        div.columns {
            section.primary aria-labelledby="changes" {
                (changes(&entry, &labels, &reader.terms(&Query::new()), &space))
                (additional_data(&entry, &space))
                (snapshot(&entry, &space))
                @if !reader.grant.hides_values() { (stored(&entry, &id.to_string(), &space)?) }
            }
            aside aria-label=(t("Facts")) { (facts(&entry, has_counterpart)) }
        }
    };
    Ok(Content::html(title, main))
}

fn changes(entry: &LogEntry, labels: &Labels, terms: &Terms, space: &Space) -> Markup {
    html! {
        h2 #changes { (t("Changes")) }
        @if entry.changes.is_empty() {
            p.note { (t("This entry changed nothing.")) }
        } @else {
            table.changes-table {
                caption.vh { (t("The fields that changed, with the values before and after")) }
                thead { tr { th scope="col" { (t("Field")) } th scope="col" { (t("Before")) } th scope="col" { (t("After")) } } }
                tbody { (change_rows(Of::Entry, &entry.model, entry.changes.iter(), labels, terms, space)) }
            }
        }
    }
}

fn additional_data(entry: &LogEntry, space: &Space) -> Markup {
    html! {
        @if !entry.additional_data.is_empty() {
            h2 { (t("Additional data")) }
            table.state {
                caption.vh { (t("Additional data of the application")) }
                tbody { (members(&entry.additional_data, space)) }
            }
        }
    }
}

fn snapshot(entry: &LogEntry, space: &Space) -> Markup {
    html! {
        @if let Some(snapshot) = &entry.snapshot {
            details.more-detail {
                summary { (t("Snapshot of the object")) }
                table.state {
                    caption.vh { (t("The object after the action")) }
                    tbody {
                        @match snapshot {
                            Value::Object(fields) => (members(fields, space)),
                            other => tr { td { (full(other, space)) } },
                        }
                    }
                }
            }
        }
    }
}

/// Shows the members of an object, a row each.
fn members(members: &Map<String, Value>, space: &Space) -> Markup {
    let shown = space.rows(members.len());
    html! {
        @for (name, value) in members.iter().take(shown) {
            tr { th scope="row" { (short(name, 120)) } td { (full(value, space)) } }
        }
        @if members.len() > shown { tr { td.note colspan="2" { (more_rows(members.len() - shown)) } } }
    }
}

/// Shows the canonical form that the store keeps.
fn stored(entry: &LogEntry, id: &str, space: &Space) -> Result<Markup, Failure> {
    let text = entry.to_canonical_json()?;
    let characters = text.chars().count();
    Ok(html! {
        details.more-detail {
            summary { (t("Stored form")) span.note { (grouped(text.len())) " " (t("bytes")) } }
            pre { code { (folded(&text, characters, space)) } }
            p { a href=(href("entry.json", &[("id", id)])) { (t("This entry as JSON")) } }
        }
    })
}

/// Shows the facts of an entry. `has_counterpart` states whether its counterpart has an entry.
fn facts(entry: &LogEntry, has_counterpart: bool) -> Markup {
    let correlation = |id: &str| short_href(Route::Correlation.name(), &[("id", id)]);
    let at = timestamp(entry.timestamp);
    let own = ObjectRef::new(entry.model.as_str(), entry.object_pk.as_str());
    html! {
        dl.facts {
            (fact(t("When"), &moment(entry.timestamp)))
            (fact(t("Who"), &who(entry.actor.as_ref())))
            @if !entry.object_pk.is_empty() {
                (fact(t("Object"), &html! {
                    (short(&entry.model, 120)) " " code { (short(&entry.object_pk, 200)) } br;
                    a href=[object_link(Route::Object, &own, &[])] { (t("History")) } " · "
                    a href=[object_link(Route::Object, &own, &[("at", &at)])] { (t("State after this entry")) }
                }))
            }
            @if let Some(parent) = &entry.parent {
                (fact(t("Part of"), &html! { a href=[object_link(Route::Aggregate, parent, &[])] { (short(&parent.to_string(), 200)) } }))
            }
            @if let Some(other) = &entry.counterpart {
                (fact(t("Former or later key"), &html! {
                    @let link = if has_counterpart { object_link(Route::Object, other, &[]) } else { None };
                    a href=[link] { (short(&other.to_string(), 200)) }
                }))
            }
            (fact(t("Outcome"), &html! {
                a href=[by_outcome(&Terms::default(), entry)] { (t(entry.outcome.as_str())) } ", " (t("level")) " "
                a href=[by_level(&Terms::default(), entry)] { (entry.level.as_str().to_lowercase()) }
            }))
            @if let Some(id) = &entry.correlation_id {
                (fact(t("Request or job"), &html! { a href=[correlation(id)] { code { (short(id, 200)) } } }))
            }
            @if let Some(id) = entry.transaction_id {
                @let id = id.to_string();
                (fact(t("Transaction"), &html! { a href=(href(Route::Transaction.name(), &[("id", &id)])) { code { (id) } } }))
            }
            @if let Some(id) = &entry.trace_id {
                (fact(t("Trace"), &html! { code { (short(id, 200)) } }))
            }
            @if let Some(address) = entry.remote_addr {
                (fact(t("From"), &html! { code { (address) @if let Some(port) = entry.remote_port { " " (t("port")) " " (port) } } }))
            }
            @if let Some(service) = &entry.source.service {
                (fact(t("Recorded by"), &html! {
                    (short(service, 120))
                    @if let Some(version) = &entry.source.version { " " (short(version, 120)) }
                    @if let Some(host) = &entry.source.host { " " (t("on")) " " (short(host, 120)) }
                }))
            }
            (fact(t("Schema version"), &html! { (entry.schema_version) }))
            (fact(t("Entry"), &html! { code { (entry.id) } }))
        }
    }
}

fn fact(name: &str, value: &Markup) -> Markup {
    html! { div { dt { (name) } dd { (value) } } }
}

fn who(actor: Option<&Actor>) -> Markup {
    let Some(actor) = actor else {
        return html! { span.word { (t("unknown")) } };
    };
    let kind = match actor.kind {
        ActorKind::User => t("user"),
        ActorKind::Service => t("service"),
        ActorKind::System => t("system"),
        _ => t("actor"),
    };
    let own = Query::new().actor(actor.id.as_str());
    html! {
        a href=[short_href(Route::Actor.name(), &[("id", &actor.id)])] { (short(actor.name(), 200)) }
        " " span.note { (kind) }
        @if actor.display.is_some() { br; code { (short(&actor.id, 200)) } }
        @if let Some(other) = &actor.on_behalf_of { br; (t("for")) " " (short(other, 200)) }
        br;
        a href=[search(&Terms::default(), &own)] { (t("Entries of this actor")) }
    }
}

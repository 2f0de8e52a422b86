//! Search: a query, a form that writes it, and the entries that it finds.

use audit_core::{Level, Query};
use maud::{Markup, html};
use serde_json::json;

use super::Content;
use super::listing::Listing;
use crate::error::Failure;
use crate::html::{Labels, Shown, entry_table, href, language_field, safe, short};
use crate::reader::Reader;
use crate::request::{PageRequest, Route};
use crate::terms::{Terms, parse_search, quoted};
use crate::texts::t;

/// The query of the first page: reads of the trail have a lower level.
pub(super) const FIRST: &str = "level:>=info";

/// The keys that the form has a field for.
const FIELDS: [&str; 10] = [
    "model", "object", "actor", "action", "changed", "outcome", "level", "since", "until", "text",
];

pub(super) fn page(reader: &Reader<'_>, request: &PageRequest) -> Result<Content, Failure> {
    let text = request.params.value("q").unwrap_or(FIRST);
    let query = reader.parse_search(text)?;
    let terms = reader.terms(&query).with_options(&query);
    let listing = Listing::read(reader, request, query.clone())?;
    if request.is_json() {
        let mut value = listing.json()?;
        value["query"] = json!(text);
        return Ok(Content::json(&value));
    }
    let labels = Labels::of(reader.log());
    let own = [("q", text)];
    let shown = Shown {
        caption: t("The entries that the query finds"),
        terms: &terms,
        labels: &labels,
        object: true,
    };
    let main = html! {
        h1.vh { (t("Search")) }
        (form(text))
        (filters(&query, &terms, &labels))
        (chips(&terms))
        div.summary {
            p { (listing.summary(Route::Search, &own)) }
            (tools(reader, &query, &terms, text))
        }
        @if listing.entries.is_empty() {
            (nothing(&terms))
        } @else {
            (entry_table(&listing.entries, &shown))
        }
        (listing.pager(Route::Search, &own))
    };
    Ok(Content::html(t("Search"), main))
}

/// Returns the search to which a form with a field for each condition leads: the same conditions as
/// a query, so that the state is in the URL in one form only.
pub(crate) fn redirect(request: &PageRequest) -> Option<String> {
    if request.route != Route::Search || request.params.get("fields").is_none() {
        return None;
    }
    let rest = request.params.get("rest").map(str::to_owned);
    let fields = FIELDS.iter().filter_map(|key| {
        let value = request.params.get(key)?.trim();
        (!value.is_empty()).then(|| format!("{key}:{}", quoted(value)))
    });
    let text: Vec<String> = fields.chain(rest).collect();
    let text = text.join(" ");
    // Printed, the values need no more quotes than they have to.
    let text = match parse_search(&text) {
        Ok(query) => Terms::of(&query, None).with_options(&query).text(),
        Err(_) => text,
    };
    Some(href(Route::Search.name(), &[("q", &text)]))
}

fn form(text: &str) -> Markup {
    html! {
        form.ask action="search" role="search" {
            (language_field())
            label.vh for="q" { (t("Query")) }
            input #q name="q" type="search" value=(text) autocomplete="off" autocapitalize="off" spellcheck="false"
                placeholder=(t("Words, or actor:alice changed:email since:2026-01-01"));
            button type="submit" { (t("Search")) }
        }
    }
}

/// Shows the form with a field for each condition.
fn filters(query: &Query, terms: &Terms, labels: &Labels) -> Markup {
    let filter = query.filter();
    let text = |name: &str, label: &str, value: Option<&str>, hint: &str| {
        html! {
            p {
                label for={ "f-" (name) } { (t(label)) }
                input id={ "f-" (name) } name=(name) value=(value.unwrap_or_default()) placeholder=(t(hint)) autocomplete="off" spellcheck="false"
                    list=[(name == "model").then_some("models")];
            }
        }
    };
    let time = |time: Option<chrono::DateTime<chrono::Utc>>| {
        time.map(|time| time.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true))
    };
    let level = filter
        .level_at_least
        .filter(|_| filter.level_below.is_none());
    let changed = filter.changed.first().map(audit_core::Path::as_str);
    let outcomes = [
        ("success", "succeeded"),
        ("failure", "failed"),
        ("denied", "denied"),
    ];
    let rest = terms.without_keys(&FIELDS);
    html! {
        details.filters {
            summary { (t("Filters")) }
            form action="search" {
                (language_field())
                input type="hidden" name="fields" value="1";
                input type="hidden" name="rest" value=(rest.text());
                div.grid {
                    (text("model", "Model", filter.model.as_deref(), "User"))
                    (text("object", "Key of the object", filter.object_pk.as_deref(), "42"))
                    (text("actor", "Actor", filter.actor.as_deref(), "alice"))
                    (text("action", "Action", filter.action.as_ref().map(audit_core::Action::as_str), "update"))
                    (text("changed", "Changed field", changed, "email"))
                    p {
                        label for="f-outcome" { (t("Outcome")) }
                        select #f-outcome name="outcome" {
                            option value="" { (t("any")) }
                            @for (value, name) in outcomes {
                                option value=(value) selected[filter.outcome.is_some_and(|outcome| outcome.as_str() == value)] { (t(name)) }
                            }
                        }
                    }
                    p {
                        label for="f-level" { (t("Level")) }
                        select #f-level name="level" {
                            option value="" { (t("any")) }
                            @for option in [Level::Debug, Level::Info, Level::Warning, Level::Error, Level::Critical] {
                                @let name = option.as_str().to_lowercase();
                                option value={ ">=" (name) } selected[level == Some(option)] { (name) " " (t("or higher")) }
                            }
                        }
                    }
                    (text("since", "Since", time(filter.since).as_deref(), "2026-01-31 or 2h"))
                    (text("until", "Until", time(filter.until).as_deref(), "2026-02-01"))
                    (text("text", "Text", filter.text.as_deref(), "ticket 4711"))
                }
                datalist #models {
                    @for model in labels.models() { option value=(model) {} }
                }
                p.buttons { button type="submit" { (t("Apply")) } }
            }
        }
    }
}

/// Shows each condition with a link that removes it.
fn chips(terms: &Terms) -> Markup {
    html! {
        @if terms.iter().next().is_some() {
            ul.chips aria-label=(t("Conditions")) {
                @for term in terms.iter() {
                    li {
                        span { (short(term, 120)) }
                        // Without its model, a field may be one that the reader cannot search.
                        @if let Some(without) = terms.without(term).link() {
                            a href=(without) title=(t("Remove this condition")) {
                                span aria-hidden="true" { "×" } span.vh { (t("Remove")) " " (short(term, 120)) }
                            }
                        }
                    }
                }
                li.clear { a href=(href("search", &[("q", "")])) { (t("Clear all")) } }
            }
        }
    }
}

fn tools(reader: &Reader<'_>, query: &Query, terms: &Terms, text: &str) -> Markup {
    html! {
        ul.tools {
            @if let Some(reversed) = terms.reversed().link() {
                li {
                    a href=(reversed) {
                        @if query.is_newest_first() { (t("Oldest first")) } @else { (t("Newest first")) }
                    }
                }
            }
            @if reader.grant.may_export() {
                li { a href=(href("export", &[("q", text), ("as", "csv")])) download { (t("Export CSV")) } }
                li { a href=(href("export", &[("q", text), ("as", "jsonl")])) download { (t("Export JSON lines")) } }
            }
            li { a href=(href("search.json", &[("q", text)])) { "JSON" } }
        }
    }
}

fn nothing(terms: &Terms) -> Markup {
    html! {
        div.message {
            p { (t("No entry matches.")) }
            @if terms.iter().nth(1).is_some() {
                p { (t("Remove a condition above, or search for another name: names and keys are compared exactly.")) }
            }
        }
    }
}

/// Returns the content of the page for a query that cannot be parsed.
pub(crate) fn invalid(text: &str, column: Option<usize>, message: &str) -> Markup {
    // Columns count characters from 1.
    let at = column.and_then(|column| text.char_indices().nth(column.checked_sub(1)?));
    html! {
        h1.vh { (t("Search")) }
        (form(text))
        div.problem role="alert" {
            p { b { (t("Invalid query:")) " " } (safe(message)) }
            @if let Some((start, c)) = at {
                p { code { (safe(&text[..start])) mark { (safe(&text[start..start + c.len_utf8()])) } (safe(&text[start + c.len_utf8()..])) } }
            }
            p { a href=(href("help", &[])) { (t("The query language")) } }
        }
    }
}

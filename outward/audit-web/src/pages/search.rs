//! Search: a query, a form that writes it, and the entries that it finds.

use audit_core::{Level, ParseQueryError, Path, Query};
use chrono::{DateTime, SecondsFormat, Utc};
use maud::{Markup, html};
use serde_json::json;

use super::listing::Listing;
use super::{Content, ask};
use crate::error::Failure;
use crate::html::{Labels, Link, Shown, href, language_field, safe, short};
use crate::reader::Reader;
use crate::request::{PageRequest, Route};
use crate::terms::{Terms, parse_search, quoted};
use crate::texts::t;

/// The query of the first page: reads of the trail have a lower level.
pub(super) const FIRST_QUERY: &str = "level:>=info";

/// The keys that the form has a field for.
pub(crate) const FIELDS: [&str; 10] = [
    "model", "object", "actor", "action", "changed", "outcome", "level", "since", "until", "text",
];

pub(super) fn page(reader: &Reader<'_>, request: &PageRequest) -> Result<Content, Failure> {
    let text = request.params.value("q").unwrap_or(FIRST_QUERY);
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
        (ask(Route::Search, text, t("Search")))
        (filters(&query, &terms, &labels))
        (chips(&terms))
        (listing.section(Route::Search, &own, &tools(reader, &query, &terms, text), &shown))
        @if listing.is_none() { (nothing(&terms)) }
    };
    Ok(Content::html(t("Search"), main))
}

/// Returns the search to which a form with a field for each condition leads: the same conditions as
/// a query, so that the state is in the URL in one form only.
pub(crate) fn redirect(request: &PageRequest) -> Option<Link> {
    if request.route != Route::Search || request.params.get("fields").is_none() {
        return None;
    }
    let fields = FIELDS.iter().filter_map(|key| {
        let value = request.params.get(key)?.trim();
        (!value.is_empty()).then(|| condition(key, value))
    });
    let rest = request.params.value("rest").unwrap_or_default();
    let text = with_fields(rest, fields.clone()).unwrap_or_else(|_| {
        // The page of the search names the error.
        let all: Vec<String> = fields.chain([rest.to_owned()]).collect();
        all.join(" ")
    });
    Some(href(Route::Search.name(), &[("q", &text)]))
}

/// Returns the text of a search with the conditions of fields, of which each replaces the one of its key.
fn with_fields(
    rest: &str,
    fields: impl Iterator<Item = String>,
) -> Result<String, ParseQueryError> {
    let rest = parse_search(rest)?;
    let mut terms = Terms::of(&rest, None).with_options(&rest);
    for field in fields {
        terms = terms.with(&Query::parse(&field)?);
    }
    // In the order of the language.
    let search = parse_search(&terms.text())?;
    Ok(Terms::of(&search, None).with_options(&search).text())
}

/// Returns the condition of a field.
fn condition(key: &str, value: &str) -> String {
    format!("{key}:{}", quoted(value))
}

/// The conditions that the fields of the form show, and the rest of the search.
struct Filled {
    fields: Vec<(&'static str, String)>,
    rest: Terms,
}

impl Filled {
    /// Fills each field whose value leads to the same condition when the form is sent. The other
    /// conditions, such as empty values and a second `changed:`, remain in the rest.
    fn of(query: &Query, terms: &Terms) -> Self {
        let filter = query.filter();
        let time = |time: DateTime<Utc>| time.to_rfc3339_opts(SecondsFormat::AutoSi, true);
        let level = |level: Level| format!(">={}", level.as_str().to_lowercase());
        let values = [
            filter.model.clone(),
            filter.object_pk.clone(),
            filter.actor.clone(),
            filter
                .action
                .as_ref()
                .map(|action| action.as_str().to_owned()),
            filter.changed.first().map(Path::to_string),
            filter.outcome.map(|outcome| outcome.as_str().to_owned()),
            filter.level_at_least.map(level),
            filter.since.map(time),
            filter.until.map(time),
            filter.text.clone(),
        ];
        let mut filled = Self {
            fields: Vec::new(),
            rest: terms.clone(),
        };
        for (key, value) in FIELDS.into_iter().zip(values) {
            // An empty field is not sent, and one of one line has no control characters.
            let is_sent =
                |value: &String| !value.is_empty() && !value.chars().any(char::is_control);
            let value = value.filter(is_sent);
            if let Some(value) = value
                && let Ok(sent) = Query::parse(&condition(key, value.trim()))
                && let [sent] = &sent.terms()[..]
                && filled.rest.iter().any(|term| term == sent)
            {
                filled.rest = filled.rest.without(sent);
                filled.fields.push((key, value));
            }
        }
        filled
    }

    fn value(&self, key: &str) -> &str {
        let mut fields = self.fields.iter();
        let field = fields.find(|(name, _)| *name == key);
        field.map_or("", |(_, value)| value)
    }
}

/// Shows the form with a field for each condition.
fn filters(query: &Query, terms: &Terms, labels: &Labels) -> Markup {
    let filled = Filled::of(query, terms);
    let text = |name: &str, label: &str, hint: &str| {
        html! {
            p {
                label for={ "f-" (name) } { (t(label)) @if ["since", "until"].contains(&name) { " (UTC)" } }
                input id={ "f-" (name) } name=(name) value=(filled.value(name)) placeholder=(t(hint)) autocomplete="off" spellcheck="false"
                    list=[(name == "model").then_some("models")];
            }
        }
    };
    let outcomes = [
        ("success", "succeeded"),
        ("failure", "failed"),
        ("denied", "denied"),
    ];
    html! {
        details.filters {
            summary { (t("Filters")) }
            form action="search" {
                (language_field())
                input type="hidden" name="fields" value="1";
                input type="hidden" name="rest" value=(filled.rest.text());
                div.grid {
                    (text("model", "Model", "User"))
                    (text("object", "Key of the object", "42"))
                    (text("actor", "Actor", "alice"))
                    (text("action", "Action", "update"))
                    (text("changed", "Changed field", "email"))
                    p {
                        label for="f-outcome" { (t("Outcome")) }
                        select #f-outcome name="outcome" {
                            option value="" { (t("any")) }
                            @for (value, name) in outcomes {
                                option value=(value) selected[filled.value("outcome") == value] { (t(name)) }
                            }
                        }
                    }
                    p {
                        label for="f-level" { (t("Level")) }
                        select #f-level name="level" {
                            option value="" { (t("any")) }
                            @for option in [Level::Debug, Level::Info, Level::Warning, Level::Error, Level::Critical] {
                                @let name = option.as_str().to_lowercase();
                                @let value = format!(">={name}");
                                option value=(value) selected[filled.value("level") == value] { (name) " " (t("or higher")) }
                            }
                        }
                    }
                    (text("since", "Since", "2026-01-31 or 2h"))
                    (text("until", "Until", "2026-02-01"))
                    @if !terms.hides_values() { (text("text", "Text", "ticket 4711")) }
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
            li { a href=(href(Route::Overview.name(), &[("q", text)])) { (t("Overview")) } }
            li { a href=(href(Route::Live.name(), &[("q", text)])) { (t("Live")) } }
            li { a href=(href("search.json", &[("q", text)])) { "JSON" } }
        }
    }
}

fn nothing(terms: &Terms) -> Markup {
    html! {
        @if terms.iter().nth(1).is_some() {
            div.message {
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
        (ask(Route::Search, text, t("Search")))
        div.problem role="alert" {
            p { b { (t("Invalid query:")) " " } (safe(message)) }
            @if let Some((start, c)) = at {
                p { code { (safe(&text[..start])) mark { (safe(&text[start..start + c.len_utf8()])) } (safe(&text[start + c.len_utf8()..])) } }
            }
            p { a href=(href("help", &[])) { (t("The query language")) } }
        }
    }
}

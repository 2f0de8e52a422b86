//! The newest entries by day, model, actor, action and outcome.

use std::collections::BTreeMap;

use audit_core::Query;
use chrono::{DateTime, NaiveDate, Utc};
use maud::{Markup, html};
use serde_json::json;

use super::search::FIRST_QUERY;
use super::{Content, ask, counted};
use crate::error::Failure;
use crate::html::{grouped, href, moment, more_rows, search, short};
use crate::reader::{Bound, FIRST, Reader};
use crate::request::{PageRequest, Route};
use crate::terms::Terms;
use crate::texts::t;

/// The entries that the page counts.
const COUNTED: Bound = Bound {
    first: FIRST,
    entries: 5_000,
    bytes: 64 << 20,
};
/// The longest name that is counted by itself, in bytes, and the name of the others.
const MAX_NAME: usize = 500;
const LONG: &str = "(names of more than 500 bytes)";
/// The number of rows of a table, and of that of days.
const ROWS: usize = 12;
const DAYS: usize = 366;
/// The width of a day in the chart of days and the height of the chart, in its own units.
const DAY: usize = 10;
const HEIGHT: usize = 96;

#[derive(Default)]
struct Counts {
    total: usize,
    has_more: bool,
    days: BTreeMap<NaiveDate, usize>,
    models: BTreeMap<String, usize>,
    actors: BTreeMap<String, usize>,
    actions: BTreeMap<String, usize>,
    outcomes: BTreeMap<String, usize>,
    /// The time of the oldest entry.
    first: Option<DateTime<Utc>>,
}

pub(super) fn page(reader: &Reader<'_>, request: &PageRequest) -> Result<Content, Failure> {
    let text = request.params.value("q").unwrap_or(FIRST_QUERY);
    let query = reader.parse(text)?.without_limits().newest_first();
    let terms = reader.terms(&query);
    let counts = count(reader, &query)?;
    if request.is_json() {
        let days: BTreeMap<String, usize> = counts
            .days
            .iter()
            .map(|(day, count)| (day.to_string(), *count))
            .collect();
        return Ok(Content::json(&json!({
            "query": text,
            "entries": counts.total,
            "has_more": counts.has_more,
            "days": days,
            "models": counts.models,
            "actors": counts.actors,
            "actions": counts.actions,
            "outcomes": counts.outcomes,
        })));
    }
    let main = html! {
        h1 { (t("Overview")) }
        (ask(Route::Overview, text, t("Show")))
        p.lead {
            @if counts.has_more { (t("The newest")) " " (counted(counts.total, "entry", "entries")) }
            @else { (counted(counts.total, "entry", "entries")) }
            @if let Some(first) = counts.first { ", " (t("since")) " " (moment(first)) }
            ". " a href=(href("search", &[("q", text)])) { (t("Search in them")) }
        }
        (chart(&counts.days, &terms))
        div.cards {
            (table(t("Actors"), &counts.actors, counts.total, &terms, &|name| Query::new().actor(name)))
            (table(t("Models"), &counts.models, counts.total, &terms, &|name| Query::new().model_name(name)))
            (table(t("Actions"), &counts.actions, counts.total, &terms, &|name| Query::new().action(name.to_owned())))
            (table(t("Outcomes"), &counts.outcomes, counts.total, &terms, &|name| match name.parse() {
                Ok(outcome) => Query::new().outcome(outcome),
                Err(_) => Query::new(),
            }))
        }
    };
    Ok(Content::html(t("Overview"), main))
}

fn count(reader: &Reader<'_>, query: &Query) -> Result<Counts, Failure> {
    let mut counts = Counts::default();
    let next = reader.read(query, COUNTED, |entry| {
        counts.total += 1;
        *counts.days.entry(entry.timestamp.date_naive()).or_default() += 1;
        if !entry.model.is_empty() {
            add(&mut counts.models, &entry.model);
        }
        if let Some(actor) = &entry.actor {
            add(&mut counts.actors, &actor.id);
        }
        add(&mut counts.actions, entry.action.as_str());
        add(&mut counts.outcomes, entry.outcome.as_str());
        counts.first = Some(entry.timestamp);
        Ok(true)
    })?;
    counts.has_more = next.is_some();
    Ok(counts)
}

/// Counts a name. The page and its JSON contain the names, so long ones are counted together.
fn add(counts: &mut BTreeMap<String, usize>, name: &str) {
    let name = if name.len() > MAX_NAME { LONG } else { name };
    *counts.entry(name.to_owned()).or_default() += 1;
}

/// Shows the entries of each day as bars. A table for readers who do not see them follows.
fn chart(days: &BTreeMap<NaiveDate, usize>, terms: &Terms) -> Markup {
    let (Some(first), Some(last)) = (days.keys().next(), days.keys().next_back()) else {
        return html! {};
    };
    let most = days.values().copied().max().unwrap_or(1).max(1);
    let offset = |day: NaiveDate| usize::try_from((day - *first).num_days()).unwrap_or_default();
    let width = (offset(*last) + 1) * DAY;
    // A bar in a long span is as wide as a pixel of a narrow screen.
    let bar = (width / 360).max(DAY * 4 / 5);
    html! {
        figure.chart {
            svg viewBox={ "0 0 " (width) " " (HEIGHT) } preserveAspectRatio="none" role="img" aria-label=(t("Entries of each day")) {
                @for (day, count) in days {
                    @let height = (count * HEIGHT).div_ceil(most);
                    rect x=(offset(*day) * DAY) y=(HEIGHT - height) width=(bar) height=(height) {
                        title { (day) ": " (grouped(*count)) }
                    }
                }
            }
            figcaption { span { (first) } span { (last) } }
        }
        details.more-detail {
            summary { (t("Entries of each day")) }
            table.counts {
                caption.vh { (t("Entries of each day, newest first")) }
                thead { tr { th scope="col" { (t("Day")) } th scope="col" { (t("Entries")) } } }
                tbody {
                    @for (day, count) in days.iter().rev().take(DAYS) {
                        @let query = of_day(*day);
                        tr {
                            th scope="row" { a href=[search(terms, &query)] { (day) } }
                            td { (grouped(*count)) }
                        }
                    }
                    @if days.len() > DAYS { tr { td.note colspan="2" { (more_rows(days.len() - DAYS)) } } }
                }
            }
        }
    }
}

fn of_day(day: NaiveDate) -> Query {
    let start = day.and_time(chrono::NaiveTime::MIN).and_utc();
    let query = Query::new().since(start);
    match day.succ_opt() {
        Some(next) => query.until(next.and_time(chrono::NaiveTime::MIN).and_utc()),
        None => query,
    }
}

fn table(
    title: &str,
    counts: &BTreeMap<String, usize>,
    total: usize,
    terms: &Terms,
    query: &dyn Fn(&str) -> Query,
) -> Markup {
    let mut rows: Vec<_> = counts.iter().collect();
    rows.sort_by(|(a, m), (b, n)| n.cmp(m).then_with(|| a.cmp(b)));
    let more = rows.len().saturating_sub(ROWS);
    html! {
        section.card {
            h2 { (title) }
            table.counts {
                caption.vh { (title) " " (t("by the number of entries")) }
                thead.vh { tr { th scope="col" { (title) } th scope="col" { (t("Entries")) } } }
                tbody {
                    @for (name, count) in rows.into_iter().take(ROWS) {
                        tr {
                            th scope="row" {
                                @if name == LONG { (t(LONG)) }
                                @else { a href=[search(terms, &query(name))] { (short(name, 60)) } }
                            }
                            td {
                                (grouped(*count))
                                svg.bar viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true" {
                                    rect width=((count * 100).div_ceil(total.max(1))) height="4" {}
                                }
                            }
                        }
                    }
                }
            }
            @if more > 0 { p.note { (t("and")) " " (more) " " (t("more")) } }
        }
    }
}

//! The store: its positions and removals, and the result of the last check.

use audit_core::{DamageReport, LogEntry, Position, Query, TrailStore};
use chrono::{DateTime, Utc};
use maud::{Markup, html};
use serde_json::{Value, json};

use super::{Content, check, counted, entry_json};
use crate::error::Failure;
use crate::html::{
    MAX_ROWS, actor, grouped, href, moment, more_rows, outcome, safe, search, short, timestamp,
};
use crate::reader::Reader;
use crate::request::PageRequest;
use crate::terms::Terms;
use crate::texts::t;
use crate::viewer::{Follower, Inner};

/// The number up to which entries after the position of a follower are counted, and the number that
/// is read at once.
const MAX_LAG: usize = 1_000;
const BATCH: usize = 16;

/// The position of a follower, and the number of entries that were committed after it.
struct Followed<'f> {
    name: &'f str,
    /// `None` if the position cannot be read; the reason is logged.
    lag: Option<(String, usize)>,
}

pub(super) fn page(
    viewer: &Inner,
    reader: &Reader<'_>,
    request: &PageRequest,
) -> Result<Content, Failure> {
    if !reader.grant.is_unrestricted() {
        return Err(Failure::Forbidden(
            "This page requires access to the complete trail.",
        ));
    }
    let trail = reader.trail()?;
    check::start(viewer, reader, request)?;
    let facts = Facts::read(reader, trail)?;
    let mut followers = Vec::new();
    for follower in &viewer.followers {
        reader.check_wanted()?;
        followers.push(followed(trail, follower));
    }
    let progress = check::progress(viewer, reader, request)?;
    if request.is_json() {
        let followers: Vec<Value> = followers
            .iter()
            .map(|followed| {
                let lag = followed.lag.as_ref();
                json!({
                    "name": followed.name,
                    "position": lag.map(|(position, _)| position),
                    "behind": lag.map(|(_, behind)| behind),
                    "behind_is_minimum": lag.map(|(_, behind)| *behind >= MAX_LAG),
                })
            })
            .collect();
        let removal = facts.removal.as_ref().ok().and_then(Option::as_ref);
        let oldest = facts.oldest.as_ref().ok().copied().flatten();
        let mut page = json!({
            "schema_version": facts.version.as_ref().ok().copied().flatten(),
            "store": facts.description,
            "position": facts.position.as_ref().ok(),
            "oldest": oldest.map(timestamp),
            "last_removal": removal.map(entry_json).transpose()?,
            "damaged": damaged_json(&facts.damaged),
            "followers": followers,
            "models": facts.models.as_ref().ok(),
            "unreadable": facts.unreadable(),
        });
        if let Value::Object(page) = &mut page {
            check::add_json(&progress, page);
        }
        return Ok(Content::json(&page));
    }
    let main = html! {
        h1 { (t("Store")) }
        dl.facts.wide {
            div { dt { (t("Store")) } dd { (short(&facts.description, 500)) } }
            @if facts.version != Ok(None) { div { dt { (t("Version of the tables")) } dd { (known(&facts.version, |version| html! { @if let Some(version) = version { (version) } })) } } }
            div { dt { (t("Position of the newest entry")) } dd { (known(&facts.position, |position| html! { code { (position) } })) } }
            div { dt { (t("Oldest entry")) } dd { (known(&facts.oldest, |oldest| html! { @match oldest { Some(time) => (moment(*time)), None => (t("no entry")) } })) } }
            div { dt { (t("Last recorded removal")) } dd { (known(&facts.removal, |record| removal(record.as_ref()))) } }
            @if !facts.damaged.rows.is_empty() { div { dt { (t("Damaged rows")) } dd { (damaged(&facts.damaged)) } } }
            div { dt { (t("Models")) } dd { (known(&facts.models, |names| models(names))) } }
        }
        (follower_table(&followers))
        (check::section(&progress))
    };
    Ok(Content::html(t("Store"), main))
}

/// Returns the query of the entries that `auditlog prune` records. They have no model: with this condition, an
/// index serves the query even without a removal.
fn removals() -> Query {
    Query::new().model_name("").action("prune".to_owned())
}

/// Facts of the store that need no check.
struct Facts {
    description: String,
    version: Fact<Option<u32>>,
    position: Fact<Position>,
    models: Fact<Vec<String>>,
    oldest: Fact<Option<DateTime<Utc>>>,
    /// The record of the last removal.
    removal: Fact<Option<LogEntry>>,
    damaged: DamageReport,
}

/// A fact, unless the store cannot read it, as when a row is damaged.
pub(super) type Fact<T> = Result<T, Unreadable>;

/// A fact that cannot be read; the reason is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unreadable;

impl Facts {
    fn read(reader: &Reader<'_>, trail: &dyn TrailStore) -> Result<Self, Failure> {
        let oldest = reader.first(&Query::new().oldest_first());
        let oldest = oldest.map(|entry| entry.map(|entry| entry.timestamp));
        Ok(Self {
            description: trail.description(),
            version: fact("schema version", trail.schema_version())?,
            position: fact("position", trail.position())?,
            models: fact("models", trail.models())?,
            oldest: fact("oldest entry", oldest)?,
            removal: fact("last removal", reader.first(&removals().newest_first()))?,
            damaged: damaged_rows(reader, trail),
        })
    }

    /// Returns the names of the facts that cannot be read, as in the JSON of the page.
    fn unreadable(&self) -> Vec<&'static str> {
        let facts = [
            ("schema_version", self.version.is_err()),
            ("position", self.position.is_err()),
            ("models", self.models.is_err()),
            ("oldest", self.oldest.is_err()),
            ("last_removal", self.removal.is_err()),
        ];
        let unreadable = facts
            .into_iter()
            .filter(|(_, is_unreadable)| *is_unreadable);
        unreadable.map(|(name, _)| name).collect()
    }
}

/// Logs the error of the store about a fact. Other failures are those of the page.
pub(super) fn fact<T>(
    name: &str,
    result: Result<T, impl Into<Failure>>,
) -> Result<Fact<T>, Failure> {
    match result.map_err(Into::into) {
        Ok(value) => Ok(Ok(value)),
        Err(Failure::Trail(error)) => {
            log::error!(target: "auditlog::web", "the {name} of the store cannot be read: {error}");
            Ok(Err(Unreadable))
        }
        Err(failure) => Err(failure),
    }
}

pub(super) fn known<T>(fact: &Fact<T>, shown: impl FnOnce(&T) -> Markup) -> Markup {
    match fact {
        Ok(value) => shown(value),
        Err(Unreadable) => unreadable(),
    }
}

/// States that the store cannot read a fact.
fn unreadable() -> Markup {
    html! { strong.tag.bad { (t("not readable")) } " " (t("The log of the program has the reason.")) }
}

fn models(names: &[String]) -> Markup {
    html! {
        ul.inline {
            @for model in names.iter().filter(|model| !model.is_empty()).take(MAX_ROWS) { li { (short(model, 120)) } }
            @if names.len() > MAX_ROWS { li.note { (more_rows(names.len() - MAX_ROWS)) } }
        }
    }
}

/// Returns the damaged rows, for a reader without values by their keys: a description can have a value.
fn damaged_rows(reader: &Reader<'_>, trail: &dyn TrailStore) -> DamageReport {
    let mut report = trail.damaged();
    if reader.grant.hides_values() {
        for row in &mut report.rows {
            row.detail.clear();
        }
    }
    report
}

/// Shows the record of a removal, with its query and its number of entries.
fn removal(record: Option<&LogEntry>) -> Markup {
    let Some(record) = record else {
        return html! { (t("none")) };
    };
    let id = record.id.to_string();
    let text = |key: &str| record.additional_data.get(key).and_then(Value::as_str);
    let count = record.additional_data.get("count").and_then(Value::as_u64);
    html! {
        a href=(href("entry", &[("id", &id)])) { (moment(record.timestamp)) }
        " " (t("by")) " " (actor(record, &Terms::default())) (outcome(record, &Terms::default()))
        @if let Some(count) = count { ": " (counted(usize::try_from(count).unwrap_or(usize::MAX), "entry", "entries")) }
        @if let Some(query) = text("query") { " " code { (short(query, 240)) } }
        br;
        a href=[search(&Terms::default(), &removals())] { (t("All recorded removals")) }
    }
}

fn damaged(report: &DamageReport) -> Markup {
    html! {
        ul.plain {
            @for row in report.rows.iter().take(MAX_ROWS) { li { code { (short(&row.key, 120)) } ": " (short(&row.detail, 240)) } }
            @if report.rows.len() > MAX_ROWS { li { (more_rows(report.rows.len() - MAX_ROWS)) } }
            @if report.more { li { (t("There are more damaged rows.")) } }
        }
    }
}

fn damaged_json(report: &DamageReport) -> Value {
    let rows = report.rows.iter();
    let rows: Vec<Value> = rows
        .map(|row| json!({"key": row.key, "detail": row.detail}))
        .collect();
    json!({"rows": rows, "more": report.more})
}

/// Reads the position of a follower, and counts the entries after it.
fn followed<'f>(trail: &dyn TrailStore, follower: &'f Follower) -> Followed<'f> {
    let read = || -> Result<(String, usize), Box<dyn std::error::Error + Send + Sync>> {
        let position = (follower.position)()?;
        let (mut at, mut behind) = (position.clone(), 0);
        while behind < MAX_LAG {
            let batch = trail.committed_after(&at, BATCH)?;
            if batch.entries.is_empty() {
                break;
            }
            behind += batch.entries.len();
            at = batch.next;
        }
        Ok((position.to_string(), behind))
    };
    let lag = read().inspect_err(|error| {
        let name = audit_core::backend::escape_misleading(&follower.name);
        log::error!(target: "auditlog::web", "the position of `{name}` cannot be read: {error}");
    });
    Followed {
        name: &follower.name,
        lag: lag.ok(),
    }
}

fn follower_table(followers: &[Followed<'_>]) -> Markup {
    html! {
        @if !followers.is_empty() {
            h2 { (t("Followers")) }
            table.state {
                caption.vh { (t("Programs that read the trail in the order of its commits")) }
                thead { tr { th scope="col" { (t("Name")) } th scope="col" { (t("Behind the trail")) } th scope="col" { (t("Position")) } } }
                tbody {
                    @for Followed { name, lag } in followers {
                        tr {
                            th scope="row" { (safe(name)) }
                            @match lag {
                                None => td colspan="2" { (unreadable()) },
                                Some((position, behind)) => {
                                    td {
                                        @if *behind == 0 { span.good { (t("up to date")) } }
                                        @else if *behind >= MAX_LAG { (grouped(*behind)) " " (t("entries or more")) }
                                        @else { (counted(*behind, "entry", "entries")) }
                                    }
                                    td { code { (position) } }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

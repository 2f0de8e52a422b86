//! The check of the store, as a part of its page.

use std::time::Duration;

use audit_core::health::{Engine, Health, Location};
use maud::{Markup, html};
use serde_json::{Map, Value, json};

use crate::checks::{Checked, Progress};
use crate::error::Failure;
use crate::html::{MAX_ROWS, grouped, href, moment, more_rows, safe, short, timestamp};
use crate::reader::Reader;
use crate::request::PageRequest;
use crate::texts::t;
use crate::viewer::Inner;

/// The longest time in which a page waits for the result of the check that it has started.
const WAIT: Duration = Duration::from_secs(2);

/// Starts a check if the request asks for one.
pub(super) fn start(
    viewer: &Inner,
    reader: &Reader<'_>,
    request: &PageRequest,
) -> Result<(), Failure> {
    if request.params.get("check").is_some() {
        let started = viewer.checks.start(reader.log().store());
        started.map_err(|error| Failure::Output(error.into()))?;
    }
    Ok(())
}

/// Returns the state of the checks, if possible with the result of the one that the request has started.
pub(super) fn progress(
    viewer: &Inner,
    reader: &Reader<'_>,
    request: &PageRequest,
) -> Result<Progress, Failure> {
    if request.params.get("check").is_some() {
        // The rest of the time is for the page.
        let time = WAIT.min(viewer.pool.timeout() / 2);
        viewer.checks.wait(time, || reader.check_wanted().is_ok());
        reader.check_wanted()?;
    }
    Ok(viewer.checks.progress())
}

/// Adds the state of the checks to the JSON of the page.
pub(super) fn add_json(progress: &Progress, page: &mut Map<String, Value>) {
    let last = progress.last.as_deref();
    let health = last.and_then(|last| last.health.as_ref());
    let problems: Option<Vec<Value>> = health.map(|health| {
        let problems = health.problems.iter();
        problems
            .map(|problem| json!({"what": problem.what, "advice": problem.advice}))
            .collect()
    });
    let members = json!({
        "check_running_since": progress.running_since.map(timestamp),
        "checked": last.map(|last| timestamp(last.ended)),
        "check_failed": last.map(|last| last.health.is_none()),
        "entries": health.map(|health| health.entries),
        "location": health.map(|health| &health.location),
        "engine": health.map(|health| engine_json(&health.engine)),
        "problems": problems,
    });
    if let Value::Object(members) = members {
        page.extend(members);
    }
}

fn engine_json(engine: &Engine) -> Value {
    let settings = engine.settings.iter();
    let settings: Map<_, _> = settings
        .map(|(name, value)| ((*name).to_owned(), json!(value)))
        .collect();
    json!({"name": engine.name, "version": engine.version, "settings": settings})
}

/// Shows the state of the checks, and the link that starts one.
pub(super) fn section(progress: &Progress) -> Markup {
    html! {
        h2 { (t("Check")) }
        @if let Some(since) = progress.running_since {
            p role="status" { (t("A check has been running since")) " " (moment(since)) ". " (t("It continues without this page.")) }
            p { a.button href=(href("trust", &[])) { (t("Show its result")) } }
        }
        @if let Some(last) = &progress.last { (checked(last)) }
        @if progress.running_since.is_none() {
            p { (t("A check reads all entries and compares the columns of the store with them.")) }
            p { a.button href=(href("trust", &[("check", "yes")])) { (t("Check the store now")) } }
        }
    }
}

fn checked(last: &Checked) -> Markup {
    html! {
        p { (t("Last check:")) " " (moment(last.ended)) }
        @match &last.health {
            Some(health) => (result(health)),
            None => p { strong.tag.bad { (t("failed")) } " " (t("The log of the program has the reason.")) },
        }
    }
}

fn result(health: &Health) -> Markup {
    let location = match &health.location {
        Location::File(path) => path.as_str(),
        Location::Database(name) => name.as_str(),
        _ => t("memory of the process"),
    };
    let entries = usize::try_from(health.entries).unwrap_or(usize::MAX);
    html! {
        @if health.problems.is_empty() {
            p.good { b { (t("No problem found.")) } " " (t("All")) " " (grouped(entries)) " " (t("entries were read.")) }
        } @else {
            ul.problem {
                @for problem in health.problems.iter().take(MAX_ROWS) { li { b { (short(&problem.what, 500)) } " " (safe(problem.advice)) } }
                @if health.problems.len() > MAX_ROWS { li { (more_rows(health.problems.len() - MAX_ROWS)) } }
            }
        }
        dl.facts.wide {
            div { dt { (t("Location")) } dd { (safe(location)) } }
            div { dt { (t("Engine")) } dd { (health.engine.name) " " (safe(&health.engine.version)) } }
            @for (name, value) in &health.engine.settings { div { dt { (name) } dd { (safe(value)) } } }
        }
    }
}

//! `prune --archived`: removes entries that the archive has.

use audit_archive::{PruneReport, Pruner};
use audit_core::{Actor, Query};
use serde_json::json;

use super::{PruneArgs, Records, confirmed};
use crate::error::Error;
use crate::exit::Exit;
use crate::session::Session;
use crate::store::{self, AccessMode};
use crate::trail::{self, Trail};
use crate::{progress, report, text};

pub(super) fn run(
    args: &PruneArgs,
    query: &Query,
    actor: Option<Actor>,
    session: &mut Session,
) -> Result<Exit, Error> {
    let location = store::archive(&session.global)?;
    let trail = session.read_store("prune", &query.to_string())?;
    let bound = trail.enter();
    let narrower = args.keep_last(query, &Records::within(query)?)?;
    drop(bound);
    let Some(query) = narrower else {
        if !session.out.is_json() {
            session
                .out
                .line("no entries can be removed: --keep-last keeps all of them")?;
        }
        return finish(args, query, &PruneReport::default(), None, session);
    };
    let bar = progress::spinner("comparing entries with the archive");
    let planned = Pruner::new(&*trail.store, &location)
        .matching(query.clone())
        .keep_records()
        .dry_run()
        .run()?;
    bar.finish_and_clear();
    drop(trail);
    show(&query, &planned, session)?;
    let Some(actor) = actor.filter(|_| planned.removed > 0) else {
        return finish(args, &query, &planned, None, session);
    };
    if !args.yes && !confirmed(planned.removed, session)? {
        session.out.line("nothing was removed")?;
        return Ok(Exit::Declined);
    }
    let trail = Trail::open(&session.global, AccessMode::Write)?;
    let bar = progress::spinner("removing archived entries");
    let mut report = PruneReport::default();
    let done = Pruner::new(&*trail.store, &location)
        .matching(query.clone())
        .record(actor, args.reason.as_deref().unwrap_or_default())
        .source(trail::source())
        .planned(planned.removed)
        .run_with(&mut report);
    bar.finish_and_clear();
    if done.is_err() && report.removed > 0 {
        let entries = text::counted(report.removed, "entry was", "entries were");
        report::warning(&format!("{entries} removed before the error"));
    }
    done?;
    finish(args, &query, &report, Some(report.removed), session)
}

/// Shows the entries to remove, and the damage that keeps others.
fn show(query: &Query, planned: &PruneReport, session: &mut Session) -> Result<(), Error> {
    for finding in &planned.findings {
        report::warning(&finding.to_string());
    }
    if session.out.is_json() {
        return Ok(());
    }
    let out = &mut session.out;
    let query = query.to_string();
    out.line(format!("entries to remove: {}", text::safe(&query)))?;
    if planned.unverified == 1 {
        out.line(
            "1 entry stays: the archive does not have it, has other bytes, or its file is damaged",
        )?;
    } else if planned.unverified > 0 {
        out.line(format!(
            "{} entries stay: the archive does not have them, has other bytes, or their files are damaged",
            text::thousands(planned.unverified)
        ))?;
    }
    match planned.removed {
        0 => out.line("no entries can be removed"),
        1 => out.line("1 entry can be removed: an intact file of the archive has it"),
        count => out.line(format!(
            "{} entries can be removed: intact files of the archive have them",
            text::thousands(count)
        )),
    }
}

/// Prints the result; `removed` is `None` if nothing was to be removed.
fn finish(
    args: &PruneArgs,
    query: &Query,
    report: &PruneReport,
    removed: Option<u64>,
    session: &mut Session,
) -> Result<Exit, Error> {
    let out = &mut session.out;
    if out.is_json() {
        let findings = report.findings.iter().map(ToString::to_string);
        out.json(&json!({
            "query": query.to_string(),
            "count": report.removed,
            "unverified": report.unverified,
            "findings": findings.collect::<Vec<_>>(),
            "removed": removed,
        }))?;
    } else if let Some(removed) = removed {
        let entries = text::counted(removed, "entry", "entries");
        out.line(format!("{entries} removed"))?;
    } else if report.removed > 0 {
        out.line("nothing was removed; --yes removes these entries")?;
    }
    Ok(match removed {
        _ if !report.findings.is_empty() || report.unverified > 0 => Exit::Store,
        Some(_) => Exit::Done,
        None => args.unconfirmed(report.removed),
    })
}

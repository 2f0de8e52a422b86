//! `archive expire`: removes files by class and date.

use audit_archive::{ArchiveOptions, Archiver, Expired};
use audit_core::{Actor, Level, MemoryStore, Outcome};
use chrono::{NaiveDate, Utc};
use clap::Args;
use serde_json::json;

use crate::command::prune::{confirmed, is_interactive};
use crate::error::Error;
use crate::exit::Exit;
use crate::session::Session;
use crate::store::{self, AccessMode};
use crate::trail::{self, Trail};
use crate::{progress, text};

/// The action of the entries that record a removal.
const RECORD: &str = "expire";

/// Remove files of a retention class before a date (retention)
///
/// The command shows the number of entries to remove and requires confirmation. If it does not run on a terminal, it
/// removes nothing without --yes, and the exit code is 8 if there are entries to remove. Before the removal it records
/// an entry with the action `expire`, the actor, the class, the date and the number in the store. A manifest of the
/// archive has the reason and the names of the files. Entries without a date, outside the years 0001 to 9999, stay.
#[derive(Args, Debug)]
pub(super) struct ExpireArgs {
    /// Remove the files whose date is before this one, as in 2020-01-01
    #[arg(long, value_name = "DATE")]
    before: NaiveDate,
    /// The retention class
    #[arg(long, value_name = "CLASS", default_value = "default")]
    class: String,
    /// The reason, recorded with the removal
    #[arg(long, required_unless_present = "dry_run")]
    reason: Option<String>,
    /// The name of this archiver, as in `archive run`
    #[arg(long, value_name = "NAME")]
    holder: Option<String>,
    /// Show the number of entries, and remove nothing
    #[arg(long, conflicts_with = "yes")]
    dry_run: bool,
    /// Remove without confirmation
    #[arg(long, short)]
    yes: bool,
}

pub(super) fn run(args: &ExpireArgs, session: &mut Session) -> Result<Exit, Error> {
    let today = Utc::now().date_naive();
    if args.before > today {
        return Err(Error::Usage {
            message: format!("--before {} is after today, {today} in UTC", args.before),
            hint: "entries of today and later stay",
        });
    }
    let location = store::archive(&session.global)?;
    let name = location.to_string();
    // Before any output, so that a missing name is reported first.
    let actor = (!args.dry_run && (args.yes || is_interactive(session)))
        .then(|| trail::actor(&session.global))
        .transpose()?;
    let mut options = ArchiveOptions::new();
    if let Some(holder) = &args.holder {
        options = options.holder(holder);
    }
    // The archiver reads no trail for it.
    let archiver = Archiver::new(MemoryStore::new(), location).options(options);
    let planned = archiver.plan_expire(&args.class, args.before)?;
    if !session.out.is_json() {
        let (class, before) = (&args.class, args.before);
        let entries = text::counted(planned.entries, "entry", "entries");
        let files = text::counted(planned.files, "file", "files");
        let scope = format!("of class `{class}` before {before}");
        session.out.line(format!("{entries} in {files} {scope}"))?;
    }
    // With --yes and without files, objects of an earlier call that failed are still deleted.
    let actor = actor.filter(|_| planned.files > 0 || args.yes);
    let (Some(actor), Some(reason)) = (actor, &args.reason) else {
        return finish(args, &planned, None, session);
    };
    if !args.yes && !confirmed(planned.entries, session)? {
        session.out.line("nothing was removed")?;
        return Ok(Exit::Declined);
    }
    let trail = Trail::open(&session.global, AccessMode::Write)?;
    let record =
        |outcome, expired: &Expired| record(&trail, args, reason, &actor, outcome, expired, &name);
    if planned.files > 0 {
        record(Outcome::Success, &planned)?;
    }
    let bar = progress::spinner("removing files");
    let done = archiver.expire(&args.class, args.before, reason);
    bar.finish_and_clear();
    match done {
        Ok(done) => {
            // The first entry has the expected count, this one the actual count.
            if (done.files, done.entries) != (planned.files, planned.entries) {
                record(Outcome::Success, &done)?;
            }
            finish(args, &done, Some(done), session)
        }
        Err(error) => {
            if planned.files > 0 {
                // A failure to delete objects leaves them out of the archive.
                let left = archiver.plan_expire(&args.class, args.before);
                let left = left.unwrap_or(planned);
                let mut removed = planned;
                removed.files = planned.files.saturating_sub(left.files);
                removed.entries = planned.entries.saturating_sub(left.entries);
                record(Outcome::Failure, &removed)?;
            }
            Err(error.into())
        }
    }
}

/// Records a removal in the trail.
fn record(
    trail: &Trail,
    args: &ExpireArgs,
    reason: &str,
    actor: &Actor,
    outcome: Outcome,
    expired: &Expired,
    archive: &str,
) -> Result<(), Error> {
    trail
        .log
        .event(RECORD)
        .actor(actor.clone())
        .level(Level::Warning)
        .outcome(outcome)
        .reason(reason)
        .extra("class", args.class.as_str())
        .extra("before", args.before.to_string())
        .extra("count", expired.entries)
        .extra("files", expired.files)
        .extra("archive", archive)
        .record()?;
    Ok(())
}

/// Prints the result; `removed` is `None` if nothing was to be removed.
fn finish(
    args: &ExpireArgs,
    expired: &Expired,
    removed: Option<Expired>,
    session: &mut Session,
) -> Result<Exit, Error> {
    let out = &mut session.out;
    if out.is_json() {
        out.json(&json!({
            "class": args.class,
            "before": args.before.to_string(),
            "files": expired.files,
            "count": expired.entries,
            "removed": removed.map(|removed| removed.entries),
            "deleted": removed.map_or(0, |removed| removed.deleted),
        }))?;
    } else if let Some(removed) = removed {
        let entries = text::counted(removed.entries, "entry", "entries");
        let objects = text::counted(removed.deleted, "object", "objects");
        out.line(format!("{entries} removed, {objects} deleted"))?;
    } else if expired.entries > 0 {
        out.line("nothing was removed; --yes removes these entries")?;
    }
    // A job that lacks --yes must not look successful.
    Ok(
        if removed.is_none() && !args.dry_run && expired.entries > 0 {
            Exit::Declined
        } else {
            Exit::Done
        },
    )
}

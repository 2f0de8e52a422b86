//! `archive restore`: copies entries of the archive back into the store.

use audit_archive::{ArchiveStore, Error as ArchiveError, plan_restore, restore};
use audit_core::{Level, Outcome, Query, Store, StoreError};
use clap::Args;
use serde_json::json;

use crate::error::Error;
use crate::exit::Exit;
use crate::filter::FilterArgs;
use crate::session::Session;
use crate::store::{self, AccessMode};
use crate::trail::{self, Trail};
use crate::{progress, text};

/// The action of the entries that record a restore.
const RECORD: &str = "restore";

/// Copy entries of the archive back into the store
///
/// Without conditions, it restores all of the archive. Entries that the store has are left as they are, so
/// after an error the command can be repeated. Before it restores entries, it records an entry with the action
/// `restore`, the actor, the query and the number of entries to restore. Entries whose bytes no store would write
/// are skipped, and the exit code is 3.
#[derive(Args, Debug)]
pub(super) struct RestoreArgs {
    #[command(flatten)]
    filter: FilterArgs,
    /// Create the store if it does not exist
    #[arg(long)]
    create: bool,
    /// Count the entries, and restore nothing
    #[arg(long)]
    dry_run: bool,
}

pub(super) fn run(args: &RestoreArgs, session: &mut Session) -> Result<Exit, Error> {
    let query = args.filter.read(session.global.tz, session.now)?;
    let unlimited = query.clone().without_limits();
    if query.is_newest_first() || query.to_string() != unlimited.to_string() {
        return Err(Error::Usage {
            message: "`order:`, `limit:` and `after:` do not apply to a restore".to_owned(),
            hint: "--since and --until select a range of times",
        });
    }
    let actor = (!args.dry_run)
        .then(|| trail::actor_or_user_id(&session.global))
        .transpose()?;
    let archive = ArchiveStore::open(store::archive(&session.global)?)?;
    let count = count(&archive, &query, args.dry_run).map_err(of_archive)?;
    let Some(actor) = actor.filter(|_| count > 0) else {
        if session.out.is_json() {
            session
                .out
                .json(&json!({ "count": count, "restored": 0, "existing": 0, "skipped": 0 }))?;
        } else if count == 0 {
            session.out.line("no entry of the archive matches")?;
        } else {
            let entries = text::counted(count, "entry", "entries");
            session
                .out
                .line(format!("{entries} would be restored or compared"))?;
        }
        return Ok(Exit::Done);
    };
    let mode = if args.create {
        AccessMode::Create
    } else {
        AccessMode::Write
    };
    let trail = Trail::open(&session.global, mode)?;
    let record = |outcome, restored: u64| {
        trail
            .log
            .event(RECORD)
            .actor(actor.clone())
            .level(Level::Warning)
            .outcome(outcome)
            .extra("query", query.to_string())
            .extra("count", restored)
            .extra("archive", archive.location().to_string())
            .record()
    };
    let mut before = trail.store.count(&query)?;
    let bar = progress::spinner("comparing entries with the store");
    let planned = plan_restore(&archive, &*trail.store, &query);
    bar.finish_and_clear();
    let done = match planned {
        Ok(planned) => {
            record(Outcome::Success, planned.restored)?;
            // The query may match the record.
            before = trail.store.count(&query)?;
            let bar = progress::spinner("restoring");
            let done = restore(&archive, &*trail.store, &query);
            bar.finish_and_clear();
            // The first entry has the expected count, this one the actual count.
            if let Ok(done) = &done
                && done.restored != planned.restored
            {
                record(Outcome::Success, done.restored)?;
            }
            done
        }
        Err(error) => Err(error),
    };
    if done.is_err() {
        // A store that cannot be read now must not hide why the restore failed.
        let now = trail.store.count(&query).unwrap_or(before);
        record(Outcome::Failure, now.saturating_sub(before))?;
    }
    let done = done?;
    let out = &mut session.out;
    if out.is_json() {
        out.json(&json!({
            "count": done.restored + done.existing + done.skipped,
            "restored": done.restored,
            "existing": done.existing,
            "skipped": done.skipped,
        }))?;
    } else {
        let restored = text::counted(done.restored, "entry", "entries");
        let existing = text::thousands(done.existing);
        out.line(format!(
            "{restored} restored, {existing} already in the store"
        ))?;
        if done.skipped > 0 {
            let entries = text::counted(done.skipped, "entry", "entries");
            out.line(format!(
                "{entries} skipped: not in canonical form, see the warnings"
            ))?;
        }
    }
    Ok(if done.skipped > 0 {
        Exit::Store
    } else {
        Exit::Done
    })
}

/// Counts the entries of a query for a dry run; otherwise at most one, since a restore counts while it compares.
fn count(archive: &ArchiveStore, query: &Query, dry_run: bool) -> Result<u64, StoreError> {
    if dry_run {
        return archive.count(query);
    }
    let page = archive.find(&query.clone().limit(1))?;
    Ok(page.entries.len() as u64)
}

/// Returns the error of the archive, whose damage `auditlog doctor` does not list.
fn of_archive(error: StoreError) -> Error {
    match error {
        StoreError::Corrupt { location, detail } => ArchiveError::Corrupt {
            path: location,
            detail,
        }
        .into(),
        error => error.into(),
    }
}

//! `prune`: removes entries.

#[cfg(feature = "archive")]
mod archived;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufRead, IsTerminal};

use audit_core::{Actor, AuditLog, Draft, Level, Outcome, Query};
use chrono::{DateTime, TimeDelta, Utc};
use clap::Args;
use serde::Serialize;

use crate::error::Error;
use crate::exit::Exit;
use crate::filter::FilterArgs;
use crate::number;
use crate::output::Part;
use crate::session::Session;
use crate::store::AccessMode;
use crate::text;
use crate::trail::{self, Trail};
use crate::zone::Zone;

/// The action of the entries that record a removal.
const RECORD: &str = "prune";

/// Examples for `--help`.
const EXAMPLES: &str = "\
Examples:
  auditlog prune --older-than 90d --below info --dry-run
  auditlog prune --model Session --keep-last 1000 --reason retention --yes
  auditlog prune --archived --archive /srv/archive --older-than 90d --yes";

/// Remove entries by age, number, model or level (retention)
///
/// The command shows the entries to remove and asks for confirmation. If it does not run on a
/// terminal, it removes nothing without --yes, and the exit code is 8 if there are entries to remove.
/// Before the removal it records an entry with the action `prune`, the actor and the query. Such records
/// are never removed and do not count for --keep-last, unless the query has `action:prune`.
///
/// With --archived it removes only entries that the archive has. It reads each file of the archive from
/// which entries would be removed, compares its SHA-256 with the manifest, and removes an entry if its
/// bytes are those of the archive. Entries that the archive does not have, has with other bytes, or has in a
/// damaged file stay, and the exit code is 3. The newest archived entry stays, too: by it the archive recognizes
/// the trail. If an archive is named, by --archive or the variable
/// `AUDITLOG_ARCHIVE`, the command needs --archived or --not-archived.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an option of the command"
)]
pub(crate) struct PruneArgs {
    #[command(flatten)]
    filter: FilterArgs,
    /// Remove only entries older than this: a duration such as 90d, or a time
    #[arg(long, value_name = "TIME")]
    older_than: Option<String>,
    /// Keep this many of the newest entries that meet the other conditions
    #[arg(long, value_name = "NUMBER", value_parser = number::parse::<usize>, allow_negative_numbers = true)]
    keep_last: Option<usize>,
    /// Remove only entries that intact files of the archive of --archive have; needs no other
    /// condition
    #[arg(long)]
    archived: bool,
    /// Also remove entries that the archive does not have. Required without --archived if an archive is named
    #[arg(long, conflicts_with = "archived")]
    not_archived: bool,
    /// The reason, recorded with the removal
    #[arg(long)]
    reason: Option<String>,
    /// Show the entries to remove, and remove nothing
    #[arg(long, conflicts_with = "yes")]
    dry_run: bool,
    /// Remove without confirmation
    #[arg(long, short)]
    yes: bool,
}

/// The entries that would be removed.
#[derive(Debug, Default)]
struct Survey {
    count: u64,
    /// The number of damaged rows among them.
    damaged: u64,
    models: BTreeMap<String, u64>,
    oldest: Option<DateTime<Utc>>,
    newest: Option<DateTime<Utc>>,
    /// The number of records of earlier removals that stay.
    records: u64,
}

/// The removed entries, or those to remove, as JSON.
#[derive(Serialize)]
struct Report<'s> {
    query: String,
    count: u64,
    models: &'s BTreeMap<String, u64>,
    oldest: Option<String>,
    newest: Option<String>,
    records_kept: u64,
    removed: Option<u64>,
}

pub(crate) fn run(args: &PruneArgs, session: &mut Session) -> Result<Exit, Error> {
    let query = args.query(session)?;
    // Before any output, so that a missing name is reported first.
    let actor = (!args.dry_run && (args.yes || is_interactive(session)))
        .then(|| trail::actor(&session.global))
        .transpose()?;
    if args.archived {
        #[cfg(feature = "archive")]
        return archived::run(args, &query, actor, session);
        #[cfg(not(feature = "archive"))]
        return Err(Error::absent("`--archived`"));
    }
    if !args.not_archived && session.global.names_archive() {
        return Err(Error::Usage {
            message: "an archive is named, and without --archived entries are removed that it does not have"
                .to_owned(),
            hint: "--archived removes only archived entries, and --not-archived also removes others",
        });
    }
    let trail = session.read_store("prune", &query.to_string())?;
    let bound = trail.enter();
    let records = Records::within(&query)?;
    let (query, survey) = match args.keep_last(&query, &records)? {
        Some(narrower) => {
            let survey = Survey::of(&narrower, &records)?;
            (narrower, survey)
        }
        None => (query, Survey::default()),
    };
    trail.check_names(&query, survey.count > 0)?;
    drop(bound);
    drop(trail);
    if !session.out.is_json() {
        survey.print(&query, session)?;
    }
    let Some(actor) = actor.filter(|_| survey.count > 0) else {
        if session.out.is_json() {
            session.out.json(&survey.report(&query, None))?;
        } else if survey.count > 0 {
            session
                .out
                .line("nothing was removed; --yes removes these entries")?;
        }
        return Ok(args.unconfirmed(survey.count));
    };
    if !args.yes && !confirmed(survey.count, session)? {
        session.out.line("nothing was removed")?;
        return Ok(Exit::Declined);
    }
    let trail = Trail::open(&session.global, AccessMode::Write)?;
    let removed = remove(
        &trail,
        &query,
        &records,
        &survey,
        &actor,
        args.reason.as_deref(),
    )?;
    if session.out.is_json() {
        session.out.json(&survey.report(&query, Some(removed)))?;
    } else {
        let entries = text::counted(removed, "entry", "entries");
        session.out.line(format!("{entries} removed"))?;
    }
    Ok(Exit::Done)
}

impl PruneArgs {
    /// Returns the exit code after no removal: a job that lacks --yes must not look successful.
    fn unconfirmed(&self, count: u64) -> Exit {
        if self.dry_run || count == 0 {
            Exit::Done
        } else {
            Exit::Declined
        }
    }

    /// Reads the query, without `--keep-last`.
    fn query(&self, session: &Session) -> Result<Query, Error> {
        let is_limited = self.archived || self.older_than.is_some() || self.keep_last.is_some();
        if !is_limited && self.filter.is_empty()? {
            return Err(Error::Usage {
                message: "no condition selects the entries to remove".to_owned(),
                hint: "for instance --older-than 90d, --keep-last 1000, --model or --below info",
            });
        }
        let query = self.filter.read(session.global.tz, session.now)?;
        let unlimited = query.clone().without_limits();
        if query.is_newest_first() || query.to_string() != unlimited.to_string() {
            return Err(Error::Usage {
                message: "`order:`, `limit:` and `after:` do not apply to a removal".to_owned(),
                hint: "--keep-last keeps the newest entries",
            });
        }
        let older = self.older_than.as_deref();
        let older = older
            .map(|time| session.time("--older-than", time))
            .transpose()?;
        // Entries that are written from now on stay, such as the record of this removal.
        let until = [query.filter().until, older, Some(session.now)];
        Ok(match until.into_iter().flatten().min() {
            Some(until) => unlimited.until(until),
            None => unlimited,
        })
    }

    /// Excludes the newest entries that are kept; `None` if these are all. Entries of the same
    /// microsecond as the oldest of them stay as well.
    fn keep_last(&self, query: &Query, records: &Records) -> Result<Option<Query>, Error> {
        let query = query.clone();
        let Some(last) = self.keep_last.and_then(|number| number.checked_sub(1)) else {
            return Ok(Some(query));
        };
        let newest = query.clone().newest_first();
        let limit = last.saturating_add(1).saturating_add(records.entries);
        let mut kept = 0;
        for entry in newest.limit(limit).iter()? {
            // Skipping an error would look like the end of the entries.
            let time = entry?.timestamp;
            if records.times.contains(&time) {
                continue;
            }
            if kept == last {
                return Ok(Some(query.until(time)));
            }
            kept += 1;
        }
        Ok(None)
    }
}

/// The records of earlier removals, which stay. Entries of the same microsecond as one of them stay
/// as well.
#[derive(Debug, Default)]
struct Records {
    times: BTreeSet<DateTime<Utc>>,
    entries: usize,
}

impl Records {
    /// Finds the records that a query matches without `action:prune`.
    fn within(query: &Query) -> Result<Self, Error> {
        let filter = query.filter();
        // An event has no model.
        let model = filter.model.as_deref().unwrap_or_default();
        let mut records = Self::default();
        if filter.action.is_some() || !model.is_empty() {
            return Ok(records);
        }
        for entry in query.clone().model_name("").action(RECORD).iter()? {
            records.times.insert(entry?.timestamp);
            records.entries += 1;
        }
        Ok(records)
    }

    /// Returns the number of records before the end of a query.
    fn kept_by(&self, query: &Query) -> usize {
        let until = query.filter().until;
        let before = |time: &&DateTime<Utc>| until.is_none_or(|until| **time < until);
        self.times.iter().filter(before).count()
    }

    /// Splits a query into spans before, between and after the records.
    fn around(&self, query: &Query) -> Vec<Query> {
        let mut rest = query.clone();
        let mut spans = Vec::with_capacity(self.times.len() + 1);
        for time in self.times.iter().take(self.kept_by(query)) {
            spans.push(rest.clone().until(*time));
            rest = rest.since(*time + TimeDelta::microseconds(1));
        }
        spans.push(rest);
        spans
    }
}

impl Survey {
    fn of(query: &Query, records: &Records) -> Result<Self, Error> {
        let mut survey = Self {
            records: records.kept_by(query) as u64,
            ..Self::default()
        };
        for span in records.around(query) {
            let mut read = 0;
            for entry in span.clone().iter()? {
                let entry = entry?;
                read += 1;
                survey.oldest.get_or_insert(entry.timestamp);
                survey.newest = Some(entry.timestamp);
                *survey.models.entry(entry.model).or_default() += 1;
            }
            // The count includes damaged rows, which are removed as well.
            let counted = span.count()?.max(read);
            survey.count += counted;
            survey.damaged += counted - read;
        }
        Ok(survey)
    }

    fn print(&self, query: &Query, session: &mut Session) -> Result<(), Error> {
        let zone = session.global.tz;
        let out = &mut session.out;
        let query = query.to_string();
        out.line(format!("entries to remove: {}", text::safe(&query)))?;
        if self.records > 0 {
            let records = text::counted(self.records, "record", "records");
            out.line(format!(
                "{records} of earlier removals stay; `action:{RECORD}` selects such records"
            ))?;
        }
        if self.damaged > 0 {
            let rows = text::counted(self.damaged, "row", "rows");
            out.line(format!("{rows} of these are not valid entries"))?;
        }
        let (Some(oldest), Some(newest)) = (self.oldest, self.newest) else {
            return match self.damaged {
                0 => out.line("no entries"),
                _ => Ok(()),
            };
        };
        let mut table = out.new_table(["MODEL", "ENTRIES"]);
        for (model, count) in &self.models {
            let model = if model.is_empty() {
                "(no model)".into()
            } else {
                text::safe(model)
            };
            table.add_row([
                out.cell(Part::Object, model),
                out.cell(Part::Heading, text::thousands(*count)),
            ]);
        }
        out.table(&table)?;
        out.line(format!(
            "{} from {} to {}",
            text::counted(self.count, "entry", "entries"),
            zone.show(oldest),
            zone.show(newest)
        ))
    }

    fn report(&self, query: &Query, removed: Option<u64>) -> Report<'_> {
        let show = |time: Option<DateTime<Utc>>| time.map(|time| Zone::UTC.show_aligned(time));
        Report {
            query: query.to_string(),
            count: self.count,
            models: &self.models,
            oldest: show(self.oldest),
            newest: show(self.newest),
            records_kept: self.records,
            removed,
        }
    }
}

/// Returns whether the command can ask the user.
pub(crate) fn is_interactive(session: &Session) -> bool {
    io::stdin().is_terminal() && session.out.is_terminal() && !session.out.is_json()
}

/// Asks the user for confirmation.
pub(crate) fn confirmed(count: u64, session: &mut Session) -> Result<bool, Error> {
    let entries = text::counted(count, "entry", "entries");
    let question = format!("remove {entries} permanently? [y/N] ");
    std::io::Write::write_all(&mut session.out, question.as_bytes())?;
    session.out.flush()?;
    let mut answer = String::new();
    io::stdin()
        .lock()
        .read_line(&mut answer)
        .map_err(|source| Error::Input {
            input: "the answer".to_owned(),
            source,
        })?;
    Ok(["y", "yes"]
        .iter()
        .any(|yes| answer.trim().eq_ignore_ascii_case(yes)))
}

/// Returns the draft of the entry that records a removal.
fn event(
    log: &AuditLog,
    query: &Query,
    actor: &Actor,
    reason: Option<&str>,
    outcome: Outcome,
    count: u64,
) -> Draft {
    let draft = log
        .event(RECORD)
        .actor(actor.clone())
        .level(Level::Warning)
        .outcome(outcome)
        .extra("query", query.to_string())
        .extra("count", count);
    match reason {
        Some(reason) => draft.reason(reason),
        None => draft,
    }
}

/// Records the removal in the trail, then removes.
fn remove(
    trail: &Trail,
    query: &Query,
    records: &Records,
    survey: &Survey,
    actor: &Actor,
    reason: Option<&str>,
) -> Result<u64, Error> {
    let event = |outcome, count| event(&trail.log, query, actor, reason, outcome, count).record();
    event(Outcome::Success, survey.count)?;
    let spans = records.around(query);
    let removed = spans.iter().try_fold(0, |sum, span| {
        trail.store.purge(span).map(|count| sum + count)
    });
    match removed {
        Ok(removed) if removed == survey.count => Ok(removed),
        // The first entry has the expected count, this one the actual count.
        Ok(removed) => {
            event(Outcome::Success, removed)?;
            Ok(removed)
        }
        Err(error) => {
            let left = spans.iter().try_fold(0, |sum, span| {
                trail.store.count(span).map(|count| sum + count)
            })?;
            event(Outcome::Failure, survey.count.saturating_sub(left))?;
            Err(error.into())
        }
    }
}

//! `log`: lists entries.

use std::collections::HashSet;
use std::time::Duration;

use audit_core::{Cursor, LogEntry, Outcome, Query};
use clap::Args;
use uuid::Uuid;

use crate::error::Error;
use crate::exit::Exit;
use crate::filter::FilterArgs;
use crate::interrupt;
use crate::number;
use crate::output::{Output, Part};
use crate::session::Session;
use crate::store;
use crate::text;
use crate::trail::Trail;
use crate::zone::Zone;

/// The default number of entries on a terminal.
const TERMINAL_LIMIT: usize = 50;
/// The number of existing entries that `--follow` shows.
const TAIL: usize = 10;
/// The number of entries that are read at once while following.
const BATCH: usize = 500;
/// The maximum number of changed paths in a line.
const MAX_PATHS: usize = 4;

/// Examples for `--help`.
const EXAMPLES: &str = "\
Examples:
  auditlog log 'actor:alice since:2h'
  auditlog log --model User --changed email --changes
  auditlog log 'level:>=warning NOT actor:backup' --follow";

/// List entries, the newest first
///
/// On a terminal the command lists the newest 50 entries, with the last 12 digits of their ids:
/// `show`, `undo`, `blame` and `history` accept these. If the output is not a terminal, or with
/// --all, it lists all entries with complete ids.
///
/// With --follow it lists the newest 10, the oldest of them first, and then each new entry until
/// Ctrl-C. In PostgreSQL an entry appears after all transactions that began to write before its
/// own have ended.
#[derive(Args, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
#[command(after_help = EXAMPLES)]
pub(crate) struct LogArgs {
    #[command(flatten)]
    filter: FilterArgs,
    /// The maximum number of entries; 0 for all
    #[arg(long, short = 'n', value_name = "NUMBER", value_parser = number::parse::<usize>, allow_negative_numbers = true)]
    limit: Option<usize>,
    /// List all entries, also on a terminal
    #[arg(long, conflicts_with = "limit")]
    all: bool,
    /// List the oldest entries first
    #[arg(long, conflicts_with = "newest_first")]
    oldest_first: bool,
    /// List the newest entries first, which is the default
    #[arg(long)]
    newest_first: bool,
    /// Show each change with its old and new value
    #[arg(long, short)]
    changes: bool,
    /// Continue with new entries until Ctrl-C
    #[arg(long, short, conflicts_with_all = ["oldest_first", "newest_first", "all"])]
    follow: bool,
    /// With --follow, the interval between two reads of the store, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 500, requires = "follow", value_parser = number::parse::<u64>, allow_negative_numbers = true)]
    interval: u64,
}

pub(crate) fn run(args: &LogArgs, session: &mut Session) -> Result<Exit, Error> {
    let query = args.query(session)?;
    let trail = session.read("log", &query.to_string())?;
    let _bound = trail.enter();
    let printer = Printer {
        changes: args.changes,
        object: true,
        zone: session.global.tz,
    };
    if args.follow {
        return follow(args, &query, &trail, &printer, session);
    }
    let mut shown = 0;
    let mut last = None;
    for entry in query.clone().iter()? {
        let entry = entry?;
        printer.print("", &entry, &mut session.out)?;
        last = Some(Cursor::of(&entry));
        shown += 1;
    }
    trail.check_names(&query, shown > 0)?;
    if session.out.is_terminal() && !session.out.is_json() {
        print_note(shown, last, query, session)?;
    }
    Ok(Exit::Done)
}

impl LogArgs {
    /// Returns whether the command continues with new entries.
    pub(crate) fn follows(&self) -> bool {
        self.follow
    }

    fn query(&self, session: &Session) -> Result<Query, Error> {
        let query = self.filter.read(session.global.tz, session.now)?;
        let newest = match (self.oldest_first, self.newest_first || self.follow) {
            (true, _) => false,
            (_, true) => true,
            _ => !self.filter.is_oldest_first(),
        };
        let query = if newest {
            query.newest_first()
        } else {
            query.oldest_first()
        };
        let screen = session.out.is_terminal() && !session.out.is_json();
        // The flag overrides a limit in the query, which overrides the default.
        let limit = match (self.limit, audit_core::backend::limit(&query)) {
            (Some(0), _) | (None, Some(_)) => None,
            (Some(limit), _) => Some(limit),
            (None, None) if self.all => None,
            (None, None) if self.follow => Some(TAIL),
            (None, None) => screen.then_some(TERMINAL_LIMIT),
        };
        Ok(match limit {
            Some(limit) => query.limit(limit),
            None => query,
        })
    }
}

/// Prints that there are no entries, or more than those shown. It does not count them, because
/// counting may take long.
fn print_note(
    shown: u64,
    last: Option<Cursor>,
    query: Query,
    session: &mut Session,
) -> Result<(), Error> {
    let note = match last {
        None => "no entries".to_owned(),
        Some(last) if query.after(last).first()?.is_some() => {
            let shown = text::counted(shown, "entry", "entries");
            format!("{shown} shown, and there are more; --all shows all")
        }
        Some(_) => return Ok(()),
    };
    let note = session.out.paint(Part::Quiet, note);
    session.out.line(note)
}

/// Prints the newest entries, and then new ones.
fn follow(
    args: &LogArgs,
    query: &Query,
    trail: &Trail,
    printer: &Printer,
    session: &mut Session,
) -> Result<Exit, Error> {
    interrupt::watch()?;
    // Entries that are written from here on are followed; the ones read next may be among them.
    let mut position = trail.store.position()?;
    let mut page = trail.store.find(query)?.entries;
    page.reverse();
    let mut shown: HashSet<Uuid> = HashSet::new();
    for entry in &page {
        printer.print("", entry, &mut session.out)?;
        shown.insert(entry.id);
    }
    session.out.flush()?;
    while !interrupt::is_requested() && !Output::is_closed() {
        let batch = trail.store.committed_after(&position, BATCH)?;
        position = batch.next;
        for stored in &batch.entries {
            match stored.entry() {
                Ok(entry) if query.matches(&entry) && !shown.remove(&entry.id) => {
                    printer.print("", &entry, &mut session.out)?;
                }
                Ok(_) => {}
                Err(damaged) => store::skip(stored.id(), &damaged),
            }
        }
        session.out.flush()?;
        if batch.entries.is_empty() {
            interrupt::wait(Duration::from_millis(args.interval));
        }
    }
    Ok(Exit::Done)
}

/// Prints the entries of a list.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Printer {
    /// With the changes below.
    pub(crate) changes: bool,
    /// With the object's name.
    pub(crate) object: bool,
    pub(crate) zone: Zone,
}

impl Printer {
    /// Prints an entry on a line that begins with a mark, and with `changes` its changes below.
    pub(crate) fn print(self, mark: &str, entry: &LogEntry, out: &mut Output) -> Result<(), Error> {
        if out.is_json() {
            return out.json_line(&entry.to_canonical_json()?);
        }
        let line = self.line(entry, out);
        out.line(format!("{mark}{line}"))?;
        if self.changes {
            for change in &entry.changes {
                let path = out.paint(Part::Heading, text::safe(change.path.as_str()));
                let change = out.cut(text::change(change));
                out.line(format!("    {path}: {change}"))?;
            }
        }
        Ok(())
    }

    fn line(self, entry: &LogEntry, out: &Output) -> String {
        let action = text::safe(entry.action.as_str());
        let mut parts = vec![
            out.paint(Part::Quiet, self.zone.show_aligned(entry.timestamp)),
            out.paint(Part::Level(entry.level), format!("{:<8}", entry.level)),
            format!("{action:<8}"),
        ];
        let object = text::object(entry);
        if self.object && !object.is_empty() {
            parts.push(out.paint(Part::Object, object));
        }
        parts.push(format!("by {}", out.paint(Part::Actor, text::actor(entry))));
        if entry.outcome != Outcome::Success {
            let outcome = entry.outcome.as_str().to_uppercase();
            parts.push(out.paint(Part::Bad, format!("[{outcome}]")));
        }
        if !self.changes && !entry.changes.is_empty() {
            parts.push(format!(
                "({})",
                text::paths(entry.changes.paths(), MAX_PATHS)
            ));
        }
        if let Some(reason) = &entry.reason {
            parts.push(format!("\"{}\"", out.cut(text::safe(reason).into_owned())));
        }
        parts.push(out.paint(Part::Quiet, out.id(entry.id)));
        parts.join(" ")
    }
}

//! `import`: reads entries from a file into the trail.

mod format;
mod input;

use std::collections::HashMap;
use std::path::PathBuf;

use audit_core::{Actor, Level, LogEntry, Outcome, StoreError};
use clap::Args;
use serde_json::json;
use uuid::Uuid;

use self::format::{Checksum, Fault, Format, Found};
use self::input::Input;
use crate::error::Error;
use crate::exit::Exit;
use crate::global::Global;
use crate::session::Session;
use crate::store::{self, AccessMode, StoreLocation};
use crate::trail::{self, Trail};
use crate::{interrupt, progress, report, text};

/// The number of entries appended at a time.
const BATCH: usize = 1000;

/// Examples for `--help`.
const EXAMPLES: &str = "\
Examples:
  auditlog import trail.jsonl --store copy.db --create
  auditlog import db.sqlite3 --format django-auditlog --dry-run";

/// Read entries from a file into the trail
///
/// The file has JSON lines, or is a SQLite file with the audit tables of django-auditlog,
/// django-simple-history, SQLAlchemy-Continuum, `PaperTrail` or audited. Entries that the trail
/// already has are skipped, so importing a file twice is safe.
///
/// An entry with the action `import` records the import: its actor, the file's name and SHA-256, the
/// format, and the number of new entries. It is written with the first new entries, and again with
/// the last ones if there are more than 1,000.
///
/// An invalid entry stops the import; the error has its position and the number of imported
/// entries. With --keep-going the command reports and skips invalid entries, and exits with 4. With
/// --dry-run it checks the complete file and imports nothing.
#[derive(Args, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
#[command(after_help = EXAMPLES)]
pub(crate) struct ImportArgs {
    /// The file, or - for standard input; a pipe is read as JSON lines
    file: PathBuf,
    /// The format; by default all known tables for a SQLite file, and JSON lines for others
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Map a column to a field of the entry: `correlation_id`, `reason`, `remote_addr` or `trace_id`;
    /// may be repeated
    #[arg(long, value_name = "COLUMN=PART", value_parser = pair)]
    map: Vec<(String, String)>,
    /// Skip lines and rows that are invalid, or conflict with the entry of the same id in the trail
    #[arg(long)]
    keep_going: bool,
    /// Check the file, and import nothing
    #[arg(long)]
    dry_run: bool,
    /// Create the trail if it does not exist and the file has entries
    #[arg(long)]
    create: bool,
    /// Has no effect: an import is always recorded
    #[arg(long, hide = true)]
    record: bool,
}

/// The action of the entries that record an import.
const RECORD: &str = "import";

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((column, part)) if !column.is_empty() => Ok((column.to_owned(), part.to_owned())),
        _ => Err("expected a column and a field, as in remote=remote_addr".to_owned()),
    }
}

/// The counts so far.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    read: u64,
    new: u64,
    known: u64,
    /// Lines and rows that are invalid or conflict with the trail.
    skipped: u64,
    /// The number of the last line or row that was imported.
    until: u64,
}

pub(crate) fn run(args: &ImportArgs, session: &mut Session) -> Result<Exit, Error> {
    let actor = (!args.dry_run)
        .then(|| trail::actor_or_user_id(&session.global))
        .transpose()?;
    let mode = match (args.dry_run, args.create) {
        (true, _) => AccessMode::Read,
        (false, true) => AccessMode::Create,
        (false, false) => AccessMode::Write,
    };
    // Opened before a store is created for a missing file.
    let mut input = Input::open(&args.file)?;
    let name = input.name();
    // A missing store is created with the first entry, so that an empty file creates none.
    let trail = match mode {
        AccessMode::Create if !store::exists(&StoreLocation::of(&session.global)?)? => None,
        mode => Some(Trail::open(&session.global, mode)?),
    };
    let format = match args.format {
        Some(format) => format,
        None => Format::of(&mut input)?,
    };
    interrupt::watch()?;
    let global = session.global.clone();
    let mut import = Import {
        global: &global,
        trail,
        input: &name,
        format: format.name(),
        unit: format.unit(),
        actor,
        begun: false,
        keep_going: args.keep_going,
        conflicts: Vec::new(),
        tally: Tally::default(),
    };
    let mut checksum = None;
    let read = import.read(input, format, args, &mut checksum);
    import.warn_of_conflicts();
    let losses = match read {
        Ok((rest, losses)) => {
            let kept = import.keep(&rest, Part::End(checksum.as_deref()));
            import.warn_of_conflicts();
            kept.map(|()| losses)
        }
        Err(error) => Err(error),
    };
    let losses = match losses {
        Ok(losses) => losses,
        Err(error) => {
            import.record_failure(checksum.as_deref());
            return Err(error);
        }
    };
    let tally = import.tally;
    print(tally, &losses, args.dry_run, session)?;
    Ok(if tally.skipped == 0 {
        Exit::Done
    } else {
        Exit::Data
    })
}

fn print(
    tally: Tally,
    losses: &[String],
    dry_run: bool,
    session: &mut Session,
) -> Result<(), Error> {
    let out = &mut session.out;
    if out.is_json() {
        return out.json(&json!({
            "read": tally.read,
            "new": tally.new,
            "known": tally.known,
            "skipped": tally.skipped,
            "dry_run": dry_run,
            "losses": losses,
        }));
    }
    for loss in losses {
        out.line(format!("not exact: {}", text::safe(loss)))?;
    }
    let skipped = match tally.skipped {
        0 => String::new(),
        skipped => format!(", {} skipped", text::thousands(skipped)),
    };
    let note = if dry_run {
        "; nothing was imported"
    } else {
        ""
    };
    out.line(format!(
        "{} read: {} new, {} already in the trail{skipped}{note}",
        text::counted(tally.read, "entry", "entries"),
        text::thousands(tally.new),
        text::thousands(tally.known),
    ))
}

/// The part of an import that is appended.
#[derive(Clone, Copy)]
enum Part<'c> {
    /// Further entries follow.
    Begin,
    /// The last ones, with the checksum of the file if all of it was read.
    End(Option<&'c str>),
}

impl Part<'_> {
    fn is_end(self) -> bool {
        matches!(self, Self::End(_))
    }
}

/// A running import.
struct Import<'i> {
    global: &'i Global,
    /// `None` until there is an entry to create the store for.
    trail: Option<Trail>,
    input: &'i str,
    format: String,
    unit: &'static str,
    /// The importing user; `None` in a dry run.
    actor: Option<Actor>,
    /// Whether an entry in the trail records this import.
    begun: bool,
    keep_going: bool,
    /// The entries of the last batch that were skipped.
    conflicts: Vec<Error>,
    tally: Tally,
}

impl Import<'_> {
    /// Returns the trail, and creates its store if it is missing.
    fn trail(&mut self) -> Result<&Trail, Error> {
        let trail = match self.trail.take() {
            Some(trail) => trail,
            None => Trail::open(self.global, AccessMode::Create)?,
        };
        Ok(self.trail.insert(trail))
    }

    /// Reads a file and imports its entries except the last batch, which is returned with the losses.
    fn read(
        &mut self,
        input: Input<'_>,
        format: Format,
        args: &ImportArgs,
        checksum: &mut Checksum,
    ) -> Result<(Vec<Found>, Vec<String>), Error> {
        let bar = progress::bar(None, "importing");
        let mut batch: Vec<Found> = Vec::with_capacity(BATCH);
        let losses = format.read(input, &args.map, checksum, &mut |found| {
            match found {
                Ok(found) => {
                    if batch.len() == BATCH {
                        self.keep(&batch, Part::Begin)?;
                        bar.set_position(self.tally.read);
                        batch.clear();
                        bar.suspend(|| self.warn_of_conflicts());
                    }
                    batch.push(found);
                }
                Err(fault) if self.keep_going => {
                    self.tally.skipped += 1;
                    let error = self.fault(&fault);
                    bar.suspend(|| report::warn(&error));
                }
                Err(fault) => return Err(self.fault(&fault)),
            }
            if interrupt::is_requested() {
                return Err(Error::Interrupted {
                    done: self.interrupted(),
                });
            }
            Ok(())
        })?;
        bar.finish_and_clear();
        Ok((batch, losses))
    }

    /// Imports a batch, and counts the new entries in it.
    fn keep(&mut self, batch: &[Found], part: Part<'_>) -> Result<(), Error> {
        let stored = match &self.trail {
            Some(trail) => {
                let ids: Vec<Uuid> = batch.iter().map(|found| found.entry.id).collect();
                trail.store.by_ids(&ids)?
            }
            None => Vec::new(),
        };
        let mut known: HashMap<Uuid, LogEntry> =
            stored.into_iter().map(|entry| (entry.id, entry)).collect();
        let mut new: Vec<&Found> = Vec::with_capacity(batch.len());
        let mut rejected = 0;
        for found in batch {
            match known.get(&found.entry.id) {
                Some(other) if *other != found.entry => {
                    let error = self.conflict(found);
                    self.skip(error)?;
                    rejected += 1;
                }
                Some(_) => {}
                None => {
                    known.insert(found.entry.id, found.entry.clone());
                    new.push(found);
                }
            }
        }
        let mut tally = self.tally;
        tally.read += (batch.len() - rejected) as u64;
        tally.new += new.len() as u64;
        tally.known += (batch.len() - rejected - new.len()) as u64;
        tally.until = batch.last().map_or(tally.until, |found| found.number);
        // A store is created for the first entry, and for an empty file without invalid lines.
        let needed = !new.is_empty() || self.trail.is_some() || tally.skipped == 0;
        if self.actor.is_some() && needed && (!new.is_empty() || part.is_end()) {
            self.append(&new, tally, part)
        } else {
            self.tally = tally;
            Ok(())
        }
    }

    /// Appends new entries, with the record of the import if they are the first or the last ones.
    /// `tally` counts all of them as imported.
    fn append(&mut self, new: &[&Found], tally: Tally, part: Part<'_>) -> Result<(), Error> {
        let has_record = part.is_end() || !self.begun;
        let mut entries: Vec<LogEntry> = new.iter().map(|found| found.entry.clone()).collect();
        if has_record {
            entries.extend(self.record(Outcome::Success, tally, part)?);
        }
        match self.trail()?.store.append(&entries) {
            Ok(()) => {
                self.begun = true;
                self.tally = tally;
                return Ok(());
            }
            Err(StoreError::Conflict { .. } | StoreError::Invalid { .. }) if self.keep_going => {}
            Err(error) => return Err(self.rejected(new, error)),
        }
        // The store rejects a batch as one, so the entries are appended one by one.
        if !self.begun {
            let record = self.record(Outcome::Success, self.tally, Part::Begin)?;
            self.trail()?.store.append(record.as_slice())?;
            self.begun = true;
        }
        let mut count = 0;
        for found in new {
            match self
                .trail()?
                .store
                .append(std::slice::from_ref(&found.entry))
            {
                Ok(()) => count += 1,
                Err(error @ (StoreError::Conflict { .. } | StoreError::Invalid { .. })) => {
                    let error = self.rejected(&[found], error);
                    self.skip(error)?;
                }
                Err(error) => return Err(error.into()),
            }
        }
        let rejected = new.len() as u64 - count;
        self.tally = Tally {
            read: tally.read - rejected,
            new: tally.new - rejected,
            skipped: self.tally.skipped,
            ..tally
        };
        if part.is_end() {
            let record = self.record(Outcome::Success, self.tally, part)?;
            self.trail()?.store.append(record.as_slice())?;
        }
        Ok(())
    }

    /// Makes the record of the import; at its beginning without the counts.
    fn record(
        &mut self,
        outcome: Outcome,
        tally: Tally,
        part: Part<'_>,
    ) -> Result<Option<LogEntry>, Error> {
        let Some(actor) = self.actor.clone() else {
            return Ok(None);
        };
        let (input, format) = (self.input, self.format.clone());
        let mut draft = self
            .trail()?
            .log
            .event(RECORD)
            .actor(actor)
            .level(Level::Warning)
            .outcome(outcome)
            .extra("file", input)
            .extra("format", format);
        if let Part::End(checksum) = part {
            if let Some(checksum) = checksum {
                draft = draft.extra("sha256", checksum);
            }
            draft = draft
                .extra("read", tally.read)
                .extra("new", tally.new)
                .extra("known", tally.known)
                .extra("skipped", tally.skipped);
        }
        Ok(draft.into_entry()?)
    }

    /// Records the counts of an import that failed.
    fn record_failure(&mut self, checksum: Option<&str>) {
        if !self.begun {
            return;
        }
        let recorded = self
            .record(Outcome::Failure, self.tally, Part::End(checksum))
            .and_then(|entry| Ok(self.trail()?.store.append(entry.as_slice())?));
        if let Err(error) = recorded {
            report::warn(&error);
        }
    }

    /// Skips an entry, with `--keep-going`.
    fn skip(&mut self, error: Error) -> Result<(), Error> {
        if !self.keep_going {
            return Err(error);
        }
        self.tally.skipped += 1;
        self.conflicts.push(error);
        Ok(())
    }

    fn warn_of_conflicts(&mut self) {
        for error in self.conflicts.drain(..) {
            report::warn(&error);
        }
    }

    /// Makes the error for the entry that the store rejected.
    fn rejected(&self, batch: &[&Found], error: StoreError) -> Error {
        let (StoreError::Conflict { id } | StoreError::Invalid { id, .. }) = &error else {
            return error.into();
        };
        match batch.iter().rfind(|found| found.entry.id == *id) {
            Some(found) => self.rejection(found, error.to_string()),
            None => error.into(),
        }
    }

    fn conflict(&self, found: &Found) -> Error {
        let message = format!("another entry has the id {}", found.entry.id);
        self.rejection(found, message)
    }

    fn rejection(&self, found: &Found, message: String) -> Error {
        let line = (self.unit == "line").then_some(found.number);
        self.fault(&Fault {
            line,
            column: None,
            message,
        })
    }

    fn fault(&self, fault: &Fault) -> Error {
        let mut position = self.input.to_owned();
        for number in [fault.line, fault.column.map(|column| column as u64)] {
            position.extend(number.map(|number| format!(":{number}")));
        }
        Error::Line {
            position,
            message: fault.message.clone(),
            kept: self.kept(),
        }
    }

    /// Describes the imported part, and how to continue after a fault.
    fn kept(&self) -> String {
        match self.imported() {
            None => "nothing was imported; correct the file and import it again".to_owned(),
            Some(imported) => format!(
                "imported: {imported}; correct the file and import it again, which skips entries that \
                 are in the trail"
            ),
        }
    }

    /// Describes the imported part, and how to continue after an interrupt.
    fn interrupted(&self) -> String {
        match self.imported() {
            None => "nothing was imported; run the command again".to_owned(),
            Some(imported) => format!(
                "the trail has {imported}; run the command again to continue, which skips entries that \
                 are in the trail"
            ),
        }
    }

    /// Describes the imported part; `None` if nothing was imported.
    fn imported(&self) -> Option<String> {
        let Tally {
            read, new, until, ..
        } = self.tally;
        (self.actor.is_some() && read > 0).then(|| {
            format!(
                "{} up to {} {until}, {} of them new",
                text::counted(read, "entry", "entries"),
                self.unit,
                text::thousands(new)
            )
        })
    }
}

//! `import`: entries out of a file into the trail.

mod format;

use std::collections::HashMap;
use std::path::PathBuf;

use audit_core::{Actor, Level, LogEntry, Outcome, StoreError};
use clap::Args;
use serde_json::json;
use uuid::Uuid;

use self::format::{Checksum, Fault, Format, Found};
use crate::error::Error;
use crate::exit::Exit;
use crate::global::Global;
use crate::session::Session;
use crate::store::{self, Need, Place};
use crate::trail::{self, Trail};
use crate::{interrupt, progress, report, text};

/// The number of entries appended at a time.
const BATCH: usize = 1000;

/// Read entries out of a file into the trail
///
/// JSON lines, or a SQLite file with the audit tables of django-auditlog,
/// django-simple-history, SQLAlchemy-Continuum, `PaperTrail` or audited. An entry that the trail
/// has already is passed over, so that a file may be imported again.
///
/// An entry `import` in the trail tells who imported what: the file's name and its SHA-256, the
/// form, and how many entries were new. It is written with the first entries that are kept,
/// and again with the last ones if there are more than a thousand.
///
/// An invalid entry ends the import; the error has its place and the number of entries kept. With
/// --keep-going it is reported and skipped, and the exit code is 4 in the end. With --dry-run
/// all of the file is checked and nothing is kept.
#[derive(Args, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
pub(crate) struct ImportArgs {
    /// The file; - for the standard input
    file: PathBuf,
    /// The form of the file; all tables of a SQLite file and else JSON lines, if not given
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// The part of an entry in a column of another name: `correlation_id`, `reason`, `remote_addr`
    /// or `trace_id`. May be given several times
    #[arg(long, value_name = "COLUMN=PART", value_parser = pair)]
    map: Vec<(String, String)>,
    /// Pass over lines and rows that are no entries, or others than the trail has by that id
    #[arg(long)]
    keep_going: bool,
    /// Check the file, and keep nothing
    #[arg(long)]
    dry_run: bool,
    /// Make the store if it does not exist, unless there is nothing to keep in it
    #[arg(long)]
    create: bool,
    /// Has no effect: an import is always recorded
    #[arg(long, hide = true)]
    record: bool,
}

/// The action of the entries that tell of an import.
const RECORD: &str = "import";

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((column, part)) if !column.is_empty() => Ok((column.to_owned(), part.to_owned())),
        _ => Err("expected a column and what it is, remote=remote_addr".to_owned()),
    }
}

/// The result so far.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    read: u64,
    new: u64,
    known: u64,
    /// Lines and rows that are no entries or cannot be kept.
    skipped: u64,
    /// The last place up to which everything was kept.
    until: u64,
}

pub(crate) fn run(args: &ImportArgs, session: &mut Session) -> Result<Exit, Error> {
    let actor = (!args.dry_run)
        .then(|| trail::actor_or_user_id(&session.global))
        .transpose()?;
    let need = match (args.dry_run, args.create) {
        (true, _) => Need::Read,
        (false, true) => Need::Create,
        (false, false) => Need::Write,
    };
    let place = format::place(&args.file);
    // Looked at before a store is made for what is not there.
    let format = match args.format {
        Some(format) => format,
        None => Format::of(&args.file)?,
    };
    // A store that is to be made is made for the first entry: none is left for what has none.
    let trail = match need {
        Need::Create if !store::exists(&Place::of(&session.global)?)? => None,
        need => Some(Trail::open(&session.global, need)?),
    };
    interrupt::watch()?;
    let global = session.global.clone();
    let mut import = Import {
        global: &global,
        trail,
        place: &place,
        format: format.name(),
        unit: format.unit(),
        actor,
        begun: false,
        keep_going: args.keep_going,
        conflicts: Vec::new(),
        tally: Tally::default(),
    };
    let mut checksum = None;
    let read = import.read(format, args, &mut checksum);
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
        skipped => format!(", {} passed over", text::thousands(skipped)),
    };
    let note = if dry_run { "; nothing was kept" } else { "" };
    out.line(format!(
        "{} read: {} new, {} known already{skipped}{note}",
        text::counted(tally.read, "entry", "entries"),
        text::thousands(tally.new),
        text::thousands(tally.known),
    ))
}

/// Which of its entries an import keeps.
#[derive(Clone, Copy)]
enum Part<'c> {
    /// Others follow.
    Begin,
    /// The last ones, with the checksum of the file if all of it was read.
    End(Option<&'c str>),
}

impl Part<'_> {
    fn is_end(self) -> bool {
        matches!(self, Self::End(_))
    }
}

/// An import that goes on.
struct Import<'i> {
    global: &'i Global,
    /// `None` until there is something to make the store for.
    trail: Option<Trail>,
    place: &'i str,
    format: String,
    unit: &'static str,
    /// The importing user; `None` if nothing is to be kept.
    actor: Option<Actor>,
    /// Whether an entry in the trail tells of this import.
    begun: bool,
    keep_going: bool,
    /// The entries of the last batch that were skipped.
    conflicts: Vec<Error>,
    tally: Tally,
}

impl Import<'_> {
    /// Returns the trail, and makes its store if there is none yet.
    fn trail(&mut self) -> Result<&Trail, Error> {
        let trail = match self.trail.take() {
            Some(trail) => trail,
            None => Trail::open(self.global, Need::Create)?,
        };
        Ok(self.trail.insert(trail))
    }

    /// Reads a file and keeps what it has but for the last entries, which are returned with
    /// what could not be carried over exactly.
    fn read(
        &mut self,
        format: Format,
        args: &ImportArgs,
        checksum: &mut Checksum,
    ) -> Result<(Vec<Found>, Vec<String>), Error> {
        let bar = progress::bar(None, "importing");
        let mut batch: Vec<Found> = Vec::with_capacity(BATCH);
        let losses = format.read(&args.file, &args.map, checksum, &mut |found| {
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
                return Err(Error::Interrupted { done: self.kept() });
            }
            Ok(())
        })?;
        bar.finish_and_clear();
        Ok((batch, losses))
    }

    /// Keeps a batch, and counts what was new in it.
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
        let mut refused = 0;
        for found in batch {
            match known.get(&found.entry.id) {
                Some(other) if *other != found.entry => {
                    let error = self.conflict(found);
                    self.pass_over(error)?;
                    refused += 1;
                }
                Some(_) => {}
                None => {
                    known.insert(found.entry.id, found.entry.clone());
                    new.push(found);
                }
            }
        }
        let mut tally = self.tally;
        tally.read += (batch.len() - refused) as u64;
        tally.new += new.len() as u64;
        tally.known += (batch.len() - refused - new.len()) as u64;
        tally.until = batch.last().map_or(tally.until, |found| found.number);
        // A store is made for a file without any line that is wrong, and else for an entry.
        let needed = !new.is_empty() || self.trail.is_some() || tally.skipped == 0;
        if self.actor.is_some() && needed && (!new.is_empty() || part.is_end()) {
            self.append(&new, tally, part)
        } else {
            self.tally = tally;
            Ok(())
        }
    }

    /// Appends entries that the store had not a moment ago, with the entry that tells of the
    /// import if they are the first or the last ones. The count is what it is if all are kept.
    fn append(&mut self, new: &[&Found], tally: Tally, part: Part<'_>) -> Result<(), Error> {
        let tells = part.is_end() || !self.begun;
        let mut entries: Vec<LogEntry> = new.iter().map(|found| found.entry.clone()).collect();
        if tells {
            entries.extend(self.record(Outcome::Success, tally, part)?);
        }
        match self.trail()?.store.append(&entries) {
            Ok(()) => {
                self.begun = true;
                self.tally = tally;
                return Ok(());
            }
            Err(StoreError::Conflict { .. } | StoreError::Invalid { .. }) if self.keep_going => {}
            Err(error) => return Err(self.refused(new, error)),
        }
        // Nothing of a batch is kept that has an entry which the store refuses.
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
                    let error = self.refused(&[found], error);
                    self.pass_over(error)?;
                }
                Err(error) => return Err(error.into()),
            }
        }
        let lost = new.len() as u64 - count;
        self.tally = Tally {
            read: tally.read - lost,
            new: tally.new - lost,
            skipped: self.tally.skipped,
            ..tally
        };
        if part.is_end() {
            let record = self.record(Outcome::Success, self.tally, part)?;
            self.trail()?.store.append(record.as_slice())?;
        }
        Ok(())
    }

    /// Makes the entry that tells of the import: at its beginning without what came of it.
    fn record(
        &mut self,
        outcome: Outcome,
        tally: Tally,
        part: Part<'_>,
    ) -> Result<Option<LogEntry>, Error> {
        let Some(actor) = self.actor.clone() else {
            return Ok(None);
        };
        let (place, format) = (self.place, self.format.clone());
        let mut draft = self
            .trail()?
            .log
            .event(RECORD)
            .actor(actor)
            .level(Level::Warning)
            .outcome(outcome)
            .extra("file", place)
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

    /// Tells in the trail what was kept of an import that ends before its end.
    fn record_failure(&mut self, checksum: Option<&str>) {
        if !self.begun {
            return;
        }
        let told = self
            .record(Outcome::Failure, self.tally, Part::End(checksum))
            .and_then(|entry| Ok(self.trail()?.store.append(entry.as_slice())?));
        if let Err(error) = told {
            report::warn(&error);
        }
    }

    /// Goes on past an entry that cannot be kept, if that was asked for.
    fn pass_over(&mut self, error: Error) -> Result<(), Error> {
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

    /// Names the line that the store refused.
    fn refused(&self, batch: &[&Found], error: StoreError) -> Error {
        let (StoreError::Conflict { id } | StoreError::Invalid { id, .. }) = &error else {
            return error.into();
        };
        match batch.iter().rfind(|found| found.entry.id == *id) {
            Some(found) => self.refusal(found, error.to_string()),
            None => error.into(),
        }
    }

    fn conflict(&self, found: &Found) -> Error {
        let message = format!("another entry has the id {}", found.entry.id);
        self.refusal(found, message)
    }

    fn refusal(&self, found: &Found, message: String) -> Error {
        let line = (self.unit == "line").then_some(found.number);
        self.fault(&Fault {
            line,
            column: None,
            message,
        })
    }

    fn fault(&self, fault: &Fault) -> Error {
        let mut place = self.place.to_owned();
        for number in [fault.line, fault.column.map(|column| column as u64)] {
            place.extend(number.map(|number| format!(":{number}")));
        }
        Error::Line {
            place,
            message: fault.message.clone(),
            kept: self.kept(),
        }
    }

    /// Says what was kept so far, and how to go on.
    fn kept(&self) -> String {
        let Tally {
            read, new, until, ..
        } = self.tally;
        if self.actor.is_none() || read == 0 {
            return "nothing was kept; correct the file and import it again".to_owned();
        }
        format!(
            "kept: {} up to {} {until}, {} of them new; nothing after it; correct the file and \
             import it again, what is known is passed over",
            text::counted(read, "entry", "entries"),
            self.unit,
            text::thousands(new)
        )
    }
}

//! `archive run`: copies new entries to the archive.

use std::collections::BTreeMap;
use std::sync::Arc;

use audit_archive::{ArchiveOptions, ArchiveStore, Archiver, Error as ArchiveError, RunReport};
use audit_core::Position;
use clap::Args;
use serde_json::json;

use super::pending;
use crate::error::Error;
use crate::exit::Exit;
use crate::session::Session;
use crate::{interrupt, progress, store, text};

/// Copy the entries that were written since the last run
///
/// The command may be stopped at any moment: the next run continues with the same files. Ctrl-C ends the run
/// after the current segment of at most 100,000 entries. One archiver works at a time. A row that is not an
/// entry is reported and not archived, and the exit code is 3.
#[derive(Args, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an option of the command"
)]
pub(super) struct RunArgs {
    /// Begin an archive if the location has none
    #[arg(long)]
    create: bool,
    /// Continue although the store does not have the newest entry of the archive, after `prune` without
    /// --archived has removed it
    #[arg(long)]
    adopt: bool,
    /// Put the entries of a model into files of a retention class; may be repeated. The archive stores the
    /// classes: later runs need no --class, and other classes are an error
    #[arg(long, value_name = "MODEL=CLASS", value_parser = pair)]
    class: Vec<(String, String)>,
    /// Replace the classes of the archive by those of --class for entries that are archived from now on
    #[arg(long)]
    change_classes: bool,
    /// The name of this archiver. After a crash, an archiver of the same name continues at once,
    /// another one after 60 s; by default a random name
    #[arg(long, value_name = "NAME")]
    holder: Option<String>,
    /// Count the entries, and write nothing
    #[arg(long)]
    dry_run: bool,
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.rsplit_once('=') {
        Some((model, class)) if !class.is_empty() => Ok((model.to_owned(), class.to_owned())),
        _ => Err("expected a model and a class, as in Payment=ten-years".to_owned()),
    }
}

pub(super) fn run(args: &RunArgs, session: &mut Session) -> Result<Exit, Error> {
    let location = store::archive(&session.global)?;
    let trail = session.read_store("archive run", "")?;
    let bar = progress::bar(None, "archiving");
    if args.dry_run {
        let position = match ArchiveStore::open(location) {
            Ok(archive) => archive.status()?.position,
            Err(ArchiveError::NoArchive { .. }) if args.create => Position::START,
            Err(error) => return Err(error.into()),
        };
        let count = pending(&*trail.store, &position, &bar)?;
        bar.finish_and_clear();
        if session.out.is_json() {
            session
                .out
                .json(&json!({ "entries": count, "dry_run": true }))?;
        } else {
            let entries = text::counted(count, "entry", "entries");
            session.out.line(format!("{entries} would be archived"))?;
        }
        return Ok(Exit::Done);
    }
    let mut options = ArchiveOptions::new()
        .create(args.create)
        .adopt(args.adopt)
        .change_classes(args.change_classes);
    if let Some(holder) = &args.holder {
        options = options.holder(holder);
    }
    let mut classes = BTreeMap::new();
    for (model, class) in &args.class {
        if let Some(other) = classes.insert(model, class)
            && other != class
        {
            return Err(Error::Usage {
                message: format!("--class names `{model}` with `{other}` and with `{class}`"),
                hint: "a model has one retention class",
            });
        }
        options = options.class(model, class);
    }
    interrupt::watch()?;
    let archiver = Archiver::new(Arc::clone(&trail.store), location).options(options);
    let report = archiver.run_with(&mut |so_far| {
        bar.set_position(so_far.entries);
        !interrupt::is_requested()
    });
    bar.finish_and_clear();
    let report = report?;
    if interrupt::is_requested() {
        let entries = text::counted(report.entries, "entry was", "entries were");
        let done = format!("{entries} archived, and the next run continues");
        return Err(Error::Interrupted { done });
    }
    print(&report, !args.class.is_empty(), session)?;
    Ok(if report.skipped > 0 {
        Exit::Store
    } else {
        Exit::Done
    })
}

fn print(report: &RunReport, has_classes: bool, session: &mut Session) -> Result<(), Error> {
    let out = &mut session.out;
    if out.is_json() {
        return out.json(&json!({
            "entries": report.entries,
            "skipped": report.skipped,
            "segments": report.segments,
            "files": report.files,
            "bytes": report.bytes,
        }));
    }
    if report.entries > 0 {
        let entries = text::counted(report.entries, "entry", "entries");
        let files = text::counted(report.files, "file", "files");
        out.line(format!("{entries} archived in {files}"))?;
    } else if has_classes {
        out.line("no new entries; the archive has the classes of --class")?;
    } else {
        out.line("no new entries")?;
    }
    if report.skipped > 0 {
        let rows = text::counted(report.skipped, "row", "rows");
        out.line(format!("{rows} skipped: not an entry, see the warnings"))?;
    }
    Ok(())
}

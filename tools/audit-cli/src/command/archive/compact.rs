//! `archive compact`: replaces small files by fewer large ones.

use std::time::Duration;

use audit_archive::{ArchiveOptions, Archiver, Compacted};
use audit_core::MemoryStore;
use clap::Args;
use serde_json::json;

use crate::error::Error;
use crate::exit::Exit;
use crate::session::Session;
use crate::{number, progress, report, store, text};

/// Replace small files of one class and date by one file
///
/// An archive that is written each hour has many small files. The command verifies them, writes their entries to
/// one file with the same bytes, and deletes the old files with a later run, when the grace has ended. It may be
/// stopped at any moment. It needs no store. Files of a class and date with a damaged file stay as they are, and
/// the exit code is 3.
#[derive(Args, Debug)]
pub(super) struct CompactArgs {
    /// Replace at least this many files of a class and date by one
    #[arg(long, value_name = "NUMBER", value_parser = number::parse::<usize>, default_value = "4")]
    min_files: usize,
    /// Delete replaced files after this many hours, at most 720
    #[arg(long, value_name = "HOURS", value_parser = number::parse::<u32>, default_value = "24")]
    grace: u32,
    /// The name of this archiver, as in `archive run`
    #[arg(long, value_name = "NAME")]
    holder: Option<String>,
    /// Count the files, and write and delete nothing
    #[arg(long)]
    dry_run: bool,
}

pub(super) fn run(args: &CompactArgs, session: &mut Session) -> Result<Exit, Error> {
    let location = store::archive(&session.global)?;
    let mut options = ArchiveOptions::new()
        .compact_files(args.min_files)
        .grace(Duration::from_secs(u64::from(args.grace) * 3600));
    if let Some(holder) = &args.holder {
        options = options.holder(holder);
    }
    // The archiver reads no trail for it.
    let archiver = Archiver::new(MemoryStore::new(), location).options(options);
    let bar = progress::spinner("compacting");
    let done = if args.dry_run {
        archiver.plan_compact()
    } else {
        archiver.compact()
    };
    bar.finish_and_clear();
    let done = done?;
    for finding in &done.findings {
        report::warning(&finding.to_string());
    }
    print(&done, args.dry_run, session)?;
    Ok(if done.findings.is_empty() {
        Exit::Done
    } else {
        Exit::Store
    })
}

fn print(done: &Compacted, dry_run: bool, session: &mut Session) -> Result<(), Error> {
    let out = &mut session.out;
    if out.is_json() {
        let findings = done.findings.iter().map(ToString::to_string);
        return out.json(&json!({
            "replaced": done.replaced,
            "files": done.files,
            "entries": done.entries,
            "deleted": done.deleted,
            "refused": done.refused,
            "findings": findings.collect::<Vec<_>>(),
            "dry_run": dry_run,
        }));
    }
    if done.replaced > 0 {
        let replaced = text::counted(done.replaced, "file", "files");
        let files = text::counted(done.files, "file", "files");
        let entries = text::counted(done.entries, "entry", "entries");
        let verb = if dry_run { "would be" } else { "were" };
        out.line(format!(
            "{replaced} {verb} replaced by {files} with {entries}"
        ))?;
    } else {
        out.line("no files to compact")?;
    }
    if done.deleted > 0 {
        let objects = text::counted(done.deleted, "object", "objects");
        out.line(format!("{objects} of replaced files deleted"))?;
    }
    if done.refused > 0 {
        let objects = text::counted(done.refused, "object", "objects");
        out.line(format!(
            "{objects} of replaced files not deleted: the object store does not permit it"
        ))?;
    }
    Ok(())
}

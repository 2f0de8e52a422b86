//! `archive`: keeps the trail in Parquet files on an object store.

mod compact;
mod expire;
mod restore;
mod run;
mod status;
mod verify;

use audit_core::{Follow, Position};
use clap::{Args, Subcommand};
use indicatif::ProgressBar;

use crate::error::Error;
use crate::exit::Exit;
use crate::session::Session;

/// The number of entries that are read at once.
const BATCH: usize = 500;

/// Examples for `--help`.
const EXAMPLES: &str = "\
Examples:
  auditlog archive run --archive /srv/archive --create
  auditlog archive status --archive /srv/archive
  auditlog archive verify --archive /srv/archive --against-store
  auditlog archive restore --archive /srv/archive --object User/42 --store copy.db --create
  auditlog archive compact --archive s3://bucket/archive
  auditlog archive expire --archive /srv/archive --before 2020-01-01 --reason 'policy 7' --dry-run";

/// Copy the trail to Parquet files, and verify, restore and remove them
///
/// The archive is a folder, or a bucket of S3, Google Cloud Storage or Azure, named by --archive. `run` copies the entries that were
/// written since the last run; a scheduler such as cron can start it. `prune --archived` then removes
/// archived entries from the store, and commands with --archive still find them. Other engines, such
/// as DuckDB, read the files without this command.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ArchiveArgs {
    #[command(subcommand)]
    command: ArchiveCommand,
}

#[derive(Debug, Subcommand)]
enum ArchiveCommand {
    Run(run::RunArgs),
    Status(status::StatusArgs),
    Verify(verify::VerifyArgs),
    Restore(Box<restore::RestoreArgs>),
    Compact(compact::CompactArgs),
    Expire(expire::ExpireArgs),
}

pub(crate) fn run(args: &ArchiveArgs, session: &mut Session) -> Result<Exit, Error> {
    match &args.command {
        ArchiveCommand::Run(args) => run::run(args, session),
        ArchiveCommand::Status(args) => status::run(args, session),
        ArchiveCommand::Verify(args) => verify::run(args, session),
        ArchiveCommand::Restore(args) => restore::run(args, session),
        ArchiveCommand::Compact(args) => compact::run(args, session),
        ArchiveCommand::Expire(args) => expire::run(args, session),
    }
}

/// Counts the entries that the store has after a position.
fn pending(store: &dyn Follow, after: &Position, bar: &ProgressBar) -> Result<u64, Error> {
    let mut after = after.clone();
    let mut count = 0;
    loop {
        let batch = store.committed_after(&after, BATCH)?;
        if batch.entries.is_empty() {
            return Ok(count);
        }
        count += batch.entries.len() as u64;
        bar.set_position(count);
        after = batch.next;
    }
}

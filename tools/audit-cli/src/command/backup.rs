//! `backup`: copies the store's file.

use std::path::PathBuf;

use clap::{Args, ValueHint};
use serde_json::json;

use super::export::target;
use crate::error::Error;
use crate::exit::Exit;
use crate::session::Session;
use crate::store::StoreLocation;
use crate::text;

/// Examples for `--help`.
const EXAMPLES: &str = "\
Examples:
  auditlog backup /backup/audit-2026-01-31.db";

/// Copy a SQLite trail to a new file while programs write
///
/// The copy is one consistent file that includes the write-ahead log. It appears under its name
/// when it is complete, and never replaces a file. To restore it, stop all programs that have the
/// trail open, delete its `-wal` and `-shm` files, and replace its file with the copy. For a trail in
/// PostgreSQL use `pg_dump`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct BackupArgs {
    /// The new file
    #[arg(value_hint = ValueHint::FilePath)]
    file: PathBuf,
}

pub(crate) fn run(args: &BackupArgs, session: &mut Session) -> Result<Exit, Error> {
    if StoreLocation::of(&session.global)?.is_server() {
        return Err(Error::Usage {
            message: "`auditlog backup` copies SQLite files, and this trail is in PostgreSQL"
                .to_owned(),
            hint: "use pg_dump, for instance `pg_dump --schema=NAME --format=custom`",
        });
    }
    target::require_folder(&args.file)?;
    let trail = session.read_store("backup", "")?;
    trail.store.backup(&args.file)?;
    let file = args.file.display().to_string();
    let out = &mut session.out;
    if out.is_json() {
        out.json(&json!({ "file": file }))?;
    } else {
        out.line(format!("copied to {}", text::safe(&file)))?;
    }
    Ok(Exit::Done)
}

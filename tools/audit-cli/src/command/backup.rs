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

/// Copy the store's file while it is in use
///
/// The copy is consistent and includes the write-ahead log; other programs may write meanwhile. It
/// appears under its name when it is complete, and does not replace a file. To restore it, stop
/// all programs that have the store open, and replace the file and its `-wal` and `-shm` by the copy. A trail in PostgreSQL is copied with `pg_dump`.
#[derive(Args, Debug)]
pub(crate) struct BackupArgs {
    /// The new file
    #[arg(value_hint = ValueHint::FilePath)]
    file: PathBuf,
}

pub(crate) fn run(args: &BackupArgs, session: &mut Session) -> Result<Exit, Error> {
    if StoreLocation::of(&session.global)?.is_server() {
        return Err(Error::Usage {
            message: "a trail in PostgreSQL is not copied to a file by this command".to_owned(),
            hint: "use pg_dump, for instance `pg_dump --schema=NAME --format=custom`",
        });
    }
    target::require_folder(&args.file)?;
    let trail = session.read("backup", "")?;
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

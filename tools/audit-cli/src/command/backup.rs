//! `backup`: a copy of the store's file.

use std::path::PathBuf;

use clap::{Args, ValueHint};
use serde_json::json;

use crate::error::Error;
use crate::exit::Exit;
use crate::session::Session;
use crate::store::Place;
use crate::text;

/// Copy the store's file while it is in use
///
/// The copy is the trail of one moment, with what its write-ahead log has; others may write
/// meanwhile. It appears under its name when it is complete, and replaces no file. To restore it,
/// end what has the store open, and put the copy in the place of the file and of its `-wal` and
/// `-shm`, which belong together. A trail in PostgreSQL is copied with `pg_dump`.
#[derive(Args, Debug)]
pub(crate) struct BackupArgs {
    /// The new file
    #[arg(value_hint = ValueHint::FilePath)]
    file: PathBuf,
}

pub(crate) fn run(args: &BackupArgs, session: &mut Session) -> Result<Exit, Error> {
    if Place::of(&session.global)?.is_server() {
        return Err(Error::Usage {
            message: "a trail in PostgreSQL is not copied to a file by this command".to_owned(),
            hint: "use pg_dump, for instance `pg_dump --schema=NAME --format=custom`",
        });
    }
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

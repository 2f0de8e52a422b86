//! `archive status`: shows the content of the archive.

use audit_archive::{ArchiveStatus, ArchiveStore};
use chrono::{DateTime, Utc};
use clap::Args;
use indicatif::HumanBytes;
use serde_json::json;

use super::pending;
use crate::error::Error;
use crate::exit::Exit;
use crate::output::Part;
use crate::progress;
use crate::session::Session;
use crate::store::{self, StoreLocation};
use crate::text;
use crate::zone::Zone;

/// Show the content of the archive, and the number of entries that are not archived yet
///
/// The command reads the manifests alone. It counts the entries that are not archived yet if there is a
/// store.
#[derive(Args, Debug)]
pub(super) struct StatusArgs {}

pub(super) fn run(_args: &StatusArgs, session: &mut Session) -> Result<Exit, Error> {
    let archive = ArchiveStore::open(store::archive(&session.global)?)?;
    let status = archive.status()?;
    let has_store = !matches!(StoreLocation::of(&session.global), Err(Error::NoStore));
    let pending = if has_store {
        let trail = session.read_store("archive status", "")?;
        let bar = progress::bar(None, "counting");
        let count = pending(&*trail.store, &status.position, &bar)?;
        bar.finish_and_clear();
        Some(count)
    } else {
        None
    };
    let name = archive.location().to_string();
    if session.out.is_json() {
        let time = |time: Option<DateTime<Utc>>| time.map(|time| Zone::UTC.show_aligned(time));
        session.out.json(&json!({
            "archive": name,
            "id": status.id,
            "manifest": status.manifest,
            "sha256": status.sha256,
            "entries": status.entries,
            "files": status.files,
            "bytes": status.bytes,
            "oldest": time(status.oldest),
            "newest": time(status.newest),
            "classes": status.classes,
            "pending": pending,
        }))?;
    } else {
        print(&name, &status, pending, session)?;
    }
    Ok(Exit::Done)
}

fn print(
    name: &str,
    status: &ArchiveStatus,
    pending: Option<u64>,
    session: &mut Session,
) -> Result<(), Error> {
    let zone = session.global.tz;
    let id = status.id.map(|id| id.to_string());
    let entries = text::counted(status.entries, "entry", "entries");
    let files = text::counted(status.files, "file", "files");
    let mut lines = vec![
        ("archive", text::safe(name).into_owned()),
        ("id", id.unwrap_or_default()),
        (
            "manifest",
            format!("{}, SHA-256 {}", status.manifest, status.sha256),
        ),
        (
            "content",
            format!("{entries} in {files}, {}", HumanBytes(status.bytes)),
        ),
    ];
    if let (Some(oldest), Some(newest)) = (status.oldest, status.newest) {
        lines.push((
            "times",
            format!("{} to {}", zone.show(oldest), zone.show(newest)),
        ));
    }
    if !status.classes.is_empty() {
        let classes = status.classes.iter();
        let classes: Vec<_> = classes
            .map(|(model, class)| format!("{}={class}", text::safe(model)))
            .collect();
        lines.push(("classes", classes.join(" ")));
    }
    if let Some(pending) = pending {
        lines.push(("not archived", text::counted(pending, "entry", "entries")));
    }
    for (name, value) in lines {
        let name = session.out.paint(Part::Heading, format!("{name:<13}"));
        session.out.line(format!("{name} {value}"))?;
    }
    Ok(())
}

//! `archive verify`: reads all of the archive.

use audit_archive::{Verification, Verifier};
use clap::Args;
use serde_json::json;

use crate::error::Error;
use crate::exit::Exit;
use crate::output::Output;
use crate::session::Session;
use crate::{progress, store, text};

/// Verify all manifests and files of the archive
///
/// Reads the complete archive: the chain of manifests, the SHA-256 of each file, and each row, whose
/// columns are derived again from its entry. The exit code is 5 if something differs. The last line
/// names the last manifest; a later run with --at-least finds out if manifests at the end were lost.
#[derive(Args, Debug)]
pub(super) struct VerifyArgs {
    /// Require this manifest, from the output of an earlier run
    #[arg(long, value_name = "NUMBER:SHA256", value_parser = remembered)]
    at_least: Option<(u64, String)>,
    /// Also compare the entries that the store still has with those of the archive
    #[arg(long)]
    against_store: bool,
}

fn remembered(text: &str) -> Result<(u64, String), String> {
    let parsed = text.split_once(':').and_then(|(number, hash)| {
        let is_hash = hash.len() == 64 && hash.bytes().all(|digit| digit.is_ascii_hexdigit());
        Some((number.parse().ok()?, hash.to_owned())).filter(|_| is_hash)
    });
    parsed.ok_or_else(|| {
        "expected the number of a manifest and its SHA-256, as in 12:9f86..".to_owned()
    })
}

pub(super) fn run(args: &VerifyArgs, session: &mut Session) -> Result<Exit, Error> {
    let location = store::archive(&session.global)?;
    let trail = args
        .against_store
        .then(|| session.read_store("archive verify", ""))
        .transpose()?;
    let mut verifier = Verifier::new(&location);
    if let Some((number, hash)) = &args.at_least {
        verifier = verifier.at_least(*number, hash);
    }
    if let Some(trail) = &trail {
        verifier = verifier.against(&*trail.store);
    }
    let bar = progress::spinner("verifying");
    let found = verifier.run()?;
    bar.finish_and_clear();
    let exit = if found.is_clean() {
        Exit::Done
    } else {
        Exit::Unhealthy
    };
    exit.after(print(&found, &mut session.out))
}

fn print(found: &Verification, out: &mut Output) -> Result<(), Error> {
    if out.is_json() {
        let findings = found.findings.iter().map(|finding| {
            json!({
                "kind": finding.kind.to_string(),
                "path": finding.path,
                "detail": finding.detail,
            })
        });
        let last = found.last.as_ref();
        out.json(&json!({
            "intact": found.is_clean(),
            "manifests": found.manifests,
            "files": found.files,
            "entries": found.entries,
            "skipped": found.skipped,
            "expired": found.expired,
            "last": last.map(|(number, hash)| format!("{number}:{hash}")),
            "findings": findings.collect::<Vec<_>>(),
            "orphans": found.orphans,
        }))?;
    } else {
        for finding in &found.findings {
            out.line(text::safe(&finding.to_string()))?;
        }
        for orphan in &found.orphans {
            out.line(format!("{}: no manifest names it", text::safe(orphan)))?;
        }
        let entries = text::counted(found.entries, "entry", "entries");
        let files = text::counted(found.files, "file", "files");
        let result = match found.findings.len() {
            0 => "intact".to_owned(),
            count => text::counted(count as u64, "finding", "findings"),
        };
        out.line(format!("{result}: {entries} in {files}"))?;
        if found.expired > 0 {
            let entries = text::counted(found.expired, "entry", "entries");
            out.line(format!(
                "{entries} of the store not compared: files of their segments have left the archive"
            ))?;
        }
        if let Some((number, hash)) = &found.last {
            out.line(format!("last manifest: {number}:{hash}"))?;
        }
    }
    Ok(())
}

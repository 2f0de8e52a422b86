//! `export`: the trail as JSON lines or CSV.

mod csv;
mod target;

use std::path::PathBuf;

use audit_core::LogEntry;
use clap::{Args, ValueEnum};
use indicatif::ProgressBar;
use serde_json::json;

use self::csv::{Csv, Rows};
use self::target::Target;
use super::Session;
use crate::error::Error;
use crate::exit::Exit;
use crate::filter::FilterArgs;
use crate::{interrupt, progress, text};

/// Write entries as JSON lines or CSV, the oldest first
///
/// JSON lines are the stored form of each entry, byte for byte: what `import` reads and makes
/// the same trail of. CSV is for reading: control characters are escaped, and a text that a
/// spreadsheet would take for a formula (it begins with = + - @, a tab or a line break) has an
/// apostrophe before it. A file appears under its name only when it is complete.
#[derive(Args, Debug)]
pub(crate) struct ExportArgs {
    #[command(flatten)]
    filter: FilterArgs,
    /// The form; that of the file's ending if not given, else JSON lines
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// A row of CSV for each of these
    #[arg(long, value_enum, default_value_t)]
    rows: Rows,
    /// The file; the standard output if not given
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Replace the file if it exists
    #[arg(long, requires = "output")]
    force: bool,
}

/// The form of an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// JSON lines
    Jsonl,
    /// Comma-separated values
    Csv,
}

pub(crate) fn run(args: &ExportArgs, session: &mut Session) -> Result<Exit, Error> {
    let query = args.filter.read("", "", session.global.tz, session.now)?;
    let trail = session.read("export", &query.to_string())?;
    let _bound = trail.enter();
    interrupt::watch()?;
    // Entries that run over the same screen are progress enough.
    let watched = args.output.is_some() || !session.out.is_terminal();
    let bar = if watched && progress::is_seen() {
        progress::bar(Some(query.clone().count()?), "exporting")
    } else {
        ProgressBar::hidden()
    };
    let csv = args.format() == Format::Csv;
    let zone = session.global.tz;
    let mut target = Target::open(args.output.as_deref(), args.force, &mut session.out)?;
    let mut rows = csv.then(|| Csv::new(args.rows, zone));
    if let Some(rows) = &mut rows {
        target.write(&rows.head()?)?;
    }
    let mut written: u64 = 0;
    for entry in query.clone().iter()? {
        let entry = entry?;
        match &mut rows {
            Some(rows) => target.write(&rows.entry(&entry)?)?,
            None => target.json_line(&canonical(&entry)?)?,
        }
        written += 1;
        bar.inc(1);
        if interrupt::is_requested() {
            bar.finish_and_clear();
            return Err(Error::Interrupted {
                done: match &args.output {
                    Some(path) => format!("{} was not written", path.display()),
                    None => format!(
                        "{} were written",
                        text::counted(written, "entry", "entries")
                    ),
                },
            });
        }
    }
    target.finish()?;
    bar.finish_and_clear();
    if written == 0
        && let Some(error) = trail.unknown_model(&query)?
    {
        return Err(error);
    }
    let out = &mut session.out;
    match &args.output {
        Some(path) if out.is_json() => {
            out.json(&json!({"entries": written, "file": path.display().to_string()}))?;
        }
        Some(path) => {
            let entries = text::counted(written, "entry", "entries");
            out.line(format!(
                "{entries} written to {}",
                text::safe(&path.display().to_string())
            ))?;
        }
        None => {}
    }
    Ok(Exit::Done)
}

impl ExportArgs {
    fn format(&self) -> Format {
        let ending = self.output.as_deref().and_then(|path| path.extension());
        let by_name = ending.filter(|ending| ending.eq_ignore_ascii_case("csv"));
        self.format
            .unwrap_or(by_name.map_or(Format::Jsonl, |_| Format::Csv))
    }
}

fn canonical(entry: &LogEntry) -> Result<String, Error> {
    Ok(entry.to_canonical_json()?)
}

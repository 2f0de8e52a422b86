//! `export`: writes the trail as JSON lines or CSV.

mod csv;
pub(super) mod target;

use std::io;
use std::path::{Path, PathBuf};

use audit_core::{Query, TrailStore};
use clap::{Args, ValueEnum};
use indicatif::ProgressBar;
use serde_json::json;

use self::csv::{Csv, Rows};
use self::target::Target;
use crate::error::Error;
use crate::exit::Exit;
use crate::filter::FilterArgs;
use crate::session::Session;
use crate::{interrupt, progress, text};

/// Examples for `--help`.
const EXAMPLES: &str = "\
Examples:
  auditlog export -o trail.jsonl
  auditlog export model:User since:30d --format csv --rows change -o users.csv";

/// Write entries as JSON lines or CSV, the oldest first
///
/// JSON lines are the stored bytes of each entry, and `import` restores the same trail from them. CSV
/// is for spreadsheets: control characters are escaped, and a text that a spreadsheet would read as
/// a formula (it begins with = + - @, a tab or a line break) gets an apostrophe in front. An output
/// file appears under its name when it is complete.
///
/// If a row is damaged, the command reports it, continues, and exits with 3. JSON lines contain the
/// bytes of a damaged row, as a JSON string if they contain line ends, unless they are not text;
/// `import --keep-going` skips such lines. CSV omits damaged rows.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ExportArgs {
    #[command(flatten)]
    filter: FilterArgs,
    /// The format; by default that of the output file's extension, or JSON lines
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// The content of a CSV row
    #[arg(long, value_enum, default_value_t)]
    rows: Rows,
    /// Write a byte order mark before the CSV, so that Excel reads it as UTF-8
    #[arg(long)]
    bom: bool,
    /// The output file; by default standard output
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Replace the file if it exists
    #[arg(long, requires = "output")]
    force: bool,
}

/// The format of an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// JSON lines
    Jsonl,
    /// Comma-separated values
    Csv,
}

pub(crate) fn run(args: &ExportArgs, session: &mut Session) -> Result<Exit, Error> {
    if args.bom && args.format() != Format::Csv {
        return Err(Error::Usage {
            message: "--bom is for CSV, and JSON lines have no byte order mark".to_owned(),
            hint: "leave it out, or add --format csv",
        });
    }
    let query = args.filter.read(session.global.tz, session.now)?;
    let trail = session.read("export", &query.to_string())?;
    let _bound = trail.enter();
    interrupt::watch()?;
    // Without progress if entries are printed on the same terminal.
    let show_progress = args.output.is_some() || !session.out.is_terminal();
    let bar = if show_progress && progress::is_visible() {
        progress::bar(Some(query.clone().count()?), "exporting")
    } else {
        ProgressBar::hidden()
    };
    let target = Target::open(
        args.output.as_deref(),
        args.force,
        trail.store.file(),
        &mut session.out,
    )?;
    let mut export = Export {
        target,
        bar: &bar,
        file: args.output.as_deref(),
        written: 0,
    };
    match args.format() {
        Format::Jsonl => export.json_lines(&*trail.store, &query)?,
        Format::Csv => {
            if args.bom {
                export.target.write("\u{feff}".as_bytes())?;
            }
            export.rows(&Csv::new(args.rows, session.global.tz), &query)?;
        }
    }
    let Export {
        target, written, ..
    } = export;
    target.finish()?;
    bar.finish_and_clear();
    trail.check_names(&query, written > 0)?;
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

/// A running export.
struct Export<'e> {
    target: Target<'e>,
    bar: &'e ProgressBar,
    file: Option<&'e Path>,
    written: u64,
}

impl Export<'_> {
    /// Writes the stored bytes of each entry, from one snapshot of the store.
    fn json_lines(&mut self, store: &dyn TrailStore, query: &Query) -> Result<(), Error> {
        let mut failed = None;
        let done = store.export(query, &mut |line| {
            let step = self.target.json_line(line).and_then(|()| self.step());
            step.map_err(|error| {
                failed = Some(error);
                io::Error::other("the export failed")
            })
        });
        match failed {
            Some(error) => Err(error),
            None => Ok(done.map(|_entries| ())?),
        }
    }

    /// Writes rows of CSV.
    fn rows(&mut self, rows: &Csv, query: &Query) -> Result<(), Error> {
        self.target.write(&rows.head()?)?;
        for entry in query.clone().iter()? {
            self.target.write(&rows.entry(&entry?)?)?;
            self.step()?;
        }
        Ok(())
    }

    /// Counts an entry, and ends the export after Ctrl-C.
    fn step(&mut self) -> Result<(), Error> {
        self.written += 1;
        self.bar.inc(1);
        if !interrupt::is_requested() {
            return Ok(());
        }
        self.bar.finish_and_clear();
        Err(Error::Interrupted {
            done: match self.file {
                Some(path) => format!("{} was not written", path.display()),
                None => format!(
                    "{} were written",
                    text::counted(self.written, "entry", "entries")
                ),
            },
        })
    }
}

//! The standard output: lines, tables and JSON, with colours and a pager on a terminal.

use std::env;
use std::io::{self, BufWriter, IsTerminal, Write};

use anstyle::{AnsiColor, Style};
use audit_core::Level;
use clap::ValueEnum;
use comfy_table::{Cell, Color, ColumnConstraint, ContentArrangement, Table, presets};
use serde::Serialize;
use uuid::Uuid;

use crate::error::Error;
use crate::pager::{Pager, Sink};
use crate::text;

/// When to use colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum When {
    /// On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// The maximum number of characters of a value on a terminal.
const MAX_VALUE: usize = 200;

/// The minimum width of a column with wrapped words.
const MIN_COLUMN: u16 = 10;

/// The kind of a part of a line, which has a colour of its own.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Part {
    /// A time or an id.
    Quiet,
    /// A heading.
    Heading,
    /// An actor.
    Actor,
    /// An object.
    Object,
    /// A level.
    Level(Level),
    /// A good result.
    Good,
    /// A bad result.
    Bad,
}

/// The standard output.
#[derive(Debug)]
pub(crate) struct Output {
    out: BufWriter<Sink>,
    json: bool,
    colour: bool,
    terminal: bool,
}

impl Output {
    pub(crate) fn new(json: bool, colour: When) -> Self {
        let terminal = io::stdout().is_terminal();
        Self {
            out: BufWriter::new(Sink::Stdout(io::stdout())),
            json,
            colour: is_coloured(colour, terminal),
            terminal,
        }
    }

    /// Returns whether output is JSON.
    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// Returns whether output goes to a terminal.
    pub(crate) fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// Cuts a long value on a terminal, and adds its length. Output for programs is complete.
    pub(crate) fn cut(&self, value: String) -> String {
        if !self.terminal {
            return value;
        }
        match value.char_indices().nth(MAX_VALUE) {
            Some((end, _)) => {
                let length = text::thousands(value.chars().count() as u64);
                format!(
                    "{}... ({length} characters; --json shows all)",
                    &value[..end]
                )
            }
            None => value,
        }
    }

    /// Prints a line; the caller has escaped stored texts.
    pub(crate) fn line(&mut self, line: impl AsRef<str>) -> Result<(), Error> {
        Ok(writeln!(self.out, "{}", line.as_ref())?)
    }

    /// Prints JSON text on one line.
    pub(crate) fn json_line(&mut self, json: &str) -> Result<(), Error> {
        if self.terminal {
            return self.line(text::safe_json(json));
        }
        self.line(json)
    }

    /// Prints a value as JSON on one line.
    pub(crate) fn json(&mut self, value: &impl Serialize) -> Result<(), Error> {
        let json = serde_json::to_string(value).map_err(io::Error::other)?;
        self.json_line(&json)
    }

    /// Prints a table; on a terminal that is too narrow for its columns, a block of lines for each row.
    pub(crate) fn table(&mut self, table: &Table) -> Result<(), Error> {
        if self.terminal && width().is_some_and(|width| min_width(table) > usize::from(width)) {
            let blocks = self.blocks(table);
            return self.lines_of(&blocks);
        }
        self.lines_of(table)
    }

    /// Makes a table of two columns, with the headings and the values of each row.
    fn blocks(&self, table: &Table) -> Table {
        let mut blocks = self.new_table([]);
        let headings: Vec<Cell> = match table.header() {
            Some(header) => header.cell_iter().cloned().collect(),
            None => Vec::new(),
        };
        for (number, row) in table.row_iter().enumerate() {
            if number > 0 {
                blocks.add_row([Cell::new(""), Cell::new("")]);
            }
            for (heading, cell) in headings.iter().zip(row.cell_iter()) {
                blocks.add_row([heading.clone(), cell.clone()]);
            }
        }
        for column in blocks.column_iter_mut() {
            column.set_padding((0, 2));
        }
        Self::no_wrap(&mut blocks, [0]);
        blocks
    }

    fn lines_of(&mut self, table: &Table) -> Result<(), Error> {
        for line in table.lines() {
            self.line(line.trim_end())?;
        }
        Ok(())
    }

    /// Makes a table with headings.
    pub(crate) fn new_table<'h>(&self, headings: impl IntoIterator<Item = &'h str>) -> Table {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        if self.terminal {
            table.set_content_arrangement(ContentArrangement::Dynamic);
        } else {
            // Output for programs is not wrapped.
            table.set_content_arrangement(ContentArrangement::Disabled);
            table.force_no_tty();
        }
        if self.colour {
            table.enforce_styling();
        } else {
            table.force_no_tty();
            if self.terminal
                && let Some(width) = width()
            {
                table.set_width(width);
            }
        }
        let headings: Vec<Cell> = headings
            .into_iter()
            .map(|heading| self.cell(Part::Heading, heading))
            .collect();
        if !headings.is_empty() {
            table.set_header(headings);
        }
        for column in table.column_iter_mut() {
            column.set_padding((0, 2));
        }
        table
    }

    /// Excludes columns, by their numbers, from wrapping: an id or a time must not be split.
    pub(crate) fn no_wrap(table: &mut Table, columns: impl IntoIterator<Item = usize>) {
        for column in columns {
            if let Some(column) = table.column_mut(column) {
                column.set_constraint(ColumnConstraint::ContentWidth);
            }
        }
    }

    /// Makes a cell of a table.
    pub(crate) fn cell(&self, part: Part, content: impl ToString) -> Cell {
        let cell = Cell::new(content);
        if !self.colour {
            return cell;
        }
        match part {
            Part::Heading => cell.add_attribute(comfy_table::Attribute::Bold),
            Part::Quiet => cell.fg(Color::DarkGrey),
            Part::Actor => cell.fg(Color::DarkCyan),
            Part::Object => cell.fg(Color::DarkBlue),
            Part::Good => cell.fg(Color::DarkGreen),
            Part::Bad => cell.fg(Color::DarkRed),
            Part::Level(level) => match level {
                Level::Debug => cell.fg(Color::DarkGrey),
                Level::Info => cell,
                Level::Warning => cell.fg(Color::DarkYellow),
                Level::Error | Level::Critical => cell.fg(Color::DarkRed),
            },
        }
    }

    /// Colours a part of a line.
    pub(crate) fn paint(&self, part: Part, content: impl AsRef<str>) -> String {
        let content = content.as_ref();
        if !self.colour {
            return content.to_owned();
        }
        let colour = |colour: AnsiColor| colour.on_default();
        let style = match part {
            Part::Heading => Style::new().bold(),
            Part::Quiet => colour(AnsiColor::BrightBlack),
            Part::Actor => colour(AnsiColor::Cyan),
            Part::Object => colour(AnsiColor::Blue),
            Part::Good => colour(AnsiColor::Green),
            Part::Bad => colour(AnsiColor::Red),
            Part::Level(level) => match level {
                Level::Debug => colour(AnsiColor::BrightBlack),
                Level::Info => return content.to_owned(),
                Level::Warning => colour(AnsiColor::Yellow),
                Level::Error => colour(AnsiColor::Red),
                Level::Critical => colour(AnsiColor::Red).bold(),
            },
        };
        format!("{style}{content}{style:#}")
    }

    /// Sends further output through a pager, on a terminal.
    pub(crate) fn page(&mut self, wanted: bool) {
        if wanted
            && self.terminal
            && let Some(pager) = Pager::from_environment()
        {
            self.out.get_mut().page(pager);
        }
    }

    /// Flushes the output, and waits until the pager is closed.
    pub(crate) fn finish(&mut self) -> Result<(), Error> {
        let flushed = self.out.flush();
        self.out.get_mut().finish()?;
        Ok(flushed?)
    }

    /// Shows an id: on a terminal its last 12 digits, which are random and identify the entry. Ids
    /// begin with the time, so those of one batch share their first digits.
    pub(crate) fn id(&self, id: Uuid) -> String {
        let text = id.to_string();
        match text.rsplit_once('-') {
            Some((_, end)) if self.terminal => end.to_owned(),
            _ => text,
        }
    }

    /// Flushes the output.
    pub(crate) fn flush(&mut self) -> Result<(), Error> {
        Ok(self.out.flush()?)
    }

    /// Returns whether the reader has closed the output.
    #[cfg(unix)]
    pub(crate) fn is_closed() -> bool {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        let stdout = io::stdout();
        // Errors and a closed pipe are reported without being requested.
        let mut events = [PollFd::new(&stdout, PollFlags::empty())];
        let at_once = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        let ends = PollFlags::ERR | PollFlags::HUP;
        poll(&mut events, Some(&at_once)).is_ok() && events[0].revents().intersects(ends)
    }

    /// Returns `false`: on this system a closed output is noticed only when writing.
    #[cfg(not(unix))]
    pub(crate) fn is_closed() -> bool {
        false
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Returns the minimum width at which a table is readable.
fn min_width(table: &Table) -> usize {
    table
        .column_iter()
        .zip(table.column_max_content_widths())
        .map(|(column, content)| {
            let fixed = column.constraint() == Some(&ColumnConstraint::ContentWidth);
            let least = if fixed {
                content
            } else {
                content.min(MIN_COLUMN)
            };
            usize::from(least) + usize::from(column.padding_width())
        })
        .sum()
}

/// Returns whether to use colours.
pub(crate) fn is_coloured(when: When, terminal: bool) -> bool {
    let set = |name: &str| env::var_os(name).is_some_and(|value| !value.is_empty());
    match when {
        When::Always => true,
        When::Never => false,
        When::Auto => {
            terminal && !set("NO_COLOR") && env::var_os("TERM").is_none_or(|term| term != "dumb")
        }
    }
}

/// Returns the width of the terminal in columns.
pub(crate) fn width() -> Option<u16> {
    Table::new().width()
}

/// Returns whether the terminal shows more than ASCII, by the variables of its language.
pub(crate) fn is_unicode() -> bool {
    let language = ["LC_ALL", "LC_CTYPE", "LANG"]
        .into_iter()
        .find_map(|name| env::var(name).ok().filter(|value| !value.is_empty()));
    match language {
        Some(language) => {
            let language = language.to_ascii_lowercase();
            language.contains("utf-8") || language.contains("utf8")
        }
        None => cfg!(windows),
    }
}

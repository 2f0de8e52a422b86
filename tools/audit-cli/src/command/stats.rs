//! `stats`: counts entries by actor, model, action, day and more.

use std::collections::BTreeMap;

use audit_core::LogEntry;
use chrono::{DateTime, Timelike, Utc};
use clap::{Args, ValueEnum};
use serde::Serialize;

use crate::error::Error;
use crate::exit::Exit;
use crate::filter::FilterArgs;
use crate::number;
use crate::output::{self, Output, Part};
use crate::session::Session;
use crate::text;
use crate::zone::Zone;

/// The maximum width of a bar.
const MAX_BAR: u16 = 40;
/// Blocks of one to eight eighths.
const BLOCKS: [char; 8] = ['▏', '▎', '▍', '▌', '▋', '▊', '▉', '█'];

/// Examples for `--help`.
const EXAMPLES: &str = "\
Examples:
  auditlog stats since:7d --by actor,day
  auditlog stats --model User --by action --json";

/// Count entries by actor, model, action, day and more
///
/// On a terminal, the counts have bars. Days and hours are in the time zone of --tz.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct StatsArgs {
    #[command(flatten)]
    filter: FilterArgs,
    /// The properties to count by, separated by commas
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [By::Action, By::Model, By::Actor, By::Day])]
    by: Vec<By>,
    /// The maximum number of rows of each table: the largest counts, or the latest days; 0 for all
    #[arg(long, value_name = "NUMBER", default_value_t = 20, value_parser = number::parse::<usize>, allow_negative_numbers = true)]
    top: usize,
}

/// A property by which entries are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum By {
    /// The actor
    Actor,
    /// The model of the object
    Model,
    /// The action
    Action,
    /// The day, in the zone of --tz
    Day,
    /// The level
    Level,
    /// The outcome
    Outcome,
    /// The hour of the day, in the zone of --tz
    Hour,
}

impl By {
    fn name(self) -> &'static str {
        match self {
            Self::Actor => "actor",
            Self::Model => "model",
            Self::Action => "action",
            Self::Day => "day",
            Self::Level => "level",
            Self::Outcome => "outcome",
            Self::Hour => "hour",
        }
    }

    /// Returns the key that an entry is counted under, in a sortable form.
    fn key(self, entry: &LogEntry, zone: Zone) -> String {
        match self {
            Self::Actor => entry
                .actor
                .as_ref()
                .map_or_else(|| entry.actor().to_owned(), |actor| actor.id.clone()),
            Self::Model => entry.model.clone(),
            Self::Action => entry.action.as_str().to_owned(),
            Self::Day => zone.at(entry.timestamp).date_naive().to_string(),
            Self::Level => entry.level.to_string(),
            Self::Outcome => entry.outcome.to_string(),
            Self::Hour => format!("{:02}", zone.at(entry.timestamp).hour()),
        }
    }

    /// Returns whether rows come in the order of their keys instead of their counts.
    fn is_ordered(self) -> bool {
        matches!(self, Self::Day | Self::Hour)
    }
}

/// The number of entries, and the time of the first and the last.
#[derive(Clone, Copy, Debug)]
struct Count {
    number: u64,
    first: DateTime<Utc>,
    last: DateTime<Utc>,
}

/// A row as JSON.
#[derive(Serialize)]
struct Line<'s> {
    by: &'static str,
    key: &'s str,
    count: u64,
    first: String,
    last: String,
}

pub(crate) fn run(args: &StatsArgs, session: &mut Session) -> Result<Exit, Error> {
    let zone = session.global.tz;
    let query = args.filter.read(zone, session.now)?;
    let trail = session.read("stats", &query.to_string())?;
    let _bound = trail.enter();
    let mut groups: Vec<BTreeMap<String, Count>> = vec![BTreeMap::new(); args.by.len()];
    let mut total = 0;
    for entry in query.clone().iter()? {
        let entry = entry?;
        total += 1;
        for (by, counts) in args.by.iter().zip(&mut groups) {
            let count = counts.entry(by.key(&entry, zone)).or_insert(Count {
                number: 0,
                first: entry.timestamp,
                last: entry.timestamp,
            });
            count.number += 1;
            count.first = count.first.min(entry.timestamp);
            count.last = count.last.max(entry.timestamp);
        }
    }
    trail.check_names(&query, total > 0)?;
    let out = &mut session.out;
    if !out.is_json() {
        out.line(text::counted(total, "entry", "entries"))?;
    }
    for (by, counts) in args.by.iter().zip(groups) {
        let (rows, left) = rows(*by, counts, args.top);
        if out.is_json() {
            for (key, count) in &rows {
                out.json(&Line {
                    by: by.name(),
                    key,
                    count: count.number,
                    first: Zone::UTC.show_aligned(count.first),
                    last: Zone::UTC.show_aligned(count.last),
                })?;
            }
        } else if !rows.is_empty() {
            print(*by, &rows, left, zone, out)?;
        }
    }
    Ok(Exit::Done)
}

/// Returns the rows to show, and the number of the others.
fn rows(by: By, counts: BTreeMap<String, Count>, top: usize) -> (Vec<(String, Count)>, usize) {
    let mut rows: Vec<_> = counts.into_iter().collect();
    if !by.is_ordered() {
        rows.sort_by_key(|(_, count)| std::cmp::Reverse(count.number));
    }
    let left = if top == 0 {
        0
    } else {
        rows.len().saturating_sub(top)
    };
    if by.is_ordered() {
        rows.drain(..left);
    } else {
        rows.truncate(rows.len() - left);
    }
    (rows, left)
}

fn print(
    by: By,
    rows: &[(String, Count)],
    left: usize,
    zone: Zone,
    out: &mut Output,
) -> Result<(), Error> {
    let chart = out.is_terminal();
    let heading = by.name().to_uppercase();
    out.line("")?;
    let mut table = if chart {
        out.new_table([heading.as_str(), "ENTRIES", ""])
    } else {
        out.new_table([heading.as_str(), "ENTRIES", "FIRST", "LAST"])
    };
    if let Some(column) = table.column_mut(1) {
        column.set_cell_alignment(comfy_table::CellAlignment::Right);
    }
    let max = rows
        .iter()
        .map(|(_, count)| count.number)
        .max()
        .unwrap_or(1);
    for (key, count) in rows {
        let key = if key.is_empty() {
            "(no model)".into()
        } else {
            text::safe(key)
        };
        let mut row = vec![
            out.cell(Part::Object, key),
            out.cell(Part::Heading, text::thousands(count.number)),
        ];
        if chart {
            let bar = bar(count.number, max, bar_width(), output::is_unicode());
            row.push(out.cell(Part::Good, bar));
        } else {
            row.push(out.cell(Part::Quiet, zone.show(count.first)));
            row.push(out.cell(Part::Quiet, zone.show(count.last)));
        }
        table.add_row(row);
    }
    out.table(&table)?;
    if left > 0 {
        let which = if by.is_ordered() {
            "earlier"
        } else {
            "smaller"
        };
        let note = out.paint(
            Part::Quiet,
            format!("and {left} {which} ones; --top 0 shows all"),
        );
        out.line(note)?;
    }
    Ok(())
}

fn bar_width() -> u64 {
    u64::from(output::width().map_or(MAX_BAR, |width| (width / 2).min(MAX_BAR)))
}

/// Draws a bar: the maximum has the full width, and only 0 is invisible.
fn bar(number: u64, max: u64, width: u64, unicode: bool) -> String {
    let steps = if unicode { BLOCKS.len() as u64 } else { 1 };
    let eighths = (number * width * steps).div_ceil(max.max(1));
    let full = if unicode {
        BLOCKS[BLOCKS.len() - 1]
    } else {
        '#'
    };
    let mut bar: String = (0..eighths / steps).map(|_| full).collect();
    let rest = usize::try_from(eighths % steps).unwrap_or_default();
    bar.extend(rest.checked_sub(1).map(|part| BLOCKS[part]));
    bar
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_in_proportion() {
        assert_eq!(bar(8, 8, 4, true), "████");
        assert_eq!(bar(4, 8, 4, true), "██");
        assert_eq!(bar(3, 8, 4, true), "█▌");
        assert_eq!(bar(1, 1000, 4, true), "▏");
        assert_eq!(bar(0, 8, 4, true), "");
        assert_eq!(bar(3, 8, 4, false), "##");
        assert_eq!(bar(8, 8, 4, false), "####");
    }
}

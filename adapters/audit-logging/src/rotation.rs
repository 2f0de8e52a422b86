//! When a log file is put aside, under which name, and for how long.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::time::Instant;

/// When a log file is put aside for a new one, and how many old ones are kept.
///
/// Names are those of Python's handlers. By size, as `RotatingFileHandler`: `app.log` becomes
/// `app.log.1`, which becomes `app.log.2`, and so on. By time, as `TimedRotatingFileHandler`:
/// `app.log.2026-01-31`, by the hour `app.log.2026-01-31_13`. Without [`keep`](Self::keep)
/// every old file stays.
///
/// # Example: five old files of ten megabytes
/// ```
/// use audit_logging::{Rotation, basic_config};
///
/// let config = basic_config()
///     .filename("app.log")
///     .rotate(Rotation::size(10_000_000).keep(5));
/// # let _ = config;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "give it to `BasicConfig::rotate`"]
pub struct Rotation {
    pub(crate) rule: Rule,
    keep: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule {
    Size(u64),
    Day,
    Hour,
}

impl Rotation {
    /// Starts a new file before a line would make the present one longer than `bytes`.
    ///
    /// A line longer than that gets a file of its own.
    pub const fn size(bytes: u64) -> Self {
        Self::by(Rule::Size(bytes))
    }

    /// Starts a new file with the first line of a day, by the clock of
    /// [`BasicConfig::utc`](crate::BasicConfig::utc).
    pub const fn daily() -> Self {
        Self::by(Rule::Day)
    }

    /// Starts a new file with the first line of an hour.
    pub const fn hourly() -> Self {
        Self::by(Rule::Hour)
    }

    const fn by(rule: Rule) -> Self {
        Self { rule, keep: None }
    }

    /// Keeps this many old files and removes older ones; with 0 only the present file is kept.
    pub const fn keep(mut self, files: usize) -> Self {
        self.keep = Some(files);
        self
    }

    /// Returns the period a time belongs to, as it stands in a file's name; empty if the size
    /// alone counts.
    pub(crate) fn period(self, time: Instant) -> String {
        match self.rule {
            Rule::Size(_) => String::new(),
            Rule::Day => time.day(),
            Rule::Hour => time.hour(),
        }
    }

    /// Returns whether a file of `size` bytes, begun in `period`, ends before `line`.
    pub(crate) fn is_due(self, size: u64, period: &str, line: usize, time: Instant) -> bool {
        match self.rule {
            Rule::Size(limit) => {
                size > 0 && size.saturating_add(u64::try_from(line).unwrap_or(u64::MAX)) > limit
            }
            // Only forward: a clock that is put back starts no file.
            Rule::Day | Rule::Hour => *self.period(time) > *period,
        }
    }

    /// Moves the file out of the way, and removes what is kept no longer.
    pub(crate) fn put_aside(self, path: &Path, period: &str) -> io::Result<()> {
        if self.keep == Some(0) {
            missing_is_fine(fs::remove_file(path))?;
        }
        match self.rule {
            Rule::Size(_) => self.shift(path),
            Rule::Day | Rule::Hour => {
                if self.keep != Some(0) {
                    let mut aside = with_suffix(path, period);
                    let mut number = 0_u32;
                    while aside.try_exists()? {
                        number += 1;
                        aside = with_suffix(path, &format!("{period}.{number}"));
                    }
                    missing_is_fine(fs::rename(path, aside))?;
                }
                self.prune(path, period)
            }
        }
    }

    /// Makes `.1` of the file, `.2` of `.1`, up to the first number that is free or, where
    /// none is, over the last one that is kept; what a larger `keep` left behind that goes.
    /// The numbers of folders are passed over.
    fn shift(self, path: &Path) -> io::Result<()> {
        let keep = self.keep.unwrap_or(usize::MAX);
        let mut numbered = (1_u64..).map(|number| with_suffix(path, &number.to_string()));
        // The names of old files, the newest first, and behind them a free one if fewer are
        // there than are kept.
        let mut slots = Vec::new();
        let mut complete = false;
        while !complete && slots.len() < keep {
            let Some(slot) = numbered.next() else { break };
            match Found::at(&slot)? {
                Found::Folder => continue,
                Found::File => {}
                Found::Nothing => complete = true,
            }
            slots.push(slot);
        }
        for pair in slots.windows(2).rev() {
            fs::rename(&pair[0], &pair[1])?;
        }
        if let Some(first) = slots.first() {
            missing_is_fine(fs::rename(path, first))?;
        }
        let mut result = Ok(());
        // Only without a gap: a number far off is the name of somebody else's file.
        for surplus in numbered.take_while(|_| !complete) {
            match Found::at(&surplus)? {
                Found::Folder => {}
                Found::File => result = result.and(missing_is_fine(fs::remove_file(surplus))),
                Found::Nothing => break,
            }
        }
        result
    }

    /// Removes the oldest files that a period names. One that cannot be removed keeps none of
    /// the others.
    fn prune(self, path: &Path, period: &str) -> io::Result<()> {
        let (Some(keep), Some(name), Some(directory)) =
            (self.keep, path.file_name(), path.parent())
        else {
            return Ok(());
        };
        let mut old: Vec<(String, u32, PathBuf)> = Vec::new();
        for file in fs::read_dir(directory)? {
            let file = file?;
            if let Some((period, number)) = aside_of(&file.file_name(), name, period)
                && Found::at(&file.path())? == Found::File
            {
                old.push((period, number, file.path()));
            }
        }
        old.sort();
        let surplus = old.len().saturating_sub(keep);
        let mut result = Ok(());
        for (_, _, path) in old.into_iter().take(surplus) {
            result = result.and(missing_is_fine(fs::remove_file(path)));
        }
        result
    }
}

/// The kind of file at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    Nothing,
    Folder,
    File,
}

impl Found {
    fn at(path: &Path) -> io::Result<Self> {
        match fs::symlink_metadata(path) {
            Ok(metadata) if metadata.is_dir() => Ok(Self::Folder),
            Ok(_) => Ok(Self::File),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::Nothing),
            Err(error) => Err(error),
        }
    }
}

/// Reads `<name>.<period>` or `<name>.<period>.<number>`, where the period is written like
/// `example`.
fn aside_of(file: &OsStr, name: &OsStr, example: &str) -> Option<(String, u32)> {
    let suffix = file
        .as_encoded_bytes()
        .strip_prefix(name.as_encoded_bytes())?
        .strip_prefix(b".")?;
    let suffix = str::from_utf8(suffix).ok()?;
    let (period, number) = match suffix.split_once('.') {
        Some((period, number)) => (period, number.parse().ok()?),
        None => (suffix, 0),
    };
    let same_form = period.len() == example.len()
        && period.bytes().zip(example.bytes()).all(|(byte, example)| {
            byte == example || (byte.is_ascii_digit() && example.is_ascii_digit())
        });
    same_form.then(|| (period.to_owned(), number))
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".");
    name.push(suffix);
    name.into()
}

/// A file that somebody else has moved or removed already is out of the way as well.
fn missing_is_fine(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

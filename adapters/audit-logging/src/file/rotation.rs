//! Rotation of log files: the trigger, the names of old files, and how many are kept.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::time::Instant;

/// The rotation of a log file: its occasion, and the number of old files that are kept.
///
/// Old files are named as by Python's handlers. By size, as `RotatingFileHandler`: `app.log`
/// becomes `app.log.1`, which becomes `app.log.2`, and so on. By time, as
/// `TimedRotatingFileHandler`: `app.log.2026-01-31`, by the hour `app.log.2026-01-31_13`. By
/// default every old file is kept; see [`keep`](Self::keep).
///
/// # Example: five old files of ten megabytes
/// ```
/// use auditlog::logging::{Rotation, basic_config};
///
/// let config = basic_config()
///     .filename("app.log")
///     .rotate(Rotation::size(10_000_000).keep(5));
/// # let _ = config;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "pass it to `BasicConfig::rotate`"]
pub struct Rotation {
    pub(crate) trigger: Trigger,
    keep: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trigger {
    Size(u64),
    Day,
    Hour,
}

impl Rotation {
    /// Starts a new file before a line would make the current one longer than `bytes`.
    ///
    /// A longer line gets its own file.
    pub const fn size(bytes: u64) -> Self {
        Self::by(Trigger::Size(bytes))
    }

    /// Starts a new file with the first line of a day, by the clock of
    /// [`BasicConfig::utc`](crate::BasicConfig::utc).
    pub const fn daily() -> Self {
        Self::by(Trigger::Day)
    }

    /// Starts a new file with the first line of an hour.
    pub const fn hourly() -> Self {
        Self::by(Trigger::Hour)
    }

    const fn by(trigger: Trigger) -> Self {
        Self {
            trigger,
            keep: None,
        }
    }

    /// Keeps this many old files and removes older ones; with 0 only the current file is kept.
    pub const fn keep(mut self, files: usize) -> Self {
        self.keep = Some(files);
        self
    }

    /// Returns the period of a time, as in the name of an old file; empty for rotation by size.
    pub(crate) fn period(self, time: Instant) -> String {
        match self.trigger {
            Trigger::Size(_) => String::new(),
            Trigger::Day => time.day(),
            Trigger::Hour => time.hour(),
        }
    }

    /// Returns whether a file of `size` bytes, begun in `period`, is rotated before `line`.
    pub(crate) fn is_due(self, size: u64, period: &str, line: usize, time: Instant) -> bool {
        match self.trigger {
            Trigger::Size(limit) => {
                size > 0 && size.saturating_add(u64::try_from(line).unwrap_or(u64::MAX)) > limit
            }
            // A clock that was set back does not start a file.
            Trigger::Day | Trigger::Hour => *self.period(time) > *period,
        }
    }

    /// Renames the file, and removes the old files beyond `keep`.
    pub(crate) fn rotate(self, path: &Path, period: &str) -> io::Result<()> {
        if self.keep == Some(0) {
            ignore_missing(fs::remove_file(path))?;
        }
        match self.trigger {
            Trigger::Size(_) => self.shift(path),
            Trigger::Day | Trigger::Hour => {
                if self.keep != Some(0) {
                    let mut old = with_suffix(path, period);
                    let mut number = 0_u32;
                    while old.try_exists()? {
                        number += 1;
                        old = with_suffix(path, &format!("{period}.{number}"));
                    }
                    ignore_missing(fs::rename(path, old))?;
                }
                self.prune(path, period)
            }
        }
    }

    /// Renames the file to `.1`, `.1` to `.2`, and so on up to the first free number or the last
    /// kept one, which is replaced. Removes files beyond that, left by a larger `keep`. Skips
    /// the numbers of folders.
    fn shift(self, path: &Path) -> io::Result<()> {
        let keep = self.keep.unwrap_or(usize::MAX);
        let mut numbered = (1_u64..).map(|number| with_suffix(path, &number.to_string()));
        // The names of old files, newest first, then a free one if fewer than `keep` exist.
        let mut slots = Vec::new();
        let mut complete = false;
        while !complete && slots.len() < keep {
            let Some(slot) = numbered.next() else { break };
            match FileKind::at(&slot)? {
                FileKind::Folder => continue,
                FileKind::File => {}
                FileKind::Missing => complete = true,
            }
            slots.push(slot);
        }
        for pair in slots.windows(2).rev() {
            fs::rename(&pair[0], &pair[1])?;
        }
        if let Some(first) = slots.first() {
            ignore_missing(fs::rename(path, first))?;
        }
        let mut result = Ok(());
        // Stops at a gap: a file beyond it belongs to another program.
        for surplus in numbered.take_while(|_| !complete) {
            match FileKind::at(&surplus)? {
                FileKind::Folder => {}
                FileKind::File => result = result.and(ignore_missing(fs::remove_file(surplus))),
                FileKind::Missing => break,
            }
        }
        result
    }

    /// Removes the oldest files with a period in their names. Goes on after a failed removal and
    /// returns the first error.
    fn prune(self, path: &Path, period: &str) -> io::Result<()> {
        let (Some(keep), Some(name), Some(directory)) =
            (self.keep, path.file_name(), path.parent())
        else {
            return Ok(());
        };
        let mut old: Vec<(String, u32, PathBuf)> = Vec::new();
        for file in fs::read_dir(directory)? {
            let file = file?;
            if let Some((period, number)) = parse_suffix(&file.file_name(), name, period)
                && FileKind::at(&file.path())? == FileKind::File
            {
                old.push((period, number, file.path()));
            }
        }
        old.sort();
        let surplus = old.len().saturating_sub(keep);
        let mut result = Ok(());
        for (_, _, path) in old.into_iter().take(surplus) {
            result = result.and(ignore_missing(fs::remove_file(path)));
        }
        result
    }
}

/// The kind of file at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FileKind {
    Missing,
    Folder,
    File,
}

impl FileKind {
    fn at(path: &Path) -> io::Result<Self> {
        match fs::symlink_metadata(path) {
            Ok(metadata) if metadata.is_dir() => Ok(Self::Folder),
            Ok(_) => Ok(Self::File),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::Missing),
            Err(error) => Err(error),
        }
    }
}

/// Parses `<name>.<period>` or `<name>.<period>.<number>`, with a period of the form of
/// `example`.
fn parse_suffix(file: &OsStr, name: &OsStr, example: &str) -> Option<(String, u32)> {
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

/// Ignores that a file is missing: another process may have moved or removed it.
fn ignore_missing(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

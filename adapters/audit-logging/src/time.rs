//! Times in lines and in the names of old files.

use std::fmt::{self, Write};
use std::time::SystemTime;

use chrono::format::{Item, StrftimeItems};
use chrono::{DateTime, FixedOffset, Local, SecondsFormat, Utc};

use crate::error::LoggingError;

/// A point in time with the offset in which it is shown.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Instant(DateTime<FixedOffset>);

impl Instant {
    pub(crate) fn now(utc: bool) -> Self {
        Self::from_system(SystemTime::now(), utc)
    }

    pub(crate) fn from_system(time: SystemTime, utc: bool) -> Self {
        let time = DateTime::<Utc>::from(time);
        Self(if utc {
            time.fixed_offset()
        } else {
            time.with_timezone(&Local).fixed_offset()
        })
    }

    #[cfg(test)]
    pub(crate) fn at_epoch() -> Self {
        Self(DateTime::UNIX_EPOCH.fixed_offset())
    }

    #[cfg(test)]
    pub(crate) fn parse(text: &str) -> Self {
        Self(text.parse().unwrap())
    }

    pub(crate) fn rfc3339(self) -> String {
        self.0.to_rfc3339_opts(SecondsFormat::Micros, true)
    }

    /// `2026-01-31`
    pub(crate) fn day(self) -> String {
        self.0.format("%Y-%m-%d").to_string()
    }

    /// `2026-01-31_13`
    pub(crate) fn hour(self) -> String {
        self.0.format("%Y-%m-%d_%H").to_string()
    }
}

/// A parsed strftime format. It is tried once, so that it cannot fail a line later.
#[derive(Clone, Debug)]
pub(crate) struct TimeFormat {
    items: Vec<Item<'static>>,
}

impl TimeFormat {
    /// Python's default: with milliseconds after a comma.
    const DEFAULT: &str = "%Y-%m-%d %H:%M:%S,%3f";

    pub(crate) fn new(format: Option<&str>, utc: bool) -> Result<Self, LoggingError> {
        let format = format.unwrap_or(Self::DEFAULT);
        let invalid = || LoggingError::DateFormat {
            format: format.to_owned(),
        };
        let items = StrftimeItems::new(format)
            .parse_to_owned()
            .map_err(|_| invalid())?;
        let this = Self { items };
        // Some specifiers can be parsed but not printed.
        this.write(&mut String::new(), Instant::now(utc))
            .map_err(|_| invalid())?;
        Ok(this)
    }

    pub(crate) fn write(&self, line: &mut impl Write, time: Instant) -> fmt::Result {
        write!(line, "{}", time.0.format_with_items(self.items.iter()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invalid_formats_are_errors() {
        for format in ["%", "%Q", "%Y-%", "%!", "%#z", "%5f", "%-%"] {
            let error = TimeFormat::new(Some(format), true).unwrap_err();
            assert!(error.to_string().contains(format), "{error}");
        }
        for format in [
            "",
            "%H",
            "%%",
            "%c",
            "%x %X",
            "%+",
            "%s",
            "%Z %z %:z",
            "%e %P %.6f",
        ] {
            TimeFormat::new(Some(format), false).unwrap();
        }
    }
}

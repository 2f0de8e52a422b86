//! Severity levels, after Python's `logging`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::parsed;

/// The severity of an entry or a log record.
///
/// The five levels, their order and their numbers are those of Python's `logging` module.
///
/// # Example: levels order, parse and print
/// ```
/// use auditlog::Level;
///
/// assert!(Level::Critical > Level::Error);
/// assert_eq!("warn".parse::<Level>()?, Level::Warning);
/// assert_eq!(Level::Warning.to_string(), "WARNING");
/// assert_eq!(Level::Warning as u8, 30);
/// # Ok::<(), auditlog::ParseLevelError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Level {
    /// Details for diagnosing problems (10).
    Debug = 10,
    /// Normal operation (20).
    Info = 20,
    /// An unexpected event that needs attention (30).
    Warning = 30,
    /// A failure (40).
    Error = 40,
    /// A failure that needs immediate action (50).
    Critical = 50,
}

impl Level {
    /// All levels, lowest first.
    pub const ALL: [Self; 5] = [
        Self::Debug,
        Self::Info,
        Self::Warning,
        Self::Error,
        Self::Critical,
    ];

    /// Returns the upper-case name, as `Display` prints it and entries store it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Warning => "WARNING",
            Self::Error => "ERROR",
            Self::Critical => "CRITICAL",
        }
    }

    /// Returns the level with this number (10, 20, 30, 40 or 50).
    ///
    /// # Example: Python's numbers
    /// ```
    /// use auditlog::Level;
    ///
    /// assert_eq!(Level::from_number(40), Some(Level::Error));
    /// assert_eq!(Level::from_number(35), None);
    /// ```
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|level| *level as u8 == number)
    }

    /// Returns the corresponding level of the `log` crate.
    ///
    /// `log` has no level above `Error`, so `Critical` maps to it. Records logged by this crate then
    /// have the key-value `severity = "CRITICAL"`.
    ///
    /// # Example: five levels on four
    /// ```
    /// use auditlog::Level;
    ///
    /// let levels: Vec<log::Level> = Level::ALL.into_iter().map(Level::to_log).collect();
    /// assert_eq!(
    ///     levels,
    ///     [log::Level::Debug, log::Level::Info, log::Level::Warn, log::Level::Error, log::Level::Error]
    /// );
    /// ```
    pub const fn to_log(self) -> log::Level {
        match self {
            Self::Debug => log::Level::Debug,
            Self::Info => log::Level::Info,
            Self::Warning => log::Level::Warn,
            Self::Error | Self::Critical => log::Level::Error,
        }
    }
}

impl From<Level> for log::Level {
    fn from(level: Level) -> Self {
        level.to_log()
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Level {
    type Err = ParseLevelError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const NAMES: [(&str, Level); 7] = [
            ("debug", Level::Debug),
            ("info", Level::Info),
            ("warning", Level::Warning),
            ("warn", Level::Warning),
            ("error", Level::Error),
            ("critical", Level::Critical),
            ("fatal", Level::Critical),
        ];
        NAMES
            .into_iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(text.trim()))
            .map(|(_, level)| level)
            .ok_or_else(|| ParseLevelError {
                text: text.to_owned(),
            })
    }
}

impl Serialize for Level {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Level {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parsed::deserialize(deserializer, "a level such as \"INFO\"")
    }
}

/// The error of parsing a text that is not the name of a level.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseLevelError {
    text: String,
}

impl fmt::Display for ParseLevelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "unknown level `{}`; expected debug, info, warning, error or critical",
            self.text.escape_debug()
        )
    }
}

impl std::error::Error for ParseLevelError {}

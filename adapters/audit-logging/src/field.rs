//! The placeholders of a format.

use std::fmt::{self, Display};

use audit_core::backend::nearest;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    Asctime,
    Levelname,
    Levelno,
    Name,
    Message,
    Module,
    Filename,
    Pathname,
    Lineno,
    Process,
    Thread,
    ThreadName,
}

const FIELDS: [(&str, Field); 12] = [
    ("asctime", Field::Asctime),
    ("levelname", Field::Levelname),
    ("levelno", Field::Levelno),
    ("name", Field::Name),
    ("message", Field::Message),
    ("module", Field::Module),
    ("filename", Field::Filename),
    ("pathname", Field::Pathname),
    ("lineno", Field::Lineno),
    ("process", Field::Process),
    ("thread", Field::Thread),
    ("threadName", Field::ThreadName),
];

/// Names of the same fields in other loggers.
const OTHER_NAMES: [(&str, &str); 13] = [
    ("time", "asctime"),
    ("timestamp", "asctime"),
    ("date", "asctime"),
    ("level", "levelname"),
    ("severity", "levelname"),
    ("target", "name"),
    ("logger", "name"),
    ("msg", "message"),
    ("args", "message"),
    ("module_path", "module"),
    ("file", "filename"),
    ("line", "lineno"),
    ("pid", "process"),
];

/// Prints the placeholders for an error.
pub(crate) struct Names;

impl Display for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, (name, _)) in FIELDS.iter().enumerate() {
            let separator = if number == 0 { "" } else { ", " };
            write!(f, "{separator}`{name}`")?;
        }
        Ok(())
    }
}

impl Field {
    /// Finds the field of a placeholder.
    pub(crate) fn named(name: &str) -> Option<Self> {
        FIELDS
            .into_iter()
            .find(|(known, _)| *known == name)
            .map(|(_, field)| field)
    }

    /// Returns the placeholder that an unknown one may be meant for.
    pub(crate) fn suggestion(name: &str) -> Option<&'static str> {
        OTHER_NAMES
            .into_iter()
            .find(|(other, _)| other.eq_ignore_ascii_case(name))
            .map(|(_, ours)| ours)
            .or_else(|| nearest(name, FIELDS.into_iter().map(|(known, _)| known)))
    }

    pub(crate) fn is_number(self) -> bool {
        matches!(
            self,
            Self::Levelno | Self::Lineno | Self::Process | Self::Thread
        )
    }
}

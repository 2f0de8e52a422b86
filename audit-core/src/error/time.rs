//! [`ParseTimeError`].

use std::error::Error as StdError;
use std::fmt;

/// The error of parsing a text that is not a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseTimeError {
    text: String,
}

impl ParseTimeError {
    pub(crate) fn new(text: &str) -> Self {
        Self {
            text: text.to_owned(),
        }
    }

    /// Returns the text.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for ParseTimeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` is not a time; expected one such as 2h, yesterday, 2026-01-31 or 2026-01-31T12:00:00Z",
            self.text.escape_debug()
        )
    }
}

impl StdError for ParseTimeError {}

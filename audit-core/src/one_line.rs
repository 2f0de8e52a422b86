//! Text that stays on one line of a log.
//!
//! A name, a reason or an error text may contain a line break, or a character that changes the direction
//! of writing, and then look like a line that the program never wrote. Everything that this workspace
//! prints about an entry passes through [`OneLine`] or [`OneLineWriter`].

use std::borrow::Cow;
use std::fmt::{self, Display, Write};

/// Returns whether a character could make one line look like several, or like another one: a control
/// character, a line or paragraph separator, or a bidirectional formatting character.
///
/// # Example: a line break and an override
/// ```
/// use auditlog::backend::is_forging;
///
/// assert!(is_forging('\n') && is_forging('\u{202e}'));
/// assert!(!is_forging('é') && !is_forging(' '));
/// ```
pub fn is_forging(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{2028}' | '\u{2029}' // line and paragraph separator
            | '\u{61c}' | '\u{200e}' | '\u{200f}' // marks of direction
            | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') // embeddings and overrides
}

/// Escapes the forging characters of a text, as [`OneLine`] prints them.
pub(crate) fn escaped(text: &str) -> Cow<'_, str> {
    if text.contains(is_forging) {
        Cow::Owned(OneLine(text).to_string())
    } else {
        Cow::Borrowed(text)
    }
}

/// Prints a value with its forging characters escaped as Rust writes them: `\n`, `\u{202e}`.
#[derive(Clone, Copy, Debug)]
pub struct OneLine<T>(pub T);

impl<T: Display> Display for OneLine<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(OneLineWriter(f), "{}", self.0)
    }
}

/// Escapes the [forging](is_forging) characters of the text that is written through it, in Rust's
/// notation.
///
/// # Example: a reason with a line break
/// ```
/// use std::fmt::Write;
/// use auditlog::backend::OneLineWriter;
///
/// let mut line = String::new();
/// write!(OneLineWriter(&mut line), "reason: {}", "moved\nroot deleted User 1").unwrap();
/// assert_eq!(line, r"reason: moved\nroot deleted User 1");
/// ```
#[derive(Debug)]
pub struct OneLineWriter<'w, W: ?Sized>(pub &'w mut W);

impl<W: Write + ?Sized> Write for OneLineWriter<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while let Some((start, c)) = rest.char_indices().find(|(_, c)| is_forging(*c)) {
            self.0.write_str(&rest[..start])?;
            write!(self.0, "{}", c.escape_default())?;
            rest = &rest[start + c.len_utf8()..];
        }
        self.0.write_str(rest)
    }
}

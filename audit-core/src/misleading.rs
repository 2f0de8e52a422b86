//! Escapes stored texts, which an attacker may have written, for terminals and pages.

use std::borrow::Cow;

use crate::one_line::is_forging;

/// Returns whether a character could reorder, hide or imitate text: a [forging](is_forging)
/// character, one that looks blank, or one without a width. Joiners are part of many scripts, and
/// are not among them.
///
/// # Example: an override and a space without a width
/// ```
/// use auditlog::backend::is_misleading;
///
/// assert!(is_misleading('\u{202e}') && is_misleading('\u{200b}') && is_misleading('\u{1b}'));
/// assert!(!is_misleading('é') && !is_misleading(' ') && !is_misleading('\u{200d}'));
/// ```
pub fn is_misleading(c: char) -> bool {
    is_forging(c)
        || matches!(c,
            // Fillers, and a pattern of Braille without dots.
            '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180e}'
            | '\u{2800}' | '\u{3164}' | '\u{ffa0}'
            // Characters without a width, and tags.
            | '\u{ad}' | '\u{200b}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}')
}

/// Escapes the [misleading](is_misleading) characters of a text in Rust's notation: `\n`,
/// `\u{202e}`.
///
/// # Example: a name that clears the screen
/// ```
/// use auditlog::backend::escape_misleading;
///
/// assert_eq!(escape_misleading("bob\u{1b}[2J\n"), r"bob\u{1b}[2J\n");
/// assert_eq!(escape_misleading("Zoë"), "Zoë");
/// ```
pub fn escape_misleading(text: &str) -> Cow<'_, str> {
    if !text.contains(is_misleading) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '\n' | '\r' | '\t' => escaped.extend(c.escape_default()),
            c if is_misleading(c) => escaped.extend(c.escape_unicode()),
            c => escaped.push(c),
        }
    }
    Cow::Owned(escaped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misleading_characters_are_escaped() {
        assert_eq!(
            escape_misleading("caf\u{e9} \u{1f600}"),
            "caf\u{e9} \u{1f600}"
        );
        assert_eq!(
            escape_misleading("\u{1b}[31mred\u{7}"),
            "\\u{1b}[31mred\\u{7}"
        );
        assert_eq!(escape_misleading("a\nb\tc\r"), "a\\nb\\tc\\r");
        assert_eq!(escape_misleading("\u{9b}2J\u{7f}"), "\\u{9b}2J\\u{7f}");
        assert_eq!(escape_misleading("user\u{202e}nimda"), "user\\u{202e}nimda");
        assert_eq!(
            escape_misleading("a\u{180e}\u{3164}\u{115f}\u{34f}\u{2800}b"),
            "a\\u{180e}\\u{3164}\\u{115f}\\u{34f}\\u{2800}b"
        );
    }
}

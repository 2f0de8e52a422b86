//! Escapes stored texts, which an attacker may have written, for terminals, pages and spreadsheets.

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

/// Escapes a text for a cell of a table that a spreadsheet opens: the
/// [misleading](escape_misleading) characters, and formulas.
///
/// A spreadsheet reads a cell as a formula if it begins with `=`, `+`, `-`, `@` or their wide forms,
/// after spaces and quotes too. Where `;` separates columns, it splits a cell of a file with commas
/// at each `;`. So an apostrophe precedes a formula at the beginning of the text and after each `;`,
/// as [OWASP](https://owasp.org/www-community/attacks/CSV_Injection) advises.
///
/// # Example: formulas
/// ```
/// use auditlog::backend::table_cell;
///
/// assert_eq!(table_cell("=1+2"), "'=1+2");
/// assert_eq!(table_cell(" @SUM(A1)"), "' @SUM(A1)");
/// assert_eq!(table_cell("a;=1+2"), "a;'=1+2");
/// assert_eq!(table_cell("a = 1; b = 2"), "a = 1; b = 2");
/// ```
pub fn table_cell(text: &str) -> Cow<'_, str> {
    if !text.split(';').any(is_formula) {
        return escape_misleading(text);
    }
    let mut cell = String::with_capacity(text.len() + 8);
    for (number, part) in text.split(';').enumerate() {
        if number > 0 {
            cell.push(';');
        }
        if is_formula(part) {
            cell.push('\'');
        }
        cell.push_str(&escape_misleading(part));
    }
    Cow::Owned(cell)
}

fn is_formula(part: &str) -> bool {
    let is_skipped = |c: char| c == '"' || c.is_whitespace() || is_misleading(c);
    part.trim_start_matches(is_skipped).starts_with([
        '=', '+', '-', '@', // The wide forms, which some programs read alike.
        '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}',
    ])
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

    #[test]
    fn a_cell_is_no_formula_beside_commas_and_semicolons() {
        for (text, cell) in [
            ("plain", "plain"),
            ("=1+2", "'=1+2"),
            ("+49 30 1", "'+49 30 1"),
            ("-cmd", "'-cmd"),
            ("@SUM(A1)", "'@SUM(A1)"),
            (" =1", "' =1"),
            ("\u{a0}=1", "'\u{a0}=1"),
            ("\t=1", "'\\t=1"),
            ("\r\n=1", "'\\r\\n=1"),
            ("\"=1\"", "'\"=1\""),
            ("\u{200b}=1", "'\\u{200b}=1"),
            ("a;=1", "a;'=1"),
            ("a; \"=1\"; b", "a;' \"=1\"; b"),
            (";;@x;-1", ";;'@x;'-1"),
            ("a\u{1b}[2J\nb", "a\\u{1b}[2J\\nb"),
            ("\u{ff1d}1", "'\u{ff1d}1"),
            ("a=1;b-2", "a=1;b-2"),
        ] {
            assert_eq!(table_cell(text), cell);
        }
    }
}

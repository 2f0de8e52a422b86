//! The parser of paths: a subset of `JSONPath` (RFC 9535) with one extension.
//!
//! ```text
//! path    = [ "$" ] first-or-step { step }
//! step    = "." word | "[" ( string | index | name "=" literal ) "]"
//! word    = letters, digits, `_` and characters outside of ASCII, not starting with a digit
//! string  = in single or double quotes, with the escapes of RFC 9535
//! index   = 0 | digits without leading zero, up to 2^53 - 1
//! literal = string | number | true | false | null
//! ```
//!
//! `items[sku='A1']` is the extension: the item whose field `sku` has this value. RFC 9535 writes it as the
//! filter `items[?@.sku=='A1']`. A parsed path has one spelling, except that a plain word may stay in
//! brackets.

use std::borrow::Cow;
use std::fmt;

use super::is_plain;

/// The largest index: the largest integer that every JSON parser keeps (RFC 9535 has the same
/// limit).
pub(crate) const MAX_INDEX: usize = {
    let limit = (1u64 << 53) - 1;
    if limit > usize::MAX as u64 {
        usize::MAX / 4
    } else {
        // Checked in the line above.
        #[expect(clippy::cast_possible_truncation, reason = "compared with usize::MAX")]
        let limit = limit as usize;
        limit
    }
};

/// The error of parsing a text that is not a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParsePathError {
    text: String,
    column: usize,
    expected: &'static str,
}

impl ParsePathError {
    /// Returns the text that is not a path.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Returns the column of the error, in characters from 1.
    pub const fn column(&self) -> usize {
        self.column
    }
}

impl fmt::Display for ParsePathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// The maximum number of characters shown.
        const SHOWN: usize = 80;
        let (text, more) = match self.text.char_indices().nth(SHOWN) {
            Some((end, _)) => (&self.text[..end], "..."),
            None => (&*self.text, ""),
        };
        write!(
            f,
            "`{}{more}` is not a path: expected {} at column {}",
            text.escape_debug(),
            self.expected,
            self.column
        )
    }
}

impl std::error::Error for ParsePathError {}

/// One step of a path, borrowed from its text. Its order is that of paths.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Step<'t> {
    Index(usize),
    Match {
        field: Cow<'t, str>,
        value: Literal<'t>,
    },
    Name(Cow<'t, str>),
}

/// The value of a match: a string, or the JSON of a number, a boolean or a null.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Literal<'t> {
    Scalar(&'t str),
    Text(Cow<'t, str>),
}

/// Splits `path=value` at the `=` that ends the path. A path may contain others in brackets.
pub(crate) fn split_at_equals(text: &str) -> Option<(&str, &str)> {
    let mut parser = Parser::new(text);
    if text.starts_with("$=") {
        parser.at = 1;
    }
    while parser.at == 0 || !parser.rest().starts_with('=') {
        parser.next().ok()??;
    }
    Some((&text[..parser.at], &text[parser.at + 1..]))
}

/// Parses a path step by step.
pub(super) struct Parser<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Parser<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { text, at: 0 }
    }

    /// Returns an error at the current position.
    pub(super) fn error(&self, expected: &'static str) -> ParsePathError {
        ParsePathError {
            text: self.text.to_owned(),
            column: self.text[..self.at].chars().count() + 1,
            expected,
        }
    }

    /// Parses the next step. Returns it with whether it is in brackets.
    pub(super) fn next(&mut self) -> Result<Option<(Step<'t>, bool)>, &'static str> {
        if self.at == 0 && !self.eat("$") && !self.rest().starts_with('[') {
            return Ok(Some((Step::Name(self.word()?), false)));
        }
        if self.rest().is_empty() {
            Ok(None)
        } else if self.eat(".") {
            Ok(Some((Step::Name(self.word()?), false)))
        } else if self.eat("[") {
            self.blanks();
            let step = self.bracket()?;
            self.blanks();
            if self.eat("]") {
                Ok(Some((step, true)))
            } else {
                Err("`]`")
            }
        } else {
            Err("`.` or `[`")
        }
    }

    fn bracket(&mut self) -> Result<Step<'t>, &'static str> {
        if self.rest().starts_with(|c: char| c.is_ascii_digit()) {
            return Ok(Step::Index(self.index()?));
        }
        let quoted = self.rest().starts_with(['\'', '"']);
        let name = if quoted {
            self.literal()?
        } else {
            self.word()
                .map_err(|_| "an index, a quoted name or a name and `=`")?
        };
        let end = self.at;
        self.blanks();
        if self.eat("=") {
            self.blanks();
            let value = if self.rest().starts_with(['\'', '"']) {
                Literal::Text(self.literal()?)
            } else {
                Literal::Scalar(self.scalar()?)
            };
            return Ok(Step::Match { field: name, value });
        }
        if quoted {
            self.at = end;
            Ok(Step::Name(name))
        } else {
            Err("`=`")
        }
    }

    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    fn eat(&mut self, token: &str) -> bool {
        let found = self.rest().starts_with(token);
        if found {
            self.at += token.len();
        }
        found
    }

    fn blanks(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start_matches([' ', '\t', '\n', '\r']).len();
    }

    fn word(&mut self) -> Result<Cow<'t, str>, &'static str> {
        let rest = self.rest();
        let end = rest
            .find(|c: char| c.is_ascii() && !c.is_ascii_alphanumeric() && c != '_')
            .unwrap_or(rest.len());
        let word = &rest[..end];
        if !is_plain(word) {
            return Err("a name");
        }
        self.at += end;
        Ok(Cow::Borrowed(word))
    }

    fn index(&mut self) -> Result<usize, &'static str> {
        let rest = self.rest();
        let end = rest
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(rest.len());
        let digits = &rest[..end];
        if digits.len() > 1 && digits.starts_with('0') {
            return Err("an index without leading zeros");
        }
        match digits.parse() {
            Ok(index) if index <= MAX_INDEX => {
                self.at += end;
                Ok(index)
            }
            _ => Err("an index below 2^53"),
        }
    }

    /// Parses a number, a boolean or a null.
    fn scalar(&mut self) -> Result<&'t str, &'static str> {
        let rest = self.rest();
        let end = rest
            .find(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '-' | '+' | '.'))
            .unwrap_or(rest.len());
        let scalar = &rest[..end];
        if serde_json::from_str::<serde_json::Value>(scalar).is_err() {
            return Err("a quoted text, a number, a boolean or a null");
        }
        self.at += end;
        Ok(scalar)
    }

    /// Parses a string literal in single or double quotes.
    fn literal(&mut self) -> Result<Cow<'t, str>, &'static str> {
        let rest = self.rest();
        let quote = if rest.starts_with('"') { '"' } else { '\'' };
        let body = &rest[1..];
        let plain = body
            .find(|c: char| c == quote || c == '\\' || c < ' ')
            .unwrap_or(body.len());
        if body[plain..].starts_with(quote) {
            self.at += plain + 2;
            return Ok(Cow::Borrowed(&body[..plain]));
        }
        let mut literal = body[..plain].to_owned();
        self.at += plain + 1;
        loop {
            let Some(c) = self.rest().chars().next() else {
                return Err("a closing quote");
            };
            if c < ' ' {
                return Err("an escaped control character");
            }
            if c == '\\' {
                literal.push(self.escape(quote)?);
                continue;
            }
            self.at += c.len_utf8();
            if c == quote {
                return Ok(Cow::Owned(literal));
            }
            literal.push(c);
        }
    }

    /// Parses an escape, including its backslash.
    fn escape(&mut self, quote: char) -> Result<char, &'static str> {
        let code = self.rest()[1..].chars().next();
        let c = match code {
            Some('u') => return self.unicode(),
            Some('b') => '\u{8}',
            Some('t') => '\t',
            Some('n') => '\n',
            Some('f') => '\u{c}',
            Some('r') => '\r',
            Some(c @ ('\\' | '/')) => c,
            Some(c) if c == quote => c,
            _ => return Err("a valid escape"),
        };
        self.at += 2;
        Ok(c)
    }

    /// Parses `\uXXXX` or a surrogate pair of two.
    fn unicode(&mut self) -> Result<char, &'static str> {
        fn unit(text: &str) -> Option<u32> {
            let digits = text.strip_prefix("\\u")?.get(..4)?;
            // `from_str_radix` would take a sign.
            digits
                .bytes()
                .all(|byte| byte.is_ascii_hexdigit())
                .then(|| u32::from_str_radix(digits, 16).ok())?
        }
        let rest = self.rest();
        let first = unit(rest).ok_or("four hexadecimal digits")?;
        if let Some(c) = char::from_u32(first) {
            self.at += 6;
            return Ok(c);
        }
        let second = unit(&rest[6..]).filter(|second| (0xDC00..0xE000).contains(second));
        match second {
            Some(second) if first < 0xDC00 => {
                self.at += 12;
                let code = 0x1_0000 + ((first - 0xD800) << 10) + (second - 0xDC00);
                char::from_u32(code).ok_or("a character")
            }
            _ => Err("a pair of surrogates"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::split_at_equals;
    use crate::path::Path;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(10_000))]

        /// The text is split at the first `=` that follows a valid path.
        #[test]
        fn the_text_is_split_at_the_first_equals_after_a_path(text in "[$a0.'=\\[\\] ]{0,12}") {
            let first = text.match_indices('=').find_map(|(at, _)| {
                text[..at].parse::<Path>().is_ok().then(|| (&text[..at], &text[at + 1..]))
            });
            let found = split_at_equals(&text);
            let found = found.filter(|(path, _)| path.parse::<Path>().is_ok());
            prop_assert_eq!(found, first);
        }
    }
}

//! Values of changes and states.

use std::cell::Cell;
use std::io;

use maud::{Markup, Render, html};
use serde_json::Value;

use super::text::{cut, safe_block, short};
use crate::texts::{self, Language, t};

/// The number of characters of a value in a list.
const BRIEF: usize = 72;
/// The number of characters that are shown without folding.
const UNFOLDED: usize = 600;
/// The number of characters of a value on a page. Longer ones are complete in JSON.
const MAX_SHOWN: usize = 64 * 1024;
/// The number of characters of all values on a page.
const MAX_ALL: usize = 256 * 1024;
/// The length of a text in a list of words, in bytes.
const SHORT: usize = 60;
/// The number of rows of all tables of values on a page.
pub(crate) const MAX_ROWS: usize = 500;

/// The number of rows and of characters of values that a page may still show. After it, values are
/// shortened as in a list.
pub(crate) struct Space {
    rows: Cell<usize>,
    characters: Cell<usize>,
}

impl Space {
    pub(crate) fn new() -> Self {
        Self {
            rows: Cell::new(MAX_ROWS),
            characters: Cell::new(MAX_ALL),
        }
    }

    /// Takes up to a number of rows.
    pub(crate) fn rows(&self, rows: usize) -> usize {
        take(&self.rows, rows)
    }

    /// Takes up to a number of characters.
    fn characters(&self, characters: usize) -> usize {
        take(&self.characters, characters)
    }

    /// Takes a number of characters if there are as many.
    pub(super) fn has(&self, characters: usize) -> bool {
        let is_enough = characters <= self.characters.get();
        is_enough && self.characters(characters) == characters
    }
}

fn take(from: &Cell<usize>, wanted: usize) -> usize {
    let taken = wanted.min(from.get());
    from.set(from.get() - taken);
    taken
}

/// A value on one line, shortened.
pub(crate) struct Brief<'v>(&'v Value);

/// Shows a value on one line, shortened.
pub(crate) fn brief(value: &Value) -> Brief<'_> {
    Brief(value)
}

impl Render for Brief<'_> {
    fn render_to(&self, page: &mut String) {
        match self.0 {
            Value::String(text) if !text.is_empty() => short(text, BRIEF).render_to(page),
            value => match word(value) {
                Some(word) => word.render_to(page),
                None => short(&Printed::line(value, BRIEF).text, BRIEF).render_to(page),
            },
        }
    }
}

/// Shows a value with its line ends; a long one is folded.
pub(crate) fn full(value: &Value, space: &Space) -> Markup {
    match value {
        Value::String(text) if !text.is_empty() => folded(text, text.chars().count(), space),
        Value::Array(items)
            if !items.is_empty()
                && items.len() <= 50
                && items.iter().all(is_short)
                && space.has(items.len() * SHORT) =>
        {
            html! { ul.inline { @for item in items { li { (brief(item)) } } } }
        }
        Value::Number(_) => brief(value).render(),
        other => word(other).unwrap_or_else(|| {
            let json = Printed::lines(other, MAX_SHOWN);
            folded(&json.text, json.characters, space)
        }),
    }
}

/// Returns whether a value is shown completely on one line, so that a link can have it.
pub(super) fn is_linkable(value: &Value) -> bool {
    match value {
        Value::String(text) => text.len() <= BRIEF && !text.chars().any(char::is_control),
        Value::Array(_) | Value::Object(_) => false,
        _ => true,
    }
}

/// Returns whether a value is a word, a number or the like.
fn is_short(value: &Value) -> bool {
    match value {
        Value::String(text) => text.len() <= SHORT,
        Value::Array(_) | Value::Object(_) => false,
        _ => true,
    }
}

/// Returns the word for a value without content, which no text can imitate.
fn word(value: &Value) -> Option<Markup> {
    let word = match value {
        Value::Null => "null",
        Value::Bool(true) => "yes",
        Value::Bool(false) => "no",
        Value::String(text) if text.is_empty() => "empty text",
        Value::Array(items) if items.is_empty() => "empty list",
        Value::Object(fields) if fields.is_empty() => "empty object",
        _ => return None,
    };
    Some(html! { span.word { (t(word)) } })
}

/// Shows a text, or its beginning, of a number of characters in all.
pub(crate) fn folded(text: &str, characters: usize, space: &Space) -> Markup {
    let shown = space.characters(characters.min(MAX_SHOWN));
    if shown == characters && characters <= UNFOLDED {
        return html! { span.block { (safe_block(text)) } };
    }
    let count = html! { span.note { (grouped(characters)) " " (t("characters")) } };
    if shown <= UNFOLDED {
        return html! { (short(text, BRIEF)) (count) };
    }
    let is_cut = shown < characters;
    html! {
        details.fold {
            summary { span.block { (safe_block(cut(text, 240).0)) span.more { "…" } } (count) }
            span.block { (safe_block(cut(text, shown).0)) @if is_cut { span.more { "…" } } }
            @if is_cut { span.note { (t("The JSON of this page has the rest.")) } }
        }
    }
}

/// The beginning of a value as JSON, and the number of characters of all of it.
struct Printed {
    text: String,
    characters: usize,
}

impl Printed {
    /// Prints a value on one line, as far as some characters and one more.
    fn line(value: &Value, characters: usize) -> Self {
        let mut beginning = Beginning::of(characters);
        beginning.ends_early = true;
        // An error is the early end.
        let _ended_early = serde_json::to_writer(&mut beginning, value).is_err();
        beginning.into()
    }

    /// Prints a value on several lines, keeps some characters and one more, and counts all.
    fn lines(value: &Value, characters: usize) -> Self {
        let mut beginning = Beginning::of(characters);
        // Printing a value with text keys cannot fail.
        let _failed = serde_json::to_writer_pretty(&mut beginning, value).is_err();
        beginning.into()
    }
}

impl From<Beginning> for Printed {
    fn from(beginning: Beginning) -> Self {
        Self {
            // Only the character after the wanted ones may be incomplete.
            text: String::from_utf8_lossy(&beginning.bytes).into_owned(),
            characters: beginning.characters,
        }
    }
}

/// Keeps the first bytes that are written, and counts the characters of all.
struct Beginning {
    bytes: Vec<u8>,
    limit: usize,
    characters: usize,
    /// Whether the rest is not wanted.
    ends_early: bool,
}

impl Beginning {
    /// Keeps at least a number of characters and one more.
    fn of(characters: usize) -> Self {
        Self {
            bytes: Vec::new(),
            limit: (characters + 1) * 4,
            characters: 0,
            ends_early: false,
        }
    }
}

impl io::Write for Beginning {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let left = self.limit - self.bytes.len();
        if left == 0 && self.ends_early {
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.bytes
            .extend_from_slice(&bytes[..bytes.len().min(left)]);
        let is_start = |byte: &&u8| **byte & 0xc0 != 0x80;
        self.characters += bytes.iter().filter(is_start).count();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Prints a number with groups of three digits.
pub(crate) fn grouped(number: usize) -> String {
    let separator = match texts::language() {
        Language::English => ',',
        Language::German => '.',
    };
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(separator);
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_word_differs_from_the_text() {
        assert_ne!(
            brief(&json!(null)).render().into_string(),
            brief(&json!("null")).render().into_string()
        );
        assert_ne!(
            brief(&json!(true)).render().into_string(),
            brief(&json!("yes")).render().into_string()
        );
    }

    #[test]
    fn long_values_are_cut() {
        let long = json!("é".repeat(1 << 20));
        assert!(brief(&long).render().into_string().len() < 300);
        let page = full(&long, &Space::new()).into_string();
        assert!(page.len() < 2 * MAX_SHOWN + 2_000, "{}", page.len());
        assert!(page.contains("1,048,576 characters"));
        let list = json!(vec!["é"; 1 << 20]);
        assert!(brief(&list).render().into_string().len() < 600);
        let page = full(&list, &Space::new()).into_string();
        assert!(page.len() < 20 * MAX_SHOWN, "{}", page.len());
    }

    #[test]
    fn a_list_is_printed_as_far_as_it_is_shown() {
        let list = json!(vec![7; 1 << 20]);
        assert_eq!(Printed::line(&list, BRIEF).text.len(), (BRIEF + 1) * 4);
        assert!(Printed::line(&list, BRIEF).characters < 400);
        let printed = Printed::lines(&list, 10);
        assert_eq!(printed.text.len(), 44);
        let pretty = serde_json::to_string_pretty(&list).expect("JSON");
        assert_eq!(printed.characters, pretty.len());
    }

    #[test]
    fn all_values_of_a_page_share_its_space() {
        let space = Space::new();
        let value = json!("x".repeat(MAX_SHOWN));
        let pages: Vec<usize> = (0..6).map(|_| full(&value, &space).0.len()).collect();
        assert!(pages[..4].iter().all(|len| *len > MAX_SHOWN), "{pages:?}");
        assert!(pages[4..].iter().all(|len| *len < 500), "{pages:?}");
    }
}

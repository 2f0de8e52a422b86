//! Conditions in the notation of other query languages, such as `actor=alice` and `level >= error`.
//!
//! Without a colon they would be texts to search for, which usually find nothing. They are errors that name
//! the condition of this language. In double quotes they are texts.

use super::terms::{KEYS, ParseQueryError};
use super::tokenizer::Term;

/// The comparison signs of other languages; a longer one before those that it begins with.
const SIGNS: [&str; 8] = ["==", "!=", "<>", ">=", "<=", "=", ">", "<"];

/// Names for conditions in other languages, with the key of this one.
const OTHER_NAMES: [(&str, &str); 18] = [
    ("user", "actor"),
    ("who", "actor"),
    ("by", "actor"),
    ("table", "model"),
    ("entity", "model"),
    ("class", "model"),
    ("id", "object"),
    ("pk", "object"),
    ("key", "object"),
    ("field", "changed"),
    ("path", "changed"),
    ("from", "since"),
    ("to", "until"),
    ("before", "until"),
    ("severity", "level"),
    ("result", "outcome"),
    ("request", "correlation"),
    ("sort", "order"),
];

/// Returns the key for a name of another language.
pub(super) fn key_for(name: &str) -> Option<&'static str> {
    let found = OTHER_NAMES
        .iter()
        .find(|(other, _)| other.eq_ignore_ascii_case(name));
    found.map(|(_, key)| *key)
}

/// Checks that an unquoted word does not begin with a key and a sign, as `actor=alice` does.
pub(super) fn check_word(word: &str, column: usize) -> Result<(), ParseQueryError> {
    let Some(end) = word.find(['=', '!', '<', '>']) else {
        return Ok(());
    };
    let (name, rest) = word.split_at(end);
    match (key(name), sign(rest)) {
        (Some(key), Some(sign)) if compares(key, sign) => {
            let shown = format!("{name}{sign}");
            Err(error(key, sign, &shown, column + name.chars().count()))
        }
        _ => Ok(()),
    }
}

/// Checks that a word after another one is not a sign after a key, as in `actor = alice`.
pub(super) fn check_pair(before: &Term, term: &Term) -> Result<(), ParseQueryError> {
    if [before, term]
        .iter()
        .any(|term| term.is_quoted || term.key.is_some())
    {
        return Ok(());
    }
    match (key(&before.value), sign(&term.value)) {
        (Some(key), Some(sign)) if sign.contains('=') || sign == term.value => {
            let shown = format!("{} {sign}", before.value);
            Err(error(key, sign, &shown, term.column))
        }
        _ => Ok(()),
    }
}

fn key(name: &str) -> Option<&'static str> {
    let mut keys = KEYS.into_iter();
    keys.find(|key| key.eq_ignore_ascii_case(name))
        .or_else(|| key_for(name))
}

fn sign(text: &str) -> Option<&'static str> {
    SIGNS.into_iter().find(|sign| text.starts_with(sign))
}

/// Returns whether a sign directly after a key is a comparison; `order<T>` is a text.
fn compares(key: &str, sign: &str) -> bool {
    sign.contains('=') || sign == "<>" || matches!(key, "level" | "since" | "until")
}

fn error(key: &str, sign: &str, shown: &str, column: usize) -> ParseQueryError {
    let condition = match (key, sign) {
        (_, "!=" | "<>") => format!("NOT {key}:"),
        ("level", ">" | ">=") => "level:>=".to_owned(),
        ("level", "<" | "<=") => "level:<".to_owned(),
        _ => format!("{key}:"),
    };
    ParseQueryError::at(column, format!("`{shown}` is not a condition")).hint(format!(
        "write `{condition}` directly before the value, or use double quotes to search for the text"
    ))
}

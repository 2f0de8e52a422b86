//! Conditions and operators in the notation of other query languages, such as `actor=alice`,
//! `level >= error` and `||`.
//!
//! Without a colon they would be texts to search for, which usually find nothing. They are errors that name
//! the notation of this language. In double quotes they are texts.

use super::terms::{KEYS, ParseQueryError};
use super::tokenizer::Term;

/// The comparison signs of other languages; longer signs first, since `>=` begins with `>`.
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

/// The operators of other languages, with what this one has instead.
const OPERATORS: [(&str, &str); 2] = [
    ("||", "write `OR` between two conditions"),
    ("&&", "separate conditions by a space, which means \"and\""),
];

/// Checks that an unquoted word is not an operator such as `||`, and does not begin with a key and a
/// sign, as `actor=alice` does.
pub(super) fn check_word(word: &str, column: usize) -> Result<(), ParseQueryError> {
    check_operator(word, column)?;
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

/// Checks that a word does not begin with an operator, as in `||(a b)` and `||actor:bob`.
fn check_operator(word: &str, column: usize) -> Result<(), ParseQueryError> {
    for (operator, hint) in OPERATORS {
        if word.starts_with(operator) {
            return Err(no_operator(operator, hint, column));
        }
    }
    Ok(())
}

/// Checks that a value does not go on with an operator and another condition, as in `alice||actor:bob`.
pub(super) fn check_value(value: &str, column: usize) -> Result<(), ParseQueryError> {
    for (operator, hint) in OPERATORS {
        for (at, _) in value.match_indices(operator) {
            let rest = value[at..].trim_start_matches(['|', '&']);
            if rest
                .split_once(':')
                .is_some_and(|(name, _)| key(name).is_some())
            {
                let column = column + value[..at].chars().count();
                return Err(no_operator(operator, hint, column));
            }
        }
    }
    Ok(())
}

fn no_operator(operator: &str, hint: &str, column: usize) -> ParseQueryError {
    let message = format!("`{operator}` is not an operator");
    let hint = format!("{hint}, or use double quotes to search for the text");
    ParseQueryError::at(column, message).hint(hint)
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
    let hint = |condition: &str, value: &str, difference: &str| {
        format!(
            "write `{condition}` directly before {value}{difference}, or use double quotes to search for the text"
        )
    };
    let equal = |condition: &str| hint(condition, "the value", "");
    let other = |condition: &str, difference: &str| hint(condition, "the value", difference);
    let next_level = |condition: &str| hint(condition, "the next higher level", "");
    let hint = match (key, sign) {
        ("level", ">=") => equal("level:>="),
        ("level", "<") => equal("level:<"),
        ("level", ">") => next_level("level:>="),
        ("level", "<=") => next_level("level:<"),
        ("level", "=" | "==") => other("level:", ", which also finds higher levels"),
        ("level", _) => other("NOT level:", ", which finds lower levels alone"),
        ("since" | "until", ">=") => equal("since:"),
        ("since" | "until", "<") => equal("until:"),
        ("since" | "until", ">") => other("since:", ", which includes the time itself"),
        ("since" | "until", "<=") => other("until:", ", which excludes the time itself"),
        ("limit", "<=") => equal("limit:"),
        ("limit", "<") => other("limit:", ", which includes the number itself"),
        (_, "=" | "==") => equal(&format!("{key}:")),
        ("order" | "limit" | "after", "!=" | "<>") => {
            other(&format!("{key}:"), ", which cannot be negated")
        }
        (_, "!=" | "<>") => equal(&format!("NOT {key}:")),
        _ => other(&format!("{key}:"), ", which compares for equality alone"),
    };
    ParseQueryError::at(column, format!("`{shown}` is not a condition")).hint(hint)
}

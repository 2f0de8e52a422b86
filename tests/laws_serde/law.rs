//! The law itself.

use std::fmt::Debug;

use auditlog::prelude::*;
use auditlog::{Changes, diff, snapshot, try_snapshot};
use proptest::prelude::*;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{Raw, table};

/// The words of a type's attributes, each with whose it is: `audit` or `serde`.
pub(crate) type Attributes = Vec<(String, String)>;

/// A type of the family.
pub(crate) struct Member {
    pub(crate) attributes: Attributes,
    pub(crate) law: fn(&Attributes, &[Raw; 3]) -> Result<(), TestCaseError>,
}

/// Reads the words of attributes out of the source of a type.
pub(crate) fn attributes(source: &str) -> Attributes {
    let mut found = Vec::new();
    let source = source.replace("# [", "#[");
    for part in source.split("#[").skip(1) {
        let Some((kind, list)) = part.split_once('(') else {
            continue;
        };
        let kind = kind.trim();
        if kind != "audit" && kind != "serde" {
            continue;
        }
        for entry in split(list) {
            let word: String = entry
                .chars()
                .take_while(|letter| letter.is_alphanumeric() || *letter == '_')
                .collect();
            if entry.replace(' ', "") == "serde=false" {
                found.push((kind.to_owned(), "serde = false".to_owned()));
            }
            if entry.replace(' ', "") == "skip=false" {
                found.push((kind.to_owned(), "skip = false".to_owned()));
            }
            found.push((kind.to_owned(), word));
        }
    }
    found
}

/// Splits a list at its commas, up to the parenthesis that ends it.
fn split(list: &str) -> Vec<String> {
    let mut entries = vec![String::new()];
    let (mut depth, mut quoted) = (0, false);
    for letter in list.chars() {
        match letter {
            '"' => quoted = !quoted,
            '(' if !quoted => depth += 1,
            ')' if !quoted && depth == 0 => break,
            ')' if !quoted => depth -= 1,
            ',' if !quoted && depth == 0 => {
                entries.push(String::new());
                continue;
            }
            _ => {}
        }
        if let Some(entry) = entries.last_mut() {
            entry.push(letter);
        }
    }
    let entries = entries.into_iter().map(|entry| entry.trim().to_owned());
    entries.filter(|entry| !entry.is_empty()).collect()
}

fn applied(changes: &Changes, state: &Value) -> Result<Value, TestCaseError> {
    let mut state = state.clone();
    match changes.apply(&mut state) {
        Ok(()) => Ok(state),
        Err(error) => Err(TestCaseError::fail(format!("{error}\n{changes}\n{state}"))),
    }
}

/// Checks three values of a type.
pub(crate) fn check<T>(attributes: &Attributes, [a, b, c]: [&T; 3]) -> Result<(), TestCaseError>
where
    T: Auditable + Clone + PartialEq + Debug + Serialize + DeserializeOwned + 'static,
{
    let has = |word: &str| {
        attributes
            .iter()
            .any(|(kind, known)| kind == "audit" && known == word)
    };
    let listed = attributes
        .iter()
        .any(|(kind, word)| kind == "audit" && table::has(word));
    if !listed {
        let written = serde_json::to_value(a).expect("JSON");
        prop_assert_eq!(try_snapshot(a).expect("a snapshot"), written);
    }
    changes_keep_the_laws(has("eq") || has("tolerance"), [a, b, c])?;

    let log = AuditLog::builder().hash_key(1, [7; 32]).build();
    log.register::<T>();
    log.created(a).reason("a test").record().expect("a receipt");
    let history = log.history::<T>(a.object_pk()).expect("a history");
    let latest = history.latest();
    let converted = [
        "display",
        "with",
        "serde = false",
        "reference",
        "set",
        "flatten",
        "transparent",
    ];
    match latest.typed::<T>() {
        Ok(Some(back))
            if latest.complete && !converted.iter().any(|word| has(word) && table::has(word)) =>
        {
            prop_assert_eq!(&back, a);
        }
        Ok(_) => {}
        // What serde reads and the trail does not have is no default unless asked for.
        Err(auditlog::TypedError::Incomplete { .. }) if !latest.complete => {
            let lossy = latest.typed_lossy::<T>();
            prop_assert!(
                listed || lossy.is_ok(),
                "{}: {:?}",
                latest.state,
                lossy.err()
            );
        }
        Err(error) => {
            let said = error.to_string().contains("serde does not read it");
            prop_assert!(listed || said, "{}: {}", latest.state, error);
        }
    }
    Ok(())
}

fn changes_keep_the_laws<T: Auditable + Clone>(
    own_equality: bool,
    [a, b, c]: [&T; 3],
) -> Result<(), TestCaseError> {
    prop_assert!(diff(a, &a.clone()).is_empty());
    if own_equality {
        // What their own equality ignores, a change does not carry over.
        return Ok(());
    }
    let [before, between, after] = [a, b, c].map(snapshot);
    let (first, second) = (diff(a, b), diff(b, c));
    prop_assert_eq!(&applied(&first, &before)?, &between);
    prop_assert_eq!(&applied(&first.invert(), &between)?, &before);
    prop_assert_eq!(&applied(&first.compose(&second), &before)?, &after);
    let rebase = first.rebase(&before);
    prop_assert!(rebase.conflicts.is_empty(), "{:?}", rebase.conflicts);
    prop_assert_eq!(&applied(&rebase.changes, &before)?, &between);
    Ok(())
}

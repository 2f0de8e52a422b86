//! The law itself.

use std::any::Any;

use auditlog::prelude::*;
use auditlog::{Changes, Reconstruction, TypedError, diff, try_snapshot};
use proptest::prelude::*;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{Raw, table};

/// The words of a type's attributes, each with whose it is: `audit` or `serde`.
pub(crate) type Attributes = Vec<(String, String)>;

/// A type of the family.
pub(crate) struct Member {
    pub(crate) attributes: Attributes,
    pub(crate) make: fn(&Raw) -> Box<dyn Object>,
}

/// A value of such a type. The laws are asked through it, so that the compiler makes them once and
/// not for each type.
pub(crate) trait Object {
    fn as_any(&self) -> &dyn Any;

    fn recorded(&self) -> Value;

    /// What serde writes.
    fn written(&self) -> Value;

    fn changes_to(&self, new: &dyn Object) -> Changes;

    /// Records the object and reads its history.
    fn latest(&self, log: &AuditLog) -> Reconstruction;

    /// Reads a state as the type and returns whether that is this value; `None` for no object.
    fn is_read_from(&self, state: &Reconstruction) -> Result<Option<bool>, TypedError>;

    fn can_be_read_lossy(&self, state: &Reconstruction) -> Result<(), TypedError>;
}

impl<T> Object for T
where
    T: Auditable + Clone + PartialEq + Serialize + DeserializeOwned + 'static,
{
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn recorded(&self) -> Value {
        try_snapshot(self).expect("a snapshot")
    }

    fn written(&self) -> Value {
        serde_json::to_value(self).expect("JSON")
    }

    fn changes_to(&self, new: &dyn Object) -> Changes {
        let new = new.as_any().downcast_ref::<T>();
        diff(self, new.expect("a value of the same type"))
    }

    fn latest(&self, log: &AuditLog) -> Reconstruction {
        log.register::<T>();
        let draft = log.created(self).reason("a test");
        let key = draft.entry().expect("an entry").object_pk.clone();
        draft.record().expect("a receipt");
        log.history::<T>(key).expect("a history").latest()
    }

    fn is_read_from(&self, state: &Reconstruction) -> Result<Option<bool>, TypedError> {
        let read = state.typed::<T>()?;
        Ok(read.map(|read| read == *self))
    }

    fn can_be_read_lossy(&self, state: &Reconstruction) -> Result<(), TypedError> {
        state.typed_lossy::<T>().map(drop)
    }
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
            let without_spaces: String = entry.split_whitespace().collect();
            if without_spaces == format!("{word}=false") {
                found.push((kind.to_owned(), format!("{word} = false")));
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

/// Attributes by which a type reads back in another form than it had, if serde reads that at all.
const CONVERTED: [&str; 7] = [
    "display",
    "with",
    "serde = false",
    "reference",
    "set",
    "flatten",
    "transparent",
];

/// Checks a type by three of its values.
pub(crate) fn check(member: &Member, values: &[Raw; 3]) -> Result<(), TestCaseError> {
    let has = |word: &str| {
        let mut words = member.attributes.iter();
        words.any(|(kind, known)| kind == "audit" && known == word)
    };
    let again = (member.make)(&values[0]);
    let values = values.each_ref().map(member.make);
    let [a, b, c] = values.each_ref().map(|value| &**value);
    let mut words = member.attributes.iter();
    let listed = words.any(|(kind, word)| kind == "audit" && table::has(word));
    if !listed {
        prop_assert_eq!(a.recorded(), a.written());
    }
    prop_assert!(a.changes_to(&*again).is_empty());
    // What their own equality ignores, a change does not carry over.
    if !(has("eq") || has("tolerance")) {
        changes_keep_the_laws([a, b, c])?;
    }

    let log = AuditLog::builder().hash_key(1, [7; 32]).build();
    let latest = a.latest(&log);
    let converted = CONVERTED.iter().any(|word| has(word) && table::has(word));
    match a.is_read_from(&latest) {
        Ok(Some(same)) => {
            let exact = latest.complete && !converted;
            prop_assert!(
                same || !exact,
                "another value is read from {}",
                latest.state
            );
        }
        Ok(None) => prop_assert!(false, "no object"),
        // What serde reads and the trail does not have is no default unless asked for.
        Err(TypedError::Incomplete { .. }) if !latest.complete => {
            if let Err(error) = a.can_be_read_lossy(&latest) {
                prop_assert!(listed, "{}: {error}", latest.state);
            }
        }
        Err(error) => {
            let said = error.to_string().contains("serde does not read it");
            prop_assert!(listed || said, "{}: {error}", latest.state);
        }
    }
    Ok(())
}

fn changes_keep_the_laws([a, b, c]: [&dyn Object; 3]) -> Result<(), TestCaseError> {
    let [before, between, after] = [a, b, c].map(Object::recorded);
    let (first, second) = (a.changes_to(b), b.changes_to(c));
    prop_assert_eq!(&applied(&first, &before)?, &between);
    prop_assert_eq!(&applied(&first.invert(), &between)?, &before);
    prop_assert_eq!(&applied(&first.compose(&second), &before)?, &after);
    let rebase = first.rebase(&before);
    prop_assert!(rebase.conflicts.is_empty(), "{:?}", rebase.conflicts);
    prop_assert_eq!(&applied(&rebase.changes, &before)?, &between);
    Ok(())
}

//! The pairs of words that one field can have, and those that it cannot.

use std::collections::BTreeSet;

use crate::law::Member;
use crate::symbol::{
    self, FLATTEN, ID, KEY, RECORDING, REFERENCE, SERDE_WORDS, SET, SKIP, SKIP_NONE, TOLERANCE,
    Target,
};

/// A word with whose it is: `audit` or `serde`.
type Word = (&'static str, &'static str);

/// serde's words that stand on a type or a variant only.
const NOT_ON_A_FIELD: [&str; 7] = [
    "content",
    "into",
    "rename_all",
    "rename_all_fields",
    "tag",
    "transparent",
    "untagged",
];

/// Words of the trail that need different types.
const NO_TYPE: [(&str, &[&str]); 2] = [
    (TOLERANCE, &[KEY, SET, REFERENCE]),
    // A list or an `Option` is the key of no object.
    (ID, &[KEY, SET, SKIP_NONE]),
];

/// What serde itself refuses on one field.
const SERDE_REFUSES: [(&str, &[&str]); 2] = [
    ("skip", &["skip_serializing", "skip_deserializing"]),
    ("with", &["serialize_with"]),
];

/// What the derive refuses by a rule of its own, beside the words that contradict each other: words
/// of the trail on a field that serde skips, flattens or writes by a function.
fn is_refused(own: &str, of_serde: &str) -> bool {
    match of_serde {
        "skip" | "skip_serializing" => RECORDING.contains(&own),
        "flatten" => own != SKIP && symbol::contradiction(own, FLATTEN).is_some(),
        "with" | "serialize_with" => [KEY, FLATTEN].contains(&own),
        _ => false,
    }
}

fn can_stand_together(one: Word, other: Word) -> bool {
    let stands_in = |table: &[(&str, &[&str])]| {
        let both = |a: &str, b: &str| {
            let mut rows = table.iter();
            rows.any(|(first, others)| *first == a && others.contains(&b))
        };
        both(one.1, other.1) || both(other.1, one.1)
    };
    match (one, other) {
        (("audit", own), ("audit", other)) => {
            symbol::contradiction(own, other).is_none() && !stands_in(&NO_TYPE)
        }
        (("audit", own), (_, of_serde)) => !is_refused(own, of_serde),
        _ => !stands_in(&SERDE_REFUSES),
    }
}

/// Every word that a field can have.
fn words() -> Vec<Word> {
    let own = symbol::words(Target::Field)
        .iter()
        .map(|word| ("audit", word.name));
    let of_serde = SERDE_WORDS
        .into_iter()
        .filter(|word| !NOT_ON_A_FIELD.contains(word));
    own.chain(of_serde.map(|word| ("serde", word))).collect()
}

/// Returns the pairs that can stand together and that no field of the family has, and those that
/// one has although a table says that they cannot.
pub(crate) fn differences(fields: &[Member]) -> Vec<String> {
    let pairs_of = |member: &Member| {
        let words = member.attributes.clone();
        let pairs = words.clone().into_iter().flat_map(move |one| {
            let words = words.clone();
            words.into_iter().map(move |other| (one.clone(), other))
        });
        pairs.collect::<Vec<_>>()
    };
    // `skip = false` and `serde = false` lift rules.
    let switched_off = |member: &&Member| {
        let mut words = member.attributes.iter();
        words.any(|(_, word)| word.ends_with(" = false"))
    };
    let fields = fields.iter().filter(|member| !switched_off(member));
    let had: BTreeSet<_> = fields.flat_map(pairs_of).collect();
    let owned = |word: Word| (word.0.to_owned(), word.1.to_owned());
    let words = words();
    let mut found = Vec::new();
    for (place, &one) in words.iter().enumerate() {
        for &other in &words[place + 1..] {
            let has = had.contains(&(owned(one), owned(other)));
            match (can_stand_together(one, other), has) {
                (true, false) => found.push(format!("no field has {one:?} and {other:?}")),
                (false, true) => found.push(format!("a field has {one:?} and {other:?}")),
                _ => {}
            }
        }
    }
    found
}

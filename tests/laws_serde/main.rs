//! The law of agreement with serde, over a family of types with every attribute that the derive
//! reads, alone and in pairs on one field.
//!
//! A snapshot is what serde writes, or an attribute of the type stands in the table of
//! `audit-derive/ATTRIBUTES.md`; `typed` gives the value back, or says why it cannot; changes
//! apply, invert, compose and rebase. `PROPTEST_CASES` sets the number of cases, of which each
//! takes one type of the family.

mod family;
mod forms;
mod law;
mod pairs;
#[path = "../../audit-derive/src/symbol.rs"]
#[expect(dead_code, reason = "what the derive alone needs")]
mod symbol;
mod table;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use self::law::Member;

/// What the fields of a generated value are made of.
#[derive(Clone, Debug)]
pub(crate) struct Raw {
    pub(crate) text: Option<String>,
    pub(crate) number: i16,
    pub(crate) items: Vec<(u8, u8)>,
    pub(crate) after: u8,
}

fn raw() -> impl Strategy<Value = Raw> {
    let text = option::of(prop_oneof![Just(String::new()), "[ab]{1,2}", "[a-c]{9}"]);
    let items = vec((0..4u8, 0..2u8), 0..4);
    (text, -2..3i16, items, 0..2u8).prop_map(|(text, number, mut items, after)| {
        items.sort_unstable();
        items.dedup_by_key(|item| item.0);
        Raw {
            text,
            number,
            items,
            after,
        }
    })
}

fn members() -> Vec<Member> {
    let mut members = Vec::new();
    family::fields(&mut members);
    forms::types(&mut members);
    members
}

proptest! {
    #[test]
    fn types_with_any_attribute_agree_with_serde(
        values in [raw(), raw(), raw()],
        chosen in any::<prop::sample::Index>(),
    ) {
        thread_local! {
            static MEMBERS: Vec<Member> = members();
        }
        MEMBERS.with(|members| {
            let member = &members[chosen.index(members.len())];
            law::check(member, &values)
        })?;
    }
}

#[test]
fn the_family_has_every_attribute() {
    let members = members();
    let has = |word: &str, kind: &str| {
        let mut lists = members.iter().map(|member| &member.attributes);
        lists.any(|list| list.iter().any(|(of, known)| of == kind && known == word))
    };
    for place in [
        symbol::Target::Container,
        symbol::Target::Variant,
        symbol::Target::Field,
    ] {
        for word in symbol::words(place) {
            assert!(has(word.name, "audit"), "no type has `{}`", word.name);
        }
    }
    for word in symbol::SERDE_WORDS {
        assert!(has(word, "serde"), "no type has serde's `{word}`");
    }
}

#[test]
fn a_field_of_the_family_has_every_pair_of_words() {
    let mut fields = Vec::new();
    family::fields(&mut fields);
    let differences = pairs::differences(&fields);
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn each_type_of_the_family_keeps_the_law() {
    // So that a rare member cannot be missed by few cases.
    let value = |text: Option<&str>, number, items: &[(u8, u8)]| Raw {
        text: text.map(str::to_owned),
        number,
        items: items.to_vec(),
        after: 1,
    };
    let values = [
        value(Some("ab"), 1, &[(1, 1), (2, 0)]),
        value(None, 0, &[(2, 1)]),
        value(Some(""), -1, &[]),
    ];
    let failures: Vec<String> = members()
        .iter()
        .filter_map(|member| {
            let error = law::check(member, &values).err()?;
            Some(format!("{:?}: {error}", member.attributes))
        })
        .collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

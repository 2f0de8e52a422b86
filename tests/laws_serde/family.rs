//! Structs with one field that has each attribute, and each pair of two that can stand together.

use std::fmt::Debug;

use auditlog::prelude::*;
use serde::{Deserializer, Serializer};

use crate::Raw;
use crate::law::{self, attributes, check};

/// A type that a generated value is made into.
pub(crate) trait Made {
    fn of(raw: &Raw) -> Self;
}

impl Made for Option<String> {
    fn of(raw: &Raw) -> Self {
        raw.text.clone()
    }
}

impl Made for String {
    fn of(raw: &Raw) -> Self {
        raw.text.clone().unwrap_or_default()
    }
}

impl Made for f64 {
    fn of(raw: &Raw) -> Self {
        f64::from(raw.number) / 2.0
    }
}

impl Made for Vec<Item> {
    fn of(raw: &Raw) -> Self {
        let item = |&(sku, count): &(u8, u8)| Item { sku, count };
        raw.items.iter().map(item).collect()
    }
}

impl Made for Vec<u8> {
    fn of(raw: &Raw) -> Self {
        raw.items.iter().map(|item| item.0).collect()
    }
}

impl Made for Extra {
    fn of(raw: &Raw) -> Self {
        Self {
            first: raw.text.clone(),
            second: raw.number,
        }
    }
}

impl Made for Owner {
    fn of(raw: &Raw) -> Self {
        Self {
            id: raw.after,
            name: String::of(raw),
        }
    }
}

#[derive(Auditable, Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Item {
    sku: u8,
    count: u8,
}

#[derive(Auditable, Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Extra {
    first: Option<String>,
    second: i16,
}

#[derive(Auditable, Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Owner {
    id: u8,
    name: String,
}

/// Writes a text with a mark, and reads it without.
mod shouted {
    use super::*;

    #[expect(clippy::ref_option, reason = "serde's signature")]
    pub(crate) fn serialize<S: Serializer>(
        text: &Option<String>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        text.as_ref().map(|text| format!("{text}!")).serialize(to)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<String>, D::Error> {
        let text = Option::<String>::deserialize(from)?;
        Ok(text.map(|text| text.trim_end_matches('!').to_owned()))
    }
}

/// Takes what the field holds, or what its `Option` holds where a `None` is absent.
fn length<T: Debug>(value: &T) -> usize {
    format!("{value:?}").len()
}

fn initial<T: Debug>(value: &T) -> String {
    format!("{value:?}").chars().take(2).collect()
}

#[expect(clippy::ref_option, reason = "the field's type")]
fn same_length(old: &Option<String>, new: &Option<String>) -> bool {
    old.as_ref().map(String::len) == new.as_ref().map(String::len)
}

#[expect(clippy::ref_option, reason = "the field's type")]
fn is_absent(text: &Option<String>) -> bool {
    text.is_none()
}

/// Adds a struct whose second field has the attributes of both lists.
macro_rules! member {
    ($out:ident, $type:ty, [$($one:tt)*] [$($other:tt)*]) => {{
        #[derive(Auditable, Clone, Debug, PartialEq, Serialize, Deserialize)]
        struct Member {
            id: u8,
            $($one)*
            $($other)*
            field: $type,
            after: u8,
        }
        fn member(raw: &Raw) -> Member {
            Member { id: 1, field: Made::of(raw), after: raw.after }
        }
        $out.push(law::Member {
            attributes: attributes(stringify!($($one)* $($other)*)),
            law: |attributes, [a, b, c]| {
                check(attributes, [&member(a), &member(b), &member(c)])
            },
        });
    }};
}

/// Adds a struct for each pair of an attribute of one list and one of another.
macro_rules! pairs {
    ($out:ident, $type:ty, [$($one:tt)*] $others:tt) => {
        $(pairs!(@each $out, $type, $one $others);)*
    };
    (@each $out:ident, $type:ty, $one:tt [$($other:tt)*]) => {
        $(member!($out, $type, $one $other);)*
    };
}

/// Adds the structs, by what their field can have.
pub(crate) fn fields(members: &mut Vec<law::Member>) {
    serde_and_audit(members);
    audit_and_audit(members);
    serde_and_serde(members);
    skipped(members);
    others(members);
}

fn serde_and_audit(members: &mut Vec<law::Member>) {
    pairs!(members, Option<String>, [
        []
        [#[audit(label = "Label")]]
        [#[audit(ignore)]]
        [#[audit(whole)]]
        [#[audit(alias = "former")]]
        [#[audit(rename = "stored")]]
        [#[audit(skip_none)]]
        [#[audit(serde)]]
        [#[audit(display)]]
        [#[audit(debug)]]
        [#[audit(with = length)]]
        [#[audit(mask)]]
        [#[audit(mask = "last4")]]
        [#[audit(mask_with = initial)]]
        [#[audit(hash)]]
        [#[audit(eq = same_length)]]
    ] [
        []
        [#[serde(rename = "other")]]
        [#[serde(rename(serialize = "written"))] #[serde(rename(deserialize = "read"))]]
        [#[serde(alias = "former name")]]
        [#[serde(default, skip_deserializing)]]
        [#[serde(default, skip_serializing_if = "Option::is_none")]]
        [#[serde(default, skip_serializing_if = "is_absent")]]
        [#[serde(with = "shouted")]]
        [#[serde(serialize_with = "shouted::serialize", deserialize_with = "shouted::deserialize")]]
    ]);
    pairs!(members, Option<String>, [[#[audit(serde = false)]]] [
        [#[serde(with = "shouted")]]
        [#[serde(serialize_with = "shouted::serialize")]]
    ]);
}

fn audit_and_audit(members: &mut Vec<law::Member>) {
    pairs!(members, Option<String>, [
        [#[audit(level = "warning")]]
        [#[audit(not_secret)]]
        [#[audit(ignore)]]
        [#[audit(rename = "stored")]]
        [#[audit(alias = "former")]]
    ] [
        [#[audit(whole)]]
        [#[audit(skip_none)]]
        [#[audit(serde)]]
        [#[audit(display)]]
        [#[audit(with = length)]]
        [#[audit(eq = same_length)]]
    ]);
    pairs!(members, Option<String>, [
        [#[audit(level = "warning")]]
        [#[audit(ignore)]]
        [#[audit(rename = "stored")]]
        [#[audit(alias = "former")]]
    ] [
        [#[audit(mask)]]
        [#[audit(mask_with = initial)]]
        [#[audit(hash)]]
    ]);
    pairs!(members, Option<String>, [
        [#[audit(skip_none)]]
        [#[audit(whole)]]
    ] [
        [#[audit(serde)]]
        [#[audit(debug)]]
        [#[audit(mask = "first_half")]]
        [#[audit(hash)]]
    ]);
}

fn serde_and_serde(members: &mut Vec<law::Member>) {
    pairs!(members, Option<String>, [
        [#[serde(rename = "other")]]
        [#[serde(alias = "former")]]
        [#[serde(default, skip_serializing_if = "Option::is_none")]]
    ] [
        [#[serde(with = "shouted")]]
        [#[serde(serialize_with = "shouted::serialize", deserialize_with = "shouted::deserialize")]]
    ]);
    pairs!(members, Option<String>, [[#[serde(rename = "other")]]] [
        [#[serde(default, skip_serializing_if = "Option::is_none")]]
        [#[serde(skip_deserializing)]]
    ]);
}

fn skipped(members: &mut Vec<law::Member>) {
    pairs!(members, Option<String>, [
        [#[serde(skip)]]
        [#[serde(default, skip_serializing)]]
    ] [
        [#[audit(skip)]]
        [#[audit(skip = false)]]
        [#[audit(skip = false, mask)]]
        [#[audit(skip = false, skip_none)]]
        [#[audit(skip = false, rename = "stored")]]
        [#[serde(rename = "other")]]
    ]);
    pairs!(members, Option<String>, [[#[audit(skip)]]] [
        []
        [#[serde(rename = "other")]]
        [#[serde(with = "shouted")]]
        [#[serde(skip_deserializing)]]
    ]);
}

fn others(members: &mut Vec<law::Member>) {
    pairs!(members, f64, [[#[audit(tolerance = 0.1)]]] [
        []
        [#[serde(rename = "other")]]
        [#[audit(level = "error")]]
    ]);
    pairs!(members, Vec<Item>, [[#[audit(key = "sku")]]] [
        []
        [#[serde(rename = "other")]]
        [#[serde(default, skip_serializing_if = "Vec::is_empty")]]
        [#[audit(ignore)]]
    ]);
    pairs!(members, Vec<u8>, [[#[audit(set)]]] [
        []
        [#[serde(rename = "other")]]
        [#[audit(alias = "former")]]
    ]);
    pairs!(members, Extra, [[#[audit(flatten)]] [#[serde(flatten)]]] [
        []
        [#[audit(ignore)]]
        [#[audit(level = "error")]]
    ]);
    pairs!(members, Owner, [[#[audit(reference)]]] [
        []
        [#[serde(rename = "other")]]
    ]);
}

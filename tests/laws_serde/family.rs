//! Structs with one field that has each attribute, and each pair of two that can stand together.

use std::collections::HashMap;
use std::fmt::Debug;

use auditlog::prelude::*;
use serde::de::DeserializeOwned;
use serde::{Deserializer, Serializer};

use crate::Raw;
use crate::law::{Member, Object, attributes};

/// A type that a generated value is made into.
pub(crate) trait Made {
    fn made(raw: &Raw) -> Self;
}

impl<T: Made> Made for Option<T> {
    fn made(raw: &Raw) -> Self {
        raw.text.is_some().then(|| T::made(raw))
    }
}

impl Made for String {
    fn made(raw: &Raw) -> Self {
        raw.text.clone().unwrap_or_default()
    }
}

impl Made for u8 {
    fn made(raw: &Raw) -> Self {
        raw.after
    }
}

impl Made for f64 {
    fn made(raw: &Raw) -> Self {
        f64::from(raw.number) / 2.0
    }
}

impl Made for Vec<Item> {
    fn made(raw: &Raw) -> Self {
        let item = |&(sku, count): &(u8, u8)| Item { sku, count };
        raw.items.iter().map(item).collect()
    }
}

impl Made for Vec<u8> {
    fn made(raw: &Raw) -> Self {
        raw.items.iter().map(|item| item.0).collect()
    }
}

impl Made for HashMap<String, u8> {
    fn made(raw: &Raw) -> Self {
        let entry = |&(key, value): &(u8, u8)| (format!("k{key}"), value);
        raw.items.iter().map(entry).collect()
    }
}

impl Made for Extra {
    fn made(raw: &Raw) -> Self {
        Self {
            first: raw.text.clone(),
            second: raw.number,
        }
    }
}

impl Made for Owner {
    fn made(raw: &Raw) -> Self {
        Self {
            id: raw.after,
            name: String::made(raw),
        }
    }
}

#[derive(Auditable, Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Item {
    sku: u8,
    count: u8,
}

#[derive(Auditable, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Extra {
    first: Option<String>,
    second: i16,
}

#[derive(Auditable, Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Owner {
    id: u8,
    name: String,
}

/// Writes a value in a list of one.
mod listed {
    use super::*;

    pub(crate) fn serialize<T: Serialize, S: Serializer>(
        value: &T,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        (value,).serialize(to)
    }

    pub(crate) fn deserialize<'de, T: DeserializeOwned, D: Deserializer<'de>>(
        from: D,
    ) -> Result<T, D::Error> {
        <(T,)>::deserialize(from).map(|(value,)| value)
    }
}

/// Writes a value as its type does.
mod as_it_is {
    use super::*;

    pub(crate) fn serialize<T: Serialize, S: Serializer>(
        value: &T,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        value.serialize(to)
    }

    pub(crate) fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
        from: D,
    ) -> Result<T, D::Error> {
        T::deserialize(from)
    }
}

/// Takes what the field holds, or what its `Option` holds where a `None` is absent.
fn length<T: Debug>(value: &T) -> usize {
    format!("{value:?}").len()
}

fn initial<T: Debug>(value: &T) -> String {
    format!("{value:?}").chars().take(2).collect()
}

fn same_length<T: Debug>(old: &T, new: &T) -> bool {
    length(old) == length(new)
}

fn is_absent<T: Debug>(value: &T) -> bool {
    format!("{value:?}") == "None"
}

/// Adds a struct whose second field has the attributes of both lists.
macro_rules! member {
    ($out:ident, $type:ty, [$($one:tt)*] [$($other:tt)*]) => {{
        #[derive(Auditable, Clone, PartialEq, Serialize, Deserialize)]
        struct Holder {
            id: u8,
            $($one)*
            $($other)*
            field: $type,
            after: u8,
        }
        fn object(raw: &Raw) -> Box<dyn Object> {
            Box::new(Holder { id: 1, field: Made::made(raw), after: raw.after })
        }
        $out.push(Member {
            attributes: attributes(stringify!($($one)* $($other)*)),
            make: object,
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

/// Adds a struct for each attribute of a list, and for each two of them.
macro_rules! all_pairs {
    ($out:ident, $type:ty, []) => {};
    ($out:ident, $type:ty, [$first:tt $($rest:tt)*]) => {
        pairs!($out, $type, [$first] [[] $($rest)*]);
        all_pairs!($out, $type, [$($rest)*]);
    };
}

/// Adds a struct for each pair of a listed attribute and one that any field can have.
macro_rules! with_common {
    ($out:ident, $type:ty, $others:tt) => {
        pairs!($out, $type, [
            [#[audit(alias = "former")]]
            [#[audit(eq = same_length)]]
            [#[audit(ignore)]]
            [#[audit(label = "Label")]]
            [#[audit(level = "warning")]]
            [#[audit(rename = "stored")]]
        ] $others);
    };
}

/// Adds a struct for each pair of a listed attribute and one by which serde names a field, or
/// writes or reads it in its own form.
macro_rules! with_serde {
    ($out:ident, $type:ty, $others:tt) => {
        pairs!($out, $type, [
            [#[serde(rename = "other")]]
            [#[serde(alias = "former name")]]
            [#[serde(default, skip_deserializing)]]
            [#[serde(default, skip_serializing_if = "is_absent")]]
            [#[serde(with = "listed")]]
            [#[serde(serialize_with = "listed::serialize", deserialize_with = "listed::deserialize")]]
        ] $others);
    };
}

/// Adds the structs, by what their field can have.
pub(crate) fn fields(members: &mut Vec<Member>) {
    common(members);
    forms(members);
    of_serde(members);
    skipped(members);
    lists(members);
    others(members);
    identities(members);
    flattened(members);
}

fn common(members: &mut Vec<Member>) {
    all_pairs!(members, Option<String>, [
        [#[audit(alias = "former")]]
        [#[audit(eq = same_length)]]
        [#[audit(ignore)]]
        [#[audit(label = "Label")]]
        [#[audit(level = "warning")]]
        [#[audit(rename = "stored")]]
        [#[audit(whole)]]
        [#[audit(skip_none)]]
        [#[audit(not_secret)]]
    ]);
}

fn forms(members: &mut Vec<Member>) {
    macro_rules! all_forms {
        ($with:ident!($($arguments:tt)*)) => {
            $with!($($arguments)* [
                []
                [#[audit(serde)]]
                [#[audit(display)]]
                [#[audit(debug)]]
                [#[audit(with = length)]]
                [#[audit(mask)]]
                [#[audit(mask = "last4")]]
                [#[audit(mask_with = initial)]]
                [#[audit(hash)]]
            ]);
        };
    }
    all_forms!(with_common!(members, Option<String>,));
    all_forms!(pairs!(members, Option<String>, [[] [#[audit(whole)]] [#[audit(skip_none)]]]));
    pairs!(members, Option<String>, [
        [#[audit(serde)]]
        [#[audit(display)]]
        [#[audit(debug)]]
        [#[audit(with = length)]]
    ] [
        [#[audit(not_secret)]]
        [#[audit(mask)]]
        [#[audit(hash)]]
    ]);
    pairs!(members, Option<String>, [[#[audit(serde = false)]]] [
        [#[serde(with = "listed")]]
        [#[serde(serialize_with = "listed::serialize")]]
    ]);
}

fn of_serde(members: &mut Vec<Member>) {
    with_serde!(members, Option<String>, [
        []
        [#[audit(alias = "former")]]
        [#[audit(eq = same_length)]]
        [#[audit(ignore)]]
        [#[audit(label = "Label")]]
        [#[audit(level = "warning")]]
        [#[audit(rename = "stored")]]
        [#[audit(whole)]]
        [#[audit(skip_none)]]
        [#[audit(not_secret)]]
        [#[audit(serde)]]
        [#[audit(display)]]
        [#[audit(debug)]]
        [#[audit(with = length)]]
        [#[audit(mask)]]
        [#[audit(mask_with = initial)]]
        [#[audit(hash)]]
        [#[audit(skip)]]
    ]);
    all_pairs!(members, Option<String>, [
        [#[serde(rename = "other")]]
        [#[serde(alias = "former name")]]
        [#[serde(default)] #[serde(skip_serializing_if = "Option::is_none")]]
        [#[serde(skip_deserializing)]]
        [#[serde(with = "listed")]]
    ]);
    pairs!(members, Option<String>, [
        [#[serde(serialize_with = "listed::serialize", deserialize_with = "listed::deserialize")]]
    ] [
        [#[serde(rename = "other")]]
        [#[serde(alias = "former name")]]
        [#[serde(default, skip_serializing_if = "Option::is_none")]]
        [#[serde(skip_deserializing)]]
    ]);
    pairs!(members, Option<String>, [
        [#[serde(rename(serialize = "written"))] #[serde(rename(deserialize = "read"))]]
    ] [
        []
        [#[audit(rename = "stored")]]
        [#[audit(alias = "read")]]
    ]);
}

fn skipped(members: &mut Vec<Member>) {
    pairs!(members, Option<String>, [
        [#[serde(skip)]]
        [#[serde(default, skip_serializing)]]
    ] [
        []
        [#[audit(alias = "former")]]
        [#[audit(label = "Label")]]
        [#[audit(rename = "stored")]]
        [#[audit(not_secret)]]
        [#[audit(skip)]]
        [#[audit(skip = false)]]
        [#[audit(skip = false, mask)]]
        [#[audit(skip = false, skip_none)]]
        [#[audit(skip = false, rename = "stored")]]
        [#[serde(rename = "other")]]
        [#[serde(alias = "former name")]]
        [#[serde(skip_serializing_if = "is_absent")]]
        [#[serde(serialize_with = "listed::serialize")]]
        [#[serde(with = "listed")]]
    ]);
    pairs!(members, Option<String>, [[#[audit(skip)]]] [
        []
        [#[audit(alias = "former")]]
        [#[audit(label = "Label")]]
        [#[audit(rename = "stored")]]
    ]);
    pairs!(members, Option<String>, [[#[serde(skip_serializing)]]] [[#[serde(skip_deserializing)]]]);
}

/// What a list can have besides, in an option and a map.
fn lists(members: &mut Vec<Member>) {
    macro_rules! of_a_list {
        ($type:ty, $word:tt) => {
            with_common!(members, $type, [$word]);
            pairs!(members, $type, [$word] [
                []
                [#[audit(skip_none)]]
                [#[audit(not_secret)]]
                [#[audit(mask)]]
                [#[audit(hash)]]
            ]);
        };
    }
    of_a_list!(Option<Vec<Item>>, [#[audit(key = "sku")]]);
    of_a_list!(Option<Vec<u8>>, [#[audit(set)]]);
    with_serde!(members, Option<Vec<u8>>, [[#[audit(set)]]]);
    pairs!(members, Option<Vec<Item>>, [[#[audit(key = "sku")]]] [
        [#[serde(rename = "other")]]
        [#[serde(alias = "former name")]]
        [#[serde(default, skip_deserializing)]]
        [#[serde(default, skip_serializing_if = "is_absent")]]
    ]);
    pairs!(members, Option<Vec<Item>>, [[#[audit(key = "sku", serde = false)]]] [
        [#[serde(with = "listed")]]
        [#[serde(serialize_with = "listed::serialize")]]
    ]);
    pairs!(members, Vec<Item>, [[#[audit(key = "sku")]]] [
        []
        [#[serde(default, skip_serializing_if = "Vec::is_empty")]]
    ]);
    pairs!(members, Vec<u8>, [[] [#[audit(set)]]] [[] [#[serde(rename = "other")]]]);
    pairs!(members, HashMap<String, u8>, [
        []
        [#[audit(ignore)]]
        [#[audit(whole)]]
        [#[audit(serde)]]
        [#[audit(mask)]]
        [#[audit(hash)]]
        [#[audit(flatten)]]
        [#[serde(flatten)]]
    ] [
        []
    ]);
    pairs!(members, HashMap<String, u8>, [[] [#[audit(ignore)]] [#[audit(whole)]]] [
        [#[serde(rename = "other")]]
        [#[serde(default, skip_serializing_if = "HashMap::is_empty")]]
        [#[serde(with = "listed")]]
    ]);
}

fn others(members: &mut Vec<Member>) {
    with_common!(members, Option<Owner>, [[#[audit(reference)]]]);
    with_serde!(members, Option<Owner>, [[#[audit(reference)]]]);
    pairs!(members, Option<Owner>, [[#[audit(reference)]]] [
        []
        [#[audit(skip_none)]]
        [#[audit(whole)]]
        [#[audit(not_secret)]]
        [#[audit(mask)]]
        [#[audit(hash)]]
    ]);
    pairs!(members, Option<f64>, [[#[audit(tolerance = 0.1)]]] [
        []
        [#[audit(alias = "former")]]
        [#[audit(ignore)]]
        [#[audit(label = "Label")]]
        [#[audit(level = "warning")]]
        [#[audit(rename = "stored")]]
        [#[audit(skip_none)]]
        [#[audit(whole)]]
        [#[audit(not_secret)]]
        [#[audit(mask)]]
        [#[audit(mask_with = initial)]]
        [#[audit(hash)]]
        [#[audit(serde)]]
        [#[audit(display)]]
        [#[audit(debug)]]
        [#[audit(with = length)]]
        [#[serde(rename = "other")]]
        [#[serde(alias = "former name")]]
        [#[serde(default, skip_deserializing)]]
        [#[serde(default, skip_serializing_if = "Option::is_none")]]
        [#[serde(with = "listed")]]
        [#[serde(serialize_with = "listed::serialize", deserialize_with = "listed::deserialize")]]
    ]);
}

fn identities(members: &mut Vec<Member>) {
    with_common!(members, u8, [[#[audit(id)]]]);
    with_serde!(members, u8, [[#[audit(id)]]]);
    pairs!(members, u8, [[#[audit(id)]]] [
        []
        [#[audit(whole)]]
        [#[audit(not_secret)]]
        [#[audit(hash)]]
        [#[audit(serde)]]
        [#[audit(display)]]
        [#[audit(debug)]]
        [#[audit(with = length)]]
        [#[serde(skip)]]
        [#[serde(default, skip_serializing)]]
    ]);
    pairs!(members, f64, [[#[audit(id)]]] [[#[audit(tolerance = 0.1)]]]);
    pairs!(members, Owner, [[#[audit(id)]]] [[#[audit(reference)]]]);
}

fn flattened(members: &mut Vec<Member>) {
    pairs!(members, Extra, [[#[audit(flatten)]] [#[serde(flatten)]]] [
        []
        [#[audit(eq = same_length)]]
        [#[audit(ignore)]]
        [#[audit(label = "Label")]]
        [#[audit(level = "warning")]]
        [#[audit(not_secret)]]
    ]);
    pairs!(members, Extra, [[#[serde(flatten)]]] [
        [#[audit(skip)]]
        [#[serde(rename = "other")]]
        [#[serde(alias = "former name")]]
        [#[serde(default, skip_serializing_if = "is_absent")]]
        [#[serde(skip)]]
        [#[serde(default, skip_deserializing)]]
        [#[serde(with = "as_it_is")]]
        [#[serde(serialize_with = "as_it_is::serialize")]]
    ]);
    // serde has no default for a flattened field that it does not find, but for an `Option`.
    pairs!(members, Option<Extra>, [[#[serde(flatten)]]] [[#[serde(skip_serializing)]]]);
    pairs!(members, Extra, [[#[audit(flatten)]]] [
        [#[serde(default, skip_deserializing)]]
        [#[serde(flatten)]]
        [#[serde(rename = "other")]]
        [#[serde(alias = "former name")]]
        [#[serde(default, skip_serializing_if = "is_absent")]]
    ]);
}

//! Entities and values with each attribute of a type and of a variant.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::hash::Hash;

use auditlog::prelude::*;

use crate::Raw;
use crate::family::{Made, Owner};
use crate::law::{Member, Object, attributes};

/// Adds an entity, called `Entity`.
macro_rules! entity {
    ($out:ident, |$raw:ident| $make:expr, $($item:tt)*) => {{
        $($item)*
        fn entity($raw: &Raw) -> Box<dyn Object> {
            let entity: Entity = $make;
            Box::new(entity)
        }
        $out.push(Member {
            attributes: attributes(stringify!($($item)*)),
            make: entity,
        });
    }};
}

/// Adds an entity with a value called `Form` in it.
macro_rules! value {
    ($out:ident, |$raw:ident| $make:expr, $($item:tt)*) => {
        entity! {
            $out,
            |$raw| Entity { id: 1, value: $make, list: vec![$make] },
            $($item)*
            #[derive(Auditable, Clone, PartialEq, Serialize, Deserialize)]
            struct Entity {
                id: u8,
                value: Form,
                list: Vec<Form>,
            }
        }
    };
}

/// Adds an enum of three variants, by the attributes of each.
macro_rules! variants {
    ($out:ident, $of_type:tt $($first:tt $second:tt $third:tt)*) => {
        $(variants!(@one $out $of_type $first $second $third);)*
    };
    (@one $out:ident
        [$($of_type:tt)*] [$($first:tt)*] [$($second:tt)*] [$($third:tt)*]
    ) => {
        value! {
            $out,
            |raw| match raw.number {
                0 => Form::NoFields,
                1 => Form::WithFields {
                    inner_text: raw.text.clone(),
                    inner_number: raw.number,
                },
                2 => Form::YesOrNo(raw.after > 0),
                _ => Form::OneOwned(Owned { owner_name: raw.text.clone() }),
            },
            #[derive(Auditable, Clone, PartialEq, Serialize, Deserialize)]
            struct Owned {
                owner_name: Option<String>,
            }
            #[derive(Auditable, Clone, PartialEq, Serialize, Deserialize)]
            $($of_type)*
            enum Form {
                $($first)*
                NoFields,
                $($second)*
                WithFields {
                    inner_text: Option<String>,
                    inner_number: i16,
                },
                $($third)*
                OneOwned(Owned),
                #[serde(untagged)]
                YesOrNo(bool),
            }
        }
    };
}

/// Adds the types.
pub(crate) fn types(members: &mut Vec<Member>) {
    enums(members);
    structs(members);
    other_forms(members);
    entities(members);
    flattened(members);
    generic(members);
}

fn enums(members: &mut Vec<Member>) {
    macro_rules! of_each {
        ($([$($of_type:tt)*])*) => {$(
            variants! {
                members,
                [$($of_type)*]
                [] [] []
                [#[serde(rename = "none")]] [#[serde(rename_all = "camelCase")]]
                    [#[serde(rename = "owned", alias = "was")]]
                [#[audit(label = "None", not_secret)]] [#[audit(alias = "former")]]
                    [#[serde(rename(serialize = "third"), alias = "third")]]
            }
        )*};
    }
    of_each! {
        []
        [#[serde(rename_all = "snake_case")]]
        [#[serde(rename_all_fields = "camelCase")]]
        [#[serde(tag = "kind")]]
        [#[serde(tag = "kind", rename_all = "SCREAMING-KEBAB-CASE", rename_all_fields = "UPPERCASE")]]
        [#[serde(tag = "kind", content = "data")]]
        [#[serde(tag = "kind", content = "data", rename_all = "kebab-case")]]
        [#[audit(serde)]]
    }
    variants! {
        members,
        [#[serde(untagged)]]
        [] [] []
        [#[serde(rename = "same")]] [#[serde(rename = "same", rename_all = "camelCase")]] []
    }
    variants! {
        members,
        [#[audit(rename_all = "camelCase", rename_all_fields = "PascalCase")]]
        [#[audit(rename = "none")]] [#[audit(rename_all = "UPPERCASE")]] []
    }
    value! {
        members,
        |raw| if raw.number > 0 { Form::Kept(raw.after) } else { Form::Idle },
        #[derive(Auditable, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "t", content = "c")]
        enum Form {
            Kept(u8),
            Idle,
        }
    }
    value! {
        members,
        |raw| if raw.number > 0 { Form::Busy(raw.after, 0, raw.number) } else { Form::Idle(0) },
        #[derive(Auditable, Clone, PartialEq, Serialize, Deserialize)]
        enum Form {
            Busy(u8, #[serde(skip)] u8, i16),
            Idle(#[serde(skip)] u8),
        }
    }
    value! {
        members,
        |raw| if raw.number > 0 { Form::Busy } else { Form::Idle },
        #[derive(Auditable, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(rename_all(serialize = "camelCase"))]
        enum Form {
            #[serde(alias = "busy")]
            Busy,
            #[serde(alias = "idle")]
            Idle,
        }
    }
}

fn structs(members: &mut Vec<Member>) {
    macro_rules! of_each {
        ($([$($of_type:tt)*])*) => {$(
            value! {
                members,
                |raw| Form {
                    first_text: raw.text.clone(),
                    second_number: raw.number,
                },
                #[derive(Auditable, Clone, PartialEq, Serialize, Deserialize)]
                $($of_type)*
                struct Form {
                    first_text: Option<String>,
                    second_number: i16,
                }
            }
        )*};
    }
    of_each! {
        []
        [#[serde(rename_all = "camelCase")]]
        [#[serde(rename_all(serialize = "camelCase", deserialize = "kebab-case"))]]
        [#[serde(tag = "type")]]
        [#[serde(tag = "type", rename = "form", rename_all = "UPPERCASE")]]
        [#[audit(serde)] #[serde(rename_all = "camelCase")]]
        [#[audit(rename_all = "kebab-case")] #[serde(rename_all = "camelCase")]]
        [#[audit(only(first_text))]]
        [#[audit(value)]]
        [#[audit(crate = ::auditlog)]]
    }
    value! {
        members,
        |raw| Form(raw.after, 0, raw.number),
        #[derive(Auditable, Clone, PartialEq, Serialize, Deserialize)]
        struct Form(u8, #[serde(skip)] u8, i16);
    }
    value! {
        members,
        |raw| Form { text: raw.text.clone(), rest: () },
        #[derive(Auditable, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(transparent)]
        struct Form {
            text: Option<String>,
            #[serde(skip)]
            rest: (),
        }
    }
    value! {
        members,
        |raw| Form { text: raw.text.clone() },
        #[derive(Auditable, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(transparent)]
        #[audit(transparent)]
        struct Form {
            text: Option<String>,
        }
    }
    value! {
        members,
        |raw| Form { hidden: raw.number, text: raw.text.clone() },
        #[derive(Auditable, Clone, PartialEq, Serialize, Deserialize)]
        #[audit(serde_skip = "record")]
        struct Form {
            #[serde(skip)]
            hidden: i16,
            text: Option<String>,
        }
    }
}

fn other_forms(members: &mut Vec<Member>) {
    value! {
        members,
        |raw| Form { text: raw.text.clone().unwrap_or_default() },
        #[derive(Auditable, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(from = "String", into = "String")]
        struct Form {
            text: String,
        }
        impl From<String> for Form {
            fn from(text: String) -> Self {
                Self { text: text.trim_end_matches('.').to_owned() }
            }
        }
        impl From<Form> for String {
            fn from(form: Form) -> Self {
                form.text + "."
            }
        }
    }
    value! {
        members,
        |raw| Form(raw.number),
        #[derive(Auditable, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        #[audit(display)]
        struct Form(i16);
        impl fmt::Display for Form {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "#{}", self.0)
            }
        }
        impl TryFrom<String> for Form {
            type Error = std::num::ParseIntError;

            fn try_from(text: String) -> Result<Self, Self::Error> {
                text.trim_start_matches('#').parse().map(Self)
            }
        }
        impl From<Form> for String {
            fn from(form: Form) -> Self {
                form.to_string()
            }
        }
    }
}

/// Enums that stand in the object around them, by how they are tagged.
fn flattened(members: &mut Vec<Member>) {
    macro_rules! of_each {
        ($([$($of_type:tt)*])*) => {$(
            entity! {
                members,
                |raw| Entity {
                    id: 1,
                    form: match raw.number {
                        0 => Form::None,
                        1 => Form::Text { text: raw.text.clone() },
                        _ => Form::Owned(Owned { owner: raw.number }),
                    },
                    maybe: (raw.after > 0).then(|| Maybe::Data { number: raw.number }),
                },
                #[derive(Auditable, Clone, PartialEq, Serialize, Deserialize)]
                struct Owned {
                    owner: i16,
                }
                #[derive(Auditable, Clone, PartialEq, Serialize, Deserialize)]
                $($of_type)*
                enum Form {
                    None,
                    Text { text: Option<String> },
                    Owned(Owned),
                }
                #[derive(Auditable, Clone, PartialEq, Serialize, Deserialize)]
                enum Maybe {
                    Data { number: i16 },
                }
                #[derive(Auditable, Clone, PartialEq, Serialize, Deserialize)]
                struct Entity {
                    id: u8,
                    #[serde(flatten)]
                    form: Form,
                    #[serde(flatten)]
                    maybe: Option<Maybe>,
                }
            }
        )*};
    }
    of_each! {
        []
        [#[serde(tag = "kind")]]
        [#[serde(tag = "kind", content = "data")]]
    }
    entity! {
        members,
        |raw| Entity {
            id: 1,
            state: if raw.after > 0 { State::Open } else { State::Closed },
            labels: HashMap::made(raw),
        },
        #[derive(Auditable, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(rename_all = "lowercase")]
        enum State {
            Open,
            Closed,
        }
        #[derive(Auditable, Clone, PartialEq, Serialize, Deserialize)]
        struct Entity {
            id: u8,
            #[serde(flatten)]
            state: State,
            labels: HashMap<String, u8>,
        }
    }
    entity! {
        members,
        |raw| Entity {
            id: 1,
            form: match raw.number {
                0 => Form::Text { text: raw.text.clone() },
                _ => Form::Owned { owner: raw.number },
            },
        },
        #[derive(Auditable, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(untagged)]
        enum Form {
            Owned { owner: i16 },
            Text { text: Option<String> },
        }
        #[derive(Auditable, Clone, PartialEq, Serialize, Deserialize)]
        struct Entity {
            id: u8,
            #[serde(flatten)]
            form: Form,
        }
    }
}

/// Types with parameters, and what maps hold.
fn generic(members: &mut Vec<Member>) {
    entity! {
        members,
        |raw| Entity {
            id: 1,
            pair: Pair { left: raw.text.clone(), right: HashMap::made(raw) },
            other: Pair { left: raw.number, right: Pair { left: raw.after, right: () } },
            either: if raw.after > 0 { Either::Left(raw.number) } else { Either::Right { of: [raw.after] } },
        },
        #[derive(Auditable, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(rename_all = "UPPERCASE")]
        struct Pair<L, R> {
            left: L,
            right: R,
        }
        #[derive(Auditable, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "side", content = "value")]
        enum Either<L, R> {
            Left(L),
            Right {
                #[serde(rename = "from")]
                of: R,
            },
        }
        #[derive(Auditable, Clone, PartialEq, Serialize, Deserialize)]
        struct Entity {
            id: u8,
            pair: Pair<Option<String>, HashMap<String, u8>>,
            other: Pair<i16, Pair<u8, ()>>,
            either: Either<i16, [u8; 1]>,
        }
    }
    entity! {
        members,
        |raw| Entity {
            id: 1,
            maps: Maps {
                by_name: HashMap::made(raw),
                by_number: raw.items.iter().map(|item| (item.0, Some(item.1))).collect(),
                nested: [(raw.after, HashMap::made(raw))].into(),
            },
        },
        #[derive(Auditable, Clone, PartialEq, Serialize, Deserialize)]
        struct Maps<K, V>
        where
            K: Hash + Eq,
        {
            by_name: HashMap<String, V>,
            by_number: HashMap<K, Option<V>>,
            nested: BTreeMap<u8, HashMap<String, V>>,
        }
        #[derive(Auditable, Clone, PartialEq, Serialize, Deserialize)]
        struct Entity {
            id: u8,
            maps: Maps<u8, u8>,
        }
    }
}

fn entities(members: &mut Vec<Member>) {
    entity! {
        members,
        |raw| Entity { number: 1, owner: raw.after, text: raw.text.clone() },
        #[derive(Auditable, Clone, PartialEq, Serialize, Deserialize)]
        #[audit(
            model = "entity",
            repr = "{text}",
            id = "number",
            version = 2,
            levels(create = "error"),
            actions(create, update, delete),
            parent(Owner, key = "owner"),
            require_reason
        )]
        struct Entity {
            number: u8,
            owner: u8,
            text: Option<String>,
        }
    }
    entity! {
        members,
        |raw| Entity { number: 1, text: raw.text.clone() },
        #[derive(Auditable, Clone, PartialEq, Serialize, Deserialize)]
        struct Entity {
            #[audit(id)]
            #[serde(rename = "no")]
            number: u8,
            text: Option<String>,
        }
    }
    entity! {
        members,
        |raw| Entity { number: 1, text: raw.text.clone() },
        #[derive(Auditable, Clone, PartialEq, Serialize, Deserialize)]
        struct Entity {
            #[audit(id)]
            #[serde(skip)]
            number: u8,
            text: Option<String>,
        }
    }
    entity! {
        members,
        |raw| Entity { id: 1, text: raw.text.clone() },
        #[derive(Auditable, Clone, PartialEq, Serialize, Deserialize)]
        #[audit(bound = "")]
        struct Entity {
            id: u8,
            text: Option<String>,
        }
    }
}

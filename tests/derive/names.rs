//! The names that fields are recorded under.

use auditlog::{Auditable, diff, snapshot};
use serde::Serialize;
use serde_json::json;

use crate::lines;

#[derive(Auditable, Serialize)]
#[serde(rename_all = "camelCase")]
struct Renamed {
    first_name: String,
    #[serde(rename = "surname")]
    last_name: String,
    #[serde(rename(serialize = "born", deserialize = "birth"), alias = "birthday")]
    birth_year: u16,
    #[audit(rename = "kind")]
    r#type: String,
    #[serde(skip)]
    cache: u8,
    #[serde(skip_serializing)]
    #[audit(skip = false)]
    kept: u8,
    #[serde(flatten)]
    extra: Extra,
    #[serde(skip_serializing_if = "Option::is_none")]
    nick: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty", default, with = "unknown::here")]
    #[cfg(any())]
    absent: (),
    #[serde(skip_serializing_if = "String::is_empty", default)]
    note: String,
}

#[derive(Auditable, Serialize)]
struct Extra {
    colour: String,
}

fn renamed() -> Renamed {
    Renamed {
        first_name: "Ann".into(),
        last_name: "Lee".into(),
        birth_year: 1990,
        r#type: "vip".into(),
        cache: 1,
        kept: 2,
        extra: Extra {
            colour: "red".into(),
        },
        nick: None,
        note: String::new(),
    }
}

#[test]
fn serde_gives_names_and_shape() {
    let value = renamed();
    assert_eq!(value.cache, 1);
    assert_eq!(
        snapshot(&value),
        json!({
            "firstName": "Ann", "surname": "Lee", "born": 1990, "kind": "vip", "kept": 2,
            "colour": "red",
        })
    );
    let mut new = renamed();
    new.extra.colour = "blue".into();
    new.nick = Some("A".into());
    new.note = "x".into();
    assert_eq!(
        lines(&diff(&value, &new)),
        [
            r#"colour: "red" -> "blue""#,
            r#"nick: - -> "A""#,
            r#"note: - -> "x""#
        ]
    );
}

#[derive(Auditable)]
#[audit(value)]
struct Quoted {
    #[audit(rename = "e-mail")]
    email: u8,
    #[audit(rename = "first.name")]
    first: u8,
    #[audit(rename = "2nd")]
    second: u8,
    r#type: u8,
    größe: u8,
}

#[test]
fn a_name_that_is_no_word_is_quoted_in_paths() {
    let value = |n: u8| Quoted {
        email: n,
        first: n,
        second: n,
        r#type: n,
        größe: n,
    };
    assert_eq!(
        lines(&diff(&value(1), &value(2))),
        [
            "['e-mail']: 1 -> 2",
            "['first.name']: 1 -> 2",
            "['2nd']: 1 -> 2",
            "type: 1 -> 2",
            "größe: 1 -> 2"
        ]
    );
}

/// A type that cannot be audited.
#[derive(Default)]
struct Opaque;

#[derive(Auditable)]
#[audit(only(name))]
struct Only {
    id: u32,
    name: String,
    _other: Opaque,
}

#[derive(Auditable)]
#[audit(value, rename_all = "SCREAMING-KEBAB-CASE")]
struct Named {
    id: u32,
    long_name: u8,
}

#[test]
fn only_and_rename_all() {
    let value = Only {
        id: 1,
        name: "n".into(),
        _other: Opaque,
    };
    assert_eq!(snapshot(&value), json!({"id": 1, "name": "n"}));
    assert_eq!(value.object_pk(), "1");
    assert_eq!(
        snapshot(&Named {
            id: 1,
            long_name: 2
        }),
        json!({"ID": 1, "LONG-NAME": 2})
    );
}

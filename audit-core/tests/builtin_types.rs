//! Every type that can be recorded without a derive: what is recorded is what serde writes, or
//! docs/format.md has the type in its table of differences; and `typed` gives the value back.
#![cfg(all(
    feature = "bigdecimal",
    feature = "bytes",
    feature = "indexmap",
    feature = "ipnetwork",
    feature = "jiff",
    feature = "rust_decimal",
    feature = "secrecy",
    feature = "semver",
    feature = "time",
    feature = "ulid",
    feature = "url"
))]

#[path = "builtin_types/family.rs"]
mod family;
#[path = "builtin_types/locks.rs"]
mod locks;
#[path = "builtin_types/source.rs"]
mod source;

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::fmt::Debug;

use audit_core::{AuditLog, AuditValue, snapshot};
use audit_derive::Auditable;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, to_value};

#[derive(Auditable, Serialize, Deserialize)]
#[audit(crate = audit_core)]
struct Holder<T> {
    id: u32,
    value: T,
}

/// How a type is recorded, beside what serde writes of it.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Form {
    /// As serde has it.
    Serde,
    /// In another form, of some values at least.
    Own,
    /// Serde has none.
    Alone,
}

/// A type of the family, and the check of its law.
struct Member {
    name: &'static str,
    form: Form,
    check: Box<dyn Fn() -> Result<(), String>>,
}

fn run<S: Strategy>(strategy: &S, law: impl Fn(S::Value)) -> Result<(), String>
where
    S::Value: AuditValue + Debug,
{
    let mut runner = TestRunner::default();
    let before = RefCell::new(None);
    let result = runner.run(strategy, |value| {
        if S::Value::PLAIN {
            is_plain(&before, &value);
        }
        law(value);
        Ok(())
    });
    result.map_err(|error| error.to_string())
}

/// Compares a value of a plain type with the one before: their texts differ exactly if their forms
/// do, and no form is a null.
fn is_plain<T: AuditValue>(before: &RefCell<Option<(String, Value)>>, value: &T) {
    let (text, form) = (value.field_key(), snapshot(value));
    assert!(!form.is_null());
    assert!(value.shares_key(value));
    if let Some((other_text, other)) = before.replace(Some((text.clone(), form.clone()))) {
        assert_eq!(text == other_text, form == other, "{text} and {other_text}");
    }
}

fn agrees<T: AuditValue + Serialize>(value: &T) {
    assert_eq!(snapshot(value), to_value(value).unwrap());
}

/// Records a value and reads it back from its history.
fn comes_back<T>(value: T)
where
    T: AuditValue + Serialize + DeserializeOwned + 'static,
{
    let holder = Holder { id: 1, value };
    let log = AuditLog::builder().build();
    log.register::<Holder<T>>();
    log.created(&holder).record().unwrap();
    let latest = log.history::<Holder<T>>(1).unwrap().latest();
    let typed = latest.typed::<Holder<T>>();
    let back = typed.unwrap_or_else(|error| panic!("{error} in {}", latest.state));
    let back = back.unwrap();
    assert_eq!(back.id, 1);
    assert!(back.value.same(&holder.value), "{}", latest.state);
    assert_eq!(snapshot(&back.value), snapshot(&holder.value));
}

/// A type whose form is serde's.
fn serde<S: Strategy + 'static>(name: &'static str, strategy: S) -> Member
where
    S::Value: AuditValue + Serialize + DeserializeOwned + Debug + 'static,
{
    Member {
        name,
        form: Form::Serde,
        check: Box::new(move || {
            run(&strategy, |value| {
                agrees(&value);
                comes_back(value);
            })
        }),
    }
}

/// A type whose form is serde's, and that serde does not read.
fn written<S: Strategy + 'static>(name: &'static str, strategy: S) -> Member
where
    S::Value: AuditValue + Serialize + Debug,
{
    Member {
        name,
        form: Form::Serde,
        check: Box::new(move || run(&strategy, |value| agrees(&value))),
    }
}

/// A type whose form is not serde's, of some values at least.
fn own<S: Strategy + 'static>(name: &'static str, strategy: S) -> Member
where
    S::Value: AuditValue + Serialize + DeserializeOwned + Debug + 'static,
{
    Member {
        name,
        form: Form::Own,
        check: Box::new(move || {
            let differs = Cell::new(false);
            run(&strategy, |value| {
                let agrees = to_value(&value).is_ok_and(|serde| serde == snapshot(&value));
                differs.set(differs.get() || !agrees);
                comes_back(value);
            })?;
            let stale = "no value differs from what serde writes";
            differs.get().then_some(()).ok_or_else(|| stale.to_owned())
        }),
    }
}

/// A type that serde does not know.
fn alone<S: Strategy + 'static>(name: &'static str, strategy: S) -> Member
where
    S::Value: AuditValue + Debug,
{
    Member {
        name,
        form: Form::Alone,
        check: Box::new(move || {
            run(&strategy, |value| {
                assert!(value.same(&value));
                assert_eq!(snapshot(&value), snapshot(&value));
            })
        }),
    }
}

#[test]
fn every_type_is_recorded_as_serde_writes_it_and_comes_back() {
    let mut failed = Vec::new();
    for member in family::members() {
        if let Err(error) = (member.check)() {
            failed.push(format!("{}: {error}", member.name));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[test]
fn the_table_of_the_documentation_has_what_differs_and_nothing_else() {
    let differs: BTreeSet<String> = family::members()
        .into_iter()
        .filter(|member| member.form != Form::Serde)
        .map(|member| member.name.to_owned())
        .collect();
    assert_eq!(source::documented(), differs);
}

#[test]
fn no_implementation_is_without_a_member() {
    let members: BTreeSet<String> = family::members()
        .into_iter()
        .map(|member| member.name.to_owned())
        .collect();
    assert_eq!(source::implemented(), members);
}

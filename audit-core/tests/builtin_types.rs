//! Every type with a built-in `AuditValue`: the recorded form is the serialized form unless
//! docs/format.md lists the type, and `typed` returns the value.
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

#[path = "builtin_types/coverage.rs"]
mod coverage;
#[path = "builtin_types/locks.rs"]
mod locks;
#[path = "builtin_types/samples.rs"]
mod samples;

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

/// The recorded form of a type, compared with its serialized form.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Form {
    /// The serialized form.
    Serde,
    /// Another form, at least for some values.
    Different,
    /// Serde does not support the type.
    NoSerde,
}

/// A type with the check of its form.
struct Sample {
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

/// Compares a value of a plain type with the previous one: their texts differ if and only if their forms
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

/// Records a value and reads it from its history.
fn round_trips<T>(value: T)
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

/// A type in its serialized form.
fn serde<S: Strategy + 'static>(name: &'static str, strategy: S) -> Sample
where
    S::Value: AuditValue + Serialize + DeserializeOwned + Debug + 'static,
{
    Sample {
        name,
        form: Form::Serde,
        check: Box::new(move || {
            run(&strategy, |value| {
                agrees(&value);
                round_trips(value);
            })
        }),
    }
}

/// A type in its serialized form that serde does not deserialize.
fn serialize_only<S: Strategy + 'static>(name: &'static str, strategy: S) -> Sample
where
    S::Value: AuditValue + Serialize + Debug,
{
    Sample {
        name,
        form: Form::Serde,
        check: Box::new(move || run(&strategy, |value| agrees(&value))),
    }
}

/// A type whose form differs from the serialized form, at least for some values.
fn different<S: Strategy + 'static>(name: &'static str, strategy: S) -> Sample
where
    S::Value: AuditValue + Serialize + DeserializeOwned + Debug + 'static,
{
    Sample {
        name,
        form: Form::Different,
        check: Box::new(move || {
            let differs = Cell::new(false);
            run(&strategy, |value| {
                let agrees = to_value(&value).is_ok_and(|serde| serde == snapshot(&value));
                differs.set(differs.get() || !agrees);
                round_trips(value);
            })?;
            let stale = "no value differs from what serde writes";
            differs.get().then_some(()).ok_or_else(|| stale.to_owned())
        }),
    }
}

/// A type that serde does not support.
fn no_serde<S: Strategy + 'static>(name: &'static str, strategy: S) -> Sample
where
    S::Value: AuditValue + Debug,
{
    Sample {
        name,
        form: Form::NoSerde,
        check: Box::new(move || {
            run(&strategy, |value| {
                assert!(value.same(&value));
                assert_eq!(snapshot(&value), snapshot(&value));
            })
        }),
    }
}

#[test]
fn every_type_is_recorded_in_its_documented_form_and_read_back() {
    let mut failed = Vec::new();
    for sample in samples::all() {
        if let Err(error) = (sample.check)() {
            failed.push(format!("{}: {error}", sample.name));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[test]
fn the_documentation_lists_every_type_with_another_form() {
    let differs: BTreeSet<String> = samples::all()
        .into_iter()
        .filter(|sample| sample.form != Form::Serde)
        .map(|sample| sample.name.to_owned())
        .collect();
    assert_eq!(coverage::documented(), differs);
}

#[test]
fn every_implementation_has_samples() {
    let sampled: BTreeSet<String> = samples::all()
        .into_iter()
        .map(|sample| sample.name.to_owned())
        .collect();
    assert_eq!(coverage::implemented(), sampled);
}

//! JSON values, compared inside.

use std::cmp::Ordering;

use serde_json::{Map, Value};

use crate::json::nesting;
use crate::json::number::{compare_numbers, number_value, one_form};
use crate::path::Segment;
use crate::value::AuditValue;
use crate::value::diff::Diff;
use crate::value::snapshot::Snapshot;

/// Gives the numbers of a value the form that the trail has for them.
pub(crate) fn normalize(value: &Value) -> Value {
    match value {
        Value::Number(number) => number_value(number),
        Value::Array(items) => Value::Array(items.iter().map(normalize).collect()),
        Value::Object(fields) => Value::Object(
            fields
                .iter()
                .map(|(key, value)| (key.clone(), normalize(value)))
                .collect(),
        ),
        other => other.clone(),
    }
}

/// A total order of JSON values: null, booleans, numbers, texts, arrays, objects.
pub(crate) fn compare_values(a: &Value, b: &Value) -> Ordering {
    fn rank(value: &Value) -> u8 {
        match value {
            Value::Null => 0,
            Value::Bool(_) => 1,
            Value::Number(_) => 2,
            Value::String(_) => 3,
            Value::Array(_) => 4,
            Value::Object(_) => 5,
        }
    }
    match (a, b) {
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        (Value::Number(a), Value::Number(b)) => compare_numbers(a, b),
        (Value::String(a), Value::String(b)) => a.cmp(b),
        (Value::Array(a), Value::Array(b)) => {
            let items = a.iter().zip(b).map(|(a, b)| compare_values(a, b));
            items
                .into_iter()
                .find(|order| order.is_ne())
                .unwrap_or(a.len().cmp(&b.len()))
        }
        (Value::Object(a), Value::Object(b)) => {
            fn sorted(fields: &Map<String, Value>) -> Vec<(&String, &Value)> {
                let mut fields: Vec<_> = fields.iter().collect();
                fields.sort_by_key(|(key, _)| *key);
                fields
            }
            let (a, b) = (sorted(a), sorted(b));
            let fields = a
                .iter()
                .zip(&b)
                .map(|(a, b)| a.0.cmp(b.0).then_with(|| compare_values(a.1, b.1)));
            fields
                .into_iter()
                .find(|order| order.is_ne())
                .unwrap_or(a.len().cmp(&b.len()))
        }
        _ => rank(a).cmp(&rank(b)),
    }
}

/// Compared inside: an object key by key, an array as a list.
impl AuditValue for Value {
    const COMPOSITE: bool = true;

    #[inline]
    fn same(&self, other: &Self) -> bool {
        nesting::equal(self, other)
    }

    fn snapshot(&self, cx: &mut Snapshot<'_>) -> Value {
        match self {
            Value::Array(items) => items.snapshot(cx),
            Value::Object(fields) => fields.snapshot(cx),
            scalar => cx.spelled(normalize(scalar), one_form),
        }
    }

    fn diff(&self, new: &Self, cx: &mut Diff<'_>) {
        match (self, new) {
            (Value::Object(old), Value::Object(new)) => old.diff(new, cx),
            (Value::Array(old), Value::Array(new)) => old.diff(new, cx),
            (old, new) if nesting::equal(old, new) => {}
            (old, new) => cx.replace(Some(old), Some(new)),
        }
    }
}

impl AuditValue for Map<String, Value> {
    const COMPOSITE: bool = true;

    #[inline]
    fn same(&self, other: &Self) -> bool {
        nesting::equal_fields(self, other)
    }

    fn snapshot(&self, cx: &mut Snapshot<'_>) -> Value {
        cx.nested(|cx| {
            Value::Object(
                self.iter()
                    .map(|(key, value)| (key.clone(), value.snapshot(cx)))
                    .collect(),
            )
        })
    }

    fn diff(&self, new: &Self, cx: &mut Diff<'_>) {
        if cx.probing() {
            if !self.same(new) {
                cx.differs();
            }
            return;
        }
        let differs = |key: &&String| match (self.get(*key), new.get(*key)) {
            (Some(old), Some(new)) => !nesting::equal(old, new),
            _ => true,
        };
        let mut keys: Vec<&String> = self.keys().filter(differs).collect();
        keys.extend(new.keys().filter(|key| !self.contains_key(*key)));
        keys.sort_unstable();
        for key in keys {
            cx.at(Segment::Name(key), |cx| {
                match (self.get(key), new.get(key)) {
                    (Some(old), Some(new)) => old.diff(new, cx),
                    (old, new) => cx.replace(old, new),
                }
            });
        }
    }
}

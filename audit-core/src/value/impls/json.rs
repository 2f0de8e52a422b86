//! `serde_json::Value` and `Map`, compared member by member.

use serde_json::{Map, Value};

use crate::json::nesting;
use crate::json::number::{comparison_form, normalize};
use crate::path::Segment;
use crate::value::AuditValue;
use crate::value::diff::Diff;
use crate::value::snapshot::Snapshot;

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
            scalar => cx.scalar_form(normalize(scalar), comparison_form),
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

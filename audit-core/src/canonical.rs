//! The canonical JSON form: keys sorted by code point, no white space, exact numbers.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};
use serde_json::{Map, Value};

/// A time as entries store it: RFC 3339, UTC, six digits, so that texts order as times do.
pub(crate) fn timestamp(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Micros, true)
}

/// A value that serializes with sorted keys, even where another crate of the program makes
/// `serde_json` keep the order of insertion.
pub(crate) struct Canonical<'v>(pub(crate) &'v Value);

/// An object that serializes with sorted keys.
pub(crate) struct Object<'v>(pub(crate) &'v Map<String, Value>);

impl Serialize for Canonical<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Array(items) => {
                let mut array = serializer.serialize_seq(Some(items.len()))?;
                for item in items {
                    array.serialize_element(&Self(item))?;
                }
                array.end()
            }
            Value::Object(fields) => Object(fields).serialize(serializer),
            scalar => scalar.serialize(serializer),
        }
    }
}

impl Serialize for Object<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_map(Some(self.0.len()))?;
        if self.0.keys().is_sorted() {
            for (key, value) in self.0 {
                object.serialize_entry(key, &Canonical(value))?;
            }
        } else {
            let mut fields: Vec<_> = self.0.iter().collect();
            fields.sort_unstable_by_key(|(key, _)| *key);
            for (key, value) in fields {
                object.serialize_entry(key, &Canonical(value))?;
            }
        }
        object.end()
    }
}

/// Returns the canonical text of a value.
pub(crate) fn text(value: &Value) -> String {
    // A `Value` always serializes: its keys are texts and its numbers finite.
    serde_json::to_string(&Canonical(value)).unwrap_or_default()
}

//! The canonical JSON form: keys sorted by code point, no whitespace, exact numbers.

use chrono::{DateTime, Datelike, SecondsFormat, Timelike, Utc};
use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};
use serde_json::{Map, Value};

use super::writer::write;

/// Returns a time in stored form: RFC 3339 in UTC with six fractional digits, so that the text
/// sorts like the time.
pub(crate) fn timestamp(time: DateTime<Utc>) -> String {
    let (date, clock) = (time.date_naive(), time.time());
    let year = match u32::try_from(date.year()) {
        // A leap second has a fraction beyond a second.
        Ok(year) if year <= 9999 && clock.nanosecond() < 1_000_000_000 => year,
        _ => return time.to_rfc3339_opts(SecondsFormat::Micros, true),
    };
    let mut text = *b"0000-00-00T00:00:00.000000Z";
    let micros = clock.nanosecond() / 1000;
    for (at, two_digits) in [
        (0, year / 100),
        (2, year % 100),
        (5, date.month()),
        (8, date.day()),
        (11, clock.hour()),
        (14, clock.minute()),
        (17, clock.second()),
        (20, micros / 10_000),
        (22, micros / 100 % 100),
        (24, micros % 100),
    ] {
        let digit = |number| u8::try_from(number).unwrap_or_default();
        text[at] += digit(two_digits / 10);
        text[at + 1] += digit(two_digits % 10);
    }
    String::from_utf8_lossy(&text).into_owned()
}

/// A value that serializes with sorted keys, even if another crate enables the feature
/// `preserve_order` of `serde_json`.
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
    // A `Value` always serializes: its keys are strings and its numbers finite.
    write(&Canonical(value), 64).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};

    #[test]
    fn a_timestamp_equals_the_text_of_chrono() {
        let times = [
            "0000-01-01T00:00:00Z",
            "-0001-12-31T23:59:59.999999Z",
            "+10000-01-01T00:00:00Z",
            "9999-12-31T23:59:59.999999999Z",
            "1969-12-31T23:59:59.000001Z",
            "2024-02-29T01:02:03.040506Z",
            "2016-12-31T23:59:60.5Z",
        ];
        let mut times: Vec<DateTime<Utc>> = times.map(|time| time.parse().unwrap()).into();
        times.extend([DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC]);
        let step = TimeDelta::days(37) + TimeDelta::microseconds(12_345_678_901);
        times.extend((0..2000).map(|number| DateTime::UNIX_EPOCH + step * number));
        for time in times {
            assert_eq!(
                super::timestamp(time),
                time.to_rfc3339_opts(SecondsFormat::Micros, true)
            );
        }
    }
}

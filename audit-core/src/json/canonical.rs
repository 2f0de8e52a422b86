//! The canonical JSON form: keys sorted by code point, no whitespace, exact numbers.
//!
//! It differs from JCS (RFC 8785): keys are sorted by code point instead of UTF-16 code unit,
//! and numbers keep all digits instead of being rounded to a double. docs/format.md has the grammar.

use std::ops::Range;
use std::str::FromStr;

use chrono::{DateTime, Datelike, NaiveDate, SecondsFormat, Timelike, Utc};
use serde::Deserializer;
use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};
use serde_json::{Map, Value};

use super::writer::write;
use crate::parsed;

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
    str::from_utf8(&text).unwrap_or_default().to_owned()
}

/// Deserializes a time from its stored form, or from any other form of RFC 3339.
pub(crate) fn deserialize_timestamp<'de, D>(deserializer: D) -> Result<DateTime<Utc>, D::Error>
where
    D: Deserializer<'de>,
{
    struct Timestamp(DateTime<Utc>);

    impl FromStr for Timestamp {
        type Err = chrono::ParseError;

        fn from_str(text: &str) -> Result<Self, Self::Err> {
            parse_timestamp(text)
                .map_or_else(|| text.parse(), Ok)
                .map(Self)
        }
    }

    let expected = "an RFC 3339 formatted date and time string";
    parsed::deserialize(deserializer, expected).map(|Timestamp(time)| time)
}

/// Parses the stored form in a tenth of the time that a parser of all forms takes.
fn parse_timestamp(text: &str) -> Option<DateTime<Utc>> {
    let text: &[u8; 27] = text.as_bytes().try_into().ok()?;
    let separators = [4, 7, 10, 13, 16, 19, 26].map(|at| text[at]);
    if separators != *b"--T::.Z" {
        return None;
    }
    let number = |digits: Range<usize>| {
        text[digits].iter().try_fold(0, |number, digit| {
            let digit = digit.is_ascii_digit().then(|| u32::from(digit - b'0'))?;
            Some(number * 10 + digit)
        })
    };
    let year = i32::try_from(number(0..4)?).ok()?;
    NaiveDate::from_ymd_opt(year, number(5..7)?, number(8..10)?)?
        .and_hms_micro_opt(
            number(11..13)?,
            number(14..16)?,
            number(17..19)?,
            number(20..26)?,
        )
        .map(|time| time.and_utc())
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
            let text = time.to_rfc3339_opts(SecondsFormat::Micros, true);
            assert_eq!(super::timestamp(time), text);
            if let Some(parsed) = super::parse_timestamp(&text) {
                assert_eq!(parsed, text.parse::<DateTime<Utc>>().unwrap());
            }
        }
    }

    #[test]
    fn only_the_stored_form_of_a_timestamp_is_parsed_fast() {
        let parsed = |text: &str| super::parse_timestamp(text).is_some();
        assert!(parsed("2024-02-29T01:02:03.040506Z"));
        for other in [
            "2023-02-29T01:02:03.040506Z",
            "2024-13-01T01:02:03.040506Z",
            "2024-02-29T24:02:03.040506Z",
            "2016-12-31T23:59:60.000000Z",
            "2024-02-29 01:02:03.040506Z",
            "2024-02-29T01:02:03.04050:Z",
            "2024-02-29T01:02:03.0405Z",
            "+024-02-29T01:02:03.040506Z",
            "2024-02-29T01:02:03.040506+",
        ] {
            assert!(!parsed(other), "{other}");
        }
    }
}

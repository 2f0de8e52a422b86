//! The canonical JSON form: keys sorted by code point, no white space, exact numbers.

use chrono::{DateTime, Datelike, SecondsFormat, Timelike, Utc};
use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};
use serde_json::{Map, Value};

use super::writer::{Refused, write};
use crate::entry::LogEntry;

/// A time as entries store it: RFC 3339, UTC, six digits, so that texts order as times do.
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

/// Returns the canonical text of an entry.
pub(crate) fn entry(entry: &LogEntry) -> Result<String, Refused> {
    // Room for most entries, so that the text need not grow.
    write(entry, 640)
}

/// Returns the canonical text of a value.
pub(crate) fn text(value: &Value) -> String {
    // A `Value` always serializes: its keys are texts and its numbers finite.
    write(&Canonical(value), 64).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
    use serde_json::json;
    use uuid::Uuid;

    use crate::action::Outcome;
    use crate::actor::Actor;
    use crate::change::{Change, Changes};
    use crate::entry::{LogEntry, ObjectRef, Source};

    #[test]
    fn a_timestamp_is_what_chrono_makes_of_it() {
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

    #[test]
    fn an_entry_has_the_bytes_that_serde_json_writes() {
        let mut entry = LogEntry::new("import", "Über\"Model\"", "a\\b", "line\nbreak\u{1}");
        assert_eq!(
            entry.to_canonical_json().unwrap(),
            serde_json::to_string(&entry).unwrap()
        );
        entry.outcome = Outcome::Denied;
        entry.parent = Some(ObjectRef::new("Root", "\t"));
        entry.changes = Changes::from_vec(vec![
            Change::new(
                "b".parse().unwrap(),
                None,
                Some(json!({"z": 1, "a": [0.1, null]})),
            ),
            Change::new("a['x y']".parse().unwrap(), Some(json!("\u{7f}")), None),
        ]);
        entry.snapshot = Some(json!({"b": -1.5e300, "a": {"\"": u64::MAX}}));
        let actor = Actor::user("ann").display("Ann").on_behalf_of("bob");
        entry.actor = Some(actor);
        entry.correlation_id = Some("c".to_owned());
        entry.trace_id = Some("t".to_owned());
        entry.transaction_id = Some(Uuid::max());
        entry.remote_addr = Some([192, 0, 2, 1].into());
        entry.remote_port = Some(443);
        entry.reason = Some("\u{1f600}".to_owned());
        entry
            .additional_data
            .insert("key".to_owned(), json!([true]));
        entry.source = Source::service("web").host("h").version("1");
        let text = entry.to_canonical_json().unwrap();
        assert_eq!(text, serde_json::to_string(&entry).unwrap());
        // Every key is set, and sorted at every level.
        assert_eq!(text.matches("\"display\"").count(), 1);
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(text, super::text(&value));
    }
}

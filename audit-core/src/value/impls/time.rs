//! Times and durations of `std` and `chrono`, compared as instants.
//!
//! A time is recorded in UTC as RFC 3339 with as many digits as it needs. The zone is a form of display, not
//! a part of the value: the same instant in another zone is not a change.

use std::ops::{Range, RangeInclusive};
use std::time::{Duration, SystemTime};

use chrono::{
    DateTime, FixedOffset, Month, NaiveDate, NaiveDateTime, NaiveTime, SecondsFormat, TimeDelta,
    TimeZone, Utc, Weekday,
};
use serde_json::{Map, Value};

use super::number::json_integer;
use crate::value::AuditValue;
use crate::value::diff::Diff;
use crate::value::schema::FieldSchema;
use crate::value::snapshot::Snapshot;

fn instant(time: DateTime<Utc>) -> Value {
    Value::String(time.to_rfc3339_opts(SecondsFormat::AutoSi, true))
}

/// Compared as an instant: another zone alone is not a change. Recorded in UTC (RFC 3339).
impl<Tz: TimeZone> AuditValue for DateTime<Tz> {
    #[inline]
    fn same(&self, other: &Self) -> bool {
        self == other
    }

    fn snapshot(&self, _: &mut Snapshot<'_>) -> Value {
        instant(self.to_utc())
    }
}

/// Recorded as serde writes it: `{"secs_since_epoch": 1, "nanos_since_epoch": 500000000}`. Seconds
/// before 1970 are negative, which serde rejects, and their nanoseconds count forwards.
impl AuditValue for SystemTime {
    #[inline]
    fn same(&self, other: &Self) -> bool {
        self == other
    }

    fn snapshot(&self, _: &mut Snapshot<'_>) -> Value {
        let (seconds, nanos) = match self.duration_since(Self::UNIX_EPOCH) {
            Ok(after) => (i128::from(after.as_secs()), after.subsec_nanos()),
            Err(before) => {
                let before = before.duration();
                let seconds = -i128::from(before.as_secs());
                match before.subsec_nanos() {
                    0 => (seconds, 0),
                    nanos => (seconds - 1, 1_000_000_000 - nanos),
                }
            }
        };
        Value::Object(Map::from_iter([
            ("secs_since_epoch".to_owned(), json_integer(seconds)),
            ("nanos_since_epoch".to_owned(), nanos.into()),
        ]))
    }
}

/// Recorded as serde writes it: `{"secs": 1, "nanos": 500000000}`.
impl AuditValue for Duration {
    #[inline]
    fn same(&self, other: &Self) -> bool {
        self == other
    }

    fn snapshot(&self, _: &mut Snapshot<'_>) -> Value {
        Value::Object(Map::from_iter([
            ("secs".to_owned(), self.as_secs().into()),
            ("nanos".to_owned(), self.subsec_nanos().into()),
        ]))
    }
}

/// Recorded as serde writes it: seconds, rounded down, and nanoseconds.
impl AuditValue for TimeDelta {
    #[inline]
    fn same(&self, other: &Self) -> bool {
        self == other
    }

    fn snapshot(&self, cx: &mut Snapshot<'_>) -> Value {
        match serde_json::to_value(self) {
            Ok(value) => value,
            Err(_) => cx.fail("a `TimeDelta` could not be serialized"),
        }
    }
}

macro_rules! displayed {
    ($($(#[$doc:meta])* $type:ty => $format:expr;)*) => {$(
        $(#[$doc])*
        impl AuditValue for $type {
            #[inline]
            fn same(&self, other: &Self) -> bool {
                self == other
            }

            fn snapshot(&self, _: &mut Snapshot<'_>) -> Value {
                let format: fn(&Self) -> String = $format;
                Value::String(format(self))
            }
        }
    )*};
}

displayed! {
    /// Recorded as `2026-01-31`.
    NaiveDate => |date| date.to_string();
    /// Recorded as `13:37:00`.
    NaiveTime => |time| time.to_string();
    /// Recorded as `2026-01-31T13:37:00`, without an offset.
    NaiveDateTime => |time| format!("{time:?}");
    /// Recorded as `+02:00`.
    FixedOffset => |offset| offset.to_string();
    /// Recorded as `Mon`.
    Weekday => |day| day.to_string();
    /// Recorded as `January`.
    Month => |month| month.name().to_owned();
}

macro_rules! ranges {
    ($($range:ident => $start:expr, $end:expr;)*) => {$(
        /// Recorded as an object with `start` and `end`.
        impl<T: AuditValue> AuditValue for $range<T> {
            const COMPOSITE: bool = true;

            #[inline]
            fn same(&self, other: &Self) -> bool {
                let (start, end): (fn(&Self) -> &T, fn(&Self) -> &T) = ($start, $end);
                start(self).same(start(other)) && end(self).same(end(other))
            }

            fn snapshot(&self, cx: &mut Snapshot<'_>) -> Value {
                let (start, end): (fn(&Self) -> &T, fn(&Self) -> &T) = ($start, $end);
                cx.nested(|cx| {
                    serde_json::json!({
                        "start": start(self).snapshot(cx),
                        "end": end(self).snapshot(cx),
                    })
                })
            }

            fn diff(&self, new: &Self, cx: &mut Diff<'_>) {
                let (start, end): (fn(&Self) -> &T, fn(&Self) -> &T) = ($start, $end);
                cx.entry("start", start(self), start(new));
                cx.entry("end", end(self), end(new));
            }

            fn fields() -> &'static [FieldSchema] {
                const {
                    &[FieldSchema::new("start", T::fields), FieldSchema::new("end", T::fields)]
                }
            }
        }
    )*};
}

ranges! {
    Range => |range| &range.start, |range| &range.end;
    RangeInclusive => RangeInclusive::start, RangeInclusive::end;
}

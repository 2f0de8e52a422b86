//! Times: compared as instants.

use std::ops::{Range, RangeInclusive};
use std::time::{Duration, SystemTime};

use chrono::{
    DateTime, FixedOffset, Month, NaiveDate, NaiveDateTime, NaiveTime, SecondsFormat, TimeDelta,
    TimeZone, Utc, Weekday,
};
use serde_json::Value;

use super::AuditValue;
use crate::diff::Diff;
use crate::schema::FieldSchema;
use crate::snapshot::Snapshot;

fn instant(time: DateTime<Utc>) -> Value {
    Value::String(time.to_rfc3339_opts(SecondsFormat::AutoSi, true))
}

/// Compared as an instant: another zone alone is no change. Recorded in UTC (RFC 3339).
impl<Tz: TimeZone> AuditValue for DateTime<Tz> {
    #[inline]
    fn same(&self, other: &Self) -> bool {
        self == other
    }

    fn snapshot(&self, _: &mut Snapshot<'_>) -> Value {
        instant(self.to_utc())
    }
}

/// Recorded in UTC (RFC 3339), to the nanosecond.
impl AuditValue for SystemTime {
    #[inline]
    fn same(&self, other: &Self) -> bool {
        self == other
    }

    fn snapshot(&self, cx: &mut Snapshot<'_>) -> Value {
        // chrono's own conversion panics on a time it cannot hold.
        let since = match self.duration_since(Self::UNIX_EPOCH) {
            Ok(after) => TimeDelta::from_std(after).ok(),
            Err(before) => TimeDelta::from_std(before.duration())
                .ok()
                .map(|delta| -delta),
        };
        match since.and_then(|since| DateTime::UNIX_EPOCH.checked_add_signed(since)) {
            Some(time) => instant(time),
            None => cx.fail("the time is beyond what RFC 3339 can say"),
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
    /// Recorded as `2026-01-31T13:37:00`, without an offset since there is none.
    NaiveDateTime => |time| format!("{time:?}");
    /// Recorded as `+02:00`.
    FixedOffset => |offset| offset.to_string();
    /// Recorded as `Mon`.
    Weekday => |day| day.to_string();
    /// Recorded as `January`.
    Month => |month| month.name().to_owned();
    /// Recorded as ISO 8601, such as `PT90S`.
    TimeDelta => |delta| delta.to_string();
    /// Recorded in seconds with all nine digits that are not zero, such as `1.5s`.
    Duration => seconds;
}

fn seconds(duration: &Duration) -> String {
    let fraction = format!("{:09}", duration.subsec_nanos());
    match fraction.trim_end_matches('0') {
        "" => format!("{}s", duration.as_secs()),
        fraction => format!("{}.{fraction}s", duration.as_secs()),
    }
}

macro_rules! ranges {
    ($($range:ident => $start:expr, $end:expr;)*) => {$(
        /// An object of `start` and `end`.
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

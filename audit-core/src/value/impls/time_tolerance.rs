//! Comparison of times and durations within `#[audit(tolerance = "1us")]`.

use std::time::{Duration, SystemTime};

use chrono::{DateTime, NaiveDateTime, NaiveTime, TimeDelta, TimeZone, Timelike};

const NANOS_OF_SECOND: i128 = 1_000_000_000;

/// A time or a duration.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is neither a time nor a duration",
    note = "`#[audit(tolerance = \"1us\")]` goes on a time or a duration of the standard library, `chrono`, `jiff` or `time`, and `#[audit(tolerance = 1e-9)]` on a float"
)]
pub trait TimeValue {
    /// Returns the nanoseconds since an origin that all values of the type share.
    fn nanos(&self) -> i128;
}

/// Returns whether two times are at most `tolerance` nanoseconds apart.
pub fn within_time<T: TimeValue + ?Sized>(old: &T, new: &T, tolerance: u64) -> bool {
    old.nanos().abs_diff(new.nanos()) <= u128::from(tolerance)
}

macro_rules! moments {
    ($($(#[$attribute:meta])* [$($generics:tt)*] $type:ty => $nanos:expr;)*) => {$(
        $(#[$attribute])*
        impl<$($generics)*> TimeValue for $type {
            fn nanos(&self) -> i128 {
                let nanos: fn(&Self) -> i128 = $nanos;
                nanos(self)
            }
        }
    )*};
}

moments! {
    [] Duration => |length| {
        i128::from(length.as_secs()) * NANOS_OF_SECOND + i128::from(length.subsec_nanos())
    };
    [] SystemTime => |time| match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(after) => after.nanos(),
        Err(before) => -before.duration().nanos(),
    };
    [] TimeDelta => |length| {
        i128::from(length.num_seconds()) * NANOS_OF_SECOND + i128::from(length.subsec_nanos())
    };
    [Tz: TimeZone] DateTime<Tz> => |time| {
        i128::from(time.timestamp()) * NANOS_OF_SECOND
            + i128::from(time.timestamp_subsec_nanos())
    };
    [] NaiveDateTime => |time| time.and_utc().nanos();
    [] NaiveTime => |time| {
        i128::from(time.num_seconds_from_midnight()) * NANOS_OF_SECOND
            + i128::from(time.nanosecond())
    };
}

#[cfg(feature = "jiff")]
moments! {
    [] jiff::Timestamp => |time| time.as_nanosecond();
    [] jiff::Zoned => |time| time.timestamp().as_nanosecond();
    [] jiff::civil::DateTime => |time| {
        time.duration_since(jiff::civil::DateTime::ZERO).as_nanos()
    };
    [] jiff::SignedDuration => |length| length.as_nanos();
}

#[cfg(feature = "time")]
moments! {
    [] time::OffsetDateTime => |time| time.unix_timestamp_nanos();
    [] time::PrimitiveDateTime => |time| time.assume_utc().unix_timestamp_nanos();
    [] time::Duration => |length| length.whole_nanoseconds();
}

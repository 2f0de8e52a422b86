//! Types of third-party crates, each behind the feature named after its crate.

#[cfg(feature = "secrecy")]
mod secret {
    use secrecy::{ExposeSecret, SecretBox};
    use serde_json::Value;

    use crate::value::AuditValue;
    use crate::value::diff::Diff;
    use crate::value::schema::FieldSchema;
    use crate::value::sensitive::hidden_field;
    use crate::value::snapshot::Snapshot;

    /// Compared, but never recorded in clear.
    impl<T: AuditValue + secrecy::zeroize::Zeroize + ?Sized> AuditValue for SecretBox<T> {
        #[inline]
        fn same(&self, other: &Self) -> bool {
            self.expose_secret().same(other.expose_secret())
        }

        fn snapshot(&self, cx: &mut Snapshot<'_>) -> Value {
            if cx.is_capturing() {
                return cx.capture_secret(&mut |cx| self.expose_secret().snapshot(cx), &mut |cx| {
                    cx.hidden()
                });
            }
            cx.hidden()
        }

        fn diff(&self, _: &Self, cx: &mut Diff<'_>) {
            cx.hidden();
        }

        fn fields() -> &'static [FieldSchema] {
            const { &[hidden_field(T::fields)] }
        }
    }
}

/// Values recorded as the text that `$text` returns.
#[allow(unused_macros, reason = "unused if none of the features is enabled")]
macro_rules! texts {
    ($($(#[$attribute:meta])* $type:ty => $text:expr;)*) => {$(
        $(#[$attribute])*
        impl crate::value::AuditValue for $type {
            #[inline]
            fn same(&self, other: &Self) -> bool {
                self == other
            }

            fn snapshot(&self, _: &mut crate::value::snapshot::Snapshot<'_>) -> serde_json::Value {
                let text: fn(&Self) -> String = $text;
                serde_json::Value::String(text(self))
            }
        }
    )*};
}

#[cfg(any(feature = "rust_decimal", feature = "bigdecimal"))]
use crate::json::number::without_scale;

/// Decimals: compared by value, recorded as text with their scale.
#[cfg(any(feature = "rust_decimal", feature = "bigdecimal"))]
macro_rules! decimals {
    ($($type:ty;)*) => {$(
        /// Compared by value, recorded as text with its scale: an update from 10.50 to 10.5 is not
        /// a change.
        impl crate::value::AuditValue for $type {
            #[inline]
            fn same(&self, other: &Self) -> bool {
                self == other
            }

            fn snapshot(&self, cx: &mut crate::value::snapshot::Snapshot<'_>) -> serde_json::Value {
                cx.scalar_form(serde_json::Value::String(self.to_string()), without_scale)
            }
        }
    )*};
}

#[cfg(feature = "rust_decimal")]
decimals! { rust_decimal::Decimal; }

#[cfg(feature = "bigdecimal")]
decimals! { bigdecimal::BigDecimal; }

#[cfg(feature = "url")]
texts! {
    url::Url => |url| url.as_str().to_owned();
}

#[cfg(feature = "ulid")]
texts! {
    ulid::Ulid => ToString::to_string;
}

#[cfg(feature = "semver")]
texts! {
    semver::Version => ToString::to_string;
    semver::VersionReq => ToString::to_string;
}

#[cfg(feature = "ipnetwork")]
texts! {
    ipnetwork::IpNetwork => ToString::to_string;
    ipnetwork::Ipv4Network => ToString::to_string;
    ipnetwork::Ipv6Network => ToString::to_string;
}

/// Bytes: a list of numbers like a `Vec<u8>`, but compared as one value.
#[cfg(feature = "bytes")]
macro_rules! bytes {
    ($($type:ty;)*) => {$(
        /// Recorded as a list of numbers, as serde writes it.
        impl crate::value::AuditValue for $type {
            #[inline]
            fn same(&self, other: &Self) -> bool {
                self == other
            }

            fn snapshot(&self, _: &mut crate::value::snapshot::Snapshot<'_>) -> serde_json::Value {
                self.iter().copied().map(serde_json::Value::from).collect()
            }
        }
    )*};
}

#[cfg(feature = "bytes")]
bytes! { bytes::Bytes; bytes::BytesMut; }

#[cfg(feature = "jiff")]
texts! {
    /// Recorded in UTC (RFC 3339).
    jiff::Timestamp => ToString::to_string;
    /// Compared as an instant: another zone alone is not a change. Recorded in UTC with an offset
    /// that jiff parses without a time zone database (RFC 9557): `2026-01-31T13:37:00Z[+00:00]`.
    jiff::Zoned => |time| format!("{}[+00:00]", time.timestamp());
    jiff::civil::Date => ToString::to_string;
    jiff::civil::Time => ToString::to_string;
    jiff::civil::DateTime => ToString::to_string;
    /// Recorded as ISO 8601.
    jiff::SignedDuration => ToString::to_string;
}

#[cfg(feature = "jiff")]
impl crate::value::AuditValue for jiff::Span {
    /// Compared by its units, as jiff does: 60 minutes differ from one hour.
    #[inline]
    fn same(&self, other: &Self) -> bool {
        self.fieldwise() == other.fieldwise()
    }

    /// Recorded as ISO 8601.
    fn snapshot(&self, _: &mut crate::value::snapshot::Snapshot<'_>) -> serde_json::Value {
        serde_json::Value::String(self.to_string())
    }
}

#[cfg(feature = "time")]
texts! {
    /// Compared as an instant: another offset alone is not a change. Recorded in UTC, as
    /// `2026-01-31 13:37:00.0 +00:00:00`.
    time::OffsetDateTime => |time| {
        let utc = time.to_offset(time::UtcOffset::UTC);
        format!("{} {} +00:00:00", utc.date(), time_text(utc.time()))
    };
    /// Recorded as `2026-01-31`.
    time::Date => ToString::to_string;
    /// Recorded as `13:37:00.0`.
    time::Time => |time| time_text(*time);
    /// Recorded as `2026-01-31 13:37:00.0`.
    time::PrimitiveDateTime => |time| format!("{} {}", time.date(), time_text(time.time()));
    /// Recorded in seconds with nine digits of a fraction: `-1.500000000`.
    time::Duration => |duration| {
        let sign = if duration.is_negative() { "-" } else { "" };
        let seconds = duration.whole_seconds().unsigned_abs();
        format!("{sign}{seconds}.{:09}", duration.subsec_nanoseconds().unsigned_abs())
    };
}

/// Formats a time of day as the feature `serde-human-readable` of the crate `time` does.
#[cfg(feature = "time")]
fn time_text(time: time::Time) -> String {
    let (hour, minute, second, nanos) = time.as_hms_nano();
    let digits = format!("{nanos:09}");
    let fraction = match digits.trim_end_matches('0') {
        "" => "0",
        fraction => fraction,
    };
    format!("{hour:02}:{minute:02}:{second:02}.{fraction}")
}

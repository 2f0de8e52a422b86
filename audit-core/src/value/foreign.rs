//! Types of other crates, each behind the feature of its crate's name.

#[cfg(feature = "secrecy")]
mod secret {
    use secrecy::{ExposeSecret, SecretBox};
    use serde_json::Value;

    use crate::diff::Diff;
    use crate::schema::FieldSchema;
    use crate::sensitive::HIDDEN_FIELD;
    use crate::snapshot::Snapshot;
    use crate::value::AuditValue;

    /// Compared, but never recorded in clear.
    impl<T: AuditValue + secrecy::zeroize::Zeroize + ?Sized> AuditValue for SecretBox<T> {
        #[inline]
        fn same(&self, other: &Self) -> bool {
            self.expose_secret().same(other.expose_secret())
        }

        fn snapshot(&self, cx: &mut Snapshot<'_>) -> Value {
            cx.hidden()
        }

        fn diff(&self, _: &Self, cx: &mut Diff<'_>) {
            cx.hidden();
        }

        fn fields() -> &'static [FieldSchema] {
            HIDDEN_FIELD
        }
    }
}

/// Values recorded as a text that `$text` makes.
#[allow(
    unused_macros,
    reason = "without features there is nothing to implement"
)]
macro_rules! texts {
    ($($(#[$attribute:meta])* $type:ty => $text:expr;)*) => {$(
        $(#[$attribute])*
        impl crate::value::AuditValue for $type {
            #[inline]
            fn same(&self, other: &Self) -> bool {
                self == other
            }

            fn snapshot(&self, _: &mut crate::snapshot::Snapshot<'_>) -> serde_json::Value {
                let text: fn(&Self) -> String = $text;
                serde_json::Value::String(text(self))
            }
        }
    )*};
}

#[cfg(feature = "rust_decimal")]
texts! {
    /// Recorded as text without trailing zeros: 1.50 and 1.5 are the same.
    rust_decimal::Decimal => |number| number.normalize().to_string();
}

#[cfg(feature = "bigdecimal")]
texts! {
    /// Recorded as text without trailing zeros: 1.50 and 1.5 are the same.
    bigdecimal::BigDecimal => |number| number.normalized().to_plain_string();
}

#[cfg(feature = "url")]
texts! {
    url::Url => |url| url.as_str().to_owned();
}

#[cfg(feature = "bytes")]
texts! {
    /// Recorded in hexadecimal.
    bytes::Bytes => |bytes| hexadecimal(bytes);
    /// Recorded in hexadecimal.
    bytes::BytesMut => |bytes| hexadecimal(bytes);
}

#[cfg(feature = "bytes")]
fn hexadecimal(bytes: &[u8]) -> String {
    use std::fmt::Write;

    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            // Writing to a `String` cannot fail.
            let _ok = write!(text, "{byte:02x}");
            text
        })
}

#[cfg(feature = "jiff")]
texts! {
    /// Recorded in UTC (RFC 3339).
    jiff::Timestamp => ToString::to_string;
    /// Compared as an instant: another zone alone is no change. Recorded in UTC.
    jiff::Zoned => |time| time.timestamp().to_string();
    jiff::civil::Date => ToString::to_string;
    jiff::civil::Time => ToString::to_string;
    jiff::civil::DateTime => ToString::to_string;
    /// Recorded as ISO 8601.
    jiff::SignedDuration => ToString::to_string;
}

#[cfg(feature = "jiff")]
impl crate::value::AuditValue for jiff::Span {
    /// Compared by its units: 60 minutes are not one hour, as jiff has it.
    #[inline]
    fn same(&self, other: &Self) -> bool {
        self.fieldwise() == other.fieldwise()
    }

    /// Recorded as ISO 8601.
    fn snapshot(&self, _: &mut crate::snapshot::Snapshot<'_>) -> serde_json::Value {
        serde_json::Value::String(self.to_string())
    }
}

#[cfg(feature = "time")]
texts! {
    /// Compared as an instant: another offset alone is no change. Recorded in UTC (RFC 3339).
    time::OffsetDateTime => |time| {
        let utc = time.to_offset(time::UtcOffset::UTC);
        format!("{}T{}Z", date_text(utc.date()), time_text(utc.time()))
    };
    time::Date => |date| date_text(*date);
    time::Time => |time| time_text(*time);
    time::PrimitiveDateTime => |time| {
        format!("{}T{}", date_text(time.date()), time_text(time.time()))
    };
    /// Recorded in seconds.
    time::Duration => |duration| {
        let nanos = duration.whole_nanoseconds();
        let sign = if nanos < 0 { "-" } else { "" };
        let nanos = nanos.unsigned_abs();
        let fraction = fraction_text(u32::try_from(nanos % 1_000_000_000).unwrap_or(0));
        format!("{sign}{}{fraction}s", nanos / 1_000_000_000)
    };
}

#[cfg(feature = "time")]
fn date_text(date: time::Date) -> String {
    format!(
        "{:04}-{:02}-{:02}",
        date.year(),
        u8::from(date.month()),
        date.day()
    )
}

#[cfg(feature = "time")]
fn time_text(time: time::Time) -> String {
    let (hour, minute, second, nanos) = time.as_hms_nano();
    format!("{hour:02}:{minute:02}:{second:02}{}", fraction_text(nanos))
}

#[cfg(feature = "time")]
fn fraction_text(nanos: u32) -> String {
    let digits = format!(".{nanos:09}");
    digits
        .trim_end_matches('0')
        .trim_end_matches('.')
        .to_owned()
}

//! Where times come from.

use std::time::SystemTime;

use chrono::{DateTime, Utc};

/// The system's time, to the microsecond; 1970 for a clock before that.
pub(crate) fn now() -> DateTime<Utc> {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .ok()
        .and_then(|since| i64::try_from(since.as_micros()).ok())
        .and_then(DateTime::from_timestamp_micros)
        .unwrap_or(DateTime::UNIX_EPOCH)
}

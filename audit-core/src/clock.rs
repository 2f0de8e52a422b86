//! Where times come from.

use std::time::{Duration, SystemTime};

use chrono::{DateTime, TimeDelta, Utc};

use crate::entry::to_micros;

/// The system's time, to the microsecond.
pub(crate) fn now() -> DateTime<Utc> {
    let since = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or(Duration::ZERO);
    let delta = TimeDelta::from_std(since).unwrap_or(TimeDelta::zero());
    to_micros(DateTime::UNIX_EPOCH + delta)
}

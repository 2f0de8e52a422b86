//! The clock of a log, whose times never decrease.
//!
//! Queries and histories order entries by (timestamp, id), so a clock that steps back must not order an
//! update before the creation of its object. Each reading is clamped to the latest one of the process (of
//! the log, for a custom clock); ids keep entries of one time in order. Times are truncated to
//! microseconds, the resolution that every store keeps.

use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::SystemTime;

use chrono::{DateTime, Utc};

use super::to_micros;

/// The clock of a log. Its times never decrease: if the underlying clock steps back, the last time
/// is repeated until the clock has caught up.
pub(crate) enum Clock {
    /// The system clock, shared by all logs of the process.
    System,
    /// A clock of the application.
    Custom {
        now: Box<dyn Fn() -> DateTime<Utc> + Send + Sync>,
        last: Latest,
    },
}

impl Clock {
    pub(crate) fn custom(now: impl Fn() -> DateTime<Utc> + Send + Sync + 'static) -> Self {
        Self::Custom {
            now: Box::new(now),
            last: Latest::new(),
        }
    }

    /// Returns the time, to the microsecond.
    pub(crate) fn now(&self) -> DateTime<Utc> {
        match self {
            Self::System => now(),
            Self::Custom { now, last } => {
                let now = to_micros(now());
                let micros = now.timestamp_micros();
                match last.clamp(micros) {
                    latest if latest > micros => from_micros(latest).unwrap_or(now),
                    _ => now,
                }
            }
        }
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::System => "System",
            Self::Custom { .. } => "Custom",
        })
    }
}

/// The latest time that a clock returned, in microseconds since 1970.
///
/// `Relaxed` is sufficient: both calls access the same atomic, so a later call sees at least the
/// value of an earlier one.
#[derive(Debug)]
pub(crate) struct Latest(AtomicI64);

impl Latest {
    const fn new() -> Self {
        Self(AtomicI64::new(i64::MIN))
    }

    /// Returns the time, or the latest time if that is later.
    fn clamp(&self, micros: i64) -> i64 {
        self.0.fetch_max(micros, Ordering::Relaxed).max(micros)
    }
}

/// Returns the system time in microseconds, or the latest time that this function returned if the
/// system clock stepped back. Returns 1970 for an earlier clock.
pub(crate) fn now() -> DateTime<Utc> {
    static LATEST: Latest = Latest::new();
    let micros = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .ok()
        .and_then(|since| i64::try_from(since.as_micros()).ok())
        .filter(|micros| *micros <= LAST)
        .unwrap_or(0);
    from_micros(LATEST.clamp(micros)).unwrap_or(DateTime::UNIX_EPOCH)
}

/// The last microsecond that chrono can represent as a date.
const LAST: i64 = DateTime::<Utc>::MAX_UTC.timestamp_micros();

fn from_micros(micros: i64) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp_micros(micros)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::thread;

    use chrono::TimeDelta;

    use super::*;

    #[test]
    fn a_clock_that_steps_back_repeats_the_last_time() {
        let noon: DateTime<Utc> = "2026-01-01T12:00:00.000001Z".parse().unwrap();
        let times = [0, 2, 1, -5, 3].map(|second| noon + TimeDelta::seconds(second));
        let times = Mutex::new(times.into_iter());
        let clock = Clock::custom(move || times.lock().unwrap().next().unwrap());
        let given: Vec<i64> = (0..5).map(|_| (clock.now() - noon).num_seconds()).collect();
        assert_eq!(given, [0, 2, 2, 2, 3]);
    }

    #[test]
    fn times_beyond_the_range_of_microseconds_are_unchanged() {
        let far = DateTime::<Utc>::MAX_UTC;
        assert_eq!(Clock::custom(move || far).now(), to_micros(far));
        let leap: DateTime<Utc> = "2016-12-31T23:59:60.5Z".parse().unwrap();
        assert_eq!(Clock::custom(move || leap).now(), leap);
    }

    #[test]
    fn the_system_clock_never_decreases_under_many_threads() {
        let shared = Mutex::new(DateTime::<Utc>::MIN_UTC);
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..2_000 {
                        let before = *shared.lock().unwrap();
                        let time = now();
                        assert!(time >= before);
                        let mut latest = shared.lock().unwrap();
                        *latest = time.max(*latest);
                    }
                });
            }
        });
    }
}

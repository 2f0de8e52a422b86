//! `tolerance` with a unit, for times that a database rounds.
#![cfg(all(feature = "jiff", feature = "time"))]

use std::time::{Duration, SystemTime};

use audit_core::{AuditValue, diff};
use audit_derive::Auditable;
use chrono::{DateTime, FixedOffset, NaiveDateTime, NaiveTime, TimeDelta, Utc};

#[derive(Auditable)]
#[audit(crate = audit_core)]
struct Times {
    id: u32,
    #[audit(tolerance = "1us")]
    system: SystemTime,
    #[audit(tolerance = "1us")]
    duration: Duration,
    #[audit(tolerance = "1us")]
    utc: Option<DateTime<Utc>>,
    #[audit(tolerance = "1us")]
    local: DateTime<FixedOffset>,
    #[audit(tolerance = "1us")]
    naive: NaiveDateTime,
    #[audit(tolerance = "1us")]
    clock: NaiveTime,
    #[audit(tolerance = "1us")]
    delta: TimeDelta,
    #[audit(tolerance = "1us")]
    stamp: jiff::Timestamp,
    #[audit(tolerance = "1us")]
    zoned: Option<jiff::Zoned>,
    #[audit(tolerance = "1us")]
    civil: jiff::civil::DateTime,
    #[audit(tolerance = "1us")]
    signed: jiff::SignedDuration,
    #[audit(tolerance = "1us")]
    offset: time::OffsetDateTime,
    #[audit(tolerance = "1us")]
    primitive: time::PrimitiveDateTime,
    #[audit(tolerance = "1us", skip_none)]
    length: Option<time::Duration>,
}

/// Some nanoseconds after a moment.
fn times(nanos: u32) -> Times {
    let whole = i64::from(nanos);
    let utc = DateTime::<Utc>::UNIX_EPOCH + TimeDelta::nanoseconds(whole);
    let stamp = jiff::Timestamp::from_nanosecond(i128::from(nanos)).unwrap();
    let offset = time::OffsetDateTime::UNIX_EPOCH + time::Duration::nanoseconds(whole);
    Times {
        id: 1,
        system: SystemTime::UNIX_EPOCH + Duration::new(0, nanos) - Duration::from_secs(5),
        duration: Duration::new(0, nanos),
        utc: Some(utc),
        local: utc.into(),
        naive: utc.naive_utc(),
        clock: utc.time(),
        delta: TimeDelta::nanoseconds(-whole),
        stamp,
        zoned: Some(stamp.to_zoned(jiff::tz::TimeZone::UTC)),
        civil: jiff::civil::date(2026, 1, 31).at(0, 0, 0, i32::try_from(nanos).unwrap()),
        signed: jiff::SignedDuration::from_nanos(-whole),
        offset,
        primitive: time::PrimitiveDateTime::new(offset.date(), offset.time()),
        length: Some(time::Duration::nanoseconds(whole)),
    }
}

#[test]
fn a_difference_within_the_tolerance_is_not_a_change() {
    let (old, rounded, other) = (times(123_456_789), times(123_456_000), times(123_455_000));
    assert!(diff(&old, &rounded).is_empty(), "{}", diff(&old, &rounded));
    assert!(old.same(&rounded));
    let tracked = Times::FIELDS.len() - 1;
    assert_eq!(diff(&old, &other).len(), tracked);
    let none = Times {
        utc: None,
        zoned: None,
        length: None,
        ..times(123_456_789)
    };
    assert_eq!(diff(&old, &none).len(), 3);
}

#[derive(Auditable)]
#[audit(crate = audit_core)]
struct Units {
    id: u32,
    #[audit(tolerance = "1ns")]
    ns: Duration,
    #[audit(tolerance = "2 ms")]
    ms: Duration,
    #[audit(tolerance = "1h")]
    h: Duration,
}

#[test]
fn a_tolerance_has_its_unit() {
    let units = |ns, ms, s| Units {
        id: 1,
        ns: Duration::from_nanos(ns),
        ms: Duration::from_millis(ms),
        h: Duration::from_secs(s),
    };
    assert!(diff(&units(0, 0, 0), &units(1, 2, 3600)).is_empty());
    assert_eq!(diff(&units(0, 0, 0), &units(2, 3, 3601)).len(), 3);
}

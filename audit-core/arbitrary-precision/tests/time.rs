//! With `time`'s feature `serde-human-readable` its form is the one that is recorded.

use auditlog::prelude::*;
use serde::de::DeserializeOwned;
use time::{Date, Duration, OffsetDateTime, PrimitiveDateTime, Time, UtcOffset};

#[derive(Auditable, Clone, PartialEq, Debug, Serialize, Deserialize)]
struct Holder<T> {
    id: u32,
    value: T,
}

fn comes_back<T>(value: T)
where
    T: auditlog::AuditValue
        + Clone
        + PartialEq
        + std::fmt::Debug
        + Serialize
        + DeserializeOwned
        + 'static,
{
    assert_eq!(
        auditlog::snapshot(&value),
        serde_json::to_value(&value).unwrap()
    );
    let holder = Holder { id: 1, value };
    let log = AuditLog::builder().build();
    log.register::<Holder<T>>();
    log.created(&holder).record().unwrap();
    let latest = log.history::<Holder<T>>(1).unwrap().latest();
    assert_eq!(latest.typed::<Holder<T>>().unwrap(), Some(holder));
}

#[test]
fn the_form_is_that_for_people() {
    for (year, day) in [(2026, 31), (-1, 1), (0, 366), (-9999, 1), (9999, 365)] {
        let date = Date::from_ordinal_date(year, day).unwrap();
        for nanos in [0, 1, 500_000_000, 999_999_999] {
            let time = Time::from_hms_nano(1, 2, 3, nanos).unwrap();
            comes_back(date);
            comes_back(time);
            comes_back(PrimitiveDateTime::new(date, time));
            comes_back(PrimitiveDateTime::new(date, time).assume_utc());
            let seconds = Duration::new(i64::from(year), 0);
            comes_back(seconds + Duration::nanoseconds(i64::from(nanos)));
        }
    }
}

#[test]
fn an_instant_is_recorded_in_utc() {
    let offset = UtcOffset::from_hms(2, 0, 0).unwrap();
    let time = OffsetDateTime::UNIX_EPOCH.to_offset(offset);
    assert_eq!(auditlog::snapshot(&time), "1970-01-01 00:00:00.0 +00:00:00");
}

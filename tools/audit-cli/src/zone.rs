//! The time zone in which times are read and shown.

use std::fmt;
use std::str::FromStr;

use chrono::{
    DateTime, FixedOffset, Local, MappedLocalTime, NaiveDate, NaiveDateTime, NaiveTime, Offset,
    SecondsFormat, TimeZone, Utc,
};
use chrono_tz::Tz;

/// A time zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Zone {
    /// Always the same offset from UTC.
    Fixed(FixedOffset),
    /// A zone of the IANA database.
    Named(Tz),
    /// The zone of the system.
    Local,
}

impl Zone {
    /// Universal time.
    pub(crate) const UTC: Self = Self::Named(Tz::UTC);

    /// Shows a time as RFC 3339, with as many digits of a second as it has.
    pub(crate) fn show(self, time: DateTime<Utc>) -> String {
        self.at(time).to_rfc3339_opts(SecondsFormat::AutoSi, true)
    }

    /// Shows a time as RFC 3339 with six digits of a second, so that lines align.
    pub(crate) fn show_aligned(self, time: DateTime<Utc>) -> String {
        self.at(time).to_rfc3339_opts(SecondsFormat::Micros, true)
    }

    /// Returns the time in this zone.
    pub(crate) fn at(self, time: DateTime<Utc>) -> DateTime<Self> {
        time.with_timezone(&self)
    }
}

impl FromStr for Zone {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // A variable without a value is unset, as in shells.
        if ["", "utc", "z"]
            .iter()
            .any(|name| text.eq_ignore_ascii_case(name))
        {
            return Ok(Self::UTC);
        }
        if text.eq_ignore_ascii_case("local") {
            return Ok(Self::Local);
        }
        if text.starts_with(['+', '-'])
            && let Ok(offset) = text.parse()
        {
            return Ok(Self::Fixed(offset));
        }
        text.parse().map(Self::Named).map_err(|_| {
            let names = chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name());
            let near = audit_core::backend::nearest(text, names);
            let near = near.map(|near| format!("; did you mean `{near}`?"));
            format!(
                "expected utc, local, an offset such as +02:00 or a name such as Europe/Berlin{}",
                near.unwrap_or_default()
            )
        })
    }
}

/// The offset of a time, with its zone for other times.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ZoneOffset {
    zone: Zone,
    offset: FixedOffset,
}

impl Offset for ZoneOffset {
    fn fix(&self) -> FixedOffset {
        self.offset
    }
}

impl fmt::Display for ZoneOffset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.offset.fmt(f)
    }
}

impl TimeZone for Zone {
    type Offset = ZoneOffset;

    fn from_offset(offset: &ZoneOffset) -> Self {
        offset.zone
    }

    fn offset_from_local_date(&self, local: &NaiveDate) -> MappedLocalTime<ZoneOffset> {
        self.offset_from_local_datetime(&local.and_time(NaiveTime::MIN))
    }

    fn offset_from_local_datetime(&self, local: &NaiveDateTime) -> MappedLocalTime<ZoneOffset> {
        let offset = match self {
            Self::Fixed(offset) => MappedLocalTime::Single(*offset),
            Self::Named(zone) => zone
                .offset_from_local_datetime(local)
                .map(|offset| offset.fix()),
            Self::Local => Local.offset_from_local_datetime(local),
        };
        offset.map(|offset| ZoneOffset {
            zone: *self,
            offset,
        })
    }

    fn offset_from_utc_date(&self, utc: &NaiveDate) -> ZoneOffset {
        self.offset_from_utc_datetime(&utc.and_time(NaiveTime::MIN))
    }

    fn offset_from_utc_datetime(&self, utc: &NaiveDateTime) -> ZoneOffset {
        let offset = match self {
            Self::Fixed(offset) => *offset,
            Self::Named(zone) => zone.offset_from_utc_datetime(utc).fix(),
            Self::Local => Local.offset_from_utc_datetime(utc),
        };
        ZoneOffset {
            zone: *self,
            offset,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(zone: &str, time: &str) -> String {
        let zone: Zone = zone.parse().expect("a zone");
        zone.show(time.parse().expect("a time"))
    }

    #[test]
    fn times_are_shown_in_their_zone() {
        let time = "2026-07-01T22:30:00.5Z";
        assert_eq!(show("UTC", time), "2026-07-01T22:30:00.500Z");
        assert_eq!(show("+05:30", time), "2026-07-02T04:00:00.500+05:30");
        assert_eq!(show("Europe/Berlin", time), "2026-07-02T00:30:00.500+02:00");
        assert_eq!(
            show("Europe/Berlin", "2026-01-01T00:00:00Z"),
            "2026-01-01T01:00:00+01:00"
        );
    }

    #[test]
    fn a_skipped_hour_is_the_next_one() {
        let berlin: Zone = "Europe/Berlin".parse().expect("a zone");
        let now = berlin.at("2026-06-01T00:00:00Z".parse().expect("a time"));
        let read = |text| {
            audit_core::parse_time(text, &now)
                .expect("a time")
                .to_rfc3339()
        };
        assert_eq!(read("2026-03-29T02:30"), "2026-03-29T01:00:00+00:00");
        assert_eq!(read("2026-10-25T02:30"), "2026-10-25T00:30:00+00:00");
        assert_eq!(read("today"), "2026-05-31T22:00:00+00:00");
    }

    #[test]
    fn a_misspelt_zone_has_a_suggestion() {
        let error = "Europe/Berln".parse::<Zone>().expect_err("no zone");
        assert!(error.ends_with("did you mean `Europe/Berlin`?"), "{error}");
    }
}

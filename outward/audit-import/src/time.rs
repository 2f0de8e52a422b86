//! Times as the libraries write them.

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, SecondsFormat, Timelike, Utc};

/// A time that was read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Instant {
    /// The time in UTC; without an offset the text is read as UTC.
    pub(crate) utc: DateTime<Utc>,
    /// Whether the text has an offset.
    pub(crate) offset: bool,
}

impl Instant {
    /// Returns the time as text: RFC 3339 with six digits, nine if six are not enough.
    pub(crate) fn utc_text(self) -> String {
        self.utc.to_rfc3339_opts(self.digits(), true)
    }

    /// Returns the time as text without an offset.
    pub(crate) fn plain_text(self) -> String {
        let text = self.utc_text();
        text.strip_suffix('Z').unwrap_or(&text).to_owned()
    }

    fn digits(self) -> SecondsFormat {
        if self.utc.nanosecond().is_multiple_of(1000) {
            SecondsFormat::Micros
        } else {
            SecondsFormat::Nanos
        }
    }
}

/// Reads a date and a time of day, a blank or a `T` between them, perhaps with an offset; as
/// Django, SQLAlchemy, Rails, RFC 3339 and YAML write it.
pub(crate) fn parse(text: &str) -> Option<Instant> {
    let (date, rest) = split_date(text)?;
    let rest = match rest.strip_prefix(['T', 't']) {
        Some(rest) => rest,
        None => rest
            .strip_prefix([' ', '\t'])?
            .trim_start_matches([' ', '\t']),
    };
    let end = rest
        .find(|c: char| !(c.is_ascii_digit() || c == ':' || c == '.'))
        .unwrap_or(rest.len());
    let time = time_of_day(rest.get(..end)?)?;
    let local = NaiveDateTime::new(date, time);
    let offset = rest.get(end..)?.trim_start();
    if offset.is_empty() {
        return Some(Instant {
            utc: local.and_utc(),
            offset: false,
        });
    }
    let seconds = offset_seconds(offset)?;
    let utc = local.checked_sub_signed(chrono::TimeDelta::seconds(seconds))?;
    Some(Instant {
        utc: utc.and_utc(),
        offset: true,
    })
}

/// Reads a date, and returns it with the rest of the text.
fn split_date(text: &str) -> Option<(NaiveDate, &str)> {
    let mut parts = text.splitn(3, '-');
    let year = parts.next().filter(|year| digits(year, 4..=4))?;
    let month = parts.next().filter(|month| digits(month, 1..=2))?;
    let rest = parts.next()?;
    let end = rest
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(rest.len());
    let day = rest.get(..end).filter(|day| digits(day, 1..=2))?;
    let date = NaiveDate::from_ymd_opt(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?)?;
    Some((date, rest.get(end..)?))
}

/// Reads a date with nothing after it, in the form `2024-02-29`.
pub(crate) fn parse_date(text: &str) -> Option<String> {
    match split_date(text)? {
        (date, "") => Some(format!(
            "{:04}-{:02}-{:02}",
            date.year(),
            date.month(),
            date.day()
        )),
        _ => None,
    }
}

fn time_of_day(text: &str) -> Option<chrono::NaiveTime> {
    let mut parts = text.split(':');
    let hour = parts.next().filter(|hour| digits(hour, 1..=2))?;
    let minute = parts.next().filter(|minute| digits(minute, 2..=2))?;
    let (second, fraction) = match parts.next() {
        Some(second) => second.split_once('.').unwrap_or((second, "")),
        None => ("00", ""),
    };
    if parts.next().is_some() || !digits(second, 2..=2) || !digits(fraction, 0..=usize::MAX) {
        return None;
    }
    let mut nanos = 0;
    for digit in fraction.bytes().chain(std::iter::repeat(b'0')).take(9) {
        nanos = nanos * 10 + u32::from(digit - b'0');
    }
    chrono::NaiveTime::from_hms_nano_opt(
        hour.parse().ok()?,
        minute.parse().ok()?,
        second.parse().ok()?,
        nanos,
    )
}

/// Reads an offset: `Z`, `UTC`, `+05:30`, `+0530`, `-5`.
fn offset_seconds(text: &str) -> Option<i64> {
    if matches!(text, "Z" | "z" | "UTC") {
        return Some(0);
    }
    let (sign, rest) = match text.strip_prefix('+') {
        Some(rest) => (1, rest),
        None => (-1, text.strip_prefix('-')?),
    };
    let (hours, minutes) = match rest.split_once(':') {
        Some(parts) => parts,
        None if rest.len() > 2 => rest.split_at_checked(rest.len() - 2)?,
        None => (rest, "00"),
    };
    if !digits(hours, 1..=2) || !digits(minutes, 2..=2) {
        return None;
    }
    let (hours, minutes): (i64, i64) = (hours.parse().ok()?, minutes.parse().ok()?);
    Some(sign * (hours * 3600 + minutes * 60))
}

fn digits(text: &str, count: std::ops::RangeInclusive<usize>) -> bool {
    count.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_library_s_times_are_read() {
        for (text, utc, offset) in [
            ("2024-02-29 23:59:59", "2024-02-29T23:59:59.000000Z", false),
            (
                "2024-02-29 23:59:59.12",
                "2024-02-29T23:59:59.120000Z",
                false,
            ),
            (
                "2024-02-29T23:59:59.001Z",
                "2024-02-29T23:59:59.001000Z",
                true,
            ),
            (
                "2024-03-31T06:00:00.000+05:30",
                "2024-03-31T00:30:00.000000Z",
                true,
            ),
            (
                "1969-12-31 23:00:00.000000000 Z",
                "1969-12-31T23:00:00.000000Z",
                true,
            ),
            (
                "2001-12-14 21:59:43.10 -5",
                "2001-12-15T02:59:43.100000Z",
                true,
            ),
            (
                "2011-02-24 11:17:06 -0800",
                "2011-02-24T19:17:06.000000Z",
                true,
            ),
            (
                "2001-1-2 2:59:43.123456789 Z",
                "2001-01-02T02:59:43.123456789Z",
                true,
            ),
        ] {
            let read = parse(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(
                (read.utc_text().as_str(), read.offset),
                (utc, offset),
                "{text}"
            );
        }
        assert_eq!(
            parse("2024-02-29 23:59:59")
                .map(Instant::plain_text)
                .as_deref(),
            Some("2024-02-29T23:59:59.000000")
        );
    }

    #[test]
    fn what_is_no_time_is_none() {
        for text in [
            "",
            "2024",
            "2024-02-30 00:00:00",
            "2024-02-29",
            "2024-02-29 24:00:00",
            "é-1-1 1:00:00",
            "2024-02-29 10:00:00 +é",
            "2024-02-29 10:00:00 +123456",
            "2024-02-29 1:2:3:4",
            "99999-01-01 00:00:00",
            "2024-02-29 10:00:00.x",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!(parse_date("2024-2-9").as_deref(), Some("2024-02-09"));
        assert_eq!(parse_date("2024-02-30"), None);
    }
}

//! Parses the times of queries, such as `2h` or `yesterday`.

use std::time::SystemTime;

use chrono::{DateTime, Days, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, TimeZone, Utc};

use crate::error::ParseTimeError;

/// The formats of a date with a time of day and without an offset.
const LOCAL_FORMS: [&str; 4] = [
    "%Y-%m-%dT%H:%M:%S%.f",
    "%Y-%m-%d %H:%M:%S%.f",
    "%Y-%m-%dT%H:%M",
    "%Y-%m-%d %H:%M",
];

/// Parses a time in the format of queries: `30m`, `2h`, `1d12h` or `2w` ago, `now`, `today`,
/// `yesterday`, a date, a date with a time of day, or RFC 3339.
///
/// Days, and times without an offset, are in the time zone of `now`. A time that the zone skips
/// is moved to the first instant after the gap.
///
/// # Errors
/// Returns [`ParseTimeError`] if the text is not a time.
///
/// # Example: the start of a day in another time zone
/// ```
/// use auditlog::parse_time;
/// use chrono::DateTime;
///
/// let now = DateTime::parse_from_rfc3339("2026-01-31T00:30:00+02:00")?;
/// assert_eq!(parse_time("today", &now)?.to_rfc3339(), "2026-01-30T22:00:00+00:00");
/// assert_eq!(parse_time("2h", &now)?.to_rfc3339(), "2026-01-30T20:30:00+00:00");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn parse_time<Z: TimeZone>(
    text: &str,
    now: &DateTime<Z>,
) -> Result<DateTime<Utc>, ParseTimeError> {
    let zone = now.timezone();
    let day = |date: NaiveDate| first_instant(&zone, date.and_time(NaiveTime::MIN));
    let today = now.date_naive();
    let utc = now.with_timezone(&Utc);
    let found = match text {
        "now" => Some(utc),
        "today" => day(today),
        "yesterday" => today.checked_sub_days(Days::new(1)).and_then(day),
        _ => None,
    };
    found
        .or_else(|| text.parse::<DateTime<Utc>>().ok())
        .or_else(|| text.parse::<NaiveDate>().ok().and_then(day))
        .or_else(|| {
            let read = |form: &&str| NaiveDateTime::parse_from_str(text, form).ok();
            first_instant(&zone, LOCAL_FORMS.iter().find_map(read)?)
        })
        .or_else(|| utc.checked_sub_signed(duration(text)?))
        .map(crate::entry::to_micros)
        .ok_or_else(|| ParseTimeError::new(text))
}

/// Returns the instant of a local time: the earlier one of two, or the first one after a gap.
fn first_instant<Z: TimeZone>(zone: &Z, local: NaiveDateTime) -> Option<DateTime<Utc>> {
    // Gaps are usually one hour, and a whole day where a zone crossed the date line.
    (0..=4 * 24)
        .filter_map(|quarter| local.checked_add_signed(TimeDelta::minutes(15 * quarter)))
        .find_map(|local| zone.from_local_datetime(&local).earliest())
        .map(|time| time.with_timezone(&Utc))
}

/// Parses a duration in weeks, days, hours, minutes and seconds, such as `1d12h`.
fn duration(text: &str) -> Option<TimeDelta> {
    let mut total = TimeDelta::zero();
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: i64 = rest[..digits].parse().ok()?;
        let unit = rest[digits..].chars().next()?;
        let part = match unit {
            'w' => TimeDelta::try_weeks(number),
            'd' => TimeDelta::try_days(number),
            'h' => TimeDelta::try_hours(number),
            'm' => TimeDelta::try_minutes(number),
            's' => TimeDelta::try_seconds(number),
            _ => None,
        }?;
        total = total.checked_add(&part)?;
        rest = &rest[digits + unit.len_utf8()..];
    }
    (!text.is_empty()).then_some(total)
}

/// A time in a condition of a query, as in [`Query::since`](crate::Query::since): a `DateTime` of any
/// zone, a [`SystemTime`], or a text that [`parse_time`] accepts.
///
/// A text such as `2h` or `yesterday` is relative to the system's clock, in UTC. For days in another
/// time zone call [`parse_time`].
///
/// # Example: the entries of the last two hours
/// ```
/// use auditlog::Query;
///
/// let recent = Query::new().since("2h");
/// assert!(recent.filter().since.is_some());
///
/// let query = Query::new().since("2 hours");
/// let error = query.check().unwrap_err().to_string();
/// assert!(error.starts_with("the query is invalid: `2 hours` is not a time; expected one such as 2h"));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a time of a query",
    note = "give a `chrono::DateTime`, a `SystemTime`, or a text such as \"2h\" or \"2026-01-31\", \
            which `auditlog::parse_time` reads"
)]
pub trait QueryTime {
    /// Returns the instant.
    ///
    /// # Errors
    /// Returns [`ParseTimeError`] if a text is not a time.
    fn into_time(self) -> Result<DateTime<Utc>, ParseTimeError>;
}

impl<Z: TimeZone> QueryTime for DateTime<Z> {
    fn into_time(self) -> Result<DateTime<Utc>, ParseTimeError> {
        Ok(self.with_timezone(&Utc))
    }
}

impl QueryTime for SystemTime {
    fn into_time(self) -> Result<DateTime<Utc>, ParseTimeError> {
        Ok(self.into())
    }
}

impl QueryTime for &str {
    fn into_time(self) -> Result<DateTime<Utc>, ParseTimeError> {
        parse_time(self, &crate::entry::clock::now())
    }
}

impl QueryTime for String {
    fn into_time(self) -> Result<DateTime<Utc>, ParseTimeError> {
        self.as_str().into_time()
    }
}

impl QueryTime for &String {
    fn into_time(self) -> Result<DateTime<Utc>, ParseTimeError> {
        self.as_str().into_time()
    }
}

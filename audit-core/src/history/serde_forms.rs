//! Converts recorded texts to the forms that serde reads, for types whose recorded text is not
//! serde's.

use chrono::{Datelike, NaiveDate};
use serde_json::{Map, Value};

/// Returns the content of an `OsString`, as its `Serialize` writes it.
pub(super) fn system_text(text: &str) -> Map<String, Value> {
    let (system, units) = if cfg!(windows) {
        ("Windows", text.encode_utf16().map(Value::from).collect())
    } else {
        ("Unix", text.bytes().map(Value::from).collect())
    };
    Map::from_iter([(system.to_owned(), units)])
}

/// Returns the numbers that serde reads a type of the crate `time` from: two for a date or a
/// duration, four for a time of day, six for a date and time, nine with an offset.
pub(super) fn time_parts(text: &str, length: usize) -> Option<Value> {
    let mut parts = Vec::with_capacity(length);
    match length {
        2 => date(text, &mut parts).or_else(|| duration(text, &mut parts))?,
        4 => clock(text, &mut parts)?,
        6 | 9 => {
            let mut words = text.split(' ');
            date(words.next()?, &mut parts)?;
            clock(words.next()?, &mut parts)?;
            if length == 9 {
                offset(words.next()?, &mut parts)?;
            }
            if words.next().is_some() {
                return None;
            }
        }
        _ => return None,
    }
    Some(parts.into_iter().collect())
}

/// Parses a date as year and day of the year.
fn date(text: &str, parts: &mut Vec<i64>) -> Option<()> {
    let (rest, day) = text.rsplit_once('-')?;
    let (year, month) = rest.rsplit_once('-')?;
    let date = NaiveDate::from_ymd_opt(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?)?;
    parts.extend([i64::from(date.year()), i64::from(date.ordinal())]);
    Some(())
}

/// Parses a duration as seconds and nanoseconds with the same sign.
fn duration(text: &str, parts: &mut Vec<i64>) -> Option<()> {
    let (seconds, fraction) = text.split_once('.')?;
    let nanos = nanoseconds(fraction)?;
    let sign = if text.starts_with('-') { -1 } else { 1 };
    parts.extend([seconds.parse().ok()?, sign * nanos]);
    Some(())
}

/// Parses a time of day as hour, minute, second and nanosecond.
fn clock(text: &str, parts: &mut Vec<i64>) -> Option<()> {
    let (whole, fraction) = text.split_once('.')?;
    numbers(whole, 1, parts)?;
    parts.push(nanoseconds(fraction)?);
    Some(())
}

/// Parses an offset as hours, minutes and seconds with the same sign.
fn offset(text: &str, parts: &mut Vec<i64>) -> Option<()> {
    let sign = if text.starts_with('-') { -1 } else { 1 };
    numbers(text.strip_prefix(['+', '-'])?, sign, parts)
}

fn numbers(text: &str, sign: i64, parts: &mut Vec<i64>) -> Option<()> {
    let before = parts.len();
    for part in text.split(':') {
        parts.push(sign * part.parse::<i64>().ok()?);
    }
    (parts.len() == before + 3).then_some(())
}

/// Parses the fraction of a second.
fn nanoseconds(fraction: &str) -> Option<i64> {
    let valid = (1..=9).contains(&fraction.len()) && fraction.bytes().all(|b| b.is_ascii_digit());
    valid.then(|| format!("{fraction:0<9}").parse().ok())?
}

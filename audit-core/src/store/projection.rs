//! Functions that stores with search columns share, so that all of them find the same entries.
//!
//! A store keeps the canonical text of an entry, and beside it columns that are projections of the text. A
//! query on the columns must find every entry that [`Query::matches`](crate::Query::matches) accepts; it may
//! find more, which the store then checks. These functions return whether a column is exact.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

use crate::json::{nesting, number};
use crate::path::{Path, PathSegment};
pub use crate::store::query::sql_condition::{
    Condition, SqlCondition, WriteConditions, groups_to_sql,
};

/// The number of hexadecimal digits of an id.
const DIGITS: usize = 32;

/// Returns the first microsecond that is not before a time.
///
/// Entries have whole microseconds, so one is at or after a time exactly if it is at or
/// after this.
///
/// # Example: a time between two microseconds
/// ```
/// use auditlog::backend::projection::micros_up;
/// use chrono::{DateTime, Utc};
///
/// let time: DateTime<Utc> = "1970-01-01T00:00:01.000000001Z".parse()?;
/// assert_eq!(micros_up(time), 1_000_001);
/// # Ok::<(), chrono::ParseError>(())
/// ```
pub fn micros_up(time: DateTime<Utc>) -> i64 {
    let micros = time.timestamp_micros();
    micros.saturating_add(i64::from(
        !time.timestamp_subsec_nanos().is_multiple_of(1000),
    ))
}

/// Returns whether the names of top-level fields say exactly which entries changed something
/// at a path: it is one field, and no index shares its name.
///
/// # Example: a field, and a part of one
/// ```
/// use auditlog::backend::projection::is_whole_field;
///
/// assert!(is_whole_field(&"email".parse()?));
/// assert!(!is_whole_field(&"address.city".parse()?));
/// # Ok::<(), auditlog::ParsePathError>(())
/// ```
pub fn is_whole_field(path: &Path) -> bool {
    match &path.segments()[..] {
        [PathSegment::Name(name)] => name != "$" && !name.bytes().all(|byte| byte.is_ascii_digit()),
        _ => false,
    }
}

/// Returns whether a text stands in JSON as it is, so that an entry whose JSON does not
/// have it does not have it anywhere.
///
/// # Example: a text with a quote
/// ```
/// use auditlog::backend::projection::is_verbatim_in_json;
///
/// assert!(is_verbatim_in_json("ticket 4711"));
/// assert!(!is_verbatim_in_json("the \"big\" one"));
/// ```
pub fn is_verbatim_in_json(text: &str) -> bool {
    !text.chars().any(|c| c < ' ' || c == '"' || c == '\\')
}

/// Returns stored bytes as one line of an export: as they are, or as the text of a JSON string where
/// they have line ends, which no canonical entry has.
///
/// ```
/// use auditlog::backend::projection::line;
///
/// assert_eq!(line("{\"id\":1}"), "{\"id\":1}");
/// assert_eq!(line("a\nb"), "\"a\\nb\"");
/// ```
pub fn line(body: &str) -> Cow<'_, str> {
    match memchr::memchr2(b'\n', b'\r', body.as_bytes()) {
        Some(_) => Cow::Owned(Value::from(body).to_string()),
        None => Cow::Borrowed(body),
    }
}

/// Returns the lowest and the highest id that begin with some hexadecimal digits, hyphens
/// aside; `None` if no id begins so.
///
/// # Example: the ids that begin with two digits
/// ```
/// use auditlog::backend::projection::id_range;
///
/// let [first, last] = id_range("01").expect("a prefix");
/// assert_eq!(first.to_string(), "01000000-0000-0000-0000-000000000000");
/// assert_eq!(last.to_string(), "01ffffff-ffff-ffff-ffff-ffffffffffff");
/// assert!(id_range("xyz").is_none());
/// ```
pub fn id_range(prefix: &str) -> Option<[Uuid; 2]> {
    let digits: String = prefix.chars().filter(|c| *c != '-').collect();
    if digits.len() > DIGITS || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    let filled = |fill: &str| {
        let text = format!("{digits}{}", fill.repeat(DIGITS - digits.len()));
        Uuid::parse_str(&text).ok()
    };
    Some([filled("0")?, filled("f")?])
}

/// Returns the digits of an id's end as stores compare them, lowercase and without hyphens;
/// `None` if no id ends so.
pub fn id_suffix(suffix: &str) -> Option<String> {
    let digits: String = suffix.chars().filter(|c| *c != '-').collect();
    let fits = (1..=DIGITS).contains(&digits.len());
    (fits && digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
        .then(|| digits.to_ascii_lowercase())
}

/// Returns the text that stands for a number of JSON, or `None` if the trail holds a number
/// (docs/format.md, "Numbers in JSON").
///
/// # Example: a double rounds the second number
/// ```
/// use auditlog::backend::projection::number_text;
///
/// assert_eq!(number_text("0.1"), None);
/// assert_eq!(number_text("18446744073709551616.0").as_deref(), Some("18446744073709551616"));
/// ```
pub fn number_text(spelling: &str) -> Option<String> {
    match number::stored_number(spelling) {
        Value::String(text) => Some(text),
        _ => None,
    }
}

/// Returns the digits of a value that is a number or the text of one, in one form for equal
/// numbers.
pub fn digits(value: &Value) -> Option<String> {
    match value {
        Value::Number(number) => number::digits(&number.to_string()),
        Value::String(text) => number::digits(text),
        _ => None,
    }
}

/// Compares JSON values as the trail does: numbers by value.
pub fn equal_json(a: &Value, b: &Value) -> bool {
    nesting::equal(a, b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_a_range_of_ids() {
        let ids = |prefix: &str| id_range(prefix).map(|ids| ids.map(|id| id.to_string()));
        assert_eq!(
            ids("019b-1C"),
            Some([
                "019b1c00-0000-0000-0000-000000000000".to_owned(),
                "019b1cff-ffff-ffff-ffff-ffffffffffff".to_owned(),
            ])
        );
        let whole = "019b1c2d-3e4f-7a5b-8c6d-7e8f90a1b2c3";
        assert_eq!(ids(whole), Some([whole.to_owned(), whole.to_owned()]));
        assert_eq!(ids("019g"), None);
        assert_eq!(ids(&"0".repeat(33)), None);
    }

    #[test]
    fn a_time_between_microseconds_counts_as_the_later_one() {
        let micros = |text: &str| micros_up(text.parse().unwrap());
        assert_eq!(micros("1970-01-01T00:00:00.000001Z"), 1);
        assert_eq!(micros("1970-01-01T00:00:00.000001001Z"), 2);
        assert_eq!(micros("1969-12-31T23:59:59.999999Z"), -1);
        assert_eq!(micros("1969-12-31T23:59:59.999999500Z"), 0);
    }

    #[test]
    fn only_a_field_by_its_name_is_exact() {
        let exact = |path: &str| is_whole_field(&path.parse().unwrap());
        assert!(exact("email"));
        assert!(exact("$.email"));
        assert!(exact("['a.b']"));
        assert!(!exact("address.city"));
        assert!(!exact("[3]"));
        assert!(!exact("['3']"));
        assert!(!exact("['$']"));
        assert!(!exact("$"));
    }
}

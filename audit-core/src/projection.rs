//! What stores that search by columns agree on.

use chrono::{DateTime, Utc};

use crate::path::{Path, PathSegment};

/// Returns the first microsecond that is not before a time.
///
/// Entries have whole microseconds, so one is at or after a time exactly if it is at or
/// after this.
pub fn micros_up(time: DateTime<Utc>) -> i64 {
    let micros = time.timestamp_micros();
    micros.saturating_add(i64::from(
        !time.timestamp_subsec_nanos().is_multiple_of(1000),
    ))
}

/// Returns whether the names of top-level fields say exactly which entries changed something
/// at a path: it is one field, and no index shares its name.
pub fn is_whole_field(path: &Path) -> bool {
    match &path.segments()[..] {
        [PathSegment::Name(name)] => name != "$" && !name.bytes().all(|byte| byte.is_ascii_digit()),
        _ => false,
    }
}

/// Returns whether a text stands in JSON as it is, so that an entry whose JSON does not
/// have it does not have it anywhere.
pub fn is_verbatim_in_json(text: &str) -> bool {
    !text.chars().any(|c| c < ' ' || c == '"' || c == '\\')
}

#[cfg(test)]
mod tests {
    use super::*;

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

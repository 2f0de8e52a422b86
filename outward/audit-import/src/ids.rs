//! Ids that depend only on the row, so that each import gives the same ones.

use chrono::{DateTime, Utc};
use hmac_sha256::Hash;
use uuid::Uuid;

use crate::format::Format;

/// The number of bits for the order of a row among those of its millisecond.
pub(crate) const ORDER_BITS: u32 = 44;
/// The number of bits from the hash of format, table and row.
const HASH_BITS: u32 = 30;

/// Makes the id of a row of a table.
///
/// It is laid out as a UUID of version 7 (RFC 9562), so that ids sort by time: 48 bits are the
/// milliseconds since 1970 (0 for times before), then come the version, 12 bits of `order`,
/// the variant, the other 32 bits of `order`, and the first 30 bits of the SHA-256 of format,
/// table and row, a zero byte after each.
pub(crate) fn id(format: Format, table: &str, row: &str, time: DateTime<Utc>, order: u64) -> Uuid {
    let mut hash = Hash::new();
    for part in [format.as_str(), table, row] {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    let [a, b, c, d, ..] = hash.finalize();
    let hash = u32::from_be_bytes([a, b, c, d]) >> (32 - HASH_BITS);
    let millis = u64::try_from(time.timestamp_millis()).unwrap_or(0) & ((1 << 48) - 1);
    let order = order & ((1 << ORDER_BITS) - 1);
    let high = (millis << 16) | (0x7 << 12) | (order >> 32);
    let low = (0b10 << 62) | ((order & 0xffff_ffff) << HASH_BITS) | u64::from(hash);
    Uuid::from_u64_pair(high, low)
}

/// Returns an order by the rank of the table, then the number of the row in it.
pub(crate) fn order(rank: i64, number: u64) -> u64 {
    (u64::try_from(rank).unwrap_or(0).min(0xfff) << 32) | (number & 0xffff_ffff)
}

/// Returns a number that sorts a row's id as the library does, within 32 bits: an integer itself,
/// or the first bits of a UUID or a text.
pub(crate) fn number(id: &str) -> u64 {
    if let Ok(number) = id.parse::<i64>() {
        return number.cast_unsigned();
    }
    if let Ok(uuid) = Uuid::try_parse(id) {
        return uuid.as_u64_pair().0 >> 32;
    }
    let bytes = id.bytes().chain(std::iter::repeat(0)).take(4);
    bytes.fold(0, |number, byte| (number << 8) | u64::from(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64, order: u64, row: &str) -> Uuid {
        let time = DateTime::from_timestamp_millis(millis).expect("a time");
        id(Format::Audited, "audits", row, time, order)
    }

    #[test]
    fn an_id_is_a_uuid_of_version_7_that_never_changes() {
        let known = at(1_700_000_000_000, order(0, 5), "5");
        assert_eq!(known.get_version_num(), 7);
        assert_eq!(known, at(1_700_000_000_000, order(0, 5), "5"));
        assert_eq!(known.to_string(), "018bcfe5-6800-7000-8000-000144bbe1df");
    }

    #[test]
    fn ids_sort_by_time_then_order() {
        let sorted = [
            at(-5, order(0, 1), "z"),
            at(0, order(0, 2), "y"),
            at(1, order(0, 1), "x"),
            at(1, order(0, 2), "w"),
            at(1, order(1, 0), "v"),
            at(1, order(4095, 0), "u"),
            at(2, order(0, 0), "t"),
        ];
        assert!(sorted.is_sorted());
    }

    #[test]
    fn numbers_sort_as_ids_do() {
        assert!(number("9") < number("10"));
        assert!(
            number("1ab6f6b1-d379-45c1-8a30-d84d9539ced2")
                < number("7c3c532c72614910b7390bef0e1a9d95")
        );
        assert!(number("a") < number("ab") && number("ab") < number("b"));
        assert_eq!(number(""), 0);
    }

    #[test]
    fn rows_of_one_order_differ() {
        assert_ne!(at(1, 1, "1"), at(1, 1, "2"));
    }
}

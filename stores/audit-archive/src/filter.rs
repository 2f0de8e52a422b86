//! The Bloom filter beside each file (docs/format.md, "Filter"; Bloom 1970, with the double hashing of
//! Kirsch and Mitzenmacher 2006).

use std::collections::HashSet;

use bytes::Bytes;

use crate::error::Error;
use crate::row::{ACTOR, OBJECT_KEY, Row};
use crate::schema::Column;

const MAGIC: &[u8; 8] = b"AUDTBF01";
/// The length of the magic bytes and the number of bits.
const HEADER: usize = 16;
const BITS_PER_KEY: u64 = 10;
const HASHES: u64 = 7;
/// The number of actors whose keys are hashed once.
const ACTORS: usize = 4_096;

/// The filter of a file.
#[derive(Clone, Debug)]
pub(crate) struct Filter {
    bytes: Bytes,
    bits: u64,
}

/// The keys of a file's rows, of which its filter is made.
#[derive(Debug, Default)]
pub(crate) struct FilterBuilder {
    hashes: HashSet<(u64, u64)>,
    /// The object of the last row: those of an object follow each other.
    object: Vec<u8>,
    /// Some actors whose keys were added.
    actors: HashSet<Vec<u8>>,
}

impl FilterBuilder {
    pub(crate) fn add(&mut self, row: &Row) {
        let mut buffer = Vec::new();
        let (object, actor) = (row.object_key(), row.text(Column::Actor));
        let is_known = actor.is_some_and(|id| self.actors.contains(id));
        for (column, value) in row.keys() {
            if (column == OBJECT_KEY && self.object == object) || (column == ACTOR && is_known) {
                continue;
            }
            self.hashes.insert(hash_with(&mut buffer, column, value));
        }
        if self.object != object {
            object.clone_into(&mut self.object);
        }
        if let Some(actor) = actor
            && !is_known
            && self.actors.len() < ACTORS
        {
            self.actors.insert(actor.to_owned());
        }
    }

    pub(crate) fn build(self) -> Filter {
        let bits = (self.hashes.len() as u64 * BITS_PER_KEY)
            .next_multiple_of(64)
            .max(64);
        let mut bytes = Vec::with_capacity(HEADER);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&bits.to_le_bytes());
        bytes.resize(byte_of(bits), 0);
        for bit in self
            .hashes
            .into_iter()
            .flat_map(|hash| positions(hash, bits))
        {
            bytes[byte_of(bit)] |= 1 << (bit % 8);
        }
        Filter {
            bytes: bytes.into(),
            bits,
        }
    }
}

impl Filter {
    /// Reads a filter, and returns the bytes after it.
    pub(crate) fn read(mut bytes: Bytes, path: &str) -> Result<(Self, Bytes), Error> {
        let invalid = || Error::corrupt(path, "it is not a filter");
        let (header, rest) = bytes.split_at_checked(HEADER).ok_or_else(invalid)?;
        let bits = header
            .strip_prefix(MAGIC)
            .and_then(|bits| Some(u64::from_le_bytes(bits.try_into().ok()?)))
            .filter(|bits| *bits > 0 && bits % 64 == 0 && bits / 8 <= rest.len() as u64)
            .ok_or_else(invalid)?;
        let rest = bytes.split_off(byte_of(bits));
        Ok((Self { bytes, bits }, rest))
    }

    pub(crate) fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Returns whether the file may have a row with a value in a column.
    pub(crate) fn may_have(&self, column: &str, value: &[u8]) -> bool {
        positions(hash(column, value), self.bits).all(|bit| {
            let byte = self.bytes.get(byte_of(bit)).copied().unwrap_or(0xff);
            byte & (1 << (bit % 8)) != 0
        })
    }
}

fn hash(column: &str, value: &[u8]) -> (u64, u64) {
    hash_with(&mut Vec::new(), column, value)
}

fn hash_with(buffer: &mut Vec<u8>, column: &str, value: &[u8]) -> (u64, u64) {
    buffer.clear();
    buffer.extend_from_slice(column.as_bytes());
    buffer.push(0);
    buffer.extend_from_slice(value);
    let digest = audit_sql::checksum(buffer);
    let part = |at: usize| {
        let bytes = digest[at..at + 8].iter().rev();
        bytes.fold(0, |number, byte| number << 8 | u64::from(*byte))
    };
    (part(0), part(8))
}

fn positions((a, b): (u64, u64), bits: u64) -> impl Iterator<Item = u64> {
    (0..HASHES).map(move |i| a.wrapping_add(i.wrapping_mul(b | 1)) % bits)
}

fn byte_of(bit: u64) -> usize {
    // Within the filter, whose length is a `usize`.
    HEADER + usize::try_from(bit / 8).unwrap_or(usize::MAX - HEADER)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(rows: &[Row]) -> Filter {
        let mut builder = FilterBuilder::default();
        for row in rows {
            builder.add(row);
        }
        builder.build()
    }

    fn row(number: usize) -> Row {
        let entry = audit_core::LogEntry::new("update", "User", number.to_string(), "bob");
        let seq = number as u64;
        Row::new(seq, &entry, b"")
    }

    #[test]
    fn a_filter_has_every_key_and_few_others() {
        let rows: Vec<Row> = (0..5_000).map(row).collect();
        let bytes = filter(&rows).bytes().clone();
        let (filter, rest) = Filter::read(bytes, "f").expect("a filter");
        assert!(rest.is_empty());
        for (column, value) in rows.iter().flat_map(Row::keys) {
            assert!(filter.may_have(column, value));
        }
        let others = (5_000..15_000).map(row);
        let found = others.filter(|row| {
            row.keys()
                .any(|(column, value)| filter.may_have(column, value))
        });
        let found = found.count();
        assert!(found < 200, "{found} of 10,000 absent keys");
        assert!(!filter.may_have("actor", rows[0].object_key()));
    }

    #[test]
    fn other_bytes_are_no_filter() {
        let bytes = filter(&[row(1)]).bytes().clone();
        for invalid in [
            Bytes::new(),
            bytes.slice(..bytes.len() - 1),
            bytes.slice(1..),
            Bytes::from([MAGIC.as_slice(), &[0; 8]].concat()),
        ] {
            assert!(Filter::read(invalid, "f").is_err());
        }
    }
}

//! The object beside each file: the filter of its keys, and the checksums of its blocks, by which a read
//! verifies each byte that it uses (docs/format.md, "Filter").

use std::ops::Range;

use bytes::Bytes;

use crate::error::Error;
use crate::filter::Filter;
use crate::location::Location;
use crate::manifest::{FilterFile, sha256};

/// The length of a block, in bytes.
pub(crate) const BLOCK: u64 = 16 << 10;
/// The length of a block's checksum: the first bytes of its SHA-256.
const CHECKSUM: usize = 16;

/// The filter and the checksums of a file.
#[derive(Clone, Debug)]
pub(crate) struct Sidecar {
    pub(crate) filter: Filter,
    checksums: Bytes,
}

impl Sidecar {
    /// Returns the bytes of the object.
    pub(crate) fn encode(filter: &Filter, file: &[u8]) -> Bytes {
        let blocks = file.chunks(usize::try_from(BLOCK).unwrap_or(usize::MAX));
        let mut bytes = filter.bytes().to_vec();
        for block in blocks {
            bytes.extend_from_slice(&checksum(block));
        }
        bytes.into()
    }

    /// Reads the object beside a file of `length` bytes, if its bytes are those that the manifest
    /// describes.
    pub(crate) fn open(
        location: &Location,
        described: &FilterFile,
        length: u64,
    ) -> Result<Self, Error> {
        let path = &*described.path;
        let bytes = location
            .get(path)?
            .ok_or_else(|| Error::corrupt(path, "it does not exist"))?;
        Self::read(bytes, described, length)
    }

    /// Reads the bytes of the object.
    pub(crate) fn read(bytes: Bytes, described: &FilterFile, length: u64) -> Result<Self, Error> {
        let path = &*described.path;
        if bytes.len() as u64 != described.bytes || sha256(&bytes) != described.sha256 {
            return Err(Error::corrupt(
                path,
                "its SHA-256 is not that of the manifest",
            ));
        }
        let (filter, checksums) = Filter::read(bytes, path)?;
        if checksums.len() as u64 != length.div_ceil(BLOCK) * CHECKSUM as u64 {
            return Err(Error::corrupt(
                path,
                "it does not have a checksum for each block",
            ));
        }
        Ok(Self { filter, checksums })
    }

    /// Returns how much memory the filter and the checksums take.
    pub(crate) fn bytes(&self) -> u64 {
        (self.filter.bytes().len() + self.checksums.len()) as u64
    }

    /// Returns the blocks that have a range of a file of `length` bytes.
    pub(crate) fn blocks(range: Range<u64>, length: u64) -> Range<u64> {
        let end = range.end.div_ceil(BLOCK).saturating_mul(BLOCK);
        range.start / BLOCK * BLOCK..end.min(length)
    }

    /// Checks complete blocks of a file; `start` is the offset of the first one.
    pub(crate) fn check(&self, path: &str, start: u64, blocks: &[u8]) -> Result<(), Error> {
        let size = usize::try_from(BLOCK).unwrap_or(usize::MAX);
        let first = usize::try_from(start / BLOCK).unwrap_or(usize::MAX);
        let mut expected = self.checksums.chunks(CHECKSUM).skip(first);
        for (index, block) in blocks.chunks(size).enumerate() {
            if expected.next() != Some(&checksum(block)[..]) {
                let at = start + index as u64 * BLOCK;
                let detail = format!("the block at byte {at} does not match its checksum");
                return Err(Error::corrupt(path, detail));
            }
        }
        Ok(())
    }
}

fn checksum(block: &[u8]) -> [u8; CHECKSUM] {
    let mut checksum = [0; CHECKSUM];
    checksum.copy_from_slice(&audit_sql::checksum(block)[..CHECKSUM]);
    checksum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_extended_to_blocks() {
        assert_eq!(Sidecar::blocks(0..1, 10), 0..10);
        assert_eq!(
            Sidecar::blocks(BLOCK - 1..BLOCK + 1, 3 * BLOCK),
            0..2 * BLOCK
        );
        assert_eq!(
            Sidecar::blocks(BLOCK..BLOCK + 5, BLOCK + 9),
            BLOCK..BLOCK + 9
        );
    }
}

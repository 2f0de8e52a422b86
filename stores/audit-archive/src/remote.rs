//! A file of an archive that is read in parts, each of which is verified by the checksums of its blocks.

use std::io::{self, Read};
use std::ops::Range;
use std::sync::Arc;

use bytes::{Buf as _, Bytes};
use parquet::errors::ParquetError;
use parquet::file::reader::{ChunkReader, Length};

use crate::error::Error;
use crate::location::Location;
use crate::sidecar::{BLOCK, Sidecar};

/// How much is read of the end of a file at first: the footer and the page index of most files.
const TAIL: u64 = 128 << 10;
/// How much is read at once where a read has no end.
const AHEAD: u64 = 4 * BLOCK;

/// A file of known length.
#[derive(Clone, Debug)]
pub(crate) struct RemoteFile {
    location: Location,
    path: Arc<str>,
    length: u64,
    sidecar: Arc<Sidecar>,
    /// The end of the file.
    tail: Part,
}

/// Verified bytes of a file, from an offset on.
#[derive(Clone, Debug, Default)]
pub(crate) struct Part {
    start: u64,
    bytes: Bytes,
}

impl Part {
    pub(crate) fn get(&self, start: u64, end: u64) -> Option<Bytes> {
        let from = usize::try_from(start.checked_sub(self.start)?).ok()?;
        let to = usize::try_from(end.checked_sub(self.start)?).ok()?;
        (from <= to && to <= self.bytes.len()).then(|| self.bytes.slice(from..to))
    }
}

impl RemoteFile {
    pub(crate) fn open(
        location: &Location,
        path: &str,
        length: u64,
        sidecar: Arc<Sidecar>,
    ) -> Result<Self, Error> {
        let mut file = Self {
            location: location.clone(),
            path: path.into(),
            length,
            sidecar,
            tail: Part::default(),
        };
        let tail = length.saturating_sub(TAIL)..length;
        file.tail = file.read(vec![tail])?.pop().unwrap_or_default();
        Ok(file)
    }

    /// Returns how much memory the file takes.
    pub(crate) fn bytes(&self) -> u64 {
        self.tail.bytes.len() as u64 + self.sidecar.bytes()
    }

    /// Reads ranges at once, in any order. Ranges in one block are read once.
    pub(crate) fn fetch(&self, mut ranges: Vec<Range<u64>>) -> Result<Vec<Part>, Error> {
        ranges.retain(|range| !range.is_empty() && self.tail.get(range.start, range.end).is_none());
        if ranges.is_empty() {
            return Ok(Vec::new());
        }
        self.read(ranges)
    }

    fn range(&self, start: u64, end: u64) -> Result<Bytes, Error> {
        if let Some(bytes) = self.tail.get(start, end) {
            return Ok(bytes);
        }
        let range = start..end;
        let part = self.read(vec![range])?.pop().unwrap_or_default();
        let bytes = part.get(start, end);
        bytes.ok_or_else(|| Error::corrupt(&*self.path, "its blocks are shorter than a range"))
    }

    /// Reads the blocks that have some ranges, and verifies them.
    fn read(&self, mut ranges: Vec<Range<u64>>) -> Result<Vec<Part>, Error> {
        ranges.sort_unstable_by_key(|range| range.start);
        let mut blocks: Vec<Range<u64>> = Vec::with_capacity(ranges.len());
        for Range { start, end } in ranges {
            if start > end || end > self.length {
                let detail = format!("it has no bytes from {start} to {end}");
                return Err(Error::corrupt(&*self.path, detail));
            }
            let range = Sidecar::blocks(start..end, self.length);
            match blocks.last_mut() {
                Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
                _ => blocks.push(range),
            }
        }
        let read = self.location.get_ranges(&self.path, &blocks, self.length)?;
        let mut parts = Vec::with_capacity(blocks.len());
        for (Range { start, .. }, bytes) in blocks.into_iter().zip(read) {
            self.sidecar.check(&self.path, start, &bytes)?;
            parts.push(Part { start, bytes });
        }
        Ok(parts)
    }
}

impl Length for RemoteFile {
    fn len(&self) -> u64 {
        self.length
    }
}

impl ChunkReader for RemoteFile {
    type T = RemoteRead;

    fn get_read(&self, start: u64) -> Result<RemoteRead, ParquetError> {
        Ok(RemoteRead {
            file: self.clone(),
            at: start,
            read: Bytes::new(),
        })
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        self.range(start, start.saturating_add(length as u64))
            .map_err(|error| ParquetError::External(Box::new(error)))
    }
}

/// Reads a file from a position on, some blocks at a time.
pub(crate) struct RemoteRead {
    file: RemoteFile,
    at: u64,
    read: Bytes,
}

impl Read for RemoteRead {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.read.is_empty() && self.at < self.file.length {
            let end = self.file.length.min(self.at.saturating_add(AHEAD));
            self.read = self.file.range(self.at, end).map_err(io::Error::other)?;
            self.at = end;
        }
        let length = buffer.len().min(self.read.len());
        self.read.copy_to_slice(&mut buffer[..length]);
        Ok(length)
    }
}

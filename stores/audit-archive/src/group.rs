//! A row group of a file whose parts are read before they are decoded.

use std::ops::Range;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use bytes::Bytes;
use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};
use parquet::file::page_index::offset_index::PageLocation;
use parquet::file::properties::{ReaderProperties, ReaderPropertiesPtr};
use parquet::file::reader::{ChunkReader, Length, RowGroupReader};
use parquet::file::serialized_reader::SerializedRowGroupReader;

use crate::decode::{Selection, invalid};
use crate::remote::{Part, RemoteFile, RemoteRead};
use crate::schema::Column;

static PROPERTIES: LazyLock<ReaderPropertiesPtr> =
    LazyLock::new(|| Arc::new(ReaderProperties::builder().build()));

/// A file whose footer and page index are in memory.
#[derive(Debug)]
pub(crate) struct Footer {
    /// The number of the footer among those that were read: the key of its parts in caches.
    pub(crate) number: u64,
    pub(crate) file: RemoteFile,
    pub(crate) metadata: ParquetMetaData,
}

/// A row group of a file.
pub(crate) struct Group<'f> {
    footer: &'f Footer,
    index: usize,
    parts: Arc<Parts>,
    reader: SerializedRowGroupReader<'f, Parts>,
}

impl<'f> Group<'f> {
    pub(crate) fn new(footer: &'f Footer, index: usize) -> Result<Self, ParquetError> {
        let parts = Arc::new(Parts {
            file: footer.file.clone(),
            fetched: Mutex::default(),
        });
        let reader = SerializedRowGroupReader::new(
            Arc::clone(&parts),
            footer.metadata.row_group(index),
            footer.metadata.page_index_for_row_group(index),
            Arc::clone(&PROPERTIES),
        )?;
        Ok(Self {
            footer,
            index,
            parts,
            reader,
        })
    }

    /// Returns the reader of the columns that were fetched. Other ones are read page by page.
    pub(crate) fn reader(&self) -> &dyn RowGroupReader {
        &self.reader
    }

    pub(crate) fn metadata(&self) -> &'f RowGroupMetaData {
        self.footer.metadata.row_group(self.index)
    }

    pub(crate) fn rows(&self) -> Result<usize, ParquetError> {
        usize::try_from(self.metadata().num_rows())
            .map_err(|_| invalid("a row group has a negative count of rows"))
    }

    /// Reads the pages of columns that have some rows, with one request for all of them.
    pub(crate) fn fetch(&self, columns: &[Column], some: &Selection) -> Result<(), ParquetError> {
        let mut ranges = Vec::new();
        let pages = self.footer.metadata.page_index_for_row_group(self.index);
        for column in columns {
            let (start, length) = self.metadata().column(column.index()).byte_range();
            match pages.page_locations(column.index()) {
                Some(locations) => add_pages(locations, start, some, &mut ranges),
                None => ranges.push(start..start.saturating_add(length)),
            }
        }
        let fetched = self.footer.file.fetch(ranges);
        let fetched = fetched.map_err(|error| ParquetError::External(Box::new(error)))?;
        self.parts.lock().extend(fetched);
        Ok(())
    }

    /// Returns the rows of those pages of a column that may have a value, as far as the page index says.
    pub(crate) fn pages(
        &self,
        column: Column,
        may_have: impl Fn(PageBounds<'_>) -> bool,
    ) -> Result<Selection, ParquetError> {
        use parquet::file::page_index::column_index::ColumnIndexMetaData as Index;

        let all = Selection::first(self.rows()?);
        let pages = self.footer.metadata.page_index_for_row_group(self.index);
        let (Some(index), Some(locations)) = (
            pages.column_index(column.index()),
            pages.page_locations(column.index()),
        ) else {
            return Ok(all);
        };
        if index.num_pages() != locations.len() as u64 {
            return Ok(all);
        }
        let bounds = |page: usize| match index {
            Index::INT64(index) => PageBounds::Int(index.min_value(page), index.max_value(page)),
            Index::BYTE_ARRAY(index) | Index::FIXED_LEN_BYTE_ARRAY(index) => {
                PageBounds::Bytes(index.min_value(page), index.max_value(page))
            }
            _ => PageBounds::Bytes(None, None),
        };
        let rows = page_rows(locations, self.rows()?);
        let rows = rows.enumerate().filter(|(page, _)| {
            // A page of nulls has no value.
            !index.is_null_page(*page) && may_have(bounds(*page))
        });
        Ok(Selection::ranges(rows.map(|(_, rows)| rows)))
    }
}

/// The least and the greatest value of a page, or less and greater ones.
#[derive(Clone, Copy, Debug)]
pub(crate) enum PageBounds<'p> {
    Int(Option<&'p i64>, Option<&'p i64>),
    Bytes(Option<&'p [u8]>, Option<&'p [u8]>),
}

/// Returns the rows of each page.
fn page_rows(
    locations: &[PageLocation],
    rows: usize,
) -> impl Iterator<Item = Range<usize>> + use<'_> {
    let first = |location: &PageLocation| usize::try_from(location.first_row_index).unwrap_or(0);
    locations.iter().enumerate().map(move |(page, location)| {
        let end = locations.get(page + 1).map_or(rows, first);
        first(location)..end
    })
}

/// Adds the ranges of the pages that have some rows, and of the dictionary before them.
fn add_pages(
    locations: &[PageLocation],
    start: u64,
    some: &Selection,
    ranges: &mut Vec<Range<u64>>,
) {
    let before = ranges.len();
    for (location, rows) in locations.iter().zip(page_rows(locations, usize::MAX)) {
        if some.overlaps(&rows) {
            let start = u64::try_from(location.offset).unwrap_or_default();
            let size = u64::try_from(location.compressed_page_size).unwrap_or_default();
            ranges.push(start..start.saturating_add(size));
        }
    }
    if let Some(first) = locations.first()
        && ranges.len() > before
    {
        ranges.push(start..u64::try_from(first.offset).unwrap_or_default());
    }
}

/// A file, and the parts of it that were fetched for a row group.
#[derive(Debug)]
pub(crate) struct Parts {
    file: RemoteFile,
    fetched: Mutex<Vec<Part>>,
}

impl Parts {
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Part>> {
        self.fetched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Length for Parts {
    fn len(&self) -> u64 {
        self.file.len()
    }
}

impl ChunkReader for Parts {
    type T = RemoteRead;

    fn get_read(&self, start: u64) -> Result<RemoteRead, ParquetError> {
        self.file.get_read(start)
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        let end = start.saturating_add(length as u64);
        let found = self.lock().iter().find_map(|part| part.get(start, end));
        match found {
            Some(bytes) => Ok(bytes),
            None => self.file.get_bytes(start, length),
        }
    }
}

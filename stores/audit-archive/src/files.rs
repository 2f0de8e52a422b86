//! The files of an archive for reading, with caches of their filters, checksums and footers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parquet::bloom_filter::Sbbf;
use parquet::data_type::{FixedLenByteArrayType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaDataReader};
use uuid::Uuid;

use crate::cache::{Admission, Cache};
use crate::chain::{Chain, ChainFile};
use crate::decode::{self, Selection};
use crate::error::Error;
use crate::group::{Footer, Group};
use crate::location::Location;
use crate::remote::RemoteFile;
use crate::schema::{Column, is_schema};
use crate::sidecar::Sidecar;

/// The default limit of filters and checksums in memory, in bytes.
const SIDECAR_BYTES: u64 = 128 << 20;
/// The limit of footers in memory, in bytes.
const FOOTER_BYTES: u64 = 64 << 20;
/// The limit of the Bloom filters of row groups in memory, in bytes.
const BLOOM_BYTES: u64 = 16 << 20;

/// The limit of sorted row groups in memory, in bytes: 80 of 16,384 rows.
const INDEX_BYTES: u64 = 32 << 20;

/// The files of an archive, with a cache of their filters, checksums and footers.
#[derive(Debug)]
pub(crate) struct Files {
    location: Location,
    sidecars: Cache<str, Sidecar>,
    footers: Cache<str, Footer>,
    /// By the footer, the row group and the column.
    blooms: Cache<(u64, usize, usize), Option<Sbbf>>,
    /// By the footer and the row group.
    indexes: Cache<(u64, usize), Index>,
    /// The count of footers that were read.
    footers_read: AtomicU64,
    /// How often a file was opened.
    opened: AtomicU64,
    /// How often a row group was read.
    groups: AtomicU64,
}

/// The times, ids and numbers of the rows of a row group, sorted by time and id.
#[derive(Debug)]
pub(crate) struct Index {
    pub(crate) rows: Vec<(i64, Uuid, u32)>,
}

impl Index {
    fn of(group: &Group<'_>) -> Result<Self, ParquetError> {
        let all = Selection::first(group.rows()?);
        group.fetch(&[Column::Id, Column::Ts], &all)?;
        let ids = decode::required::<FixedLenByteArrayType>(group.reader(), Column::Id, &all)?;
        let times = decode::required::<Int64Type>(group.reader(), Column::Ts, &all)?;
        let rows = times.into_iter().zip(&ids).zip(0..);
        let rows = rows.map(|((ts, id), row)| Ok((ts, decode::uuid(id)?, row)));
        let mut rows: Vec<_> = rows.collect::<Result<_, ParquetError>>()?;
        rows.sort_unstable();
        Ok(Self { rows })
    }
}

impl Files {
    pub(crate) fn new(location: Location) -> Self {
        Self {
            location,
            sidecars: Cache::new(SIDECAR_BYTES, Admission::Few),
            footers: Cache::new(FOOTER_BYTES, Admission::All),
            blooms: Cache::new(BLOOM_BYTES, Admission::All),
            indexes: Cache::new(INDEX_BYTES, Admission::All),
            footers_read: AtomicU64::new(0),
            opened: AtomicU64::new(0),
            groups: AtomicU64::new(0),
        }
    }

    /// Sets the limit of filters and checksums in memory.
    pub(crate) fn set_filter_bytes(&self, bytes: u64) {
        self.sidecars.set_limit(bytes);
    }

    /// Drops what is cached of files that have left the archive.
    pub(crate) fn forget_removed(&self, chain: &Chain) {
        self.footers.retain(|path| chain.files.contains_key(path));
        let files = chain.files.values();
        let filters: std::collections::HashSet<&str> =
            files.map(|file| &*file.file.filter.path).collect();
        self.sidecars.retain(|path| filters.contains(path));
    }

    /// Returns how often a query has opened a file.
    pub(crate) fn opened(&self) -> u64 {
        self.opened.load(Ordering::Relaxed)
    }

    /// Returns how often a query has read a row group.
    pub(crate) fn groups_read(&self) -> u64 {
        self.groups.load(Ordering::Relaxed)
    }

    pub(crate) fn count_group(&self) {
        self.groups.fetch_add(1, Ordering::Relaxed);
    }

    /// Opens a file; `sidecar` is the object beside it, if it was read.
    pub(crate) fn open(
        &self,
        file: &ChainFile,
        sidecar: Option<Arc<Sidecar>>,
    ) -> Result<Arc<Footer>, Error> {
        self.opened.fetch_add(1, Ordering::Relaxed);
        self.footer_with(file, sidecar)
    }

    /// Returns the footer of a file that was opened before.
    pub(crate) fn footer(&self, file: &ChainFile) -> Result<Arc<Footer>, Error> {
        self.footer_with(file, None)
    }

    fn footer_with(
        &self,
        file: &ChainFile,
        sidecar: Option<Arc<Sidecar>>,
    ) -> Result<Arc<Footer>, Error> {
        let path = &file.file.path;
        self.footers.get(path, || {
            let sidecar = sidecar.map_or_else(|| self.sidecar(file), Ok)?;
            let remote = RemoteFile::open(&self.location, path, file.file.bytes, sidecar)?;
            let failed = Error::parquet(path);
            let metadata = ParquetMetaDataReader::new()
                .with_page_index_policy(PageIndexPolicy::Required)
                .parse_and_finish(&remote)
                .map_err(&failed)?;
            if !is_schema(metadata.file_metadata().schema_descr()).map_err(&failed)? {
                let detail = "it has other columns than a file of an archive";
                return Err(Error::corrupt(&**path, detail));
            }
            let rows = metadata.row_groups().iter().try_fold(0_u64, |rows, group| {
                rows.checked_add(u64::try_from(group.num_rows()).ok()?)
            });
            if rows != Some(file.file.rows) {
                let detail = "it does not have as many rows as its manifest describes";
                return Err(Error::corrupt(&**path, detail));
            }
            let bytes = remote.bytes() + metadata.memory_size() as u64;
            let file = remote;
            let number = self.footers_read.fetch_add(1, Ordering::Relaxed);
            let footer = Footer {
                number,
                file,
                metadata,
            };
            Ok((footer, bytes))
        })
    }

    /// Returns the filter and the checksums of a file.
    fn sidecar(&self, file: &ChainFile) -> Result<Arc<Sidecar>, Error> {
        let described = &file.file.filter;
        self.sidecars.get(&described.path, || {
            let sidecar = Sidecar::open(&self.location, described, file.file.bytes)?;
            Ok((sidecar, described.bytes))
        })
    }

    /// Returns the filters of some files. Those that are not in memory are read at once.
    pub(crate) fn sidecars(&self, files: &[Arc<ChainFile>]) -> Result<Vec<Arc<Sidecar>>, Error> {
        let cached = files.iter().map(|file| {
            let filter = self.sidecars.find(&file.file.filter.path);
            (file, filter)
        });
        let mut found: Vec<_> = cached.collect();
        let missing = found.iter_mut().filter(|(_, filter)| filter.is_none());
        let missing: Vec<_> = missing.collect();
        if missing.len() > 1 {
            let paths: Vec<String> = missing
                .iter()
                .map(|(file, _)| file.file.filter.path.clone())
                .collect();
            // After an error they are read one by one, for the error of the one that failed.
            let read = self.location.get_all(&paths).unwrap_or_default();
            for ((file, filter), bytes) in missing.into_iter().zip(read) {
                let described = &file.file.filter;
                let sidecar = Sidecar::read(bytes, described, file.file.bytes)?;
                let sidecar = self.sidecars.add(&described.path, sidecar, described.bytes);
                *filter = Some(sidecar);
            }
        }
        let found = found.into_iter().map(|(file, filter)| match filter {
            Some(filter) => Ok(filter),
            None => self.sidecar(file),
        });
        found.collect()
    }

    /// Returns the sorted rows of a row group, for queries without conditions on other columns.
    pub(crate) fn index(&self, footer: &Footer, group: usize) -> Result<Arc<Index>, ParquetError> {
        self.indexes.get(&(footer.number, group), || {
            let index = Index::of(&Group::new(footer, group)?)?;
            let bytes = size_of_val(&index.rows[..]) as u64;
            Ok((index, bytes))
        })
    }

    /// Returns whether a column of a row group may have a value, as far as its Bloom filter says.
    pub(crate) fn may_be_in_group(
        &self,
        path: &str,
        footer: &Footer,
        index: usize,
        column: Column,
        value: &[u8],
    ) -> Result<bool, Error> {
        if footer.metadata.num_row_groups() == 1 {
            // The filter beside the file has the same keys.
            return Ok(true);
        }
        let key = (footer.number, index, column.index());
        let bloom = self.blooms.get(&key, || {
            let column = footer.metadata.row_group(index).column(column.index());
            let bloom = Sbbf::read_from_column_chunk(column, &footer.file)?;
            let bytes = column.bloom_filter_length().unwrap_or(0);
            Ok((bloom, u64::try_from(bytes).unwrap_or(0)))
        });
        let bloom = bloom.map_err(Error::parquet(path))?;
        Ok(bloom
            .as_ref()
            .as_ref()
            .is_none_or(|bloom| bloom.check(value)))
    }
}

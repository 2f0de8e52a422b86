//! Reads the entries of a query from the files of an archive, in the order of the query.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use audit_core::{LogEntry, Query};
use bytes::Bytes;
use parquet::data_type::{FixedLenByteArrayType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::ReaderProperties;
use parquet::file::reader::{FileReader as _, RowGroupReader};
use parquet::file::serialized_reader::{ReadOptionsBuilder, SerializedFileReader};
use uuid::Uuid;

use crate::cache::Cache;
use crate::chain::{Chain, ChainFile};
use crate::decode::{self, Selection};
use crate::error::Error;
use crate::location::Location;
use crate::remote::RemoteFile;
use crate::schema::{Column, is_schema};
use crate::sidecar::Sidecar;
use crate::wanted::{SortKey, Wanted};

/// The limit of filters and checksums in memory, in bytes.
const SIDECAR_BYTES: u64 = 128 << 20;
/// The limit of footers in memory, in bytes.
const FOOTER_BYTES: u64 = 64 << 20;
/// The numbers of bodies that are read at once from a row group: the first time and at most.
const BODIES: (usize, usize) = (8, 2_048);

pub(crate) type Footer = SerializedFileReader<RemoteFile>;

/// An entry that was found, and its bytes.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) entry: LogEntry,
    pub(crate) body: Bytes,
}

/// The files of an archive, with a cache of their filters, checksums and footers.
#[derive(Debug)]
pub(crate) struct Files {
    location: Location,
    sidecars: Cache<Sidecar>,
    footers: Cache<FooterOf>,
    /// How often a file was opened.
    opened: AtomicU64,
    /// How often a row group was read.
    groups: AtomicU64,
}

/// A reader that has read the footer of its file.
pub(crate) struct FooterOf(pub(crate) Footer);

impl std::fmt::Debug for FooterOf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FooterOf")
    }
}

/// The first entries of a query that were found so far.
struct First<'q> {
    query: &'q Query,
    wanted: &'q Wanted,
    limit: usize,
    found: BTreeMap<SortKey, Found>,
}

impl First<'_> {
    /// Returns whether an entry with a key would be among the first.
    fn takes(&self, key: SortKey) -> bool {
        self.found.len() < self.limit
            || self
                .last()
                .is_some_and(|last| self.wanted.precedes(key, last))
    }

    /// Returns whether no entry between two times would be among the first.
    fn is_done_with(&self, min_ts: i64, max_ts: i64) -> bool {
        self.found.len() >= self.limit
            && self.last().is_none_or(|(ts, _)| {
                if self.wanted.newest_first {
                    max_ts < ts
                } else {
                    min_ts > ts
                }
            })
    }

    fn last(&self) -> Option<SortKey> {
        let last = if self.wanted.newest_first {
            self.found.first_key_value()
        } else {
            self.found.last_key_value()
        };
        last.map(|(key, _)| *key)
    }

    fn add(&mut self, key: SortKey, body: Bytes, path: &str) -> Result<(), Error> {
        let text = std::str::from_utf8(&body).map_err(|error| Error::corrupt(path, error))?;
        let entry = LogEntry::from_json(text).map_err(|error| Error::corrupt(path, error))?;
        if (entry.timestamp.timestamp_micros(), entry.id) != key {
            let detail = format!("the body of entry {} is of another entry", key.1);
            return Err(Error::corrupt(path, detail));
        }
        if self.query.matches(&entry) {
            self.found.insert(key, Found { entry, body });
            if self.found.len() > self.limit {
                if self.wanted.newest_first {
                    self.found.pop_first();
                } else {
                    self.found.pop_last();
                }
            }
        }
        Ok(())
    }
}

impl Files {
    pub(crate) fn new(location: Location) -> Self {
        Self {
            location,
            sidecars: Cache::new(SIDECAR_BYTES),
            footers: Cache::new(FOOTER_BYTES),
            opened: AtomicU64::new(0),
            groups: AtomicU64::new(0),
        }
    }

    /// Returns how often a query has opened a file.
    pub(crate) fn opened(&self) -> u64 {
        self.opened.load(Ordering::Relaxed)
    }

    /// Returns how often a query has read a row group.
    pub(crate) fn groups_read(&self) -> u64 {
        self.groups.load(Ordering::Relaxed)
    }

    /// Returns the first `limit` entries of a query after its cursor, in its order.
    pub(crate) fn find(
        &self,
        chain: &Chain,
        query: &Query,
        limit: usize,
    ) -> Result<Vec<Found>, Error> {
        let wanted = Wanted::of(query);
        let mut first = First {
            query,
            wanted: &wanted,
            limit,
            found: BTreeMap::new(),
        };
        for file in candidates(chain, &wanted) {
            let (min, max) = (file.file.min_ts, file.file.max_ts);
            if limit == 0 || first.is_done_with(min, max) {
                // All later files are further away.
                break;
            }
            if self.may_have(file, &wanted)? {
                self.scan(file, &mut first)?;
            }
        }
        let found = first.found.into_values();
        Ok(if wanted.newest_first {
            found.rev().collect()
        } else {
            found.collect()
        })
    }

    /// Counts the entries of a query that conditions on columns decide exactly.
    pub(crate) fn count(&self, chain: &Chain, wanted: &Wanted) -> Result<u64, Error> {
        let mut files = candidates(chain, wanted);
        files.sort_by_key(|file| file.file.min_ts);
        let mut count = 0;
        // Files whose times overlap may have an entry twice. These are their entries.
        let mut keys: Vec<SortKey> = Vec::new();
        let mut end = i64::MIN;
        for file in files {
            if file.file.min_ts > end {
                count += distinct(&mut keys);
            }
            end = end.max(file.file.max_ts);
            if self.may_have(file, wanted)? {
                let footer = self.footer(file)?;
                for index in 0..footer.0.num_row_groups() {
                    let group = group(file, &footer, index, wanted)?;
                    if let Some(group) = group {
                        self.groups.fetch_add(1, Ordering::Relaxed);
                        let rows =
                            rows(&*group, wanted).map_err(Error::parquet(&file.file.path))?;
                        keys.extend(rows.into_iter().map(|(key, _)| key));
                    }
                }
            }
        }
        Ok(count + distinct(&mut keys))
    }

    /// Returns whether a file may have an entry, as far as its filter says.
    fn may_have(&self, file: &ChainFile, wanted: &Wanted) -> Result<bool, Error> {
        if !wanted.has_keys() {
            return Ok(true);
        }
        Ok(wanted.may_be_in_filter(&self.sidecar(file)?.filter))
    }

    fn sidecar(&self, file: &ChainFile) -> Result<Arc<Sidecar>, Error> {
        let described = &file.file.filter;
        self.sidecars.get(&described.path, || {
            let sidecar = Sidecar::open(&self.location, described, file.file.bytes)?;
            Ok((sidecar, described.bytes))
        })
    }

    pub(crate) fn footer(&self, file: &ChainFile) -> Result<Arc<FooterOf>, Error> {
        let path = &file.file.path;
        self.opened.fetch_add(1, Ordering::Relaxed);
        self.footers.get(path, || {
            let sidecar = self.sidecar(file)?;
            let remote = RemoteFile::open(&self.location, path, file.file.bytes, sidecar)?;
            let mut bytes = remote.bytes();
            let options = ReadOptionsBuilder::new()
                .with_page_index()
                .with_reader_properties(
                    ReaderProperties::builder()
                        .set_read_bloom_filter(true)
                        .build(),
                )
                .build();
            let failed = Error::parquet(path);
            let footer =
                SerializedFileReader::new_with_options(remote, options).map_err(&failed)?;
            let metadata = footer.metadata();
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
            bytes += metadata.memory_size() as u64;
            Ok((FooterOf(footer), bytes))
        })
    }

    fn scan(&self, file: &ChainFile, first: &mut First<'_>) -> Result<(), Error> {
        let footer = self.footer(file)?;
        for index in 0..footer.0.num_row_groups() {
            first.query.check()?;
            let Some(group) = group(file, &footer, index, first.wanted)? else {
                continue;
            };
            self.groups.fetch_add(1, Ordering::Relaxed);
            scan_group(&*group, &file.file.path, first)?;
        }
        Ok(())
    }
}

/// Returns a row group that may have an entry.
fn group<'f>(
    file: &ChainFile,
    footer: &'f FooterOf,
    index: usize,
    wanted: &Wanted,
) -> Result<Option<Box<dyn RowGroupReader + 'f>>, Error> {
    if !wanted.may_be_in_group(footer.0.metadata().row_group(index)) {
        return Ok(None);
    }
    let group = footer
        .0
        .get_row_group(index)
        .map_err(Error::parquet(&file.file.path))?;
    let may_have = wanted.may_be_in_bloom_filters(|column| group.get_column_bloom_filter(column));
    Ok(may_have.then_some(group))
}

/// Adds the entries of a row group, those first that come first in the order of the query.
fn scan_group(group: &dyn RowGroupReader, path: &str, first: &mut First<'_>) -> Result<(), Error> {
    let failed = Error::parquet(path);
    let mut rows = rows(group, first.wanted).map_err(&failed)?;
    rows.retain(|(key, _)| first.takes(*key) && !first.found.contains_key(key));
    rows.sort_unstable_by_key(|(key, _)| *key);
    if first.wanted.newest_first {
        rows.reverse();
    }
    let mut rest = &rows[..];
    // More each time, for conditions that only bodies decide.
    let mut at_once = first.limit.clamp(BODIES.0, BODIES.1);
    while !rest.is_empty() {
        first.query.check()?;
        let (part, after) = rest.split_at(at_once.min(rest.len()));
        rest = after;
        at_once = (at_once * 2).min(BODIES.1);
        let mut part: Vec<_> = part.iter().filter(|(key, _)| first.takes(*key)).collect();
        if part.is_empty() {
            break;
        }
        part.sort_unstable_by_key(|(_, row)| *row);
        let selection = Selection::of(part.iter().map(|(_, row)| *row));
        let bodies = decode::bodies(group, &selection).map_err(&failed)?;
        for ((key, _), body) in part.iter().zip(bodies) {
            first.add(*key, body, path)?;
        }
    }
    Ok(())
}

/// Returns the rows of a row group that meet the conditions on columns.
fn rows(
    group: &dyn RowGroupReader,
    wanted: &Wanted,
) -> Result<Vec<(SortKey, usize)>, ParquetError> {
    let all = Selection::all(group)?;
    let times = decode::required::<Int64Type>(group, Column::Ts, &all)?;
    let mut meets = vec![true; times.len()];
    for (column, value) in &wanted.texts {
        let texts = decode::texts(group, *column, &all)?;
        keep(&mut meets, texts.iter().map(|text| text == value));
    }
    for (column, value) in &wanted.optional_texts {
        let texts = decode::optional_texts(group, *column, &all)?;
        keep(
            &mut meets,
            texts.iter().map(|text| text.as_ref() == Some(value)),
        );
    }
    if let Some(id) = wanted.transaction_id {
        let ids = decode::optional::<FixedLenByteArrayType>(group, Column::TransactionId, &all)?;
        let is_id = |found: &parquet::data_type::FixedLenByteArray| found.data() == id.as_bytes();
        keep(
            &mut meets,
            ids.iter().map(|found| found.as_ref().is_some_and(is_id)),
        );
    }
    if !wanted.fields.is_empty() {
        let lists = decode::lists(group, Column::Fields, &all)?;
        let has = |list: &Vec<String>| wanted.fields.iter().all(|field| list.contains(field));
        keep(&mut meets, lists.iter().map(has));
    }
    if !meets.contains(&true) {
        return Ok(Vec::new());
    }
    let selection = Selection::of((0..meets.len()).filter(|row| meets[*row]));
    let ids = decode::required::<FixedLenByteArrayType>(group, Column::Id, &selection)?;
    let ids: Vec<Uuid> = ids.iter().map(decode::uuid).collect::<Result<_, _>>()?;
    let rows = (0..meets.len()).filter(|row| meets[*row]);
    let rows = rows.zip(ids).map(|(row, id)| ((times[row], id), row));
    Ok(rows.filter(|(key, _)| wanted.admits(*key)).collect())
}

fn keep(meets: &mut [bool], rows: impl Iterator<Item = bool>) {
    for (meets, row) in meets.iter_mut().zip(rows) {
        *meets &= row;
    }
}

/// Returns the files that may have an entry, the first in the order of the query first.
fn candidates<'c>(chain: &'c Chain, wanted: &Wanted) -> Vec<&'c ChainFile> {
    let files = chain.files.values().map(|file| &**file);
    let mut files: Vec<&ChainFile> = files
        .filter(|file| wanted.may_be_in_file(&file.file))
        .collect();
    if wanted.newest_first {
        files.sort_by_key(|file| std::cmp::Reverse(file.file.max_ts));
    } else {
        files.sort_by_key(|file| file.file.min_ts);
    }
    files
}

/// Returns how many different keys there are, and removes them.
fn distinct(keys: &mut Vec<SortKey>) -> u64 {
    keys.sort_unstable();
    keys.dedup();
    let count = keys.len() as u64;
    keys.clear();
    count
}

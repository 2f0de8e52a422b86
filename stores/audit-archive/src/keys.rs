//! The rows of an archive that may be entries of a query, in the order of the query.
//!
//! The columns with conditions, the times and the ids of a file are decoded once. Files are read in the order of
//! their first times: a row is ready when no file that was not read yet can have an earlier one. If more rows
//! precede it than are held, the first ones are kept and the files are read again after them.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use audit_core::Query;
use parquet::data_type::{ByteArrayType, FixedLenByteArray, FixedLenByteArrayType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::statistics::Statistics;
use uuid::Uuid;

use crate::chain::{Chain, ChainFile};
use crate::decode::{self, Selection};
use crate::error::Error;
use crate::files::{Files, Index};
use crate::group::{Footer, Group};
use crate::parallel::{Threads, each_of};
use crate::schema::Column;
use crate::sidecar::Sidecar;
use crate::wanted::{Rank, SortKey, Wanted};

/// The count of rows that are held, if the query has no lower limit: 16 MiB.
const HELD: usize = 1 << 19;
/// The number of filters that are read at once: the first time and at most.
const FILTERS: (usize, usize) = (16, 256);
/// The number of rows whose ids are read together with the columns of the conditions.
const AT_ONCE: usize = 4_096;

/// A row that may be an entry of the query.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) rank: Rank,
    /// The index of its row group among those of [`Keys`].
    pub(crate) unit: u32,
    pub(crate) row: u32,
}

/// A file that is opened, and its filter if it was read.
type Opened = (Arc<ChainFile>, Option<Arc<Sidecar>>);
/// Rows, and the rank up to which they are all that there are.
type RowsUpTo = (Vec<(Rank, u32)>, Option<Rank>);

/// A row group of a file.
#[derive(Clone, Debug)]
pub(crate) struct Unit {
    pub(crate) file: Arc<ChainFile>,
    pub(crate) group: usize,
    /// The average count of bytes of a body.
    pub(crate) body: u64,
}

/// The rows of a query.
#[derive(Debug)]
pub(crate) struct Keys {
    pub(crate) wanted: Wanted,
    /// The files that were not read yet, by their first times.
    files: VecDeque<Arc<ChainFile>>,
    /// The filters of the first files, which do not exclude the query.
    filters: VecDeque<Arc<Sidecar>>,
    /// The numbers of filters and of files that are read next.
    filters_at_once: usize,
    files_at_once: usize,
    /// The files that were read and may have rows after `end`.
    read: Vec<Arc<ChainFile>>,
    pub(crate) units: Vec<Unit>,
    /// The rows that were read, sorted, and the number of those that were taken.
    held: Vec<Key>,
    taken: usize,
    /// The maximum number of rows that are held.
    limit: usize,
    /// Rows up to here were taken.
    after: Option<Rank>,
    /// Rows after it are not held, although their files were read.
    end: Option<Rank>,
    /// Rows that are left out.
    pub(crate) excluded: BTreeSet<SortKey>,
}

impl Keys {
    /// Creates the rows of a query, of which about `limit` are needed if its conditions are exact.
    pub(crate) fn new(
        chain: &Chain,
        wanted: Wanted,
        limit: usize,
        excluded: BTreeSet<SortKey>,
    ) -> Self {
        let mut files = Vec::new();
        // Most pages of a `Federated` are newer than all of the files.
        if wanted.may_be_in_times(i64::MIN, chain.newest) {
            let all = chain.files.values();
            files.extend(
                all.filter(|file| wanted.may_be_in_file(&file.file))
                    .cloned(),
            );
        }
        files.sort_by_key(|file| range(&wanted, file).0);
        let limit = if wanted.exact {
            limit.saturating_add(excluded.len()).clamp(1, HELD)
        } else {
            HELD
        };
        Self {
            after: wanted.cursor.map(|cursor| wanted.rank(cursor)),
            wanted,
            files: files.into(),
            filters: VecDeque::new(),
            filters_at_once: FILTERS.0,
            files_at_once: 1,
            read: Vec::new(),
            units: Vec::new(),
            held: Vec::new(),
            taken: 0,
            limit,
            end: None,
            excluded,
        }
    }

    /// Returns the next rows, at most `count`; none at the end.
    pub(crate) fn take(
        &mut self,
        files: &Files,
        query: &Query,
        count: usize,
    ) -> Result<&[Key], Error> {
        loop {
            self.filter_files(files, query)?;
            let next = self.files.front();
            let next = next.map(|file| range(&self.wanted, file).0);
            let end = self.end.map_or(i64::MAX, |end| end.0);
            let ready = match next {
                Some(next) => {
                    let rest = &self.held[self.taken..];
                    rest.partition_point(|key| key.rank.0 < next)
                }
                None => self.held.len() - self.taken,
            };
            let is_last = next.is_none_or(|next| next > end);
            if ready >= count || (ready > 0 && is_last) {
                let first = self.taken;
                self.taken += ready.min(count);
                self.after = Some(self.held[self.taken - 1].rank);
                return Ok(&self.held[first..self.taken]);
            }
            if !is_last {
                self.read_next(files, query)?;
            } else if self.end.is_some() {
                self.read_again(files, query)?;
            } else {
                return Ok(&[]);
            }
        }
    }

    /// Returns the last rows that were taken to those that are taken next.
    pub(crate) fn put_back(&mut self, count: usize) {
        self.taken -= count.min(self.taken);
    }

    /// Drops the next files as long as their filters exclude the query.
    fn filter_files(&mut self, files: &Files, query: &Query) -> Result<(), Error> {
        if !self.wanted.has_keys() {
            return Ok(());
        }
        while self.filters.is_empty() && !self.files.is_empty() {
            query.check()?;
            let rest = self
                .files
                .split_off(self.filters_at_once.min(self.files.len()));
            let tested: Vec<_> = std::mem::replace(&mut self.files, rest).into();
            let filters = files.sidecars(&tested)?;
            for (file, sidecar) in tested.into_iter().zip(filters).rev() {
                if self.wanted.may_be_in_filter(&sidecar.filter) {
                    self.files.push_front(file);
                    self.filters.push_front(sidecar);
                }
            }
            self.filters_at_once = (2 * self.filters_at_once).min(FILTERS.1);
        }
        Ok(())
    }

    /// Reads the rows of the next files.
    fn read_next(&mut self, files: &Files, query: &Query) -> Result<(), Error> {
        if self.taken == self.held.len() {
            self.held.clear();
            self.taken = 0;
            self.units.clear();
            if self.end.is_none() {
                self.read.clear();
            }
        }
        let mut opened = Vec::new();
        let end = self.end.map_or(i64::MAX, |end| end.0);
        while opened.len() < self.files_at_once
            && let Some(file) = self.files.front()
            && range(&self.wanted, file).0 <= end
        {
            let filter = self.filters.pop_front();
            opened.extend(self.files.pop_front().map(|file| (file, filter)));
            if self.wanted.has_keys() && self.filters.is_empty() {
                break;
            }
        }
        if self.wanted.has_keys() {
            // Most of these files have an entry.
            self.files_at_once = (2 * self.files_at_once).min(Threads::Reading.count());
        }
        self.add_rows(&opened, files, query)?;
        self.read.extend(opened.into_iter().map(|(file, _)| file));
        self.sort();
        Ok(())
    }

    /// Reads the rows after those that were held.
    fn read_again(&mut self, files: &Files, query: &Query) -> Result<(), Error> {
        let Some(end) = self.end.take() else {
            return Ok(());
        };
        self.after = Some(end);
        self.held.clear();
        self.taken = 0;
        self.units.clear();
        // Those that take one page are not followed by others in most cases.
        self.limit = HELD;
        let mut read = std::mem::take(&mut self.read);
        read.retain(|file| range(&self.wanted, file).1 >= end.0);
        let opened: Vec<Opened> = read.into_iter().map(|file| (file, None)).collect();
        for opened in opened.chunks(Threads::Reading.count()) {
            self.add_rows(opened, files, query)?;
        }
        self.read = opened.into_iter().map(|(file, _)| file).collect();
        self.sort();
        Ok(())
    }

    fn sort(&mut self) {
        self.held.drain(..self.taken);
        self.taken = 0;
        self.shorten();
        self.held.sort_unstable();
        if self.wanted.exact {
            // Of an entry that was archived twice, the first row.
            self.held.dedup_by_key(|key| key.rank);
        }
    }

    /// Drops the rows that are more than are held.
    fn shorten(&mut self) {
        if self.held.len() - self.taken > self.limit {
            let (_, last, _) = self.held[self.taken..].select_nth_unstable(self.limit - 1);
            let last = last.rank;
            self.set_end(last);
        }
        if let Some(end) = self.end {
            self.held.retain(|key| key.rank <= end);
        }
    }

    fn set_end(&mut self, end: Rank) {
        self.end = Some(self.end.map_or(end, |before| before.min(end)));
    }

    /// Adds the rows of files.
    fn add_rows(&mut self, opened: &[Opened], files: &Files, query: &Query) -> Result<(), Error> {
        query.check()?;
        let footers = each_of(opened.len(), Threads::Reading, |index| {
            let (file, filter) = &opened[index];
            files.open(file, filter.clone())
        });
        let footers: Vec<Arc<Footer>> = footers.into_iter().collect::<Result<_, _>>()?;
        let groups = opened.iter().zip(&footers).flat_map(|((file, _), footer)| {
            let groups = 0..footer.metadata.num_row_groups();
            groups.map(move |group| (file, &**footer, group))
        });
        let groups: Vec<(&Arc<ChainFile>, &Footer, usize)> = groups.collect();
        // With a limit, the rows of a row group may exclude the next one.
        let at_once = if self.limit < HELD && !self.wanted.has_keys() {
            1
        } else {
            Threads::Reading.count()
        };
        for part in groups.chunks(at_once) {
            query.check()?;
            let found = each_of(part.len(), Threads::Reading, |index| {
                let (file, footer, group) = part[index];
                self.rows_of(&file.file.path, footer, group, files)
            });
            for ((file, footer, group), found) in part.iter().zip(found) {
                self.add_group(file, footer, *group, found?)?;
            }
            if self.held.len() - self.taken > self.limit.saturating_mul(2) {
                self.held.drain(..self.taken);
                self.taken = 0;
                self.shorten();
            }
        }
        Ok(())
    }

    fn add_group(
        &mut self,
        file: &Arc<ChainFile>,
        footer: &Footer,
        group: usize,
        (rows, cut): RowsUpTo,
    ) -> Result<(), Error> {
        if let Some(end) = cut {
            self.set_end(end);
        }
        if rows.is_empty() {
            return Ok(());
        }
        let unit = u32::try_from(self.units.len());
        let unit = unit.map_err(|error| Error::corrupt(&*file.file.path, error))?;
        let metadata = footer.metadata.row_group(group);
        let bytes = metadata.column(Column::Body.index()).uncompressed_size();
        self.units.push(Unit {
            file: Arc::clone(file),
            group,
            body: u64::try_from(bytes / metadata.num_rows().max(1)).unwrap_or(0),
        });
        let rows = rows.into_iter();
        self.held
            .extend(rows.map(|(rank, row)| Key { rank, unit, row }));
        Ok(())
    }

    /// Returns the rows of a row group, unless its statistics or Bloom filters exclude the query.
    fn rows_of(
        &self,
        path: &str,
        footer: &Footer,
        index: usize,
        files: &Files,
    ) -> Result<RowsUpTo, Error> {
        let none = (Vec::new(), None);
        let metadata = footer.metadata.row_group(index);
        if !self.wanted.may_be_in_group(metadata) {
            return Ok(none);
        }
        let times = match metadata.column(Column::Ts.index()).statistics() {
            Some(Statistics::Int64(times)) => times.min_opt().zip(times.max_opt()),
            _ => None,
        };
        let times = times.map(|(min, max)| self.wanted.in_order(*min, *max));
        if times.is_some_and(|(first, last)| {
            self.end.is_some_and(|end| first > end.0)
                || self.after.is_some_and(|after| last < after.0)
        }) {
            return Ok(none);
        }
        for (column, value) in self.wanted.keys() {
            if !files.may_be_in_group(path, footer, index, column, value)? {
                return Ok(none);
            }
        }
        files.count_group();
        let failed = Error::parquet(path);
        if self.limit < HELD && self.wanted.columns().is_empty() {
            let index = files.index(footer, index).map_err(failed)?;
            return Ok(self.sorted_rows(&index));
        }
        let group = Group::new(footer, index).map_err(&failed)?;
        self.rows(&group).map_err(&failed)
    }

    /// Returns the rows of a row group that meet the conditions on columns and are not taken yet. If they are more
    /// than are held, returns those up to a rank, and the rank.
    fn rows(&self, group: &Group<'_>) -> Result<RowsUpTo, ParquetError> {
        let none = (Vec::new(), None);
        let pages = self.wanted.pages(group)?;
        if pages.is_empty() {
            return Ok(none);
        }
        let mut columns = self.wanted.columns();
        columns.push(Column::Ts);
        let has_ids = pages.len() <= AT_ONCE || (columns.len() == 1 && self.limit >= pages.len());
        if has_ids {
            columns.push(Column::Id);
        }
        group.fetch(&columns, &pages)?;
        let mut rows = self.times(group, &pages)?;
        if !rows.is_empty() {
            let meets = self.meets(group, &pages)?;
            rows.retain(|(_, at, _)| meets.get(*at).copied().unwrap_or(false));
        }
        let mut cut = None;
        if rows.len() > self.limit {
            let (_, last, _) = rows.select_nth_unstable_by_key(self.limit - 1, |(time, ..)| *time);
            let time = last.0;
            cut = Some(Rank::end_of(time));
            rows.retain(|row| row.0 <= time);
            rows.sort_unstable_by_key(|(_, at, _)| *at);
        }
        let selection = Selection::of(rows.iter().map(|(.., row)| *row));
        if selection.is_empty() {
            return Ok(none);
        }
        if !has_ids {
            group.fetch(&[Column::Id], &selection)?;
        }
        let ids =
            decode::required::<FixedLenByteArrayType>(group.reader(), Column::Id, &selection)?;
        let mut found = Vec::with_capacity(rows.len());
        for ((time, _, row), id) in rows.into_iter().zip(&ids) {
            let (ts, id) = (self.wanted.in_order(time, time).0, decode::uuid(id)?);
            let rank = self.wanted.rank((ts, id));
            if self.after.is_some_and(|after| rank <= after)
                || self.end.is_some_and(|end| rank > end)
                || self.excluded.contains(&(ts, id))
            {
                continue;
            }
            let row = u32::try_from(row).map_err(|error| decode::invalid(&error.to_string()))?;
            found.push((rank, row));
        }
        Ok((found, cut))
    }

    /// Returns the rows of a query without conditions on columns.
    fn sorted_rows(&self, index: &Index) -> RowsUpTo {
        let times = &self.wanted.times;
        let start = index.rows.partition_point(|row| row.0 < *times.start());
        let end = index.rows.partition_point(|row| row.0 <= *times.end());
        let rows = index.rows[start.min(end)..end].iter();
        let rows: &mut dyn Iterator<Item = &(i64, Uuid, u32)> = if self.wanted.newest_first {
            &mut rows.rev()
        } else {
            &mut { rows }
        };
        let ranked = rows.map(|(ts, id, row)| ((*ts, *id), self.wanted.rank((*ts, *id)), *row));
        let mut found = Vec::new();
        for (key, rank, row) in ranked {
            if self.after.is_some_and(|after| rank <= after) || self.excluded.contains(&key) {
                continue;
            }
            if self.end.is_some_and(|end| rank > end) {
                break;
            }
            if found.len() == self.limit {
                let last = found.last().map(|(rank, _)| *rank);
                return (found, last);
            }
            found.push((rank, row));
        }
        (found, None)
    }

    /// Returns the rows whose times are wanted: the time in the order of the query, the index in the selection, and
    /// the row.
    fn times(
        &self,
        group: &Group<'_>,
        some: &Selection,
    ) -> Result<Vec<(i64, usize, usize)>, ParquetError> {
        let (first, last) = self
            .wanted
            .in_order(*self.wanted.times.start(), *self.wanted.times.end());
        let first = self.after.map_or(first, |after| after.0.max(first));
        let last = self.end.map_or(last, |end| end.0.min(last));
        let times = decode::required::<Int64Type>(group.reader(), Column::Ts, some)?;
        let times = times.iter().map(|ts| self.wanted.in_order(*ts, *ts).0);
        let rows = times.enumerate().zip(some.rows());
        let rows = rows.filter(|((_, time), _)| (first..=last).contains(time));
        Ok(rows.map(|((at, time), row)| (time, at, row)).collect())
    }

    /// Returns whether each of some rows meets the conditions on columns.
    fn meets(&self, group: &Group<'_>, some: &Selection) -> Result<Vec<bool>, ParquetError> {
        let mut meets = vec![true; some.len()];
        let mut keep = |rows: &mut dyn Iterator<Item = bool>| {
            for (meets, row) in meets.iter_mut().zip(rows) {
                *meets &= row;
            }
        };
        let group = group.reader();
        for (column, value) in &self.wanted.texts {
            let texts = decode::required::<ByteArrayType>(group, *column, some)?;
            keep(&mut texts.iter().map(|text| text.data() == value.as_bytes()));
        }
        for (column, value) in &self.wanted.optional_texts {
            let texts = decode::optional::<ByteArrayType>(group, *column, some)?;
            keep(&mut texts.iter().map(|text| {
                text.as_ref()
                    .is_some_and(|text| text.data() == value.as_bytes())
            }));
        }
        if let Some(id) = self.wanted.transaction_id {
            let ids =
                decode::optional::<FixedLenByteArrayType>(group, Column::TransactionId, some)?;
            let is_id = |found: &FixedLenByteArray| found.data() == id.as_bytes();
            keep(&mut ids.iter().map(|found| found.as_ref().is_some_and(is_id)));
        }
        if !self.wanted.fields.is_empty() {
            let lists = decode::lists(group, Column::Fields, some)?;
            let fields = &self.wanted.fields;
            keep(
                &mut lists
                    .iter()
                    .map(|list| fields.iter().all(|field| list.contains(field))),
            );
        }
        Ok(meets)
    }
}

/// Returns the first and the last time of a file in the order of the query.
fn range(wanted: &Wanted, file: &ChainFile) -> (i64, i64) {
    wanted.in_order(file.file.min_ts, file.file.max_ts)
}

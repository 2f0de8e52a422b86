//! Reads entries of an archive by id, and the names of its models.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use audit_core::LogEntry;
use audit_core::backend::projection::{id_range, id_suffix};
use audit_sql::postgres::key;
use parquet::data_type::FixedLenByteArrayType;
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader as _, RowGroupReader};
use parquet::file::statistics::Statistics;
use uuid::Uuid;

use crate::chain::{Chain, ChainFile};
use crate::decode::{self, Selection};
use crate::error::Error;
use crate::schema::Column;
use crate::store::ArchiveStore;

/// The first character of the escapes in the key form of a text.
const ESCAPE: char = '\u{1}';

impl ArchiveStore {
    /// Returns the entries that have one of the ids, ordered by id.
    pub(crate) fn by_ids(&self, ids: &BTreeSet<Uuid>) -> Result<Vec<LogEntry>, Error> {
        match (ids.first(), ids.last()) {
            (Some(first), Some(last)) => {
                self.with_ids(*first..=*last, usize::MAX, |id| ids.contains(&id))
            }
            _ => Ok(Vec::new()),
        }
    }

    /// Returns the entries whose id begins with some digits, ordered by id.
    pub(crate) fn with_id_prefix(
        &self,
        prefix: &str,
        limit: usize,
    ) -> Result<Vec<LogEntry>, Error> {
        match id_range(prefix) {
            Some([first, last]) => self.with_ids(first..=last, limit, |_| true),
            None => Ok(Vec::new()),
        }
    }

    /// Returns the entries whose id ends with some digits, ordered by id. Reads the ids of all files.
    pub(crate) fn with_id_suffix(
        &self,
        suffix: &str,
        limit: usize,
    ) -> Result<Vec<LogEntry>, Error> {
        match id_suffix(suffix) {
            Some(digits) => {
                let ends = |id: Uuid| id.simple().to_string().ends_with(&digits);
                self.with_ids(Uuid::nil()..=Uuid::max(), limit, ends)
            }
            None => Ok(Vec::new()),
        }
    }

    /// Returns the first entries by id that are in a range and meet a condition.
    fn with_ids(
        &self,
        range: RangeInclusive<Uuid>,
        limit: usize,
        wanted: impl Fn(Uuid) -> bool,
    ) -> Result<Vec<LogEntry>, Error> {
        self.read(|chain| self.with_ids_of(chain, &range, limit, &wanted))
    }

    fn with_ids_of(
        &self,
        chain: &Chain,
        range: &RangeInclusive<Uuid>,
        limit: usize,
        wanted: impl Fn(Uuid) -> bool,
    ) -> Result<Vec<LogEntry>, Error> {
        let files = chain.files.values().map(|file| &**file);
        let overlaps = |file: &&ChainFile| {
            file.file.min_id <= *range.end() && file.file.max_id >= *range.start()
        };
        let mut files: Vec<&ChainFile> = files.filter(overlaps).collect();
        files.sort_by_key(|file| file.file.min_id);
        let mut found: BTreeMap<Uuid, LogEntry> = BTreeMap::new();
        for file in files {
            let is_full = found.len() >= limit;
            if is_full
                && found
                    .last_key_value()
                    .is_none_or(|(id, _)| *id < file.file.min_id)
            {
                break;
            }
            let path = &*file.file.path;
            self.each_group(file, |group| {
                if !may_have(group, range) {
                    return Ok(());
                }
                let failed = Error::parquet(path);
                let mut rows = ids(group).map_err(&failed)?;
                rows.retain(|(id, _)| range.contains(id) && wanted(*id) && !found.contains_key(id));
                rows.sort_unstable();
                // A compacted file may have an entry more than once.
                rows.dedup_by_key(|(id, _)| *id);
                rows.truncate(limit);
                // Rows are read in the order of the file.
                rows.sort_unstable_by_key(|(_, row)| *row);
                let selection = Selection::of(rows.iter().map(|(_, row)| *row));
                let bodies = decode::bodies(group, &selection).map_err(&failed)?;
                for ((id, _), body) in rows.iter().zip(bodies) {
                    let entry = read(&body, path)?;
                    if entry.id != *id {
                        let detail = format!("the body of entry {id} is of another entry");
                        return Err(Error::corrupt(path, detail));
                    }
                    found.insert(*id, entry);
                }
                while found.len() > limit {
                    found.pop_last();
                }
                Ok(())
            })?;
        }
        Ok(found.into_values().collect())
    }

    /// Adds the stored names of the archive's models. Files are opened only for names that the
    /// manifests do not have in full.
    pub(crate) fn add_models(&self, models: &mut BTreeSet<String>) -> Result<(), Error> {
        models.append(&mut self.read(|chain| self.with_models_of(chain, models.clone()))?);
        Ok(())
    }

    fn with_models_of(
        &self,
        chain: &Chain,
        mut models: BTreeSet<String>,
    ) -> Result<BTreeSet<String>, Error> {
        let mut known: BTreeSet<String> =
            models.iter().map(|model| key(model).into_owned()).collect();
        for file in chain.files.values() {
            if let Some(keys) = &file.file.models {
                for model in keys.iter().filter(|key| !key.contains(ESCAPE)) {
                    models.insert(model.clone());
                    known.insert(model.clone());
                }
                if keys.iter().all(|key| known.contains(key)) {
                    continue;
                }
            }
            let path = &*file.file.path;
            self.each_group(file, |group| {
                let failed = Error::parquet(path);
                let all = Selection::all(group).map_err(&failed)?;
                let keys = decode::texts(group, Column::Model, &all).map_err(&failed)?;
                for (row, key) in keys.into_iter().enumerate() {
                    if known.contains(&key) {
                        continue;
                    }
                    let row = Selection::of([row]);
                    for body in decode::bodies(group, &row).map_err(&failed)? {
                        models.insert(read(&body, path)?.model);
                    }
                    known.insert(key);
                }
                Ok(())
            })?;
        }
        Ok(models)
    }

    fn each_group(
        &self,
        file: &ChainFile,
        mut run: impl FnMut(&dyn RowGroupReader) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let footer = self.files().footer(file)?;
        for index in 0..footer.0.num_row_groups() {
            let group = footer.0.get_row_group(index);
            run(&*group.map_err(Error::parquet(&file.file.path))?)?;
        }
        Ok(())
    }
}

/// Returns whether a row group may have an id of a range, as far as its statistics say.
fn may_have(group: &dyn RowGroupReader, range: &RangeInclusive<Uuid>) -> bool {
    let statistics = group.metadata().column(Column::Id.index()).statistics();
    let min = statistics.and_then(Statistics::min_bytes_opt);
    let max = statistics.and_then(Statistics::max_bytes_opt);
    min.is_none_or(|min| min <= &range.end().as_bytes()[..])
        && max.is_none_or(|max| max >= &range.start().as_bytes()[..])
}

/// Returns the ids of a row group with their rows.
fn ids(group: &dyn RowGroupReader) -> Result<Vec<(Uuid, usize)>, ParquetError> {
    let all = Selection::all(group)?;
    let ids = decode::required::<FixedLenByteArrayType>(group, Column::Id, &all)?;
    let ids = ids.iter().enumerate();
    ids.map(|(row, id)| Ok((decode::uuid(id)?, row))).collect()
}

fn read(body: &[u8], path: &str) -> Result<LogEntry, Error> {
    let text = std::str::from_utf8(body).map_err(|error| Error::corrupt(path, error))?;
    LogEntry::from_json(text).map_err(|error| Error::corrupt(path, error))
}

//! Reads entries of an archive by id, and the names of its models.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use audit_core::LogEntry;
use audit_core::backend::projection::{id_range, id_suffix};
use audit_sql::postgres::key;
use bytes::Bytes;
use parquet::data_type::FixedLenByteArrayType;
use parquet::errors::ParquetError;
use parquet::file::metadata::RowGroupMetaData;
use uuid::Uuid;

use crate::chain::{Chain, ChainFile};
use crate::decode::{self, Selection};
use crate::error::Error;
use crate::group::Group;
use crate::reader::parse;
use crate::schema::Column;
use crate::store::ArchiveStore;

/// The first character of the escapes in the key form of a text.
const ESCAPE: char = '\u{1}';

impl ArchiveStore {
    /// Returns the entries that have one of the ids, ordered by id.
    pub(crate) fn by_ids(&self, ids: &BTreeSet<Uuid>) -> Result<Vec<LogEntry>, Error> {
        let may_have = |range: RangeInclusive<Uuid>| ids.range(range).next().is_some();
        self.with_ids(usize::MAX, may_have, |id| ids.contains(&id))
    }

    /// Returns the entries whose id begins with some digits, ordered by id.
    pub(crate) fn with_id_prefix(
        &self,
        prefix: &str,
        limit: usize,
    ) -> Result<Vec<LogEntry>, Error> {
        match id_range(prefix) {
            Some([first, last]) => {
                let may_have =
                    |range: RangeInclusive<Uuid>| *range.start() <= last && *range.end() >= first;
                self.with_ids(limit, may_have, |id| (first..=last).contains(&id))
            }
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
                self.with_ids(limit, |_| true, ends)
            }
            None => Ok(Vec::new()),
        }
    }

    /// Returns the first entries by id that meet a condition. Only files and row groups are read whose range of ids
    /// may have one.
    fn with_ids(
        &self,
        limit: usize,
        may_have: impl Fn(RangeInclusive<Uuid>) -> bool,
        wanted: impl Fn(Uuid) -> bool,
    ) -> Result<Vec<LogEntry>, Error> {
        self.read(|chain| self.with_ids_of(chain, limit, &may_have, &wanted))
    }

    fn with_ids_of(
        &self,
        chain: &Chain,
        limit: usize,
        may_have: impl Fn(RangeInclusive<Uuid>) -> bool,
        wanted: impl Fn(Uuid) -> bool,
    ) -> Result<Vec<LogEntry>, Error> {
        let files = chain.files.values().map(|file| &**file);
        // A manifest may have the ids in any order.
        let overlaps = |file: &&ChainFile| {
            let (min, max) = (file.file.min_id, file.file.max_id);
            min <= max && may_have(min..=max)
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
                if id_range_of(group.metadata()).is_some_and(|range| !may_have(range)) {
                    return Ok(());
                }
                let failed = Error::parquet(path);
                let mut rows = ids(group).map_err(&failed)?;
                rows.retain(|(id, _)| wanted(*id) && !found.contains_key(id));
                rows.sort_unstable();
                // A compacted file may have an entry more than once.
                rows.dedup_by_key(|(id, _)| *id);
                rows.truncate(limit);
                // Rows are read in the order of the file.
                rows.sort_unstable_by_key(|(_, row)| *row);
                let selection = Selection::of(rows.iter().map(|(_, row)| *row));
                let bodies = bodies(group, &selection).map_err(&failed)?;
                for ((id, _), body) in rows.iter().zip(bodies) {
                    let entry = parse(&body, path)?;
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
                let keys = models_of(group).map_err(&failed)?;
                for (row, key) in keys.into_iter().enumerate() {
                    if known.contains(&key) {
                        continue;
                    }
                    let row = Selection::of([row]);
                    for body in bodies(group, &row).map_err(&failed)? {
                        models.insert(parse(&body, path)?.model);
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
        mut run: impl FnMut(&Group<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let footer = self.files().open(file, None)?;
        for index in 0..footer.metadata.num_row_groups() {
            let group = Group::new(&footer, index);
            run(&group.map_err(Error::parquet(&file.file.path))?)?;
        }
        Ok(())
    }
}

/// Returns the range of the ids of a row group, if its statistics have one.
fn id_range_of(group: &RowGroupMetaData) -> Option<RangeInclusive<Uuid>> {
    let statistics = group.column(Column::Id.index()).statistics()?;
    let id = |bytes: Option<&[u8]>| Uuid::from_slice(bytes?).ok();
    let (min, max) = (
        id(statistics.min_bytes_opt())?,
        id(statistics.max_bytes_opt())?,
    );
    (min <= max).then_some(min..=max)
}

/// Returns the ids of a row group with their rows.
fn ids(group: &Group<'_>) -> Result<Vec<(Uuid, usize)>, ParquetError> {
    let all = Selection::first(group.rows()?);
    group.fetch(&[Column::Id], &all)?;
    let ids = decode::required::<FixedLenByteArrayType>(group.reader(), Column::Id, &all)?;
    let ids = ids.iter().enumerate();
    ids.map(|(row, id)| Ok((decode::uuid(id)?, row))).collect()
}

/// Returns the models of a row group's rows.
fn models_of(group: &Group<'_>) -> Result<Vec<String>, ParquetError> {
    let all = Selection::first(group.rows()?);
    group.fetch(&[Column::Model], &all)?;
    decode::texts(group.reader(), Column::Model, &all)
}

/// Returns the bodies of some rows.
fn bodies(group: &Group<'_>, some: &Selection) -> Result<Vec<Bytes>, ParquetError> {
    group.fetch(&[Column::Body], some)?;
    decode::bodies(group.reader(), some)
}

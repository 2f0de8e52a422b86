//! The chain of manifests, and the files that it makes part of the archive.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use audit_core::Position;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::checkpoint;
use crate::compact::is_refusal;
use crate::error::Error;
use crate::location::Location;
use crate::manifest::{self, ArchiveFile, FOLDER, Manifest, ManifestKind, NO_HASH, sha256};
use crate::options::Classes;
use crate::segment::{first_of, generation_of, planned_after};

/// The number of manifests that are held in memory while a chain is read.
const READ_AT_ONCE: usize = 256;
/// The highest number of an entry, since files have it as INT64.
const MAX_LAST: u64 = i64::MAX.cast_unsigned();

/// A file of the archive, and the numbers of its segment.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChainFile {
    pub(crate) first: u64,
    pub(crate) last: u64,
    pub(crate) file: ArchiveFile,
}

/// A file that a compaction has replaced.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Replaced {
    /// The file that has its entries.
    pub(crate) by: String,
    /// The object beside it.
    pub(crate) filter: String,
    /// When it was replaced, by the archiver's clock.
    pub(crate) at: DateTime<Utc>,
}

impl Replaced {
    fn of(file: &ArchiveFile, by: &ArchiveFile, at: DateTime<Utc>) -> Self {
        Self {
            by: by.path.clone(),
            filter: file.filter.path.clone(),
            at,
        }
    }
}

/// The state of an archive after a number of manifests.
#[derive(Clone, Debug)]
pub(crate) struct Chain {
    pub(crate) archive: Option<Uuid>,
    /// The number of the last manifest; 0 for an archive without manifests.
    pub(crate) number: u64,
    /// Its hash.
    pub(crate) hash: String,
    /// The number of the last checkpoint that exists or that this process has tried to write; 0 for none.
    pub(crate) checkpoint: u64,
    /// The latest time of a manifest.
    pub(crate) time: DateTime<Utc>,
    /// The highest lease.
    pub(crate) fence: u64,
    /// The number of the last archived entry.
    pub(crate) last: u64,
    /// The number of the first entry of the last segment.
    pub(crate) segment: u64,
    pub(crate) position: Position,
    /// The retention classes of models.
    pub(crate) classes: Arc<Classes>,
    /// The id of the last archived entry.
    pub(crate) anchor: Option<Uuid>,
    /// The first manifest with holds.
    pub(crate) holds: Option<u64>,
    /// No file has an entry of a later time.
    pub(crate) newest: i64,
    /// The files by path.
    pub(crate) files: BTreeMap<String, Arc<ChainFile>>,
    /// The files that compactions have replaced, by path. A checkpoint lacks those of more than
    /// [`MAX_GRACE`](crate::options::MAX_GRACE) ago.
    pub(crate) replaced: BTreeMap<String, Replaced>,
}

impl Default for Chain {
    fn default() -> Self {
        Self {
            archive: None,
            number: 0,
            hash: NO_HASH.to_owned(),
            checkpoint: 0,
            time: DateTime::<Utc>::MIN_UTC,
            fence: 0,
            last: 0,
            segment: 0,
            position: Position::START,
            classes: Arc::default(),
            anchor: None,
            holds: None,
            newest: i64::MIN,
            files: BTreeMap::new(),
            replaced: BTreeMap::new(),
        }
    }
}

impl Chain {
    /// Opens an archive, which must exist, by its last checkpoint and the manifests after it.
    pub(crate) fn open(location: &Location) -> Result<Self, Error> {
        Self::read(location)?.existing(location)
    }

    /// Reads the last checkpoint and the manifests after it. Without manifests the chain is empty.
    pub(crate) fn read(location: &Location) -> Result<Self, Error> {
        let checkpoints = checkpoint::numbers(location)?;
        let mut chain = checkpoint::last(location, &checkpoints)?.unwrap_or_default();
        chain.read_to_end(location, &checkpoints)?;
        // The caller may not use the last one.
        chain.checkpoint = checkpoints.last().copied().unwrap_or(0);
        Ok(chain)
    }

    /// Reads all manifests.
    pub(crate) fn read_all(location: &Location) -> Result<Self, Error> {
        let mut chain = Self::default();
        chain.read_on(location)?;
        Ok(chain)
    }

    /// Reads the manifests that were written since, and finds each gap in their numbers and a lost tail.
    pub(crate) fn refresh_checked(&mut self, location: &Location) -> Result<(), Error> {
        let checkpoints = checkpoint::numbers(location)?;
        self.read_to_end(location, &checkpoints)
    }

    fn existing(self, location: &Location) -> Result<Self, Error> {
        if self.number == 0 {
            return Err(Error::NoArchive {
                location: location.to_string(),
            });
        }
        Ok(self)
    }

    /// Reads the rest of the manifests; `checkpoints` were listed before.
    fn read_to_end(&mut self, location: &Location, checkpoints: &[u64]) -> Result<(), Error> {
        self.read_on(location)?;
        // Listed before the chain is read again: a plan is written after the manifest before it.
        let planned = planned_after(location, self.next())?;
        if planned.is_some() {
            self.read_on(location)?;
        }
        if let Some((first, path)) = planned
            && first > self.next()
        {
            return Err(self.lost_tail(format!("{path} was written after one of them")));
        }
        if let Some(number) = checkpoints.iter().find(|number| **number > self.number) {
            let path = checkpoint::name(*number);
            return Err(self.lost_tail(format!("{path} was written after one of them")));
        }
        if let Some((number, hash)) = location.pinned()
            && number > self.number
        {
            return Err(self.lost_tail(format!(
                "manifest {number} with the hash {hash} is required"
            )));
        }
        Ok(())
    }

    /// Returns whether there are manifests after the last one. Of the next two, the second one exists alone if the
    /// first one is missing.
    pub(crate) fn has_newer(&self, location: &Location) -> Result<bool, Error> {
        let next = (1..=2).map(|step| manifest::name(self.number.saturating_add(step)));
        match location.any_exists(&next.collect::<Vec<_>>()) {
            // The response has no reason, and that of the listing has one.
            Err(error) if is_refusal(&error) => Ok(true),
            found => found,
        }
    }

    /// Reads the manifests that were written since, and returns whether there are any.
    pub(crate) fn refresh(&mut self, location: &Location) -> Result<bool, Error> {
        Ok(self.has_newer(location)? && self.refresh_listed(location)?)
    }

    /// Reads the manifests that were written since as [`refresh`](Self::refresh) does, and finds each gap in their
    /// numbers.
    pub(crate) fn refresh_listed(&mut self, location: &Location) -> Result<bool, Error> {
        let before = self.number;
        self.read_on(location)?;
        Ok(self.number > before)
    }

    /// Returns the archive as of now if a file has left it since the chain was read, or was replaced.
    pub(crate) fn newer_without(
        &self,
        path: &str,
        location: &Location,
    ) -> Result<Option<Self>, Error> {
        if !self.has_newer(location)? {
            return Ok(None);
        }
        let mut newer = self.clone();
        // `verify` reports damage of later manifests itself.
        let is_intact = newer.refresh(location).is_ok();
        Ok((is_intact && !newer.files.contains_key(path)).then_some(newer))
    }

    /// Returns the file that has the entries of a file of a manifest; `None` if they have left the archive.
    pub(crate) fn current(&self, path: &str) -> Option<&Arc<ChainFile>> {
        let mut path = path;
        loop {
            if let Some(file) = self.files.get(path) {
                return Some(file);
            }
            path = &self.replaced.get(path)?.by;
        }
    }

    /// Returns the names of the objects that are part of the archive.
    pub(crate) fn objects(&self) -> BTreeSet<&str> {
        let files = self.files.values();
        files
            .flat_map(|file| [&*file.file.path, &*file.file.filter.path])
            .collect()
    }

    /// Returns the names of replaced files and of the objects beside them.
    pub(crate) fn replaced_objects(&self) -> BTreeMap<&str, &Replaced> {
        let replaced = self.replaced.iter();
        replaced
            .flat_map(|(path, replaced)| [(&**path, replaced), (&*replaced.filter, replaced)])
            .collect()
    }

    /// Returns whether no later manifest can add an object, by its name.
    ///
    /// A segment that is archived is not archived again, and a compacted file has the number of its manifest as its
    /// generation. A writer would need the number of a manifest that exists.
    pub(crate) fn is_past(&self, path: &str) -> bool {
        first_of(path).is_some_and(|first| first <= self.last)
            && generation_of(path).is_some_and(|generation| generation <= self.number)
    }

    /// Returns an error unless the last manifest exists unchanged.
    pub(crate) fn confirm(&self, location: &Location) -> Result<(), Error> {
        let path = manifest::name(self.number);
        match location.get(&path)? {
            Some(bytes) if sha256(&bytes) == self.hash => Ok(()),
            Some(_) => Err(Error::corrupt(path, "it was replaced after it was read")),
            None => Err(self.lost_tail(format!(
                "{path} was read before and does not exist any more"
            ))),
        }
    }

    /// Returns an error if a manifest has holds.
    pub(crate) fn check_holds(&self) -> Result<(), Error> {
        match self.holds {
            Some(number) => Err(Error::OnHold {
                path: manifest::name(number),
            }),
            None => Ok(()),
        }
    }

    /// Returns the number of the next segment's first entry; 0 before the archive exists, when no plan
    /// exists either.
    fn next(&self) -> u64 {
        if self.number == 0 {
            0
        } else {
            self.last.saturating_add(1)
        }
    }

    fn lost_tail(&self, detail: String) -> Error {
        Error::LostTail {
            number: self.number,
            detail,
        }
    }

    fn read_on(&mut self, location: &Location) -> Result<(), Error> {
        let numbers = numbers(location, self.number)?;
        if let Some(number) = first_gap(self.number, &numbers) {
            return Err(Error::Gap { number });
        }
        for part in numbers.chunks(READ_AT_ONCE) {
            let paths: Vec<String> = part.iter().map(|number| manifest::name(*number)).collect();
            for (bytes, number) in location.get_all(&paths)?.iter().zip(part) {
                let manifest = Manifest::read(bytes, *number)?;
                self.add(&manifest, bytes)?;
                if let Some((pinned, hash)) = location.pinned()
                    && pinned == self.number
                    && !hash.eq_ignore_ascii_case(&self.hash)
                {
                    let detail = format!("manifest {pinned} has the hash {}", self.hash);
                    return Err(self.lost_tail(format!("{detail} instead of {hash}")));
                }
            }
        }
        Ok(())
    }

    /// Reads the manifests from a number on again, and checks that they are those of the chain. Afterwards
    /// [`current`](Self::current) finds the files that have the entries of their files.
    pub(crate) fn manifests_from(
        &mut self,
        first: u64,
        location: &Location,
    ) -> Result<Vec<Manifest>, Error> {
        let numbers: Vec<u64> = (first..=self.number).collect();
        let mut manifests: Vec<Manifest> = Vec::new();
        let mut files: BTreeMap<String, ArchiveFile> = BTreeMap::new();
        let mut hash = None;
        for read in read_each(location, &numbers) {
            let (number, bytes) = read?;
            let bytes = bytes.ok_or(Error::Gap { number })?;
            let manifest = Manifest::read(&bytes, number)?;
            if hash.is_some_and(|hash| hash != manifest.prev) {
                let detail = "it and the manifest before do not follow each other: one of the two was replaced";
                return Err(Error::corrupt(manifest::name(number), detail));
            }
            hash = Some(sha256(&bytes));
            if manifest.kind == ManifestKind::Compact {
                // A checkpoint lacks those of long ago.
                let removed = manifest.removed.iter();
                for file in removed.filter_map(|path| files.get(path)) {
                    let added = manifest.added.iter().find(|by| is_same_day(file, by));
                    if let Some(by) = added
                        && !self.files.contains_key(&file.path)
                    {
                        self.replaced
                            .insert(file.path.clone(), Replaced::of(file, by, manifest.time));
                    }
                }
            }
            for file in &manifest.added {
                self.replaced.remove(&file.path);
            }
            let added = manifest.added.iter();
            files.extend(added.map(|file| (file.path.clone(), file.clone())));
            manifests.push(manifest);
        }
        if hash.is_some_and(|hash| hash != self.hash) {
            let path = manifest::name(self.number);
            return Err(Error::corrupt(path, "it was replaced after it was read"));
        }
        Ok(manifests)
    }

    /// Adds the next manifest.
    pub(crate) fn add(&mut self, manifest: &Manifest, bytes: &Bytes) -> Result<(), Error> {
        if let Some(detail) = self.contradiction(manifest) {
            return Err(Error::corrupt(manifest::name(manifest.number), detail));
        }
        self.apply(manifest, bytes);
        Ok(())
    }

    /// Takes a manifest as the last one.
    pub(crate) fn apply(&mut self, manifest: &Manifest, bytes: &Bytes) {
        self.archive = Some(manifest.archive);
        self.number = manifest.number;
        self.hash = sha256(bytes);
        self.time = self.time.max(manifest.time);
        self.fence = self.fence.max(manifest.fence);
        self.last = manifest.last;
        if manifest.first <= manifest.last {
            self.segment = manifest.first;
        }
        self.position = manifest.position.clone();
        self.anchor = manifest.anchor;
        if *self.classes != manifest.classes {
            self.classes = Arc::new(manifest.classes.clone());
        }
        if !manifest.holds.is_empty() {
            self.holds = self.holds.or(Some(manifest.number));
        }
        let is_compaction = manifest.kind == ManifestKind::Compact;
        let mut removed = Vec::new();
        for path in &manifest.removed {
            removed.extend(self.files.remove(path));
        }
        for file in &manifest.added {
            let mut added = ChainFile {
                file: file.clone(),
                first: manifest.first,
                last: manifest.last,
            };
            if is_compaction {
                let inputs = removed
                    .iter()
                    .filter(|input| is_same_day(&input.file, file));
                (added.first, added.last) = range(inputs.map(|input| &**input)).unwrap_or((0, 0));
            }
            // Without this, a path that is added again could replace itself.
            self.replaced.remove(&file.path);
            self.newest = self.newest.max(file.max_ts);
            self.files.insert(file.path.clone(), Arc::new(added));
        }
        if !is_compaction {
            return;
        }
        for input in removed {
            let by = manifest
                .added
                .iter()
                .find(|file| is_same_day(&input.file, file));
            if let Some(by) = by {
                let replaced = Replaced::of(&input.file, by, manifest.time);
                self.replaced.insert(input.file.path.clone(), replaced);
            }
        }
    }

    /// Returns why a manifest does not follow the last one.
    pub(crate) fn broken_link(&self, manifest: &Manifest) -> Option<String> {
        if self.number.checked_add(1) != Some(manifest.number) {
            return Some(format!("it does not follow manifest {}", self.number));
        }
        if manifest.prev != self.hash {
            return Some(format!(
                "it follows a manifest {} with the hash {}, and the existing one has {}: one of the two \
                 was replaced",
                self.number, manifest.prev, self.hash
            ));
        }
        self.archive
            .is_some_and(|id| id != manifest.archive)
            .then(|| format!("it is of another archive, {}", manifest.archive))
    }

    /// Returns why a manifest cannot be the next one.
    ///
    /// A lower lease is not a reason: the numbers and hashes order manifests, and their writers do not.
    pub(crate) fn contradiction(&self, manifest: &Manifest) -> Option<String> {
        let broken = self.broken_link(manifest);
        if broken.is_some() {
            return broken;
        }
        let first = self.last.saturating_add(1);
        if manifest.first != first {
            let found = manifest.first;
            return Some(format!("its segment begins at {found} instead of {first}"));
        }
        if manifest.last >= MAX_LAST {
            return Some(format!("its segment ends at {}", manifest.last));
        }
        let segment = manifest.last.checked_sub(self.last);
        let rows = manifest
            .added
            .iter()
            .try_fold(manifest.skipped.len() as u64, |rows, file| {
                rows.checked_add(file.rows)
            });
        let is_compaction = manifest.kind == ManifestKind::Compact;
        if segment.is_none() || (segment != rows && !is_compaction) {
            return Some("its files do not have as many entries as its segment".to_owned());
        }
        let keeps_classes = manifest.classes == *self.classes;
        let is_first = manifest.number == 1;
        let fits_kind = match manifest.kind {
            ManifestKind::Create => {
                segment == Some(0)
                    && manifest.removed.is_empty()
                    && manifest.position == Position::START
            }
            ManifestKind::Archive => manifest.removed.is_empty(),
            ManifestKind::Remove => {
                segment == Some(0) && manifest.position == self.position && keeps_classes
            }
            ManifestKind::Compact => {
                segment == Some(0)
                    && manifest.position == self.position
                    && keeps_classes
                    && manifest.skipped.is_empty()
                    && self.is_compaction(manifest)
            }
        };
        if !fits_kind || is_first != (manifest.kind == ManifestKind::Create) {
            return Some("its members do not fit its kind".to_owned());
        }
        let unknown = manifest
            .removed
            .iter()
            .find(|path| !self.files.contains_key(*path));
        if let Some(path) = unknown {
            return Some(format!("it removes {path}, which is not in the archive"));
        }
        let known = manifest
            .added
            .iter()
            .find(|file| self.files.contains_key(&file.path));
        known.map(|file| format!("it adds {}, which is in the archive", file.path))
    }

    /// Returns whether the added files of a manifest have as many entries as the removed ones of their class and
    /// date, of which each has one added file.
    fn is_compaction(&self, manifest: &Manifest) -> bool {
        let mut rows: BTreeMap<(&str, &str), (u64, u64)> = BTreeMap::new();
        for path in &manifest.removed {
            let Some(file) = self.files.get(path) else {
                return false;
            };
            let (removed, _) = rows.entry((&file.file.class, &file.file.date)).or_default();
            *removed = removed.saturating_add(file.file.rows);
        }
        let mut added = BTreeSet::new();
        let is_one = manifest.added.iter().all(|file| {
            let day = (&*file.class, &*file.date);
            rows.entry(day).or_default().1 = file.rows;
            file.rows > 0 && added.insert(day)
        });
        let unique: BTreeSet<&String> = manifest.removed.iter().collect();
        is_one
            && unique.len() == manifest.removed.len()
            && rows.values().all(|(removed, added)| removed == added)
    }
}

/// Returns whether two files are of one class and date.
fn is_same_day(a: &ArchiveFile, b: &ArchiveFile) -> bool {
    (&a.class, &a.date) == (&b.class, &b.date)
}

/// Returns the first and the last number of the segments of files.
pub(crate) fn range<'f>(files: impl Iterator<Item = &'f ChainFile>) -> Option<(u64, u64)> {
    files
        .map(|file| (file.first, file.last))
        .reduce(|(first, last), next| (first.min(next.0), last.max(next.1)))
}

/// Reads manifests by their numbers, some at the same time, and returns the bytes of each; `None` if it does not exist.
pub(crate) fn read_each<'n>(
    location: &'n Location,
    numbers: &'n [u64],
) -> impl Iterator<Item = Result<(u64, Option<Bytes>), Error>> {
    numbers.chunks(READ_AT_ONCE).flat_map(|part| {
        let paths: Vec<String> = part.iter().map(|number| manifest::name(*number)).collect();
        match location.get_each(&paths) {
            Ok(read) => part.iter().copied().zip(read).map(Ok).collect(),
            Err(error) => vec![Err(error)],
        }
    })
}

/// Returns the numbers of the manifests after a number, sorted.
pub(crate) fn numbers(location: &Location, after: u64) -> Result<Vec<u64>, Error> {
    let after_name = manifest::name(after);
    // A name with more digits sorts before one that begins with a higher digit.
    let is_sorted = after_name.starts_with("manifest/0");
    let names = location.names(FOLDER, if is_sorted { &after_name } else { FOLDER })?;
    let mut numbers: Vec<u64> = names
        .iter()
        .filter_map(|path| manifest::number(path))
        .filter(|number| *number > after)
        .collect();
    numbers.sort_unstable();
    Ok(numbers)
}

/// Returns an error if a manifest is missing, also before a checkpoint.
pub(crate) fn check_complete(location: &Location) -> Result<(), Error> {
    match first_gap(0, &numbers(location, 0)?) {
        Some(number) => Err(Error::Gap { number }),
        None => Ok(()),
    }
}

/// Returns the first number that is missing between a number and the last.
fn first_gap(after: u64, numbers: &[u64]) -> Option<u64> {
    (after.saturating_add(1)..)
        .zip(numbers)
        .find(|(n, number)| n != *number)
        .map(|(n, _)| n)
}

//! Compaction: small files of one class and date become one file of a later generation.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use audit_core::Follow;
use chrono::TimeDelta;

use crate::archiver::Archiver;
use crate::chain::{Chain, ChainFile, check_complete, range};
use crate::check::{self, FileCheck};
use crate::error::Error;
use crate::manifest::{ArchiveFile, Manifest, ManifestKind};
use crate::options::ArchiveOptions;
use crate::parser::Day;
use crate::row::sort;
use crate::segment::Encoded;
use crate::verify::Finding;

/// The number of files that a manifest adds.
const FILES_AT_ONCE: usize = 64;
/// The bytes of memory that a row needs beside its body, about.
const ROW_BYTES: u64 = 512;
/// The memory of the rows of a compacted file, in sizes of the file.
const MEMORY: u64 = 8;
/// How often the manifest is written again after another archiver took its number.
const ATTEMPTS: u32 = 4;

/// The result of [`Archiver::compact`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Compacted {
    /// The count of files that were replaced.
    pub replaced: u64,
    /// The count of files that replace them.
    pub files: u64,
    /// The count of their entries.
    pub entries: u64,
    /// The count of deleted objects: files that this or an earlier call replaced and whose grace has ended, those
    /// beside them, and objects of that age that no manifest names, such as those of an interrupted call.
    pub deleted: u64,
    /// The count of such objects that the object store refused to delete.
    pub refused: u64,
    /// The findings about damaged files. The files of their class and date were not compacted.
    pub findings: Vec<Finding>,
}

impl<S: Follow> Archiver<S> {
    /// Replaces small files of one class and date by one file, and deletes files that were replaced before the
    /// [grace](ArchiveOptions::grace).
    ///
    /// The new file has the rows of the old ones with the same bodies and numbers. A manifest removes the old files
    /// and adds the new one, so readers see either. Each old file is verified before, as
    /// [`verify`](crate::verify()) does. [`compact_files`](ArchiveOptions::compact_files) and
    /// [`compact_bytes`](ArchiveOptions::compact_bytes) select the files.
    ///
    /// A call that fails or is killed leaves the archive as of its last manifest. Another call continues, and
    /// writes files of an unfinished manifest with the same names and bytes.
    ///
    /// # Errors
    /// - Returns [`Error::OnHold`] if a manifest has holds.
    /// - Returns [`Error::Held`] or [`Error::Fenced`] if another archiver works.
    /// - Returns another error if the archive is not intact or the object store fails. A refused deletion is not an
    ///   error: the next call repeats it.
    ///
    /// # Example: three files of one day become one
    /// ```
    /// use std::time::Duration;
    ///
    /// use audit_archive::{ArchiveOptions, Archiver, Location, verify};
    /// use audit_core::{LogEntry, MemoryStore, Store};
    ///
    /// # let folder = std::env::temp_dir().join(format!("audit-archive-compact-{}", std::process::id()));
    /// let store = MemoryStore::new();
    /// for pk in ["1", "2", "3"] {
    ///     let mut entry = LogEntry::new("create", "User", pk, "bob");
    ///     entry.timestamp = "2026-01-31T12:00:00Z".parse()?;
    ///     store.append(&[entry])?;
    /// }
    /// let location = Location::folder(&folder)?;
    /// let options = ArchiveOptions::new()
    ///     .create(true)
    ///     .segment_entries(1)
    ///     .compact_files(2)
    ///     .grace(Duration::ZERO);
    /// let archiver = Archiver::new(store, location.clone()).options(options);
    /// assert_eq!(archiver.run_once()?.files, 3);
    ///
    /// let compacted = archiver.compact()?;
    /// assert_eq!((compacted.replaced, compacted.files, compacted.deleted), (3, 1, 6));
    /// let verification = verify(&location)?;
    /// assert!(verification.is_clean());
    /// assert_eq!((verification.files, verification.entries), (1, 3));
    /// # std::fs::remove_dir_all(&folder)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn compact(&self) -> Result<Compacted, Error> {
        self.with_lease(|state| {
            let (chain, leases) = self.confirmed(state)?;
            check_complete(&self.location)?;
            let mut report = Compacted::default();
            let mut damaged = BTreeSet::new();
            let mut conflicts = 0;
            'manifests: loop {
                chain.check_holds()?;
                let mut groups = groups(chain, &self.options);
                groups.retain(|day, _| !damaged.contains(day));
                if groups.is_empty() {
                    break;
                }
                let archive = chain.archive.unwrap_or_default();
                let mut manifest = self.manifest(chain, archive, ManifestKind::Compact);
                for (day, files) in groups.into_iter().take(FILES_AT_ONCE) {
                    // Reading and writing files may take longer than the lease.
                    manifest.fence = leases.hold(&self.location, &self.options, chain.fence)?;
                    let before = report.findings.len();
                    if let Some(added) =
                        self.merge(&files, manifest.number, &mut report.findings)?
                    {
                        let removed = files.iter().map(|file| file.file.path.clone());
                        manifest.removed.extend(removed);
                        manifest.added.push(added);
                    } else if chain.refresh(&self.location)? {
                        // The file may have left the archive.
                        report.findings.truncate(before);
                        continue 'manifests;
                    } else {
                        damaged.insert(day);
                    }
                }
                if manifest.added.is_empty() {
                    continue;
                }
                if self.commit(chain, leases, &manifest)? {
                    report.add(&manifest);
                    continue;
                }
                conflicts += 1;
                if conflicts == ATTEMPTS {
                    return Err(Error::Held {
                        holder: "unknown".to_owned(),
                        until: self.options.now(),
                    });
                }
            }
            self.delete_old(chain, &mut report)?;
            Ok(report)
        })
    }

    /// Returns what [`compact`](Self::compact) would replace at first, and changes nothing. Files are not read.
    ///
    /// # Errors
    /// - Returns [`Error::InvalidOption`] if an option is invalid.
    /// - Returns [`Error::OnHold`] if a manifest has holds.
    /// - Returns another error if the archive is not intact or cannot be read.
    pub fn plan_compact(&self) -> Result<Compacted, Error> {
        self.options.check()?;
        let chain = Chain::open(&self.location)?;
        chain.check_holds()?;
        let mut plan = Compacted::default();
        for files in groups(&chain, &self.options).values() {
            plan.files += 1;
            plan.replaced += files.len() as u64;
            plan.entries += files.iter().map(|file| file.file.rows).sum::<u64>();
        }
        Ok(plan)
    }

    /// Writes a file with the rows of some files of a class and date; `None` if one of them is damaged.
    fn merge(
        &self,
        files: &[Arc<ChainFile>],
        number: u64,
        findings: &mut Vec<Finding>,
    ) -> Result<Option<ArchiveFile>, Error> {
        let Some((first, last)) = range(files.iter().map(|file| &**file)) else {
            return Ok(None);
        };
        let day = day(&files[0].file);
        let mut rows = Vec::new();
        for file in files {
            let check = check::file(&self.location, file, findings, &mut |row| {
                rows.push(row.clone());
            })?;
            if check == FileCheck::Damaged {
                return Ok(None);
            }
        }
        let rows = sort(rows);
        let file = Encoded::new(day, &rows, (first, last), self.options.row_group)?;
        // A file of another manifest has another name: see `Chain::is_past`.
        let generation = |attempt| match attempt {
            1 => number.to_string(),
            attempt => format!("{number}-{attempt}"),
        };
        file.put(&self.location, generation).map(Some)
    }

    /// Deletes the files that were replaced before the grace, and objects of that age that no manifest can name any
    /// more, such as those of an interrupted call.
    fn delete_old(&self, chain: &Chain, report: &mut Compacted) -> Result<(), Error> {
        let now = self.options.now();
        let grace = TimeDelta::from_std(self.options.grace).unwrap_or(TimeDelta::MAX);
        let (named, mut replaced) = (chain.objects(), chain.replaced_objects());
        let mut unnamed = self.location.list(check::FOLDER, None)?;
        unnamed.retain(|object| !named.contains(&*object.path) && chain.is_past(&object.path));
        let all;
        if unnamed
            .iter()
            .any(|object| !replaced.contains_key(&*object.path))
        {
            // A checkpoint lacks those that were replaced long ago, by clocks that may have been wrong.
            all = Chain::read_all(&self.location)?;
            replaced = all.replaced_objects();
        }
        let mut failed = None;
        for object in unnamed {
            let since = replaced
                .get(&*object.path)
                .map_or(object.modified, |replaced| replaced.at);
            let end = since.checked_add_signed(grace);
            if end.is_none_or(|end| end > now) {
                continue;
            }
            match self.location.delete(&object.path) {
                Ok(()) => report.deleted += 1,
                Err(error) if is_refusal(&error) => {
                    log::warn!("an object was not deleted: {error}");
                    report.refused += 1;
                }
                // The others are deleted nevertheless.
                Err(error) => {
                    failed.get_or_insert(error);
                }
            }
        }
        failed.map_or(Ok(()), Err)
    }
}

impl Compacted {
    fn add(&mut self, manifest: &Manifest) {
        self.replaced += manifest.removed.len() as u64;
        self.files += manifest.added.len() as u64;
        self.entries += manifest.added.iter().map(|file| file.rows).sum::<u64>();
    }
}

/// Returns the files to compact of each class and date that has enough small ones.
fn groups(chain: &Chain, options: &ArchiveOptions) -> BTreeMap<Day, Vec<Arc<ChainFile>>> {
    let mut small: BTreeMap<Day, Vec<Arc<ChainFile>>> = BTreeMap::new();
    for file in chain.files.values() {
        if file.file.bytes < options.compact_bytes / 2
            && memory_of(&file.file) < max_memory(options) / 2
        {
            let files = small.entry(day(&file.file)).or_default();
            files.push(Arc::clone(file));
        }
    }
    let groups = small.into_iter();
    groups
        .filter_map(|(day, files)| Some((day, group(files, options)?)))
        .collect()
}

/// Returns the first consecutive files that fit into one file and are enough.
fn group(mut files: Vec<Arc<ChainFile>>, options: &ArchiveOptions) -> Option<Vec<Arc<ChainFile>>> {
    files.sort_by_key(|file| (file.first, file.last));
    let mut group = Vec::new();
    let (mut bytes, mut memory) = (0_u64, 0_u64);
    for file in files {
        let (length, needed) = (file.file.bytes, memory_of(&file.file));
        if bytes.saturating_add(length) > options.compact_bytes
            || memory.saturating_add(needed) > max_memory(options)
        {
            if group.len() >= options.compact_files {
                break;
            }
            group.clear();
            (bytes, memory) = (0, 0);
        }
        bytes += length;
        memory += needed;
        group.push(file);
    }
    (group.len() >= options.compact_files).then_some(group)
}

/// Returns the bytes of memory that the rows of a file need: they are sorted together with those of other files.
fn memory_of(file: &ArchiveFile) -> u64 {
    file.rows
        .saturating_mul(ROW_BYTES)
        .saturating_add(file.body_bytes)
}

/// Returns the most memory that the rows of a compacted file may need.
fn max_memory(options: &ArchiveOptions) -> u64 {
    options.compact_bytes.saturating_mul(MEMORY)
}

fn day(file: &ArchiveFile) -> Day {
    (file.class.clone(), file.date.clone())
}

/// Returns whether the object store does not permit an operation, such as on a locked object.
pub(crate) fn is_refusal(error: &Error) -> bool {
    use object_store::Error as Objects;

    matches!(error, Error::Objects { source, .. } if matches!(
        **source,
        Objects::PermissionDenied { .. } | Objects::Unauthenticated { .. }
    ))
}

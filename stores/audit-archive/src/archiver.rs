//! [`Archiver`]: follows a trail and writes it to an archive.

use std::sync::{Mutex, MutexGuard};

use audit_core::{Follow, StoreError};
use bytes::Bytes;
use uuid::Uuid;

use crate::chain::Chain;
use crate::checkpoint;
use crate::error::Error;
use crate::federated::followed;
use crate::lease::{Leases, past_leases};
use crate::location::{Location, Put};
use crate::manifest::{self, FORMAT, Manifest, ManifestKind};
use crate::mark::EntryMark;
use crate::options::{ArchiveOptions, Classes, random};
use crate::segment::{Planned, Segment, past_plans};

/// The program that manifests name.
const WRITER: &str = concat!("audit-archive ", env!("CARGO_PKG_VERSION"));
/// The number of leases and plans that are deleted after a run.
const DELETED: usize = 1_000;
/// The folder of the objects by which a new location is tested.
const PROBES: &str = "probe";

/// Writes the entries of a trail to an archive.
///
/// All state of the archiver is in the manifests, so it may be stopped or killed at any moment, and started
/// on another machine. Only one archiver works at a time; it holds a lease.
///
/// # Example: create an archive and archive a trail
/// ```
/// use audit_archive::{ArchiveOptions, Archiver, Location, verify};
/// use audit_core::{LogEntry, MemoryStore, Store};
///
/// # let folder = std::env::temp_dir().join(format!("audit-archive-archiver-{}", std::process::id()));
/// let store = MemoryStore::new();
/// store.append(&[LogEntry::new("create", "User", "1", "bob")])?;
///
/// let location = Location::folder(&folder)?;
/// let archiver = Archiver::new(store, location.clone())
///     .options(ArchiveOptions::new().create(true));
/// assert_eq!(archiver.run_once()?.entries, 1);
/// assert_eq!(archiver.run_once()?.entries, 0);
/// assert!(verify(&location)?.is_clean());
/// # std::fs::remove_dir_all(&folder)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Archiver<S> {
    store: S,
    pub(crate) location: Location,
    pub(crate) options: ArchiveOptions,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    /// The chain, after it was read.
    pub(crate) chain: Option<Chain>,
    pub(crate) leases: Leases,
}

/// The result of [`Archiver::run_once`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RunReport {
    /// The count of segments, each with a manifest.
    pub segments: u64,
    /// The count of archived entries.
    pub entries: u64,
    /// The count of rows that are not entries and are named in a manifest instead.
    pub skipped: u64,
    /// The count of Parquet files.
    pub files: u64,
    /// The bytes of these files.
    pub bytes: u64,
}

impl<S: Follow> Archiver<S> {
    /// Creates an archiver of a store with the default options.
    pub fn new(store: S, location: Location) -> Self {
        Self {
            store,
            location,
            options: ArchiveOptions::default(),
            state: Mutex::default(),
        }
    }

    /// Sets the options.
    #[must_use]
    pub fn options(mut self, options: ArchiveOptions) -> Self {
        self.options = options;
        self
    }

    /// Archives the entries that the trail has after the archive's position when the run begins. Entries that
    /// are committed later may be archived, too.
    ///
    /// A run that fails or is killed leaves the archive as of its last manifest. Another run writes
    /// the same files and continues.
    ///
    /// # Errors
    /// - [`Error::NoArchive`]: the location has no archive, and
    ///   [`create`](ArchiveOptions::create) is not set.
    /// - [`Error::Held`], [`Error::Fenced`]: another archiver works. A later run continues after it.
    /// - [`Error::OtherTrail`]: the store lacks the newest entry of the archive.
    /// - [`Error::OtherClasses`]: the options have other retention classes than the archive.
    /// - [`Error::Store`]: the trail cannot be followed. With
    ///   [`StoreError::InvalidPosition`] it is another trail
    ///   than the archive's, or was restored from an older backup.
    /// - [`Error::Gap`], [`Error::LostTail`], [`Error::Corrupt`], [`Error::Foreign`],
    ///   [`Error::NewerFormat`]: the location does not have an intact archive. Nothing is written.
    /// - [`Error::NewerEntry`]: an entry has a later format than this library supports.
    /// - [`Error::NoConditionalPut`]: the object store ignores or rejects put-if-absent.
    /// - Other errors if the object store fails.
    pub fn run_once(&self) -> Result<RunReport, Error> {
        self.run_with(&mut |_| true)
    }

    /// Archives as [`run_once`](Self::run_once) does, and calls `on_segment` after each segment with the
    /// totals of the run so far. The run ends early if `on_segment` returns false.
    ///
    /// After an error, the archive has what the last call reported.
    ///
    /// # Errors
    /// Returns the errors of [`run_once`](Self::run_once).
    ///
    /// # Example: stop after the first segment
    /// ```
    /// use audit_archive::{ArchiveOptions, Archiver, Location};
    /// use audit_core::{LogEntry, MemoryStore, Store};
    ///
    /// # let folder = std::env::temp_dir().join(format!("audit-archive-with-{}", std::process::id()));
    /// let store = MemoryStore::new();
    /// store.append(&["1", "2", "3"].map(|pk| LogEntry::new("create", "User", pk, "bob")))?;
    /// let options = ArchiveOptions::new().create(true).segment_entries(2);
    /// let archiver = Archiver::new(store, Location::folder(&folder)?).options(options);
    ///
    /// let report = archiver.run_with(&mut |so_far| so_far.segments < 1)?;
    /// assert_eq!(report.entries, 2);
    /// # std::fs::remove_dir_all(&folder)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn run_with(
        &self,
        on_segment: &mut dyn FnMut(&RunReport) -> bool,
    ) -> Result<RunReport, Error> {
        self.with_lease(|state| self.archive(state, on_segment))
    }

    /// Runs an operation that may take the lease, and releases it afterwards.
    pub(crate) fn with_lease<T>(
        &self,
        run: impl FnOnce(&mut State) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.options.check()?;
        let mut state = self.state();
        let result = run(&mut state);
        let has_lease = state.leases.is_held();
        match &result {
            // The location is as it was read.
            Ok(_) | Err(Error::Held { .. } | Error::Store(_)) => {}
            // Read again by the next run, since the manifest of this one may exist.
            Err(_) => state.chain = None,
        }
        if let Err(error) = state.leases.release(&self.location, &self.options) {
            log::warn!("the lease of the archive was not released and expires by itself: {error}");
        }
        if let Some(chain) = state.chain.as_ref().filter(|_| has_lease)
            && let Err(error) = self.delete_past(chain)
        {
            // They have no effect.
            log::debug!("leases and plans of earlier runs were not deleted: {error}");
        }
        result
    }

    /// Deletes leases before that of the last manifest, and plans before that of the last segment: no archiver needs
    /// them any more. The last plan is evidence if the last manifests get lost.
    fn delete_past(&self, chain: &Chain) -> Result<(), Error> {
        let mut past = past_leases(&self.location, chain.fence)?;
        past.extend(past_plans(&self.location, chain.segment)?);
        past.truncate(DELETED);
        self.location.delete_all(&past)
    }

    fn archive(
        &self,
        state: &mut State,
        on_segment: &mut dyn FnMut(&RunReport) -> bool,
    ) -> Result<RunReport, Error> {
        let mut report = RunReport::default();
        let (chain, leases) = self.confirmed(state)?;
        self.check_trail(chain)?;
        // Also if there are no new entries.
        self.options.classes_after(&chain.classes)?;
        let end = self.store.position()?;
        // The first entry that was committed after the run began.
        let mut later = None;
        loop {
            chain.refresh(&self.location)?;
            let planned = Planned::read(&self.location, chain.last + 1)?;
            if later.is_none() {
                let batch = self.store.committed_after(&end, 1)?;
                later = batch.entries.first().map(EntryMark::of);
            }
            // The entries of a plan were committed before it was written.
            let bound = later.as_ref().filter(|_| planned == Planned::Missing);
            let limit = planned.limit(&self.options);
            let classes = self.options.classes_after(&chain.classes)?;
            let segment = Segment::read(&self.store, chain, limit, bound, &classes, &self.options)?;
            let Some(mut segment) = segment else {
                if classes != chain.classes && !self.write_classes(chain, leases, &classes)? {
                    continue;
                }
                return Ok(report);
            };
            let fence = leases.hold(&self.location, &self.options, chain.fence)?;
            if planned == Planned::Missing && !Planned::write(&self.location, &segment)? {
                // Read the segment that the other archiver has planned.
                continue;
            }
            let is_written = self.write(chain, leases, &mut segment, fence, &mut report)?;
            if (is_written && !on_segment(&report)) || segment.is_last {
                return Ok(report);
            }
        }
    }

    /// Returns the chain, which is read if it was not, and the leases.
    pub(crate) fn confirmed<'s>(
        &self,
        state: &'s mut State,
    ) -> Result<(&'s mut Chain, &'s mut Leases), Error> {
        let State { chain, leases } = state;
        let chain = match chain {
            Some(chain) => chain,
            None => chain.insert(self.open()?),
        };
        chain.confirm(&self.location)?;
        // Once in each run: another archiver must not continue a chain with a gap, nor after a lost tail.
        chain.refresh_checked(&self.location)?;
        Ok((chain, leases))
    }

    /// Reads the chain, and creates the archive if it is missing and the options allow it.
    fn open(&self) -> Result<Chain, Error> {
        let chain = Chain::read(&self.location)?;
        if chain.number > 0 {
            return Ok(chain);
        }
        if !self.options.create {
            return Err(Error::NoArchive {
                location: self.location.to_string(),
            });
        }
        self.location.create()?;
        let archive = uuid::Builder::from_random_bytes(random().to_be_bytes()).into_uuid();
        self.probe(archive)?;
        let manifest = Manifest {
            classes: self.options.classes.clone(),
            ..self.manifest(&chain, archive, ManifestKind::Create)
        };
        let bytes = manifest.to_bytes()?;
        // If another archiver has created it meanwhile, that archive is opened.
        self.location.put_new(&manifest::name(1), &bytes)?;
        Chain::open(&self.location)
    }

    /// Tests that the object store rejects a second object of one name: without it, two archivers could
    /// overwrite each other's manifests.
    fn probe(&self, archive: Uuid) -> Result<(), Error> {
        let name = format!("{PROBES}/{archive}");
        let put = |bytes| self.location.put_new(&name, &Bytes::from_static(bytes));
        let puts = [put(b"1")?, put(b"2")?];
        if puts == [Put::Done, Put::Other] {
            return Ok(());
        }
        Err(Error::NoConditionalPut {
            location: self.location.to_string(),
        })
    }

    /// Checks that the store has the newest entry of the archive, as far as it can find entries by id.
    fn check_trail(&self, chain: &Chain) -> Result<(), Error> {
        self.store.committed_after(&chain.position, 0)?;
        let (Some(entry), Some(trail)) = (chain.anchor, self.store.as_trail()) else {
            return Ok(());
        };
        if self.options.adopt {
            return Ok(());
        }
        // The archive always has it.
        match followed(trail).by_ids(&[entry]) {
            Ok(found) if found.is_empty() => Err(Error::OtherTrail { entry }),
            // A damaged row exists.
            Ok(_) | Err(StoreError::Corrupt { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Writes the files of a segment and its manifest. Returns false if another archiver has written a
    /// manifest of that number.
    fn write(
        &self,
        chain: &mut Chain,
        leases: &mut Leases,
        segment: &mut Segment,
        mut fence: u64,
        report: &mut RunReport,
    ) -> Result<bool, Error> {
        let added = segment.write(&self.location, self.options.row_group, &mut || {
            fence = leases.hold(&self.location, &self.options, chain.fence)?;
            Ok(())
        })?;
        let archive = chain.archive.unwrap_or_default();
        let manifest = Manifest {
            fence,
            first: segment.first,
            last: segment.last,
            position: segment.position.clone(),
            classes: (*segment.classes).clone(),
            anchor: segment.anchor,
            skipped: std::mem::take(&mut segment.skipped),
            added,
            ..self.manifest(chain, archive, ManifestKind::Archive)
        };
        if !self.commit(chain, leases, &manifest)? {
            // The files stay without a manifest, unless they are those of the other archiver, too.
            segment.is_last = false;
            return Ok(false);
        }
        report.segments += 1;
        report.skipped += manifest.skipped.len() as u64;
        report.files += manifest.added.len() as u64;
        report.bytes += manifest.added.iter().map(|file| file.bytes).sum::<u64>();
        report.entries += manifest.added.iter().map(|file| file.rows).sum::<u64>();
        Ok(true)
    }

    /// Writes a manifest of an empty segment with other retention classes. Returns false if another archiver has
    /// written a manifest of that number.
    fn write_classes(
        &self,
        chain: &mut Chain,
        leases: &mut Leases,
        classes: &Classes,
    ) -> Result<bool, Error> {
        let archive = chain.archive.unwrap_or_default();
        let manifest = Manifest {
            fence: leases.hold(&self.location, &self.options, chain.fence)?,
            classes: classes.clone(),
            ..self.manifest(chain, archive, ManifestKind::Archive)
        };
        self.commit(chain, leases, &manifest)
    }

    /// Writes a manifest. Returns false if another archiver has written one of that number.
    pub(crate) fn commit(
        &self,
        chain: &mut Chain,
        leases: &mut Leases,
        manifest: &Manifest,
    ) -> Result<bool, Error> {
        let (path, fence) = (manifest::name(manifest.number), manifest.fence);
        // A manifest that contradicts the chain would make the archive unreadable.
        if let Some(detail) = chain.contradiction(manifest) {
            return Err(Error::corrupt(path, detail));
        }
        // Writing files may have taken longer than the lease.
        leases.check(&self.location, &self.options, fence)?;
        let bytes = manifest.to_bytes()?;
        if self.location.put_new(&path, &bytes)? == Put::Done {
            chain.add(manifest, &bytes)?;
            if let Err(error) = checkpoint::write(chain, &self.location) {
                // The manifests have everything that it has.
                log::warn!("a checkpoint of the archive was not written: {error}");
            }
            return Ok(true);
        }
        if !chain.refresh(&self.location)? {
            // Otherwise the caller would repeat it without end.
            return Err(Error::corrupt(
                path,
                "it exists, and the object store does not list it",
            ));
        }
        if chain.fence > fence {
            let other = chain.fence;
            return Err(Error::Fenced { fence, other });
        }
        Ok(false)
    }

    /// Returns a manifest after those of a chain with an empty segment.
    pub(crate) fn manifest(&self, chain: &Chain, archive: Uuid, kind: ManifestKind) -> Manifest {
        Manifest {
            format: FORMAT,
            archive,
            number: chain.number + 1,
            prev: chain.hash.clone(),
            fence: chain.fence,
            kind,
            time: self.options.now(),
            writer: WRITER.to_owned(),
            first: chain.last + 1,
            last: chain.last,
            position: chain.position.clone(),
            classes: (*chain.classes).clone(),
            anchor: chain.anchor,
            skipped: Vec::new(),
            added: Vec::new(),
            removed: Vec::new(),
            reason: String::new(),
            holds: Vec::new(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| {
            // A run panicked: the next one reads the chain again.
            self.state.clear_poison();
            let mut state = poisoned.into_inner();
            state.chain = None;
            state
        })
    }
}

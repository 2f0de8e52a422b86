//! [`Pruner`]: removes archived entries from the hot store.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use audit_core::{Actor, Level, LogEntry, Outcome, Position, Query, Source, TrailStore};
use serde_json::Map;
use uuid::Uuid;

use crate::chain::Chain;
use crate::checked::{CheckedFiles, Checksum};
use crate::error::Error;
use crate::federated::followed;
use crate::location::Location;
use crate::manifest::Manifest;
use crate::mark::EntryMark;
use crate::verify::Finding;

/// The number of entries that are read from the hot store at once.
const READ_AT_ONCE: usize = 500;
/// The action of the entries that record a removal.
const RECORD: &str = "prune";

/// Removes from a hot store the entries that a verified archive has.
///
/// It follows the hot trail from manifest to manifest. If the hot store still has entries of a segment,
/// the files that have them now are verified as [`verify`](crate::verify()) does, and the entries whose bytes
/// equal those of an intact file are removed by id and checksum. All others stay. No time decides. The
/// newest entry of the archive stays, too: by it the archiver recognizes the trail.
///
/// Other followers of the hot store do not get entries that were removed before they read them. Name them with
/// [`behind`](Self::behind).
///
/// # Example: an entry that is not archived yet stays
/// ```
/// use audit_archive::{ArchiveOptions, Archiver, Location, Pruner};
/// use audit_core::{LogEntry, MemoryStore, Store};
///
/// # let folder = std::env::temp_dir().join(format!("audit-archive-pruner-{}", std::process::id()));
/// let store = MemoryStore::new();
/// store.append(&["1", "2"].map(|pk| LogEntry::new("create", "User", pk, "bob")))?;
/// let location = Location::folder(&folder)?;
/// let options = ArchiveOptions::new().create(true);
/// Archiver::new(store.clone(), location.clone()).options(options).run_once()?;
/// store.append(&[LogEntry::new("update", "User", "1", "bob")])?;
///
/// let report = Pruner::new(&store, &location).run()?;
/// assert_eq!(report.removed, 1);
/// assert_eq!(store.len(), 2, "the newest archived entry and the later one");
/// # std::fs::remove_dir_all(&folder)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[must_use = "a pruner does nothing until `run`"]
pub struct Pruner<'p> {
    store: &'p dyn TrailStore,
    location: &'p Location,
    query: Query,
    followers: Vec<(String, Position)>,
    record: Option<(Actor, String)>,
    source: Source,
    keeps_records: bool,
    planned: Option<u64>,
    dry_run: bool,
}

/// The result of [`Pruner::run`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PruneReport {
    /// The count of removed entries; in a dry run, of those that would be removed.
    pub removed: u64,
    /// The count of matching entries of the archive's segments that stay, since no intact file has them with
    /// the same bytes.
    pub unverified: u64,
    /// The name of the follower that ended the run: it has not read the next entry.
    pub held_back_by: Option<String>,
    /// The findings about files whose entries stay.
    pub findings: Vec<Finding>,
}

/// The state of a run.
struct Run<'r> {
    query: &'r Query,
    only_counts: bool,
    /// The id of the newest archived entry, which stays.
    anchor: Option<Uuid>,
    checked: CheckedFiles,
    report: &'r mut PruneReport,
}

impl<'p> Pruner<'p> {
    /// Creates a pruner of all archived entries.
    pub fn new(store: &'p dyn TrailStore, location: &'p Location) -> Self {
        Self {
            store,
            location,
            query: Query::new(),
            followers: Vec::new(),
            record: None,
            source: Source::default(),
            keeps_records: false,
            planned: None,
            dry_run: false,
        }
    }

    /// Removes only entries that a query matches, such as those before a time.
    pub fn matching(mut self, query: Query) -> Self {
        self.query = query.without_limits();
        self
    }

    /// Removes only entries that a follower has read, given its name and its position. Each call adds a
    /// follower.
    pub fn behind(mut self, follower: impl Into<String>, position: Position) -> Self {
        self.followers.push((follower.into(), position));
        self
    }

    /// Records the removal in the hot store as the command `auditlog prune` does: an entry with the action `prune`, the
    /// actor, the reason, the query, the count and the location of the archive. It is appended before anything is
    /// removed; if another count was removed, a second entry has it.
    ///
    /// An empty reason is left out. Records of earlier removals stay, as with [`keep_records`](Self::keep_records).
    /// Each segment is verified twice, unless [`planned`](Self::planned) has the count. Without a record, `auditlog doctor` reports the removed entries as a problem.
    ///
    /// # Example: a removal with its record
    /// ```
    /// use audit_archive::{ArchiveOptions, Archiver, Location, Pruner};
    /// use audit_core::{Actor, LogEntry, MemoryStore, Query, Store};
    ///
    /// # let folder = std::env::temp_dir().join(format!("audit-archive-record-{}", std::process::id()));
    /// let store = MemoryStore::new();
    /// store.append(&["1", "2"].map(|pk| LogEntry::new("create", "User", pk, "bob")))?;
    /// let location = Location::folder(&folder)?;
    /// let options = ArchiveOptions::new().create(true);
    /// Archiver::new(store.clone(), location.clone()).options(options).run_once()?;
    ///
    /// let pruner = Pruner::new(&store, &location).record(Actor::user("carol"), "policy 7");
    /// assert_eq!(pruner.run()?.removed, 1);
    /// let found = store.find(&Query::new().action("prune"))?.entries;
    /// assert_eq!(found[0].additional_data["count"], 1);
    /// # std::fs::remove_dir_all(&folder)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn record(mut self, actor: Actor, reason: impl Into<String>) -> Self {
        self.record = Some((actor, reason.into()));
        self.keep_records()
    }

    /// Sets the source of the entry that records the removal.
    pub fn source(mut self, source: Source) -> Self {
        self.source = source;
        self
    }

    /// Keeps the records of earlier removals, unless the query selects them by the action.
    pub fn keep_records(mut self) -> Self {
        self.keeps_records = true;
        self
    }

    /// Takes the count for the [record](Self::record) from a dry run with the same query, so that segments are not
    /// verified for it again.
    pub fn planned(mut self, count: u64) -> Self {
        self.planned = Some(count);
        self
    }

    /// Counts the entries without removing them.
    pub fn dry_run(mut self) -> Self {
        self.dry_run = true;
        self
    }

    /// Removes the entries. [`run_with`](Self::run_with) also returns what was removed before an error.
    ///
    /// # Errors
    /// - [`Error::NoArchive`], [`Error::Gap`], [`Error::LostTail`] or [`Error::Corrupt`]: the archive is
    ///   missing, or its chain of manifests is not intact, as far as it is read. Nothing is removed.
    /// - [`Error::OnHold`]: a manifest has holds. Nothing is removed.
    /// - [`Error::Store`]: the hot store cannot be read, or cannot remove entries by id. With
    ///   [`StoreError::InvalidPosition`](audit_core::StoreError::InvalidPosition) the archive is of
    ///   another trail, or the position of a follower is.
    /// - Other errors if the object store cannot be read. Entries of earlier segments may be removed;
    ///   another run continues.
    pub fn run(&self) -> Result<PruneReport, Error> {
        let mut report = PruneReport::default();
        self.run_with(&mut report)?;
        Ok(report)
    }

    /// Removes the entries as [`run`](Self::run) does, and sets the report. After an error, the report has the entries
    /// that were removed before it: in the segment that failed, those that the hot store no longer has.
    ///
    /// # Errors
    /// Returns the errors of [`run`](Self::run).
    pub fn run_with(&self, report: &mut PruneReport) -> Result<(), Error> {
        *report = PruneReport::default();
        let query = if self.keeps_records {
            without_records(self.query.clone())
        } else {
            self.query.clone()
        };
        let Some((actor, reason)) = self.record.as_ref().filter(|_| !self.dry_run) else {
            return self.prune(&query, self.dry_run, report);
        };
        let planned = if let Some(planned) = self.planned {
            planned
        } else {
            self.prune(&query, true, report)?;
            report.removed
        };
        if planned == 0 {
            return Ok(());
        }
        let append = |outcome, count: u64| {
            let mut entry = LogEntry::new(RECORD, "", "", RECORD);
            entry.level = Level::Warning;
            entry.outcome = outcome;
            entry.actor = Some(actor.clone());
            entry.source = self.source.clone();
            entry.reason = Some(reason.clone()).filter(|reason| !reason.is_empty());
            entry.additional_data = Map::from_iter([
                ("query".to_owned(), self.query.to_string().into()),
                ("count".to_owned(), count.into()),
                ("archive".to_owned(), self.location.to_string().into()),
            ]);
            self.store.append(&[entry])
        };
        append(Outcome::Success, planned)?;
        *report = PruneReport::default();
        match self.prune(&query, false, report) {
            Ok(()) if report.removed == planned => Ok(()),
            Ok(()) => Ok(append(Outcome::Success, report.removed)?),
            Err(error) => {
                append(Outcome::Failure, report.removed)?;
                Err(error)
            }
        }
    }

    /// Removes or counts the entries of a query. After an error, the report has those that were removed before.
    fn prune(&self, query: &Query, dry_run: bool, report: &mut PruneReport) -> Result<(), Error> {
        query.check()?;
        let mut chain = Chain::open(self.location)?;
        chain.check_holds()?;
        // Rejects another trail before anything is removed.
        self.store.committed_after(&chain.position, 0)?;
        self.unread()?;
        let skipped = self.empty_segments(&chain)?;
        // With the one before, whose position is the beginning of the first segment.
        let manifests = chain.manifests_from(skipped.max(1), self.location)?;
        let mut run = Run {
            query,
            only_counts: dry_run,
            anchor: chain.anchor,
            checked: CheckedFiles::new(chain, true),
            report,
        };
        let mut before = Position::START;
        for manifest in &manifests {
            if manifest.number > skipped {
                self.prune_segment(&before, manifest, &mut run)?;
                if run.report.held_back_by.is_some() {
                    break;
                }
            }
            before = manifest.position.clone();
        }
        Ok(())
    }

    /// Returns how many segments at the beginning have no entry in the hot store: the first entry after each
    /// of them is the first of all.
    fn empty_segments(&self, chain: &Chain) -> Result<u64, Error> {
        let first_after = |position: &Position| EntryMark::first_after(self.store, position);
        let first = first_after(&Position::START)?;
        let (mut low, mut high) = (0, chain.number);
        while low < high {
            let middle = low + (high - low) / 2;
            let manifest = Manifest::get(middle + 1, self.location)?;
            if first_after(&manifest.position)? == first {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(low)
    }

    fn prune_segment(
        &self,
        before: &Position,
        manifest: &Manifest,
        run: &mut Run<'_>,
    ) -> Result<(), Error> {
        if manifest.first > manifest.last {
            return Ok(());
        }
        run.checked.forget_up_to(manifest.first - 1);
        let hot = self.hot_entries(before, manifest, run)?;
        if hot.is_empty() {
            return Ok(());
        }
        let mut verified = Vec::new();
        let mut remaining: HashMap<Uuid, Checksum> = hot.into_iter().collect();
        for file in &manifest.added {
            let findings = &mut run.report.findings;
            let Some(file) = run.checked.file(&file.path, self.location, findings)? else {
                // It left the archive later.
                continue;
            };
            if !file.is_intact {
                continue;
            }
            for row in file.rows_of(manifest.first, manifest.last) {
                if let Entry::Occupied(hot) = remaining.entry(row.id)
                    && row.checksum == Some(*hot.get())
                {
                    verified.push(hot.remove_entry());
                }
            }
        }
        run.report.unverified += remaining.len() as u64;
        if run.only_counts || verified.is_empty() {
            run.report.removed += verified.len() as u64;
            return Ok(());
        }
        match self.store.purge_exact(&verified) {
            Ok(removed) => run.report.removed += removed,
            Err(error) => {
                run.report.removed += self.missing(&verified);
                return Err(error.into());
            }
        }
        Ok(())
    }

    /// Returns how many of some entries the hot store does not have any more, as far as it can be read: a store may
    /// remove in steps before an error.
    fn missing(&self, entries: &[(Uuid, Checksum)]) -> u64 {
        let store = followed(self.store);
        let mut missing = 0;
        for entries in entries.chunks(READ_AT_ONCE) {
            let ids: Vec<Uuid> = entries.iter().map(|(id, _)| *id).collect();
            match store.by_ids(&ids) {
                Ok(existing) => missing += ids.len().saturating_sub(existing.len()),
                Err(error) => log::warn!("removed entries were not counted: {error}"),
            }
        }
        missing as u64
    }

    /// Returns the ids and checksums of the entries of a segment that the hot store still has and the query
    /// matches, up to the first one that a follower has not read.
    fn hot_entries(
        &self,
        before: &Position,
        manifest: &Manifest,
        run: &mut Run<'_>,
    ) -> Result<Vec<(Uuid, Checksum)>, Error> {
        let mut found = Vec::new();
        let mut end = None;
        let mut position = before.clone();
        // The entries of the segment, and the one after them.
        let segment = usize::try_from(manifest.last - manifest.first + 2);
        let limit = segment.map_or(READ_AT_ONCE, |entries| entries.min(READ_AT_ONCE));
        loop {
            let batch = self.store.committed_after(&position, limit)?;
            if batch.entries.is_empty() {
                return Ok(found);
            }
            // The hot store may not have the segment's last entry any more. Read after the batch, so that the
            // entry exists if the batch has later ones.
            if end.is_none() {
                end = EntryMark::first_after(self.store, &manifest.position)?;
            }
            // Read after each batch: another process may have removed the entry that was a follower's first one, and
            // the entries of the batch that a follower has not read are not before the first one now.
            let unread = self.unread()?;
            position = batch.next;
            for stored in batch.entries {
                let id = stored.id();
                if end.as_ref().is_some_and(|end| end.is(&stored)) {
                    return Ok(found);
                }
                let unread = unread.iter().find(|(unread, _)| unread.is(&stored));
                if let Some((_, follower)) = unread {
                    run.report.held_back_by = Some((*follower).to_owned());
                    return Ok(found);
                }
                let matches = stored.entry().is_ok_and(|entry| run.query.matches(&entry));
                if matches && run.anchor != Some(id) {
                    found.push((id, audit_sql::checksum(stored.bytes())));
                }
                if stored.position() == &manifest.position {
                    return Ok(found);
                }
            }
        }
    }

    /// Returns the first entry that each follower has not read.
    fn unread(&self) -> Result<Vec<(EntryMark, &str)>, Error> {
        let mut unread = Vec::new();
        for (name, position) in &self.followers {
            if let Some(first) = EntryMark::first_after(self.store, position)? {
                unread.push((first, &**name));
            }
        }
        Ok(unread)
    }
}

/// Excludes the records of earlier removals, unless the query selects them.
fn without_records(query: Query) -> Query {
    let filter = query.filter();
    // A record has no model.
    let model = filter.model.as_deref().unwrap_or_default();
    if filter.action.is_some() || !model.is_empty() {
        return query;
    }
    query.not(Query::new().model_name("").action(RECORD))
}

//! `verify`: the chain of manifests, the hashes of files, and every column from the bodies.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;

use audit_core::{Batch, Follow, Position, StoreError, Stored};
use uuid::Uuid;

use crate::chain::{Chain, numbers, read_each};
use crate::check;
use crate::checked::{CheckedFiles, Checksum};
use crate::checkpoint;
use crate::error::Error;
use crate::federated::followed;
use crate::location::Location;
use crate::manifest::{self, Manifest, ManifestKind};
use crate::mark::EntryMark;
use crate::segment::{first_of, planned_after};

/// The number of entries that are read from the hot store at once.
const READ_AT_ONCE: usize = 500;

/// Verifies an archive: see [`Verifier`].
///
/// # Errors
/// - Returns [`Error::NoArchive`] if the location has none.
/// - Returns another error if the object store cannot be read. Damage is in the [`Verification`].
pub fn verify(location: &Location) -> Result<Verification, Error> {
    Verifier::new(location).run()
}

/// Verifies an archive by reading all of it.
///
/// - Manifests: their numbers have no gap, each matches its checksum and names the hash of the one
///   before, and their segments follow each other.
/// - Checkpoints: they have what the manifests up to their numbers have.
/// - Files and filters: they exist and have the length and the SHA-256 of the manifest.
/// - Rows: every column is derived again from `body`; they are in order, and each number of the segment
///   occurs once, also after compactions.
/// - What readers skip rows by: no statistics, page index or Bloom filter excludes a value of its rows.
///
/// The numbers of a compacted file's rows stay in memory until its last segment is verified, with
/// [`against`](Self::against) the ids and hashes, too.
///
/// A manifest proves no authenticity: a user who can write the object store can write another chain.
#[derive(Debug)]
#[must_use = "a verifier does nothing until `run`"]
pub struct Verifier<'v> {
    location: &'v Location,
    at_least: Option<(u64, String)>,
    store: Option<&'v dyn Follow>,
}

/// The result of [`Verifier::run`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verification {
    /// The count of manifests.
    pub manifests: u64,
    /// The count of files.
    pub files: u64,
    /// The count of entries in files that are intact.
    pub entries: u64,
    /// The count of rows that manifests name because they are not entries.
    pub skipped: u64,
    /// The count of entries of the hot store that were not compared, since files of their segment have left
    /// the archive.
    pub expired: u64,
    /// The number and the hash of the last manifest, for [`Verifier::at_least`] of a later run.
    pub last: Option<(u64, String)>,
    /// The differences from an intact archive.
    pub findings: Vec<Finding>,
    /// The objects under the folder of the files that no manifest names: those of an interrupted run, of an
    /// archiver that another one replaced, or files that left the archive.
    pub orphans: Vec<String>,
    /// The count of objects that a compaction has replaced and that are not deleted yet.
    pub replaced: u64,
}

impl Verification {
    /// Returns whether there are no findings.
    pub fn is_clean(&self) -> bool {
        self.findings.is_empty()
    }
}

/// A difference between an archive and what it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// The kind.
    pub kind: FindingKind,
    /// The object.
    pub path: String,
    /// The details.
    pub detail: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.path, self.kind, self.detail)
    }
}

/// The kind of a [`Finding`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FindingKind {
    /// A manifest does not exist, although later ones do.
    MissingManifest,
    /// The bytes of a manifest do not match its checksum, or are not a manifest.
    DamagedManifest,
    /// A manifest does not follow the one before.
    BrokenChain,
    /// A checkpoint does not have what the manifests up to its number have.
    WrongCheckpoint,
    /// The last manifests are missing: the archive does not have the manifest that the caller requires, or has
    /// objects that were written after later ones.
    LostTail,
    /// A file or a filter does not exist.
    MissingFile,
    /// A file or a filter has another length or SHA-256 than its manifest has.
    DamagedFile,
    /// A file has the right hash, and its content contradicts itself or the manifest.
    WrongContent,
    /// The hot store has an entry that the archive should have and does not have.
    MissingEntry,
    /// The hot store has an entry with other bytes.
    DifferentEntry,
}

impl fmt::Display for FindingKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::MissingManifest => "missing manifest",
            Self::DamagedManifest => "damaged manifest",
            Self::BrokenChain => "broken chain",
            Self::WrongCheckpoint => "wrong checkpoint",
            Self::LostTail => "lost tail",
            Self::MissingFile => "missing file",
            Self::DamagedFile => "damaged file",
            Self::WrongContent => "wrong content",
            Self::MissingEntry => "missing entry",
            Self::DifferentEntry => "different entry",
        })
    }
}

/// The members of a manifest that are needed after the chain is read.
#[derive(Debug)]
struct Part {
    path: String,
    first: u64,
    last: u64,
    /// The position of the hot store at which the segment ends.
    position: Position,
    /// The ids and hashes of the skipped rows, by their numbers.
    skipped: BTreeMap<u64, (Uuid, String)>,
    files: Vec<String>,
    /// Whether the files replace others, whose segments are other parts.
    is_compaction: bool,
}

impl<'v> Verifier<'v> {
    /// Creates a verifier.
    pub fn new(location: &'v Location) -> Self {
        Self {
            location,
            at_least: location
                .pinned()
                .map(|(number, hash)| (number, hash.to_owned())),
            store: None,
        }
    }

    /// Requires that the archive has a manifest with a number and a hash, as
    /// [`Location::at_least`] does. Without it, only a lost tail of two and more segments is detected.
    pub fn at_least(mut self, number: u64, hash: impl Into<String>) -> Self {
        self.at_least = Some((number, hash.into()));
        self
    }

    /// Compares the entries that a hot store still has with those of the archive.
    pub fn against(mut self, store: &'v dyn Follow) -> Self {
        self.store = Some(store);
        self
    }

    /// Reads the archive and reports every difference from an intact one.
    ///
    /// # Errors
    /// - Returns [`Error::NoArchive`] if the location has none.
    /// - Returns [`Error::NewerFormat`] if a later version of this library wrote the archive.
    /// - Returns another error if the object store or the hot store cannot be read.
    pub fn run(self) -> Result<Verification, Error> {
        let mut found = Verification::default();
        let mut chain = Chain::default();
        // Listed before the chain is read: what an archiver writes meanwhile is not a lost tail.
        let listed = self.location.list(check::FOLDER, None)?;
        let listed: Vec<String> = listed.into_iter().map(|object| object.path).collect();
        let planned = planned_after(self.location, 0)?;
        let checkpoints = checkpoint::numbers(self.location)?;
        let parts = self.read_chain(&mut chain, &checkpoints, &mut found)?;
        if found.manifests == 0 && planned.is_none() && checkpoints.is_empty() {
            return Err(Error::NoArchive {
                location: self.location.to_string(),
            });
        }
        let mut hot = self.store.map(HotCursor::new);
        let mut checked = CheckedFiles::new(chain.clone(), hot.is_some());
        for part in &parts {
            self.verify_part(part, &mut checked, &mut found, hot.as_mut())?;
        }
        (found.files, found.entries) = (checked.checked, checked.entries);
        find_orphans(&chain, listed, planned, &mut found);
        found.last = (chain.number > 0).then(|| (chain.number, chain.hash.clone()));
        Ok(found)
    }

    fn read_chain(
        &self,
        chain: &mut Chain,
        checkpoints: &[u64],
        found: &mut Verification,
    ) -> Result<Vec<Part>, Error> {
        let mut parts = Vec::new();
        let mut expected = 1;
        // Whether the manifest before is intact, so that the next one can be compared with it.
        let mut comparable = true;
        // Whether a manifest before is missing or damaged.
        let mut is_incomplete = false;
        let mut remembered = self
            .at_least
            .as_ref()
            .is_none_or(|(number, _)| *number == 0);
        for manifest in read_each(self.location, &numbers(self.location, 0)?) {
            let (number, bytes) = manifest?;
            let path = manifest::name(number);
            if number > expected {
                let detail = match number - 1 {
                    last if last == expected => format!("manifest {expected} is missing"),
                    last => format!("manifests {expected} to {last} are missing"),
                };
                found.add(
                    FindingKind::MissingManifest,
                    manifest::name(expected),
                    detail,
                );
                comparable = false;
            }
            expected = number.saturating_add(1);
            found.manifests += 1;
            let Some(bytes) = bytes else {
                found.add(
                    FindingKind::MissingManifest,
                    path,
                    "it was deleted meanwhile",
                );
                comparable = false;
                continue;
            };
            let manifest = match Manifest::read(&bytes, number) {
                Ok(manifest) => manifest,
                Err(Error::Corrupt { detail, .. } | Error::Foreign { detail, .. }) => {
                    found.add(FindingKind::DamagedManifest, path, detail);
                    comparable = false;
                    continue;
                }
                Err(error) => return Err(error),
            };
            let contradiction = match comparable {
                // Without a manifest before, the chain lacks its files.
                true if is_incomplete => chain.broken_link(&manifest),
                true => chain.contradiction(&manifest),
                false => None,
            };
            is_incomplete |= !comparable;
            if let Some(detail) = contradiction {
                found.add(FindingKind::BrokenChain, path.clone(), detail);
            }
            if manifest.fence < chain.fence {
                let (fence, before) = (manifest.fence, chain.fence);
                let detail = format!("its lease {fence} is older than lease {before} before it");
                found.add(FindingKind::BrokenChain, path.clone(), detail);
            }
            comparable = true;
            chain.apply(&manifest, &bytes);
            if checkpoints.contains(&number) {
                self.compare_checkpoint(chain, found)?;
            }
            if let Some((number, hash)) = &self.at_least
                && *number == manifest.number
            {
                remembered = hash.eq_ignore_ascii_case(&chain.hash);
            }
            found.skipped += manifest.skipped.len() as u64;
            let skipped = manifest.skipped.into_iter();
            let skipped = skipped.map(|row| (row.seq, (row.id, row.sha256)));
            parts.push(Part {
                path,
                first: manifest.first,
                last: manifest.last,
                position: manifest.position,
                skipped: skipped.collect(),
                is_compaction: manifest.kind == ManifestKind::Compact,
                files: manifest.added.into_iter().map(|file| file.path).collect(),
            });
        }
        for number in checkpoints.iter().filter(|number| **number >= expected) {
            let detail = "it was written after a manifest that does not exist";
            found.add(FindingKind::LostTail, checkpoint::name(*number), detail);
        }
        if !remembered && let Some((number, hash)) = &self.at_least {
            let detail = format!("no manifest {number} with the hash {hash} exists");
            found.add(FindingKind::LostTail, manifest::name(*number), detail);
        }
        Ok(parts)
    }

    /// Compares a checkpoint with the manifests up to its number, if they are intact.
    fn compare_checkpoint(&self, chain: &Chain, found: &mut Verification) -> Result<(), Error> {
        let path = checkpoint::name(chain.number);
        if !found.is_clean() {
            return Ok(());
        }
        let Some(bytes) = self.location.get(&path)? else {
            // It was deleted meanwhile.
            return Ok(());
        };
        let detail = match checkpoint::read(&bytes, chain.number) {
            // Readers of this version do not use it.
            Err(Error::NewerFormat { .. }) => return Ok(()),
            Ok(_) if bytes == checkpoint::to_bytes(chain)? => return Ok(()),
            Ok(read) if read.hash != chain.hash => format!(
                "it follows a manifest {} with the hash {}, and the existing one has {}: one of the two was replaced",
                chain.number, read.hash, chain.hash
            ),
            _ => "it does not have what the manifests up to its number have; readers and archivers do not need it, \
                  so it can be deleted"
                .to_owned(),
        };
        found.add(FindingKind::WrongCheckpoint, path, detail);
        Ok(())
    }

    /// Verifies the files of a manifest and the numbers of its segment.
    fn verify_part(
        &self,
        part: &Part,
        checked: &mut CheckedFiles,
        found: &mut Verification,
        hot: Option<&mut HotCursor<'v>>,
    ) -> Result<(), Error> {
        if part.is_compaction {
            // Their rows were compared with their segments. If a manifest is damaged, they may not be checked yet.
            for path in &part.files {
                checked.ensure(path, self.location, &mut found.findings)?;
            }
            checked.forget_up_to(part.last);
            return Ok(());
        }
        let mut numbers: Vec<u64> = part.skipped.keys().copied().collect();
        let mut hashes = HashMap::new();
        let mut complete = true;
        let mut has_expired = false;
        for path in &part.files {
            let Some(file) = checked.file(path, self.location, &mut found.findings)? else {
                // It left the archive later.
                (complete, has_expired) = (false, true);
                continue;
            };
            complete &= file.is_intact;
            for row in file.rows_of(part.first, part.last) {
                numbers.push(row.seq);
                if let Some(hash) = row.checksum {
                    hashes.insert(row.id, hash);
                }
            }
        }
        numbers.sort_unstable();
        if complete && !numbers.iter().copied().eq(part.first..=part.last) {
            let detail = format!(
                "its files do not have each number from {} to {} once",
                part.first, part.last
            );
            found.add(FindingKind::WrongContent, part.path.clone(), detail);
        }
        checked.forget_up_to(part.last);
        match hot {
            Some(hot) if part.first <= part.last => hot.compare(part, &hashes, has_expired, found),
            _ => Ok(()),
        }
    }
}

/// Lists the objects that no manifest names, and reports those of segments after the next one.
fn find_orphans(
    chain: &Chain,
    listed: Vec<String>,
    planned: Option<(u64, String)>,
    found: &mut Verification,
) {
    let (named, replaced) = (chain.objects(), chain.replaced_objects());
    for path in listed {
        if replaced.contains_key(&*path) {
            found.replaced += 1;
        } else if !named.contains(&*path) {
            found.orphans.push(path);
        }
    }
    let next = chain.last.saturating_add(1);
    let orphans = found.orphans.iter();
    let files = orphans.filter_map(|path| Some((first_of(path)?, path.clone())));
    let lost: Vec<String> = files
        .chain(planned)
        .filter(|(first, _)| *first > next)
        .map(|(_, path)| path)
        .collect();
    for path in lost {
        let detail = "it was written after a manifest that does not exist";
        found.add(FindingKind::LostTail, path, detail);
    }
}

impl Verification {
    fn add(&mut self, kind: FindingKind, path: impl Into<String>, detail: impl Into<String>) {
        self.findings.push(Finding {
            kind,
            path: path.into(),
            detail: detail.into(),
        });
    }
}

/// The end of a segment in the hot store.
#[derive(Clone, PartialEq, Eq)]
enum SegmentEnd {
    Unread,
    /// The store has no entry after the segment.
    OfStore,
    /// The first entry after the segment.
    Before(EntryMark),
}

/// Reads the hot store in the order in which it was archived.
struct HotCursor<'v> {
    store: &'v dyn Follow,
    position: Position,
    /// The entries that were read and not compared yet, in reverse order.
    read: Vec<Stored>,
}

impl<'v> HotCursor<'v> {
    fn new(store: &'v dyn Follow) -> Self {
        Self {
            store,
            position: Position::START,
            read: Vec::new(),
        }
    }

    /// Returns the next entry, and the first entry after a position, which is read again after each
    /// batch: entries may leave the store meanwhile.
    fn peek(
        &mut self,
        position: &Position,
        end: &mut SegmentEnd,
    ) -> Result<Option<&Stored>, Error> {
        if self.read.is_empty() {
            let Batch { entries, next, .. } =
                self.store.committed_after(&self.position, READ_AT_ONCE)?;
            self.position = next;
            self.read = entries;
            self.read.reverse();
            *end = SegmentEnd::Unread;
        }
        // The hot store may not have the segment's last entry any more. Read after the entries, so that the end is
        // among them if they reach beyond the segment.
        if !self.read.is_empty() && *end == SegmentEnd::Unread {
            let after = EntryMark::first_after(self.store, position)?;
            *end = after.map_or(SegmentEnd::OfStore, SegmentEnd::Before);
        }
        Ok(self.read.last())
    }

    /// Removes the ids of entries that have left the hot store since they were read, such as those after the
    /// segment that were removed before its end was read.
    fn retain_existing(&self, ids: &mut Vec<Uuid>) -> Result<(), Error> {
        let Some(trail) = self.store.as_trail().filter(|_| !ids.is_empty()) else {
            return Ok(());
        };
        let existing = match followed(trail).by_ids(ids) {
            Ok(existing) => existing,
            // A damaged row exists.
            Err(StoreError::Corrupt { .. }) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let existing: BTreeSet<Uuid> = existing.iter().map(|entry| entry.id).collect();
        ids.retain(|id| existing.contains(id));
        Ok(())
    }

    /// Compares the entries of a segment, as far as the hot store still has them.
    fn compare(
        &mut self,
        part: &Part,
        hashes: &HashMap<Uuid, Checksum>,
        has_expired: bool,
        found: &mut Verification,
    ) -> Result<(), Error> {
        let mut end = SegmentEnd::Unread;
        let mut missing = Vec::new();
        while let Some(next) = self.peek(&part.position, &mut end)? {
            if matches!(&end, SegmentEnd::Before(end) if end.is(next)) {
                break;
            }
            let Some(stored) = self.read.pop() else {
                break;
            };
            let id = stored.id();
            let hash = audit_sql::checksum(stored.bytes());
            let skipped = part.skipped.values();
            let mut skipped = skipped.filter(|(skipped, _)| *skipped == id).peekable();
            let is_same = match hashes.get(&id) {
                Some(archived) => *archived == hash,
                None if skipped.peek().is_some() => {
                    let hash = audit_sql::hex(&hash);
                    skipped.any(|(_, skipped)| *skipped == hash)
                }
                None if has_expired => {
                    found.expired += 1;
                    true
                }
                None => {
                    missing.push(id);
                    true
                }
            };
            if !is_same {
                let detail = "the hot store has it with other bytes";
                found.add(FindingKind::DifferentEntry, format!("entry {id}"), detail);
            }
            if stored.position() == &part.position {
                break;
            }
        }
        self.retain_existing(&mut missing)?;
        if let Some(id) = missing.first() {
            let (first, last, count) = (part.first, part.last, missing.len());
            let detail = format!(
                "the hot store has it in the segment from {first} to {last}, and no intact file has it; \
                 such entries in the segment: {count}"
            );
            found.add(FindingKind::MissingEntry, format!("entry {id}"), detail);
        }
        Ok(())
    }
}

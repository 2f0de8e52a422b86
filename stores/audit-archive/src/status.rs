//! [`ArchiveStatus`]: the content of an archive as far as its manifests describe it.

use std::collections::BTreeMap;

use audit_core::{Position, Query};
use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::error::Error;
use crate::store::ArchiveStore;
use crate::wanted::Wanted;

/// The content of an archive as far as its manifests describe it: no file is read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ArchiveStatus {
    /// The id of the archive; `None` if it has no manifest.
    pub id: Option<Uuid>,
    /// The number of the last manifest.
    pub manifest: u64,
    /// The SHA-256 of the last manifest, for [`Verifier::at_least`](crate::Verifier::at_least).
    pub sha256: String,
    /// The number of entries that were archived, with those of files that have left the archive and
    /// rows that are not entries.
    pub archived: u64,
    /// The number of entries in its files.
    pub entries: u64,
    /// The number of its files.
    pub files: u64,
    /// The size of its files in bytes.
    pub bytes: u64,
    /// The time of the earliest entry.
    pub oldest: Option<DateTime<Utc>>,
    /// The time of the latest entry.
    pub newest: Option<DateTime<Utc>>,
    /// The position of the hot store up to which entries are archived.
    pub position: Position,
    /// The id of the last archived entry, which a prune leaves in the hot store.
    pub anchor: Option<Uuid>,
    /// The retention classes of models, by model. Others have the class `default`.
    pub classes: BTreeMap<String, String>,
}

impl ArchiveStore {
    /// Returns the content of the archive as far as its manifests describe it.
    ///
    /// # Errors
    /// Returns an error if the manifests cannot be read or are damaged.
    pub fn status(&self) -> Result<ArchiveStatus, Error> {
        let chain = self.chain()?;
        let mut status = ArchiveStatus {
            id: chain.archive,
            manifest: chain.number,
            sha256: chain.hash.clone(),
            archived: chain.last,
            position: chain.position.clone(),
            anchor: chain.anchor,
            classes: (*chain.classes).clone(),
            ..ArchiveStatus::default()
        };
        for file in chain.files.values() {
            let file = &file.file;
            status.files += 1;
            status.entries += file.rows;
            status.bytes += file.bytes;
            let oldest = DateTime::from_timestamp_micros(file.min_ts);
            let newest = DateTime::from_timestamp_micros(file.max_ts);
            status.oldest = status.oldest.into_iter().chain(oldest).min();
            status.newest = status.newest.into_iter().chain(newest).max();
        }
        Ok(status)
    }

    /// Returns the latest time of the files that may have entries of a query, as far as manifests
    /// say; `None` if no file has.
    pub(crate) fn last_time(&self, query: &Query) -> Result<Option<DateTime<Utc>>, Error> {
        let chain = self.chain()?;
        let wanted = Wanted::of(query);
        let files = chain.files.values().map(|file| &file.file);
        let last = files
            .filter(|file| wanted.may_be_in_file(file))
            .map(|file| file.max_ts)
            .max();
        Ok(last.map(|last| {
            // Entries have times that are in the range of `DateTime`.
            DateTime::from_timestamp_micros(last).unwrap_or(DateTime::<Utc>::MAX_UTC)
        }))
    }
}

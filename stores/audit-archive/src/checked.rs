//! The files of an archive that `verify` and a prune have checked, with their rows.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use uuid::Uuid;

use crate::chain::Chain;
use crate::check::{self, FileCheck};
use crate::error::Error;
use crate::location::Location;
use crate::verify::Finding;

/// The SHA-256 of an entry's bytes.
pub(crate) type Checksum = [u8; 32];

/// Checks each file once, and keeps its rows as long as a later segment may need them: a compacted file has rows of
/// several segments.
pub(crate) struct CheckedFiles {
    /// The archive, read again when a file has left it meanwhile.
    chain: Chain,
    /// Whether the checksums of rows are needed.
    compares: bool,
    files: BTreeMap<String, CheckedFile>,
    /// The checked files whose rows are no longer in memory.
    done: BTreeSet<String>,
    /// The count of checked files.
    pub(crate) checked: u64,
    /// The count of entries in those that are intact.
    pub(crate) entries: u64,
}

/// A file that was checked.
#[derive(Debug)]
pub(crate) struct CheckedFile {
    /// The number of the last entry of its segments.
    last: u64,
    pub(crate) is_intact: bool,
    rows: Vec<CheckedRow>,
}

/// A row of a file whose hash is right.
#[derive(Debug)]
pub(crate) struct CheckedRow {
    pub(crate) seq: u64,
    pub(crate) id: Uuid,
    pub(crate) checksum: Option<Checksum>,
}

impl CheckedFile {
    /// Returns the rows of a segment.
    pub(crate) fn rows_of(&self, first: u64, last: u64) -> impl Iterator<Item = &CheckedRow> {
        let rows = self.rows.iter();
        rows.filter(move |row| (first..=last).contains(&row.seq))
    }
}

impl CheckedFiles {
    pub(crate) fn new(chain: Chain, compares: bool) -> Self {
        Self {
            chain,
            compares,
            files: BTreeMap::new(),
            done: BTreeSet::new(),
            checked: 0,
            entries: 0,
        }
    }

    /// Returns the file that has the entries of a file of a manifest now; `None` if they have left the archive.
    /// Adds the findings when it is checked.
    pub(crate) fn file(
        &mut self,
        path: &str,
        location: &Location,
        findings: &mut Vec<Finding>,
    ) -> Result<Option<&CheckedFile>, Error> {
        while let Some(file) = self.chain.current(path).map(Arc::clone) {
            let current = &file.file.path;
            if self.files.contains_key(current) {
                return Ok(self.files.get(current));
            }
            let mut checked = CheckedFile {
                last: file.last,
                is_intact: false,
                rows: Vec::new(),
            };
            let before = findings.len();
            let compares = self.compares;
            let check = check::file(location, &file, findings, &mut |row| {
                checked.rows.push(CheckedRow {
                    seq: row.seq,
                    id: row.id,
                    checksum: compares.then(|| audit_sql::checksum(&row.body())),
                });
            })?;
            checked.is_intact = check == FileCheck::Intact;
            if !checked.is_intact
                && let Some(newer) = self.chain.newer_without(current, location)?
            {
                findings.truncate(before);
                self.chain = newer;
                continue;
            }
            self.checked += 1;
            self.entries += u64::from(checked.is_intact) * file.file.rows;
            return Ok(Some(self.files.entry(current.clone()).or_insert(checked)));
        }
        Ok(None)
    }

    /// Checks the file that has the entries of a file of a manifest now, unless it was checked.
    pub(crate) fn ensure(
        &mut self,
        path: &str,
        location: &Location,
        findings: &mut Vec<Finding>,
    ) -> Result<(), Error> {
        let current = self.chain.current(path).map(|file| &file.file.path);
        if current.is_some_and(|path| !self.done.contains(path)) {
            self.file(path, location, findings)?;
        }
        Ok(())
    }

    /// Drops the rows of the files without entries after a number.
    pub(crate) fn forget_up_to(&mut self, last: u64) {
        self.files.retain(|path, file| {
            let is_needed = file.last > last;
            if !is_needed {
                self.done.insert(path.clone());
            }
            is_needed
        });
    }
}

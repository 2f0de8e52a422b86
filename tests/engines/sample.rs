//! An archive with all that readers must handle.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use auditlog::archive::{ArchiveOptions, ArchiveStore, Archiver, Location};
use auditlog::{LogEntry, MemoryStore, Query, Store as _};
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use libtest_mimic::Failed;

/// The days of the trail: some before and some after the end of a year.
const DAYS: i32 = 14;

/// An archive in the folder `archive` below a folder.
pub(crate) struct Sample {
    folder: tempfile::TempDir,
    pub(crate) archive: ArchiveStore,
    /// The Parquet files that the archive has, with `archive/` before each.
    pub(crate) named: Vec<String>,
    /// The files below `v1/` that it does not have, sorted.
    pub(crate) orphans: Vec<String>,
}

impl Sample {
    pub(crate) fn new() -> Result<Self, Failed> {
        let folder = tempfile::tempdir()?;
        let root = folder.path().join("archive");
        let location = Location::folder(&root)?;
        let store = MemoryStore::new();
        let options = ArchiveOptions::new()
            .create(true)
            .segment_entries(1_000)
            .class("Invoice", "ten-years");
        let archiver = Archiver::new(store.clone(), location.clone()).options(options);

        store.append(&spread(3_500, 1, start()?))?;
        archiver.run_once()?;
        // Late entries: those of the same days, and some of a year before.
        store.append(&spread(300, 2, start()?))?;
        store.append(&spread(40, 3, start()? - TimeDelta::days(365)))?;
        archiver.run_once()?;
        // Entries that were removed and restored are in the archive twice.
        let first_days = Query::new().until(start()? + TimeDelta::days(2));
        let removed = store.find(&first_days.clone().limit(100_000))?.entries;
        store.purge(&first_days)?;
        store.append(&removed)?;
        archiver.run_once()?;

        let before = parquet_files(&root)?;
        let kept: Vec<(PathBuf, Vec<u8>)> = before
            .iter()
            .map(|path| Ok((path.clone(), fs::read(path)?)))
            .collect::<Result<_, std::io::Error>>()?;
        let date: NaiveDate = (start()? + TimeDelta::days(2)).date_naive();
        let expired = archiver.expire("default", date, "retention")?;
        assert!(expired.files > 2, "{expired:?}");
        let named = parquet_files(&root)?;
        // Removed files that a store with locked objects still has.
        for (path, bytes) in &kept {
            fs::write(path, bytes)?;
        }
        // The file of a former generation, and an object that is no Parquet file.
        let copied = named.last().ok_or("a file")?;
        let name = copied.to_str().ok_or("UTF-8")?.replace(".g1.", ".g2.");
        fs::copy(copied, &name)?;
        let day = root.join("v1/class=default/date=2024-01-01");
        fs::create_dir_all(&day)?;
        let broken = day.join("0000000000000001-0000000000000009.g7.parquet");
        fs::write(broken, "not Parquet")?;

        let all = parquet_files(&root)?;
        let relative = |path: &PathBuf| {
            let path = path.strip_prefix(folder.path()).ok()?.to_str()?;
            Some(path.to_owned())
        };
        let orphans = all.difference(&named).filter_map(relative).collect();
        let named = named.iter().filter_map(relative).collect();
        Ok(Self {
            archive: ArchiveStore::open(location)?,
            named,
            orphans,
            folder,
        })
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }
}

/// Returns the beginning of the trail.
fn start() -> Result<DateTime<Utc>, chrono::ParseError> {
    "2025-12-25T00:00:00Z".parse()
}

/// Makes entries whose times are spread over the days from a time on.
fn spread(n: i32, seed: u64, start: DateTime<Utc>) -> Vec<LogEntry> {
    let count = usize::try_from(n).unwrap_or_default();
    let mut entries = audit_testkit::entries(count, seed);
    let step = TimeDelta::days(DAYS.into()) / n;
    for (number, entry) in (0..n).zip(&mut entries) {
        entry.timestamp = start + step * number;
    }
    entries
}

/// Returns the Parquet files of an archive.
fn parquet_files(root: &Path) -> Result<BTreeSet<PathBuf>, std::io::Error> {
    let mut files = BTreeSet::new();
    for class in fs::read_dir(root.join("v1"))? {
        for date in fs::read_dir(class?.path())? {
            for file in fs::read_dir(date?.path())? {
                let path = file?.path();
                if path.extension().is_some_and(|end| end == "parquet") {
                    files.insert(path);
                }
            }
        }
    }
    Ok(files)
}

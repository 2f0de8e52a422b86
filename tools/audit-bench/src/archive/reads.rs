//! Queries of the archive: what they read of the files, and their time beside DuckDB on the same files.
//!
//! A query may read the column chunks and pages that its conditions, the order and the found bodies need, in blocks
//! of 16 KiB, and cold also the filters, the ends of files, and in a file of several row groups a Bloom filter of each:
//! more is an error.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use auditlog::archive::{ArchiveStore, Federated, Location};
use auditlog::sqlite::{Durability, SqliteStore};
use auditlog::{Query, Store, TrailStore as _};
use chrono::{DateTime, TimeDelta, Utc};
use parquet::file::reader::FileReader as _;
use parquet::file::serialized_reader::{ReadOptionsBuilder, SerializedFileReader};
use serde::Deserialize;

use super::counting::{Counting, Counts};
use super::duckdb::{self, Question};
use super::trail::{DAYS, Trail, start};
use super::{mib, newest};
use crate::history::Outcome;
use crate::measure::{Budget, medians, row};

/// Rounds of a query.
const ROUNDS: usize = 21;
const ROW_GROUP: u64 = 16_384;
/// The bytes that confirming the last manifest may read.
const MANIFEST: u64 = 64 << 10;
/// The bytes that are read of the end of a file.
const TAIL: u64 = 128 << 10;
/// The unit in which files are read.
const BLOCK: u64 = 16 << 10;
/// The bytes of the Bloom filter of a column of a row group.
const BLOOM: u64 = 32 << 10;
/// The requests for a row group: the columns of the conditions, the ids, the bodies.
const OF_GROUP: u64 = 3;
/// The count of entries in the hot store of the federation.
const HOT: u64 = 20_000;

/// A file, as the manifests describe it.
#[derive(Deserialize)]
struct File {
    path: String,
    date: String,
    rows: u64,
    bytes: u64,
    filter: Filter,
}

/// The object beside a file.
#[derive(Deserialize)]
struct Filter {
    bytes: u64,
}

impl File {
    fn groups(&self) -> u64 {
        self.rows.div_ceil(ROW_GROUP)
    }

    /// Returns the bytes of the blocks that have columns: all of it, or the largest pages and the dictionary.
    fn bytes_of(&self, archive: &Path, columns: &[(&str, Option<u64>)]) -> Outcome<u64> {
        let options = ReadOptionsBuilder::new().with_page_index().build();
        let file = fs::File::open(archive.join(&self.path))?;
        let file = SerializedFileReader::new_with_options(file, options)?;
        let mut bytes = 0;
        for index in 0..file.num_row_groups() {
            let group = file.metadata().row_group(index);
            let pages = file.metadata().page_index_for_row_group(index);
            for (at, column) in group.columns().iter().enumerate() {
                let name = column.column_path().string();
                let Some((_, count)) = columns.iter().find(|(wanted, _)| *wanted == name) else {
                    continue;
                };
                let (_, chunk) = column.byte_range();
                let pages = pages.page_locations(at).ok_or("no page index")?;
                let sizes = pages.iter().map(|page| page.compressed_page_size);
                let sizes: Vec<u64> = sizes.map(u64::try_from).collect::<Result<_, _>>()?;
                let dictionary = chunk - sizes.iter().sum::<u64>();
                let largest = sizes.iter().max().copied().unwrap_or_default();
                let needed = count.map_or(chunk, |count| chunk.min(dictionary + count * largest));
                // The first and the last block of the dictionary and of the pages.
                bytes += needed + 4 * BLOCK;
            }
        }
        Ok(bytes)
    }
}

/// The limits of what a query opens and reads.
struct Limits {
    files: u64,
    groups: u64,
    /// The requests and bytes of the first time and of a later one.
    cold: (u64, u64),
    warm: (u64, u64),
}

pub(super) fn run(folder: &Path, archive: &Path, trail: Trail) -> Outcome<()> {
    let files = files(archive)?;
    let store = ArchiveStore::open(Location::folder(archive)?)?;
    let counts = Arc::new(Counts::default());
    let counting = Counting::new(archive, Arc::clone(&counts))?;
    let counted = ArchiveStore::open(Location::new(Arc::new(counting), "")?)?;
    let day = start() + TimeDelta::days(i64::from(DAYS) / 2);
    let questions = questions(trail, day);
    let mut found = Vec::new();
    for (question, query) in &questions {
        counts.take();
        let before = (counted.files_opened(), counted.row_groups_read());
        let entries = counted.find(query)?.entries.len();
        let cold = counts.take();
        let opened = counted.files_opened() - before.0;
        let groups = counted.row_groups_read() - before.1;
        counted.find(query)?;
        let warm = counts.take();
        let limits = limits(question.name, entries as u64, archive, &files, day)?;
        print_reads(question.name, &files, opened, groups, [cold, warm], &limits)?;
        found.push(entries);
    }
    times(archive, &files, &store, &questions, &found)?;
    federated(folder, store, trail)
}

fn questions(trail: Trail, day: DateTime<Utc>) -> Vec<(Question, Query)> {
    let (model, pk) = Trail::object(trail.objects() / 2);
    let (since, until) = (day, day + TimeDelta::days(1));
    let time = |time: DateTime<Utc>| time.format("%Y-%m-%dT%H:%M:%SZ");
    let history = format!(
        "SELECT body FROM audit_entry WHERE object_key = '{model}' || chr(31) || '{pk}' ORDER BY ts, id"
    );
    let actor = format!(
        "SELECT body FROM audit_entry WHERE actor = 'actor-7' AND date = '{}' AND ts >= '{}' AND ts < '{}' \
         ORDER BY ts, id",
        day.format("%Y-%m-%d"),
        time(since),
        time(until)
    );
    let newest = "SELECT body FROM audit_entry ORDER BY ts DESC, id DESC LIMIT 50".to_owned();
    let all = 100_000;
    vec![
        (
            Question::new("object-history", history),
            Query::new().model_name(model).object_pk(pk).limit(all),
        ),
        (
            Question::new("actors-day", actor),
            Query::new()
                .actor("actor-7")
                .since(since)
                .until(until)
                .limit(all),
        ),
        (
            Question::new("newest-50", newest),
            Query::new().newest_first().limit(50),
        ),
    ]
}

/// Returns what a query may read, from the layout of the files. Of an object: the filters of all files, and the pages
/// of the object in a file with an entry of it, and in one of 30 for the false positives of its filter. Of a day: the
/// columns of its files.
fn limits(
    name: &str,
    entries: u64,
    archive: &Path,
    files: &[File],
    day: DateTime<Utc>,
) -> Outcome<Limits> {
    if name == "object-history" {
        let opened = entries + files.len() as u64 / 30 + 1;
        // The entries of an object are in one row group of a file, or at the end of one and the beginning of the next;
        // likewise in its pages.
        let groups = 2 * opened;
        let columns = ["object_key", "model", "ts", "id", "body"].map(|name| (name, Some(2)));
        let mut largest = 0;
        for file in files {
            largest = largest.max(file.bytes_of(archive, &columns)?);
        }
        let filters = files.iter().map(|file| file.filter.bytes).sum::<u64>();
        let has_blooms = files.iter().any(|file| file.groups() > 1);
        return Ok(Limits::of(
            opened,
            groups,
            if has_blooms { groups } else { 0 },
            opened * largest,
            (files.len(), filters),
        ));
    }
    let date = day.format("%Y-%m-%d").to_string();
    let last = files
        .iter()
        .map(|file| &*file.date)
        .max()
        .unwrap_or_default();
    let (date, columns): (&str, &[&str]) = if name == "actors-day" {
        (&*date, &["actor", "ts", "id", "body"])
    } else {
        (last, &["ts", "id", "body"])
    };
    let columns: Vec<_> = columns.iter().map(|name| (*name, None)).collect();
    let of_date: Vec<&File> = files.iter().filter(|file| file.date == date).collect();
    let groups = of_date.iter().map(|file| file.groups()).sum();
    let blooms = of_date
        .iter()
        .map(|file| file.groups())
        .filter(|groups| *groups > 1);
    let mut bytes = 0;
    for file in &of_date {
        bytes += file.bytes_of(archive, &columns)?;
    }
    let filters = of_date.iter().map(|file| file.filter.bytes).sum();
    let opened = of_date.len() as u64;
    Ok(Limits::of(
        opened,
        groups,
        blooms.sum(),
        bytes,
        (of_date.len(), filters),
    ))
}

impl Limits {
    fn of(files: u64, groups: u64, blooms: u64, bytes: u64, filters: (usize, u64)) -> Self {
        let warm = (1 + OF_GROUP * groups, bytes + MANIFEST);
        Self {
            files,
            groups,
            cold: (
                warm.0 + filters.0 as u64 + files + blooms,
                warm.1 + filters.1 + files * TAIL + blooms * (BLOOM + 2 * BLOCK),
            ),
            warm,
        }
    }
}

/// Prints what a query has read, and returns an error if that is more than the layout of the files explains.
fn print_reads(
    name: &str,
    files: &[File],
    opened: u64,
    groups: u64,
    [cold, warm]: [(u64, u64); 2],
    limits: &Limits,
) -> Outcome<()> {
    #[expect(clippy::cast_precision_loss, reason = "counts of files and row groups")]
    let number = |count: u64| count as f64;
    let all_groups: u64 = files.iter().map(File::groups).sum();
    let all_bytes: u64 = files.iter().map(|file| file.bytes).sum();
    let print = |what: &str, ours, all, unit| {
        row(
            &format!("archive/{name}/{what}"),
            ours,
            all,
            unit,
            Budget::None,
        );
    };
    print("files", number(opened), number(files.len() as u64), "");
    print("row-groups", number(groups), number(all_groups), "");
    print("requests", number(cold.0), number(limits.cold.0), "");
    print("requests/again", number(warm.0), number(limits.warm.0), "");
    print("bytes", mib(cold.1), mib(all_bytes), "MiB");
    print("bytes/again", mib(warm.1), mib(all_bytes), "MiB");
    for (what, found, limit) in [
        ("files", opened, limits.files),
        ("row groups", groups, limits.groups),
        ("objects and ranges", cold.0, limits.cold.0),
        ("bytes", cold.1, limits.cold.1),
        ("ranges again", warm.0, limits.warm.0),
        ("bytes again", warm.1, limits.warm.1),
    ] {
        if found > limit {
            return Err(format!("{name} reads {found} {what}, at most {limit} are needed").into());
        }
    }
    Ok(())
}

fn times(
    archive: &Path,
    files: &[File],
    store: &ArchiveStore,
    questions: &[(Question, Query)],
    found: &[usize],
) -> Outcome<()> {
    let paths: Vec<String> = files
        .iter()
        .map(|file| archive.join(&file.path).display().to_string())
        .collect();
    let asked: Vec<&Question> = questions.iter().map(|(question, _)| question).collect();
    let theirs = duckdb::run(&paths, &asked)?;
    for (index, (question, query)) in questions.iter().enumerate() {
        let find = || store.find(query).map(|page| page.entries.len()).ok();
        let [ours, _] = medians(ROUNDS, find, || ());
        let name = format!("archive/{}", question.name);
        let ours = ours / 1e6;
        let Some(theirs) = theirs.as_ref().and_then(|answers| answers.get(index)) else {
            row(&format!("{name}/alone"), ours, ours, "ms", Budget::None);
            continue;
        };
        if theirs.rows != found[index] {
            let (name, ours) = (question.name, found[index]);
            return Err(format!("{name}: {ours} entries beside {} rows", theirs.rows).into());
        }
        row(&name, ours, theirs.milliseconds, "ms", Budget::Ratio(1.5));
    }
    Ok(())
}

/// The first page of the hot store and the archive, beside that of the hot store alone.
fn federated(folder: &Path, archive: ArchiveStore, trail: Trail) -> Outcome<()> {
    let hot = SqliteStore::options()
        .durability(Durability::Relaxed)
        .open(folder.join("hot.db"))?;
    hot.append(&newest(trail, HOT))?;
    let sizes = hot
        .health(&[])?
        .sizes
        .ok_or("the hot store reports no sizes")?;
    #[expect(clippy::cast_precision_loss, reason = "a few hundred bytes")]
    let bytes = sizes.bytes_per_entry as f64;
    row(
        "archive/hot/bytes-per-entry",
        bytes,
        bytes,
        "B",
        Budget::None,
    );
    let both = Federated::new(hot.clone(), archive);
    let query = Query::new().newest_first().limit(50);
    let (page, expected) = (both.find(&query)?, hot.find(&query)?);
    if page.entries != expected.entries {
        return Err("the first page differs from that of the hot store".into());
    }
    // A reader of a folder reads manifests again until their last change is two seconds old.
    thread::sleep(Duration::from_secs(3));
    let find = |store: &dyn Store| store.find(&query).map(|page| page.entries.len()).ok();
    let [ours, theirs] = medians(2 * ROUNDS, || find(&both), || find(&hot));
    let name = "archive/federated/newest-50";
    row(name, ours / 1e3, theirs / 1e3, "µs", Budget::Ratio(1.1));
    Ok(())
}

/// Returns the files of an archive from which none was removed.
fn files(archive: &Path) -> Outcome<Vec<File>> {
    #[derive(Deserialize)]
    struct Manifest {
        added: Vec<File>,
    }
    let mut files = Vec::new();
    for manifest in fs::read_dir(archive.join("manifest"))? {
        let manifest: Manifest = serde_json::from_slice(&fs::read(manifest?.path())?)?;
        files.extend(manifest.added);
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

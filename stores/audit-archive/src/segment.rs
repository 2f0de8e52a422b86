//! A segment: the next entries of the trail, and the files that they become.

use std::panic::resume_unwind;
use std::sync::Arc;
use std::thread;

use audit_core::{Follow, Position};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::chain::Chain;
use crate::encode::{encode, threads};
use crate::error::Error;
use crate::filter::FilterBuilder;
use crate::location::{Location, Put};
use crate::manifest::{ArchiveFile, FORMAT, FilterFile, SkippedRow, sha256};
use crate::mark::EntryMark;
use crate::options::{ArchiveOptions, Classes};
use crate::parallel::{both, in_scope};
use crate::parser::{Day, Parser, Rows};
use crate::row::{Row, sort};
use crate::schema::Column;
use crate::sidecar::Sidecar;

/// The number of entries that are read from the trail at once.
const READ_AT_ONCE: usize = 500;
/// The number of files that are written at the same time.
const FILES_AT_ONCE: usize = 16;
/// The number of rows up to which more than one file is encoded at the same time: large files take memory.
const ROWS_AT_ONCE: usize = 8_192;
/// The folder of the plans.
const PLANS: &str = "plan";
/// The number of models that a manifest names for a file.
const MODELS: usize = 64;
/// The number of names that are tried for a file.
const GENERATIONS: u32 = 100;
/// The highest count of entries in a plan that is followed, unless the options allow more.
const PLANNED: usize = 100_000;

/// The next entries of the trail.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) first: u64,
    pub(crate) last: u64,
    /// The position after the last entry.
    pub(crate) position: Position,
    /// The retention classes by which it was read.
    pub(crate) classes: Arc<Classes>,
    /// The id of the last row that is an entry.
    pub(crate) anchor: Option<Uuid>,
    /// Whether the trail, or the part of it that the run archives, ends with the segment.
    pub(crate) is_last: bool,
    pub(crate) skipped: Vec<SkippedRow>,
    rows: Rows,
}

impl Segment {
    /// Reads at most `limit` entries after the archive's position, up to but without the entry `end`;
    /// `None` if there are no more.
    pub(crate) fn read(
        store: &dyn Follow,
        chain: &Chain,
        limit: usize,
        end: Option<&EntryMark>,
        classes: &Arc<Classes>,
        options: &ArchiveOptions,
    ) -> Result<Option<Self>, Error> {
        let mut segment = Self {
            first: chain.last + 1,
            last: chain.last,
            position: chain.position.clone(),
            classes: Arc::clone(classes),
            anchor: chain.anchor,
            is_last: false,
            skipped: Vec::new(),
            rows: Rows::new(),
        };
        let parsed = in_scope(|scope| {
            let mut parser = Parser::new(scope, classes);
            let (mut left, mut bytes) = (limit, 0);
            let mut from = chain.position.clone();
            while left > 0 && bytes < options.segment_bytes && !segment.is_last {
                let mut batch = store.committed_after(&from, left.min(READ_AT_ONCE))?;
                segment.is_last = batch.entries.is_empty();
                let first = segment.last + 1;
                let mut count = 0;
                for stored in &batch.entries {
                    if end.is_some_and(|end| end.is(stored)) {
                        segment.is_last = true;
                        break;
                    }
                    segment.last += 1;
                    segment.position = stored.position().clone();
                    bytes += stored.bytes().len();
                    left -= 1;
                    count += 1;
                    if bytes >= options.segment_bytes {
                        break;
                    }
                }
                batch.entries.truncate(count);
                parser.add(first, batch.entries);
                from = batch.next;
            }
            parser.finish()
        })?;
        segment.anchor = parsed.anchor.map(|(_, id)| id).or(segment.anchor);
        segment.skipped = parsed.skipped;
        segment.rows = parsed.rows;
        Ok((segment.last >= segment.first).then_some(segment))
    }

    /// Returns the count of entries, those that are not entries included.
    pub(crate) fn len(&self) -> u64 {
        self.last + 1 - self.first
    }

    /// Writes the files, and returns them for the manifest. Calls `hold` before each part of them, since a segment
    /// of many dates may take longer than the lease.
    pub(crate) fn write(
        &mut self,
        location: &Location,
        row_group: usize,
        hold: &mut dyn FnMut() -> Result<(), Error>,
    ) -> Result<Vec<ArchiveFile>, Error> {
        let segment = (self.first, self.last);
        let mut rest = std::mem::take(&mut self.rows).into_iter().peekable();
        let mut files = Vec::new();
        loop {
            let (mut part, mut count) = (Vec::new(), 0);
            while let Some(file) = rest.next_if(|(_, rows)| {
                let fits = count + rows.len() <= ROWS_AT_ONCE && part.len() < FILES_AT_ONCE;
                fits || part.is_empty()
            }) {
                count += file.1.len();
                part.push(file);
            }
            if part.is_empty() {
                return Ok(files);
            }
            hold()?;
            files.extend(write_files(location, part, segment, row_group)?);
        }
    }
}

/// Writes files at the same time.
fn write_files(
    location: &Location,
    files: Vec<(Day, Vec<Row>)>,
    segment: (u64, u64),
    row_group: usize,
) -> Result<Vec<ArchiveFile>, Error> {
    let write = |(day, rows)| write_file(location, day, rows, segment, row_group);
    if files.len() < 2 {
        return files.into_iter().map(write).collect();
    }
    thread::scope(|scope| {
        let writers = files
            .into_iter()
            .map(|file| scope.spawn(move || write(file)));
        let writers: Vec<_> = writers.collect();
        let written = writers.into_iter().map(|writer| {
            let joined = writer.join();
            joined.unwrap_or_else(|panic| resume_unwind(panic))
        });
        written.collect()
    })
}

/// Writes a file and its filter under the first names that are free or have the same bytes.
fn write_file(
    location: &Location,
    day: Day,
    rows: Vec<Row>,
    segment: (u64, u64),
    row_group: usize,
) -> Result<ArchiveFile, Error> {
    let encoded = Encoded::new(day, &sort(rows), segment, row_group)?;
    encoded.put(location, |attempt| attempt.to_string())
}

/// A file that is not written yet.
pub(crate) struct Encoded {
    file: ArchiveFile,
    stem: String,
    bytes: Bytes,
    sidecar: Bytes,
}

impl Encoded {
    /// Encodes rows of one class and date, which are sorted, with the numbers of their segments.
    pub(crate) fn new(
        (class, date): Day,
        rows: &[Row],
        (first, last): (u64, u64),
        row_group: usize,
    ) -> Result<Self, Error> {
        let stem = stem(&class, &date, first, last);
        let (bytes, summary) = both(
            threads(rows.len()),
            || encode(rows, row_group, first, last),
            || Summary::of(rows),
        );
        let bytes = bytes.map_err(Error::parquet(&stem))?;
        let (file, sidecar) = summary.finish(&bytes, class, date);
        Ok(Self {
            file,
            stem,
            bytes,
            sidecar,
        })
    }

    /// Writes the file and its filter. The names end with the first generation, of those for attempts from 1, that
    /// is free or has the same bytes.
    pub(crate) fn put(
        self,
        location: &Location,
        generation: impl Fn(u32) -> String,
    ) -> Result<ArchiveFile, Error> {
        let Self {
            mut file,
            stem,
            bytes,
            sidecar,
        } = self;
        for attempt in 1..=GENERATIONS {
            let generation = generation(attempt);
            file.path = format!("{stem}{generation}.parquet");
            file.filter.path = format!("{stem}{generation}.filter");
            let puts = thread::scope(|scope| {
                let filter = scope.spawn(|| location.put_new(&file.filter.path, &sidecar));
                let file = location.put_new(&file.path, &bytes);
                let filter = filter.join();
                [file, filter.unwrap_or_else(|panic| resume_unwind(panic))]
            });
            let [put, filter] = puts;
            if put? == Put::Done && filter? == Put::Done {
                return Ok(file);
            }
            log::warn!(
                "{} exists with other content; the next generation is written",
                file.path
            );
        }
        Err(Error::Foreign {
            path: stem,
            detail: format!("{GENERATIONS} generations of a file exist with other content"),
        })
    }
}

/// Returns the name of a file up to its generation.
pub(crate) fn stem(class: &str, date: &str, first: u64, last: u64) -> String {
    format!("v1/class={class}/date={date}/{first:016}-{last:016}.g")
}

/// Returns the first number of the segment of a file or of the object beside it, by its name.
pub(crate) fn first_of(path: &str) -> Option<u64> {
    let (_, name) = path.rsplit_once('/')?;
    name.split_once('-')?.0.parse().ok()
}

/// Returns the generation of a file or of the object beside it, by its name.
///
/// The generation of a compacted file begins with the number of the manifest that adds it: once that manifest
/// exists, no later one can name the object.
pub(crate) fn generation_of(path: &str) -> Option<u64> {
    let (_, generation) = path.rsplit_once(".g")?;
    let end = generation.find(|c: char| !c.is_ascii_digit())?;
    generation[..end].parse().ok()
}

/// The description of a file in its manifest, collected from its rows.
#[derive(Debug, Default)]
pub(crate) struct Summary {
    rows: u64,
    body_bytes: u64,
    times: Option<(i64, i64)>,
    ids: Option<(Uuid, Uuid)>,
    models: Vec<String>,
    keys: FilterBuilder,
}

impl Summary {
    fn of(rows: &[Row]) -> Self {
        let mut summary = Self::default();
        for row in rows {
            summary.add(row);
        }
        summary
    }

    pub(crate) fn add(&mut self, row: &Row) {
        fn extend<T: Copy + Ord>(range: &mut Option<(T, T)>, value: T) {
            let (min, max) = range.unwrap_or((value, value));
            *range = Some((min.min(value), max.max(value)));
        }
        self.rows += 1;
        self.body_bytes += row.body().len() as u64;
        extend(&mut self.times, row.ts);
        extend(&mut self.ids, row.id);
        let model = std::str::from_utf8(row.text(Column::Model).unwrap_or_default());
        let model = model.unwrap_or_default();
        if self.models.len() <= MODELS
            && let Err(at) = self
                .models
                .binary_search_by(|other| other.as_str().cmp(model))
        {
            self.models.insert(at, model.to_owned());
        }
        self.keys.add(row);
    }

    /// Returns the description of a file, without its names, and the object beside it.
    pub(crate) fn finish(self, bytes: &Bytes, class: String, date: String) -> (ArchiveFile, Bytes) {
        let sidecar = Sidecar::encode(&self.keys.build(), bytes);
        let (min_ts, max_ts) = self.times.unwrap_or_default();
        let (min_id, max_id) = self.ids.unwrap_or_default();
        let file = ArchiveFile {
            path: String::new(),
            class,
            date,
            rows: self.rows,
            body_bytes: self.body_bytes,
            bytes: bytes.len() as u64,
            sha256: sha256(bytes),
            min_ts,
            max_ts,
            min_id,
            max_id,
            models: (self.models.len() <= MODELS).then_some(self.models),
            filter: FilterFile {
                path: String::new(),
                bytes: sidecar.len() as u64,
                sha256: sha256(&sidecar),
            },
        };
        (file, sidecar)
    }
}

/// The plan of a segment: how many entries it has.
#[derive(Debug, Serialize, Deserialize)]
struct Plan {
    format: u32,
    first: u64,
    entries: u64,
}

/// The plan that exists for a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Planned {
    /// The plan does not exist.
    Missing,
    /// Its bytes are not a plan. The segment is written without one.
    Damaged,
    /// The count of entries.
    Entries(u64),
}

impl Planned {
    pub(crate) fn read(location: &Location, first: u64) -> Result<Self, Error> {
        let path = plan_name(first);
        let Some(bytes) = location.get(&path)? else {
            return Ok(Self::Missing);
        };
        match serde_json::from_slice::<Plan>(&bytes) {
            Ok(plan) if plan.first == first && plan.entries > 0 => Ok(Self::Entries(plan.entries)),
            _ => {
                log::warn!("{path} is not a plan; the segment is written without one");
                Ok(Self::Damaged)
            }
        }
    }

    /// Returns how many entries the segment has at most.
    pub(crate) fn limit(self, options: &ArchiveOptions) -> usize {
        match self {
            Self::Entries(entries) => usize::try_from(entries)
                .unwrap_or(usize::MAX)
                .min(options.segment_entries.max(PLANNED)),
            Self::Missing | Self::Damaged => options.segment_entries,
        }
    }

    /// Writes the plan of a segment; returns false if another archiver wrote one meanwhile.
    pub(crate) fn write(location: &Location, segment: &Segment) -> Result<bool, Error> {
        let path = plan_name(segment.first);
        let plan = Plan {
            format: FORMAT,
            first: segment.first,
            entries: segment.len(),
        };
        let bytes = serde_json::to_vec(&plan).map_err(|error| Error::corrupt(&*path, error))?;
        Ok(location.put_new(&path, &bytes.into())? == Put::Done)
    }
}

/// Returns the last plan of a segment that begins after a number, and its name.
pub(crate) fn planned_after(
    location: &Location,
    first: u64,
) -> Result<Option<(u64, String)>, Error> {
    let names = location.names(PLANS, &plan_name(first))?;
    let plans = names
        .into_iter()
        .filter_map(|path| Some((planned(&path)?, path)));
    Ok(plans.filter(|(number, _)| *number > first).max())
}

/// Returns the names of the plans of segments that begin before a number.
pub(crate) fn past_plans(location: &Location, before: u64) -> Result<Vec<String>, Error> {
    let mut names = location.names(PLANS, PLANS)?;
    names.retain(|path| planned(path).is_some_and(|first| first < before));
    Ok(names)
}

/// Returns the first number of the segment of a plan, by its name.
fn planned(path: &str) -> Option<u64> {
    let digits = path.strip_prefix(PLANS)?.strip_prefix('/')?;
    let number = digits.strip_suffix(".json")?.parse().ok()?;
    (plan_name(number) == path).then_some(number)
}

fn plan_name(first: u64) -> String {
    format!("{PLANS}/{first:016}.json")
}

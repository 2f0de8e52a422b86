//! The lease: which archiver works. It saves work. The archive is correct without it, since manifests are
//! numbered, hash-chained and put-if-absent.

use std::time::{Duration, Instant};

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::location::{Location, Put};
use crate::manifest::FORMAT;
use crate::options::{ArchiveOptions, MAX_LEASE};

const FOLDER: &str = "lease";
/// How often a lease is tried if other archivers take the number.
const ATTEMPTS: u32 = 4;

/// The content of a lease.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    format: u32,
    number: u64,
    holder: String,
    taken: DateTime<Utc>,
    /// The duration; 0 if it was released.
    seconds: u64,
}

/// The leases that an archiver has seen and taken.
#[derive(Debug, Default)]
pub(crate) struct Leases {
    /// The lease of this archiver.
    own: Option<Own>,
    /// The highest lease of another archiver, and when it was first seen.
    seen: Option<(u64, Instant)>,
}

#[derive(Clone, Copy, Debug)]
struct Own {
    number: u64,
    since: Instant,
}

impl Leases {
    /// Returns the number of a lease that this archiver holds for at least half of its duration; takes
    /// or renews it if needed. `fence` is the highest lease of the manifests.
    ///
    /// Returns [`Error::Fenced`] if another archiver has taken over since.
    pub(crate) fn hold(
        &mut self,
        location: &Location,
        options: &ArchiveOptions,
        fence: u64,
    ) -> Result<u64, Error> {
        if let Some(own) = self.own {
            if own.number < fence {
                return Err(self.fenced(own.number, fence));
            }
            if own.since.elapsed() < options.lease / 2 {
                return Ok(own.number);
            }
            self.check(location, options, own.number)?;
        }
        for _ in 0..ATTEMPTS {
            let number = self.free(location, options, fence)?;
            let since = Instant::now();
            if put(location, options, number, options.lease)? == Put::Done {
                self.own = Some(Own { number, since });
                return Ok(number);
            }
        }
        Err(Error::Held {
            holder: "unknown".to_owned(),
            until: options.now(),
        })
    }

    /// Returns [`Error::Fenced`] if another archiver has a higher lease than `fence`.
    ///
    /// Archivers of one name do not fence each other by leases: each would stop all others, and none would
    /// write a manifest.
    pub(crate) fn check(
        &mut self,
        location: &Location,
        options: &ArchiveOptions,
        fence: u64,
    ) -> Result<(), Error> {
        let names = location.names(FOLDER, &name(fence))?;
        let highest = names.iter().filter_map(|path| number(path)).max();
        let Some(other) = highest.filter(|other| *other > fence) else {
            return Ok(());
        };
        let record = location.get(&name(other))?.and_then(|bytes| read(&bytes));
        if record.is_some_and(|record| record.holder == options.holder) {
            return Ok(());
        }
        Err(self.fenced(fence, other))
    }

    fn fenced(&mut self, fence: u64, other: u64) -> Error {
        self.own = None;
        Error::Fenced { fence, other }
    }

    /// Returns whether this archiver has taken a lease and not released it.
    pub(crate) fn is_held(&self) -> bool {
        self.own.is_some()
    }

    /// Releases the lease, if this archiver holds one.
    pub(crate) fn release(
        &mut self,
        location: &Location,
        options: &ArchiveOptions,
    ) -> Result<(), Error> {
        match self.own.take() {
            // Another archiver may have the next number; then the lease is its own.
            Some(own) => put(location, options, next(own.number)?, Duration::ZERO).map(drop),
            None => Ok(()),
        }
    }

    /// Returns the next number if the highest lease has ended.
    fn free(
        &mut self,
        location: &Location,
        options: &ArchiveOptions,
        fence: u64,
    ) -> Result<u64, Error> {
        let listed = location.list(FOLDER, Some(&name(fence.saturating_sub(1))))?;
        let highest = listed
            .iter()
            .filter_map(|object| Some((number(&object.path)?, object)))
            .max_by_key(|(number, _)| *number);
        let Some((number, object)) = highest else {
            return next(fence);
        };
        let record = location.get(&object.path)?.map(|bytes| read(&bytes));
        // A damaged lease counts as one of this archiver's duration.
        let record = record.flatten().unwrap_or_else(|| Record {
            format: FORMAT,
            number,
            holder: "unknown".to_owned(),
            taken: object.modified,
            seconds: options.lease.as_secs(),
        });
        let duration = Duration::from_secs(record.seconds).min(MAX_LEASE);
        let since = match self.seen {
            Some((seen, since)) if seen == number => since,
            _ => {
                let now = Instant::now();
                self.seen = Some((number, now));
                now
            }
        };
        // The earlier of two clocks, since the holder's may be wrong.
        let taken = record.taken.min(object.modified);
        let until = TimeDelta::from_std(duration)
            .ok()
            .and_then(|duration| taken.checked_add_signed(duration))
            .unwrap_or(taken);
        let ended = record.holder == options.holder
            || duration.is_zero()
            || until <= options.now()
            || since.elapsed() >= duration;
        if ended {
            next(number.max(fence))
        } else {
            Err(Error::Held {
                holder: record.holder,
                until,
            })
        }
    }
}

/// Returns the names of the leases before a number.
pub(crate) fn past_leases(location: &Location, before: u64) -> Result<Vec<String>, Error> {
    let mut names = location.names(FOLDER, FOLDER)?;
    names.retain(|path| number(path).is_some_and(|number| number < before));
    Ok(names)
}

fn next(number: u64) -> Result<u64, Error> {
    let next = number.checked_add(1);
    next.ok_or_else(|| Error::corrupt(name(number), "no lease can follow it"))
}

fn put(
    location: &Location,
    options: &ArchiveOptions,
    number: u64,
    duration: Duration,
) -> Result<Put, Error> {
    let record = Record {
        format: FORMAT,
        number,
        holder: options.holder.clone(),
        taken: options.now(),
        // Rounded up: a lease of less than a second is not one that was released.
        seconds: duration.as_secs() + u64::from(duration.subsec_nanos() > 0),
    };
    let path = name(number);
    let bytes = serde_json::to_vec(&record).map_err(|error| Error::corrupt(&*path, error))?;
    location.put_new(&path, &Bytes::from(bytes))
}

fn read(bytes: &[u8]) -> Option<Record> {
    serde_json::from_slice(bytes).ok()
}

fn name(number: u64) -> String {
    format!("{FOLDER}/{number:016}.json")
}

fn number(path: &str) -> Option<u64> {
    let digits = path
        .strip_prefix(FOLDER)?
        .strip_prefix('/')?
        .strip_suffix(".json")?;
    let number = digits.parse().ok()?;
    (name(number) == path).then_some(number)
}

//! [`Reader`]: the entries of a query from an archive, in the order of the query.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use audit_core::{Cursor, LogEntry, Query};
use bytes::Bytes;

use crate::chain::{Chain, ChainFile};
use crate::decode::{self, Selection};
use crate::error::Error;
use crate::files::Files;
use crate::group::{Footer, Group};
use crate::keys::{Key, Keys, Unit};
use crate::parallel::{Threads, each_of};
use crate::schema::Column;
use crate::store::ArchiveStore;
use crate::wanted::{Rank, SortKey, Wanted};

/// The number of bodies that are read at first, if only they decide which entries match.
const BODIES: usize = 8;
/// The number of bodies that are read at once at most, and their bytes.
const BODIES_AT_ONCE: usize = 1 << 17;
const BODY_BYTES: u64 = 40 << 20;

/// An entry that was found, and its bytes.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) entry: LogEntry,
    pub(crate) body: Bytes,
}

/// Reads the entries of a query. Each column of a row group is decoded once, and a body as often as the bodies of
/// its row group are more than are held.
#[derive(Debug)]
pub(crate) struct Reader {
    store: ArchiveStore,
    chain: Arc<Chain>,
    query: Query,
    keys: Keys,
    /// Bodies that were read.
    bodies: VecDeque<Body>,
    /// The number of bodies that are read next.
    at_once: usize,
    /// The number of entries that are still needed.
    left: usize,
    /// The last entry that was found.
    last: Option<Rank>,
    /// An entry that was found and is not returned yet.
    peeked: Option<Found>,
    /// The last entry that was returned.
    returned: Option<Rank>,
}

#[derive(Debug)]
struct Body {
    rank: Rank,
    file: Arc<ChainFile>,
    bytes: Bytes,
}

impl Reader {
    /// Creates a reader for about `limit` entries of a query after its cursor, without some entries.
    pub(crate) fn new(
        store: &ArchiveStore,
        query: Query,
        limit: usize,
        excluded: BTreeSet<SortKey>,
    ) -> Result<Self, Error> {
        query.check()?;
        let chain = store.chain()?;
        let keys = Keys::new(&chain, Wanted::of(&query), limit, excluded);
        let at_once = if keys.wanted.exact || limit > BODIES_AT_ONCE {
            limit
        } else {
            limit.max(BODIES)
        };
        Ok(Self {
            store: store.clone(),
            chain,
            query,
            keys,
            bodies: VecDeque::new(),
            at_once,
            left: limit,
            last: None,
            peeked: None,
            returned: None,
        })
    }

    /// Returns the next entry.
    pub(crate) fn next(&mut self) -> Result<Option<Found>, Error> {
        self.peek()?;
        self.returned = self.last;
        Ok(self.peeked.take())
    }

    /// Returns the next entries, at most `count`.
    pub(crate) fn take(&mut self, count: usize) -> Result<Vec<Found>, Error> {
        let mut found = Vec::new();
        while found.len() < count
            && let Some(next) = self.next()?
        {
            found.push(next);
        }
        Ok(found)
    }

    /// Returns the next entry unless it comes after `end`.
    pub(crate) fn next_up_to(&mut self, end: Option<&Cursor>) -> Result<Option<Found>, Error> {
        self.peek()?;
        let is_after = |end| self.last > Some(self.rank_of(end));
        if end.is_some_and(is_after) {
            return Ok(None);
        }
        self.next()
    }

    /// Reads the manifests that were written meanwhile. If there are any, the reader continues after `last`, or from
    /// the beginning.
    pub(crate) fn refresh(&mut self, last: Option<&Cursor>) -> Result<(), Error> {
        let newer = self.store.chain()?;
        if newer.number != self.chain.number {
            self.returned = last.map(|last| self.rank_of(last));
            self.continue_with(newer);
        }
        Ok(())
    }

    fn rank_of(&self, cursor: &Cursor) -> Rank {
        let key = (cursor.timestamp().timestamp_micros(), cursor.id());
        self.keys.wanted.rank(key)
    }

    /// Continues after the last entry that was returned, with other files.
    fn continue_with(&mut self, chain: Arc<Chain>) {
        let mut wanted = Wanted::of(&self.query);
        if let Some(returned) = self.returned {
            wanted.cursor = Some(wanted.key(returned));
        }
        let excluded = std::mem::take(&mut self.keys.excluded);
        self.keys = Keys::new(&chain, wanted, self.left.saturating_add(1), excluded);
        self.last = self.returned;
        self.peeked = None;
        self.bodies.clear();
        self.chain = chain;
    }

    /// Finds the next entry.
    fn peek(&mut self) -> Result<(), Error> {
        while let Err(error) = self.find_next() {
            // A file may be missing because it has left the archive meanwhile.
            let newer = self.store.chain()?;
            let mut files = self.chain.files.keys();
            if files.all(|path| newer.files.contains_key(path)) {
                return Err(error);
            }
            self.continue_with(newer);
        }
        Ok(())
    }

    fn find_next(&mut self) -> Result<(), Error> {
        while self.peeked.is_none() {
            let Some(body) = self.bodies.pop_front() else {
                if self.read_bodies()? {
                    continue;
                }
                break;
            };
            if self.last == Some(body.rank) {
                // The same entry, archived twice.
                continue;
            }
            let path = &*body.file.file.path;
            let entry = parse(&body.bytes, path)?;
            let key = self.keys.wanted.key(body.rank);
            if (entry.timestamp.timestamp_micros(), entry.id) != key {
                let detail = format!("the body of entry {} is of another entry", key.1);
                return Err(Error::corrupt(path, detail));
            }
            if self.query.matches(&entry) {
                self.last = Some(body.rank);
                self.left = self.left.saturating_sub(1);
                let body = body.bytes;
                self.peeked = Some(Found { entry, body });
            }
        }
        Ok(())
    }

    /// Reads the next bodies; returns false if there are none.
    fn read_bodies(&mut self) -> Result<bool, Error> {
        let Self {
            store, query, keys, ..
        } = self;
        let files = store.files();
        let mut count = self.at_once.min(BODIES_AT_ONCE);
        let mut taken = keys.take(files, query, count)?.to_vec();
        if taken.is_empty() {
            return Ok(false);
        }
        let mut bytes = 0;
        let fits = taken.iter().position(|key| {
            bytes += keys.units[key.unit as usize].body;
            bytes > BODY_BYTES
        });
        count = fits.unwrap_or(taken.len()).max(1);
        let bodies = loop {
            keys.put_back(taken.len() - count);
            taken.truncate(count);
            // Bodies of one time may be larger than others of their row group.
            match bodies(files, query, &keys.units, &taken, 2 * BODY_BYTES)? {
                Some(bodies) => break bodies,
                None => count = (count / 2).max(1),
            }
        };
        let found = taken.iter().zip(bodies).map(|(key, bytes)| Body {
            rank: key.rank,
            file: Arc::clone(&keys.units[key.unit as usize].file),
            bytes,
        });
        self.bodies.extend(found);
        self.at_once = if self.keys.wanted.exact {
            self.left.saturating_sub(self.bodies.len()).max(BODIES)
        } else {
            self.at_once.saturating_mul(2)
        };
        Ok(true)
    }
}

/// Returns the bodies of rows, or `None` if more than one have more than `limit` bytes.
fn bodies(
    files: &Files,
    query: &Query,
    units: &[Unit],
    keys: &[Key],
    limit: u64,
) -> Result<Option<Vec<Bytes>>, Error> {
    let mut order: Vec<usize> = (0..keys.len()).collect();
    order.sort_unstable_by_key(|at| (keys[*at].unit, keys[*at].row));
    let parts: Vec<&[usize]> = order
        .chunk_by(|a, b| keys[*a].unit == keys[*b].unit)
        .collect();
    let mut found = vec![Bytes::new(); keys.len()];
    let mut bytes = 0;
    for parts in parts.chunks(Threads::Reading.count()) {
        query.check()?;
        let units = parts.iter().map(|part| &units[keys[part[0]].unit as usize]);
        let units: Vec<&Unit> = units.collect();
        let rows = |index: usize| {
            let part: &[usize] = parts[index];
            Selection::of(part.iter().map(|at| keys[*at].row as usize))
        };
        let failed = |index: usize| Error::parquet(&units[index].file.file.path);
        let footers = units.iter().map(|unit| files.footer(&unit.file));
        let footers: Vec<Arc<Footer>> = footers.collect::<Result<_, _>>()?;
        let groups = each_of(parts.len(), Threads::Reading, |index| {
            let group = Group::new(&footers[index], units[index].group).map_err(failed(index))?;
            let fetched = group.fetch(&[Column::Body], &rows(index));
            fetched.map_err(failed(index))?;
            Ok(group)
        });
        let groups: Vec<Group<'_>> = groups.into_iter().collect::<Result<_, Error>>()?;
        // By few threads, since decoded pages take memory.
        let read = each_of(parts.len(), Threads::Computing, |index| {
            let bodies = decode::bodies(groups[index].reader(), &rows(index));
            bodies.map_err(failed(index))
        });
        for (part, bodies) in parts.iter().zip(read) {
            for (at, body) in part.iter().zip(bodies?) {
                bytes += body.len() as u64;
                found[*at] = body;
            }
        }
        if bytes > limit && keys.len() > 1 {
            return Ok(None);
        }
    }
    Ok(Some(found))
}

/// Parses the body of a row.
pub(crate) fn parse(body: &[u8], path: &str) -> Result<LogEntry, Error> {
    let text = std::str::from_utf8(body).map_err(|error| Error::corrupt(path, error))?;
    LogEntry::from_json(text).map_err(|error| Error::corrupt(path, error))
}

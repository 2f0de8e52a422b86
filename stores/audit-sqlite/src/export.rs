//! Exports entries as lines.

use std::io;

use audit_core::backend::{output_failed, projection};
use audit_core::{Query, StoreError};
use rusqlite::{Connection, Row, params_from_iter};

use crate::Tolerance;
use crate::error::at;
use crate::query::{Statement, body, read_entry};

/// The maximum number of entries with one time that are sorted in memory.
const SORTED_IN_MEMORY: usize = 1_000;
/// The maximum size in bytes of several such entries.
const SORTED_BYTES: usize = 4 << 20;

/// A writer of lines.
type Output<'o> = &'o mut dyn FnMut(&str) -> io::Result<()>;

/// Passes the JSON of the matching entries on, one line a row: bytes that are no entry are passed
/// unchanged, or as a JSON string if they contain line ends.
pub(crate) fn export(
    connection: &Connection,
    query: &Query,
    tolerance: &Tolerance,
    location: &str,
    line: Output<'_>,
) -> Result<u64, StoreError> {
    query.check()?;
    let export = Export {
        connection,
        tolerance,
        location,
    };
    let limit = audit_core::backend::limit(query);
    if let (Some(statement), None) = (Statement::by_time(query), limit) {
        return export.by_time(query, &statement, line);
    }
    let limit = limit.unwrap_or(usize::MAX);
    let statement = Statement::entries_for(&query.clone().limit(limit), tolerance);
    export.sorted(query, &statement, limit, line)
}

struct Export<'e> {
    connection: &'e Connection,
    tolerance: &'e Tolerance,
    location: &'e str,
}

impl Export<'_> {
    /// Exports in the order of the statement.
    fn sorted(
        &self,
        query: &Query,
        statement: &Statement,
        limit: usize,
        line: Output<'_>,
    ) -> Result<u64, StoreError> {
        let failed = || at(self.location);
        let mut prepared = self
            .connection
            .prepare_cached(&statement.sql)
            .map_err(failed())?;
        let mut rows = prepared
            .query(params_from_iter(&statement.params))
            .map_err(failed())?;
        let mut count = 0;
        while count < limit
            && let Some(row) = rows.next().map_err(failed())?
        {
            if let Some(body) = self.matching(row, query, statement)? {
                line(&projection::line(body)).map_err(output_failed)?;
                count += 1;
            }
        }
        Ok(count as u64)
    }

    /// Exports in the order of an index, and sorts entries with the same time by their ids. To sort by a
    /// column that the index does not have, SQLite would copy every entry into a tree of its own.
    fn by_time(
        &self,
        query: &Query,
        statement: &Statement,
        line: Output<'_>,
    ) -> Result<u64, StoreError> {
        let failed = || at(self.location);
        let mut prepared = self
            .connection
            .prepare_cached(&statement.sql)
            .map_err(failed())?;
        let mut rows = prepared
            .query(params_from_iter(&statement.params))
            .map_err(failed())?;
        let mut simultaneous = Simultaneous::default();
        let mut count = 0;
        loop {
            let row = rows.next().map_err(failed());
            let found = match row {
                Ok(None) => break,
                Ok(Some(row)) => self.timed(row, query, statement),
                Err(error) => Err(error),
            };
            match found {
                Ok(None) => {}
                Ok(Some(row)) => {
                    if simultaneous.time != Some(row.time) {
                        count += self.end(query, &mut simultaneous, line)?;
                        simultaneous.time = Some(row.time);
                    }
                    simultaneous.add(&row);
                }
                Err(error) => {
                    self.end(query, &mut simultaneous, line)?;
                    return Err(error);
                }
            }
        }
        Ok(count + self.end(query, &mut simultaneous, line)?)
    }

    /// Writes the entries with the same time, and returns how many these are.
    fn end(
        &self,
        query: &Query,
        simultaneous: &mut Simultaneous,
        line: Output<'_>,
    ) -> Result<u64, StoreError> {
        if let (true, Some(time)) = (simultaneous.too_many, simultaneous.time) {
            simultaneous.too_many = false;
            // In the same snapshot, and sorted without memory of this process.
            let statement = Statement::entries_at(query, time);
            return self.sorted(query, &statement, usize::MAX, line);
        }
        let entries = &mut simultaneous.entries[..simultaneous.used];
        if entries.len() > 1 {
            entries.sort_unstable();
            if query.is_newest_first() {
                entries.reverse();
            }
        }
        for (_, body) in &*entries {
            line(&projection::line(body)).map_err(output_failed)?;
        }
        let count = entries.len() as u64;
        simultaneous.clear();
        Ok(count)
    }

    /// Returns the time, the id and the bytes of a row that matches.
    fn timed<'r>(
        &self,
        row: &'r Row<'_>,
        query: &Query,
        statement: &Statement,
    ) -> Result<Option<Timed<'r>>, StoreError> {
        let Some(body) = self.matching(row, query, statement)? else {
            return Ok(None);
        };
        let time = row.get(2).map_err(at(self.location))?;
        let id = row.get_ref(3).map_err(at(self.location))?;
        // A damaged row may have an id of another type.
        let id = id.as_bytes().unwrap_or_default();
        Ok(Some(Timed { time, id, body }))
    }

    /// Returns the bytes of a row that matches; `None` if it does not, or is damaged and skipped.
    fn matching<'r>(
        &self,
        row: &'r Row<'_>,
        query: &Query,
        statement: &Statement,
    ) -> Result<Option<&'r str>, StoreError> {
        let seq = || row.get(0).map_err(at(self.location));
        let Some(body) = self.tolerance.read(seq, body(row, self.location))? else {
            return Ok(None);
        };
        if !statement.exact || self.tolerance.skips_damaged() {
            match self.tolerance.read(seq, read_entry(row, self.location))? {
                Some(entry) if query.matches(&entry) => {}
                // A damaged entry whose columns match.
                None if statement.exact => {}
                _ => return Ok(None),
            }
        }
        Ok(Some(body))
    }
}

/// A row in the order of times.
struct Timed<'r> {
    time: i64,
    id: &'r [u8],
    body: &'r str,
}

/// Entries with the same time.
#[derive(Default)]
struct Simultaneous {
    time: Option<i64>,
    /// Ids and bodies. Those from `used` on are free memory.
    entries: Vec<(Vec<u8>, String)>,
    used: usize,
    /// The size of the bodies in bytes.
    bytes: usize,
    /// Whether there are more than can be sorted in memory, so that none is stored here.
    too_many: bool,
}

impl Simultaneous {
    fn add(&mut self, row: &Timed<'_>) {
        if self.too_many {
            return;
        }
        self.bytes += row.body.len();
        let is_large = self.used > 0 && self.bytes > SORTED_BYTES;
        if is_large || self.used == SORTED_IN_MEMORY {
            self.too_many = true;
            self.clear();
            return;
        }
        if self.used == self.entries.len() {
            self.entries.push(Default::default());
        }
        let (id, body) = &mut self.entries[self.used];
        id.clear();
        id.extend_from_slice(row.id);
        body.clear();
        body.push_str(row.body);
        self.used += 1;
    }

    /// Removes the entries, and keeps the memory of one.
    fn clear(&mut self) {
        self.entries.truncate(1);
        (self.used, self.bytes) = (0, 0);
    }
}

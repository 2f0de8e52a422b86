//! Positions and batches of the broken store.

use std::time::Duration;

use audit_core::{
    Batch, Cursor, Follow, LogEntry, Position, Query, Store as _, StoreError, Stored,
    TrailStore as _,
};
use chrono::DateTime;
use uuid::Uuid;

use crate::flaw::Flaw;
use crate::store::Broken;

impl Broken {
    /// Follows by (timestamp, id), as a cursor does, which skips late entries.
    fn by_time(&self, at: &Position, limit: usize) -> Result<Batch, StoreError> {
        let mut query = Query::new().limit(limit.max(1));
        if let Some(state) = at.state("time", "here")? {
            let (micros, id) = state.split_once('_').unwrap();
            let time = DateTime::from_timestamp_micros(micros.parse().unwrap()).unwrap();
            let mut entry = LogEntry::new("x", "x", "x", "x");
            (entry.timestamp, entry.id) = (time, id.parse().unwrap());
            query = query.after(Cursor::of(&entry));
        }
        let mut batch = Batch::new(Vec::new(), at.clone());
        for entry in self.inner.find(&query)?.entries.iter().take(limit) {
            let micros = entry.timestamp.timestamp_micros();
            batch.next = Position::new("time", format_args!("{micros}_{}", entry.id.simple()))?;
            let bytes = entry.to_canonical_json()?;
            batch
                .entries
                .push(Stored::new(entry.id, bytes, batch.next.clone()));
        }
        Ok(batch)
    }
}

/// Makes an entry of another one, at its position.
fn altered(stored: &Stored, id: Uuid, bytes: Vec<u8>) -> Stored {
    Stored::new(id, bytes, stored.position().clone())
}

impl Follow for Broken {
    fn position(&self) -> Result<Position, StoreError> {
        match self.flaw {
            Flaw::FollowsByTime => {
                let all = self.inner.find(&Query::new().limit(10_000))?.entries.len();
                Ok(self.by_time(&Position::START, all)?.next)
            }
            Flaw::StartsAgain => Ok(Position::START),
            _ => self.inner.position(),
        }
    }

    fn committed_after(&self, at: &Position, limit: usize) -> Result<Batch, StoreError> {
        let inner = &self.inner;
        let mut batch = match self.flaw {
            Flaw::FollowsByTime => return self.by_time(at, limit),
            Flaw::IgnoresTheFollowersLimit if limit > 0 => inner.committed_after(at, usize::MAX)?,
            Flaw::MovesForALimitOfZero => inner.committed_after(at, limit.max(1))?,
            Flaw::SkipsAfterThePosition if *at != Position::START => {
                let skipped = inner.committed_after(at, 1)?;
                inner.committed_after(&skipped.next, limit)?
            }
            Flaw::TakesAnyKind if at.state("memory", "here").is_err() => {
                Batch::new(Vec::new(), at.clone())
            }
            Flaw::TakesAnyPosition => match inner.committed_after(at, limit) {
                Err(StoreError::InvalidPosition { .. }) => Batch::new(Vec::new(), at.clone()),
                batch => batch?,
            },
            Flaw::StopsAtAPurge | Flaw::BreaksAtAPurge if *at != Position::START => {
                let id = at.to_string();
                let id = id
                    .split_once('_')
                    .and_then(|(_, id)| id.parse::<Uuid>().ok());
                let gone = match id {
                    Some(id) => inner.by_ids(&[id])?.is_empty(),
                    None => false,
                };
                match (gone, self.flaw) {
                    (true, Flaw::StopsAtAPurge) => Batch::new(Vec::new(), at.clone()),
                    (true, _) => return Err(at.invalid("here", "its entry is gone")),
                    _ => inner.committed_after(at, limit)?,
                }
            }
            _ => inner.committed_after(at, limit)?,
        };
        match self.flaw {
            // The last entry of a full batch comes again.
            Flaw::FollowsAgain if batch.entries.len() == limit && limit > 1 => {
                batch.next = batch.entries[limit - 2].position().clone();
            }
            Flaw::FollowsTwins => {
                let first = inner.committed_after(&Position::START, 1)?.entries;
                let appended = self.appended.lock().unwrap();
                let is_first = |entry: &&LogEntry| entry.id == first[0].id();
                if appended.iter().filter(is_first).count() > 1 {
                    batch.entries.splice(0..0, first);
                    batch.entries.truncate(limit);
                }
            }
            Flaw::FollowsInAnotherOrder => batch.entries.sort_by_key(Stored::id),
            Flaw::ReadsThePositionLate if batch.entries.len() < limit => {
                // As where a number is drawn before the commit.
                std::thread::sleep(Duration::from_millis(20));
                batch.next = inner.position()?;
            }
            Flaw::RepeatsThePosition => {
                if let [.., before, _] = &batch.entries[..] {
                    batch.next = before.position().clone();
                }
            }
            Flaw::FollowsOtherBytes => {
                for stored in &mut batch.entries {
                    let bytes = [stored.bytes(), b" "].concat();
                    *stored = altered(stored, stored.id(), bytes);
                }
            }
            Flaw::FollowsOtherIds => {
                for (number, stored) in batch.entries.iter_mut().enumerate() {
                    let id = Uuid::from_u128(number as u128);
                    *stored = altered(stored, id, stored.bytes().to_vec());
                }
            }
            Flaw::GivesWrongPositions => {
                for stored in &mut batch.entries {
                    let bytes = stored.bytes().to_vec();
                    *stored = Stored::new(stored.id(), bytes, batch.next.clone());
                }
            }
            Flaw::SkipsToTheEnd => batch.next = inner.position()?,
            _ => {}
        }
        Ok(batch)
    }
}

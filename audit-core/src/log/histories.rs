//! The histories and the states of many objects, read from a log.

use super::AuditLog;
use crate::entry::{LogEntry, ObjectRef};
use crate::error::Result;
use crate::history::{Evolution, History, Reconstruction};
use crate::store::query::Query;

/// The histories of many objects, as an iterator. See [`AuditLog::histories`].
#[derive(Debug)]
pub struct Histories {
    log: AuditLog,
    query: Query,
    entries: std::vec::IntoIter<LogEntry>,
    /// The first entry of the next object.
    ahead: Option<LogEntry>,
    last: Option<ObjectRef>,
    /// That of the model of the last object.
    evolution: Option<(String, Evolution)>,
    done: bool,
}

impl Histories {
    pub(super) fn new(log: &AuditLog, query: Query) -> Self {
        Self {
            log: log.clone(),
            query,
            entries: Vec::new().into_iter(),
            ahead: None,
            last: None,
            evolution: None,
            done: false,
        }
    }

    fn read(&mut self) -> Result<Option<History>> {
        let mut first = self.next_entry()?;
        // What has no key is of no object: events and bulk statements.
        while let Some(entry) = first.take_if(|entry| entry.object_pk.is_empty()) {
            self.last = Some(ObjectRef::new(entry.model, entry.object_pk));
            first = self.next_entry()?;
        }
        let Some(first) = first else {
            return Ok(None);
        };
        let object = ObjectRef::new(first.model.as_str(), first.object_pk.as_str());
        let mut entries = vec![first];
        // The store does not split an object over two pages: the rest is in this one.
        for entry in self.entries.by_ref() {
            if entry.object_pk != object.object_pk || entry.model != object.model {
                self.ahead = Some(entry);
                break;
            }
            entries.push(entry);
        }
        self.last = Some(object.clone());
        let evolution = match self.evolution.take() {
            Some((model, evolution)) if model == object.model => evolution,
            _ => self.log.evolution(&object.model),
        };
        let history = History::of(object, entries, &evolution)?;
        self.evolution = Some((history.object().model.clone(), evolution));
        Ok(Some(history))
    }

    fn next_entry(&mut self) -> Result<Option<LogEntry>> {
        if let Some(entry) = self.ahead.take().or_else(|| self.entries.next()) {
            return Ok(Some(entry));
        }
        let answer = self.log.store().objects(&self.query, self.last.as_ref())?;
        self.entries = answer.into_iter();
        Ok(self.entries.next())
    }
}

impl Iterator for Histories {
    type Item = Result<History>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let next = self.read().transpose();
        self.done = !matches!(next, Some(Ok(_)));
        next
    }
}

/// An object and its state as of a time.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ObjectState {
    /// The object.
    pub object: ObjectRef,
    /// The state.
    pub at: Reconstruction,
}

/// The states of many objects as of one time, as an iterator. See [`AuditLog::objects_as_of`].
#[derive(Debug)]
pub struct ObjectStates {
    histories: Histories,
}

impl ObjectStates {
    pub(super) fn new(histories: Histories) -> Self {
        Self { histories }
    }
}

impl Iterator for ObjectStates {
    type Item = Result<ObjectState>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let history = match self.histories.next()? {
                Ok(history) => history,
                Err(error) => return Some(Err(error)),
            };
            let at = history.latest();
            if at.exists() {
                let object = history.object().clone();
                return Some(Ok(ObjectState { object, at }));
            }
        }
    }
}

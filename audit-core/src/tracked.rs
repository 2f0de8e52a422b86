//! Objects that remember what they were.

use std::fmt;
use std::ops::{Deref, DerefMut};

use crate::auditable::Auditable;
use crate::change::Changes;
use crate::diff::try_diff;
use crate::draft::{Draft, Receipt};
use crate::error::{Error, Result};
use crate::log::AuditLog;

/// An object that remembers what it was, so that its changes can be recorded.
///
/// Use it like the object itself. Dropped with changes that nobody recorded, it warns
/// through `log` and counts in [`LogStats::unrecorded`](crate::LogStats::unrecorded).
#[must_use = "changes of a tracked object are recorded by `save` or `record`"]
pub struct Tracked<T: Auditable + Clone + 'static> {
    log: AuditLog,
    /// `None` only while it is taken apart.
    object: Option<Both<T>>,
}

struct Both<T> {
    original: T,
    current: T,
}

impl<T: Auditable + Clone + 'static> Tracked<T> {
    /// Wraps an object as it is stored now.
    pub fn new(object: T) -> Self {
        Self::in_log(AuditLog::current(), object)
    }

    pub(crate) fn in_log(log: AuditLog, object: T) -> Self {
        Self {
            log,
            object: Some(Both {
                original: object.clone(),
                current: object,
            }),
        }
    }

    fn both(&self) -> &Both<T> {
        match &self.object {
            Some(both) => both,
            // Only `into_inner` takes it, and that consumes `self`.
            None => unreachable!("a tracked object is used after it was taken apart"),
        }
    }

    fn both_mut(&mut self) -> &mut Both<T> {
        match &mut self.object {
            Some(both) => both,
            None => unreachable!("a tracked object is used after it was taken apart"),
        }
    }

    /// Returns what changed since it was wrapped or last recorded.
    ///
    /// # Panics
    /// As [`diff`](crate::diff()), if a value cannot be compared.
    pub fn changes(&self) -> Changes {
        let Both { original, current } = self.both();
        crate::diff(original, current)
    }

    /// Returns the object as it was when it was wrapped or last recorded.
    pub fn original(&self) -> &T {
        &self.both().original
    }

    /// Drafts the entry of the update, to look at it; [`record_with`](Self::record_with)
    /// records one with a reason or extra data.
    pub fn draft(&self) -> Draft {
        let Both { original, current } = self.both();
        self.log.updated(original, current)
    }

    /// Persists the object with `persist`, and records its changes if that succeeds.
    ///
    /// # Errors
    /// What `persist` returned, or that the entry could not be recorded; the changes then
    /// stay unrecorded.
    pub fn save<R, E: From<Error>>(
        &mut self,
        persist: impl FnOnce(&mut T) -> Result<R, E>,
    ) -> Result<R, E> {
        let saved = persist(&mut self.both_mut().current)?;
        self.record()?;
        Ok(saved)
    }

    /// Records the changes; from now on changes are counted from here.
    ///
    /// # Errors
    /// As [`Draft::record`]; the changes then stay unrecorded.
    pub fn record(&mut self) -> Result<Receipt> {
        let receipt = self.draft().record()?;
        self.settle();
        Ok(receipt)
    }

    /// Records the changes as [`record`](Self::record) does, with what `finish` adds to the
    /// draft, such as a reason.
    ///
    /// # Errors
    /// As [`Draft::record`]; the changes then stay unrecorded.
    pub fn record_with(&mut self, finish: impl FnOnce(Draft) -> Draft) -> Result<Receipt> {
        let receipt = finish(self.draft()).record()?;
        self.settle();
        Ok(receipt)
    }

    fn settle(&mut self) {
        let both = self.both_mut();
        both.original = both.current.clone();
    }

    /// Takes back the changes: the object is as it was when it was wrapped or last recorded.
    pub fn discard(&mut self) {
        let both = self.both_mut();
        both.current = both.original.clone();
    }

    /// Returns the object; its unrecorded changes are the caller's affair from now on.
    pub fn into_inner(mut self) -> T {
        match self.object.take() {
            Some(both) => both.current,
            None => unreachable!("a tracked object is used after it was taken apart"),
        }
    }
}

impl<T: Auditable + Clone + 'static> Deref for Tracked<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.both().current
    }
}

impl<T: Auditable + Clone + 'static> DerefMut for Tracked<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.both_mut().current
    }
}

impl<T: Auditable + Clone + fmt::Debug + 'static> fmt::Debug for Tracked<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.both().current, f)
    }
}

impl<T: Auditable + Clone + 'static> Drop for Tracked<T> {
    fn drop(&mut self) {
        let Some(Both { original, current }) = &self.object else {
            return;
        };
        if !self.log.is_registered::<T>() {
            return;
        }
        let paths = match try_diff(original, current) {
            Ok(changes) if changes.is_empty() => return,
            Ok(changes) => changes
                .paths()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(", "),
            Err(error) => format!("unknown fields, since {error}"),
        };
        self.log.shared().pipeline.count_unrecorded();
        log::warn!(
            target: "auditlog",
            "a tracked {} {} was dropped with unrecorded changes: {paths}",
            T::MODEL,
            current.object_pk()
        );
    }
}

//! Returns an object to a former state: reverts to a version, undoes an entry.

use serde_json::Value;
use uuid::Uuid;

use super::rebuild::{makes_version, rebuild, start};
use super::{History, Reconstruction, composed, mark_hidden, version_diff};
use crate::action::Action;
use crate::change::{Changes, Conflict, Rebase};
use crate::entry::LogEntry;
use crate::error::MissingReason;
use crate::path::{Path, PathSegment};

impl History {
    /// Returns the changes that lead from the newest version back to another; `None` if there is no
    /// such version. [`Changes::rebase`] adapts them to an object that has changed since and reports
    /// conflicts.
    ///
    /// The result is that of [`diff`](Self::diff) without the values that the trail lacks in clear
    /// and that cannot be restored: the [`missing`](crate::Reconstruction::missing) parts of
    /// [`at_version`](Self::at_version). A deleted object is restored by one change of `$` from a
    /// null.
    ///
    /// # Example: back to the first version
    /// ```
    /// use auditlog::prelude::*;
    ///
    /// #[derive(Auditable, Clone, Deserialize)]
    /// struct Item {
    ///     id: u32,
    ///     stock: u32,
    ///     label: String,
    /// }
    ///
    /// let _audit = auditlog::testing::capture();
    /// auditlog::register::<Item>();
    /// let mut item = Item { id: 1, stock: 0, label: "bolt".into() };
    /// auditlog::created(&item).record()?;
    /// auditlog::update(&mut item, |item| item.stock = 5).record()?;
    /// auditlog::update(&mut item, |item| item.label = "bolts".into()).record()?;
    ///
    /// let back = auditlog::history::<Item>(1)?.revert_to(1).expect("a version");
    /// let mut state = auditlog::snapshot(&item);
    /// back.apply(&mut state)?;
    /// let reverted: Item = serde_json::from_value(state)?;
    /// assert_eq!((reverted.stock, reverted.label.as_str()), (0, "bolt"));
    ///
    /// // Store the object, then record the reversal like any other update.
    /// auditlog::updated(&item, &reverted).reason("reverted to version 1").record()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn revert_to(&self, number: usize) -> Option<Changes> {
        let (mut latest, mut target) = (self.latest(), self.at_version(number)?);
        let newest = self.versions().count();
        let hidden: Vec<Path> = latest
            .missing
            .iter()
            .chain(&target.missing)
            .filter(|part| matches!(part.reason, MissingReason::Masked | MissingReason::Hashed))
            .map(|part| part.path.clone())
            .collect();
        let is_older = |state: &Reconstruction| state.is_partial() || state.is_unknown();
        if !target.exists() {
            // Nothing is restored: the object is removed with its hidden values.
            let mut changes = self.changes(newest, &latest, number, &target);
            mark_hidden(&mut changes, &[&latest]);
            return Some(changes);
        }
        if !latest.exists() {
            let recorded = composed(&self.between(newest, number), false);
            let mut restored = self.creation(&target, &recorded);
            // The state of an object older than the trail does not name all of its hidden parts.
            let recorded = recorded
                .iter()
                .filter(|change| is_older(&target) && change.redaction.is_some());
            let hidden = hidden.iter().chain(recorded.map(|change| &change.path));
            let hidden: Vec<_> = hidden.map(Path::segments).collect();
            for change in restored.list_mut() {
                change.redaction = None;
                if let Some(state) = &mut change.new {
                    for path in &hidden {
                        remove_part(state, path);
                    }
                }
            }
            return Some(restored);
        }
        if hidden.is_empty() || is_older(&latest) || is_older(&target) {
            let mut changes = self.changes(newest, &latest, number, &target);
            mark_hidden(&mut changes, &[&latest, &target]);
            changes.retain(|change| change.redaction.is_none());
            return Some(changes);
        }
        for path in &hidden {
            remove_part(&mut latest.state, &path.segments());
            remove_part(&mut target.state, &path.segments());
        }
        Some(version_diff::compare(
            self.fields,
            &self.entries,
            &latest.state,
            &target.state,
        ))
    }

    /// Returns the changes that undo one entry in the newest version, and the conflicts: values
    /// that later entries changed, and old values that the trail lacks in clear. `None` if there is
    /// no such entry or if it changed nothing, as for a denied action.
    ///
    /// Undoing a deletion restores the object by one change of `$` from a null, without the values
    /// that the trail lacks in clear. Undoing a creation is one change of `$` to a null; later
    /// changes are conflicts, and there is nothing to undo if the object was deleted.
    ///
    /// # Example: undo one entry, and a conflict
    /// ```
    /// use auditlog::prelude::*;
    ///
    /// #[derive(Auditable, Clone)]
    /// struct Item {
    ///     id: u32,
    ///     stock: u32,
    ///     label: String,
    /// }
    ///
    /// let _audit = auditlog::testing::capture();
    /// auditlog::register::<Item>();
    /// let mut item = Item { id: 1, stock: 0, label: "bolt".into() };
    /// auditlog::created(&item).record()?;
    /// let wrong = auditlog::update(&mut item, |item| {
    ///     item.stock = 5;
    ///     item.label = "nut".into();
    /// })
    /// .record()?;
    /// auditlog::update(&mut item, |item| item.stock = 6).record()?; // set again since
    ///
    /// let history = auditlog::history::<Item>(1)?;
    /// let undo = history.undo(wrong.id().expect("an entry")).expect("changes");
    /// assert_eq!(undo.changes.to_string(), r#"label: "nut" -> "bolt""#);
    /// assert_eq!(undo.conflicts.len(), 1);
    /// assert_eq!(undo.conflicts[0].to_string(), "`stock` is 6, expected 5");
    /// # Ok::<(), auditlog::Error>(())
    /// ```
    pub fn undo(&self, entry: Uuid) -> Option<Rebase> {
        let entry = self.entries.iter().find(|other| other.id == entry)?;
        if !makes_version(entry) {
            return None;
        }
        if entry.action == Action::Create {
            return Some(self.undo_creation(entry));
        }
        let mut back = entry.changes.invert();
        let mut hidden = Vec::new();
        back.retain(|change| {
            if change.redaction.is_some() {
                hidden.push(Conflict::hidden(change.path.clone()));
            }
            change.redaction.is_none()
        });
        let latest = self.latest().state;
        let mut rebase = if latest.is_null() && entry.action == Action::Delete {
            let mut state = start(&back);
            let Rebase {
                changes, conflicts, ..
            } = back.rebase(&state);
            let fits = changes.apply(&mut state).is_ok();
            debug_assert!(fits, "rebased changes apply to the state");
            Rebase {
                changes: crate::diff(&Value::Null, &state),
                conflicts,
                ..Rebase::default()
            }
        } else {
            back.rebase(&latest)
        };
        rebase.conflicts.append(&mut hidden);
        Some(rebase)
    }

    fn undo_creation(&self, entry: &LogEntry) -> Rebase {
        let mut rebase = Rebase::default();
        let later = self.entries.iter().skip_while(|other| other.id != entry.id);
        let ends = |entry: &&LogEntry| {
            makes_version(entry) && matches!(entry.action, Action::Create | Action::Delete)
        };
        if later.skip(1).any(|entry| ends(&entry)) {
            rebase.done.push(Path::ROOT);
            return rebase;
        }
        let end = self.entries.iter().position(|other| other.id == entry.id);
        let created = rebuild(self.fields, &self.entries, end.unwrap_or_default() + 1).state;
        let latest = self.latest();
        let since = version_diff::compare(self.fields, &self.entries, &created, &latest.state);
        if since.is_empty() {
            rebase.changes = crate::diff(&latest.state, &Value::Null);
            mark_hidden(&mut rebase.changes, &[&latest]);
        } else {
            rebase.conflicts = since.into_iter().map(Conflict::changed_since).collect();
        }
        rebase
    }
}

/// Removes a part from a state, in every item of the lists and every value of the maps in its path.
fn remove_part(state: &mut Value, segments: &[PathSegment]) {
    let Some((first, rest)) = segments.split_first() else {
        return;
    };
    match (state, first) {
        (Value::Array(items), PathSegment::Index(_) | PathSegment::Match { .. }) => {
            for item in items {
                remove_part(item, rest);
            }
        }
        (Value::Array(items), PathSegment::Name(_)) => {
            for item in items {
                remove_part(item, segments);
            }
        }
        (Value::Object(fields), PathSegment::Name(name)) => {
            if rest.is_empty() && fields.remove(name).is_some() {
                return;
            }
            match fields.get_mut(name) {
                Some(inner) => remove_part(inner, rest),
                // A map, whose keys are not in the path.
                None => fields
                    .values_mut()
                    .for_each(|inner| remove_part(inner, segments)),
            }
        }
        _ => {}
    }
}

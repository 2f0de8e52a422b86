//! Looking for entries by what they should be.

use crate::action::{Action, Outcome};
use crate::entry::{LogEntry, ObjectRef};
use crate::level::Level;
use crate::value::AuditValue;
use crate::value::auditable::Auditable;

/// Entries that meet conditions, and the number of them that a test expects.
///
/// Conditions are combined by "and". [`one`](Self::one), [`times`](Self::times) and [`none`](Self::none)
/// check the number.
///
/// # Panics
/// [`one`](Self::one), [`times`](Self::times) and [`none`](Self::none) panic if there are more or fewer
/// entries. The message lists the entries, each with the conditions that it does not meet.
///
/// # Example: conditions on one entry
/// ```
/// use auditlog::prelude::*;
///
/// #[derive(Auditable, Clone)]
/// struct User {
///     id: u32,
///     email: String,
/// }
///
/// let audit = auditlog::testing::capture();
/// auditlog::register::<User>();
/// let mut user = User { id: 42, email: "a@x".into() };
/// auditlog::update(&mut user, |user| user.email = "b@x".into())
///     .actor("alice")
///     .reason("ticket 4711")
///     .record()?;
///
/// audit
///     .matching()
///     .object::<User>(42)
///     .by("alice")
///     .change("email", "a@x", "b@x")
///     .when("a reason with a ticket", |entry| {
///         entry.reason.as_deref().is_some_and(|reason| reason.contains("ticket"))
///     })
///     .one();
/// # Ok::<(), auditlog::Error>(())
/// ```
#[derive(Debug)]
#[must_use = "nothing is asserted until `one`, `times` or `none`"]
pub struct Matching {
    entries: Vec<LogEntry>,
    /// The requirements that each entry misses.
    missed: Vec<Vec<String>>,
    conditions: Vec<String>,
}

impl Matching {
    pub(super) fn of(entries: Vec<LogEntry>) -> Self {
        Self {
            missed: vec![Vec::new(); entries.len()],
            entries,
            conditions: Vec::new(),
        }
    }

    /// Asks for an entry of an action, such as `"update"`.
    pub fn action(self, action: impl Into<Action>) -> Self {
        let action = action.into();
        self.field("action", action.as_str(), |entry| {
            Some(entry.action.as_str().to_owned())
        })
    }

    /// Asks for an entry of a type.
    pub fn model<T: Auditable>(self) -> Self {
        self.field("model", T::MODEL, |entry| Some(entry.model.clone()))
    }

    /// Asks for an entry of an object.
    pub fn object<T: Auditable>(self, pk: impl ToString) -> Self {
        let object = ObjectRef::of::<T>(pk);
        self.model::<T>()
            .field("object", &object.object_pk, |entry| {
                Some(entry.object_pk.clone())
            })
    }

    /// Asks for an entry of an actor, by id.
    pub fn by(self, actor: &str) -> Self {
        self.field("actor", actor, |entry| {
            entry.actor.as_ref().map(|actor| actor.id.clone())
        })
    }

    /// Asks for an entry with a reason.
    pub fn reason(self, reason: &str) -> Self {
        self.field("reason", reason, |entry| entry.reason.clone())
    }

    /// Asks for an entry with a correlation id.
    pub fn correlation_id(self, id: &str) -> Self {
        self.field("correlation id", id, |entry| entry.correlation_id.clone())
    }

    /// Asks for an entry of a level.
    pub fn level(self, level: Level) -> Self {
        self.field("level", level.as_str(), |entry| {
            Some(entry.level.as_str().to_owned())
        })
    }

    /// Asks for an entry with an outcome.
    pub fn outcome(self, outcome: Outcome) -> Self {
        self.field("outcome", outcome.as_str(), |entry| {
            Some(entry.outcome.as_str().to_owned())
        })
    }

    /// Asks for an entry that changed something at a path or inside it.
    ///
    /// # Panics
    /// Panics if the text is not a path.
    #[track_caller]
    pub fn changed(self, path: &str) -> Self {
        let wanted: crate::path::Path = match path.parse() {
            Ok(path) => path,
            Err(error) => panic!("{error}"),
        };
        self.condition(format!("changes {path}"), |entry| {
            if entry.changes.touches(&wanted) {
                None
            } else {
                Some(format!("does not change {path}"))
            }
        })
    }

    /// Asks for an entry that changed a path from one value to another; `()` stands for none.
    pub fn change(self, path: &str, old: impl AuditValue, new: impl AuditValue) -> Self {
        let (old, new) = (crate::snapshot(&old), crate::snapshot(&new));
        let wanted = format!("{path}: {old} -> {new}");
        self.condition(format!("changes {wanted}"), |entry| {
            let Some(change) = entry.changes.get(path) else {
                return Some(format!("does not change {path}"));
            };
            let side = |side: &Option<_>, wanted: &serde_json::Value| match side {
                Some(value) => value == wanted,
                None => wanted.is_null(),
            };
            if side(&change.old, &old) && side(&change.new, &new) {
                None
            } else {
                Some(format!("changes {change}"))
            }
        })
    }

    /// Asks for an entry for which `holds` is true; `what` names the condition in failures.
    pub fn when(self, what: &str, holds: impl Fn(&LogEntry) -> bool) -> Self {
        self.condition(what.to_owned(), |entry| {
            (!holds(entry)).then(|| format!("not {what}"))
        })
    }

    fn field(self, name: &str, wanted: &str, found: impl Fn(&LogEntry) -> Option<String>) -> Self {
        self.condition(format!("{name} {wanted}"), |entry| {
            let found = found(entry).filter(|found| !found.is_empty());
            if found.as_deref() == Some(wanted) {
                return None;
            }
            Some(match found {
                Some(found) => format!("{name} {found}"),
                None => format!("no {name}"),
            })
        })
    }

    fn condition(mut self, wanted: String, misses: impl Fn(&LogEntry) -> Option<String>) -> Self {
        self.conditions.push(wanted);
        for (entry, missed) in self.entries.iter().zip(&mut self.missed) {
            missed.extend(misses(entry));
        }
        self
    }

    /// Returns the entries, oldest first, however many there are.
    pub fn entries(&self) -> Vec<LogEntry> {
        let all = self.entries.iter().zip(&self.missed);
        all.filter(|(_, missed)| missed.is_empty())
            .map(|(entry, _)| entry.clone())
            .collect()
    }

    /// Expects exactly one entry, and returns it.
    ///
    /// # Panics
    /// Panics unless exactly one entry matches.
    #[track_caller]
    pub fn one(self) -> LogEntry {
        let mut entries = self.times(1);
        entries.remove(0)
    }

    /// Expects exactly so many entries, and returns them, oldest first.
    ///
    /// # Panics
    /// Panics if there are more or fewer.
    #[track_caller]
    pub fn times(self, count: usize) -> Vec<LogEntry> {
        let found = self.entries();
        if found.len() == count {
            return found;
        }
        let mut lines = vec![format!(
            "expected {count} and found {} entries with {}; {} were recorded:",
            found.len(),
            match &self.conditions[..] {
                [] => "any content".to_owned(),
                conditions => conditions.join(", "),
            },
            self.entries.len()
        )];
        for (entry, missed) in self.entries.iter().zip(&self.missed) {
            let verdict = if missed.is_empty() {
                "as expected".to_owned()
            } else {
                missed.join("; ")
            };
            lines.push(format!(
                "  {} {} {:?} by {}: {verdict}",
                entry.action,
                entry.model,
                entry.object_pk,
                entry.actor()
            ));
        }
        panic!("{}", lines.join("\n"));
    }

    /// Expects no entry.
    ///
    /// # Panics
    /// Panics if there is one.
    #[track_caller]
    pub fn none(self) {
        self.times(0);
    }
}

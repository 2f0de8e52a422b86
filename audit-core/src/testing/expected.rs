//! The macro that asserts an entry.

use crate::entry::{LogEntry, UNKNOWN_ACTOR};

/// The entry that [`assert_audited!`](crate::assert_audited) looks for.
#[doc(hidden)]
#[derive(Debug)]
pub struct Expected {
    pub action: &'static str,
    pub model: &'static str,
    pub object_pk: Option<String>,
    pub changes: Vec<(&'static str, serde_json::Value, serde_json::Value)>,
    pub actor: Option<String>,
}

impl Expected {
    fn misses(&self, entry: &LogEntry) -> Vec<String> {
        let mut misses = Vec::new();
        let mut expect = |what: &str, wanted: &str, found: &str| {
            if wanted != found {
                misses.push(format!("{what} is {found}, not {wanted}"));
            }
        };
        expect("the action", self.action, entry.action.as_str());
        expect("the model", self.model, &entry.model);
        if let Some(pk) = &self.object_pk {
            expect("the object", pk, &entry.object_pk);
        }
        if let Some(actor) = &self.actor {
            let found = entry
                .actor
                .as_ref()
                .map_or(UNKNOWN_ACTOR, |actor| actor.id.as_str());
            expect("the actor", actor, found);
        }
        for (path, old, new) in &self.changes {
            match entry.changes.get(path) {
                Some(change) => {
                    let side = |side: &Option<serde_json::Value>| {
                        side.clone().unwrap_or(serde_json::Value::Null)
                    };
                    if side(&change.old) != *old || side(&change.new) != *new {
                        misses.push(format!("`{change}`, not `{path}: {old} -> {new}`"));
                    }
                }
                None => misses.push(format!("`{path}` did not change")),
            }
        }
        misses
    }

    /// # Panics
    /// Panics if no entry is as expected.
    #[doc(hidden)]
    #[track_caller]
    pub fn check(&self, entries: &[LogEntry]) {
        if entries.iter().any(|entry| self.misses(entry).is_empty()) {
            return;
        }
        let mut lines = vec![format!(
            "no entry is {} {}{}",
            self.action,
            self.model,
            self.object_pk
                .as_ref()
                .map_or(String::new(), |pk| format!(" {pk:?}"))
        )];
        for (path, old, new) in &self.changes {
            lines.push(format!("    {path}: {old} -> {new}"));
        }
        if let Some(actor) = &self.actor {
            lines.push(format!("    by {actor}"));
        }
        lines.push(format!("{} entries were recorded:", entries.len()));
        for entry in entries {
            lines.push(format!(
                "  {} {} {:?} by {}: {}",
                entry.action,
                entry.model,
                entry.object_pk,
                entry.actor(),
                self.misses(entry).join("; ")
            ));
        }
        panic!("{}", lines.join("\n"));
    }
}

/// Asserts that an entry was recorded: its action, its type and key, and, if given, some of its changes
/// and its actor.
///
/// The first argument has a method `entries`, as [`Capture`](crate::testing::Capture) has. The key is a
/// literal, or an expression in parentheses. A change is `"path": old => new`, with `()` for an absent
/// value. Changes that are not listed are not compared.
///
/// # Panics
/// Panics if no entry matches. The message lists the recorded entries, each with the conditions that it
/// does not meet.
///
/// # Example: an update and a deletion
/// ```
/// use auditlog::{assert_audited, prelude::*};
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
/// auditlog::update(&mut user, |user| user.email = "b@x".into()).actor("alice").record()?;
/// auditlog::deleted(&user).record()?;
///
/// assert_audited!(audit, update User "42" { "email": "a@x" => "b@x" } by "alice");
/// assert_audited!(audit, delete User (user.id) { "email": "b@x" => () });
/// # Ok::<(), auditlog::Error>(())
/// ```
#[macro_export]
macro_rules! assert_audited {
    (
        $audit:expr, $action:ident $model:ident $($pk:literal)? $(($key:expr))?
        $({ $($path:literal : $old:expr => $new:expr),* $(,)? })?
        $(by $actor:expr)? $(,)?
    ) => {
        $crate::testing::Expected {
            action: ::core::stringify!($action),
            model: <$model as $crate::Auditable>::MODEL,
            object_pk: $crate::assert_audited!(@key $model $($pk)? $($key)?),
            changes: ::std::vec![$($((
                $path,
                $crate::snapshot(&$old),
                $crate::snapshot(&$new),
            )),*)?],
            actor: $crate::assert_audited!(@text $($actor)?),
        }
        .check(&$audit.entries())
    };
    (@key $model:ident) => { ::core::option::Option::None };
    (@key $model:ident $key:expr) => {
        ::core::option::Option::Some($crate::ObjectRef::of::<$model>(&$key).object_pk)
    };
    (@text) => { ::core::option::Option::None };
    (@text $value:expr) => { ::core::option::Option::Some(::std::string::ToString::to_string(&$value)) };
}

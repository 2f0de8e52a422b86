//! Entries as records of the `log` crate.

use std::borrow::Cow;
use std::fmt::{self, Display};

use log::kv::{self, Key, Source, Value, VisitSource};
use log::{Metadata, Record};

use super::{Sink, SinkError};
use crate::action::{Action, Outcome};
use crate::actor::Actor;
use crate::change::{Change, Changes};
use crate::entry::LogEntry;
use crate::one_line::{OneLine, escaped};

/// A sink that makes one record of the `log` crate of each entry.
///
/// - Level: that of the entry, by [`Level::to_log`](crate::Level::to_log).
/// - Target: `auditlog::<model>`, or `auditlog` for an event without an object.
/// - Message: `alice updated User 42 (bob): email, address.city`; `(unknown)` without an actor. The text
///   in parentheses is omitted if it repeats the rest. The message of a failed or denied action is
///   `alice failed to update ..` or `alice was not allowed to update ..`.
/// - Key-values, each omitted if the entry lacks it: `audit_id`, `severity` (the name of the level, which
///   distinguishes `CRITICAL` from `ERROR`), `action`, `outcome`, `model`, `object_pk`, `object_repr`,
///   `actor` (the id), `actor_display`, `on_behalf_of`, `correlation_id`, `trace_id`, `transaction_id`,
///   `reason`, `remote_addr`, `changes` (the paths).
///
/// Old and new values are logged only [`with_values`](Self::with_values).
///
/// Control characters, line separators and characters that change the direction of writing are escaped
/// in message, target and key-values, so that no name or reason can forge a line. The trail itself keeps
/// them unchanged.
///
/// # Example: the message of an entry
/// ```
/// use std::sync::Mutex;
/// use auditlog::{AuditLog, LogSink};
/// use log::{LevelFilter, Log, Metadata, Record};
///
/// struct Lines(Mutex<Vec<String>>);
///
/// impl Log for Lines {
///     fn enabled(&self, _: &Metadata<'_>) -> bool {
///         true
///     }
///     fn log(&self, record: &Record<'_>) {
///         self.0.lock().unwrap().push(format!("{} {}", record.level(), record.args()));
///     }
///     fn flush(&self) {}
/// }
///
/// static LINES: Lines = Lines(Mutex::new(Vec::new()));
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// log::set_logger(&LINES)?;
/// log::set_max_level(LevelFilter::Info);
/// let log = AuditLog::builder().sink(LogSink::new()).build();
/// log.event("login").actor("alice").record()?;
/// assert_eq!(LINES.0.lock().unwrap()[..], ["INFO alice login"]);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogSink {
    target: Cow<'static, str>,
    values: bool,
}

impl LogSink {
    /// Creates a sink with the target `auditlog` and without values.
    pub const fn new() -> Self {
        Self {
            target: Cow::Borrowed("auditlog"),
            values: false,
        }
    }

    /// Sets the beginning of targets, instead of `auditlog`.
    pub fn target(mut self, target: impl Into<Cow<'static, str>>) -> Self {
        self.target = target.into();
        self
    }

    /// Adds old and new values, in the redacted form in which the trail keeps them: to the
    /// message (`email "a" -> "b"`), and as the key-value `values`, a JSON object by path.
    pub fn with_values(mut self) -> Self {
        self.values = true;
        self
    }
}

impl Default for LogSink {
    fn default() -> Self {
        Self::new()
    }
}

impl Sink for LogSink {
    fn emit(&self, entry: &LogEntry) -> Result<(), SinkError> {
        let level = entry.level.to_log();
        if level > log::STATIC_MAX_LEVEL || level > log::max_level() {
            return Ok(());
        }
        let target = if entry.model.is_empty() {
            escaped(&self.target)
        } else {
            Cow::Owned(format!(
                "{}::{}",
                OneLine(&self.target),
                OneLine(&entry.model)
            ))
        };
        let metadata = Metadata::builder().level(level).target(&target).build();
        let logger = log::logger();
        if !logger.enabled(&metadata) {
            return Ok(());
        }
        logger.log(
            &Record::builder()
                .metadata(metadata)
                .key_values(&Fields::of(entry, self.values))
                .args(format_args!(
                    "{}",
                    OneLine(Sentence {
                        entry,
                        values: self.values
                    })
                ))
                .build(),
        );
        Ok(())
    }

    fn flush(&self) -> Result<(), SinkError> {
        log::logger().flush();
        Ok(())
    }
}

/// An entry as a sentence, such as `alice updated User 42 (bob): email`.
struct Sentence<'e> {
    entry: &'e LogEntry,
    values: bool,
}

impl Display for Sentence<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entry = self.entry;
        match &entry.actor {
            Some(actor) => actor.fmt(f)?,
            None => f.write_str(entry.actor())?,
        }
        f.write_str(" ")?;
        self.predicate(f)?;
        self.object(f)?;
        for (number, change) in entry.changes.iter().enumerate() {
            f.write_str(if number == 0 { ": " } else { ", " })?;
            change.path.fmt(f)?;
            if self.values {
                value_pair(f, change)?;
            }
        }
        Ok(())
    }
}

impl Sentence<'_> {
    fn predicate(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let action = &self.entry.action;
        let tried = match self.entry.outcome {
            Outcome::Success => return f.write_str(action.verb()),
            Outcome::Failure => "failed to",
            Outcome::Denied => "was not allowed to",
        };
        match action {
            // A custom name is no verb that could follow "to".
            Action::Custom(name) => {
                let on = if self.entry.model.is_empty() {
                    ""
                } else {
                    " on"
                };
                write!(f, "{tried} perform {name}{on}")
            }
            action => write!(f, "{tried} {action}"),
        }
    }

    fn object(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let LogEntry {
            model,
            object_pk,
            object_repr,
            ..
        } = self.entry;
        if !model.is_empty() {
            write!(f, " {model}")?;
        }
        if !object_pk.is_empty() {
            write!(f, " {object_pk}")?;
        } else if !model.is_empty() {
            f.write_str(" in bulk")?;
        }
        // An event's text is its name, and "User 42" or "User in bulk" is in the sentence already.
        let after_model = object_repr
            .strip_prefix(&**model)
            .and_then(|rest| rest.strip_prefix(' '));
        let redundant = object_repr.is_empty()
            || object_repr == object_pk
            || object_repr == model
            || (model.is_empty() && object_repr == self.entry.action.as_str())
            || after_model.is_some_and(|rest| {
                rest == object_pk || (object_pk.is_empty() && rest == "in bulk")
            });
        if redundant {
            Ok(())
        } else {
            write!(f, " ({object_repr})")
        }
    }
}

fn value_pair(f: &mut fmt::Formatter<'_>, change: &Change) -> fmt::Result {
    match (&change.old, &change.new) {
        (Some(old), Some(new)) => write!(f, " {old} -> {new}"),
        (None, Some(new)) => write!(f, " added {new}"),
        (Some(old), None) => write!(f, " removed {old}"),
        (None, None) => Ok(()),
    }
}

/// An entry's fields as key-values.
struct Fields<'e> {
    list: Vec<(&'static str, Cow<'e, str>)>,
}

impl<'e> Fields<'e> {
    fn of(entry: &'e LogEntry, values: bool) -> Self {
        let mut fields = Self {
            list: Vec::with_capacity(16),
        };
        fields.push_owned("audit_id", entry.id.to_string());
        fields.push("severity", entry.level.as_str());
        fields.push("action", entry.action.as_str());
        fields.push("outcome", entry.outcome.as_str());
        fields.push("model", &entry.model);
        fields.push("object_pk", &entry.object_pk);
        fields.push("object_repr", &entry.object_repr);
        fields.push_actor(entry.actor.as_ref());
        fields.push(
            "correlation_id",
            entry.correlation_id.as_deref().unwrap_or_default(),
        );
        fields.push("trace_id", entry.trace_id.as_deref().unwrap_or_default());
        if let Some(id) = entry.transaction_id {
            fields.push_owned("transaction_id", id.to_string());
        }
        fields.push("reason", entry.reason.as_deref().unwrap_or_default());
        if let Some(addr) = entry.remote_addr {
            fields.push_owned("remote_addr", addr.to_string());
        }
        if !entry.changes.is_empty() {
            fields.push_owned("changes", paths(&entry.changes));
            if values && let Ok(json) = serde_json::to_string(&entry.changes) {
                fields.push_owned("values", json);
            }
        }
        fields
    }

    fn push_actor(&mut self, actor: Option<&'e Actor>) {
        let Some(actor) = actor else {
            return;
        };
        self.push("actor", &actor.id);
        self.push(
            "actor_display",
            actor.display.as_deref().unwrap_or_default(),
        );
        self.push(
            "on_behalf_of",
            actor.on_behalf_of.as_deref().unwrap_or_default(),
        );
    }

    fn push(&mut self, key: &'static str, text: &'e str) {
        if !text.is_empty() {
            self.list.push((key, escaped(text)));
        }
    }

    fn push_owned(&mut self, key: &'static str, text: String) {
        let text = match escaped(&text) {
            Cow::Owned(escaped) => escaped,
            Cow::Borrowed(_) => text,
        };
        self.list.push((key, Cow::Owned(text)));
    }
}

impl Source for Fields<'_> {
    fn visit<'kvs>(&'kvs self, visitor: &mut dyn VisitSource<'kvs>) -> Result<(), kv::Error> {
        for (key, text) in &self.list {
            visitor.visit_pair(Key::from_str(key), Value::from(&**text))?;
        }
        Ok(())
    }

    fn count(&self) -> usize {
        self.list.len()
    }
}

fn paths(changes: &Changes) -> String {
    let mut names = String::new();
    for path in changes.paths() {
        if !names.is_empty() {
            names.push_str(", ");
        }
        names.push_str(path.as_str());
    }
    names
}

//! The selection of entries by flags and a query, read together.

use std::borrow::Cow;

use audit_core::{Filter, Query};
use chrono::{DateTime, Utc};
use clap::Args;

use crate::error::Error;
use crate::zone::Zone;

/// Conditions, all of which an entry meets.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Which entries")]
pub(crate) struct FilterArgs {
    /// A query such as `model:User actor:alice changed:email since:2h level:>=warning`, with
    /// `OR`, `NOT` and parentheses; words without a key are searched as text
    #[arg(value_name = "QUERY")]
    query: Vec<String>,
    /// Entries of this model
    #[arg(long)]
    model: Option<String>,
    /// Entries of this object, such as User/42
    #[arg(long, value_name = "MODEL/PK", conflicts_with_all = ["model", "pk"])]
    object: Option<String>,
    /// Entries of objects with this key
    #[arg(long)]
    pk: Option<String>,
    /// Entries by the actor with this id
    #[arg(long)]
    actor: Option<String>,
    /// Entries with this action: create, update, delete, access, or a custom name
    #[arg(long)]
    action: Option<String>,
    /// Entries of this level or a higher one: debug, info, warning, error or critical
    #[arg(long)]
    level: Option<String>,
    /// Entries below this level
    #[arg(long, value_name = "LEVEL")]
    below: Option<String>,
    /// Entries with this outcome: success, failure or denied
    #[arg(long)]
    outcome: Option<String>,
    /// Entries with this correlation id
    #[arg(long, value_name = "ID")]
    correlation_id: Option<String>,
    /// Entries of this transaction
    #[arg(long, value_name = "UUID")]
    transaction: Option<String>,
    /// Entries of this aggregate: its root, such as Order/7, and the objects that belong to it
    #[arg(long, value_name = "MODEL/PK")]
    parent: Option<String>,
    /// Entries that changed this path or a path inside it; if repeated, all of the paths
    #[arg(long, value_name = "PATH")]
    changed: Vec<String>,
    /// Entries that changed the value at this path from VALUE
    #[arg(long, value_name = "PATH=VALUE")]
    changed_from: Vec<String>,
    /// Entries that changed the value at this path to VALUE
    #[arg(long, value_name = "PATH=VALUE")]
    changed_to: Vec<String>,
    /// Entries at this time or later, such as 2h (ago), yesterday or 2026-01-31
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Entries before this time
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Entries with this text in the object, the reason, the actor or a changed value, in any case
    #[arg(long)]
    text: Option<String>,
}

/// A condition that a flag names: the flag, the query's key, the value.
type Term<'a> = (&'static str, &'static str, Cow<'a, str>);

impl FilterArgs {
    /// Reads all conditions as one query.
    pub(crate) fn read(&self, zone: Zone, now: DateTime<Utc>) -> Result<Query, Error> {
        let now = zone.at(now);
        let parse = |text: &str| Query::parse_at(text, now);
        let own = self.query.join(" ");
        let query = parse(&own).map_err(|source| Error::Query {
            text: own.clone(),
            source,
        })?;
        // Printed, alternatives are in parentheses, so that a term after them is about all.
        let mut text = query.to_string();
        for (flag, key, value) in self.terms()? {
            let term = format!("{key}:{}", quoted(&value));
            let read = parse(&term).map_err(|error| Error::Value {
                argument: flag,
                message: error.message().to_owned(),
            })?;
            if overlaps(query.filter(), read.filter()) {
                return Err(Error::Duplicate { flag, key });
            }
            text.push(' ');
            text.push_str(&term);
        }
        // Each part is valid, so their sequence is a valid query.
        let query = parse(&text).map_err(|source| Error::Query { text, source })?;
        reject_contradictions(query.filter(), zone)?;
        Ok(query)
    }

    /// Returns whether the query has `order:oldest`.
    pub(crate) fn is_oldest_first(&self) -> bool {
        // A contradicting second `order:` is an error.
        let own = self.query.join(" ");
        Query::parse(&own).is_ok() && Query::parse(&format!("order:newest {own}")).is_err()
    }

    /// Returns whether there is no condition.
    pub(crate) fn is_empty(&self) -> Result<bool, Error> {
        Ok(self.query.is_empty() && self.terms()?.is_empty())
    }

    fn terms(&self) -> Result<Vec<Term<'_>>, Error> {
        let mut terms: Vec<Term<'_>> = Vec::new();
        if let Some(object) = &self.object {
            let (model, pk) = object.split_once('/').ok_or_else(|| Error::Value {
                argument: "--object",
                message: format!(
                    "expected a model and a key, `User/42`, not `{}`",
                    object.escape_debug()
                ),
            })?;
            terms.push(("--object", "model", model.into()));
            terms.push(("--object", "object", pk.into()));
        }
        let single = [
            ("--model", "model", &self.model),
            ("--pk", "object", &self.pk),
            ("--actor", "actor", &self.actor),
            ("--action", "action", &self.action),
            ("--level", "level", &self.level),
            ("--outcome", "outcome", &self.outcome),
            ("--correlation-id", "correlation", &self.correlation_id),
            ("--transaction", "transaction", &self.transaction),
            ("--parent", "parent", &self.parent),
            ("--since", "since", &self.since),
            ("--until", "until", &self.until),
            ("--text", "text", &self.text),
        ];
        for (flag, key, value) in single {
            terms.extend(value.as_deref().map(|value| (flag, key, value.into())));
        }
        if let Some(level) = &self.below {
            terms.push(("--below", "level", format!("<{level}").into()));
        }
        let many = [
            ("--changed", "changed", &self.changed),
            ("--changed-from", "changed_from", &self.changed_from),
            ("--changed-to", "changed_to", &self.changed_to),
        ];
        for (flag, key, values) in many {
            terms.extend(values.iter().map(|value| (flag, key, value.into())));
        }
        Ok(terms)
    }
}

/// Rejects conditions that no entry can meet. A span that ends where it begins is valid, because
/// programs that poll use it.
fn reject_contradictions(filter: &Filter, zone: Zone) -> Result<(), Error> {
    let message = match (filter.since, filter.until) {
        (Some(since), Some(until)) if since > until => format!(
            "no entry is from {} or later and from before {}",
            zone.show(since),
            zone.show(until)
        ),
        _ => match (filter.level_at_least, filter.level_below) {
            (Some(least), Some(below)) if least >= below => {
                format!("no level is {least} or higher and lower than {below}")
            }
            _ => return Ok(()),
        },
    };
    Err(Error::Usage {
        message,
        hint: "exchange the two, or remove one of them",
    })
}

/// Returns whether both have a condition that can be given only once.
fn overlaps(query: &Filter, flag: &Filter) -> bool {
    fn both<T>(a: Option<&T>, b: Option<&T>) -> bool {
        a.is_some() && b.is_some()
    }
    both(query.model.as_ref(), flag.model.as_ref())
        || both(query.object_pk.as_ref(), flag.object_pk.as_ref())
        || both(query.parent.as_ref(), flag.parent.as_ref())
        || both(query.action.as_ref(), flag.action.as_ref())
        || both(query.actor.as_ref(), flag.actor.as_ref())
        || both(query.level_at_least.as_ref(), flag.level_at_least.as_ref())
        || both(query.level_below.as_ref(), flag.level_below.as_ref())
        || both(query.outcome.as_ref(), flag.outcome.as_ref())
        || both(query.correlation_id.as_ref(), flag.correlation_id.as_ref())
        || both(query.transaction_id.as_ref(), flag.transaction_id.as_ref())
        || both(query.since.as_ref(), flag.since.as_ref())
        || both(query.until.as_ref(), flag.until.as_ref())
        || both(query.text.as_ref(), flag.text.as_ref())
}

/// Quotes a value for the query language.
fn quoted(value: &str) -> String {
    format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
}

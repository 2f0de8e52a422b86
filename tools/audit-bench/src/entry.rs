//! `entry`: an entry that is made, written as canonical JSON, and read back.

use std::error::Error;

use auditlog::prelude::*;
use auditlog::{Actor, Change, Changes, Path, PathSegment};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::by_hand::two_fields;
use crate::measure::{Budget, compare};
use crate::model::{Account, account_two};

pub(crate) fn run() -> Result<(), Box<dyn Error>> {
    let log = AuditLog::builder().store(MemoryStore::new()).build();
    log.register::<Account>();
    let old = Account::sample();
    let new = account_two(&old);
    let _context = auditlog::context()
        .actor("alice")
        .correlation_id("req-4711")
        .enter();
    compare(
        "entry/into-entry",
        Budget::None,
        || log.updated(&old, &new).into_entry(),
        || by_hand(&old, &new),
    );

    let lines = Account {
        bio: "\"A text\"\nof several lines,\twith a \\ in it.\n".repeat(4),
        ..old.clone()
    };
    let entries = [
        ("2-changes", log.updated(&old, &new).into_entry()?),
        ("12-fields", log.created(&old).into_entry()?),
        ("escapes", log.updated(&old, &lines).into_entry()?),
    ];
    for (name, entry) in entries {
        let entry = entry.ok_or("a registered type has an entry")?;
        let text = entry.to_canonical_json()?;
        if text != serde_json::to_string(&entry)? {
            return Err(format!("two forms of the entry {name}").into());
        }
        compare(
            &format!("entry/canonical/{name}"),
            Budget::Ratio(0.9),
            || entry.to_canonical_json(),
            || serde_json::to_string(&entry),
        );
        if LogEntry::from_json(&text)? != entry {
            return Err(format!("the entry {name} is read as another one").into());
        }
        compare(
            &format!("entry/from-json/{name}"),
            Budget::None,
            || LogEntry::from_json(&text),
            || serde_json::from_str::<ByHand>(&text),
        );
        compare(
            &format!("entry/from-json/{name}/value"),
            Budget::None,
            || LogEntry::from_json(&text),
            || serde_json::from_str::<Value>(&text),
        );
    }
    Ok(())
}

/// The entry of an update, for this one type and these two fields.
fn by_hand(old: &Account, new: &Account) -> LogEntry {
    let mut entry = LogEntry::new("update", "Account", new.id.to_string(), &new.username);
    entry.actor = Some(Actor::user("alice"));
    entry.correlation_id = Some("req-4711".to_owned());
    entry.changes = two_fields(old, new)
        .into_iter()
        .map(|(field, mut change)| {
            let path = Path::from_segments(&[PathSegment::Name(field)]);
            Change::new(path, Some(change["old"].take()), Some(change["new"].take()))
        })
        .collect::<Changes>();
    entry
}

/// What a program of one's own reads of these entries, typed as far as theirs is.
#[derive(Deserialize, Serialize)]
struct ByHand {
    id: Uuid,
    timestamp: DateTime<Utc>,
    level: String,
    action: String,
    outcome: String,
    model: String,
    object_pk: String,
    object_repr: String,
    actor: Option<ByHandActor>,
    correlation_id: Option<String>,
    #[serde(default)]
    changes: std::collections::BTreeMap<String, ByHandChange>,
    schema_version: u32,
    v: u32,
}

#[derive(Deserialize, Serialize)]
struct ByHandActor {
    id: String,
    kind: String,
}

#[derive(Deserialize, Serialize)]
struct ByHandChange {
    old: Option<Value>,
    new: Option<Value>,
}

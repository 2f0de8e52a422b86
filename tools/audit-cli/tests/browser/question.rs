//! A record of the replayed data whose office was changed, with the facts that the pages show.

use std::path::Path;

use auditlog::PathSegment;
use auditlog::prelude::*;
use auditlog::sqlite::{Durability, SqliteStore};
use chrono::{DateTime, Utc};
use libtest_mimic::Failed;
use serde_json::{Value, json};

use crate::replay;

const MODEL: &str = "Legislator";
/// The number of entries of the first page.
const FIRST_PAGE: usize = 50;

/// Replays the data into a file, and returns a record of the first page.
pub(crate) fn replay(file: &Path, data: &Path) -> Result<Value, Failed> {
    let store = SqliteStore::options()
        .durability(Durability::Relaxed)
        .open(file)?;
    let log = AuditLog::builder().store(store).build();
    replay::record(&log, data)?;
    let newest = log.query().newest_first().limit(FIRST_PAGE).all()?;
    let mut keys = newest.iter().map(|entry| entry.object_pk.as_str());
    let record = keys
        .find_map(|key| record(&log, key).transpose())
        .ok_or("no record of the first page has an office that was changed")??;
    log.shutdown()?;
    Ok(record)
}

/// Returns the office of a term that was changed after it was first recorded, if the object has one
/// and had another one on 1 May 2014.
fn record(log: &AuditLog, key: &str) -> Result<Option<Value>, Failed> {
    let time: DateTime<Utc> = "2014-05-01T00:00:00Z".parse()?;
    let history = log.history_of(ObjectRef::new(MODEL, key))?;
    let then = history.as_of(time);
    let now = history.latest();
    for blame in history.blame() {
        let path = blame.path.to_string();
        let [Some(value), Some(former)] =
            [&now.state, &then.state].map(|state| blame.path.find_in(state)?.as_str())
        else {
            continue;
        };
        let Some(reason) = &blame.entry.reason else {
            continue;
        };
        if path.ends_with(".office") && value != former && blame.entry.timestamp > time {
            let Some(item) = then_path(&blame.path, &then.state) else {
                continue;
            };
            let first_line = reason.lines().next().unwrap_or_default();
            return Ok(Some(json!({
                "link": format!("object?model={MODEL}&key={key}"),
                "path": path,
                "value": value,
                "then": former,
                "then_path": item,
                "actor": blame.entry.actor(),
                "reason": first_line,
            })));
        }
    }
    Ok(None)
}

/// Returns the path of an item's member by the index that the item had in a state, as the page of
/// the state shows it.
fn then_path(path: &auditlog::Path, state: &Value) -> Option<String> {
    let [list, item, member] = &path.segments()[..] else {
        return None;
    };
    let of = |segments: &[PathSegment]| auditlog::Path::from_segments(segments);
    let items = of(std::slice::from_ref(list)).find_in(state)?.as_array()?;
    let found = of(&[list.clone(), item.clone()]).find_in(state)?;
    let index = items.iter().position(|item| item == found)?;
    let path = of(&[list.clone(), PathSegment::Index(index), member.clone()]);
    Some(path.to_string())
}

//! The replay itself: the events of the stream, recorded through the public API.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use auditlog::{AuditLog, Draft};
use chrono::{DateTime, Utc};
use flate2::read::GzDecoder;
use libtest_mimic::Failed;
use serde::Deserialize;
use serde_json::Value;

use super::model::Legislator;

const STREAM: &str = "legislators-2012-2016";

/// One line of the stream.
#[derive(Deserialize)]
pub(crate) struct Event {
    pub(crate) commit: String,
    pub(crate) actor: String,
    pub(crate) time: DateTime<Utc>,
    pub(crate) reason: String,
    pub(crate) key: String,
    pub(crate) op: String,
    pub(crate) after: Option<Value>,
}

/// Finds the folder of the data, beside the repository unless a variable names it.
pub(crate) fn data_folder(repository: &Path) -> Option<PathBuf> {
    let named = std::env::var_os("AUDITLOG_TEST_DATA").map(PathBuf::from);
    let folder = named
        .unwrap_or_else(|| repository.join("../shared/data"))
        .join("congress");
    stream(&folder).is_file().then_some(folder)
}

fn stream(folder: &Path) -> PathBuf {
    folder.join(format!("{STREAM}.events.jsonl.gz"))
}

/// Returns the file of the oracle.
pub(crate) fn oracle(folder: &Path) -> PathBuf {
    folder.join(format!("{STREAM}.oracle.json"))
}

/// Reads the events, in their order.
pub(crate) fn events(folder: &Path) -> Result<impl Iterator<Item = Result<Event, Failed>>, Failed> {
    let lines = BufReader::new(GzDecoder::new(File::open(stream(folder))?)).lines();
    Ok(lines.map(|line| Ok(serde_json::from_str(&line?)?)))
}

/// Replays the stream: every event through the derive and the context, one batch a commit.
pub(crate) fn record(log: &AuditLog, folder: &Path) -> Result<(), Failed> {
    log.register::<Legislator>();
    let mut records: BTreeMap<String, Legislator> = BTreeMap::new();
    let mut commit = String::new();
    let mut batch: Vec<Draft> = Vec::new();
    for event in events(folder)? {
        let event = event?;
        if event.commit != commit {
            log.record_all(batch.drain(..))?;
            commit.clone_from(&event.commit);
        }
        let _who = auditlog::context()
            .actor(event.actor)
            .correlation_id(event.commit)
            .reason(event.reason)
            .enter();
        let before = records.remove(&event.key);
        let after = event
            .after
            .as_ref()
            .map(|record| read(&event.key, record))
            .transpose()?;
        let draft = match (event.op.as_str(), before, &after) {
            ("create", None, Some(after)) => log.created(after),
            ("update", Some(before), Some(after)) => log.updated(&before, after),
            ("delete", Some(before), None) => log.deleted(&before),
            (op, ..) => return Err(format!("event {op} of {} does not fit", event.key).into()),
        };
        batch.push(draft.at(event.time));
        if let Some(after) = after {
            records.insert(event.key, after);
        }
    }
    log.record_all(batch)?;
    Ok(())
}

/// Reads a record and checks that the types hold all of it.
fn read(key: &str, record: &Value) -> Result<Legislator, Failed> {
    let mut legislator: Legislator = Legislator::deserialize(record)?;
    key.clone_into(&mut legislator.key);
    let mut snapshot = auditlog::snapshot(&legislator);
    without_key(&mut snapshot);
    if snapshot != *record {
        return Err(format!("the snapshot of {key} is not its record").into());
    }
    Ok(legislator)
}

/// Takes the key out of a state: the record does not have it.
pub(crate) fn without_key(state: &mut Value) {
    if let Some(fields) = state.as_object_mut() {
        fields.remove("key");
    }
}

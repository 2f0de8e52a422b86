//! What a correct replay must give; see the README of the data for each part.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use auditlog::prelude::*;
use chrono::{DateTime, Utc};
use libtest_mimic::Failed;
use serde::Deserialize;
use serde_json::Value;

use super::replay::without_key;
use super::{Legislator, Rebuilt, down_to_array};

/// Counts by kind (`added`, `removed`, `changed`), by field.
type Counts = BTreeMap<String, BTreeMap<String, u64>>;

#[derive(Deserialize)]
pub(crate) struct Oracle {
    totals: Totals,
    final_sha256: String,
    checkpoints: Vec<Checkpoint>,
    records_at: Vec<RecordAt>,
    histories: Vec<History>,
    actors: BTreeMap<String, BTreeMap<String, u64>>,
    windows: Vec<Window>,
    commits: Vec<Commit>,
    field_changes_of_updates: FieldChanges,
    fields_present_at_create: BTreeMap<String, u64>,
    fields_present_at_delete: BTreeMap<String, u64>,
}

#[derive(Deserialize)]
struct Totals {
    events: u64,
    create: u64,
    update: u64,
    delete: u64,
    commits: u64,
    actors: u64,
    keys_ever: u64,
    records_at_end: u64,
}

#[derive(Deserialize)]
struct Checkpoint {
    commit: String,
    records: usize,
    sha256: String,
    probe: DateTime<Utc>,
}

#[derive(Deserialize)]
struct RecordAt {
    key: String,
    commit: String,
    time: DateTime<Utc>,
    record: Option<Value>,
}

#[derive(Deserialize)]
struct History {
    key: String,
    entries: Vec<HistoryEntry>,
}

#[derive(Deserialize)]
struct HistoryEntry {
    commit: String,
    time: DateTime<Utc>,
    actor: String,
    op: String,
    fields: Option<BTreeSet<String>>,
}

#[derive(Deserialize)]
struct Window {
    since: DateTime<Utc>,
    until: DateTime<Utc>,
    commits: usize,
    create: u64,
    update: u64,
    delete: u64,
    actors: usize,
}

#[derive(Deserialize)]
struct Commit {
    #[serde(rename = "commit")]
    id: String,
    records: usize,
    create: u64,
    update: u64,
    delete: u64,
}

#[derive(Deserialize)]
struct FieldChanges {
    top: Counts,
    path: Counts,
    leaf: Counts,
}

impl Oracle {
    pub(crate) fn read(file: &Path) -> Result<Self, Failed> {
        Ok(serde_json::from_str(&std::fs::read_to_string(file)?)?)
    }

    /// Checks everything against what the log holds.
    pub(crate) fn check(&self, log: &AuditLog) -> Result<(), Failed> {
        self.check_totals(log)?;
        self.check_states(log)?;
        self.check_histories(log)?;
        self.check_time_travel(log)?;
        check_chains(log)?;
        self.check_actors_and_windows(log)
    }

    fn check_totals(&self, log: &AuditLog) -> Result<(), Failed> {
        let totals = &self.totals;
        let legislators = || log.query().model::<Legislator>();
        same("events", &legislators().count()?, &totals.events)?;
        same(
            "creates",
            &legislators().action("create").count()?,
            &totals.create,
        )?;
        same(
            "updates",
            &legislators().action("update").count()?,
            &totals.update,
        )?;
        same(
            "deletes",
            &legislators().action("delete").count()?,
            &totals.delete,
        )?;
        let mut commits = BTreeSet::new();
        let mut actors = BTreeSet::new();
        let mut keys = BTreeSet::new();
        for entry in legislators().iter()? {
            let entry = entry?;
            commits.extend(entry.correlation_id);
            actors.extend(entry.actor.map(|actor| actor.id));
            keys.insert(entry.object_pk);
        }
        same("commits", &(commits.len() as u64), &totals.commits)?;
        same("actors", &(actors.len() as u64), &totals.actors)?;
        same("keys", &(keys.len() as u64), &totals.keys_ever)
    }

    /// Rebuilds every state from the entries and counts what they changed.
    fn check_states(&self, log: &AuditLog) -> Result<(), Failed> {
        let mut rebuilt = Rebuilt::default();
        let mut counted = FieldChanges {
            top: Counts::new(),
            path: Counts::new(),
            leaf: Counts::new(),
        };
        let mut present = [BTreeMap::new(), BTreeMap::new()];
        let mut ops: BTreeMap<String, u64> = BTreeMap::new();
        let mut at = String::new();
        let mut commits = self.commits.iter();
        let mut probes = 0;
        for entry in log.query().model::<Legislator>().iter()? {
            let entry = entry?;
            let commit = entry.correlation_id.clone().unwrap_or_default();
            if commit != at && !at.is_empty() {
                probes +=
                    self.check_commit(&at, &rebuilt, &std::mem::take(&mut ops), commits.next())?;
            }
            at = commit;
            *ops.entry(entry.action.to_string()).or_default() += 1;
            let (before, after) = rebuilt.apply(&entry)?;
            match entry.action {
                Action::Create => count_present(&entry, &mut present[0]),
                Action::Delete => count_present(&entry, &mut present[1]),
                _ => {
                    count_paths(&entry, &mut counted.path);
                    let [mut before, mut after] = [before, after].map(Option::unwrap_or_default);
                    without_key(&mut before);
                    without_key(&mut after);
                    count_top(&before, &after, &mut counted.top);
                    count_leaves("", Some(&before), Some(&after), &mut counted.leaf);
                }
            }
        }
        probes += self.check_commit(&at, &rebuilt, &ops, commits.next())?;
        same("checkpoints met", &probes, &self.checkpoints.len())?;
        same("commits left over", &commits.count(), &0)?;
        same(
            "records at the end",
            &(rebuilt.records.len() as u64),
            &self.totals.records_at_end,
        )?;
        same("the final state", &rebuilt.sha256(), &self.final_sha256)?;
        let expected = &self.field_changes_of_updates;
        same("changes of top-level fields", &counted.top, &expected.top)?;
        same("changes by path", &counted.path, &expected.path)?;
        same("changes by leaf", &counted.leaf, &expected.leaf)?;
        let [created, deleted] = present;
        same("fields at create", &created, &self.fields_present_at_create)?;
        same("fields at delete", &deleted, &self.fields_present_at_delete)
    }

    /// Checks the state after a commit, and returns how many checkpoints it met.
    fn check_commit(
        &self,
        commit: &str,
        rebuilt: &Rebuilt,
        ops: &BTreeMap<String, u64>,
        expected: Option<&Commit>,
    ) -> Result<usize, Failed> {
        let expected = expected.ok_or("more commits than the oracle knows")?;
        same("the commit", &commit, &expected.id.as_str())?;
        same(
            "records after it",
            &rebuilt.records.len(),
            &expected.records,
        )?;
        let op = |name: &str| ops.get(name).copied().unwrap_or(0);
        same("its creates", &op("create"), &expected.create)?;
        same("its updates", &op("update"), &expected.update)?;
        same("its deletes", &op("delete"), &expected.delete)?;
        for sample in self
            .records_at
            .iter()
            .filter(|sample| sample.commit == commit)
        {
            same(
                &format!("{} after {commit}", sample.key),
                &rebuilt.record(&sample.key),
                &sample.record,
            )?;
        }
        let mut met = 0;
        for checkpoint in self
            .checkpoints
            .iter()
            .filter(|point| point.commit == commit)
        {
            same(
                "records at the checkpoint",
                &rebuilt.records.len(),
                &checkpoint.records,
            )?;
            same(
                "the state at the checkpoint",
                &rebuilt.sha256(),
                &checkpoint.sha256,
            )?;
            met += 1;
        }
        Ok(met)
    }

    fn check_histories(&self, log: &AuditLog) -> Result<(), Failed> {
        for history in &self.histories {
            let entries = log.query().object::<Legislator>(&history.key).all()?;
            same(
                "entries of one record",
                &entries.len(),
                &history.entries.len(),
            )?;
            for (entry, expected) in entries.iter().zip(&history.entries) {
                let what = format!("{} in {}", history.key, expected.commit);
                same(
                    &what,
                    &entry.correlation_id.as_deref(),
                    &Some(expected.commit.as_str()),
                )?;
                same(&what, &entry.timestamp, &expected.time)?;
                same(&what, &entry.actor(), &expected.actor.as_str())?;
                same(&what, &entry.action.as_str(), &expected.op.as_str())?;
                if let Some(fields) = &expected.fields {
                    let changed: BTreeSet<String> = entry
                        .changes
                        .paths()
                        .map(|path| path.field().into_owned())
                        .collect();
                    same(&what, &changed, fields)?;
                }
            }
        }
        Ok(())
    }

    /// Checks the sampled records as the history of each tells them.
    fn check_time_travel(&self, log: &AuditLog) -> Result<(), Failed> {
        for sample in &self.records_at {
            let history = log.history::<Legislator>(&sample.key)?;
            let found = history.as_of(sample.time);
            let mut state = found.exists().then_some(found.state);
            if let Some(state) = &mut state {
                without_key(state);
            }
            let what = format!("{} as of {}", sample.key, sample.time);
            same(&what, &state, &sample.record)?;
            same(&what, &found.complete, &true)?;
        }
        Ok(())
    }

    fn check_actors_and_windows(&self, log: &AuditLog) -> Result<(), Failed> {
        for (actor, ops) in &self.actors {
            for (op, count) in ops {
                let found = log.query().actor(actor).action(op.as_str()).count()?;
                same(&format!("{op} by {actor}"), &found, count)?;
            }
        }
        for window in &self.windows {
            let within = || log.query().since(window.since).until(window.until);
            same(
                "creates in a window",
                &within().action("create").count()?,
                &window.create,
            )?;
            same(
                "updates in a window",
                &within().action("update").count()?,
                &window.update,
            )?;
            same(
                "deletes in a window",
                &within().action("delete").count()?,
                &window.delete,
            )?;
            let entries = within().newest_first().all()?;
            let commits: BTreeSet<_> = entries.iter().map(|e| e.correlation_id.clone()).collect();
            let actors: BTreeSet<_> = entries.iter().map(LogEntry::actor).collect();
            same("commits in a window", &commits.len(), &window.commits)?;
            same("actors in a window", &actors.len(), &window.actors)?;
        }
        for checkpoint in &self.checkpoints {
            // The newest entry as of a probe is one of the checkpoint's commit.
            let newest = log.query().until(checkpoint.probe).newest_first().first()?;
            let commit = newest.and_then(|entry| entry.correlation_id);
            same(
                "the newest commit at a probe",
                &commit.as_ref(),
                &Some(&checkpoint.commit),
            )?;
        }
        Ok(())
    }
}

/// Checks that every entry starts from what the one before it left, read with the type and
/// without it.
fn check_chains(log: &AuditLog) -> Result<(), Failed> {
    let nameless = AuditLog::builder().store(log.store()).build();
    log.register::<Legislator>();
    for log in [log, &nameless] {
        for history in log.histories(log.query())? {
            let history = history?;
            if let Some(found) = history.breaks().first() {
                return Err(format!("a false break of {}: {found:?}", history.object()).into());
            }
        }
    }
    Ok(())
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, found: &T, expected: &T) -> Result<(), Failed> {
    if found == expected {
        return Ok(());
    }
    Err(format!("{what}: found {found:?}, expected {expected:?}").into())
}

fn add(counts: &mut Counts, field: &str, kind: &str, number: u64) {
    *counts
        .entry(field.to_owned())
        .or_default()
        .entry(kind.to_owned())
        .or_default() += number;
}

fn kind<T>(old: Option<&T>, new: Option<&T>) -> &'static str {
    match (old, new) {
        (None, _) => "added",
        (_, None) => "removed",
        _ => "changed",
    }
}

fn count_present(entry: &LogEntry, counts: &mut BTreeMap<String, u64>) {
    for path in entry.changes.paths().filter(|path| path.as_str() != "key") {
        *counts.entry(path.field().into_owned()).or_default() += 1;
    }
}

/// Counts an entry's changes with arrays as atoms, from the changes alone.
fn count_paths(entry: &LogEntry, counts: &mut Counts) {
    let mut arrays = BTreeSet::new();
    for change in &entry.changes {
        let (path, inside) = down_to_array(&change.path);
        if inside {
            // Something in an array changed: the array did, once.
            if arrays.insert(path.clone()) {
                add(counts, &path, "changed", 1);
            }
        } else if arrays.insert(path.clone()) {
            count_atoms(&path, change.old.as_ref(), change.new.as_ref(), counts);
        }
    }
}

/// Counts a change whose added or removed objects count once a leaf.
fn count_atoms(path: &str, old: Option<&Value>, new: Option<&Value>, counts: &mut Counts) {
    match (old, new) {
        (None, Some(Value::Object(fields))) => {
            for (name, value) in fields {
                count_atoms(&format!("{path}.{name}"), None, Some(value), counts);
            }
        }
        (Some(Value::Object(fields)), None) => {
            for (name, value) in fields {
                count_atoms(&format!("{path}.{name}"), Some(value), None, counts);
            }
        }
        _ => add(counts, path, kind(old, new), 1),
    }
}

fn count_top(before: &Value, after: &Value, counts: &mut Counts) {
    let (Value::Object(before), Value::Object(after)) = (before, after) else {
        return;
    };
    for name in before.keys().chain(after.keys()).collect::<BTreeSet<_>>() {
        let (old, new) = (before.get(name), after.get(name));
        if old != new {
            add(counts, name, kind(old, new), 1);
        }
    }
}

/// Counts by leaf, arrays element by element at their position.
fn count_leaves(path: &str, old: Option<&Value>, new: Option<&Value>, counts: &mut Counts) {
    let join = |name: &str| {
        if path.is_empty() {
            name.to_owned()
        } else {
            format!("{path}.{name}")
        }
    };
    match (old, new) {
        (old, new) if old == new => {}
        (Some(Value::Object(old)), Some(Value::Object(new))) => {
            for name in old.keys().chain(new.keys()).collect::<BTreeSet<_>>() {
                count_leaves(&join(name), old.get(name), new.get(name), counts);
            }
        }
        (Some(Value::Array(old)), Some(Value::Array(new))) => {
            for index in 0..old.len().max(new.len()) {
                count_leaves(&format!("{path}[]"), old.get(index), new.get(index), counts);
            }
        }
        (Some(Value::Object(fields)), None) => {
            for (name, value) in fields {
                count_leaves(&join(name), Some(value), None, counts);
            }
        }
        (None, Some(Value::Object(fields))) => {
            for (name, value) in fields {
                count_leaves(&join(name), None, Some(value), counts);
            }
        }
        (Some(Value::Array(items)), None) if !items.is_empty() => {
            for value in items {
                count_leaves(&format!("{path}[]"), Some(value), None, counts);
            }
        }
        (None, Some(Value::Array(items))) if !items.is_empty() => {
            for value in items {
                count_leaves(&format!("{path}[]"), None, Some(value), counts);
            }
        }
        (old, new) => add(counts, path, kind(old, new), 1),
    }
}

//! Replays a real change history through the public API and checks the trail against an
//! independent oracle.
//!
//! The data is not part of this repository. It is looked for in the folder that the variable
//! `AUDITLOG_TEST_DATA` names, else in `../shared/data`; without it the test is reported as
//! ignored.

mod model;
mod oracle;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use audit_testkit::PostgresServer;
use auditlog::postgres::PostgresStore;
use auditlog::prelude::*;
use auditlog::sqlite::SqliteStore;
use auditlog::{Draft, PathSegment, Store};
use chrono::{DateTime, Utc};
use flate2::read::GzDecoder;
use libtest_mimic::{Arguments, Failed, Trial};
use serde::Deserialize;
use serde_json::{Map, Value};
use tokio_postgres::NoTls;

use self::model::Legislator;
use self::oracle::Oracle;

const STREAM: &str = "legislators-2012-2016";

/// One line of the stream.
#[derive(Deserialize)]
struct Event {
    commit: String,
    actor: String,
    time: DateTime<Utc>,
    reason: String,
    key: String,
    op: String,
    after: Option<Value>,
}

fn main() {
    let arguments = Arguments::from_args();
    let data = data_folder();
    let server = PostgresServer::find();
    if data.is_none() {
        eprintln!("the replays are skipped: set AUDITLOG_TEST_DATA to the data's folder");
    }
    if server.is_none() {
        eprintln!("congress_replay_on_postgres needs a server: set AUDITLOG_TEST_POSTGRES_URL");
    }
    let required = std::env::var("CI").is_ok_and(|ci| ci == "true");
    let url = server.as_ref().map(|server| server.url().to_owned());
    let (no_data, no_server) = (data.is_none(), url.is_none() && !required);
    let folder = data.unwrap_or_default();
    let on_sqlite = {
        let folder = folder.clone();
        Trial::test("congress_replay_on_sqlite", move || {
            replay_on_sqlite(&folder)
        })
    };
    let on_postgres = Trial::test("congress_replay_on_postgres", move || {
        replay_on_postgres(&folder, &url.ok_or("no PostgreSQL server")?)
    });
    let trials = vec![
        on_sqlite.with_ignored_flag(no_data),
        on_postgres.with_ignored_flag(no_data || no_server),
    ];
    let conclusion = libtest_mimic::run(&arguments, trials);
    // Stops a server that was started.
    drop(server);
    conclusion.exit();
}

fn data_folder() -> Option<PathBuf> {
    let named = std::env::var_os("AUDITLOG_TEST_DATA").map(PathBuf::from);
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    let folder = named.unwrap_or(beside).join("congress");
    folder
        .join(format!("{STREAM}.events.jsonl.gz"))
        .is_file()
        .then_some(folder)
}

fn replay_on_sqlite(folder: &Path) -> Result<(), Failed> {
    let place = tempfile::tempdir()?;
    let file = place.path().join("congress.db");
    replay(folder, || Ok(SqliteStore::open(&file)?))
}

fn replay_on_postgres(folder: &Path, url: &str) -> Result<(), Failed> {
    let schema = format!("congress_{}", std::process::id());
    let options = PostgresStore::options().schema(&schema);
    let replayed = replay(folder, || Ok(options.connect(url)?));
    let dropped = drop_schema(url, &schema);
    replayed.and(dropped)
}

fn drop_schema(url: &str, schema: &str) -> Result<(), Failed> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
        let connection = tokio::spawn(connection);
        let sql = format!("DROP SCHEMA IF EXISTS {schema} CASCADE");
        client.batch_execute(&sql).await?;
        drop(client);
        connection.await??;
        Ok(())
    })
}

/// Records the stream in a store, and checks what another one of the same place holds.
fn replay<S: Store + 'static>(
    folder: &Path,
    open: impl Fn() -> Result<S, Failed>,
) -> Result<(), Failed> {
    let oracle = Oracle::read(&folder.join(format!("{STREAM}.oracle.json")))?;
    let log = AuditLog::builder().store(open()?).build();
    record(&log, &folder.join(format!("{STREAM}.events.jsonl.gz")))?;
    log.shutdown()?;
    drop(log);

    // From here on, only what the place holds.
    let log = AuditLog::builder().store(open()?).build();
    oracle.check(&log)
}

/// Replays the stream: every event through the derive and the context, one batch a commit.
fn record(log: &AuditLog, events: &Path) -> Result<(), Failed> {
    log.register::<Legislator>();
    let mut records: BTreeMap<String, Legislator> = BTreeMap::new();
    let mut commit = String::new();
    let mut batch: Vec<Draft> = Vec::new();
    for line in BufReader::new(GzDecoder::new(File::open(events)?)).lines() {
        let event: Event = serde_json::from_str(&line?)?;
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
fn without_key(state: &mut Value) {
    if let Some(fields) = state.as_object_mut() {
        fields.remove("key");
    }
}

/// The state of all records, rebuilt from entries alone.
#[derive(Default)]
struct Rebuilt {
    records: BTreeMap<String, Value>,
}

impl Rebuilt {
    /// Applies an entry and returns the record before and after it.
    fn apply(&mut self, entry: &LogEntry) -> Result<(Option<Value>, Option<Value>), Failed> {
        let before = self.records.remove(&entry.object_pk);
        let mut state = match (&entry.action, &before) {
            (Action::Create, None) => Value::Object(Map::new()),
            (Action::Update | Action::Delete, Some(before)) => before.clone(),
            _ => return Err(format!("entry {} does not fit the ones before", entry.id).into()),
        };
        entry.changes.apply(&mut state)?;
        if entry.action == Action::Delete {
            // All that is left are fields that a deletion does not remove.
            return Ok((before, None));
        }
        self.records.insert(entry.object_pk.clone(), state.clone());
        Ok((before, Some(state)))
    }

    /// The record of a key, in the data's own form.
    fn record(&self, key: &str) -> Option<Value> {
        self.records.get(key).cloned().map(|mut record| {
            without_key(&mut record);
            record
        })
    }

    /// SHA-256 of the canonical JSON of all records by key.
    fn sha256(&self) -> String {
        let all: Map<String, Value> = self
            .records
            .keys()
            .filter_map(|key| Some((key.clone(), self.record(key)?)))
            .collect();
        let text = Value::Object(all).to_string();
        let digest = hmac_sha256::Hash::hash(text.as_bytes());
        digest.iter().fold(String::new(), |mut text, byte| {
            // Writing to a `String` cannot fail.
            let _ok = write!(text, "{byte:02x}");
            text
        })
    }
}

/// The path down to the first array: the form in which the oracle counts by `path`.
fn down_to_array(path: &auditlog::Path) -> (String, bool) {
    let mut names = Vec::new();
    for segment in path.segments() {
        match segment {
            PathSegment::Name(name) => names.push(name),
            _ => return (names.join("."), true),
        }
    }
    (names.join("."), false)
}

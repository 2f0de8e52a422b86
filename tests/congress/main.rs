//! Replays a real change history through the public API and checks the trail against an
//! independent oracle.
//!
//! The data is not part of this repository. It is looked for in the folder that the variable
//! `AUDITLOG_TEST_DATA` names, else in `../shared/data`; without it the test is reported as
//! ignored.

mod model;
mod oracle;
mod replay;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use audit_testbed::PostgresServer;
use auditlog::postgres::PostgresStore;
use auditlog::prelude::*;
use auditlog::sqlite::SqliteStore;
use auditlog::{PathSegment, Store};
use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::{Map, Value};
use tokio_postgres::NoTls;

use self::model::Legislator;
use self::oracle::Oracle;
use self::replay::without_key;

fn main() {
    let arguments = Arguments::from_args();
    let data = replay::data_folder(&Path::new(env!("CARGO_MANIFEST_DIR")).join(".."));
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
    #[cfg(feature = "archive")]
    let on_archive = {
        let folder = folder.clone();
        Trial::test("congress_replay_on_an_archive", move || {
            replay_on_archive(&folder)
        })
    };
    let on_postgres = Trial::test("congress_replay_on_postgres", move || {
        replay_on_postgres(&folder, &url.ok_or("no PostgreSQL server")?)
    });
    let trials = vec![
        on_sqlite.with_ignored_flag(no_data),
        on_postgres.with_ignored_flag(no_data || no_server),
    ];
    #[cfg(feature = "archive")]
    let trials = {
        let mut trials = trials;
        trials.push(on_archive.with_ignored_flag(no_data));
        trials
    };
    let conclusion = libtest_mimic::run(&arguments, trials);
    // Stops a server that was started.
    drop(server);
    conclusion.exit();
}

fn replay_on_sqlite(folder: &Path) -> Result<(), Failed> {
    let place = tempfile::tempdir()?;
    let file = place.path().join("congress.db");
    check(folder, || Ok(SqliteStore::open(&file)?))
}

/// Archives the trail, removes its first half from the store, and checks both together.
#[cfg(feature = "archive")]
fn replay_on_archive(folder: &Path) -> Result<(), Failed> {
    use auditlog::archive::{
        ArchiveOptions, ArchiveStore, Archiver, Federated, Location, Pruner, Verifier,
    };

    let scratch = tempfile::tempdir()?;
    let hot = SqliteStore::open(scratch.path().join("congress.db"))?;
    let log = AuditLog::builder().store(hot.clone()).build();
    replay::record(&log, folder)?;
    let location = Location::folder(scratch.path().join("archive"))?;
    let options = ArchiveOptions::new().create(true).segment_entries(5_000);
    let report = Archiver::new(hot.clone(), location.clone())
        .options(options)
        .run_once()?;
    let verified = Verifier::new(&location).against(&hot).run()?;
    if !verified.is_clean() || verified.entries != report.entries {
        return Err(format!("{verified:?}").into());
    }
    let half = usize::try_from(report.entries / 2)?;
    let middle = hot.query().limit(half).all()?.pop().ok_or("no entries")?;
    let older = Query::new().until(middle.timestamp);
    let pruned = Pruner::new(&hot, &location).matching(older).run()?;
    if pruned.removed == 0 || hot.query().count()? + pruned.removed != report.entries {
        return Err(format!("{pruned:?}").into());
    }
    let both = Federated::new(hot, ArchiveStore::open(location)?);
    Oracle::read(&replay::oracle(folder))?.check(&AuditLog::builder().store(both).build())
}

fn replay_on_postgres(folder: &Path, url: &str) -> Result<(), Failed> {
    let schema = format!("congress_{}", std::process::id());
    let options = PostgresStore::options().schema(&schema);
    let checked = check(folder, || Ok(options.connect(url)?));
    let dropped = drop_schema(url, &schema);
    checked.and(dropped)
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
fn check<S: Store + 'static>(
    folder: &Path,
    open: impl Fn() -> Result<S, Failed>,
) -> Result<(), Failed> {
    let oracle = Oracle::read(&replay::oracle(folder))?;
    let log = AuditLog::builder().store(open()?).build();
    replay::record(&log, folder)?;
    log.shutdown()?;
    drop(log);

    // From here on, only what the place holds.
    let log = AuditLog::builder().store(open()?).build();
    oracle.check(&log)
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

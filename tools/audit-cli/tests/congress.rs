//! The replayed history of a real data set, read through the command and compared with an
//! independent oracle.
//!
//! The data is not part of this repository; see `tests/congress` of the workspace, whose
//! replay this is. Without it the tests are reported as ignored.

#[path = "../../../tests/congress/model.rs"]
mod model;
#[path = "../../../tests/congress/replay.rs"]
mod replay;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use audit_core::PathSegment;
use auditlog::AuditLog;
use auditlog::sqlite::{Durability, SqliteStore};
use libtest_mimic::{Arguments, Failed, Trial};
use serde::Deserialize;
use serde_json::{Map, Value};

const MODEL: &str = "Legislator";

#[derive(Deserialize)]
struct Oracle {
    totals: Totals,
    checkpoints: Vec<Checkpoint>,
    records_at: Vec<RecordAt>,
    histories: Vec<History>,
}

#[derive(Deserialize)]
struct Totals {
    events: u64,
    create: u64,
    update: u64,
    delete: u64,
}

#[derive(Deserialize)]
struct Checkpoint {
    probe: String,
    records: usize,
    sha256: String,
}

#[derive(Deserialize)]
struct RecordAt {
    key: String,
    time: String,
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
    time: chrono::DateTime<chrono::Utc>,
    actor: String,
    op: String,
    fields: Option<BTreeSet<String>>,
}

/// The data's folder, the oracle, and the file of the replayed trail. If a folder `archive` is beside the
/// file, it is the archive of the trail.
struct Replayed {
    folder: PathBuf,
    oracle: Oracle,
    file: PathBuf,
}

/// Compares the output of the command with the oracle.
type Check = fn(&Replayed) -> Result<(), Failed>;

static REPLAYED: LazyLock<Result<Replayed, Failed>> = LazyLock::new(|| {
    let data = data().ok_or("the data is missing")?;
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("congress-command");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    let file = folder.join("congress.db");
    let store = SqliteStore::options()
        .durability(Durability::Relaxed)
        .open(&file)?;
    let log = AuditLog::builder().store(store).build();
    replay::record(&log, &data)?;
    log.shutdown()?;
    let oracle = serde_json::from_str(&fs::read_to_string(replay::oracle(&data))?)?;
    Ok(Replayed {
        folder: data,
        oracle,
        file,
    })
});

/// The same trail, archived. The entries of its first half are in the archive alone.
#[cfg(feature = "archive")]
static ARCHIVED: LazyLock<Result<Replayed, Failed>> = LazyLock::new(|| {
    let replayed = match &*REPLAYED {
        Ok(replayed) => replayed,
        Err(error) => return Err(format!("{:?}", error.message()).into()),
    };
    let folder = replayed.file.with_file_name("archived");
    fs::create_dir_all(folder.join("archive"))?;
    let file = folder.join("congress.db");
    fs::copy(&replayed.file, &file)?;
    let oracle: Oracle =
        serde_json::from_str(&fs::read_to_string(replay::oracle(&replayed.folder))?)?;
    let events = Some(oracle.totals.events);
    let (lines, _) = ask(&file, &["archive", "run", "--create"])?;
    same("archived", &lines[0]["entries"].as_u64(), &events)?;
    let (lines, _) = ask(&file, &["archive", "verify", "--against-store"])?;
    same("intact", &lines[0]["intact"], &Value::Bool(true))?;
    same("verified", &lines[0]["entries"].as_u64(), &events)?;
    let middle = &oracle.checkpoints[oracle.checkpoints.len() / 2].probe;
    let prune = ["prune", "--archived", "--older-than", middle, "--yes"];
    let (lines, _) = ask(&file, &prune)?;
    let removed = lines[0]["removed"].as_u64();
    let left = SqliteStore::open(&file)?
        .query()
        .model_name(MODEL)
        .count()?;
    same(
        "left",
        &Some(left),
        &events.zip(removed).map(|(all, gone)| all - gone),
    )?;
    if left == 0 || Some(left) == events {
        return Err(format!("{left} entries are left in the store").into());
    }
    Ok(Replayed {
        folder: replayed.folder.clone(),
        oracle,
        file,
    })
});

fn data() -> Option<PathBuf> {
    replay::data_folder(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."))
}

fn main() {
    let arguments = Arguments::from_args();
    let missing = data().is_none();
    let tests: [(&str, Check); 6] = [
        ("stats_are_the_oracles", stats),
        ("histories_are_the_oracles", histories),
        ("blame_names_the_commit_that_set_each_value", blame),
        ("records_as_of_a_time_are_the_oracles", records_as_of),
        ("all_records_as_of_a_time_are_the_oracles", all_as_of),
        ("an_export_makes_the_same_trail_again", export_and_import),
    ];
    let trial = |name: String, test: Check, trail: &'static LazyLock<Result<Replayed, Failed>>| {
        if missing {
            eprintln!("{name} is skipped: set AUDITLOG_TEST_DATA to the data's folder");
        }
        let run = move || match &**trail {
            Ok(replayed) => test(replayed),
            Err(error) => Err(format!("{:?}", error.message()).into()),
        };
        Trial::test(name, run).with_ignored_flag(missing)
    };
    let trials = tests.map(|(name, test)| trial(name.to_owned(), test, &REPLAYED));
    #[cfg(feature = "archive")]
    let trials = trials
        .into_iter()
        .chain(tests.map(|(name, test)| trial(format!("archived::{name}"), test, &ARCHIVED)));
    libtest_mimic::run(&arguments, trials.into_iter().collect()).exit();
}

/// Runs the command with `--json`, and returns what it printed and its exit code.
fn ask(store: &Path, args: &[&str]) -> Result<(Vec<Value>, i32), Failed> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_auditlog"));
    let archive = store.with_file_name("archive");
    if archive.is_dir() {
        command.arg("--archive").arg(archive);
    }
    let output = command
        .args(["--json", "--store"])
        .arg(store)
        .args(args)
        .env("AUDITLOG_ACTOR", "tester")
        .env_remove("AUDITLOG_ARCHIVE")
        .env_remove("AUDITLOG_TZ")
        .env_remove("AUDITLOG_RECORD_ACCESS")
        .output()?;
    let lines = String::from_utf8(output.stdout)?;
    let lines: Result<Vec<Value>, _> = lines.lines().map(serde_json::from_str).collect();
    let code = output.status.code().ok_or("it was killed")?;
    if !output.stderr.is_empty() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
    }
    Ok((lines?, code))
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, found: &T, expected: &T) -> Result<(), Failed> {
    if found == expected {
        return Ok(());
    }
    Err(format!("{what}: found {found:?}, expected {expected:?}").into())
}

fn stats(replayed: &Replayed) -> Result<(), Failed> {
    let totals = &replayed.oracle.totals;
    let (lines, _) = ask(
        &replayed.file,
        &["stats", "--by", "action,model", "--model", MODEL],
    )?;
    let found: BTreeMap<String, u64> = lines
        .iter()
        .filter_map(|line| Some((line["key"].as_str()?.to_owned(), line["count"].as_u64()?)))
        .collect();
    let expected = [
        ("create", totals.create),
        ("update", totals.update),
        ("delete", totals.delete),
        (MODEL, totals.events),
    ];
    let expected = expected.map(|(key, count)| (key.to_owned(), count));
    same("entries", &found, &BTreeMap::from(expected))
}

fn histories(replayed: &Replayed) -> Result<(), Failed> {
    for history in &replayed.oracle.histories {
        let key = &history.key;
        let (lines, _) = ask(&replayed.file, &["history", MODEL, key])?;
        same("entries", &lines.len(), &history.entries.len())?;
        for (number, (line, expected)) in lines.iter().zip(&history.entries).enumerate() {
            let what = format!("{key} in {}", expected.commit);
            let entry = auditlog::LogEntry::from_json(&line["entry"].to_string())?;
            same(&what, &line["version"].as_u64(), &Some(number as u64 + 1))?;
            same(
                &what,
                &entry.correlation_id.as_ref(),
                &Some(&expected.commit),
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

/// The values of a record by their path; lists are one value, terms are identified by their start.
fn values(record: &Value) -> BTreeMap<String, Value> {
    fn descend(at: &mut Vec<PathSegment>, value: &Value, values: &mut BTreeMap<String, Value>) {
        match (value, at.len()) {
            (Value::Object(fields), _) => {
                for (name, value) in fields {
                    at.push(PathSegment::Name(name.clone()));
                    descend(at, value, values);
                    at.pop();
                }
            }
            (Value::Array(terms), 1) if at[0] == PathSegment::Name("terms".into()) => {
                for term in terms {
                    at.push(PathSegment::Match {
                        field: "start".into(),
                        value: term["start"].clone(),
                    });
                    descend(at, term, values);
                    at.pop();
                }
            }
            _ => {
                let path = audit_core::Path::from_segments(at);
                values.insert(path.to_string(), value.clone());
            }
        }
    }
    let mut found = BTreeMap::new();
    descend(&mut Vec::new(), record, &mut found);
    found
}

/// Finds out from the events alone in which commit each value was set last, and asks the
/// command who it blames for the value.
fn blame(replayed: &Replayed) -> Result<(), Failed> {
    let keys: BTreeSet<&str> = replayed
        .oracle
        .histories
        .iter()
        .map(|history| history.key.as_str())
        .collect();
    let mut set: BTreeMap<String, BTreeMap<String, (Value, String)>> = BTreeMap::new();
    for event in replay::events(&replayed.folder)? {
        let event = event?;
        if !keys.contains(event.key.as_str()) {
            continue;
        }
        let Some(record) = event.after else {
            set.remove(&event.key);
            continue;
        };
        let before = set.remove(&event.key).unwrap_or_default();
        let after = values(&record).into_iter().map(|(path, value)| {
            let commit = match before.get(&path) {
                Some((old, commit)) if *old == value => commit.clone(),
                _ => event.commit.clone(),
            };
            (path, (value, commit))
        });
        set.insert(event.key, after.collect());
    }
    let mut compared = 0;
    for (key, expected) in &set {
        let (entries, _) = ask(&replayed.file, &["history", MODEL, key])?;
        let commit = |version: &Value| {
            let number = version.as_u64().and_then(|n| usize::try_from(n).ok());
            let entry = &entries[number.expect("a version") - 1]["entry"];
            entry["correlation_id"]
                .as_str()
                .expect("a commit")
                .to_owned()
        };
        let (parts, _) = ask(&replayed.file, &["blame", MODEL, key])?;
        for (path, (value, last)) in expected {
            let path: audit_core::Path = path.parse()?;
            // The part that holds the value, or the newest of those inside a list.
            let part = parts
                .iter()
                .filter(|part| {
                    let part: audit_core::Path = part["path"]
                        .as_str()
                        .unwrap_or("$")
                        .parse()
                        .expect("a path");
                    path.is_within(&part) || part.is_within(&path)
                })
                .max_by_key(|part| part["version"].as_u64());
            let part = part.ok_or_else(|| format!("no entry is blamed for {path} of {key}"))?;
            let what = format!("{path} of {key}, which is {value}");
            same(&what, &commit(&part["version"]), last)?;
            if part["path"] == path.as_str() {
                same(&what, &part["value"], value)?;
            }
            compared += 1;
        }
    }
    println!("{compared} values of {} records", set.len());
    if compared < 100 {
        return Err(format!("{compared} values are too few").into());
    }
    Ok(())
}

/// Takes the key out of a state: the record does not have it.
fn record(state: &Value) -> Option<Value> {
    let mut state = Some(state.clone()).filter(|state| !state.is_null())?;
    replay::without_key(&mut state);
    Some(state)
}

fn records_as_of(replayed: &Replayed) -> Result<(), Failed> {
    for sample in &replayed.oracle.records_at {
        let args = ["as-of", MODEL, &sample.key, &sample.time];
        let (lines, code) = ask(&replayed.file, &args)?;
        let what = format!("{} as of {}", sample.key, sample.time);
        same(&what, &record(&lines[0]["state"]), &sample.record)?;
        same(&what, &lines[0]["complete"], &Value::Bool(true))?;
        let expected = if sample.record.is_some() { 0 } else { 7 };
        same(&what, &code, &expected)?;
    }
    Ok(())
}

fn all_as_of(replayed: &Replayed) -> Result<(), Failed> {
    for checkpoint in replayed.oracle.checkpoints.iter().step_by(8) {
        let (lines, _) = ask(&replayed.file, &["as-of", MODEL, &checkpoint.probe])?;
        same("records", &lines.len(), &checkpoint.records)?;
        let all: Map<String, Value> = lines
            .iter()
            .filter_map(|line| {
                let key = line["object_pk"].as_str()?.to_owned();
                Some((key, record(&line["state"])?))
            })
            .collect();
        let digest = hmac_sha256::Hash::hash(Value::Object(all).to_string().as_bytes());
        let digest = digest.iter().fold(String::new(), |mut text, byte| {
            // Writing to a `String` cannot fail.
            let _ok = write!(text, "{byte:02x}");
            text
        });
        same(&checkpoint.probe, &digest, &checkpoint.sha256)?;
    }
    Ok(())
}

fn export_and_import(replayed: &Replayed) -> Result<(), Failed> {
    let folder = replayed.file.parent().ok_or("no folder")?;
    let [first, second, copy] = ["first.jsonl", "second.jsonl", "copy.db"].map(|n| folder.join(n));
    let text = |path: &PathBuf| path.display().to_string();
    ask(
        &replayed.file,
        &["export", "--model", MODEL, "--output", &text(&first)],
    )?;
    let (lines, _) = ask(&copy, &["import", "--create", &text(&first)])?;
    same(
        "new",
        &lines[0]["new"].as_u64(),
        &Some(replayed.oracle.totals.events),
    )?;
    let (lines, _) = ask(&copy, &["import", &text(&first)])?;
    same("new again", &lines[0]["new"].as_u64(), &Some(0))?;
    ask(&copy, &["export", "--output", &text(&second)])?;
    // Without the records of imports.
    let second = fs::read_to_string(&second)?;
    let mut second = second
        .split_inclusive('\n')
        .filter(|line| !line.starts_with(r#"{"action":"import","#));
    let first = fs::read_to_string(&first)?;
    if !first.split_inclusive('\n').eq(&mut second) {
        return Err("the second export differs from the first".into());
    }
    Ok(())
}

//! Runs the statements of `docs/engines.md` as they are shown, with DuckDB, DataFusion and ClickHouse's
//! engine `chdb` of Python, on an archive with late and repeated entries, orphans and a removed file. Their
//! results must equal those of [`ArchiveStore`].
//!
//! The engines are in the virtual environment that the variable `AUDITLOG_TEST_ENGINES` names, else in
//! `target/engines`. Without it the tests are reported as ignored, and fail with `CI=true`:
//!
//! ```console
//! $ python3 -m venv target/engines
//! $ target/engines/bin/pip install -r tests/engines/requirements.txt
//! ```

#[allow(dead_code, reason = "another test program needs the rest")]
#[path = "../document_blocks/blocks.rs"]
mod blocks;
mod sample;

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use auditlog::archive::ArchiveStore;
use auditlog::{LogEntry, Query, Store as _};
use libtest_mimic::{Arguments, Failed, Trial};
use serde::Deserialize;
use serde_json::{Value, json};

use self::blocks::{Block, blocks_of, root};
use self::sample::Sample;

const ENGINES: [&str; 3] = ["duckdb", "datafusion", "chdb"];
/// The program that runs blocks with an engine.
const RUN: &str = include_str!("run.py");

fn main() {
    let python = python();
    if python.is_none() {
        eprintln!("the engines are missing: see tests/engines/main.rs");
    }
    let required = env::var("CI").is_ok_and(|ci| ci == "true");
    let ignored = python.is_none() && !required;
    let mut trials = Vec::new();
    for engine in ENGINES {
        let python = python.clone();
        let test = move || {
            let python = python.ok_or("the virtual environment with the engines is missing")?;
            check_statements(&python, engine)
        };
        trials.push(Trial::test(format!("{engine}_agrees"), test).with_ignored_flag(ignored));
    }
    let damage = move || {
        let python = python.ok_or("the virtual environment with the engines is missing")?;
        check_damage(&python)
    };
    trials.push(Trial::test("duckdb_finds_a_changed_file", damage).with_ignored_flag(ignored));
    trials.push(Trial::test("each_engine_has_the_statements", || {
        check_document();
        Ok(())
    }));
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

/// Returns the interpreter of the virtual environment with the engines.
fn python() -> Option<PathBuf> {
    let folder = env::var_os("AUDITLOG_TEST_ENGINES").map(PathBuf::from);
    let folder = folder.or_else(|| {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent()?;
        Some(target.join("engines"))
    })?;
    let python = folder.join("bin/python");
    python.is_file().then_some(python)
}

/// The result of a block.
#[derive(Debug, Deserialize)]
struct Answer {
    columns: Vec<String>,
    rows: Vec<Vec<Value>>,
}

impl Answer {
    /// Returns the values of some columns.
    fn select(&self, names: &[&str]) -> Result<Vec<Vec<Value>>, Failed> {
        let mut indices = Vec::new();
        for name in names {
            let index = self.columns.iter().position(|column| column == name);
            indices.push(index.ok_or_else(|| format!("no column {name} in {:?}", self.columns))?);
        }
        let row = |row: &Vec<Value>| indices.iter().map(|index| row[*index].clone()).collect();
        Ok(self.rows.iter().map(row).collect())
    }
}

/// Returns the blocks of an engine in the order of the document.
fn blocks_for(engine: &str) -> Vec<Block> {
    let blocks = blocks_of(&root().join("docs/engines.md")).into_iter();
    blocks.filter(|block| block.has(engine)).collect()
}

/// Returns the comment at the beginning of a block, which names its question.
fn title(block: &Block) -> &str {
    let first = block.text.lines().next().unwrap_or_default();
    first.strip_prefix("-- ").unwrap_or_default()
}

fn run(
    python: &Path,
    engine: &str,
    blocks: &[Block],
    folder: &Path,
) -> Result<Vec<Answer>, Failed> {
    let language = |block: &Block| if block.has("python") { "python" } else { "sql" };
    let input: Vec<Value> = blocks
        .iter()
        .map(|block| json!({"language": language(block), "text": block.text}))
        .collect();
    let mut child = Command::new(python)
        .args(["-c", RUN, engine])
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut stdin = child.stdin.take().ok_or("no standard input")?;
    stdin.write_all(&serde_json::to_vec(&input)?)?;
    drop(stdin);
    let output = child.wait_with_output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
    }
    let answers: Vec<Answer> = serde_json::from_slice(&output.stdout)?;
    assert_eq!(answers.len(), blocks.len());
    Ok(answers)
}

fn check_statements(python: &Path, engine: &str) -> Result<(), Failed> {
    let sample = Sample::new()?;
    let blocks = blocks_for(engine);
    let answers = run(python, engine, &blocks, sample.folder())?;
    let expected = expected(&sample)?;
    for (block, answer) in blocks.iter().zip(&answers) {
        let Some((columns, rows)) = expected.get(title(block)) else {
            continue;
        };
        let found = answer.select(columns)?;
        if found != *rows {
            let (found, wanted) = (found.len(), rows.len());
            let answer: Vec<_> = answer.rows.iter().take(5).collect();
            let rows: Vec<_> = rows.iter().take(5).collect();
            return Err(format!(
                "{}: {found} rows {answer:?}, expected {wanted} rows {rows:?}",
                block.location()
            )
            .into());
        }
    }
    Ok(())
}

/// The columns that are compared, and their rows.
type Expected = (Vec<&'static str>, Vec<Vec<Value>>);

/// The questions that each engine answers.
const QUESTIONS: [&str; 5] = [
    "The number of entries",
    "The history of an object",
    "The year of an actor, by model",
    "The number of entries that changed a field",
    "The SHA-256 of each body",
];

/// Returns the answers of the library, by question.
fn expected(sample: &Sample) -> Result<BTreeMap<&'static str, Expected>, Failed> {
    let store = &sample.archive;
    let all = entries(store, &Query::new())?;
    let history = entries(store, &Query::new().model_name("User").object_pk(7))?;
    let year = Query::new()
        .actor("alice")
        .since("2026-01-01T00:00:00Z")
        .until("2027-01-01T00:00:00Z");
    let year = entries(store, &year)?;
    let changed = store.count(&Query::new().model_name("Invoice").changed("status"))?;
    assert!(all.len() > 3_000 && history.len() > 20 && year.len() > 200 && changed > 50);

    let mut by_model: BTreeMap<&str, u64> = BTreeMap::new();
    for entry in &year {
        *by_model.entry(&entry.model).or_default() += 1;
    }
    let history = history.iter().map(|entry| {
        let actor = entry.actor.as_ref().map(|actor| actor.id.clone());
        vec![json!(entry.id.simple()), json!(entry.action), json!(actor)]
    });
    let mut hashes = all
        .iter()
        .map(|entry| {
            let body = entry.to_canonical_json()?;
            let hash = hmac_sha256::Hash::hash(body.as_bytes());
            let hash = hash.iter().fold(String::new(), |mut text, byte| {
                let _ = write!(text, "{byte:02x}");
                text
            });
            Ok(vec![json!(entry.id.simple()), json!(hash)])
        })
        .collect::<Result<Vec<_>, Failed>>()?;
    hashes.sort_by_key(|row| row[0].to_string());
    let orphans = sample.orphans.iter().map(|path| vec![json!(path)]);

    let [number, object, actor, field, body] = QUESTIONS;
    Ok(BTreeMap::from([
        (number, (vec!["entries"], vec![vec![json!(all.len())]])),
        (object, (vec!["id", "action", "actor"], history.collect())),
        (
            actor,
            (
                vec!["model", "entries"],
                by_model
                    .iter()
                    .map(|(model, count)| vec![json!(model), json!(count)])
                    .collect(),
            ),
        ),
        (field, (vec!["entries"], vec![vec![json!(changed)]])),
        (body, (vec!["id", "sha256"], hashes)),
        (
            "Files that no manifest names",
            (vec!["path"], orphans.collect()),
        ),
        (CHANGED_FILES, (vec!["path"], Vec::new())),
    ]))
}

fn entries(store: &ArchiveStore, query: &Query) -> Result<Vec<LogEntry>, Failed> {
    let mut entries = Vec::new();
    let mut query = query.clone().limit(1_000);
    loop {
        let page = store.find(&query)?;
        entries.extend(page.entries);
        match page.next {
            Some(next) => query = query.after(next),
            None => return Ok(entries),
        }
    }
}

/// The statement that compares the bytes of files with their manifests.
const CHANGED_FILES: &str = "Files whose bytes differ from their manifest";

fn check_damage(python: &Path) -> Result<(), Failed> {
    let sample = Sample::new()?;
    let mut blocks = blocks_for("duckdb");
    let found = |block: &Block| title(block) == CHANGED_FILES || title(block).is_empty();
    blocks.retain(found);
    let path = sample.named.first().ok_or("a file")?;
    let file = sample.folder().join(path);
    let mut bytes = fs::read(&file)?;
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&file, bytes)?;
    let answers = run(python, "duckdb", &blocks, sample.folder())?;
    let at = blocks
        .iter()
        .position(|block| title(block) == CHANGED_FILES);
    let answer = &answers[at.ok_or("the statement is missing")?];
    assert_eq!(answer.select(&["path"])?, [[json!(path)]]);
    Ok(())
}

/// Checks that the document has each question for each engine, and no question that is not compared.
fn check_document() {
    let compared: BTreeSet<&str> = QUESTIONS
        .into_iter()
        .chain(["Files that no manifest names", CHANGED_FILES, ""])
        .collect();
    for engine in ENGINES {
        let blocks = blocks_for(engine);
        let titles: BTreeSet<&str> = blocks.iter().map(title).collect();
        let missing: Vec<_> = QUESTIONS
            .iter()
            .filter(|it| !titles.contains(*it))
            .collect();
        assert!(missing.is_empty(), "{engine} lacks {missing:?}");
        let other: Vec<_> = titles.difference(&compared).collect();
        assert!(other.is_empty(), "{engine}: nothing compares {other:?}");
    }
}

//! DuckDB, as a process that measures its queries itself.

use std::env;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::history::Outcome;

/// A query by its name.
#[derive(Serialize)]
pub(super) struct Question {
    pub(super) name: &'static str,
    sql: String,
}

impl Question {
    pub(super) fn new(name: &'static str, sql: String) -> Self {
        Self { name, sql }
    }
}

/// The result of a query.
#[derive(Deserialize)]
pub(super) struct Answer {
    pub(super) rows: usize,
    /// The median of the later executions.
    pub(super) milliseconds: f64,
}

/// Asks DuckDB; `None` if it is not installed.
pub(super) fn run(files: &[String], questions: &[&Question]) -> Outcome<Option<Vec<Answer>>> {
    let Some(python) = python() else {
        eprintln!("DuckDB is missing: see tests/engines/main.rs");
        return Ok(None);
    };
    let mut child = Command::new(python)
        .args(["-c", include_str!("duckdb.py")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let input = json!({"files": files, "questions": questions});
    let mut stdin = child.stdin.take().ok_or("no standard input")?;
    stdin.write_all(&serde_json::to_vec(&input)?)?;
    drop(stdin);
    let output = child.wait_with_output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
    }
    Ok(Some(serde_json::from_slice(&output.stdout)?))
}

/// Returns the interpreter of the virtual environment with DuckDB: that of the variable, else `engines` beside the
/// folder of this program.
fn python() -> Option<PathBuf> {
    let folder = env::var_os("AUDITLOG_TEST_ENGINES").map(PathBuf::from);
    let folder = folder.or_else(|| {
        let program = env::current_exe().ok()?;
        Some(program.parent()?.parent()?.join("engines"))
    })?;
    let python = folder.join("bin/python");
    python.is_file().then_some(python)
}

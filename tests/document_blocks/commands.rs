//! Runs the shell lines of the documents on the trail of the first program.

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::blocks::{Block, root};
use crate::programs::build;

/// The lines that are not run, each with the reason.
const NOT_RUN: &[(&str, &str)] = &[
    (
        "cargo run --example quickstart --features sqlite",
        "the first program is compiled and run from the same text",
    ),
    (
        "cargo test --workspace --all-features",
        "this test is one of these tests",
    ),
    (
        "auditlog triggers --models models.json --model User --table public.users | psql -1 app",
        "it needs the database of an application; the tests of the triggers run the SQL",
    ),
    (
        "auditlog reconcile --store postgres://reader@db/app --since 1d",
        "it needs the database of an application; the tests of the command run it on one",
    ),
];

/// A line after `$ `, and the output that is shown below it.
pub(crate) struct ShellLine {
    pub(crate) command: String,
    expected: String,
}

/// Returns the shell lines of a document's blocks.
pub(crate) fn shell_lines(blocks: &[Block]) -> Vec<ShellLine> {
    let mut lines = Vec::new();
    for block in blocks.iter().filter(|block| block.has("console")) {
        for shown in format!("\n{}", block.text).split("\n$ ").skip(1) {
            let (command, expected) = shown.split_once('\n').unwrap_or((shown, ""));
            lines.push(ShellLine {
                command: command.to_owned(),
                expected: expected.to_owned(),
            });
        }
    }
    lines
}

/// Returns the lines of [`NOT_RUN`] that no document has.
pub(crate) fn unused_exceptions(lines: &[ShellLine]) -> Vec<&'static str> {
    let is_used = |command: &str| lines.iter().any(|line| line.command == command);
    let exceptions = NOT_RUN.iter().map(|(command, _)| *command);
    exceptions.filter(|command| !is_used(command)).collect()
}

/// A shell whose search path begins with the command `auditlog` of this workspace.
pub(crate) struct Shell {
    pub(crate) command: PathBuf,
    path: OsString,
}

impl Shell {
    /// Builds the command.
    pub(crate) fn build() -> Self {
        let command = build(&["--package", "audit-cli", "--bin", "auditlog"], &root()).remove(0);
        let folder = command.parent().expect("a folder").to_owned();
        let path = env::var_os("PATH").unwrap_or_default();
        let path = env::join_paths([folder].into_iter().chain(env::split_paths(&path)));
        Self {
            command,
            path: path.expect("a search path"),
        }
    }

    /// Runs lines in a folder, compares their output with the shown one, and returns how many were run.
    ///
    /// Times and ids differ. A later line that has the shown id of an entry gets the actual one.
    pub(crate) fn check(&self, lines: &[ShellLine], folder: &Path) -> usize {
        let mut ids: BTreeMap<String, String> = BTreeMap::new();
        let mut run = 0;
        for line in lines {
            if NOT_RUN.iter().any(|(command, _)| *command == line.command) {
                continue;
            }
            let mut command = line.command.clone();
            for (shown, actual) in &ids {
                command = command.replace(shown, actual);
            }
            let output = Command::new("sh")
                .args(["-c", &command])
                .env("PATH", &self.path)
                .env_remove("AUDITLOG_STORE")
                .env("AUDITLOG_ACTOR", "alice")
                .current_dir(folder)
                .output()
                .expect("a shell");
            let error = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "$ {command}: {error}");
            let output = String::from_utf8(output.stdout).expect("UTF-8");
            assert_eq!(
                normalized(&output),
                normalized(&line.expected),
                "$ {command}\n{output}"
            );
            let shown = line.expected.split_whitespace();
            for (shown, actual) in shown.zip(output.split_whitespace()) {
                if is_id(shown) {
                    ids.insert(shown.to_owned(), actual.to_owned());
                }
            }
            run += 1;
        }
        run
    }
}

fn is_id(word: &str) -> bool {
    word.len() == 36 && word.matches('-').count() == 4
}

/// Replaces times and ids, and every run of spaces by one.
pub(crate) fn normalized(text: &str) -> Vec<String> {
    let word = |word: &str| {
        let word = word.trim_end_matches(':');
        let word = word.strip_prefix("until:").unwrap_or(word);
        let is_time = word.len() > 20 && word.as_bytes()[10] == b'T' && word.ends_with('Z');
        match (is_time, is_id(word)) {
            (true, _) => "<time>".to_owned(),
            (_, true) => "<id>".to_owned(),
            _ => word.to_owned(),
        }
    };
    let words = |line: &str| line.split_whitespace().map(word).collect::<Vec<_>>();
    text.lines().map(|line| words(line).join(" ")).collect()
}

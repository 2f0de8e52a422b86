//! Tests that run in a process of their own: the test program itself, started again.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const FILE: &str = "AUDIT_SQLITE_TEST_FILE";

/// Returns the command that runs an ignored test of this program with a file.
pub(crate) fn command(test: &str, file: &Path) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command
        .args([
            "--exact",
            test,
            "--ignored",
            "--nocapture",
            "--test-threads=1",
        ])
        .env(FILE, file)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit());
    command
}

/// Returns the file that the test was started with; `None` in a run of all ignored tests.
pub(crate) fn file() -> Option<PathBuf> {
    env::var_os(FILE).map(OsString::into).or_else(|| {
        eprintln!("skipped: another test starts this one");
        None
    })
}

//! Child processes and temporary directories.
//!
//! A logger can be set once in a process, so a test starts its own binary again for itself alone,
//! and there `in_child` runs the case.
#![allow(dead_code, reason = "not every test file uses all of it")]
#![allow(missing_docs, unreachable_pub, reason = "a part of the test files")]

use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

pub const CHILD: &str = "AUDIT_LOGGING_TEST_CHILD";
const BEGIN: &str = "--- begin ---\n";

pub struct Printed {
    pub stdout: String,
    pub stderr: String,
}

/// Runs `case(argument)` in a child process and returns its output.
pub fn in_child(argument: &str, case: impl FnOnce(&str) -> Result<(), Box<dyn Error>>) -> Printed {
    if let Ok(argument) = std::env::var(CHILD) {
        print!("{BEGIN}");
        let result = case(&argument);
        if let Err(error) = &result {
            println!("{error}");
        }
        std::process::exit(i32::from(result.is_err()));
    }
    let test = std::thread::current().name().unwrap().to_owned();
    let output = Command::new(std::env::current_exe().unwrap())
        .args([&*test, "--exact", "--nocapture"])
        .env(CHILD, argument)
        .env("TZ", "UTC")
        .output()
        .unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{stdout}\n{stderr}");
    let (_, stdout) = stdout.split_once(BEGIN).unwrap();
    Printed {
        stdout: stdout.to_owned(),
        stderr,
    }
}

/// A directory that the parent removes when it drops the value. In the child it is the parent's.
pub struct Directory(pub PathBuf);

impl Directory {
    pub fn new() -> Self {
        let test = std::thread::current().name().unwrap().to_owned();
        if let Ok(path) = std::env::var(CHILD) {
            return Self(path.into());
        }
        let path = std::env::temp_dir().join(format!("{test}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub fn as_str(&self) -> &str {
        self.0.to_str().unwrap()
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.0.join(name)).unwrap()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        if std::env::var_os(CHILD).is_none() {
            fs::remove_dir_all(&self.0).unwrap();
        }
    }
}

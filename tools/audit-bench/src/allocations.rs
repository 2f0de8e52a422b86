//! Rows of allocations, from a program of their own.
//!
//! Counting takes 0.1 µs an allocation or so, and would make what has many of them look slow, so
//! that this program, which measures times, does without.

use std::error::Error;
use std::path::Path;
use std::process::Command;

/// Prints the rows of a group.
pub(crate) fn rows(group: &str) -> Result<(), Box<dyn Error>> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command
        .args(["run", "--quiet", "--package", "audit-bench"])
        .args(["--bin", "count-allocations"])
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")));
    // As this program was built, so that little is built anew.
    if !cfg!(debug_assertions) {
        command.arg("--release");
    }
    if cfg!(feature = "peers") {
        command.args(["--features", "peers"]);
    }
    if cfg!(feature = "postgres") {
        command.args(["--features", "postgres"]);
    }
    let status = command
        .args(["--", group])
        .args(crate::measure::arguments())
        .status()?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("the program that counts allocations failed: {status}").into())
    }
}

//! A short campaign.
//!
//! It needs the programs of a PostgreSQL server. Without them the test is reported as ignored;
//! with `CI=true` it fails.

use std::process::Command;

use audit_testbed::PostgresServer;
use libtest_mimic::{Arguments, Failed, Trial};

fn main() {
    let arguments = Arguments::from_args();
    let missing = !PostgresServer::can_start();
    let required = std::env::var("CI").is_ok_and(|ci| ci == "true");
    let trial = Trial::test("every_acknowledged_entry_is_stored_exactly_once", short)
        .with_ignored_flag(missing && !required);
    libtest_mimic::run(&arguments, vec![trial]).exit();
}

fn short() -> Result<(), Failed> {
    let output = Command::new(env!("CARGO_BIN_EXE_audit-faults"))
        .args(["--seconds", "8"])
        .output()?;
    let counts = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        return Err(format!("{}\n{counts}{errors}", output.status).into());
    }
    // The counts mean nothing unless entries were written.
    let acknowledged = counts
        .lines()
        .find_map(|line| line.trim().strip_suffix(" entries acknowledged"))
        .and_then(|count| count.parse::<u32>().ok());
    match acknowledged {
        Some(100..) => Ok(()),
        other => Err(format!("{other:?} entries were acknowledged\n{counts}").into()),
    }
}

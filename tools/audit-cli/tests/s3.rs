//! `--archive s3://`: the commands on an archive in a bucket. Without `moto_server` the test is reported as ignored,
//! and with `CI=true` it fails.

#[allow(dead_code, reason = "other test programs need the rest")]
#[path = "cli/scratch.rs"]
mod scratch;

use std::path::Path;

use audit_testbed::{S3Server, send};
use libtest_mimic::{Arguments, Trial};
use serde_json::Value;

use self::scratch::{auditlog, trail};

const ARCHIVE: &str = "s3://bucket/trails/billing";

fn main() {
    let arguments = Arguments::from_args();
    let required = std::env::var("CI").is_ok_and(|ci| ci == "true");
    let test = Trial::test("the_archive_may_be_in_a_bucket", || {
        the_archive_may_be_in_a_bucket();
        Ok(())
    });
    let trials = vec![test.with_ignored_flag(!required && !S3Server::can_start())];
    libtest_mimic::run(&arguments, trials).exit();
}

fn the_archive_may_be_in_a_bucket() {
    let server = S3Server::start().expect("`moto_server` is installed");
    let bucket = format!("{}/bucket", server.url());
    let store = trail(&scratch::folder());
    let run = |args: &[&str]| {
        let mut command = auditlog();
        command
            .envs(server.settings())
            .args(args)
            .args(["--archive", ARCHIVE, "--json", "--store"])
            .arg(&store)
            .output()
            .expect("the command runs")
    };
    let json = |args: &[&str]| -> Value {
        let output = run(args);
        assert!(output.status.success(), "{args:?}: {output:?}");
        let text = String::from_utf8(output.stdout).expect("UTF-8");
        let first = text.lines().next().unwrap_or("null");
        serde_json::from_str(first).expect("JSON")
    };
    let missing = run(&["archive", "run", "--create"]);
    assert_eq!(missing.status.code(), Some(3), "{missing:?}");
    let error = String::from_utf8_lossy(&missing.stderr);
    assert!(error.contains("NoSuchBucket"), "{error}");

    assert_eq!(send("PUT", &bucket, &[], "").expect("a response").0, 200);
    assert_eq!(json(&["archive", "run", "--create"])["entries"], 9);
    assert_eq!(
        json(&["archive", "verify", "--against-store"])["intact"],
        true
    );
    assert_eq!(json(&["prune", "--archived", "--yes"])["removed"], 8);
    let copy = Path::new(&store).with_file_name("copy.db");
    let restored = auditlog()
        .envs(server.settings())
        .args([
            "archive",
            "restore",
            "--create",
            "--json",
            "--archive",
            ARCHIVE,
            "--store",
        ])
        .arg(&copy)
        .output()
        .expect("the command runs");
    assert!(restored.status.success(), "{restored:?}");
    let output = run(&["log"]);
    let lines = String::from_utf8(output.stdout).expect("UTF-8");
    assert_eq!(lines.lines().count(), 10, "the record of the removal, too");
    assert_eq!(json(&["archive", "compact"])["replaced"], 0);
    let expire = [
        "archive",
        "expire",
        "--before",
        "2026-01-02",
        "--reason",
        "policy 7",
    ];
    let expired = json(&[&expire[..], &["--yes"]].concat());
    assert!(expired["removed"].as_u64() > Some(0), "{expired}");
    assert_eq!(json(&["archive", "verify"])["intact"], true);
}

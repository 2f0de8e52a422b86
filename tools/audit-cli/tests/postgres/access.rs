//! Access to trails in PostgreSQL: roles, missing stores, URLs and passwords.

use std::net::TcpListener;
use std::path::Path;
use std::process::Output;

use audit_testbed::PostgresServer;

use crate::scratch;
use crate::stores::{Test, entry, stderr};
use crate::trail::{Trail, for_user};

pub(crate) const TESTS: &[Test] = &[
    ("roles_limit_the_commands", roles_limit_the_commands),
    ("a_missing_store_is_an_error", a_missing_store_is_an_error),
    ("reconcile_uses_the_store", reconcile_uses_the_store),
];

/// Checks the exit code, message and hint of an error, which must not contain a password.
fn assert_error(output: &Output, code: i32, expected: &[&str]) {
    let message = stderr(output);
    assert_eq!(output.status.code(), Some(code), "{message}");
    assert!(output.stdout.is_empty(), "{output:?}");
    for part in expected {
        assert!(message.contains(part), "{part}: {message}");
    }
    assert!(message.contains("\nhint: "), "{message}");
    assert!(!message.contains("s3cret"), "{message}");
}

fn roles_limit_the_commands(trail: &mut Trail) {
    let [owner, writer, reader] = ["o", "w", "r"].map(|role| trail.url_of(role));
    let remove = ["prune", "--older-than", "2026-01-02", "--yes"];
    assert_eq!(trail.run_as(&reader, &["log"]).status.code(), Some(0));
    assert_eq!(trail.run_as(&reader, &["export"]).status.code(), Some(0));
    assert_eq!(trail.run_as(&reader, &["schema"]).status.code(), Some(0));
    let may_not = ["cannot be written", "hint: connect as a role that may"];
    let read_only = trail.run_as(&reader, &["log", "--record-access"]);
    assert_error(&read_only, 3, &may_not[1..]);
    // The output before the error is printed.
    let refused = trail.run_as(&reader, &[&remove[..], &["--json"]].concat());
    assert_eq!(refused.status.code(), Some(3), "{refused:?}");
    assert!(
        stderr(&refused).contains("connect as a role that may"),
        "{refused:?}"
    );
    let unread = trail.run_as(&writer, &["log"]);
    assert_error(
        &unread,
        3,
        &["permission denied", "hint: connect as a role that may read"],
    );
    assert_eq!(trail.stdout(&["log", "--json"]).lines().count(), 9);
    let removed = trail.run_as(&owner, &remove);
    assert_eq!(removed.status.code(), Some(0), "{removed:?}");
    // A role without rights to the trail.
    let outsider = format!("{}_n", trail.schema);
    trail.sql(&format!("CREATE ROLE {outsider}"));
    let output = trail.run_as(&trail.url_as(&outsider), &["log"]);
    let created = trail.run_as(&trail.url_as(&outsider), &["import", "--create", "-"]);
    trail.sql(&format!("DROP ROLE {outsider}"));
    assert_error(&output, 3, &["permission denied for schema"]);
    assert_error(&created, 3, &["permission denied for schema"]);
}

fn a_missing_store_is_an_error(trail: &mut Trail) {
    let with = |from: &str, to: &str| trail.url.replacen(from, to, 1);
    let no_trail = ["log", "--schema", "audit_cli_none"];
    let output = scratch::run(Path::new(&trail.url), &no_trail);
    assert_error(
        &output,
        3,
        &["schema `audit_cli_none` of", "without a trail", "--create"],
    );
    // Commands that write have an error of their own.
    let file = trail.folder.path().join("none.jsonl");
    std::fs::write(&file, "").expect("written");
    let file = file.to_str().expect("UTF-8");
    let args = ["import", file, "--schema", "audit_cli_none"];
    let output = scratch::run(Path::new(&trail.url), &args);
    assert_error(&output, 3, &["a schema without a trail\n", "--create"]);
    let output = scratch::run(Path::new(&trail.url), &["log", "--schema", "a b"]);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    assert!(
        stderr(&output).contains("a schema whose name has"),
        "{output:?}"
    );
    // An invalid file creates no schema.
    let file = trail.folder.path().join("bad.jsonl");
    std::fs::write(&file, "{}").expect("written");
    let file = file.to_str().expect("UTF-8");
    let args = ["import", "--create", file, "--schema", "audit_cli_none"];
    assert_eq!(
        scratch::run(Path::new(&trail.url), &args).status.code(),
        Some(4)
    );
    let made = "SELECT count(*) FROM pg_namespace WHERE nspname = 'audit_cli_none'";
    assert_eq!(trail.sql(made), ["0"]);
    // Tables of another program.
    let foreign = format!("{}_f", trail.schema);
    trail.sql(&format!(
        "CREATE SCHEMA {foreign}; CREATE TABLE {foreign}.audit_entry (id int)"
    ));
    std::fs::write(file, entry("User", "x").to_canonical_json().expect("JSON")).expect("written");
    let args = ["import", "--create", file, "--schema", &foreign];
    let output = scratch::run(Path::new(&trail.url), &args);
    trail.sql(&format!("DROP SCHEMA {foreign} CASCADE"));
    assert_error(
        &output,
        3,
        &["`audit_entry` in it belongs to another program"],
    );
    // A port without a server.
    let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let port = port.expect("a port").port();
    let nowhere = format!("postgres://ann:s3cret@127.0.0.1:{port}/db");
    let output = trail.run_as(&nowhere, &["log"]);
    assert_error(
        &output,
        3,
        &[
            "database `db` at 127.0.0.1:",
            "refused",
            "that the server runs",
        ],
    );
    let (server, _) = trail.url.rsplit_once('/').expect("a database");
    let output = trail.run_as(&format!("{server}/audit_cli_none"), &["log"]);
    assert_error(&output, 3, &["does not exist", "the name of the database"]);
    for (url, expected) in [
        (with("@", ":s3c@ret@"), "second `@`"),
        (
            "postgres://ann:s3cret@h:port/db".to_owned(),
            "option `port`",
        ),
        (
            "postgres://ann:s3cret@h/db?s3cret=1".to_owned(),
            "parameter that is unknown",
        ),
    ] {
        let output = trail.run_as(&url, &["log"]);
        assert_error(
            &output,
            2,
            &[expected, "postgres://user:password@host:port/database"],
        );
        let output = trail.run_as(&url, &["doctor", "--json"]);
        assert!(!stderr(&output).contains("s3cret"), "{output:?}");
    }
}

fn reconcile_uses_the_store(trail: &mut Trail) {
    let without_triggers = |output: &Output| {
        let message = stderr(output);
        assert!(
            message.contains("before triggers are installed"),
            "{message}"
        );
    };
    without_triggers(&trail.run(&["reconcile"]));
    let schema = trail.schema.as_str();
    let args = ["reconcile", "--postgres", &trail.url, "--schema", schema];
    without_triggers(&scratch::run(Path::new("no.db"), &args));
    // Arguments override variables.
    let output = scratch::auditlog()
        .env("AUDITLOG_POSTGRES_URL", "postgres://127.0.0.1:1/none")
        .args(["reconcile", "--schema", schema, "--store", &trail.url])
        .output();
    without_triggers(&output.expect("it runs"));
    let output = scratch::auditlog()
        .env("AUDITLOG_STORE", "postgres://127.0.0.1:1/none")
        .env("AUDITLOG_POSTGRES_URL", &trail.url)
        .args(["reconcile", "--schema", schema])
        .output();
    without_triggers(&output.expect("it runs"));
    let output = scratch::auditlog().arg("reconcile").output();
    assert_error(
        &output.expect("it runs"),
        2,
        &["no database was named", "--postgres or --store"],
    );
}

/// The test on a server with passwords.
pub(crate) const PASSWORDS: &str = "a_wrong_password_is_reported_and_not_shown";

pub(crate) fn a_wrong_password_is_reported_and_not_shown() {
    let access = "host all postgres 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n";
    let server = PostgresServer::start(&[("hba_file", "{folder}/hba")], &[("hba", access)])
        .expect("the programs are there");
    let mut trail = Trail::new(server.url(), "passwords");
    trail.url_of("r");
    let role = trail.role("r");
    trail.sql(&format!("ALTER ROLE {role} LOGIN PASSWORD 's3cret'"));
    let reader = for_user(&trail.url, &role);
    let with = |password: &str| reader.replacen('@', &format!(":{password}@"), 1);
    assert_eq!(
        trail.run_as(&with("s3cret"), &["log"]).status.code(),
        Some(0)
    );
    let wrong = trail.run_as(&with("s3cret7"), &["log"]);
    assert_error(
        &wrong,
        3,
        &["password authentication failed", "user and the password"],
    );
    let none = trail.run_as(&reader, &["log"]);
    assert_error(&none, 3, &["password", "add the password to the URL"]);
    let args = ["reconcile", "--postgres", &with("s3cret7")];
    let wrong = scratch::auditlog().args(args).output().expect("it runs");
    assert_error(&wrong, 3, &["password authentication failed"]);
}

//! Errors of the command: message, position and hint.

use std::fs;
use std::path::Path;

use crate::scratch::{self, auditlog, json, run, stderr, stdout, trail};
use auditlog::LogEntry;
use auditlog::sqlite::rusqlite::Connection;
use serde_json::Value;

#[test]
fn a_query_error_shows_the_column() {
    let store = trail(&scratch::folder());
    assert_eq!(
        stderr(&store, &["log", "model:User", "actr:alice"], 2),
        "error: the query cannot be read: column 12: unknown key `actr`; did you mean `actor`?\n  \
         model:User actr:alice\n             ^\n"
    );
    // The caret stands where the eye looks: wide characters count twice, escapes as they are.
    let message = stderr(&store, &["log", "text:日本\u{1b} level:loud"], 2);
    let lines: Vec<&str> = message.lines().collect();
    assert_eq!(lines[1], "  text:日本\\u{1b} level:loud");
    assert_eq!(
        lines[2].find('^'),
        Some(2 + "text:".len() + 4 + 6 + " level:".len())
    );
    let output = run(&store, &["log", "--json", "limit:x"]);
    let message: Value = serde_json::from_slice(&output.stderr).expect("JSON");
    assert_eq!(message["column"], 7);
    assert_eq!(message["exit"], 2);
    assert_eq!(message["kind"], "usage");
}

#[test]
fn errors_are_json_with_json() {
    let store = trail(&scratch::folder());
    for (args, exit, kind) in [
        (&["log", "--json", "--colour"][..], 2, "usage"),
        (&["--json"], 2, "usage"),
        (&["show", "--json", "ffff"], 1, "not_found"),
    ] {
        let output = run(&store, args);
        let message: Value = serde_json::from_slice(&output.stderr).expect("JSON");
        assert_eq!(output.status.code(), Some(exit));
        assert_eq!(message["exit"], exit);
        assert_eq!(message["kind"], kind);
        assert!(
            message["error"]
                .as_str()
                .is_some_and(|text| !text.is_empty())
        );
    }
}

#[test]
fn errors_of_flags_describe_valid_values() {
    let store = trail(&scratch::folder());
    for (args, message) in [
        (
            ["--since", "yestrday"],
            "--since: `yestrday` is not a time; expected one such as 2h",
        ),
        (
            ["--level", "loud"],
            "--level: unknown level `loud`; expected debug",
        ),
        (
            ["--below", "loud"],
            "--below: unknown level `loud`; expected debug",
        ),
        (
            ["--outcome", "maybe"],
            "--outcome: unknown outcome `maybe`; expected success",
        ),
        (["--transaction", "7"], "--transaction: "),
        (
            ["--object", "User"],
            "--object: expected a model and a key, `User/42`",
        ),
        (
            ["--changed-to", "city"],
            "--changed-to: expected a path and a value",
        ),
        (
            ["--limit", "many"],
            "invalid value 'many' for '--limit <NUMBER>': expected a number such as 20",
        ),
        (
            ["--limit", "-1"],
            "'-1' for '--limit <NUMBER>': expected a number",
        ),
        (["--tz", "Europe/Berln"], "did you mean `Europe/Berlin`?"),
    ] {
        let error = stderr(&store, &["log", args[0], args[1]], 2);
        assert!(error.contains(message), "{args:?}: {error}");
    }
    let twice = stderr(&store, &["log", "model:User", "--model", "Invoice"], 2);
    assert!(
        twice.contains("--model and `model:` in the query are the same condition"),
        "{twice}"
    );
    let time = stderr(&store, &["as-of", "User", "42", "noon"], 2);
    assert!(time.contains("<TIME>: `noon` is not a time"), "{time}");
    let id = stderr(&store, &["show", "bob"], 2);
    assert!(id.contains("`bob` is not part of an id"), "{id}");
}

#[test]
fn missing_names_have_suggestions() {
    let store = trail(&scratch::folder());
    for args in [
        &["history", "Usr", "42"][..],
        &["blame", "Usr", "42"],
        &["as-of", "Usr", "42", "yesterday"],
        &["as-of", "Usr", "yesterday"],
        &["diff", "Usr", "42", "1"],
        &["log", "model:Usr"],
        &["stats", "--model", "Usr"],
        &["schema", "Usr"],
        &["prune", "--model", "Usr"],
        &["log", "(model:Usr OR model:Usr object:1) actor:x"],
        &["export", "NOT (level:error OR NOT model:Usr)"],
    ] {
        let message = stderr(&store, args, 1);
        assert!(
            message.contains("error: the trail has no model `Usr`\nhint: did you mean `User`?\n"),
            "{args:?}: {message}"
        );
    }
    // Where the rest of the query finds entries, they are shown.
    for query in ["(model:Usr OR model:User)", "NOT model:Usr"] {
        for command in ["log", "stats", "export"] {
            let output = run(&store, &[command, query]);
            let message = String::from_utf8_lossy(&output.stderr);
            assert!(
                output.status.success() && !output.stdout.is_empty(),
                "{message}"
            );
            let warning = "warning: the trail has no model `Usr`; did you mean `User`?\n";
            assert_eq!(message, warning, "{command} {query}");
        }
    }
    assert_eq!(
        stderr(&store, &["log", "(model:User OR model:Invoice)"], 0),
        ""
    );
    // Only excluded models exist.
    let nothing = ["log", "actor:x NOT (model:Usr OR model:User)"];
    assert_eq!(stderr(&store, &nothing, 0), "");
    let message = stderr(&store, &["history", "User", "99"], 1);
    assert!(message.contains("no entry of `User` `99`"), "{message}");
    // Actions and paths, if the query finds no entry.
    for (args, expected) in [
        (
            &["log", "action:updte"][..],
            "with the action `updte`; did you mean `update`?",
        ),
        (
            &["stats", "--action", "login_faild"],
            "with the action `login_faild`; did you mean `login_failed`?",
        ),
        (
            &["log", "--changed", "phnoe"],
            "that changed `phnoe`; did you mean `phone`?",
        ),
        (
            &["export", "(model:Invoice changed:totl)"],
            "of `Invoice` was found that changed `totl`; did you mean `total`?",
        ),
        (
            &["log", "--changed-to", "ctiy=Bonn"],
            "that changed `ctiy`; did you mean `city`?",
        ),
    ] {
        let message = stderr(&store, args, 0);
        let warning = "warning: no entry ";
        assert!(
            message.starts_with(warning) && message.contains(expected),
            "{args:?}: {message}"
        );
    }
    for args in [
        &["log", "action:update actor:nora"][..],
        &["log", "changed:phone since:2027-01-01"],
        &["log", "action:approve"],
        &["log", "NOT action:updte", "--limit", "1"],
    ] {
        assert_eq!(stderr(&store, args, 0), "", "{args:?}");
    }
    let message = stderr(&store, &["show", "ffffffff"], 1);
    assert!(
        message.contains("no entry whose id begins or ends with `ffffffff`"),
        "{message}"
    );
}

#[test]
fn invalid_stores_are_errors() {
    let folder = scratch::folder();
    let store = |name: &str| folder.join(name);
    let message = |name: &str, expected: &str| {
        let error = stderr(&store(name), &["log"], 3);
        assert!(error.contains(expected), "{name}: {error}");
        assert!(error.contains("\nhint: "), "{name}: {error}");
    };
    message("missing.db", "missing.db: the file does not exist");
    assert!(!store("missing.db").exists());
    fs::write(
        store("text.db"),
        "not a database at all, but long enough to be one".repeat(99),
    )
    .expect("written");
    message(
        "text.db",
        "is not an audit store: a file that is not an SQLite database",
    );
    Connection::open(store("foreign.db"))
        .and_then(|other| other.execute_batch("CREATE TABLE invoices (id)"))
        .expect("a database");
    message(
        "foreign.db",
        "is not an audit store: an SQLite database that holds `invoices`",
    );
    let newer = trail(&folder);
    Connection::open(&newer)
        .and_then(|own| own.execute_batch("PRAGMA user_version = 99"))
        .expect("a database");
    message(
        "audit.db",
        "has schema version 99, and this library supports versions up to",
    );
    fs::create_dir(store("folder.db")).expect("a folder");
    message("folder.db", "folder.db is not an audit store: a folder");

    let output = auditlog()
        .current_dir(store("folder.db"))
        .arg("log")
        .output()
        .expect("it runs");
    assert_eq!(output.status.code(), Some(2));
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(
        message.contains("no store was named, and ./audit.db does not exist"),
        "{message}"
    );
}

#[test]
fn only_an_import_creates_a_store() {
    let folder = scratch::folder();
    let lines = folder.join("trail.jsonl");
    fs::write(&lines, stdout(&trail(&folder), &["export"])).expect("written");
    let lines = lines.to_str().expect("UTF-8");
    let store = folder.join("new.db");
    let message = stderr(&store, &["import", "--as", "ann", lines], 3);
    assert!(
        message.contains("commands with --create make the file"),
        "{message}"
    );
    stdout(&store, &["import", "--as", "ann", "--create", lines]);
    // The other trail is imported by its lines, not by its file.
    let other = folder.join("audit.db");
    let other = other.to_str().expect("UTF-8");
    let message = stderr(&store, &["import", "--as", "ann", other], 4);
    assert!(message.contains("`auditlog export`"), "{message}");
}

#[test]
fn a_text_that_is_not_a_store_is_not_shown() {
    let folder = scratch::folder();
    let (path, forms) = (
        "give the path of the file alone",
        "give the path of a SQLite file",
    );
    for (store, expected, hint) in [
        (
            "postgress://ann:s3cret@h/db",
            "`postgress://` does not name a store",
            forms,
        ),
        (
            "mysql://ann:s3cret@h/db",
            "`mysql:` does not name a store",
            forms,
        ),
        (
            "sqlite://s3cret.db",
            "`sqlite:` does not name a store",
            path,
        ),
        ("host=h password=s3cret", "is neither a file nor", forms),
        ("ann:s3cret@h/db", "is neither a file nor", forms),
    ] {
        let message = stderr(Path::new(store), &["log"], 2);
        assert!(message.contains(expected), "{message}");
        assert!(message.contains(&format!("hint: {hint}")), "{message}");
        assert!(!message.contains("s3cret"), "{message}");
    }
    // Nor where a URL is not expected.
    for args in [
        &["postgres://ann:s3cret@h/db"][..],
        &["log", "postgres://ann:s3cret@h/db"],
        &["log", "--limit", "postgres://ann:s3cret@h/db"],
        &["log", "--since", "postgres://ann:s3cret@h/db", "--json"],
    ] {
        let message = stderr(&trail(&folder), args, 2);
        fs::remove_file(folder.join("audit.db")).expect("removed");
        assert!(!message.contains("s3cret"), "{message}");
    }
    let store = trail(&folder);
    let message = stderr(&store, &["log", "--schema", "audit"], 2);
    assert!(message.contains("--schema is for PostgreSQL"), "{message}");
    assert!(message.contains("\nhint: leave it out"), "{message}");
    // A variable is for whatever stores there are.
    let output = auditlog()
        .env("AUDITLOG_SCHEMA", "audit")
        .args(["log", "--json", "--store"])
        .arg(&store)
        .output()
        .expect("it runs");
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn a_trail_in_the_database_of_an_application_is_read() {
    let folder = scratch::folder();
    let file = folder.join("app.db");
    let mut connection = Connection::open(&file).expect("a database");
    connection
        .execute_batch("CREATE TABLE invoices (id)")
        .expect("a table");
    auditlog::sqlite::install(&connection).expect("the trail's tables");
    let transaction = connection.transaction().expect("a transaction");
    let entry = LogEntry::new("update", "User", "1", "x");
    auditlog::sqlite::append_in(&transaction, &[entry]).expect("appended");
    transaction.commit().expect("committed");
    assert_eq!(json(&file, &["log"]).len(), 1);
    assert_eq!(json(&file, &["log", "--record-access"]).len(), 2);
    assert!(run(&file, &["doctor"]).status.success());
}

#[test]
fn the_store_in_the_folder_is_the_default() {
    let folder = scratch::folder();
    trail(&folder);
    let output = auditlog()
        .current_dir(&folder)
        .args(["stats", "--by", "model", "--json"])
        .output()
        .expect("it runs");
    assert!(output.status.success());
    let output = auditlog()
        .env("AUDITLOG_STORE", folder.join("audit.db"))
        .args(["log", "--json"])
        .output()
        .expect("it runs");
    assert_eq!(String::from_utf8_lossy(&output.stdout).lines().count(), 9);
}

#[cfg(unix)]
#[test]
fn a_pipe_is_rejected_without_waiting() {
    let pipe = scratch::folder().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.expect("mkfifo").success());
    for args in [&["log"][..], &["import", "--create", "-"]] {
        let output = auditlog()
            .arg("--store")
            .arg(&pipe)
            .args(args)
            .timeout(std::time::Duration::from_secs(10))
            .output()
            .expect("the command runs");
        let message = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{message}");
        assert!(
            message.contains("pipe is not an audit store: a pipe"),
            "{message}"
        );
    }
}

#[test]
fn contradicting_conditions_are_errors() {
    let store = trail(&scratch::folder());
    for (args, expected) in [
        (
            &[
                "log",
                "--since",
                "2026-01-03",
                "--until",
                "2026-01-02",
                "--tz=-05:00",
            ][..],
            "no entry is from 2026-01-03T00:00:00-05:00 or later and from before 2026-01-02T00:00:00-05:00",
        ),
        (
            &["stats", "since:now", "--until", "yesterday"],
            "no entry is from ",
        ),
        (
            &["export", "--level", "error", "--below", "info"],
            "no level is ERROR or higher and lower than INFO",
        ),
        (
            &["log", "level:info", "--below", "info"],
            "no level is INFO or higher",
        ),
    ] {
        let error = stderr(&store, args, 2);
        assert!(error.contains(expected), "{args:?}: {error}");
        assert!(error.contains("\nhint: exchange the two"), "{error}");
    }
    let none = ["log", "--since", "2026-01-02", "--until", "2026-01-02"];
    assert!(json(&store, &none).is_empty());
}

#[test]
fn a_key_without_a_time_has_a_hint() {
    let store = trail(&scratch::folder());
    let message = stderr(&store, &["as-of", "User", "42"], 2);
    assert!(message.contains("<TIME>: `42` is not a time"), "{message}");
    assert!(
        message.contains("\nhint: if it is the key of an object, add a time, or `now`\n"),
        "{message}"
    );
}

#[cfg(unix)]
#[test]
fn an_unreadable_store_is_an_error() {
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::process::CommandExt;

    // Where another user may go, too: rights do not keep root out.
    let folder = tempfile::tempdir().expect("a folder");
    let rights = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("set");
    };
    rights(folder.path(), 0o755);
    let program = folder.path().join("auditlog");
    fs::copy(env!("CARGO_BIN_EXE_auditlog"), &program).expect("copied");
    let store = trail(folder.path());
    rights(&store, 0o000);
    let mut command = std::process::Command::new(&program);
    command.args(["log", "--store"]).arg(&store);
    if fs::read(&store).is_ok() {
        command.uid(65_534).gid(65_534);
    }
    let output = command.output().expect("it runs");
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{message}");
    assert!(message.contains("audit.db"), "{message}");
    assert!(message.contains("Permission denied"), "{message}");
    assert!(message.contains("\nhint: check that"), "{message}");
}

#[cfg(not(feature = "postgres"))]
#[test]
fn a_command_that_is_not_in_the_build_is_an_error() {
    let folder = scratch::folder();
    let store = scratch::trail(&folder);
    for args in [
        &["triggers", "--models", "models.json", "--table", "users"][..],
        &["reconcile", "--help"],
    ] {
        let message = stderr(&store, args, 2);
        assert!(message.contains("was built without `"), "{message}");
        assert!(message.contains("`postgres`"), "{message}");
    }
    let url = std::path::Path::new("postgres://ann:s3cret@127.0.0.1/db");
    for command in ["log", "doctor", "schema"] {
        let message = stderr(url, &[command, "--schema", "audit"], 2);
        assert!(
            message.contains("was built without PostgreSQL\n"),
            "{message}"
        );
        assert!(message.contains("`postgres`"), "{message}");
        assert!(!message.contains("s3cret"), "{message}");
    }
}

#[test]
fn names_of_databases_create_no_file() {
    let folder = scratch::folder();
    trail(&folder);
    let file = folder.join("trail.jsonl");
    stdout(
        &folder.join("audit.db"),
        &["export", "-o", file.to_str().expect("UTF-8")],
    );
    let empty = folder.join("empty");
    std::fs::create_dir(&empty).expect("a folder");
    for store in [
        "file:audit.db",
        "sqlite:audit.db",
        "sqlite:///audit.db",
        "audit.db?mode=ro",
        "host=db user=app dbname=app",
        ":memory:",
    ] {
        let output = scratch::auditlog()
            .current_dir(&empty)
            .args(["--store", store, "import", "--create", "../trail.jsonl"])
            .output()
            .expect("it runs");
        assert_eq!(output.status.code(), Some(2), "{store}: {output:?}");
        assert_eq!(std::fs::read_dir(&empty).expect("a folder").count(), 0);
    }
}

#[test]
fn a_variable_without_a_value_is_unset() {
    let folder = scratch::folder();
    trail(&folder);
    for variable in [
        "AUDITLOG_STORE",
        "AUDITLOG_SCHEMA",
        "AUDITLOG_TZ",
        "AUDITLOG_ACTOR",
        "AUDITLOG_RECORD_ACCESS",
    ] {
        let output = scratch::auditlog()
            .current_dir(&folder)
            .env(variable, "")
            .args(["log", "--json"])
            .output()
            .expect("it runs");
        assert!(output.status.success(), "{variable}: {output:?}");
        let lines = String::from_utf8(output.stdout).expect("UTF-8");
        assert_eq!(lines.lines().count(), 9, "{variable}");
    }
    let output = scratch::auditlog()
        .current_dir(&folder)
        .env("AUDITLOG_ACTOR", "")
        .args(["prune", "--older-than", "2026-01-02", "--yes"])
        .output()
        .expect("it runs");
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn an_invalid_value_in_a_query_is_an_error() {
    let folder = scratch::folder();
    let store = trail(&folder);
    for (query, expected) in [
        (
            "limit:-1",
            "column 7: expected a number of entries, not `-1`",
        ),
        ("limit:many", "expected a number of entries, not `many`"),
        ("transaction:5", "column 13: expected a UUID, not `5`"),
    ] {
        let message = stderr(&store, &["log", query], 2);
        assert!(message.contains(expected), "{message}");
    }
}

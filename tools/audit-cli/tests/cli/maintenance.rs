//! `prune`, `doctor`, recorded reading, completions and the manual.

use std::fs;
use std::path::Path;

use crate::scratch::{self, auditlog, json, run, stderr, stdout, trail, unconfirmed};
use auditlog::sqlite::rusqlite::Connection;
use serde_json::{Value, json};

#[test]
fn prune_removes_nothing_without_confirmation() {
    let store = trail(&scratch::folder());
    let args = ["prune", "--older-than", "2026-01-02"];
    let text = unconfirmed(&store, &args);
    // A preview is successful.
    assert_eq!(stdout(&store, &[&args[..], &["--dry-run"]].concat()), text);
    assert!(
        text.contains("entries to remove: until:2026-01-02T00:00:00.000000Z\n"),
        "{text}"
    );
    assert!(
        text.contains("2 entries from 2026-01-01T10:00:00Z to 2026-01-01T23:30:00Z\n"),
        "{text}"
    );
    assert!(
        text.ends_with("nothing was removed; --yes removes these entries\n"),
        "{text}"
    );
    let args = ["prune", "--keep-last", "4", "model:User", "--json"];
    let report: Value = serde_json::from_str(&unconfirmed(&store, &args)).expect("JSON");
    assert_eq!(report["count"], 2);
    assert_eq!(report["models"], json!({"User": 2}));
    assert_eq!(report["removed"], json!(null));
    assert_eq!(json(&store, &["log"]).len(), 9);
}

#[test]
fn prune_records_the_removal_first() {
    let store = trail(&scratch::folder());
    let args = [
        "prune",
        "--older-than",
        "2026-01-02",
        "--yes",
        "--as",
        "carol",
        "--reason",
        "law",
    ];
    let text = stdout(&store, &args);
    assert!(text.ends_with("2 entries removed\n"), "{text}");
    let left = json(&store, &["log"]);
    assert_eq!(left.len(), 8);
    let recorded = &left[0];
    assert_eq!(recorded["action"], "prune");
    assert_eq!(recorded["level"], "WARNING");
    assert_eq!(recorded["actor"]["id"], "carol");
    assert_eq!(recorded["reason"], "law");
    assert_eq!(
        recorded["additional_data"],
        json!({"count": 2, "query": "until:2026-01-02T00:00:00.000000Z"})
    );
    assert_eq!(recorded["source"]["service"], "auditlog");
    assert!(run(&store, &["doctor"]).status.success());
}

#[test]
fn prune_by_level_number_and_model() {
    let store = trail(&scratch::folder());
    let removed = |args: &[&str]| {
        let args: Vec<&str> = ["prune", "--yes"].iter().chain(args).copied().collect();
        json(&store, &args)[0]["removed"].as_u64()
    };
    assert_eq!(removed(&["--below", "info"]), Some(1));
    assert_eq!(removed(&["--model", "User", "--keep-last", "3"]), Some(2));
    assert_eq!(removed(&["--model", "Invoice"]), Some(2));
    // One of the four remaining entries; the three records of removals do not count.
    assert_eq!(
        removed(&["--below", "critical", "--keep-last", "1"]),
        Some(3)
    );
    let left = json(&store, &["log"]);
    assert_eq!(left.len(), 5, "{left:?}");
    assert_eq!(json(&store, &["log", "action:prune"]).len(), 4);
    assert_eq!(removed(&["--keep-last", "10"]), None);
    let text = stdout(&store, &["prune", "--keep-last", "10"]);
    assert!(text.ends_with("\nno entries\n"), "{text}");
}

#[test]
fn records_of_removals_are_removed_only_by_name() {
    let store = trail(&scratch::folder());
    stdout(&store, &["prune", "--below", "info", "--yes"]);
    stdout(&store, &["prune", "model:Invoice", "--yes"]);
    let shown = unconfirmed(&store, &["prune", "--older-than", "0s"]);
    assert!(
        shown.contains("\n2 records of earlier removals stay; `action:prune` selects"),
        "{shown}"
    );
    let report = json(&store, &["prune", "--older-than", "0s", "--yes"]).remove(0);
    assert_eq!(report["count"], 6);
    assert_eq!(report["removed"], 6);
    assert_eq!(report["records_kept"], 2);
    let left = json(&store, &["log"]);
    assert_eq!(left.len(), 3);
    assert!(left.iter().all(|entry| entry["action"] == "prune"));
    // Nor do those between two of them hide anything.
    let report = json(&store, &["prune", "level:warning", "--yes"]).remove(0);
    assert_eq!(
        (&report["count"], &report["removed"]),
        (&json!(0), &json!(null))
    );
    let report = json(&store, &["prune", "--action", "prune", "--yes"]).remove(0);
    assert_eq!(report["removed"], 3);
    assert_eq!(json(&store, &["log"]).len(), 1);
}

#[test]
fn prune_rejects_missing_and_meaningless_conditions() {
    let store = trail(&scratch::folder());
    let all = stderr(&store, &["prune", "--yes"], 2);
    assert!(
        all.contains("no condition selects the entries to remove"),
        "{all}"
    );
    let limit = stderr(&store, &["prune", "--yes", "model:User", "limit:2"], 2);
    assert!(limit.contains("do not apply to a removal"), "{limit}");
    let anonymous = auditlog()
        .env_remove("USER")
        .args(["prune", "--yes", "model:User", "--store"])
        .arg(&store)
        .output()
        .expect("the command runs");
    assert_eq!(anonymous.status.code(), Some(2));
    assert!(anonymous.stdout.is_empty(), "{anonymous:?}");
    let message = String::from_utf8_lossy(&anonymous.stderr);
    assert!(
        message.contains("the name of its actor is missing\nhint: give your name with --as"),
        "{message}"
    );
    assert_eq!(json(&store, &["log"]).len(), 9);
}

#[test]
fn prune_counts_damaged_rows() {
    let store = trail(&scratch::folder());
    scratch::damage(&store, "'no entry'", 7);
    let message = stderr(&store, &["prune", "--keep-last", "4", "--yes"], 3);
    assert!(message.contains("row 7 is not an entry"), "{message}");
    assert!(message.contains("hint: run `auditlog doctor`"), "{message}");
    let output = run(&store, &["log", "--json"]);
    let left = String::from_utf8(output.stdout).expect("UTF-8");
    // The four remaining entries and the records of removals.
    assert_eq!(left.lines().count(), 4 + 1);
    // By its columns the row is one of those that may go.
    let output = run(
        &store,
        &["prune", "--action", "login_failed", "--yes", "--json"],
    );
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    let recorded = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(recorded.contains("\"removed\":1"), "{recorded}");
    assert_eq!(json(&store, &["log"]).len(), 4 + 2);
}

#[test]
fn a_damaged_row_does_not_hide_entries() {
    let store = trail(&scratch::folder());
    let connection = Connection::open(&store).expect("a database");
    connection
        .execute_batch(
            "INSERT INTO audit_entry (id, ts, level, action, outcome, model, object_pk, checksum, body) \
             VALUES (randomblob(16), 9223372036854775807, 20, 'x', 'success', 'User', '42', x'00', 'no json')",
        )
        .expect("inserted");
    for (args, lines) in [
        (&["log"][..], 9),
        (&["log", "--all", "model:User"], 6),
        (&["history", "User", "42"], 4),
        (&["blame", "User", "42"], 1),
        (&["diff", "User", "42", "1"], 1),
        (&["stats"], 1),
        (&["schema"], 1),
        (&["export"], 10),
        (&["export", "--format", "csv"], 10),
    ] {
        let output = run(&store, args);
        let recorded = String::from_utf8(output.stdout).expect("UTF-8");
        let message = String::from_utf8(output.stderr).expect("UTF-8");
        assert_eq!(output.status.code(), Some(3), "{args:?}: {message}");
        assert!(recorded.lines().count() >= lines, "{args:?}: {recorded}");
        assert!(
            message.contains("row 10 is not an entry"),
            "{args:?}: {message}"
        );
    }
}

#[test]
fn doctor_finds_missing_protections() {
    for (sql, expected) in [
        (
            "DROP TRIGGER audit_entry_keep_updated",
            "the trigger `audit_entry_keep_updated` is missing",
        ),
        (
            "DROP INDEX audit_entry_object",
            "the index `audit_entry_object` is missing",
        ),
        (
            "INSERT INTO audit_retention VALUES (9223372036854775807)",
            "`audit_retention` has a row",
        ),
        (
            "INSERT INTO audit_retention VALUES (9223372036854775807); \
             DELETE FROM audit_entry WHERE seq = 3; DELETE FROM audit_change WHERE seq = 3; \
             DELETE FROM audit_retention",
            "1 entry was removed, and the entries of `prune` account for 0",
        ),
    ] {
        let store = trail(&scratch::folder());
        stdout(&store, &["doctor"]);
        Connection::open(&store)
            .and_then(|file| file.execute_batch(sql))
            .expect("changed");
        let output = run(&store, &["doctor"]);
        assert_eq!(output.status.code(), Some(5), "{sql}");
        let recorded = String::from_utf8(output.stdout).expect("UTF-8");
        assert!(recorded.contains(expected), "{recorded}");
    }
    // `doctor` takes pruned entries into account.
    let store = trail(&scratch::folder());
    stdout(&store, &["prune", "--older-than", "2026-01-02", "--yes"]);
    stdout(&store, &["doctor"]);
}

#[test]
fn a_backup_contains_the_trail() {
    let folder = scratch::folder();
    let store = trail(&folder);
    let copy = folder.join("copy.db");
    let name = copy.to_str().expect("UTF-8");
    let message = stdout(&store, &["backup", name]);
    assert_eq!(message, format!("copied to {name}\n"));
    assert_eq!(stdout(&copy, &["export"]), stdout(&store, &["export"]));
    stdout(&copy, &["doctor"]);
    let message = stderr(&store, &["backup", name], 3);
    assert!(message.contains("copy.db"), "{message}");
    assert!(
        message.contains("hint: name a file that does not exist"),
        "{message}"
    );
    let missing = folder.join("missing");
    let file = missing.join("copy.db");
    let message = stderr(&store, &["backup", file.to_str().expect("UTF-8")], 6);
    let expected = format!("the folder {} does not exist\n", missing.display());
    assert!(
        message.ends_with(&expected) && !message.contains("-part-"),
        "{message}"
    );
    let message = stderr(
        Path::new("postgres://nobody@127.0.0.1:1/none"),
        &["backup", "other.db"],
        2,
    );
    assert!(message.contains("pg_dump"), "{message}");
}

#[test]
fn reading_can_be_recorded() {
    let store = trail(&scratch::folder());
    let lines = json(&store, &["log", "model:User", "--record-access"]);
    assert_eq!(lines.len(), 6);
    let output = auditlog()
        .env("AUDITLOG_RECORD_ACCESS", "1")
        .env("AUDITLOG_ACTOR", "inspector")
        .args(["history", "User", "42", "--store"])
        .arg(&store)
        .output()
        .expect("the command runs");
    assert!(output.status.success());
    let recorded = json(&store, &["log", "action:access", "model:\"\""]);
    assert_eq!(recorded.len(), 2, "{recorded:?}");
    assert_eq!(recorded[0]["actor"]["id"], "inspector");
    assert_eq!(
        recorded[0]["additional_data"],
        json!({"command": "history", "query": "User 42"})
    );
    assert_eq!(recorded[1]["actor"]["id"], "tester");
    assert_eq!(
        recorded[1]["additional_data"],
        json!({"command": "log", "query": "model:User order:newest"})
    );
    // What cannot be recorded is not shown.
    let output = auditlog()
        .env_remove("USER")
        .args(["log", "--record-access", "--store"])
        .arg(&store)
        .output()
        .expect("the command runs");
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.is_empty());
}

#[test]
fn doctor_reports_a_healthy_store() {
    let store = trail(&scratch::folder());
    let text = stdout(&store, &["doctor"]);
    assert!(text.ends_with("\nhealthy\n"), "{text}");
    let found = json(&store, &["doctor"]).remove(0);
    assert_eq!(found["healthy"], true);
    assert_eq!(found["entries"], 9);
    assert_eq!(found["versions"]["entry_format"], 1);
    assert_eq!(
        found["versions"]["schema"],
        found["versions"]["schema_known"]
    );
    let size = fs::metadata(&store).expect("a file").len();
    assert_eq!(found["sizes"]["file_bytes"], size);
    assert!(
        found["indexes"]
            .as_array()
            .is_some_and(|plans| plans.len() == 9)
    );
}

#[test]
fn a_damaged_byte_is_found_by_its_checksum() {
    for (column, damage) in [
        ("body", "replace(body, '2026', '2027')"),
        (
            "body",
            "CAST(substr(CAST(body AS BLOB), 1, 40) || x'00' || \
             substr(CAST(body AS BLOB), 42) AS TEXT)",
        ),
        ("checksum", "CAST(x'01' || substr(checksum, 2) AS BLOB)"),
    ] {
        let store = trail(&scratch::folder());
        let connection = Connection::open(&store).expect("a database");
        let id: String = connection
            .query_row(
                "SELECT json_extract(body, '$.id') FROM audit_entry WHERE seq = 3",
                [],
                |row| row.get(0),
            )
            .expect("an id");
        connection
            .execute_batch(&format!(
                "CREATE TEMP TABLE kept AS SELECT sql FROM sqlite_master \
                 WHERE name = 'audit_entry_keep_updated';
                 DROP TRIGGER audit_entry_keep_updated;
                 UPDATE audit_entry SET {column} = {damage} WHERE seq = 3;"
            ))
            .expect("damaged");
        let sql: String = connection
            .query_row("SELECT sql FROM kept", [], |row| row.get(0))
            .expect("a trigger");
        connection.execute_batch(&sql).expect("a trigger");
        drop(connection);
        let output = run(&store, &["doctor"]);
        assert_eq!(output.status.code(), Some(5), "{damage}: {output:?}");
        let text = String::from_utf8_lossy(&output.stdout);
        let expected = format!("problem: entry {id}: its bytes do not match their checksum; ");
        assert!(text.contains(&expected), "{damage}: {text}");
        assert_eq!(text.matches("do not match").count(), 1, "{damage}: {text}");
    }
}

#[test]
fn a_forged_entry_and_a_dropped_index_are_found() {
    let store = trail(&scratch::folder());
    let connection = Connection::open(&store).expect("a database");
    connection
        .execute_batch(
            "DROP TRIGGER audit_entry_keep_updated;
             UPDATE audit_entry SET actor = 'mallory' WHERE seq = 1;
             DROP INDEX audit_entry_actor;",
        )
        .expect("forged");
    drop(connection);
    let output = run(&store, &["doctor"]);
    assert_eq!(output.status.code(), Some(5));
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        text.contains("problem: `actor` of entry 1 differs from its bytes; "),
        "{text}"
    );
    assert!(text.ends_with("\nnot healthy\n"), "{text}");
    let output = run(&store, &["doctor", "--json"]);
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(found["healthy"], false);
}

#[test]
fn a_damaged_file_is_not_healthy() {
    let store = trail(&scratch::folder());
    let mut bytes = fs::read(&store).expect("a file");
    let at = bytes.len() - 3 * 4096;
    bytes[at..].fill(0xa5);
    fs::write(&store, bytes).expect("written");
    let output = run(&store, &["doctor"]);
    assert_eq!(output.status.code(), Some(5), "{output:?}");
}

#[test]
fn completions_and_manual_cover_all_commands() {
    let store = trail(&scratch::folder());
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = stdout(&store, &["completions", shell]);
        assert!(script.contains("record-access"), "{shell}");
    }
    let page = stdout(&store, &["man"]);
    assert!(page.starts_with(".ie "), "{page}");
    assert!(
        page.contains("as\\-of: the object did not exist at that time"),
        "{page}"
    );
    assert!(stdout(&store, &["man", "prune"]).contains("\\-\\-keep\\-last"));
    let folder = store.parent().expect("a folder").join("man");
    fs::create_dir(&folder).expect("a folder");
    stdout(&store, &["man", "--dir", folder.to_str().expect("UTF-8")]);
    assert!(folder.join("auditlog.1").is_file());
    assert!(folder.join("auditlog-as-of.1").is_file());
    let help = stdout(&store, &["--help"]);
    assert!(
        help.contains("  7  as-of: the object did not exist at that time\n"),
        "{help}"
    );
    assert!(help.contains("130  interrupted\n"), "{help}");
}

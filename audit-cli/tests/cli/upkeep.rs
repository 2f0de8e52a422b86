//! `prune`, `doctor`, recorded reading, completions and the manual.

use std::fs;

use crate::scratch::{self, auditlog, json, run, stderr, stdout, trail};
use auditlog::sqlite::rusqlite::Connection;
use serde_json::json;

#[test]
fn prune_removes_nothing_unasked() {
    let store = trail(&scratch::folder());
    let text = stdout(&store, &["prune", "--older-than", "2026-01-02"]);
    assert!(
        text.contains("what may go: until:2026-01-02T00:00:00.000000Z\n"),
        "{text}"
    );
    assert!(
        text.contains("2 entries from 2026-01-01T10:00:00Z to 2026-01-01T23:30:00Z\n"),
        "{text}"
    );
    assert!(
        text.ends_with("nothing was removed; --yes removes them\n"),
        "{text}"
    );
    let report = json(&store, &["prune", "--keep-last", "4", "model:User"]).remove(0);
    assert_eq!(report["count"], 2);
    assert_eq!(report["models"], json!({"User": 2}));
    assert_eq!(report["removed"], json!(null));
    assert_eq!(json(&store, &["log"]).len(), 9);
}

#[test]
fn prune_tells_of_itself_and_then_removes() {
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
    let told = &left[0];
    assert_eq!(told["action"], "prune");
    assert_eq!(told["level"], "WARNING");
    assert_eq!(told["actor"]["id"], "carol");
    assert_eq!(told["reason"], "law");
    assert_eq!(
        told["additional_data"],
        json!({"count": 2, "query": "until:2026-01-02T00:00:00.000000Z"})
    );
    assert_eq!(told["source"]["service"], "auditlog");
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
    // Of the four that are left, one; the three entries that tell of all this do not count.
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
fn what_tells_of_removals_goes_only_when_it_is_named() {
    let store = trail(&scratch::folder());
    stdout(&store, &["prune", "--below", "info", "--yes"]);
    stdout(&store, &["prune", "model:Invoice", "--yes"]);
    let shown = stdout(&store, &["prune", "--older-than", "0s"]);
    assert!(
        shown.contains("\n2 records of earlier removals within it stay; `action:prune` asks"),
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
fn prune_refuses_what_is_too_much_or_means_nothing() {
    let store = trail(&scratch::folder());
    let all = stderr(&store, &["prune", "--yes"], 2);
    assert!(all.contains("nothing says what may be removed"), "{all}");
    let limit = stderr(&store, &["prune", "--yes", "model:User", "limit:2"], 2);
    assert!(limit.contains("mean nothing to a removal"), "{limit}");
    let nobody = auditlog()
        .env_remove("USER")
        .args(["prune", "--yes", "model:User", "--store"])
        .arg(&store)
        .output()
        .expect("the command runs");
    assert_eq!(nobody.status.code(), Some(2));
    assert!(nobody.stdout.is_empty(), "{nobody:?}");
    let said = String::from_utf8_lossy(&nobody.stderr);
    assert!(
        said.contains("nobody's name is known\nhint: name who does it with --as"),
        "{said}"
    );
    assert_eq!(json(&store, &["log"]).len(), 9);
}

#[test]
fn prune_does_not_pass_over_what_it_cannot_read() {
    let store = trail(&scratch::folder());
    scratch::damage(&store, "'no entry'", 7);
    let said = stderr(&store, &["prune", "--keep-last", "4", "--yes"], 3);
    assert!(said.contains("entry 7 of "), "{said}");
    assert!(said.contains("hint: `auditlog doctor`"), "{said}");
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
    let told = json(&store, &["log", "action:access", "model:\"\""]);
    assert_eq!(told.len(), 2, "{told:?}");
    assert_eq!(told[0]["actor"]["id"], "inspector");
    assert_eq!(
        told[0]["additional_data"],
        json!({"command": "history", "query": "User 42"})
    );
    assert_eq!(told[1]["actor"]["id"], "tester");
    assert_eq!(
        told[1]["additional_data"],
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
fn a_healthy_store_is_called_so() {
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
fn shells_and_the_manual_are_told_everything() {
    let store = trail(&scratch::folder());
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = stdout(&store, &["completions", shell]);
        assert!(script.contains("record-access"), "{shell}");
    }
    let page = stdout(&store, &["man"]);
    assert!(page.starts_with(".ie "), "{page}");
    assert!(
        page.contains("as\\-of: the object did not exist then"),
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
        help.contains("  7  as-of: the object did not exist then\n"),
        "{help}"
    );
    assert!(
        help.contains("130  interrupted before it was done\n"),
        "{help}"
    );
}
